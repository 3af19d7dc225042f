#!/usr/bin/env bats
# Keys with so many orphans, old blobs at volumes that are away, that the store can hardly remember
# more of them: 16 places a key. Nothing is forgotten, and what can't be done now is refused.

load ../support/lib
load ../support/replicas

VOLUMES='v1 v2 v3'
COPIES=2

before_each() {
    local each
    for each in $VOLUMES dead; do
        volume "$each"
    done
    index i "$VOLUMES dead" --replicas $COPIES
    VOLUMES="$VOLUMES dead" all_up
    DEAD=$(place dead)
    stop dead
    value blob 30000
}

# Prints how the store names a volume: its address and its identity.
place() { # VOLUME
    "$MKV" status --json --index "$T/data/i" |
        jq -r --arg name "$(at "$1")" '.volumes[] | select(.name == $name) | .name + " " + .identity'
}

# Adds a line to those of a dump that are to be: a key that has orphans at so many places of the dead
# volume, and at others.
orphan() { # KEY COUNT [PLACE...]
    local key=$1 n places=()
    for ((n = 0; n < $2; n++)); do
        places+=("$(printf '%s/sv%02X' "$DEAD" $n)")
    done
    shift 2
    jq -nc --arg key "$key" '{orphan: $key, size: 5, time: 1, volumes: $ARGS.positional}' --args "${places[@]}" "$@" \
        >>"$T/orphans"
}

# Starts the index anew over these volumes, with those orphans, which are in the order of their keys.
restart_with_orphans() { # "VOLUME..." COPIES
    stop i
    "$MKV" dump --index "$T/data/i" | sed '/^{"orphan"/d' >"$T/dump"
    {
        head -n -1 "$T/dump"
        cat "$T/orphans"
        tail -n 1 "$T/dump" | jq -c --argjson n "$(wc -l <"$T/orphans")" '.orphans = $n'
    } >"$T/dump.new"
    "$MKV" restore --replace --index "$T/data/i" "$T/dump.new"
    COPIES=$2
    index i "$1" --replicas "$COPIES"
    VOLUMES=$1 all_up
}

# Prints the places where a key has orphans.
orphans_of() { # KEY
    "$MKV" dump --index "$T/data/i" | jq -r --arg key "$1" 'select(.orphan == $key) | .volumes[]' | sort
}

count_orphans() { # KEY
    orphans_of "$1" | wc -l
}

# Refused for now, and says why.
is_refused() { # METHOD KEY [CURL-OPTIONS...]
    local method=$1 key=$2
    shift 2
    want 503 "$method" "$(url i)$key" "$@"
    same 1 "$(header Retry-After)" Retry-After
    same 'too many old blobs of the key are still there' "$(cat "$T/body")" answer
}

# The dead volume comes back, and tells that it has nothing.
no_orphans_left() {
    "$MKV" status --index "$T/data/i" | grep -qx 'orphans     0'
}

await_no_orphans() {
    volume dead
    within 20 no_orphans_left
}

@test "a PUT of a key with many orphans: 201 as long as there is room for its copies, else 503" {
    local n
    orphan /fits 14
    orphan /full-15 15
    orphan /full-16 16
    restart_with_orphans "$VOLUMES" 2
    for n in 1 2; do
        want 201 PUT "$(url i)/fits" -T "$T/blob"
        on_copies /fits "$T/blob"
        same 14 "$(count_orphans /fits)" orphans
        want 204 DELETE "$(url i)/fits"
        same '' "$(holders /fits)" 'volumes with /fits'
        same 14 "$(count_orphans /fits)" orphans
    done
    for n in 15 16; do
        is_refused PUT /full-$n -T "$T/blob"
        is_refused PUT /full-$n -T - <"$T/blob"
        want 404 GET "$(url i)/full-$n"
        same $n "$(count_orphans /full-$n)" orphans
    done
    for n in $VOLUMES; do
        same '' "$(blobs "$n")" "what is on $n"
    done
    await_no_orphans
    for n in 15 16; do
        want 201 PUT "$(url i)/full-$n" -T "$T/blob"
        on_copies /full-$n "$T/blob"
    done
}

@test "a PUT goes where the key's orphans are, if there is room for no other place" {
    local first second
    first=$(place v1) second=$(place v2)
    orphan /again 14 "$first" "$second"
    restart_with_orphans "$VOLUMES" 2
    # Within five seconds, then they would be removed.
    want 201 PUT "$(url i)/again" -T "$T/blob"
    on_copies /again "$T/blob"
    await_no_orphans
    on_copies /again "$T/blob"
    got_file "$(url i)/again" "$T/blob"
}

