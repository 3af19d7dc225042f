#!/usr/bin/env bats
# Clients that know what their keys must be, and share others (../model/modelclient.c), while volumes are
# killed, stopped, ended and started again, two of five at a time, one of them stopped for long, and
# the index is killed: no answer is wrong, no key is lost or back from the dead, and when all volumes are
# back each has what it should and nothing else.
#
# MKV_MODEL_SECONDS, MKV_MODEL_CLIENTS and MKV_MODEL_SEED make it longer, wider, or the same again.

load ../support/lib
load ../support/replicas

CLIENTS=${MKV_MODEL_CLIENTS:-64}
SECONDS_OF_LOAD=${MKV_MODEL_SECONDS:-$((ASAN ? 30 : 17))}
STOPPED_FOR=15 # seconds, one volume
# What a volume that was stopped does afterwards comes before the reclaimer asks it for anything.
GRACE=$STOPPED_FOR
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

# The index is killed, and started again.
kill_index() {
    crash i
    index i "$VOLUMES" --replicas $COPIES --grace $GRACE
    all_but_stopped_up
    kills=$((kills + 1))
    let_pass 300
}

all_but_stopped_up() {
    local each
    for each in $VOLUMES; do
        [[ $each == "$STOPPED" ]] || within 10 sees i "$each" 'up|full'
    done
}

# One volume is stopped, and goes on after STOPPED_FOR.
stop_one() {
    STOPPED=v5
    freeze v5
    thaw_at=$(($(now_ms) + STOPPED_FOR * 1000))
}

thaw_when_due() {
    if [[ -n $STOPPED ]] && (($(now_ms) >= thaw_at)); then
        thaw v5
        STOPPED=''
        within 10 sees i v5 'up|full'
    fi
}

# One or two volumes fail, in one way each, for a while that may be too short for the index to see.
havoc() {
    local picked how each
    mapfile -t picked < <(printf '%s\n' ${VOLUMES/$STOPPED/} |
        shuf -n $((${#STOPPED} ? 1 : RANDOM % 2 + 1)) --random-source=<(yes $RANDOM))
    how=()
    for each in "${picked[@]}"; do
        case $((RANDOM % 3)) in
            0) how+=(killed) && crash "$each" ;;
            1) how+=(stopped) && freeze "$each" ;;
            2) how+=(ended) && stop "$each" ;;
        esac
    done
    let_pass $((RANDOM % 2 * 500 + 100))
    for each in "${!picked[@]}"; do
        if [[ ${how[each]} == stopped ]]; then
            thaw "${picked[each]}"
        else
            volume "${picked[each]}"
        fi
    done
    let_pass $((RANDOM % 2 * 500 + 100))
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

# Prints a line "VOLUME NAME" for each file on a volume, and of what the index's keys and orphans name.
# (No key here has a slash in its base64.)
files() {
    local each
    for each in $VOLUMES; do
        blobs "$each" | sed "s|.*/|$(at "$each") |"
    done | sort
}

named() {
    "$MKV" dump --index "$T/data/i" | jq -r 'select(.volumes) |
        ((.key // .orphan | @base64) + "." + .generation) as $name | .volumes[] | split(" ")[0] + " " + $name' | sort
}

# A file that is listed and then goes may have its orphan forgotten before that is listed.
all_files_are_named() {
    files >"$T/files"
    named >"$T/named"
    comm -23 "$T/files" "$T/named" >"$T/unnamed"
    [[ -s $T/files && ! -s $T/unnamed ]]
}

@test "clients under random failures of volumes and the index get no wrong answer and lose no key" {
    local before after end present unlinked kills=0 half thaw_at STOPPED=''
    leaves_files
    echo "seed $SEED, $CLIENTS clients, $SECONDS_OF_LOAD s"
    RANDOM=$((SEED % 32768))
    cluster i "$VOLUMES" --replicas $COPIES --grace $GRACE
    hatch model "$SUPPORT/modelclient" "$(port i-direct)" "$(port i)" "$CLIENTS" 8 24 $COPIES "$SEED" "$T/stop" "$T/go"
    rounds=0
    half=$(($(now_ms) + SECONDS_OF_LOAD * 500))
    let_pass 500
    stop_one
    until ((rounds >= 3 && $(now_ms) > half + SECONDS_OF_LOAD * 500)) && [[ -z $STOPPED ]]; do
        if ((kills < 2 || $(now_ms) < half)); then
            kill_index
            before="$(anonymous i) $(descriptors i)"
        fi
        havoc
        thaw_when_due
    done
    touch "$T/stop"
    within 30 over
    restart_ended
    touch "$T/go"
    await_end model 60
    grep -v '^ops [0-9]*$' "$(log_of model)" || true
    same 0 "$RC" 'exit status of the clients'
    within 10 all_files_are_named || fail "$(head "$T/unnamed")"
    within $((GRACE + LEASED + 20)) only_copies
    end=$(grep '^end:' "$(log_of model)")
    read -r _ _ present _ unlinked _ <<<"$end"
    same "$present" "$(pages "$(url i)/?list" 1000 | wc -l)" 'keys listed'
    same "$unlinked" "$(pages "$(url i)/?unlinked" 1000 | wc -l)" 'unlinked keys listed'
    ((present > CLIENTS)) || fail "only $present keys at the end"
    after="$(anonymous i) $(descriptors i)"
    echo "RssAnon in kB and descriptors of the index: $before, at the end $after; $rounds rounds, $kills kills"
    # Kept connections to volumes, 256 at most, are no leak.
    ((${after#* } < ${before#* } + 300)) || fail "descriptors: $before, then $after"
    ((ASAN || ${after% *} < ${before% *} + 64000)) || fail "kB: $before, then $after"
}
