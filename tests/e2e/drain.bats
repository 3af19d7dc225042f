#!/usr/bin/env bats
# mkv drain: a volume loses all that it has to others, and takes nothing new.

load ../support/lib
load ../support/replicas
load ../support/admin_jobs

VOLUMES='v1 v2 v3 v4'
COPIES=2

drain() { # VOLUME [PARAMETERS]
    echo "drain?volume=$(at "$1")${2+&$2}"
}

# PUTs go on, below /put, until the file is there; some of the keys go again.
put_until() { # FILE
    local n=0
    while [[ ! -e $1 ]]; do
        n=$((n + 1))
        curl -q -s --noproxy '*' -o /dev/null -w '%{http_code}\n' -X PUT --data-binary "/put/$n" "$(url i-direct)/put/$n"
        if ((n % 5 == 0)); then
            curl -q -s --noproxy '*' -o /dev/null -w '%{http_code}\n' -X DELETE "$(url i-direct)/put/$n"
        fi
    done >"$T/statuses"
}

@test "a drain under load ends with nothing on the volume, and nothing new comes there" {
    start_with "$VOLUMES"
    put_large_keys /still 100
    watch_keys /still 100
    put_until "$T/enough" 3>&- &
    run_job "$(drain v4)"
    ended_as 'done true' "moved=$(job .counts.moved)"
    (($(job .counts.moved) > 20))
    same "$(at v4) holds nothing any more: it can be unplugged" "$(job .text)"
    same '' "$(blobs v4)" 'blobs on it'
    names_none_of v4
    put_keys /later 60
    touch "$T/enough"
    wait
    same '201 204' "$(sort -u "$T/statuses" | paste -sd' ')"
    unwatch_keys
    same '' "$(blobs v4)" 'blobs on it'
    stop v4
    large_keys_are_right /still 100
    keys_are_right /later 60
    put_keys /without 20
    VOLUMES='v1 v2 v3'
    settled
    is_clean
}

@test "an index that is killed in a drain keeps new values away, and the drain goes on when asked again" {
    local n
    start_with "$VOLUMES"
    put_large_keys /still 100
    watch_keys /still 100
    begin_job "$(drain v4 rate=200000)"
    within 10 job_is '.counts.moved > 10'
    job_is '.state == "running"'
    crash i
    index_of_list "$VOLUMES"
    refute all_lack v4
    put_keys /later 60
    for n in {1..60}; do
        lacks v4 "/later/$n"
    done
    refute sees_drained v1
    sees_drained v4
    stop i
    index_of_list "$VOLUMES"
    put_keys /again 20
    for n in {1..20}; do
        lacks v4 "/again/$n"
    done
    run_job "$(drain v4)"
    same 'done true' "$(job '"\(.state) \(.clean)"')"
    same '' "$(blobs v4)" 'blobs on it'
    unwatch_keys
    is_clean
    settled
}

sees_drained() { # VOLUME
    "$MKV" status --json --index "$T/data/i" |
        jq -e --arg name "$(at "$1")" '.volumes[] | select(.name == $name) | .drained' >/dev/null
}

@test "a drain is cancelled, and undone: then the volume takes values again" {
    local n before
    start_with "$VOLUMES"
    put_large_keys /still 60
    begin_job "$(drain v4 rate=100000)"
    within 10 job_is '.counts.moved > 3'
    cancel_job
    await_job
    same 'canceled false' "$(job '"\(.state) \(.clean)"')"
    put_keys /later 20
    for n in {1..20}; do
        lacks v4 "/later/$n"
    done
    run_job "$(drain v4 undo=1)"
    ended_as 'done true'
    refute sees_drained v4
    before=$(blobs v4 | wc -l)
    put_keys /undone 30
    (($(blobs v4 | wc -l) > before))
    run_job rebalance
    same 'done true' "$(job '"\(.state) \(.clean)"')"
    settled
    is_clean
    large_keys_are_right /still 60
    # After a restart as well.
    stop i
    index_of_list "$VOLUMES"
    refute sees_drained v4
}

@test "a drain is refused when too few volumes would be left, or the volume isn't known" {
    COPIES=3
    start_with 'v1 v2 v3'
    put_keys /k 10
    refuse_job 422 '^2 volumes would be left, and each value needs 3: add others first$' "$(drain v3)"
    refuse_job 422 '^the index knows no volume of that name$' 'drain?volume=127.0.0.1:9'
    refuse_job 400 'needs the parameter volume' drain
    refute sees_drained v3
    put_keys /later 10
    VOLUMES='v1 v2 v3'
    settled
    volume v4
    relist 'v1 v2 v3 v4'
    run_job "$(drain v3)"
    same 'done true' "$(job '"\(.state) \(.clean)"')"
    same '' "$(blobs v3)" 'blobs on it'
    # Of three that are left, another one can't go.
    refuse_job 422 '^2 volumes would be left' "$(drain v2)"
    VOLUMES='v1 v2 v4'
    settled
    is_clean
}

@test "a volume that is away is drained by its other copies, and what it still holds is told" {
    local on_it
    start_with "$VOLUMES"
    put_keys /k 60
    on_it=$(blobs v4 | wc -l)
    stop v4
    within 5 sees i v4 down
    run_job "$(drain v4)"
    ended_as 'done true' "moved=$on_it"
    same "no key is on $(at v4) any more: it can be unplugged. It is away, so $on_it removed values still lie there; \`mkv forget $(at v4)\` gives them up" "$(job .text)"
    names_none_of v4
    is_clean
    keys_are_right /k 60
    volume v4 # and what lies there goes after all
    within 20 all_lack v4
    settled
}

@test "what can be moved nowhere is told, and stays" {
    local on_it
    COPIES=1
    VOLUMES='v1 v2'
    start_with 'v1 v2'
    put_keys /k 40
    on_it=$(blobs v2 | wc -l)
    stop v1
    within 5 sees i v1 down
    run_job "$(drain v2)"
    ended_as 'done false' "failed=$on_it"
    (($(job .elapsed_ms) < 10000 * SLOW)) || fail "it took $(job .elapsed_ms) ms"
    same "$on_it" "$(grep -c '^not moved' "$T/findings")" findings
    job .text | grep -Fq "takes no new values until \`mkv drain --undo $(at v2)\`; to go on, drain it again"
    volume v1
    within 10 sees i v1 up
    run_job "$(drain v2)"
    ended_as 'done true' "moved=$on_it"
    all_lack v2
    is_clean
    keys_are_right /k 40
}
