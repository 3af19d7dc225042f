#!/usr/bin/env bats
# mkv forget: a disk that is gone for good.

load ../support/lib
load ../support/replicas
load ../support/admin_jobs

VOLUMES='v1 v2 v3 v4'
COPIES=2

forget() { # VOLUME
    echo "forget?volume=$(at "$1")"
}

@test "a dead volume is forgotten: its copies don't count, its orphans go, and verify makes new ones" {
    local on_it orphans
    start_with "$VOLUMES"
    put_keys /k 60
    refuse_job 422 '^its disk is there: drain it instead$' "$(forget v4)"
    refuse_job 422 '^the index knows no volume of that name$' 'forget?volume=127.0.0.1:9'
    crash v4
    within 5 sees i v4 down
    for n in {1..10}; do
        want 204 DELETE "$(url i)/k/$n"
        put_keys_again "/k/$n"
    done
    orphans=$("$MKV" dump --index "$T/data/i" | jq -r 'select(.orphan) | .volumes[]' | grep -c "^$(at v4)")
    ((orphans > 0))
    on_it=$("$MKV" dump --index "$T/data/i" | jq -r 'select(.key) | .volumes[]' | grep -c "^$(at v4)")
    relist_without v4
    run_job "$(forget v4)"
    ended_as 'done true' "forgotten=$on_it orphans=$orphans"
    names_none_of v4
    refute sh -c "'$MKV' dump --index '$T/data/i' | grep -F '$(at v4)' | grep -q orphan"
    run_job verify
    ended_as 'done false' "too_few=$on_it"
    run_job 'verify?repair=1'
    ended_as 'done true' "repaired=$on_it too_few=$on_it"
    VOLUMES='v1 v2 v3'
    is_clean
    within 15 has_orphans i 0
    settled
    keys_are_right /k 60
    # Once more there is nothing to do.
    run_job "$(forget v4)"
    ended_as 'done true'
}

put_keys_again() { # KEY
    want 201 PUT "$(url i)$1" --data-binary "$1"
}

# The list as it is without a volume that is down.
relist_without() { # VOLUME
    relist "$(for each in $VOLUMES; do [[ $each == "$1" ]] || echo "$each"; done | paste -sd' ')"
}

@test "a key whose only copy was on a volume that is forgotten is told, and kept" {
    local on_it
    COPIES=1
    VOLUMES='v1 v2 v3'
    start_with "$VOLUMES"
    put_keys /k 40
    on_it=$(blobs v3 | wc -l)
    ((on_it > 5))
    stop v3
    within 5 sees i v3 down
    run_job "$(forget v3)"
    ended_as 'done false' "lost=$on_it"
    same "$on_it lost" "$(cut -f1 "$T/findings" | sort | uniq -c | awk '{ $1 = $1 } 1')"
    job .text | grep -q "; $on_it keys are lost, since they had no other copy: DELETE them\$"
    pages "$(url i)/?list" 1000 | wc -l | grep -qx 40
    # It wasn't gone after all.
    volume v3
    within 10 sees i v3 up
    keys_are_right /k 40
    is_clean
}

@test "a disk that was replaced: what the old one held is forgotten, and what the new one holds stays" {
    local on_it
    start_with "$VOLUMES"
    put_keys /k 60
    on_it=$(blobs v4 | wc -l)
    stop v4
    within 5 sees i v4 down
    mv "$T/data/v4" "$T/old"
    volume v4
    within 10 sees i v4 up
    put_keys /new 30
    (($(blobs v4 | wc -l) > 3))
    run_job 'verify?deep=1'
    ended_as 'done false' "away=$on_it"
    run_job "$(forget v4)"
    ended_as 'done true' "forgotten=$on_it"
    run_job 'verify?deep=1&repair=1'
    ended_as 'done true' "repaired=$on_it too_few=$on_it"
    is_clean
    settled
    keys_are_right /k 60
    keys_are_right /new 30
    run_job "$(forget v4)"
    ended_as 'done true'
}
