#!/usr/bin/env bats
# The admin socket of an index, and mkv status, which asks there.

load ../support/lib

status_of() { # INDEX [OPTIONS...]: to $T/status
    local name=$1
    shift
    "$MKV" status --index "$T/data/$name" "$@" >"$T/status"
}

# Asks the admin socket of index i: sets STATUS, the body goes to $T/body.
admin() { # METHOD TARGET [CURL-OPTIONS...]
    local method=$1 target=$2
    shift 2
    (
        cd "$T/data/i" || exit # the path may be too long for curl
        curl -q -sS -m 30 --path-as-is -X "$method" --unix-socket admin.sock -o "$T/body" -D "$T/head" \
            -w '%{http_code}' "$@" "http://index$target"
    ) >"$T/code"
    STATUS=$(cat "$T/code")
}

# Prints the field of the status that the words lead to.
field() { # FILE NAME
    sed -E "s/.*\"$2\":([^,}]*).*/\\1/" "$1"
}

# Prints what the lines tell of where the keys are.
of_store() {
    if [[ $STORE ]]; then
        echo database
    else
        echo table memtable journal checkpoint
    fi
}

@test "mkv status tells what a running index holds" {
    volume v1
    volume v2
    index i 'v1 v2'
    put "$(url i)/a" one
    put "$(url i)/b" two
    put "$(url i)/c" three
    want 204 UNLINK "$(url i)/b"
    status_of i
    same "index process keys unlinked orphans replicas $(of_store) backup healing scrub volume volume" \
        "$(awk '{ print $1 }' "$T/status" | xargs)" 'what the lines tell of'
    grep -Eqx "process +mkv [0-9.]+, pid $(pid_of i), up for [0-9]+ s" "$T/status"
    grep -Eqx 'keys +2' "$T/status"
    grep -Eqx 'unlinked +1' "$T/status"
    grep -Eqx 'orphans +0' "$T/status"
    if [[ $STORE ]]; then
        grep -Eqx 'database +[0-9.]+ [KM]iB in PostgreSQL, 1 index is alive, synced' "$T/status"
    else
        grep -Eqx 'journal +[0-9.]+ ([KM]i)?B in 1 segment, [0-9]+ B of it in no table yet, synced' "$T/status"
        grep -Eqx 'checkpoint +none yet' "$T/status"
    fi
    grep -Eqx 'backup +none yet' "$T/status"
    grep -Eqx "volume +$(at v1) up, [0-9.]+ [KMGT]iB of [0-9.]+ [KMGT]iB free" "$T/status"
    status_of i --json
    same 1 "$(wc -l <"$T/status")" lines
    same 2 "$(field "$T/status" keys)"
    same "$(pid_of i)" "$(field "$T/status" pid)"
    [[ $STORE ]] || same "$(cat "$T/data/i"/journal.* | wc -c)" "$(sed -E 's/.*"segments":1,"bytes":([0-9]+).*/\1/' "$T/status")"
    if command -v python3 >/dev/null; then
        python3 -m json.tool <"$T/status" >/dev/null
    fi
}

@test "orphans, volumes out of use and --no-sync are told" {
    volume v1
    volume v2
    index i v1
    put "$(url i)/a" one
    stop v1
    want 204 DELETE "$(url i)/a"
    status_of i --json
    same 0 "$(field "$T/status" keys)"
    same 1 "$(field "$T/status" orphans)"
    stop i
    index i v2 --no-sync
    status_of i
    grep -Eqx 'orphans +1' "$T/status"
    grep -Eq 'not synced' "$T/status"
    grep -Eqx "volume +$(at v1) down since [0-9:]{8}, it can't be reached \\(takes no new values\\)" "$T/status"
    grep -Eqx "volume +$(at v2) up, .* free" "$T/status"
    grep -Fqx "note        Volume $(at v1) is down, and takes no new values: it can't be reached." "$T/status"
    status_of i --json
    same note "$(jq -r '.advice[0].level' "$T/status")"
}

@test "a checkpoint is told of, also that of an earlier run" {
    of_gdbm_alone 'a database makes its own'
    volume v
    printf '%s\n' '{"format":"mkv-dump","version":1}' '{"end":true,"keys":0,"unlinked":0,"orphans":0}' |
        "$MKV" restore --index "$T/data/i"
    index i v
    status_of i
    grep -Eq "^checkpoint +$(date +%Y)-" "$T/status"
    refute grep -q took "$T/status"
}

