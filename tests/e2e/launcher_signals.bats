#!/usr/bin/env bats
# The launcher owns its nginx: signals, deaths, reloads, and what is left afterwards (nothing).

load ../support/lib

config_files() {
    find "$RUN/tmp" -type f -name 'mkv-*'
}

# Starts `mkv volume` and `mkv index` under the names v and i.
start_both() {
    volume v "$@"
    index i v "$@"
}

reading() { # NAME: a volume has begun to take a body
    [[ -n $(find "$(lookup data "$1")/.mkv/tmp" -mindepth 2 -type f) ]]
}

no_nginx() { # PID...: none of them runs any more
    local pid
    for pid in "$@"; do
        [[ ! -d /proc/$pid || $(awk '/^State/ { print $2 }' "/proc/$pid/status" 2>/dev/null) == [ZX] ]] || return 1
    done
}

new_master() { # NAME OLD-PID
    local pid
    pid=$(nginx_master "$1") && [[ $pid != "$2" ]]
}

@test "the config is a private mkstemp file while it runs, and gone after each signal" {
    local signal
    for signal in TERM INT QUIT; do
        start_both
        same 2 "$(config_files | wc -l)"
        same 1 "$(config_files | grep -c '/mkv-volume-')"
        same 1 "$(config_files | grep -c '/mkv-index-')"
        same 600 "$(config_files | xargs stat -c %a | sort -u)"
        stop i "$signal"
        stop v "$signal"
        same '' "$(ls -A "$RUN/tmp")"
        closed "$(port v)"
        closed "$(port i)"
        closed "$(port i-direct)"
    done
}

@test "a signal at any moment of the start leaves nothing behind" {
    local delay
    mkdir "$RUN/data/early"
    for delay in 0 0.005 0.01 0.02 0.03 0.05 0.08; do
        hatch early "$MKV" volume "$(at early)" "$RUN/data/early"
        sleep "$delay"
        signal early TERM
        await_end early 10
        [[ $RC == 0 || $RC == 143 ]]
        within 3 gone early
        same '' "$(ls -A "$RUN/tmp")"
        closed "$(port early)"
    done
}

@test "TERM lets a PUT in flight at the volume end" {
    volume v
    put_half v /aa/bb/file
    within 5 reading v
    signal v TERM
    within 5 logged v 'drain|stop|TERM|signal'
    refute ended v
    put_rest
    same 201 "$STATUS"
    await_end v
    same 0 "$RC"
    cmp "$T/value" "$RUN/data/v/aa/bb/file"
}

@test "TERM lets a PUT in flight at the index end, through the front and directly" {
    local way
    for way in i i-direct; do
        start_both
        put_half "$way" "/drained-$way"
        within 5 reading v
        signal i TERM
        within 5 closed "$(port i)"
        refute ended i
        put_rest
        same 201 "$STATUS"
        await_end i
        same 0 "$RC"
        index i v
        got "$(url i)/drained-$way" "$(cat "$T/value")"
        stop i
        stop v
    done
}

@test "a second signal ends it at once" {
    local name
    start_both
    for name in v i; do
        put_half "$name" /aa/stuck
        within 5 reading v
        signal "$name" TERM
        within 5 closed "$(port "$name")"
        refute ended "$name"
        rm -f "$(lookup proc "$name.must-exit-0")"
        signal "$name" TERM
        await_end "$name" 3
        within 3 gone "$name"
        exec 7>&-
        if [[ $name == v ]]; then
            volume v
        fi
    done
}

@test "--drain-timeout bounds the wait for a client that never ends" {
    local name start
    start_both --drain-timeout 1
    for name in i v; do
        put_half "$name" /aa/stuck
        within 5 reading v
        start=$(now_ms)
        signal "$name" TERM
        await_end "$name" 5
        same 0 "$RC"
        (($(now_ms) - start >= 900)) || fail "$name cut the client off after $(($(now_ms) - start)) ms"
        within 3 gone "$name"
        exec 7>&-
        within 5 closed "$(port "$name")"
    done
}

