#!/usr/bin/env bats
# The index killed under a stream of changes, with real volumes. What was acknowledged holds, and in
# the end the volumes have the blobs of its keys, and no other.

load ../support/lib

VOLUMES='v1 v2 v3'

before_each() {
    cluster i "$VOLUMES"
}

# Keys have 12 characters, so that their base64 has no padding and many can be decoded at once.
plan() { # ROUND WORKER
    awk -v keys="/r$1w$2/%06d\n" 'BEGIN {
        for (n = 0; n < 1500; n++) {
            printf "PUT " keys, n
            if (n >= 30 && n % 3)
                printf (n % 3 == 1 ? "DELETE " : "UNLINK ") keys, n - 30
        }
    }'
}

# Reads what replay() printed and prints "STATE KEY" lines; the state is "?" of a key whose last
# change was not answered.
states() {
    awk '{ sub(/^http:\/\/[^\/]*/, "", $3) }
        /^201 PUT / { state[$3] = "live"; next }
        /^204 DELETE / { state[$3] = "gone"; next }
        /^204 UNLINK / { state[$3] = "unlinked"; next }
        /^(000|502) / { state[$3] = "?"; next }
        { print "unexpected: " $0 >"/dev/stderr"; bad = 1 }
        END { for (key in state) print state[key], key; exit bad }' "$@" | sort
}

# Prints the keys that should be in a state and, given with, those that might be.
keys_in() { # STATE [?]
    awk -v a="$1" -v b="${2-}" '$1 == a || $1 == b { print $2 }' "$T/states" | sort
}

# Prints the keys of all blobs. The value of each must be its key.
keys_of_blobs() {
    local volume
    for volume in $VOLUMES; do
        (cd "$(lookup data "$volume")" && grep -r . --exclude-dir=.mkv .) || true
    done >"$T/blobs"
    sed -E 's,.*/([^/]*)\.[0-9a-f]{16}:.*,\1,' "$T/blobs" >"$T/names"
    sed 's/^[^:]*://' "$T/blobs" >"$T/values"
    tr -d '\n' <"$T/names" | base64 -d | fold -w 12 >"$T/decoded"
    [[ ! -s $T/decoded ]] || echo >>"$T/decoded"
    cmp "$T/decoded" "$T/values" && sort "$T/decoded"
}

# Prints answers that would have led to what was found of the keys in state "?".
decide() {
    keys_in '?' | comm -12 - "$T/live" | sed 's/^/201 PUT /'
    keys_in '?' | comm -12 - "$T/unlinked" | sed 's/^/204 UNLINK /'
    keys_in '?' | comm -23 - "$T/listed" | sed 's/^/204 DELETE /'
}

# Every worker has stored that many values and more.
all_busy() { # ROUND COUNT
    local worker volume
    for volume in $VOLUMES; do
        blobs "$volume"
    done >"$T/names"
    for worker in 0 1 2 3; do
        (($(grep -cF "/$(printf '/r%dw%d/' "$1" $worker | base64)" "$T/names") >= $2)) || return 1
    done
}

# Every blob has its key, and every key its blob.
settled() {
    keys_of_blobs | cmp -s - "$T/listed"
}

@test "kill -9 under a stream of PUTs, DELETEs and UNLINKs loses nothing and leaves nothing" {
    local round worker urls pids
    for round in 1 2 3; do
        urls=("$(url i)" "$(url i-direct)" "$(url i)" "$(url i-direct)")
        pids=()
        for worker in 0 1 2 3; do
            plan $round $worker >"$T/plan.$worker"
            replay "${urls[worker]}" <"$T/plan.$worker" >"$T/answers.$round.$worker" 2>/dev/null 3>&- &
            pids+=($!)
        done
        within 60 all_busy $round $((round * 25 + 15)) # each has deleted and unlinked some
        crash i
        if ((round == 3)); then
            crash v1
            volume v1
        fi
        wait "${pids[@]}" || true
        index i "$VOLUMES"
        states "$T"/answers.* >"$T/states"
        for worker in 0 1 2 3; do # all were stopped by the kill
            tail -n 1 "$T/answers.$round.$worker" | grep -Eq '^(000|502) '
        done
        list "$(url i)/?list"
        listed >"$T/live"
        list "$(url i)/?unlinked"
        listed >"$T/unlinked"
        same '' "$(keys_in live | comm -23 - "$T/live")" 'keys that are lost'
        same '' "$(keys_in live '?' | comm -13 - "$T/live")" 'keys that should be gone'
        same '' "$(keys_in unlinked | comm -23 - "$T/unlinked")" 'unlinked keys that are lost'
        same '' "$(keys_in unlinked '?' | comm -13 - "$T/unlinked")" 'unlinked keys that should be gone'
        sort "$T/live" "$T/unlinked" >"$T/listed"
        [[ -s $T/live && -s $T/unlinked ]]

        within 30 settled || diff <(keys_of_blobs) "$T/listed"
        same "$(wc -l <"$T/live")x200" "$(sed 's/^/GET /' "$T/live" | requests "$(url i-direct)")"
        same "$(keys_in gone | wc -l)x404" "$(keys_in gone | sed 's/^/GET /' | requests "$(url i-direct)")"
        # What was not answered is one thing or the other from now on.
        decide >"$T/answers.$round.9"
    done
}
