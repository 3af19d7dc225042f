#!/usr/bin/env bats
# Three copies of each value on five volumes, of which some fail before and after a PUT or a DELETE:
# what was acknowledged is on exactly three and can be read, and nothing else stays.

load ../support/lib
load ../support/replicas

after_each() {
    thaw_all
}

@test "a value is on as many volumes as --replicas says, and gone from all after a DELETE" {
    local key volumes
    start_with_values
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
    same 1 "$(for each in $(holders /all/large); do stat -c %Y "$(file_of "$each" /all/large)"; done | sort -u | wc -l)"
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
    start_with_values
    put_many old
    break_volume "$1" v2
    # The first of these may find it out.
    start_ms=$(now_ms)
    put_many first
    put_many second
    (($(now_ms) - start_ms < 40000 * SLOW)) || fail "it took $(($(now_ms) - start_ms)) ms"
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
    (($(now_ms) - start_ms < 15000 * SLOW)) || fail "with a volume known to be down it took $(($(now_ms) - start_ms)) ms"
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

@test "DELETE while volumes stop or die: 204 in bounded time, and the blobs go once they are back" {
    local how start_ms each
    start_with_values
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
        [[ -e $(file_of "$each" "/$how/large") ]]
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
    start_with_values
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
        (($(now_ms) - start_ms < 9000 * SLOW)) || fail "it took $(($(now_ms) - start_ms)) ms"
        want 404 GET "$(url i)/new/large"
        # What has a copy on one of the two can be read all the same; by chance, a key has none there.
        for each in old/small old/middle old/large; do
            if holders "/$each" | grep -qx 'v[45]'; then
                got_file "$(url i)/$each" "$T/${each#*/}"
            else
                want 503 GET "$(url i)/$each"
            fi
        done
        mend_volumes $how v1 v2 v3
    done
    put_many new
    get_many new
}

@test "a key all of whose volumes are down: 503 with Retry-After, and 200 once one is back" {
    local how each last
    start_with_values
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

@test "the index crashes while values are on their way to several volumes: nothing of them stays" {
    local n
    start_with_values
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
