#!/usr/bin/env bats
# Keys with many orphans, old blobs at a volume that is away: any number of them a key, all are
# remembered and go in the end, and what is done with the key goes on as if there were none.

load ../support/lib
load ../support/replicas

VOLUMES='v1 v2 v3'
COPIES=2
OLD=100 # blobs

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

# Gives a key old blobs on the dead volume, and writes the lines of a dump that tell of them.
age() { # KEY COUNT
    local n file generation first=019ab7f0d2bb0000
    file=$T/data/dead$(path_of "$1" $first)
    mkdir -p "$(dirname "$file")"
    for ((n = 0; n < $2; n++)); do
        printf -v generation '%s%04x' ${first:0:12} "$n"
        echo old >"${file%"$first"}$generation"
        printf '{"orphan":"%s","generation":"%s","volumes":["%s"]}\n' "$1" "$generation" "$DEAD" >>"$T/orphans"
    done
    chown -R --reference="$T/data/dead" "$T/data/dead"
}

# Starts the index anew over these volumes, with those orphans, which are in the order of their keys.
restart_with_orphans() { # "VOLUME..." [INDEX-OPTIONS...]
    stop i
    "$MKV" dump --index "$T/data/i" | sed '/^{"orphan"/d' >"$T/dump"
    {
        head -n -1 "$T/dump"
        cat "$T/orphans"
        tail -n 1 "$T/dump" | jq -c --argjson n "$(wc -l <"$T/orphans")" '.orphans = $n'
    } >"$T/dump.new"
    "$MKV" restore --replace --index "$T/data/i" "$T/dump.new"
    index i "$1" --replicas "$COPIES" "${@:2}"
    VOLUMES=$1 all_up
}

# Has the dead volume come back, and waits until nothing is to be removed any more.
await_no_orphans() {
    same "$(wc -l <"$T/orphans")" "$(blobs dead | wc -l)" 'old blobs'
    volume dead
    within 30 has_orphans i 0
    all_lack dead
}

@test "a key with many old blobs is put, unlinked, replaced and deleted as any" {
    age /key $OLD
    restart_with_orphans "$VOLUMES"
    want 201 PUT "$(url i)/key" -T "$T/blob"
    on_copies /key "$T/blob"
    want 204 DELETE "$(url i)/key"
    want 404 GET "$(url i)/key"
    value other 40000
    want 201 PUT "$(url i)/key" -T "$T/other"
    got_file "$(url i)/key" "$T/other"
    want 204 UNLINK "$(url i)/key"
    want 201 PUT "$(url i)/key" -T "$T/blob"
    got_file "$(url i)/key" "$T/blob"
    # What can go goes, and the rest is remembered, over a restart too.
    within 20 has_orphans i $OLD
    on_copies /key "$T/blob"
    crash i
    index i "$VOLUMES" --replicas $COPIES
    all_up
    has_orphans i $OLD
    got_file "$(url i)/key" "$T/blob"
    await_no_orphans
    on_copies /key "$T/blob"
    got_file "$(url i)/key" "$T/blob"
}

@test "a key that is deleted while its volume is away, again and again, has its last value" {
    local n
    stop i
    index i dead
    for n in {1..3}; do
        volume dead
        within 10 sees i dead up
        put "$(url i)/key" "value $n"
        crash dead
        want 204 DELETE "$(url i)/key"
        refute has_orphans i 0
    done
    volume dead
    within 10 sees i dead up
    put "$(url i)/key" last
    within 20 has_orphans i 0
    same 1 "$(blobs dead | wc -l)" blobs
    got "$(url i)/key" last
}

@test "REBALANCE of a key with many old blobs" {
    stop i
    index i 'v1 v2' --replicas 2
    VOLUMES='v1 v2' all_up
    want 201 PUT "$(url i)/key" -T "$T/blob"
    age /key $OLD
    restart_with_orphans 'v1 v3'
    want 204 REBALANCE "$(url i)/key"
    got_file "$(url i)/key" "$T/blob"
    within 20 has_orphans i $OLD
    same 'v1 v3' "$(holders /key | paste -sd' ')" 'volumes with /key'
    on_copies /key "$T/blob"
    await_no_orphans
    on_copies /key "$T/blob"
    settled
}

@test "a REBALANCE that fails leaves nothing behind, though the key has many old blobs" {
    local n
    stop i
    index i 'v1 v2' --replicas 2
    VOLUMES='v1 v2' all_up
    for n in {1..6}; do
        want 201 PUT "$(url i)/$n" -T "$T/blob"
        age /$n 20
    done
    # It takes what it is sent, and then can't bring it to disk.
    sed 's|location = /_mkv/sync|location = /_mkv/none|' "$BATS_TEST_DIRNAME/../../templates/volume.conf.in" >"$T/unsynced.conf"
    stop v3
    volume v3 --template "$T/unsynced.conf"
    restart_with_orphans 'v1 v3' --grace 600 # of which nothing is for what failed
    for n in {1..6}; do
        want 502 REBALANCE "$(url i)/$n"
        grep -qx "$(at v3): answered 404" "$T/body"
        got_file "$(url i)/$n" "$T/blob"
    done
    within 20 has_orphans i 120
    for n in {1..6}; do
        on_copies /$n "$T/blob"
    done
    same '' "$(blobs v3)" 'what is on v3'
}
