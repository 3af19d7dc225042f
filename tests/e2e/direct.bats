#!/usr/bin/env bats
# What clients send, byte for byte: to the index without nginx, and what both doors have in common.

load ../support/lib

before_all() {
    cluster i v
}

before_each() {
    K=$BATS_TEST_NUMBER # keys of different tests must not meet
}

# Sends stdin to a port, closes the sending side with it, and prints what comes back.
half_closed() { # PORT
    python3 -c 'import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.settimeout(60)
s.sendall(sys.stdin.buffer.read())
s.shutdown(socket.SHUT_WR)
while True:
    got = s.recv(65536)
    if not got:
        break
    sys.stdout.buffer.write(got)' "$1"
}

# Prints the status of an answer.
status() {
    head -n 1 | cut -d' ' -f2
}

@test "a client that closes its sending side gets its answer" {
    command -v python3 >/dev/null || skip "needs python3"
    local p n half
    p=$(port i-direct)
    printf 'PUT /%s/a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nvalue' "$K" | half_closed "$p" >"$T/reply"
    same 201 "$(status <"$T/reply")"
    got "$(url i)/$K/a" value
    printf 'PUT /%s/b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nvalue\r\n0\r\n\r\n' "$K" |
        half_closed "$p" >"$T/reply"
    same 201 "$(status <"$T/reply")"
    got "$(url i)/$K/b" value
    printf 'GET /%s/a HTTP/1.1\r\nHost: x\r\n\r\n' "$K" | half_closed "$p" >"$T/reply"
    same 302 "$(status <"$T/reply")"
    printf 'GET /%s/?list HTTP/1.1\r\nHost: x\r\n\r\n' "$K" | half_closed "$p" >"$T/reply"
    grep -q "{\"keys\":\[\"/$K/a\",\"/$K/b\"\],\"next\":\"\"}" "$T/reply"
    same 0 "$(tail -n 2 "$T/reply" | head -n 1 | tr -d '\r')" 'the last chunk'
    printf 'DELETE /%s/a HTTP/1.1\r\nHost: x\r\n\r\n' "$K" | half_closed "$p" >"$T/reply"
    same 204 "$(status <"$T/reply")"
    want 404 GET "$(url i)/$K/a"
    # One that leaves in mid-body has no answer, and nothing is stored.
    for half in $'Content-Length: 5\r\n\r\nvalu' $'Transfer-Encoding: chunked\r\n\r\n5\r\nvalue\r\n0\r\n'; do
        printf 'PUT /%s/c HTTP/1.1\r\nHost: x\r\n%s' "$K" "$half" | half_closed "$p" >"$T/reply"
        same '' "$(cat "$T/reply")"
        want 404 GET "$(url i)/$K/c"
    done
}

@test "what isn't HTTP to the letter is refused, and stores nothing" {
    local bad wanted refusals=(
        400 $'PUT @ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nvalueXY0\r\n\r\n'
        400 $'PUT @ HTTP/1.1\r\nHost: x\r\nHost: y\r\nContent-Length: 5\r\n\r\nvalue'
        400 $'PUT @ HTTP/1.1\r\nContent-Length: 5\r\n\r\nvalue'
        505 $'PUT @ HTTP/2.0\r\nHost: x\r\nContent-Length: 5\r\n\r\nvalue'
        400 $'PUT @ HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\nvalue'
        400 $'PUT @ HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\nContent-Length: 5\r\n\r\nvalue'
        501 $'PUT @ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nvalue\r\n0\r\n\r\n'
        400 $'PUT https://x@ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nvalue'
    )
    while ((${#refusals[@]})); do
        wanted=${refusals[0]} bad=${refusals[1]//@//$K/bad}
        refusals=("${refusals[@]:2}")
        printf '%s' "$bad" | talk "$(port i-direct)" >"$T/reply" # to the end of the connection
        same "$wanted" "$(status <"$T/reply")" "$bad"
        want 404 GET "$(url i)/$K/bad"
    done
}

@test "both doors take heads of the same size" {
    local u n long fields=() many=()
    printf -v long '%016000d' 0
    for n in 1 2 3 4; do
        fields+=(-H "Cookie$n: $long")
    done
    for ((n = 0; n < 90; n++)); do
        many+=(-H "X-$n: y")
    done
    for u in "$(url i)" "$(url i-direct)"; do
        put "$u/$K/long-${u##*:}" value "${fields[@]}"
        want 302 GET "$u/$K/long-${u##*:}" "${fields[@]}"
        put "$u/$K/many-${u##*:}" value "${many[@]}" -H 'X-A: y' -H 'X-B: y' -H 'X-C: y' -H 'X-D: y' -H 'X-E: y'
        want 302 GET "$u/$K/many-${u##*:}" "${many[@]}" -H 'X-A: y' -H 'X-B: y' -H 'X-C: y' -H 'X-D: y' -H 'X-E: y' \
            -H 'X-F: y' -H 'X-G: y'
        want 431 GET "$u/$K/many" "${many[@]}" "${many[@]/X-/Y-}"
        want 431 GET "$u/$K/long" "${fields[@]}" -H "Cookie5: $long"
    done
}

@test "connections that fill one door leave the other one open, and those that say nothing make room" {
    command -v python3 >/dev/null || skip "needs python3"
    (ulimit -n 256 && index few v)
    # Of 256 descriptors half are for clients, and of those half for each door; 64 more are told so. A
    # body that is on its way keeps its place; slow heads have a second.
    hatch crowd python3 -c 'import socket, sys, time
crowd = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for n in range(120)]
for n, each in enumerate(crowd):
    each.sendall(b"PUT /crowd/%d HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nx" % n)
print("there", flush=True)
time.sleep(600)' "$(port few-direct)"
    within 10 logged crowd there
    put "$(url few)/$K" value
    want 302 GET "$(url few)/$K"
    want 503 GET "$(url few-direct)/$K"
    same 1 "$(header Retry-After)"
    signal crowd TERM
    await_end crowd
    within 10 eval 'http GET "$(url few-direct)/$K"; [[ $STATUS == 302 ]]'
    hatch heads python3 -c 'import socket, sys, time
heads = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for n in range(120)]
for each in heads:
    try:
        each.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
    except OSError:
        pass
print("there", flush=True)
time.sleep(600)' "$(port few-direct)"
    within 10 logged heads there
    within 5 eval 'http GET "$(url few-direct)/$K"; [[ $STATUS == 302 ]]'
    signal heads TERM
    await_end heads
}
