#!/usr/bin/env bats
# A volume that is down, slow, full or mad: the PUT is refused in bounded time, the key is as it was
# before, and once the volume is back all works again.

load ../support/lib

# The index serves on, knows nothing of the key, and stores it once a true volume has taken over
# the port.
assert_recovers() { # KEY
    want 404 GET "$(url i)$1"
    refute ended i
    if lookup proc fake-v.pid >/dev/null && ! ended fake-v; then
        stop fake-v
    fi
    volume v
    stored() {
        http PUT "$(url i)$1" --data-binary after
        [[ $STATUS == 201 ]]
    }
    within 15 stored "$1"
    got "$(url i)$1" after
    want 409 PUT "$(url i)$1" --data-binary again
}

# One index before one misbehaving volume: what do PUTs get?
try_put() { # MODE STATUS
    local way n=0
    fake v "$1"
    index i v
    head -c 200000 /dev/zero >"$T/blob"
    for way in i i-direct; do
        n=$((n + 1))
        want "$2" PUT "$(url $way)/small$n" --data-binary value
        want "$2" PUT "$(url $way)/chunked$n" -T - < <(printf value)
        want "$2" PUT "$(url $way)/large$n" -T "$T/blob" -H Expect:
        want 404 GET "$(url $way)/small$n"
        want 404 GET "$(url $way)/large$n"
    done
    assert_recovers /small1
    put "$(url i)/large1" after
    put "$(url i)/chunked2" after
}

@test "a volume that refuses connections: 503" {
    try_put refuse 503
}

@test "a volume that answers 500: 502" {
    try_put answer-500 502
}

@test "a volume that answers 403: 502" {
    try_put answer-403 502
}

@test "a volume that answers 409: 502" {
    try_put answer-409 502
}

@test "a volume that redirects is not followed: 502" {
    try_put answer-301 502
}

@test "a full volume: 507" {
    try_put answer-507 507
}

@test "a volume that answers 500 before the body: 502" {
    try_put early-500 502
}

@test "a full volume that says so before the body: 507" {
    try_put early-507 507
}

@test "a volume that closes in the middle of the body: 5xx" {
    try_put close-mid-body '50[0-9]'
}

@test "a volume that closes without an answer: 5xx" {
    try_put close-before-answer '50[0-9]'
}

@test "a volume that is no web server: 5xx" {
    try_put garbage '50[0-9]'
}

@test "a volume that stalls, before it accepts, reads or answers: 5xx in bounded time" {
    local mode start
    # Each an index and a volume of its own, all at once: it takes a while.
    for mode in stall-accept stall-reading stall-before-answer; do
        fake "$mode" "$mode"
        index "i-$mode" "$mode"
    done
    head -c 30M /dev/zero >"$T/blob"
    start=$(now_ms)
    for mode in stall-accept stall-reading stall-before-answer; do
        curl -q -sS --noproxy '*' -m 60 -o /dev/null -w '%{http_code}' -H Expect: -T "$T/blob" \
            "$(url "i-$mode")/large" >"$T/$mode-large" 2>"$T/$mode-errors" 3>&- &
        curl -q -sS --noproxy '*' -m 60 -o /dev/null -w '%{http_code}' -X PUT --data-binary value \
            "$(url "i-$mode-direct")/small" >"$T/$mode-small" 3>&- &
    done
    within 5 logged fake-stall-reading '^PUT '
    within 5 logged fake-stall-before-answer '^PUT '
    # Meanwhile others are served.
    for mode in stall-accept stall-reading stall-before-answer; do
        want 404 GET "$(url "i-$mode")/other" -m $((2 * SLOW))
    done
    # shellcheck disable=SC2046 # a list of pids
    wait $(jobs -p)
    (($(now_ms) - start < 25000 * SLOW)) || fail "it took $(($(now_ms) - start)) ms"
    for mode in stall-accept stall-reading stall-before-answer; do
        [[ $(cat "$T/$mode-small") == 50[0-9] ]] || fail "$mode, small: $(cat "$T/$mode-small")"
        [[ $(cat "$T/$mode-large") == 50[0-9] ]] || fail "$mode, large: $(cat "$T/$mode-large" "$T/$mode-errors")"
        want 404 GET "$(url "i-$mode")/small"
        want 404 GET "$(url "i-$mode")/large"
    done
}