@test "--direct takes no new clients while the front drains, and lets those it has end" {
    start_both --drain-timeout 3
    put_half i-direct /direct
    exec 8<&7
    put_half i /stuck
    within 5 reading v
    signal i TERM
    within 1 closed "$(port i)"
    within 1 closed "$(port i-direct)"
    refute logged i 'cut off'
    within 5 logged i 'cut off'
    printf 56789 >&8
    answer 8
    same 201 "$STATUS"
    await_end i
    same 0 "$RC"
    exec 7>&- 8>&-
}

@test "an idle keep-alive connection does not hold up the end" {
    local start fd
    start_both
    exec 7<>"/dev/tcp/127.0.0.1/$(port i)" 8<>"/dev/tcp/127.0.0.1/$(port i-direct)" 9<>"/dev/tcp/127.0.0.1/$(port v)"
    for fd in 7 8 9; do
        printf 'GET /none HTTP/1.1\r\nHost: x\r\n\r\n' >&"$fd"
        answer "$fd"
        same 404 "$STATUS"
    done
    start=$(now_ms)
    stop i
    stop v
    (($(now_ms) - start < 5000 * SLOW))
    exec 7>&- 8>&- 9>&-
}

@test "HUP renders the template anew and reloads, without a failed request" {
    local name n
    sed 's/autoindex_format/add_header X-Generation 1 always; autoindex_format/' \
        "$BATS_TEST_DIRNAME/../../templates/volume.conf.in" >"$T/template"
    volume v --template "$T/template"
    want 200 GET "$(url v)/"
    same 1 "$(header X-Generation)"
    sed -i 's/X-Generation 1/X-Generation 2/' "$T/template"
    signal v HUP
    for ((n = 0; n < 50; n++)); do
        want 200 GET "$(url v)/"
        [[ $(header X-Generation) != 2 ]] || break
    done
    generation_2() {
        want 200 GET "$(url v)/" && [[ $(header X-Generation) == 2 ]]
    }
    within 5 generation_2
    refute ended v
}

@test "HUP with a bad template keeps the old config and says why" {
    local name master
    cp "$BATS_TEST_DIRNAME/../../templates/volume.conf.in" "$T/volume.template"
    cp "$BATS_TEST_DIRNAME/../../templates/index.conf.in" "$T/index.template"
    volume v --template "$T/volume.template"
    index i v --template "$T/index.template"
    echo 'no such directive;' | tee -a "$T/volume.template" >>"$T/index.template"
    for name in v i; do
        master=$(nginx_master "$name")
        signal "$name" HUP
        within 5 logged "$name" ' (warn|error) +[a-z]+: .*(template|directive)'
        healthy "$name"
        same "$master" "$(nginx_master "$name")"
    done
    rm "$T/volume.template"
    signal v HUP
    within 5 logged v "$T/volume.template"
    healthy v
    # One that nginx finds good, and that would make it let go of the sockets for good.
    sed '/@LISTEN@/d' "$BATS_TEST_DIRNAME/../../templates/volume.conf.in" >"$T/volume.template"
    signal v HUP
    within 5 logged v '@LISTEN@'
    healthy v
    # And it can be mended.
    cp "$BATS_TEST_DIRNAME/../../templates/volume.conf.in" "$T/volume.template"
    signal v HUP
    within 5 logged v 'info .*new config'
    healthy v
}

@test "an index serves on through HUP" {
    local n round
    start_both
    put "$(url i)/key" value
    for round in 1 2 3; do
        signal i HUP
        signal v HUP
        for ((n = 0; n < 20; n++)); do
            got "$(url i)/key" value
        done
    done
}

@test "USR1 reopens the log and the access log" {
    local name logs=$T/logs
    mkdir -m 777 "$logs"
    volume v --log "$logs/v.log" --access-log "$logs/v.access"
    index i v --log "$logs/i.log" --access-log "$logs/i.access"
    for name in v i; do
        mv "$logs/$name.log" "$logs/$name.log.old"
        mv "$logs/$name.access" "$logs/$name.access.old"
        signal "$name" USR1
        within 5 test -e "$logs/$name.access"
        within 5 test -e "$logs/$name.log"
        want 404 GET "$(url "$name")/aa/bb/after-rotation"
        within 5 grep -q after-rotation "$logs/$name.access"
        refute grep -q after-rotation "$logs/$name.access.old"
        stop "$name"
        [[ -s $logs/$name.log ]]
    done
}

