#!/usr/bin/env bats
# mkv verify, cut short: cancelled, with a volume killed while it is asked; and with many
# keys.

load ../support/lib
load ../support/replicas
load ../support/admin_jobs

VOLUMES='v1 v2 v3 v4'
COPIES=2

after_each() {
    thaw_all
}

# --- What cuts it short --------------------------------------------------------------------------

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
    index i 'v1 v2 v3 slow' --replicas 2
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
    run_job 'verify?repair=1'
    same 'done true' "$(job '"\(.state) \(.clean)"')"
    within 10 sees i slow up # which it may not seem while its link is busy
    is_clean
    for n in {1..20}; do
        on_copies /k/$n "$T/some"
    done
}

# Has the index reach v1 through a link that passes so many bytes a second.
slow_down() { # [BYTES-PER-SECOND]
    link slow v1 "$@"
    index i 'slow v2 v3 v4' --replicas 2
    within 10 sees i slow up
}

@test "a volume that is killed while it is listed or read: its copies are away, and nothing else is wrong" {
    local on_it
    cluster i "$VOLUMES" --replicas 2
    put_keys /k 150
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
    begin_job 'verify?deep=1&repair=1&rate=1200'
    within 10 is_in reading
    within 10 job_is '.bytes > 500'
    crash v1
    await_job
    ended_as 'done false' "away=$(job .counts.away)"
    (($(job .counts.away) > 5 && $(job .counts.away) <= on_it))
    volume v1
    within 10 sees i slow up
    is_clean
    keys_are_right /k 150
}

# --- Many keys -----------------------------------------------------------------------------------

@test "20,000 keys: each bad copy of many is found, and each stray" {
    local gone=0 bad=0 rate
    cluster i "$VOLUMES" --replicas 2 --no-sync
    put_keys /a/long/prefix 20000
    blobs v1 | shuf -n 700 --random-source=<(yes) >"$T/bad"
    head -n 400 "$T/bad" | while read -r path; do
        rm "$T/data/v1$path"
    done
    tail -n 300 "$T/bad" | while read -r path; do
        cp -p "$T/data/v1$path" "$T/data/v1${path%.*}.00000000000000aa"
        printf x | dd of="$T/data/v1$path" bs=1 conv=notrunc status=none
    done
    run_job verify
    ended_as 'done false' 'missing=400 strays=300'
    run_job 'verify?deep=1&repair=1&jobs=16'
    ended_as 'done false' 'missing=400 repaired=700 rotten=300 strays=300'
    same 1000 "$(wc -l <"$T/findings")" findings
    run_job 'verify?deep=1&remove_orphans=1'
    ended_as 'done true' 'removed=300 strays=300'
    is_clean
    within 20 has_orphans i 0
    same 40000 "$(for each in $VOLUMES; do blobs "$each"; done | wc -l)" files
    # As fast as it is told to be.
    (($(job .bytes) > 40000 * 10))
    rate=$(($(job .bytes) / 4))
    run_job "verify?deep=1&rate=$rate"
    ended_as 'done true'
    (($(job .elapsed_ms) > 3500 && $(job .elapsed_ms) < 9000 * SLOW)) || fail "it took $(job .elapsed_ms) ms"
}