@test "a volume that may have stored what failed is told to delete it" {
    local path
    fake v close-before-answer
    index i v
    want '50[0-9]' PUT "$(url i)/known" --data-binary value
    want '50[0-9]' PUT "$(url i)/chunked" -T - < <(printf value)
    for path in $(sed -n 's/^PUT //p' "$(log_of fake-v)"); do
        [[ $path =~ ^(/ac/85/L2tub3du|/cb/b5/L2NodW5rZWQ=)\.[0-9a-f]{16}$ ]] || fail "PUT $path"
        within 15 logged fake-v "^DELETE $path\$"
    done
    same 2 "$(grep -c '^PUT ' "$(log_of fake-v)")" PUTs
    # But not one that saw only half.
    head -c 1000000 /dev/zero >"$T/blob"
    curl -q -s --noproxy '*' -m 0.5 --limit-rate 100k -T "$T/blob" "$(url i-direct)/half" || true
    within 5 logged fake-v '^PUT /.*/L2hhbGY=\.'
    want 404 GET "$(url i)/half"
    within 15 has_orphans i 0
    refute logged fake-v '^DELETE /.*/L2hhbGY=\.'
}

@test "a stalled volume does not hold up the end of an index past --drain-timeout" {
    local start
    fake v stall-before-answer
    index i v --drain-timeout 1
    curl -q -s --noproxy '*' -m 0.5 -X PUT --data-binary value "$(url i-direct)/key" || true
    within 5 logged fake-v '^PUT '
    start=$(now_ms)
    signal i TERM
    await_end i 10
    same 0 "$RC"
    (($(now_ms) - start < 4000 * SLOW)) || fail "it took $(($(now_ms) - start)) ms"
}

@test "no volume by that name: 503, and the index starts nevertheless" {
    mkv_start i index no-such-host.invalid:3001 --port "$(at i)" --direct "$(at i-direct)" --index "$T/data/i"
    await_ready i
    want 503 PUT "$(url i)/key" --data-binary value
    same 'the value needs 1 volume, and only 0 can store it now' "$(cat "$T/body")"
    want 404 GET "$(url i)/key"
}

@test "a volume that was killed, and comes back" {
    cluster i v
    leaves_files
    put "$(url i)/before" value
    signal v KILL
    await_end v
    within 3 gone v
    want 503 PUT "$(url i)/after" --data-binary value
    want 503 GET "$(url i)/before"
    same 1 "$(header Retry-After)"
    want 503 HEAD "$(url i)/before"
    assert_recovers /after
    got "$(url i)/before" value
}

@test "a volume killed in the middle of a PUT: 5xx, and nothing is stored" {
    local way
    cluster i v
    leaves_files
    for way in i i-direct; do
        within 5 sees i v up
        exec 7<>"/dev/tcp/127.0.0.1/$(port "$way")"
        printf 'PUT /torn HTTP/1.1\r\nHost: x\r\nContent-Length: 100005\r\nConnection: close\r\n\r\n%0100000d' 0 >&7
        within 5 refute tidy v
        signal v KILL
        await_end v
        within 3 gone v
        # The client goes on as if nothing had happened.
        printf 56789 >&7 || true
        answer 7
        [[ $STATUS == 50[0-9] ]]
        exec 7>&-
        want 404 GET "$(url i)/torn"
        volume v
        within 15 all_lack v
    done
    assert_recovers_running() {
        http PUT "$(url i)/torn" --data-binary after
        [[ $STATUS == 201 ]]
    }
    within 15 assert_recovers_running
    got "$(url i)/torn" after
}

@test "DELETE while the volume is down is 204, and the key stays gone" {
    cluster i v
    put "$(url i)/key" old
    put "$(url i)/other" value
    stop v
    want 204 DELETE "$(url i)/key" -m $((25 * SLOW))
    want 404 GET "$(url i)/key"
    want 404 DELETE "$(url i)/key"
    volume v
    want 404 GET "$(url i)/key"
    stored() {
        http PUT "$(url i)/key" --data-binary new
        [[ $STATUS == 201 ]]
    }
    within 15 stored
    got "$(url i)/key" new
    got "$(url i)/other" value
    stop i
    index i v
    got "$(url i)/key" new
}