@test "kill -9 of mkv takes its nginx with it" {
    local name pids
    start_both
    leaves_files
    for name in i v; do
        pids="$(nginx_master "$name") $(nginx_workers "$name") $(server_of "$name" || true)"
        signal "$name" KILL
        await_end "$name"
        same 137 "$RC"
        within 2 gone "$name"
        # shellcheck disable=SC2086 # a list of pids
        no_nginx $pids
        closed "$(port "$name")"
    done
    # And nothing of it stands in the way of a new start.
    start_both
    put "$(url i)/key" value
}

@test "kill -9 of mkv while a client is in the middle of a PUT takes its nginx with it" {
    volume v
    leaves_files
    put_half v /aa/bb/torn
    within 5 reading v
    signal v KILL
    await_end v
    within 2 gone v
    exec 7>&-
    volume v
    tidy v
    want 404 GET "$(url v)/aa/bb/torn"
}

@test "nginx is restarted when its master is killed, and the old workers are gone" {
    local name master pids
    start_both
    put "$(url i)/key" value
    for name in v i; do
        master=$(nginx_master "$name")
        pids="$master $(nginx_workers "$name")"
        kill -KILL "$master"
        within 10 new_master "$name" "$master"
        # shellcheck disable=SC2086 # a list of pids
        within 3 no_nginx $pids
        within 5 healthy "$name"
        within 2 logged "$name" ' (warn|error) +mkv: .*nginx'
        got "$(url i)/key" value
        refute ended "$name"
    done
}

@test "a client that connects while nginx restarts waits, and is not refused" {
    local n master
    start_both
    put "$(url i)/key" value
    for n in v i; do
        master=$(nginx_master "$n")
        kill -KILL "$master"
        exec 7<>"/dev/tcp/127.0.0.1/$(port "$n")"
        printf 'GET /_mkv/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >&7
        within 10 new_master "$n" "$master"
        within 10 healthy "$n"
        exec 7>&-
    done
    master=$(nginx_master v)
    kill -KILL "$master"
    for ((n = 0; n < 100; n++)); do
        if ! listening "$(port v)"; then
            fail "refused at connection $n"
        fi
    done
    within 10 new_master v "$master"
}

@test "a killed worker is replaced, and it serves on" {
    local worker
    volume v --workers 1
    worker=$(nginx_workers v)
    kill -KILL "$worker"
    replaced() {
        local new
        new=$(nginx_workers v) && [[ -n $new && $new != "$worker" ]]
    }
    within 5 replaced
    within 5 healthy v
    refute ended v
}

@test "an nginx that dies again and again is restarted with backoff, not in a busy loop" {
    local n master
    volume v
    for n in 1 2 3; do
        master=$(nginx_master v)
        kill -KILL "$master"
        within 15 new_master v "$master"
    done
    within 15 healthy v
    (($(grep -c . "$(log_of v)") < 30))
    same 1 "$(grep -c 'mkv: nginx .* it is started again' "$(log_of v)")" 'lines about its deaths'
}

@test "READY=1 goes to NOTIFY_SOCKET once the port accepts" {
    hatch listener "$SUPPORT/notifysock" "$RUN/notify"
    within 5 logged listener '^bound$'
    mkdir "$RUN/data/v"
    NOTIFY_SOCKET=$RUN/notify mkv_start v volume "$(at v)" "$RUN/data/v"
    within 10 logged listener '^READY=1$'
    healthy v
    NOTIFY_SOCKET=$RUN/notify index i v
    both_said() {
        (($(grep -c '^READY=1$' "$(log_of listener)") == 2))
    }
    within 5 both_said
}

