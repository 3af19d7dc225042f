#!/usr/bin/env bats
# What mkv writes for people: it never waits for whoever reads it, and what came from a client or a
# file doesn't drive a terminal.

load ../support/lib

before_each() {
    mkdir "$T/data/d"
    D=$T/data/d
    V=127.0.0.1:1
}

# --- Readers --------------------------------------------------------------------------------------

@test "a FIFO in the place of a log is refused by name, with a reader and without" {
    local option
    mkfifo "$T/fifo"
    for option in --log --access-log; do
        refused 1 "$T/fifo: it is a FIFO" volume "$(at v)" "$D" $option "$T/fifo"
        refused 1 "$T/fifo: it is a FIFO" index "$V" --port "$(at i)" --index "$T/data/i" $option "$T/fifo"
        refused 1 "$T/fifo: it is a FIFO" volume "$(at v)" "$D" --check $option "$T/fifo"
    done
    exec 8<>"$T/fifo"
    for option in --log --access-log; do
        refused 1 "$T/fifo: it is a FIFO" volume "$(at v)" "$D" $option "$T/fifo"
    done
    exec 8<&-
    refused 1 "$T: Is a directory" volume "$(at v)" "$D" --log "$T"
}

@test "a log that becomes a FIFO is not opened at a USR1 or HUP: the old one stays, and says why" {
    chmod 777 "$T" # mkv makes the files again, as its user
    volume v --log "$T/v.log" --access-log "$T/v.access"
    rm "$T/v.log" "$T/v.access"
    mkfifo "$T/v.log" "$T/v.access"
    exec 8<"/proc/$(pid_of v)/fd/$(log_fd v)"
    signal v USR1
    within 5 old_log_says "cannot reopen the log file $T/v.log"
    within 5 old_log_says "cannot open the access log $T/v.access"
    signal v HUP
    within 5 old_log_says 'nginx keeps its old config'
    healthy v
    put "$(url v)/aa/bb/file" value
    rm "$T/v.log" "$T/v.access"
    signal v USR1
    within 5 test -e "$T/v.access"
    stop v
    grep -q 'stops' "$T/v.log"
    exec 8<&-
}

log_fd() { # NAME: its descriptor of a log that is deleted
    local fd
    for fd in /proc/"$(pid_of "$1")"/fd/*; do
        if [[ $(readlink "$fd") == "$T/$1.log (deleted)" ]]; then
            echo "${fd##*/}"
        fi
    done
}

old_log_says() { # TEXT; each open of the descriptor's file begins at its start
    grep -qF "$1" /dev/fd/8
}

# Requests that each leave a line of nginx's: no file can replace a directory.
complain() { # COUNT
    local n
    for ((n = 0; n < $1; n++)); do
        echo 'PUT /aa/bb'
    done | requests "$(url v)"
}

@test "a reader of stderr that stops reading stops nothing, and is told what it missed" {
    mkfifo "$T/fifo"
    exec 8<>"$T/fifo"
    touch "$T/proc/v.must-exit-0"
    # shellcheck disable=SC2016 # for that shell
    hatch v bash -c 'exec "$@" 2>"$0" 8<&-' "$T/fifo" "$MKV" volume "$(at v)" "$D"
    within 10 healthy v
    put "$(url v)/aa/bb/file" value
    timeout 0.5 cat /dev/zero >&8 || true # until the pipe is full
    same 1x409 "$(complain 1)"
    healthy v
    # Someone who comes back to it.
    timeout 0.5 cat <&8 >"$T/read" || true
    refute grep -qa 'error nginx: ' "$T/read"
    signal v TERM
    await_end v
    same 0 "$RC"
    within 5 told
    exec 8<&-
}

told() {
    timeout 0.2 cat <&8 >>"$T/read" || true
    grep -qa 'warn  mkv: [0-9]* log lines are lost' "$T/read"
}

# --- Terminals ------------------------------------------------------------------------------------

# The file has no control character but line ends, and all of it is UTF-8.
plain() { # FILE
    iconv -f UTF-8 -t UTF-8 "$1" >/dev/null || fail "no UTF-8 in $1"
    refute env LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]' "$1"
}

@test "what a client sends reaches no terminal as a control character" {
    volume v
    mkdir -p "$T/data/v/aa/"$'\xc2\x9b31m/\x9b2J/\xc3\xa9'
    printf 'PUT /aa/\xc2\x9b31m/\x9b2J/\xc3\xa9 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx' >"$T/request"
    ask "$(port v)" <"$T/request"
    same 409 "$STATUS"
    within 5 logged v 'error nginx: .*PUT /aa/\\xc2\\x9b31m/\\x9b2J/é'
    plain "$(log_of v)"
}

