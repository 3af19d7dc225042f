#!/usr/bin/env bats
# What the cluster mends by itself: the copies of volumes that stay away, and those that rot.

load ../support/lib
load ../support/replicas

VOLUMES='v1 v2 v3 v4'
COPIES=2

healing_cluster() { # [INDEX-OPTIONS...]
    cluster i "$VOLUMES" --replicas $COPIES --backup-every 0 "$@"
    all_up
}

# PUTs so many keys /1, /2 ...: each one's value is its path.
fill() { # COUNT
    same "$1x201" "$(for n in $(seq "$1"); do echo "PUT /$n"; done | requests "$(url i)")"
}

all_readable() { # COUNT
    same "$1x200" "$(for n in $(seq "$1"); do echo "GET /$n"; done | requests "$(url i)")"
}

verifies() { # [OPTIONS]
    "$MKV" verify --index "$T/data/i" "$@" >"$T/verified" 2>&1 || {
        cat "$T/verified"
        return 1
    }
}

last_job() { # KIND JQ-PATH
    "$MKV" status --json --index "$T/data/i" | jq -r --arg kind "$1" "[.jobs[] | select(.kind == \$kind)][-1]$2"
}

job_is() { # KIND STATE
    same "$2" "$(last_job "$1" .state)" "state of the $1" 2>/dev/null
}

scrubbed_again() {
    (($(last_job scrub .job) > 1))
}

holds_more_than() { # VOLUME COUNT
    (($(blobs "$1" | wc -l) > $2))
}

empty() { # VOLUME
    [[ -z $(blobs "$1") ]]
}

up_for() { # MS: the index
    (($("$MKV" status --json --index "$T/data/i" | jq .uptime_ms) > $1))
}

is_healed() { # by a heal that has ended
    job_is heal 'done'
}

@test "a disk that dies under load and stays away is healed in its time, and no client sees it" {
    local load
    healing_cluster --repair-after 2s --reads proxy --check-reads
    fill 200
    "$THRASHER" --url "$(url i)" --count 4000 --clients 4 --keep --timeout 10 >"$T/load" 2>&1 &
    load=$!
    within 10 holds_more_than v2 150
    crash v2
    within 20 is_healed
    wait "$load" || fail "clients failed: $(cat "$T/load")"
    all_readable 200
    # Whatever was written before it was known to be down has been healed, too.
    within 30 verifies --deep
    refute grep -q ' v2 ' <("$MKV" dump --index "$T/data/i" | sed "s/$(at v2)/ v2 /" | grep '"key"')
    # It comes back: what it has is too many, and goes.
    volume v2
    within 10 sees i v2 up
    within 30 empty v2
    verifies --deep
    all_readable 200
}

@test "while more than half of the volumes are away nothing is healed" {
    healing_cluster --repair-after 1s
    fill 60
    crash v1
    crash v2
    crash v3
    within 10 logged i 'more than half of the volumes are away: nothing is healed meanwhile'
    same true "$("$MKV" status --json --index "$T/data/i" | jq .healing.held)"
    "$MKV" status --index "$T/data/i" | grep -q '^healing .*held'
    volume v1
    volume v2
    within 10 logged i 'healing goes on'
    within 20 is_healed
    within 20 verifies
}

@test "of copies for which there is room for some only, the others are told, and are not given up" {
    COPIES=3
    healing_cluster --repair-after 0 --verify-every 0
    fill 20
    stop i
    crash v1
    crash v2
    index i "$VOLUMES" --replicas $COPIES --backup-every 0 --verify-every 0 --repair-after 1s
    within 20 is_healed
    # Each key is on two volumes now, and lacks one copy: those that had two made up for one.
    same '20 false' "$(last_job heal '| "\(.counts.failed) \(.clean)"')"
    (($(last_job heal .counts.moved) > 0))
    same 20 "$(blobs v3 | wc -l)"
    same 20 "$(blobs v4 | wc -l)"
    volume v1
    volume v2
    within 10 sees i v1 up
    within 10 sees i v2 up
    within 30 verifies --deep
    all_readable 20
}

@test "a volume that is back in time keeps what it has" {
    healing_cluster --repair-after 30s
    fill 40
    crash v1
    within 10 sees i v1 down
    volume v1
    within 10 sees i v1 up
    same null "$(last_job heal .job)" 'a heal'
    verifies --deep
}

@test "never, with 0" {
    healing_cluster --repair-after 0
    fill 10
    crash v1
    within 10 sees i v1 down
    # Another look than the one that could have begun a heal.
    within 12 up_for 10000
    same null "$(last_job heal .job)" 'a heal'
}

# Flips a bit, and leaves size and time as they were.
rot() { # FILE
    local stamp=$T/stamp
    touch -r "$1" "$stamp"
    printf '\001' | dd of="$1" bs=1 seek=1 conv=notrunc status=none
    touch -r "$stamp" "$1"
}

@test "every copy is read once in a while, and made anew where it has rotted" {
    local bad
    healing_cluster --verify-every 3s
    fill 30
    bad=$(file_of "$(holders /7 | head -n 1)" /7)
    rot "$bad"
    refute grep -q '^/7$' "$bad"
    within 30 grep -q '^/7$' "$bad"
    within 30 scrubbed_again
    "$MKV" status --index "$T/data/i" | grep -q '^scrub .*3 s'
}

has_begun() {
    note i scrub | grep -q '^begun [1-9]'
}

@test "how far the reading is survives a restart, and a scrub that is cancelled stays so" {
    healing_cluster --verify-every 1d
    fill 300
    within 20 job_is scrub running
    "$MKV" cancel --index "$T/data/i" "$(last_job scrub .job)"
    within 10 job_is scrub canceled
    note i scrub >"$T/before"
    grep -q '^begun [1-9]' "$T/before"
    grep -q '^next /' "$T/before"
    stop i
    index i "$VOLUMES" --replicas $COPIES --backup-every 0 --verify-every 1d
    all_up
    within 20 job_is scrub running
    same "$(head -n 1 "$T/before")" "$(note i scrub | head -n 1)"
    # One that isn't right begins a round anew.
    stop i
    put_note i scrub nonsense
    index i "$VOLUMES" --replicas $COPIES --backup-every 0 --verify-every 1d
    within 20 has_begun
}

@test "REBALANCE notices a copy that is missing, and one that was cut short" {
    local missing short
    healing_cluster --repair-after 0 --verify-every 0
    fill 5
    missing=$(file_of "$(holders /1 | head -n 1)" /1)
    short=$(file_of "$(holders /2 | tail -n 1)" /2)
    rm "$missing"
    : >"$short"
    want 204 REBALANCE "$(url i)/1"
    want 204 REBALANCE "$(url i)/2"
    want 204 REBALANCE "$(url i)/3"
    same /1 "$(cat "$missing")"
    same /2 "$(cat "$short")"
    verifies --deep
}

@test "a copy on a dead volume isn't forgotten while it is the only one" {
    cluster i 'v1 v2' --replicas 1 --backup-every 0 --repair-after 1s
    fill 20
    crash v1
    within 20 is_healed
    (($(last_job heal .counts.unreachable) > 0))
    volume v1
    within 10 sees i v1 up
    all_readable 20
    verifies --deep
}
