#!/usr/bin/env bats
# Keys that have more copies than there are to be, since --replicas was lowered: which of them go.

load ../support/lib
load ../support/replicas
load ../support/admin_jobs

VOLUMES='v1 v2'

# Keys with a copy on each volume, and index i, which is to have one of each.
fewer() { # KEYS
    COPIES=2
    start_with "$VOLUMES" --grace 1
    put_keys /k "$1"
    stop i
    COPIES=1
    index_of_list "$VOLUMES" --grace 1
    within 10 sees i v1 up
    within 10 sees i v2 up
}

@test "the last copy that can be read doesn't go" {
    fewer 40
    crash v1
    within 5 sees i v1 down
    run_job rebalance
    same 'done false' "$(job '"\(.state) \(.clean)"')"
    same 'not moved' "$(cut -f1 "$T/findings" | sort -u)"
    keys_are_right /k 40
    volume v1
    within 10 sees i v1 up
    run_job rebalance
    ended_as 'done true' "moved=$(job .counts.moved)"
    settled
    is_clean
    keys_are_right /k 40
}

@test "the last good copy doesn't go" {
    local n
    fewer 40
    for n in {1..40}; do
        flip "$(file_of v1 "/k/$n")"
    done
    run_job rebalance
    same 'done false' "$(job '"\(.state) \(.clean)"')"
    jq -r 'select(.finding) | .detail' "$T/job.lines" | sort -u >"$T/why"
    same 'a copy that would stay is not good' "$(cat "$T/why")"
    run_job 'verify?deep=1&repair=1'
    same 'done true' "$(job '"\(.state) \(.clean)"')"
    keys_are_right /k 40
    run_job rebalance
    same 'done true' "$(job '"\(.state) \(.clean)"')"
    settled
    is_clean
    keys_are_right /k 40
}

@test "a repair keeps the copies that can be read" {
    VOLUMES='v1 v2 v3'
    local n
    COPIES=3
    start_with "$VOLUMES" --grace 1
    put_keys /k 40
    stop i
    COPIES=1
    index_of_list "$VOLUMES" --grace 1
    for n in v1 v2 v3; do
        within 10 sees i "$n" up
    done
    for n in {1..40}; do
        rm "$(file_of v3 "/k/$n")"
    done
    crash v1
    within 5 sees i v1 down
    run_job 'verify?repair=1'
    keys_are_right /k 40
    names_none_of v3
}
