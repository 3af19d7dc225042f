#!/usr/bin/env bats
# mkv verify, cut short: cancelled, or with a volume killed while it is asked.

load ../support/lib
load ../support/replicas
load ../support/admin_jobs

VOLUMES='v1 v2 v3 v4'
COPIES=2

after_each() {
    thaw_all
}

is_in() { # PHASE
    job_is ".phase == \"$1\""
}

# Cancels the job, which must end soon.
ends_canceled() {
    local begun
    begun=$(now_ms)
    cancel_job
    await_job
    same 'canceled false' "$(job '"\(.state) \(.clean)"')"
    (($(now_ms) - begun < 3000 * SLOW)) || fail "it took $(($(now_ms) - begun)) ms"
}

@test "it can be cancelled while it lists, compares, reads and repairs" {
    local n
    for n in v1 v2 v3 v4; do
        volume "$n"
    done
    link slow v4 100000
    index i 'v1 v2 v3 slow' --replicas 2 "${BY_HAND[@]}"
    within 5 sees i slow up
    value some 30000
    for n in {1..20}; do
        want 201 PUT "$(url i)/k/$n" -T "$T/some"
    done
    freeze v1
    begin_job verify
    is_in listing
    ends_canceled
    thaw v1
    within 10 sees i v1 up
    rm "$(copy_of /k/1 1)"
    begin_job 'verify?deep=1&rate=1'
    within 5 is_in reading
    ends_canceled
    begin_job 'verify?deep=1&rate=200000'
    within 5 is_in reading
    freeze v2
    ends_canceled
    thaw v2
    within 10 sees i v2 up
    run_job 'verify?repair=1'
    ended_as 'done true' 'missing=1 repaired=1'
    for n in {1..20}; do
        lacks v4 /k/$n || rm "$(file_of v4 /k/$n)"
    done
    begin_job 'verify?repair=1&jobs=1'
    within 5 job_is '.counts.repaired > 0'
    ends_canceled
    (($(job .counts.repaired) < 6))
    # It may seem to be down while its link is busy.
    within 30 run_until_clean 'verify?repair=1&jobs=1'
    within 10 sees i slow up
    is_clean
    for n in {1..20}; do
        on_copies /k/$n "$T/some"
    done
}

# Has the index reach v1 through a link that passes so many bytes a second.
slow_down() { # [BYTES-PER-SECOND]
    link slow v1 "$@"
    index i 'slow v2 v3 v4' --replicas 2 "${BY_HAND[@]}"
    within 10 sees i slow up
}

@test "a volume that is killed while it is listed or read: its copies are away, and nothing else is wrong" {
    local on_it
    cluster i "$VOLUMES" --replicas 2 "${BY_HAND[@]}"
    put_keys /k 400
    on_it=$(blobs v1 | wc -l)
    stop i
    slow_down 2000
    begin_job 'verify?repair=1'
    within 5 job_is '.done > 150'
    is_in listing
    crash slow # which has all of the answer by now
    crash v1
    within 10 sees i slow down
    await_job
    # Some were listed before.
    ended_as 'done false' "away=$(job .counts.away) unlisted=1"
    (($(job .counts.away) > on_it / 2 && $(job .counts.away) <= on_it))
    volume v1
    stop i
    slow_down
    begin_job 'verify?deep=1&repair=1&rate=400'
    within 10 is_in reading
    within 10 job_is '.bytes > 300'
    crash v1
    await_job
    ended_as 'done false' "away=$(job .counts.away)"
    (($(job .counts.away) > 5 && $(job .counts.away) <= on_it))
    volume v1
    within 10 sees i slow up
    is_clean
    keys_are_right /k 400
}
