#!/usr/bin/env bats
# Clients that know what their keys must be (../model/modelclient.c), while volumes are killed, stopped,
# ended and started again, two of five at a time: no answer is wrong, no key is lost, and when all
# volumes are back each has what it should and nothing else.
#
# MKV_MODEL_SECONDS, MKV_MODEL_CLIENTS and MKV_MODEL_SEED make it longer, wider, or the same again.

load ../support/lib
load ../support/replicas

CLIENTS=${MKV_MODEL_CLIENTS:-64}
SECONDS_OF_LOAD=${MKV_MODEL_SECONDS:-$((ASAN ? 30 : 60))}
SEED=${MKV_MODEL_SEED:-$RANDOM$RANDOM}

after_each() {
    thaw_all
}

progress() {
    local last
    last=$(grep -E '^ops [0-9]+$' "$(log_of model)" | tail -n 1)
    echo "${last#ops }"
}

progressed_to() { # OPS
    (($(progress) >= $1)) || over
}

# Lets the clients do so much more.
let_pass() { # OPS
    within 20 progressed_to $(($(progress) + $1)) || fail "the clients make no progress"
}

over() {
    logged model '^waiting' || ended model
}

# One or two volumes fail, in one way each, for a while that may be too short for the index to see.
havoc() {
    local picked how each
    mapfile -t picked < <(printf '%s\n' $VOLUMES | shuf -n $((RANDOM % 2 + 1)) --random-source=<(yes $RANDOM))
    how=()
    for each in "${picked[@]}"; do
        case $((RANDOM % 3)) in
            0) how+=(killed) && crash "$each" ;;
            1) how+=(stopped) && freeze "$each" ;;
            2) how+=(ended) && stop "$each" ;;
        esac
    done
    let_pass $((RANDOM % 2 * 1000 + 100))
    for each in "${!picked[@]}"; do
        if [[ ${how[each]} == stopped ]]; then
            thaw "${picked[each]}"
        else
            volume "${picked[each]}"
        fi
    done
    let_pass $((RANDOM % 2 * 1000 + 100))
    # Two of five are down at once, and not a third before one of them is known to be back: else a key
    # might have no volume.
    for each in "${picked[@]}"; do
        within 10 sees i "$each" 'up|full'
    done
    rounds=$((rounds + 1))
}

anonymous() { # NAME: kB
    awk '/^RssAnon/ { print $2 }' "/proc/$(pid_of "$1")/status"
}

descriptors() { # NAME
    find "/proc/$(pid_of "$1")/fd" -mindepth 1 | wc -l
}

@test "clients under random failures of volumes get no wrong answer and lose no key" {
    local before after keys end
    leaves_files
    echo "seed $SEED, $CLIENTS clients, $SECONDS_OF_LOAD s"
    RANDOM=$((SEED % 32768))
    cluster i "$VOLUMES" --replicas $COPIES
    hatch model "$SUPPORT/modelclient" "$(port i-direct)" "$(port i)" "$SECONDS_OF_LOAD" "$CLIENTS" 8 $COPIES "$SEED" "$T/go"
    rounds=0
    let_pass 1000
    before="$(anonymous i) $(descriptors i)"
    until over; do
        havoc
    done
    restart_ended
    touch "$T/go"
    await_end model 60
    grep -v '^ops [0-9]*$' "$(log_of model)" || true
    same 0 "$RC" 'exit status of the clients'
    # The index was there all the time, and so it has answered everything.
    grep -q ' lost 0 ' "$(log_of model)"
    ((rounds >= 3)) || fail "only $rounds rounds of failures"
    settled
    end=$(grep '^end:' "$(log_of model)")
    read -r _ _ present _ unlinked _ <<<"$end"
    same "$present" "$(pages "$(url i)/?list" 1000 | wc -l)" 'keys listed'
    same "$unlinked" "$(pages "$(url i)/?unlinked" 1000 | wc -l)" 'unlinked keys listed'
    ((present > CLIENTS)) || fail "only $present keys at the end"
    after="$(anonymous i) $(descriptors i)"
    echo "RssAnon in kB and descriptors of the index: $before, at the end $after; $rounds rounds"
    # Kept connections to volumes, 256 at most, are no leak.
    ((${after#* } < ${before#* } + 300)) || fail "descriptors: $before, then $after"
    ((ASAN || ${after% *} < ${before% *} + 64000)) || fail "kB: $before, then $after"
}
