#!/usr/bin/env bats
# The volumes of an index change while it runs, keys are moved to where they should be, and mkv status
# says how the volumes are.

load ../support/lib
load ../support/replicas

after_each() {
    thaw_all
}

# Starts all volumes and an index that knows those named, from its file.
start() { # "VOLUME..." [INDEX-OPTIONS...]
    local each
    for each in $VOLUMES; do
        volume "$each"
    done
    list_volumes "$1"
    shift
    index i '' --volumes-file "$T/volumes" --replicas $COPIES "$@"
    value blob 300000
}

# Writes the volumes' file.
list_volumes() { # "VOLUME..."
    local each
    echo '# the volumes' >"$T/volumes.new"
    for each in $1; do
        echo "$(at "$each") # $each" >>"$T/volumes.new"
    done
    mv "$T/volumes.new" "$T/volumes"
}

# HUP, and waits until the index has so many volumes.
reload() { # VOLUMES-IN-USE
    signal i HUP
    within 5 uses "$1"
}

uses() { # COUNT: of volumes that take new values
    same "$1" "$("$MKV" status --json --index "$T/data/i" | jq '[.volumes[] | select(.used and .state == "up")] | length')" \
        'volumes in use'
}

# Puts keys until some are due at the volume when it is one of all: sets KEYS to those.
keys_due_at() { # VOLUME "VOLUMES BEFORE"
    local n each
    KEYS=()
    for n in {1..30}; do
        want 201 PUT "$(url i)/key/$n" -T "$T/blob"
    done
    list_volumes "$VOLUMES"
    reload 5
    for n in {1..30}; do
        want 302 GET "$(url i)/key/$n"
        if [[ $(header Key-Balance) == unbalanced ]]; then
            KEYS+=("/key/$n")
        fi
    done
    ((${#KEYS[@]} > 3 && ${#KEYS[@]} < 30)) || fail "${#KEYS[@]} of 30 keys are unbalanced"
}

@test "a volume is added by --volumes-file and HUP, and REBALANCE moves to it what is due there" {
    local key moved=0
    start 'v1 v2 v3 v4'
    keys_due_at v5
    logged i 'the index has 5 volumes'
    same '' "$(blobs v5)" 'what is on v5'
    for key in "${KEYS[@]}"; do
        before=$(holders "$key" | paste -sd' ')
        want 204 REBALANCE "$(url i)$key"
        grep -qx v5 <(holders "$key") || fail "$key is on $before, then on $(holders "$key" | paste -sd' ')"
        want 302 GET "$(url i)$key"
        same balanced "$(header Key-Balance)"
        got_file "$(url i-direct)$key" "$T/blob"
        want 204 REBALANCE "$(url i-direct)$key" # nothing to do
    done
    same "${#KEYS[@]}" "$(blobs v5 | wc -l)" 'blobs on v5'
    settled
    for key in "${KEYS[@]}"; do
        on_copies "$key" "$T/blob"
    done
    # The time is that of the PUT everywhere.
    same 1 "$(for each in $(holders "${KEYS[0]}"); do stat -c %Y "$(file_of "$each" "${KEYS[0]}")"; done | sort -u | wc -l)"
    # It holds over a restart.
    stop i
    index i '' --volumes-file "$T/volumes" --replicas $COPIES
    all_up
    for key in "${KEYS[@]}"; do
        want 302 GET "$(url i)$key"
        same balanced "$(header Key-Balance)"
        got_file "$(url i)$key" "$T/blob"
    done
}

@test "a volume that is taken out is read still, takes nothing new, and gives up what it has" {
    local n
    start "$VOLUMES"
    for n in {1..20}; do
        want 201 PUT "$(url i)/key/$n" -T "$T/blob"
    done
    [[ -n $(blobs v3) ]]
    list_volumes 'v1 v2 v4 v5'
    reload 4
    "$MKV" status --index "$T/data/i" | grep -E "^volume +$(at v3) up, .* \(takes no new values\)$"
    old=$(blobs v3 | wc -l)
    for n in {21..40}; do
        want 201 PUT "$(url i)/key/$n" -T "$T/blob"
    done
    same "$old" "$(blobs v3 | wc -l)" 'blobs on v3'
    for n in {1..40}; do
        got_file "$(url i)/key/$n" "$T/blob"
        want 204 REBALANCE "$(url i)/key/$n"
    done
    settled
    same '' "$(blobs v3)" 'what is on v3'
    stop v3
    for n in {1..40}; do
        got_file "$(url i)/key/$n" "$T/blob"
    done
}

@test "more or fewer copies: REBALANCE makes them" {
    start "$VOLUMES"
    want 201 PUT "$(url i)/key" -T "$T/blob"
    for COPIES in 5 1 2 3; do
        stop i
        index i '' --volumes-file "$T/volumes" --replicas $COPIES
        all_up
        want 302 GET "$(url i)/key"
        same unbalanced "$(header Key-Balance)"
        want 204 REBALANCE "$(url i)/key"
        got_file "$(url i)/key" "$T/blob"
        want 302 GET "$(url i)/key"
        same balanced "$(header Key-Balance)"
        within 15 has_orphans i 0
        on_copies /key "$T/blob"
    done
}

damaged_sources() { # BYTES
    local key first
    start 'v1 v2 v3 v4'
    value blob "$1"
    keys_due_at v5
    # The first of the key's volumes lacks it.
    key=${KEYS[0]}
    want 302 GET "$(url i)$key"
    for first in $VOLUMES; do
        [[ $(at "$first") == "$(header Key-Volumes | cut -d, -f1)" ]] && break
    done
    rm "$(file_of "$first" "$key")"
    want 204 REBALANCE "$(url i)$key"
    cmp "$T/blob" "$(file_of v5 "$key")"
    # Its bytes are others: the MD5 tells, and nothing of them is kept.
    key=${KEYS[1]}
    want 302 GET "$(url i)$key"
    for first in $VOLUMES; do
        [[ $(at "$first") == "$(header Key-Volumes | cut -d, -f1)" ]] && break
    done
    printf x | dd of="$(file_of "$first" "$key")" conv=notrunc status=none
    want 204 REBALANCE "$(url i)$key"
    cmp "$T/blob" "$(file_of v5 "$key")"
    # No good one is left.
    key=${KEYS[2]}
    before=$(holders "$key" | paste -sd' ')
    for first in $before; do
        truncate -s $(($1 - 1)) "$(file_of "$first" "$key")"
    done
    want 502 REBALANCE "$(url i)$key"
    same "$before" "$(holders "$key" | paste -sd' ')" "volumes of $key"
    want 302 GET "$(url i)$key"
    same unbalanced "$(header Key-Balance)"
}

@test "a source that lacks the file is stepped over, a damaged one too" {
    damaged_sources 300000
}

@test "of a large value, too, which is read by the volume that it is copied to" {
    damaged_sources 1500000
}

@test "REBALANCE with a volume that is down or dies: 502, and nothing has changed" {
    local how key before n
    start 'v1 v2 v3 v4'
    keys_due_at v5
    for how in killed stopped; do
        n=$([[ $how == killed ]] && echo 0 || echo 1)
        key=${KEYS[n]}
        before=$(holders "$key" | paste -sd' ')
        break_volume $how v5
        want 502 REBALANCE "$(url i)$key" # before it is known to be down
        [[ -s $T/body ]]
        within 5 sees i v5 down
        want 502 REBALANCE "$(url i-direct)$key"
        grep -q "$(at v5): it is down or full" "$T/body"
        same "$before" "$(holders "$key" | paste -sd' ')" "volumes of $key"
        want 302 GET "$(url i)$key"
        same unbalanced "$(header Key-Balance)"
        got_file "$(url i)$key" "$T/blob"
        mend_volume $how v5
        within 5 sees i v5 up
        within 15 has_orphans i 0
        only_copies
        want 204 REBALANCE "$(url i)$key"
        within 15 on_copies "$key" "$T/blob" 2>/dev/null
    done
    # A source that is down is no matter.
    key=${KEYS[2]}
    crash "$(holders "$key" | head -n 1)"
    want 204 REBALANCE "$(url i)$key"
    cmp "$T/blob" "$(file_of v5 "$key")"
    restart_ended
    settled
    on_copies "$key" "$T/blob"
}

@test "REBALANCE of no key, of an unlinked one, of one that is being put" {
    start "$VOLUMES"
    want 404 REBALANCE "$(url i)/none"
    put "$(url i)/key" value
    want 204 UNLINK "$(url i)/key"
    want 404 REBALANCE "$(url i)/key"
    put_begin i-direct /key "$T/blob" 150000
    within 5 received_by $COPIES
    want 404 REBALANCE "$(url i)/key"
    put_end "$T/blob" 150000
    same 201 "$STATUS"
    want 204 REBALANCE "$(url i)/key"
    want 204 REBALANCE "$(url i)/key" --data-binary 'a body that nobody wants'
    got_file "$(url i)/key" "$T/blob"
    want '400|404' REBALANCE "$(url i)/"
    want 404 REBALANCE "$(url i)/_mkv/key"
    settled
}

@test "keys of an index that knew no identities yet lose nothing to what is done with them" {
    local n
    start "$VOLUMES"
    for n in {1..12}; do
        want 201 PUT "$(url i)/key/$n" -T "$T/blob"
    done
    # As it would have been then, and as a dump made then is.
    stop i
    "$MKV" dump --index "$T/data/i" | sed -E 's/(:[0-9]+) [0-9a-f]{32}/\1/g' >"$T/bare"
    "$MKV" restore --replace --index "$T/data/i" "$T/bare"
    refute grep -q ' ' <(grep -o '"volumes":.*' "$T/bare")
    index i '' --volumes-file "$T/volumes" --replicas $COPIES
    all_up
    value other 200000
    for n in {1..12}; do
        got_file "$(url i)/key/$n" "$T/blob"
        want 302 GET "$(url i)/key/$n"
        same balanced "$(header Key-Balance)"
    done
    for n in {1..3}; do
        want 204 REBALANCE "$(url i)/key/$n"
        on_copies "/key/$n" "$T/blob"
    done
    for n in {4..6}; do # a PUT over an unlinked value
        want 204 UNLINK "$(url i)/key/$n"
        want 201 PUT "$(url i)/key/$n" -T "$T/other"
    done
    crash v1
    within 5 sees i v1 down
    for n in {7..9}; do # a PUT while the old blob still waits to be removed
        want 204 DELETE "$(url i)/key/$n"
    done
    volume v1
    within 5 sees i v1 up
    for n in {7..9}; do
        want 201 PUT "$(url i)/key/$n" -T "$T/other"
    done
    settled
    within 20 has_orphans i 0
    for n in {1..12}; do
        on_copies "/key/$n" "$T/$( ((n >= 4 && n <= 9)) && echo other || echo blob)"
        got_file "$(url i)/key/$n" "$T/$( ((n >= 4 && n <= 9)) && echo other || echo blob)"
    done
}

@test "no request is lost while the volumes' file is read anew, over and over" {
    local way n
    start "$VOLUMES" --reads proxy
    put "$(url i)/key" value
    for way in i i-direct; do
        {
            n=0
            while [[ ! -e $T/stop ]]; do
                n=$((n + 1))
                curl -q -s --noproxy '*' -m 20 -o /dev/null -w "%{http_code} PUT $n\n" -T "$T/blob" "$(url $way)/$way/$n"
                curl -q -s --noproxy '*' -m 20 -L -o /dev/null -w "%{http_code} GET $n\n" "$(url $way)/$way/$n"
                curl -q -s --noproxy '*' -m 20 -L -o /dev/null -w "%{http_code} GET key\n" "$(url $way)/key"
            done >"$T/load-$way"
        } 3>&- &
    done
    for n in {1..4}; do
        list_volumes 'v1 v2 v3 v4'
        reload 4
        list_volumes "$VOLUMES"
        reload 5
    done
    more=$(($(cat "$T"/load-* | wc -l) + 40))
    enough() { (($(cat "$T"/load-* | wc -l) >= more)); }
    within 20 enough
    touch "$T/stop"
    wait
    same '' "$(grep -vE '^201 PUT|^200 GET' "$T/load-i" "$T/load-i-direct")" 'what failed'
    settled
}

@test "a volumes' file that says nonsense, or too little, changes nothing" {
    start "$VOLUMES"
    put "$(url i)/key" value
    echo nonsense >>"$T/volumes"
    signal i HUP
    within 5 logged i "the volumes stay as they are: $T/volumes, line 7: the volume 'nonsense' is no HOST:PORT"
    list_volumes 'v1 v2'
    signal i HUP
    within 5 logged i 'the volumes stay as they are: --replicas 3 needs at least 3 volumes; 2 are given'
    rm "$T/volumes"
    signal i HUP
    within 5 logged i "the volumes stay as they are: cannot read the --volumes-file $T/volumes: No such file"
    refute logged i 'nginx takes its new config'
    uses 5
    put "$(url i)/other" value
    same $COPIES "$(holders /other | wc -l)" copies
    list_volumes 'v1 v2 v3'
    reload 3
    got "$(url i)/key" value
}

@test "mkv status says of each volume whether it is up, and why not" {
    local now
    start "$VOLUMES"
    uses 5
    "$MKV" status --index "$T/data/i" >"$T/status"
    same 5 "$(grep -Ec '^volume +127.0.0.1:[0-9]+ up, [0-9.]+ [KMGT]iB of [0-9.]+ [KMGT]iB free$' "$T/status")" 'volumes up'
    crash v1
    freeze v2
    within 5 sees i v1 down
    within 5 sees i v2 down
    "$MKV" status --index "$T/data/i" >"$T/status"
    grep -Eq "^volume +$(at v1) down since [0-9:]{8}, it can't be reached$" "$T/status"
    grep -Eq "^volume +$(at v2) down since [0-9:]{8}, it doesn't answer$" "$T/status"
    same 1 "$(grep -c "volume $(at v1) is down: it can't be reached" "$(log_of i)")" 'lines in the log'
    same 1 "$(grep -c "volume $(at v2) is down: it doesn't answer" "$(log_of i)")" 'lines in the log'
    now=$(now_ms)
    "$MKV" status --json --index "$T/data/i" >"$T/status"
    jq -e --argjson now "$now" --arg name "$(at v1)" '.volumes[] | select(.name == $name) |
        .state == "down" and .reason == "it can'\''t be reached" and (.identity | test("^[0-9a-f]{32}$")) and
        .used and .since_ms > $now - 60000 and .since_ms <= $now' "$T/status"
    jq -e '[.volumes[] | select(.state == "up" and .reason == "" and .free_bytes > 0 and .total_bytes >= .free_bytes)] | length == 3' "$T/status"
    thaw v2
    volume v1
    all_up
    logged i "volume $(at v1) is up again"
    logged i "volume $(at v2) is up again"
    same 2 "$(grep -c 'is up again' "$(log_of i)")" 'lines in the log'
}
