#!/usr/bin/env bats
# Three copies of each value on five volumes, of which some fail before, during and after a PUT or a
# DELETE: what was acknowledged is on exactly three and can be read, and nothing else stays.

load ../support/lib
load ../support/replicas

after_each() {
    thaw_all
}

start() { # [INDEX-OPTIONS...]
    cluster i "$VOLUMES" --replicas $COPIES "$@"
    value small 1
    value middle 100000
    value large 3000000
}

# PUTs values of all sizes by both ways, known in length and not, and looks at them.
put_many() { # PREFIX
    local each
    for each in small middle large; do
        want 201 PUT "$(url i)/$1/$each" -T "$T/$each"
        want 201 PUT "$(url i-direct)/$1/chunked/$each" -T - <"$T/$each"
        on_copies "/$1/$each" "$T/$each"
        on_copies "/$1/chunked/$each" "$T/$each"
    done
}

get_many() { # PREFIX
    local each
    for each in small middle large; do
        got_file "$(url i)/$1/$each" "$T/$each"
        got_file "$(url i-direct)/$1/chunked/$each" "$T/$each"
    done
}

delete_many() { # PREFIX
    local each
    for each in small middle large; do
        want 204 DELETE "$(url i)/$1/$each"
        want 404 GET "$(url i)/$1/$each"
        want 204 DELETE "$(url i-direct)/$1/chunked/$each"
        want 404 GET "$(url i)/$1/chunked/$each"
    done
}