@test "WATCHDOG=1 goes to NOTIFY_SOCKET again and again, and only while nginx is there" {
    hatch listener "$SUPPORT/notifysock" "$RUN/notify"
    within 5 logged listener '^bound$'
    mkdir "$RUN/data/v"
    ln -s "$(command -v nginx)" "$RUN/nginx"
    NOTIFY_SOCKET=$RUN/notify WATCHDOG_USEC=100000 mkv_start v volume "$(at v)" "$RUN/data/v" --nginx "$RUN/nginx"
    await_ready v
    pings() {
        grep -c '^WATCHDOG=1$' "$(log_of listener)"
    }
    more_pings() { # THAN
        (($(pings) > $1))
    }
    within 5 more_pings 3
    rm "$RUN/nginx"
    kill -KILL "$(nginx_master v)"
    within 10 logged v 'cannot run|is started again'
    local n
    n=$(pings)
    refute within 1 more_pings $((n + 1))
    ln -s "$(command -v nginx)" "$RUN/nginx"
    within 20 more_pings $((n + 3))

    # Not for a process that systemd doesn't watch.
    stop v
    n=$(pings)
    NOTIFY_SOCKET=$RUN/notify WATCHDOG_USEC=100000 WATCHDOG_PID=1 mkv_start v volume "$(at v)" "$RUN/data/v"
    within 10 healthy v
    refute within 1 more_pings "$n"
}

# Kills nginx and waits for the next one.
restart_nginx() { # NAME
    local master
    master=$(nginx_master "$1")
    kill -KILL "$master"
    within 10 new_master "$1" "$master"
    within 5 healthy "$1"
}

@test "nginx is restarted though its config file is gone, as what cleans /tmp may have it" {
    volume v
    rm "$RUN"/tmp/mkv-volume-*
    restart_nginx v
    same 1 "$(config_files | wc -l)"
    signal v HUP
    within 5 logged v 'new config'
    restart_nginx v
    same 1 "$(config_files | wc -l)"
}

# Prints how often the log says that nginx was to be started; of level debug.
tries() {
    grep -c 'nginx is to be started' "$(log_of v)"
}

@test "a template that went bad does not keep nginx from being restarted" {
    local before
    cp "$BATS_TEST_DIRNAME/../../templates/volume.conf.in" "$T/template"
    volume v --template "$T/template" --log-level debug
    echo 'no such directive;' >>"$T/template"
    restart_nginx v
    logged v 'old config'
    # With neither the template nor the old config it goes on trying.
    rm "$RUN"/tmp/mkv-volume-*
    before=$(tries)
    kill -KILL "$(nginx_master v)"
    tries_on() {
        (($(tries) >= before + 3))
    }
    within 10 tries_on
    cp "$BATS_TEST_DIRNAME/../../templates/volume.conf.in" "$T/template"
    within 10 healthy v
}

@test "what a killed nginx had begun to write is deleted" {
    volume v
    put_half v /aa/bb/torn
    within 5 reading v
    restart_nginx v
    tidy v
    exec 7>&-
}

# Fails unless nginx has nothing open that mkv has too but one listening socket, the lock, its
# stderr and /dev/null.
assert_shares_little() { # NAME
    local pid fds shared
    for pid in $(nginx_master "$1") $(nginx_workers "$1"); do
        fds=$(find "/proc/$(pid_of "$1")/fd" -type l -printf '%l\n' | sort -u)
        shared=$(comm -12 <(echo "$fds") <(find "/proc/$pid/fd" -type l -printf '%l\n' | sort -u))
        same '/dev/null LOCK pipe socket' "$(sed 's/:.*//; s|.*/lock$|LOCK|' <<<"$shared" | grep -v anon_inode | xargs)" "what $pid shares"
    done
}

@test "nginx inherits no stray descriptors, at the start or when it is restarted" {
    local name master
    mkdir "$RUN/data/v"
    # shellcheck disable=SC2016 # expanded by that bash
    AS=(bash -c 'exec 8<"$0" 9<>"/dev/udp/127.0.0.1/9"; exec "$@"' "$BATS_TEST_FILENAME")
    start_both
    assert_shares_little v
    assert_shares_little i
    put_half i-direct /torn
    within 5 reading v
    for name in i v; do
        master=$(nginx_master "$name")
        kill -KILL "$master"
        within 10 new_master "$name" "$master"
        within 5 healthy "$name"
        assert_shares_little "$name"
    done
    exec 7>&-
}

@test "a PUT that ends while nginx is restarted leaves no half file" {
    local master
    start_both
    put_half i-direct /torn
    within 5 reading v
    master=$(nginx_master i)
    kill -KILL "$master"
    within 10 new_master i "$master"
    exec 7>&-
    within 5 tidy v
}
