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
    within 20 sees i v4 down
    large_keys_are_right /still 100
    keys_are_right /later 60
    put_keys /without 20
    VOLUMES='v1 v2 v3'
    settled
    is_clean
}

@test "a drain waits for a PUT whose head came before it, and takes its value away" {
    local drained
    start_with "$VOLUMES"
    put_keys /late 1
    drained=$(holders /late/1 | head -n 1)
    [[ -n $drained ]]
    want 204 DELETE "$(url i)/late/1"
    exec 7<>"/dev/tcp/127.0.0.1/$(port i-direct)"
    printf 'PUT /late/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n' >&7
    answer 7
    same 100 "$STATUS"
    begin_job "$(drain "$drained")"
    within 10 job_is '.state == "running"'
    printf value >&7
    answer 7
    same 201 "$STATUS"
    exec 7>&-
    within 60 job_is '.state == "done"'
    names_none_of "$drained"
    same '' "$(blobs "$drained")" 'blobs on it'
    got "$(url i)/late/1" value
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
    begin_job_again "$(drain v4)"
    await_job
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

@test "a drained volume that the index hasn't known takes nothing when it is listed, and stays on the list" {
    start_with 'v1 v2 v3'
    volume v4
    stop i
    put_note i drained "$(at v4)"
    index_of_list 'v1 v2 v3'
    run_job "$(drain v3)"
    ended_as 'done true'
    same "$(printf '%s\n' "$(at v4)" "$(at v3)" | sort)" "$(note i drained | sort)" 'the list'
    relist 'v1 v2 v3 v4'
    sees_drained v4
    sees_drained v3
    put_keys /later 20
    all_lack v3 v4
    run_job "$(drain v4 undo=1)"
    ended_as 'done true'
    same "$(at v3)" "$(note i drained)" 'the list'
    put_keys /undone 20
    refute all_lack v4
    all_lack v3
}
