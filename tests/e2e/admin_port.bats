#!/usr/bin/env bats
# What an index shows on the port of --admin, and to whom.

load ../support/lib

# An index over v with that port, or one that is started again.
watched() { # VOLUMES [MKV-OPTIONS...]
    local volumes=$1
    shift
    index i "$volumes" --admin "$(port a)" "$@"
}

ready() { # STATUS
    http GET "$(url a)/readyz"
    [[ $STATUS == "$1" ]]
}

@test "the admin port shows how the index is, and changes nothing" {
    volume v
    watched v
    local job method target
    put "$(url i)/a" one
    want 200 GET "$(url a)/status"
    same application/json "$(header Content-Type)"
    same "1 $(pid_of i)" "$(jq -r '"\(.keys) \(.pid)"' "$T/body")"
    want 200 GET "$(url a)/"
    same 'text/html; charset=utf-8' "$(header Content-Type)"
    grep -q '</html>' "$T/body"
    if [[ $STORE ]]; then
        grep -q '<dt>Indexes</dt>.*<dt>Database</dt>' "$T/body"
        refute grep -Eq '<dt>(Journal|Checkpoint)</dt>' "$T/body"
    else
        grep -q '<dt>Journal</dt>.*<dt>Checkpoint</dt>' "$T/body"
    fi
    want 200 GET "$(url a)/healthz"
    within 10 ready 200
    for target in /dump /jobs /jobs/1 /jobs/verify /a /_mkv/health /status/ '/status%2f'; do
        want 404 GET "$(url a)$target"
    done
    for method in POST PUT DELETE UNLINK; do
        want 405 "$method" "$(url a)/jobs/verify"
        same 'GET, HEAD' "$(header Allow)"
        want 405 "$method" "$(url a)/status"
    done
    job=$(curl -q -sS --unix-socket "$T/data/i/admin.sock" http://index/jobs)
    same '[]' "$job" 'the jobs that were begun'
    for target in /healthz /readyz; do
        put "$(url i)$target" value # on the other ports it is a key
        got "$(url i)$target" value
    done
    signal i HUP
    within 10 logged i 'nginx takes its new config'
    want 200 GET "$(url a)/status"
    stop i
    closed "$(port a)"
}

@test "without an address it is for this machine alone" {
    volume v
    watched v
    same "127.0.0.1:$(port a)" "$(ss -Hltn "sport = :$(port a)" | awk '{ print $4 }')"
    stop i
    index i v --admin "0.0.0.0:$(port a)"
    same "0.0.0.0:$(port a)" "$(ss -Hltn "sport = :$(port a)" | awk '{ print $4 }')"
    logged i 'everybody who can connect may do everything'
    stop i
    refused 1 'cannot listen on .*: Address already in use' \
        index "$(at v)" --port "$(at i)" --index "$T/data/i" --admin "$(port v)"
}

@test "it answers no name that a stranger's DNS server may have led to it" {
    volume v
    watched v
    local host
    for host in localhost LocalHost:3000 127.0.0.1 "127.0.0.1:$(port a)" '[::1]' '[::1]:1' 10.1.2.3; do
        want 200 GET "$(url a)/status" -H "Host: $host"
    done
    for host in evil.example "evil.example:$(port a)" localhost.evil.example '[::1].evil.example' \
        localhost:x 127.0.0.1.evil.example; do
        want 403 GET "$(url a)/status" -H "Host: $host"
        want 403 GET "$(url a)/healthz" -H "Host: $host"
    done
}

@test "with keys it is for those who have the right to it" {
    printf '%s\n' 'AKall secret-of-all rwc:*' 'AKwatch secret-of-watch a:*' >"$T/keys"
    chmod 600 "$T/keys"
    give_to_mkv "$T/keys"
    volume v
    watched v --keys "$T/keys"
    want 401 GET "$(url a)/status"
    grep -qi '^WWW-Authenticate: Basic' "$T/head"
    want 401 GET "$(url a)/status" -u AKwatch:secret-of-all
    want 403 GET "$(url a)/status" -u AKall:secret-of-all
    want 200 GET "$(url a)/status" -u AKwatch:secret-of-watch
    want 200 GET "$(url a)/status" -H 'Authorization: Bearer AKwatch:secret-of-watch'
    want 403 GET "$(url i)/a" -u AKwatch:secret-of-watch
    want 200 GET "$(url a)/healthz"
    within 10 ready 200
    printf '%s\n' '- - a:*' >>"$T/keys"
    signal i HUP
    within 10 logged i 'the index has 2 keys'
    want 200 GET "$(url a)/status"
}

@test "a request that is sent while the index stops is answered, and then it ends" {
    volume v
    watched v
    exec 8<>"/dev/tcp/127.0.0.1/$(port a)"
    printf 'GET /status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n' >&8
    want 200 GET "$(url a)/healthz" # by now it has read that
    signal i TERM
    within 5 closed "$(port a)"
    within 5 refute test -S "$T/data/i/admin.sock"
    printf '\r\n' >&8
    answer 8
    exec 8>&-
    same 200 "$STATUS"
    await_end i
    same 0 "$RC"
}

@test "an index is ready when it can serve, and says why it isn't" {
    find_port a
    fake v1 stall-accept
    volume v2
    index i 'v1 v2' --admin "$PORT" & # its front isn't ready, either
    within 10 ready 503
    grep -q "its volumes haven't answered yet" "$T/body"
    want 200 GET "$(url a)/healthz"
    wait
    within 10 ready 200
    crash v2
    within 15 ready 503
    grep -q 'none of its volumes can be asked' "$T/body"
    want 200 GET "$(url a)/healthz"
    volume v2
    within 15 ready 200
}

@test "an index whose disk is full isn't ready, and is again once there is room" {
    of_gdbm_alone 'a full tablespace is in postgres_away'
    need_root
    mkdir "$T/data/i"
    mount -t tmpfs -o size=4m,mode=711 none "$T/data/i" 2>/dev/null || skip "can't mount"
    give_to_mkv "$T/data/i"
    volume v
    watched v
    within 10 ready 200
    head -c 4m /dev/zero >"$T/data/i/filler" 2>/dev/null || true
    ready 503
    grep -q 'its disk is nearly full' "$T/body"
    rm "$T/data/i/filler"
    ready 200
    stop i
    umount "$T/data/i"
}