@test "an index that can't write says so" {
    of_gdbm_alone 'a full tablespace is in postgres_away'
    need_root
    mkdir "$T/data/i"
    if ! mount -t tmpfs -o size=4m,mode=711 none "$T/data/i" 2>/dev/null; then
        skip "needs mount"
    fi
    volume v
    index i v
    cat /dev/zero >"$T/data/i/filler" 2>/dev/null || true
    for n in {1..100}; do
        http PUT "$(url i)/filling-$n" --data-binary value
        [[ $STATUS == 201 ]] || break
    done
    same 507 "$STATUS"
    status_of i
    grep -Eqx ' +writing fails: no space left on device' "$T/status"
    rm "$T/data/i/filler"
    put "$(url i)/again" value
    status_of i
    refute grep -q fails "$T/status"
    stop i
    umount "$T/data/i"
}

@test "mkv status fails with one line where no index runs" {
    volume v
    index i v
    crash i
    [[ -S $T/data/i/admin.sock ]]
    refused 1 "no index runs on $T/data/i" status --index "$T/data/i"
    refused 1 "no index runs on $T/data/i" status --json --index "$T/data/i"
    index i v
    stop i
    refused 1 "no index runs on $T/data/i" status --index "$T/data/i"
    refused 1 "$T/none" status --index "$T/none"
    [[ ! -e $T/none ]]
    mkdir "$T/empty"
    refused 1 'there is no index in' status --index "$T/empty"
    refused 1 "volume's directory" status --index "$T/data/v"
    refused 2 'no operands' status extra
    refused 2 'unknown option' status --port 1
}

@test "an answer that is refused, cut or missing is no status" {
    command -v python3 >/dev/null || skip "needs python3"
    mkdir "$T/i"
    touch "$T/i/lock"
    hatch mute python3 -c 'import os, socket, sys
os.chdir(sys.argv[1])
s = socket.socket(socket.AF_UNIX)
s.bind("admin.sock")
s.listen(1)
print("up", flush=True)
c = s.accept()[0]
c.recv(9999)
c.send(b"HTTP/1.1 503 no\r\n\r\n{}\n")
c.close()
c = s.accept()[0]
c.recv(9999)
c.send(b"HTTP/1.1 200 ok\r\n\r\n{\"version\":")
c.close()
c = s.accept()[0]
c.recv(9999)' "$T/i"
    within 5 logged mute up
    refused 1 'gives no good answer' status --index "$T/i"
    refused 1 'gives no good answer' status --index "$T/i"
    refused 1 'gives no good answer' status --index "$T/i"
}

@test "the socket is its owner's alone, and goes with a clean stop" {
    volume v
    (umask 0 && index i v)
    same 600 "$(stat -c %a "$T/data/i/admin.sock")" mode
    status_of i
    stop i
    [[ ! -e $T/data/i/admin.sock ]]
}

@test "a stale socket is replaced, one in use is left alone" {
    volume v
    index i v
    crash i
    [[ -S $T/data/i/admin.sock ]]
    index i v
    status_of i
    refused 1 "pid $(pid_of i)" index "$(at v)" --index "$T/data/i" --port "$(at other)"
    status_of i
    grep -q "pid $(pid_of i)," "$T/status"
}

@test "the socket has two things to GET, and nothing else" {
    volume v
    index i v
    admin GET /status
    same 200 "$STATUS"
    same application/json "$(header Content-Type)"
    admin GET /dump
    same 200 "$STATUS"
    same application/x-ndjson "$(header Content-Type)"
    for target in / /a /status/ /dump/x /_mkv/health '/?list'; do
        admin GET "$target"
        same 404 "$STATUS" "status of $target"
    done
    for method in PUT DELETE POST UNLINK OPTIONS; do
        admin "$method" /dump -d x
        same 405 "$STATUS" "status of $method"
        same 'GET, HEAD' "$(header Allow)"
    done
    for target in /status /dump; do
        admin GET "$target" --head
        same 200 "$STATUS"
    done
    status_of i
}

@test "neither the front nor --direct leads to the socket" {
    volume v
    index i v
    for at in "$(url i)" "$(url i-direct)"; do
        for target in /status /dump /admin.sock /_mkv/status /_mkv/dump; do
            want 404 GET "$at$target"
        done
        put "$at/status" value
        got "$at/status" value
        want 204 DELETE "$at/status"
    done
}

@test "the socket stays over HUP, and its path may be long" {
    local long
    long=$(printf 'd%.0s' {1..120})
    volume v
    mkdir "$T/$long"
    ln -s "$T/$long" "$T/data/i"
    index i v
    status_of i
    signal i HUP
    within 10 logged i 'nginx takes its new config'
    status_of i
    grep -q "pid $(pid_of i)," "$T/status"
    stop i
    [[ ! -e $T/$long/admin.sock ]]
}