@test "names with control characters reach no terminal as they are" {
    local dir=$T/data/i$'\xc2\x9b31m'
    refused 2 'x1b.31m' volume $'\e[31m' "$D"
    refused 2 'xc2.x9b' index $'\xc2\x9b:1'
    refused 1 'xc2.x9b' volume "$(at v)" "/nonexistent/"$'\xc2\x9b' --log "/nonexistent/"$'\xc2\x9b'
    printf 'no dump\n' >"$T/"$'\e[2J\xc2\x9b'
    refused 1 'x1b.2J.xc2.x9b' restore --index "$T/data/r" "$T/"$'\e[2J\xc2\x9b'
    mkv_start i index "$V" --index "$dir" --port "$(at i)"
    await_ready i
    "$MKV" status --index "$dir" >"$T/status"
    grep -qF 'data/i\xc2\x9b31m' "$T/status"
    plain "$T/status"
    same "$dir" "$("$MKV" status --json --index "$dir" | jq -r .index)"
}

# --- Formats, and what a request is called ----------------------------------------------------------

@test "--log-format json: each line of both logs is an object" {
    refused 2 'must be text or json' volume "$(at v)" "$D" --log-format xml
    volume v --log-format json --log-level debug --access-log "$T/access" --log "$T/log"
    mkdir -p "$T/data/v/aa/\"quoted\"/x"
    chmod -R 777 "$T/data/v/aa"
    want 409 PUT "$(url v)/aa/%22quoted%22/x" -A 'a "client" \ of ours' --data-binary x
    within 5 grep -q quoted "$T/log"
    within 5 grep -q quoted "$T/access"
    jq -es 'all(.time and .level and .source and .message)' "$T/log" >"$T/out"
    # What isn't UTF-8 would make the line no JSON.
    printf 'GET /aa/\xff\xfe HTTP/1.1\r\nHost: x\r\nUser-Agent: \xff\r\nConnection: close\r\n\r\n' >"$T/request"
    ask "$(port v)" <"$T/request"
    printf 'GET /aa/\xc3\xa9\xe2\x82\xac HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >"$T/request"
    ask "$(port v)" <"$T/request"
    within 5 grep -q 'aa/é' "$T/access"
    python3 -c 'import json, sys; [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]' "$T/access"
    grep -q '"(not UTF-8)"' "$T/access"
    same '/aa/"quoted"/x' "$(jq -r 'select(.source == "nginx").message | capture("PUT (?<it>[^ ]*quoted.*/x)").it' "$T/log" |
        sed 's/%22/"/g' | head -n 1)"
    same 'PUT /aa/%22quoted%22/x HTTP/1.1 409 a "client" \ of ours' \
        "$(jq -r 'select(.status == 409) | "\(.request) \(.status) \(.agent)"' "$T/access")"
}

# The id that the last request has in a log.
id_in() { # FILE PATTERN
    within 5 grep -q "$2" "$1" && grep "$2" "$1" | tail -n 1 | awk '{ print $NF }'
}

@test "a request has one name in its answer, in the front's log, and in the volume's" {
    local id
    chmod 777 "$T"
    volume v --access-log "$T/v.access"
    index i v --access-log "$T/i.access" --s3 "$(at i-s3)" --reads proxy
    want 201 PUT "$(url i)/key" --data-binary value
    id=$(header X-Request-Id)
    [[ $id =~ ^[0-9a-f]{32}$ ]]
    same "$id" "$(id_in "$T/i.access" 'PUT /key')"
    same "$id" "$(id_in "$T/v.access" 'PUT /')"
    want 200 GET "$(url i)/key" -H 'X-Request-Id: 0123456789abcdef0123456789abcdef'
    refute [ "$id" = "$(header X-Request-Id)" ]
    id=$(header X-Request-Id)
    refute [ "$id" = 0123456789abcdef0123456789abcdef ] # the front's is its own
    same "$id" "$(id_in "$T/i.access" 'GET /key')"
    same "$id" "$(id_in "$T/v.access" 'GET /')"
    want 404 GET "$(url i)/none"
    same "$(id_in "$T/i.access" 'GET /none')" "$(header X-Request-Id)"
    want 400 GET "$(url i)/../.."
    same "$(id_in "$T/i.access" 'GET /\.\.')" "$(header X-Request-Id)"
    # S3 has its own header for it, and says it in errors.
    want 404 GET "$(url i-s3)/none/key"
    same "$(id_in "$T/i.access" 'GET /none/key')" "$(header x-amz-request-id)"
    grep -qF "<RequestId>$(header x-amz-request-id)<" "$T/body"
    # Where no front is, who asks may name the request; else the index does.
    want 404 GET "$(url i-direct)/none" -H 'X-Request-Id: 0123456789abcdef0123456789abcdef'
    same 0123456789abcdef0123456789abcdef "$(header X-Request-Id)"
    want 404 GET "$(url i-direct)/none" -H 'X-Request-Id: short'
    [[ $(header X-Request-Id) =~ ^[0-9a-f]{32}$ ]]
}
