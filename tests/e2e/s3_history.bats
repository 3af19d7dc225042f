#!/usr/bin/env bats
# PUTs, Completes and DELETEs of S3, with conditions and without, and GETs of a few keys by 32 clients
# (../model/s3client.c), while volumes are killed, one at a time: all answers together fit one order.
#
# MKV_TEST_LONG makes it minutes; MKV_HISTORY_SECONDS, MKV_HISTORY_KEYS and MKV_HISTORY_SEED set what they say.

load ../support/lib
load ../support/s3

VOLUMES='v1 v2 v3'
CLIENTS=32
KEYS=${MKV_HISTORY_KEYS:-4}
SECONDS_OF_LOAD=${MKV_HISTORY_SECONDS:-${MKV_TEST_LONG:+300}}
SECONDS_OF_LOAD=${SECONDS_OF_LOAD:-20}
SEED=${MKV_HISTORY_SEED:-$RANDOM$RANDOM}

progress() {
    local last
    last=$(grep -E '^ops [0-9]+$' "$(log_of clients)" | tail -n 1)
    last=${last#ops }
    echo "${last:-0}"
}

progressed_to() { # OPS
    (($(progress) >= $1)) || ended clients
}

# Lets the clients do so much more.
let_pass() { # OPS
    within 30 progressed_to $(($(progress) + $1)) || fail "the clients make no progress"
}

start() { # [INDEX-OPTIONS...]
    leaves_files
    echo "seed $SEED, $CLIENTS clients, $KEYS keys, $SECONDS_OF_LOAD s"
    RANDOM=$((SEED % 32768))
    s3_cluster "$VOLUMES" "$@"
    hatch clients "$SUPPORT/s3client" "$(port i-s3)" $CLIENTS "$KEYS" "$SEED" "$T/stop"
    let_pass 200
    until=$(($(now_ms) + SECONDS_OF_LOAD * 1000))
}

# One volume is killed, for a while that may be too short for the index to see.
kill_one() {
    local each=v$((RANDOM % 3 + 1))
    crash $each
    let_pass $((RANDOM % 2 * 500 + 100))
    volume $each
    within 10 sees i $each 'up|full'
    let_pass $((RANDOM % 2 * 500 + 100))
}

is_over() {
    (($(now_ms) > until))
}

finish() {
    touch "$T/stop"
    await_end clients 120
    grep -v '^ops [0-9]*$' "$(log_of clients)" || true
    same 0 "$RC" 'exit status of the clients'
}

verified() {
    "$MKV" verify --index "$T/data/i" >"$T/verified" 2>&1 || { cat "$T/verified" >&2 && return 1; }
}

@test "answers of 32 clients fit one order while volumes are killed" {
    local until kills=0
    start --replicas 2
    until ((kills >= 3)) && is_over; do
        kill_one
        kills=$((kills + 1))
    done
    finish
    within 20 verified || fail "$(cat "$T/verified")"
    echo "$kills kills"
}

@test "so they do at one key, with one copy, and nothing kept that was replaced" {
    local until
    SECONDS_OF_LOAD=$((SECONDS_OF_LOAD / 2))
    KEYS=${MKV_HISTORY_KEYS:-1}
    start --replicas 1 --grace 0
    within $((SECONDS_OF_LOAD + 10)) is_over
    finish
    within 20 verified || fail "$(cat "$T/verified")"
}
