#!/usr/bin/env bats
# mkv rebalance: keys move to where the volumes that there are now are to have them.

load ../support/lib
load ../support/replicas
load ../support/admin_jobs

COPIES=2

@test "keys go to the volumes that came, and to others from one that is listed no more" {
    local wrong
    VOLUMES='v1 v2 v3'
    start_with 'v1 v2'
    put_keys /k 60
    want 204 UNLINK "$(url i)/k/60"
    volume v3
    relist 'v1 v2 v3'
    wrong=$(count_unbalanced /k 59)
    ((wrong > 10))
    run_job 'rebalance?dry_run=1'
    ended_as 'done true' "to_move=$(job .counts.to_move)"
    (($(job .counts.to_move) == wrong || $(job .counts.to_move) == wrong + 1)) # the unlinked one
    same '60 60' "$(job '"\(.done) \(.total)"')"
    # The value of each is its path.
    (($(job .counts.bytes_to_move) >= wrong * 4 && $(job .counts.bytes_to_move) <= (wrong + 1) * 5))
    wrong=$(job .counts.to_move)
    same 0 "$(blobs v3 | wc -l)" 'blobs that were moved by a dry run'
    run_job 'rebalance?jobs=1'
    ended_as 'done true' "moved=$wrong"
    same 0 "$(count_unbalanced /k 59)"
    run_job rebalance
    ended_as 'done true'
    same 0 "$(job '.counts.moved // 0')"
    settled
    is_clean
    relist 'v2 v3'
    run_job rebalance
    same 'done true' "$(job '"\(.state) \(.clean)"')"
    within 15 all_lack v1
    VOLUMES='v2 v3'
    settled
    is_clean
    keys_are_right /k 59
    got "$(url i)/k/59" /k/59
}

@test "keys whose volume is down are told and stay as they are, and the next run does them" {
    local n
    VOLUMES='v1 v2 v3'
    start_with 'v1 v2'
    put_keys /k 40
    volume v3
    relist 'v1 v2 v3'
    within 10 sees i v3 up
    stop v3
    within 5 sees i v3 down
    run_job 'rebalance?dry_run=1'
    n=$(job .counts.to_move)
    ((n > 0))
    run_job rebalance
    ended_as 'done false' "failed=$n"
    same "$n not moved" "$(cut -f1 "$T/findings" | sort | uniq -c | awk '{ $1 = $1 } 1')"
    jq -r 'select(.finding) | .detail' "$T/job.lines" | sort -u | grep -Fqx "$(at v3): it is down or full"
    is_clean
    keys_are_right /k 40
    volume v3
    within 10 sees i v3 up
    run_job rebalance
    ended_as 'done true' "moved=$n"
    settled
    is_clean
}

@test "its rate is kept" {
    VOLUMES='v1 v2'
    COPIES=1
    start_with v1
    value some 100000
    for n in {1..24}; do
        want 201 PUT "$(url i)/k/$n" -T "$T/some"
    done
    volume v2
    relist 'v1 v2'
    run_job 'rebalance?rate=500000'
    same 'done true' "$(job '"\(.state) \(.clean)"')"
    same "$(job .bytes)" "$(($(job .counts.moved) * 100000))"
    # The last one is begun when those before it are paid for.
    (($(job .elapsed_ms) > ($(job .counts.moved) - 1) * 200 - 100)) || fail "$(job .counts.moved) keys in $(job .elapsed_ms) ms"
    (($(job .elapsed_ms) < $(job .counts.moved) * 300 * SLOW + 5000)) || fail "$(job .counts.moved) keys in $(job .elapsed_ms) ms"
    is_clean
}