@test "a volume that is down takes no room from a PUT of a key with many orphans" {
    local n
    for n in v4 v5; do
        volume $n
    done
    stop v1
    stop v2
    for n in {1..8}; do
        orphan /key-$n 14
    done
    restart_with_orphans 'v3 v4 v5' 2
    stop i
    index i 'v1 v2 v3 v4 v5' --replicas 2
    VOLUMES='v3 v4 v5' all_up
    for n in {1..8}; do # some have both the others before these
        want 201 PUT "$(url i)/key-$n" -T "$T/blob"
        VOLUMES='v3 v4 v5' on_copies /key-$n "$T/blob"
    done
}

@test "a DELETE of a key with many orphans: 503 while they and its copies are too many, and nothing is lost" {
    local key
    for key in /fits /full /unlinked; do
        want 201 PUT "$(url i)$key" -T "$T/blob"
    done
    orphan /fits 14
    orphan /full 15
    orphan /unlinked 15
    restart_with_orphans "$VOLUMES" 2
    want 204 DELETE "$(url i)/fits"
    same '' "$(holders /fits)" 'volumes with /fits'
    same 14 "$(count_orphans /fits)" orphans
    is_refused DELETE /full
    on_copies /full "$T/blob"
    got_file "$(url i)/full" "$T/blob"
    want 204 UNLINK "$(url i)/unlinked"
    is_refused DELETE /unlinked
    is_refused PUT /unlinked -T "$T/blob"
    on_copies /unlinked "$T/blob"
    same 15 "$(count_orphans /full)" orphans
    same 15 "$(count_orphans /unlinked)" orphans
    await_no_orphans
    want 204 DELETE "$(url i)/full"
    want 201 PUT "$(url i)/unlinked" -T "$T/blob"
    on_copies /unlinked "$T/blob"
    want 204 DELETE "$(url i)/unlinked"
    settled
}

@test "a PUT with fewer copies over an unlinked value, and many orphans" {
    local key
    stop i
    index i "$VOLUMES" --replicas 3
    all_up
    for key in /fits /full; do
        want 201 PUT "$(url i)$key" --data-binary old
        want 204 UNLINK "$(url i)$key"
    done
    orphan /fits 13
    orphan /full 14
    restart_with_orphans "$VOLUMES" 1
    want 201 PUT "$(url i)/fits" -T "$T/blob"
    got_file "$(url i)/fits" "$T/blob"
    same 15 "$(count_orphans /fits)" orphans
    is_refused PUT /full -T "$T/blob"
    for key in $VOLUMES; do
        holds "$key" /full old
    done
    await_no_orphans
    on_copies /fits "$T/blob"
    want 201 PUT "$(url i)/full" -T "$T/blob"
    within 20 no_orphans_left
    on_copies /full "$T/blob"
    got_file "$(url i)/full" "$T/blob"
}

@test "REBALANCE of a key with many orphans: all that it copies and leaves is known, or it is 503" {
    local key before
    stop i
    index i 'v1 v2' --replicas 2
    VOLUMES='v1 v2' all_up
    for key in /14 /15 /16; do
        want 201 PUT "$(url i)$key" -T "$T/blob"
    done
    # One of the two moves.
    orphan /14 14
    orphan /15 15
    orphan /16 16
    restart_with_orphans 'v1 v3' 2
    for key in /14 /15; do
        want 204 REBALANCE "$(url i)$key"
        same "v1 v3" "$(holders $key | paste -sd' ')" "volumes with $key"
        on_copies $key "$T/blob"
        same ${key#/} "$(count_orphans $key)" orphans
    done
    is_refused REBALANCE /16
    same "v1 v2" "$(holders /16 | paste -sd' ')" 'volumes with /16'
    same 16 "$(count_orphans /16)" orphans
    got_file "$(url i)/16" "$T/blob"
    await_no_orphans
    want 204 REBALANCE "$(url i)/16"
    on_copies /16 "$T/blob"
    settled
}

@test "a REBALANCE that fails leaves nothing behind, though the key has many orphans" {
    local n
    stop i
    index i 'v1 v2' --replicas 2
    VOLUMES='v1 v2' all_up
    for n in {1..6}; do
        want 201 PUT "$(url i)/$n" -T "$T/blob"
        orphan /$n 15
    done
    # It takes what it is sent, and then can't bring it to disk.
    sed 's|location = /_mkv/sync|location = /_mkv/none|' "$BATS_TEST_DIRNAME/../../templates/volume.conf.in" >"$T/unsynced.conf"
    stop v3
    volume v3 --template "$T/unsynced.conf"
    restart_with_orphans 'v1 v3' 2
    for n in {1..6}; do
        want 502 REBALANCE "$(url i)/$n"
        grep -qx "$(at v3): answered 404" "$T/body"
        same 15 "$(count_orphans /$n)" "orphans of /$n"
        on_copies /$n "$T/blob"
    done
    same '' "$(blobs v3)" 'what is on v3'
}
