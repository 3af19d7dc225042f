#!/usr/bin/env bats
# mkv rebalance and drain, while clients that know what their keys must be (../model/modelclient.c) use
# them, and while the index and volumes are killed: never is a copy missing.
#
# MKV_MODEL_SEED makes it the same again.

load ../support/lib
load ../support/replicas
load ../support/admin_jobs

COPIES=2
SEED=${MKV_MODEL_SEED:-$RANDOM$RANDOM}

progress() {
    grep -E '^ops [0-9]+$' "$(log_of model)" | tail -n 1 | cut -c5-
}

progressed_to() { # OPS
    (($(progress) >= $1))
}

# Lets the clients do so much more.
let_pass() { # OPS
    within 20 progressed_to $(($(progress) + $1)) || fail "the clients make no progress"
}

kill_index() {
    crash i
    index i '' --volumes-file "$T/volumes" --replicas $COPIES "${BY_HAND[@]}"
}

kill_volume() { # VOLUME
    crash "$1"
    let_pass 100
    volume "$1"
    within 10 sees i "$1" up
}

moved_some() { # COUNT
    (($(job_now '.counts.moved // 0') >= $1)) || job_is '.state != "running"'
}

# Waits until the job has moved some more, and counts it when that isn't its end.
get_into_it() {
    within 20 moved_some 10
    if job_is '.state == "running"'; then
        kills=$((kills + 1))
    fi
}

# Begins a job, and kills the index and then a volume in the midst of it, again and again; then it runs to
# its end.
run_with_kills() { # KIND[?PARAMETERS] VOLUME...
    local job=$1 each
    shift
    for each in "$@"; do
        begin_job "$job"
        get_into_it
        kill_index
        begin_job_again "$job"
        get_into_it
        kill_volume "$each"
        cancel_job # there is to be something left for the next one
        await_job
    done
    within 90 run_until_clean "$job"
}

@test "from 3 volumes to 5 and back to 3 under load, with the index and volumes killed: every byte stays" {
    local kills=0
    echo "seed $SEED"
    start_with 'v1 v2 v3'
    put_large_keys /still 150
    VOLUMES='v1 v2 v3 v4 v5'
    volume v4
    volume v5
    watch_keys /still 150
    hatch model "$SUPPORT/modelclient" "$(port i-direct)" "$(port i)" 24 8 24 $COPIES "$SEED" "$T/stop" "$T/go"
    within 10 logged model '^ops [0-9]+$'
    let_pass 500
    relist 'v1 v2 v3 v4 v5'
    run_with_kills 'rebalance?rate=300000' v4 v1
    same 0 "$(count_unbalanced /still 150)"
    refute all_lack v4
    refute all_lack v5
    # One goes by a drain, the other one by the list.
    run_with_kills "drain?volume=$(at v4)&rate=300000" v2
    relist 'v1 v2 v3 v4'
    run_with_kills 'rebalance?rate=300000' v3
    let_pass 200
    echo "$kills kills in the midst of a job"
    ((kills >= 5))
    touch "$T/stop"
    within 30 logged model '^waiting'
    unwatch_keys
    all_up
    within 90 run_until_clean rebalance
    within 30 all_lack v4 v5
    touch "$T/go"
    await_end model 60
    grep -v '^ops [0-9]*$' "$(log_of model)" || true
    same 0 "$RC" 'exit status of the clients'
    within 20 only_copies
    run_job 'verify?deep=1'
    ended_as 'done true'
    large_keys_are_right /still 150
}
