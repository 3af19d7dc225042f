#!/usr/bin/env bats
# Jobs of several indexes on one database: a volume that one of them drains is drained for all, and what an index
# that is gone had begun goes on at another.

load ../support/lib
load ../support/postgres
load ../support/replicas
load ../support/several

INDEXES='i j'
COPIES=1
KEYS=60

# Keys of 20,000 bytes, by the index.
put_large() { # INDEX PREFIX COUNT
    local n
    value large 20000
    for ((n = 1; n <= $3; n++)); do
        printf 'next\nno-progress-meter\nnoproxy = *\nurl = "%s%s/%d"\nupload-file = "%s"\noutput = /dev/null\nwrite-out = "%%{http_code}\\n"\n' \
            "$(url "$1-direct")" "$2" "$n" "$T/large"
    done | sed 1d | curl -q --fail-early -K - | sort | uniq -c | awk '{ print $1 "x" $2 }' >"$T/requests"
    same "$3x201" "$(cat "$T/requests")"
}

# PUTs go on by the index, below its name, until the file is there, or the index is gone.
put_until() { # INDEX FILE
    local n=0
    while [[ ! -e $2 ]]; do
        n=$((n + 1))
        curl -q -s --noproxy '*' -o /dev/null -w '%{http_code}\n' -X PUT --data-binary value \
            "$(url "$1-direct")/put/$1/$n" || break
    done >"$T/statuses.$1"
}

# One that another index doesn't obey would never end.
drain() { # INDEX [OPTIONS...]
    local index=$1
    shift
    timeout $((90 * SLOW)) "$MKV" drain "$(at v3)" --index "$(lookup data "$index")" "$@"
}

status_is() { # INDEX JQ-FILTER
    "$MKV" status --json --index "$(lookup data "$1")" | jq -e --arg name "$(at v3)" "$2" >/dev/null
}

knows_drained() { # INDEX
    status_is "$1" '.volumes[] | select(.name == $name) | .drained'
}

moves() { # INDEX
    status_is "$1" '.jobs[] | select(.kind == "drain" and .state == "running") | .counts.moved > 0'
}

has_drained() { # INDEX
    status_is "$1" '.jobs[] | select(.kind == "drain") | .state == "done" and .clean'
}

# The drain at this index, and no other job.
is_noted() { # INDEX
    same "drain $(at v3) $(instance "$1")" "$(db "SELECT convert_from(value, 'UTF8') FROM notes WHERE name = 'jobs'" |
        cut -d' ' -f1-3)" 'noted jobs' 2>/dev/null
}

is_refused() { # INDEX
    refute drain "$1" --rate 10K --detach >"$T/refused" 2>&1 && grep -qF 'another index runs it' "$T/refused"
}

# Neither a key nor a file is there.
is_empty() {
    same '' "$(blobs v3)" 'blobs on it'
    "$MKV" dump --store "$(postgres_uri ~db mkv)" | jq -r 'select(.key) | .volumes[]' | cut -d' ' -f1 >"$T/named"
    refute grep -Fx "$(at v3)" "$T/named"
}

@test "a drain at one index is obeyed by all when it ends, and its undo, too" {
    database
    several
    put_large j /before $KEYS
    [[ -n $(blobs v3) ]]
    put_until i "$T/enough" 3>&- &
    put_until j "$T/enough" 3>&- &
    drain i >"$T/drained"
    is_empty
    grep -qF 'it can be unplugged' "$T/drained"
    knows_drained i
    knows_drained j
    put_large j /after $KEYS
    touch "$T/enough"
    wait
    same 201 "$(sort -u "$T"/statuses.*)" statuses
    is_empty
    # Also after a restart, which asks nobody.
    stop j
    one_index j
    knows_drained j
    put_large j /again $KEYS
    is_empty
    drain j --undo | grep -qF 'takes new values again'
    within "$LEASE" refute knows_drained i
    put_large i /undone $KEYS
    [[ -n $(blobs v3) ]]
    all_is_tidy
}

@test "a job runs at one index at a time" {
    database
    several
    put_large i /key $((2 * KEYS))
    drain i --rate 10K --detach
    within 5 is_noted i
    # Before it has heard of that, j begins the job, and then cancels it.
    within 40 is_refused j # the command tries for a while
    is_noted i
    "$MKV" cancel 1 --index "$(lookup data i)"
    within 10 drain j --rate 10K --detach
    within 10 moves j
    all_is_tidy
}

@test "a drain goes on at another index when the one that runs it stops, and when that is killed" {
    database
    several
    put_large i /key $((2 * KEYS))
    drain i --rate 40K --detach
    within 10 moves i
    stop i
    within $((2 * LEASE)) moves j
    one_index i
    [[ -n $(blobs v3) ]] || fail 'the drain was over before the index was killed'
    crash j
    within $((3 * LEASE)) moves i
    logged i 'goes on with what an index that is gone had begun'
    within $((6 * LEASE)) has_drained i
    is_empty
    one_index j
    all_is_tidy
}

scrub_note() { # FIELD
    db "SELECT convert_from(value, 'UTF8') FROM notes WHERE name = 'scrub'" | sed -n "s/^$1 //p"
}

any() { # COMMAND [ARGUMENTS...]: succeeds with one of the indexes
    local each
    for each in $INDEXES; do
        "$1" "$each" "${@:2}" && return
    done
    return 1
}

scrubs_beyond() { # INDEX KEYS
    status_is "$1" ".jobs[] | select(.kind == \"scrub\" and .state == \"running\" and (.held | not)) | .done > $2"
}

@test "a scrub goes on at another index, from where the one that stops was" {
    local leader=i other=j begun noted
    database
    several --verify-every 2m
    put_large i /key $KEYS
    within 30 any scrubs_beyond 4
    if scrubs_beyond j 4; then
        leader=j other=i
    fi
    begun=$(scrub_note begun)
    stop "$leader"
    noted=$(scrub_note 'done')
    ((noted > 4)) || fail "noted: $noted keys"
    within $((2 * LEASE)) scrubs_beyond "$other" "$noted"
    # That one has noted where it began.
    same "$noted" "$(scrub_note 'done')" 'keys read before'
    same "$begun" "$(scrub_note begun)" 'begin of the round'
}