@test "DELETE of a blob that is gone from the volume is 204" {
    cluster i v
    put "$(url i)/key" value
    rm "$(file_of v /key)"
    want 204 DELETE "$(url i)/key"
    want 404 GET "$(url i)/key"
    put "$(url i)/key" new
    got "$(url i)/key" new
}

@test "a file of the originals' that no key names is in no new key's way, and stays" {
    cluster i v
    mkdir -p "$(dirname "$T/data/v$(path_of /orphan)")"
    echo 'an orphan, longer than the new value' >"$T/data/v$(path_of /orphan)"
    if ((UID == 0)); then
        chown -R --reference="$T/data/v" "$T/data/v/"[0-9a-f][0-9a-f]
    fi
    want 404 GET "$(url i)/orphan"
    put "$(url i)/orphan" new
    got "$(url i)/orphan" new
    want 204 DELETE "$(url i)/orphan"
    within 15 has_orphans i 0
    same "$(path_of /orphan)" "$(blobs v)"
}

@test "a full disk is told as such, and leaves nothing" {
    need_root
    mkdir "$T/data/v"
    if ! mount -t tmpfs -o size=4m,mode=755 none "$T/data/v" 2>/dev/null; then
        skip "needs mount"
    fi
    cluster i v
    head -c 8M /dev/zero >"$T/blob"
    want '50[0-9]' PUT "$(url i)/too-large" -T "$T/blob"
    want '50[0-9]' PUT "$(url i-direct)/too-large" -T - <"$T/blob"
    want 404 GET "$(url i)/too-large"
    within 10 tidy v
    put "$(url i)/too-large" small
    got "$(url i)/too-large" small
    stop i
    stop v
    umount "$T/data/v"
}

@test "a full disk of the index is 507, keeps what is there, and passes" {
    need_root
    mkdir "$T/data/i"
    if ! mount -t tmpfs -o size=4m,mode=711 none "$T/data/i" 2>/dev/null; then
        skip "needs mount"
    fi
    cluster i v
    put "$(url i)/before" value
    cat /dev/zero >"$T/data/i/filler" 2>/dev/null || true
    # The journal's last page on the disk has room for a few more.
    for n in {1..100}; do
        status=$(curl -s -o /dev/null -w '%{http_code}' -X PUT -d value "$(url i)/filling-$n")
        [[ $status == 201 ]] || break
    done
    same 507 "$status" "PUT number $n on a full disk"
    want 507 PUT "$(url i)/during" --data-binary value
    got "$(url i)/before" value
    want 404 GET "$(url i)/during"
    rm "$T/data/i/filler"
    put "$(url i)/during" value
    got "$(url i)/during" value
    stop i
    umount "$T/data/i"
}

n_probes=0
refuses_puts() { # it sees at its next commit that room is short
    http PUT "$(url i)/probe-$((n_probes++))" --data-binary value
    [[ $STATUS == 507 ]]
}

@test "on a nearly full disk of the index, keys are deleted, and an index starts" {
    local n
    need_root
    mkdir "$T/data/i"
    if ! mount -t tmpfs -o size=4m,mode=711 none "$T/data/i" 2>/dev/null; then
        skip "needs mount"
    fi
    cluster i v
    for n in {1..4}; do
        put "$(url i)/key-$n" "value $n"
    done
    cat /dev/zero >"$T/data/i/filler" 2>/dev/null || true
    truncate -s -100K "$T/data/i/filler"
    for n in 1 2; do
        within 5 refuses_puts
        want 507 PUT "$(url i)/new" --data-binary value
        want 204 DELETE "$(url i)/key-$n"
        want 404 GET "$(url i)/key-$n"
        got "$(url i)/key-3" 'value 3'
        logged i 'warn  mkv: the disk of the index in .* is nearly full'
        if ((n == 1)); then
            stop i
            index i v
        fi
    done
    rm "$T/data/i/filler"
    put "$(url i)/new" value
    got "$(url i)/new" value
    crash i
    index i v
    got "$(url i)/new" value
    want 404 GET "$(url i)/key-2"
    stop i
    umount "$T/data/i"
}
