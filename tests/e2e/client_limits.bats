#!/usr/bin/env bats
# --limit-conn and --limit-rate: what one client's address may ask of the front, and who isn't hit.

load ../support/lib

@test "--limit-rate refuses a client that asks too much, and no other one" {
    volume v
    index i v --limit-rate 1 --s3 "$(at i-s3)"
    # 5 at once may come, and 1 a second after that.
    for _ in {1..60}; do echo 'GET /none'; done | replay "$(url i)" >"$T/replies"
    (($(grep -c '^404 ' "$T/replies") >= 3)) # the start has asked, too
    (($(grep -c '^429 ' "$T/replies") >= 15))
    within 5 told_at_last 429 "$(url i)/none"
    same 1 "$(header Retry-After)"
    same text/plain "$(header Content-Type)"
    grep -q 'too many requests' "$T/body"
    within 5 told_at_last 429 "$(url i)/key" -X PUT --data-binary x
    # An address has one account for all ports, and S3 has its own way to say it.
    within 5 told_at_last 503 "$(url i-s3)/bucket/key"
    grep -q '<Code>SlowDown</Code>' "$T/body"
    same application/xml "$(header Content-Type)"
    same 1 "$(header Retry-After)"
    within 5 told_at_last 503 "$(url i)/bucket/key" -H 'Authorization: AWS4-HMAC-SHA256 Credential=a/20261128/x/s3/aws4_request'
    within 5 told_at_last 503 "$(url i)/bucket/key?X-Amz-Credential=a%2F20261128%2Fx%2Fs3%2Faws4_request"
    within 5 told_at_last 429 "$(url i)/key" -H 'Authorization: AWS4-HMAC-SHA256 Credential=a/20261128/x/mkv/aws4_request'
    within 5 told_at_last 429 "$(url i)/key?X-Amz-Credential=a%2F20261128%2Fx%2Fmkv%2Faws4_request"
    want 404 GET "$(url i)/none" --interface 127.0.0.2
    want 404 GET "$(url i-direct)/none"
    within 5 served
    refute logged i 'limiting'
}

# The same after many requests, since one may come each second, and a busy machine asks no faster.
told_at_last() { # STATUS URL [CURL-OPTIONS...]
    for _ in {1..12}; do echo 'GET /none'; done | replay "$(url i)" >/dev/null
    told "$@"
}

# That is the answer.
told() { # STATUS URL [CURL-OPTIONS...]
    local status=$1
    shift
    http GET "$@"
    [[ $STATUS == "$status" ]]
}

served() {
    http GET "$(url i)/none"
    [[ $STATUS == 404 ]]
}

@test "--limit-conn refuses a client that has too many requests at once, and no other one" {
    volume v
    index i v --limit-conn 2
    within 10 sees i v up
    exec 8<>"/dev/tcp/127.0.0.1/$(port i)"
    printf 'PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nx' >&8
    put_half i /b
    within 5 told 429 "$(url i)/none" || fail "$STATUS; the PUTs were told: $(timeout 1 head -c 500 <&8) $(timeout 1 head -c 500 <&7)"
    same 1 "$(header Retry-After)"
    want 404 GET "$(url i)/none" --interface 127.0.0.2
    want 404 GET "$(url i-direct)/none"
    put_rest
    same 201 "$STATUS"
    within 5 served
    got "$(url i)/b" "$(cat "$T/value")"
    exec 8>&-
    refute logged i 'limiting'
}

@test "the addresses of one /64 of IPv6 are one client" {
    local ns="mkv$BASHPID"
    ((UID == 0)) && unshare -n true 2>/dev/null || skip 'needs network namespaces'
    volume v
    # All in a namespace, whose loopback gets the addresses.
    AS=(unshare -n sh -c 'ip link set lo up; for a in 1 2; do ip addr add fd00::$a/64 dev lo nodad;
        ip addr add fd00:0:0:$a::9/64 dev lo nodad; done; exec "$@"' sh)
    mkv_start i index "$(at v)" --port "[::]:$(port i)" --index "$T/data/i" --limit-rate 1 --no-sync
    AS=()
    within 10 logged i 'index ready'
    ask_from() { # ADDRESS
        nsenter -t "$(pid_of i)" -n curl -q -s -o /dev/null -w '%{http_code}\n' --interface "$1" \
            "http://[fd00::1]:$(port i)/_mkv/health"
    }
    for _ in {1..6}; do
        same 200 "$(ask_from fd00::1)"
    done
    within 5 is_over fd00::1
    within 5 is_over fd00::2
    same 200 "$(ask_from fd00:0:0:1::9)"
}

is_over() { # ADDRESS
    [[ $(ask_from "$1") == 429 ]]
}

@test "limits are numbers over 0" {
    for n in 0 -1 x 1000001 ''; do
        refused 2 "limit-rate.*(number from 1 to 1000000|empty|needs)" index localhost:1 --index "$T/data/i" --limit-rate "$n"
        refused 2 "limit-conn.*(number from 1 to 1000000|empty|needs)" index localhost:1 --index "$T/data/i" --limit-conn "$n"
    done
}

@test "a template of one's own that lacks the limits is refused" {
    grep -v '@LIMITS@' "$BATS_TEST_DIRNAME/../../templates/index.conf.in" >"$T/own.conf"
    refused 1 'own.conf.*@LIMITS@' index localhost:1 --index "$T/data/i" --port "$(at i)" --limit-conn 1 --template "$T/own.conf"
    volume v
    index i v --template "$T/own.conf"
}