@test "a value is on as many volumes as --replicas says, and gone from all after a DELETE" {
    local key volumes
    start
    put_many all
    get_many all
    for key in /all/small /all/large; do
        want 302 GET "$(url i)$key"
        same balanced "$(header Key-Balance)"
        mapfile -d, -t volumes < <(header Key-Volumes | tr -d '\n')
        same $COPIES ${#volumes[@]} 'names in Key-Volumes'
        # Their names, as they lie on disk.
        same "$(for each in $(holders $key); do at "$each"; done | sort | paste -sd,)" \
            "$(printf '%s\n' "${volumes[@]}" | sort | paste -sd,)" Key-Volumes
    done
    # The same time at each, so that one's Last-Modified and ETag are the others'.
    same 1 "$(for each in $(holders /all/large); do stat -c %Y "$T/data/$each$(path_of /all/large)"; done | sort -u | wc -l)"
    only_copies
    delete_many all
    settled
    for each in $VOLUMES; do
        same '' "$(blobs "$each")" "what is on $each"
    done
}

# --- Before ---------------------------------------------------------------------------------------

before() { # HOW
    local start_ms n
    start
    put_many old
    break_volume "$1" v2
    # The first of these may find it out.
    start_ms=$(now_ms)
    put_many first
    put_many second
    (($(now_ms) - start_ms < 20000 * SLOW)) || fail "it took $(($(now_ms) - start_ms)) ms"
    within 5 sees i v2 down
    # Now all know.
    get_many old
    get_many first
    get_many second
    start_ms=$(now_ms)
    for n in {1..20}; do
        put "$(url i)/quick/$n" value
    done
    delete_many old
    (($(now_ms) - start_ms < 4000 * SLOW)) || fail "with a volume known to be down it took $(($(now_ms) - start_ms)) ms"
    refute grep -q v2 <(holders /first/large; holders /second/small)
    # Those are where they are when all is well again, and unbalanced if v2 is due to have them.
    mend_volume "$1" v2
    within 5 sees i v2 up
    settled
    get_many first
    put_many third
    get_many third
    delete_many first
    settled
}

@test "a volume that was killed before: PUT, GET and DELETE go on without it" {
    before killed
}

@test "a volume that was stopped before: PUT, GET and DELETE go on without it" {
    before stopped
}

# --- During ---------------------------------------------------------------------------------------

# Cuts a PUT at its half, breaks one and then another volume that is receiving it, and goes on.
during() { # HOW VALUE BYTES
    local first second
    start
    put_begin i /torn "$T/$2" "$3"
    within 5 received_by $COPIES
    first=$(receiving | head -n 1)
    break_volume "$1" "$first"
    within 10 sees i "$first" down
    second=$(receiving | grep -vx "$first" | head -n 1)
    break_volume "$1" "$second"
    put_end "$T/$2" "$3"
    same 201 "$STATUS"
    on_copies /torn "$T/$2"
    refute grep -qx -e "$first" -e "$second" <(holders /torn)
    got_file "$(url i-direct)/torn" "$T/$2"
    mend_volume "$1" "$first"
    mend_volume "$1" "$second"
    all_up
    settled
    on_copies /torn "$T/$2"
}

@test "volumes killed while they receive a value that the index still has whole: 201" {
    during killed middle 90000
}

@test "volumes killed while they receive a value that is longer than the buffer: 201" {
    during killed large 1500000
}

@test "volumes stopped while they receive a value that the index still has whole: 201" {
    during stopped middle 90000
}

@test "volumes stopped while they receive a value that is longer than the buffer: 201" {
    during stopped large 1500000
}

@test "too many volumes fail while they receive a value: 503, and nothing stays" {
    local how each
    start
    put "$(url i)/kept" value
    for how in killed stopped; do
        all_up
        put_begin i /torn "$T/large" 1500000
        within 5 received_by $COPIES
        for each in v1 v2 v3; do
            break_volume $how $each
        done
        put_end "$T/large" 1500000
        [[ $STATUS == 50[23] ]] || fail "$STATUS"
        want 404 GET "$(url i)/torn"
        for each in v1 v2 v3; do
            mend_volume $how $each
        done
        all_up
        settled
    done
    got "$(url i)/kept" value
    put "$(url i)/torn" whole
    got "$(url i)/torn" whole
}

@test "a client that is gone in the middle of a PUT leaves nothing on any volume" {
    local n
    start
    for n in 1 90000 1500000 2999999; do
        put_begin i-direct "/cut/$n" "$T/large" $n
        exec 7>&-
        put_begin i "/cut/$n" "$T/large" $n
        exec 7>&-
    done
    put_begin i /cut "$T/large" 1500000
    within 5 received_by $COPIES
    break_volume killed "$(receiving | head -n 1)"
    exec 7>&-
    for n in $VOLUMES; do
        if ended "$n"; then
            volume "$n"
        fi
    done
    all_up
    settled
    list "$(url i)/?list"
    same 0 ${#LISTED[@]}
}

@test "DELETE while volumes stop or die: 204 in bounded time, and the blobs go once they are back" {
    local how start_ms each
    start
    for how in killed stopped; do
        all_up
        put_many "$how"
        put "$(url i)/$how-kept" value
        each=$(holders "/$how/large" | head -n 1)
        break_volume $how "$each"
        start_ms=$(now_ms)
        delete_many "$how" # the first while the index thinks that the volume is up
        (($(now_ms) - start_ms < 15000 * SLOW)) || fail "it took $(($(now_ms) - start_ms)) ms"
        want 404 DELETE "$(url i)/$how/large"
        [[ -e $T/data/$each$(path_of "/$how/large") ]]
        # Put again meanwhile, it is not the old one that goes.
        want 201 PUT "$(url i)/$how/large" -T "$T/middle"
        mend_volume $how "$each"
        all_up
        settled
        on_copies "/$how/large" "$T/middle"
    done
}

# --- Too few --------------------------------------------------------------------------------------

@test "fewer volumes up than copies are wanted: 503 at once, and nothing stays" {
    local how start_ms each
    start
    put_many old
    for how in killed stopped; do
        for each in v1 v2 v3; do
            break_volume $how $each
        done
        for each in v1 v2 v3; do
            within 10 sees i $each down
        done
        start_ms=$(now_ms)
        for each in small middle large; do
            want 503 PUT "$(url i)/new/$each" -T "$T/$each"
            want 503 PUT "$(url i-direct)/new/$each" -T - <"$T/$each"
        done
        (($(now_ms) - start_ms < 3000 * SLOW)) || fail "it took $(($(now_ms) - start_ms)) ms"
        want 404 GET "$(url i)/new/large"
        # What has a copy on one of the two can be read all the same.
        for each in old/small old/middle old/large; do
            got_file "$(url i)/$each" "$T/${each#*/}"
        done
        for each in v1 v2 v3; do
            mend_volume $how $each
        done
        all_up
        settled
    done
    put_many new
    get_many new
}

@test "a key all of whose volumes are down: 503 with Retry-After, and 200 once one is back" {
    local how each last
    start
    want 201 PUT "$(url i)/key" -T "$T/middle"
    for how in killed stopped; do
        all_up
        for each in $(holders /key); do
            break_volume $how "$each"
        done
        for each in $(holders /key); do
            within 10 sees i "$each" down
        done
        want 503 GET "$(url i)/key"
        same 1 "$(header Retry-After)"
        want 503 HEAD "$(url i-direct)/key"
        want 404 GET "$(url i)/other"
        last=$(holders /key | tail -n 1)
        mend_volume $how "$last"
        within 5 sees i "$last" up
        got_file "$(url i)/key" "$T/middle"
        for each in $(holders /key); do
            [[ $each == "$last" ]] || mend_volume $how "$each"
        done
    done
}

# --- Full and slow --------------------------------------------------------------------------------

@test "a full volume: values go to others; with no others 507, and nothing stays" {
    local n status
    need_root
    mkdir "$T/data/v1"
    if ! mount -t tmpfs -o size=6m,mode=755 none "$T/data/v1" 2>/dev/null; then
        skip "needs mount"
    fi
    start
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

@test "the index crashes while values are on their way to several volumes: nothing of them stays" {
    local n
    start
    put_many old
    for n in i i-direct; do
        put_begin $n "/torn/$n" "$T/large" 1500000
        within 5 received_by $COPIES
        crash i
        exec 7>&-
        index i "$VOLUMES" --replicas $COPIES
        all_up
        want 404 GET "$(url i)/torn/$n"
        settled
    done
    got_file "$(url i)/old/large" "$T/large"
}
