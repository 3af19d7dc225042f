#!/usr/bin/env bats
# mkv verify with so many keys that lists come in batches and volumes hash in several requests.

load ../support/lib
load ../support/replicas
load ../support/admin_jobs

VOLUMES='v1 v2 v3 v4'

@test "each bad copy of many is found, and each stray" {
    local keys=$((LONG ? 20000 : 6000)) rate
    cluster i "$VOLUMES" --replicas 2 "${BY_HAND[@]}" --no-sync
    put_keys /a/long/prefix $keys
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
    same $((2 * keys)) "$(for each in $VOLUMES; do blobs "$each"; done | wc -l)" files
    # As fast as it is told to be.
    (($(job .bytes) > 2 * keys * 10))
    rate=$(($(job .bytes) / 4))
    run_job "verify?deep=1&rate=$rate"
    ended_as 'done true'
    (($(job .elapsed_ms) > 3500 && $(job .elapsed_ms) < 9000 * SLOW)) || fail "it took $(job .elapsed_ms) ms"
}
