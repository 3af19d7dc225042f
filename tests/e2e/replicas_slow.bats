#!/usr/bin/env bats
# Volumes that are full, and links that are slow or stop, with three copies of each value.

load ../support/lib
load ../support/replicas

after_each() {
    thaw_all
}

@test "a full volume: values go to others; with no others 507, and nothing stays" {
    local n status
    need_root
    mkdir "$T/data/v1"
    if ! mount -t tmpfs -o size=6m,mode=755 none "$T/data/v1" 2>/dev/null; then
        skip "needs mount"
    fi
    start_with_values
    # Known in length they are not even tried there, unknown they fail there and go on elsewhere.
    for n in {1..6}; do
        want 201 PUT "$(url i)/known/$n" -T "$T/large"
        want 201 PUT "$(url i-direct)/chunked/$n" -T - <"$T/large"
        on_copies "/known/$n" "$T/large"
        on_copies "/chunked/$n" "$T/large"
    done
    cat /dev/zero >"$T/data/v1/filler" 2>/dev/null || true
    for n in {7..12}; do
        want 201 PUT "$(url i)/known/$n" -T "$T/middle"
        on_copies "/known/$n" "$T/middle"
    done
    within 5 sees i v1 full
    "$MKV" status --index "$T/data/i" | grep -E "^volume +$(at v1) full, [0-9]+ bytes are left, .* of 6.0 MiB free"
    logged i "volume $(at v1) is full: [0-9]+ bytes are left"
    for n in {1..6}; do
        got_file "$(url i)/known/$n" "$T/large" # it is read all the same
    done
    # With three of five full or down there is no place.
    freeze v2
    freeze v3
    within 10 sees i v2 down
    within 10 sees i v3 down
    want 507 PUT "$(url i)/none" -T "$T/middle"
    want 507 PUT "$(url i-direct)/none" -T - <"$T/middle"
    want 404 GET "$(url i)/none"
    thaw_all
    rm "$T/data/v1/filler"
    all_up
    settled
    want 201 PUT "$(url i)/none" -T "$T/middle"
    stop i
    stop v1
    umount "$T/data/v1"
}

@test "a slow volume sets the pace of its PUTs alone, and one whose link stops is given up" {
    local start_ms first n each
    value large 3000000
    value middle 900000
    for n in $VOLUMES; do
        volume "$n"
    done
    link slow v1 600000
    index i 'slow v2 v3 v4 v5' --replicas $COPIES
    # Keys that are due at the slow one.
    for n in {1..40}; do
        want 201 PUT "$(url i)/probe/$n" --data-binary x
        if [[ $(holders "/probe/$n") == v1* ]]; then
            first=$n
        fi
    done
    same v1 "$(holders "/probe/$first" | head -n 1)"
    want 204 DELETE "$(url i)/probe/$first"
    start_ms=$(now_ms)
    curl -q -sS --noproxy '*' -m 60 -o /dev/null -w '%{http_code}' -T "$T/large" "$(url i)/probe/$first" >"$T/slow" 3>&- &
    for n in {1..20}; do
        put "$(url i)/other/$n" value
        want 302 GET "$(url i)/other/$n"
    done
    wait $!
    same 201 "$(cat "$T/slow")"
    (($(now_ms) - start_ms > 2000)) || fail "3 MB at 600 kB/s in $(($(now_ms) - start_ms)) ms: was it slow?"
    same v1 "$(holders "/probe/$first" | head -n 1)"
    on_copies "/probe/$first" "$T/large"
    # The link stops in the middle: one more volume gets the value, and what the index has sent
    # that way, which may be all, must not become a blob later.
    for each in middle large; do
        want 204 DELETE "$(url i)/probe/$first"
        settled
        curl -q -sS --noproxy '*' -m 60 -o /dev/null -w '%{http_code}' -T "$T/$each" "$(url i)/probe/$first" >"$T/slow" 3>&- &
        within 5 refute tidy v1
        signal slow STOP
        start_ms=$(now_ms)
        wait $!
        same 201 "$(cat "$T/slow")"
        (($(now_ms) - start_ms < 8000 * SLOW)) || fail "it took $(($(now_ms) - start_ms)) ms"
        on_copies "/probe/$first" "$T/$each"
        refute grep -qx v1 <(holders "/probe/$first")
        signal slow CONT
        within 10 sees i slow up
        settled
        on_copies "/probe/$first" "$T/$each"
    done
}

@test "requests that come before the volumes' first answers wait for them" {
    value value 10
    volume v1
    link slow v1 1000 # an answer to a probe takes half a second
    index i slow
    want 201 PUT "$(url i-direct)/key" -T "$T/value"
    stop i
    volume v2
    freeze v2
    index i 'slow v2'
    want 302 GET "$(url i)/key"
    thaw_all
}
