#!/usr/bin/env bats
# A volume is its disk, whatever its names and wherever it stands: one disk under two names, disks that
# move or change places, and names that the index can't keep.

load ../support/lib
load ../support/replicas

COPIES=2

after_each() {
    thaw_all
}

# Starts an index over these names, or starts it again.
index_over() { # "HOST:PORT..." [INDEX-OPTIONS...]
    local names=$1
    shift
    # shellcheck disable=SC2086 # a list
    mkv_start i index $names --port "$(at i)" --direct "$(at i-direct)" --index "$T/data/i" --grace 1 "$@"
    await_ready i
}

# Prints "STATE REASON" of a name as the index sees it.
how_is() { # HOST:PORT
    "$MKV" status --json --index "$T/data/i" |
        jq -r --arg name "$1" '.volumes[] | select(.name == $name) | "\(.state) \(.reason)"'
}

is() { # HOST:PORT REGEX
    [[ $(how_is "$1") =~ ^($2)$ ]]
}

# One of the two is up, and the other one down since it is the same.
are_one() { # HOST:PORT HOST:PORT
    is "$1" 'up ' && is "$2" "down it is volume $1 by another name" ||
        { is "$2" 'up ' && is "$1" "down it is volume $2 by another name"; }
}

# PUTs so many keys below a prefix, each with a value of its own.
put_some() { # PREFIX COUNT
    local n
    for ((n = 1; n <= $2; n++)); do
        put "$(url i)$1/$n" "$1 $n"
    done
}

# They are what they were, and each on as many disks as it should be.
some_are_right() { # PREFIX COUNT
    local n
    for ((n = 1; n <= $2; n++)); do
        got "$(url i)$1/$n" "$1 $n" || return 1
        printf '%s' "$1 $n" >"$T/wanted"
        on_copies "$1/$n" "$T/wanted" || return 1
    done
}

rebalance_some() { # PREFIX COUNT
    local n
    for ((n = 1; n <= $2; n++)); do
        want 204 REBALANCE "$(url i)$1/$n"
        want 302 GET "$(url i)$1/$n"
        same balanced "$(header Key-Balance)"
    done
}

# The index lists the volumes named in $VOLUMES.
relist() {
    local each
    for each in $VOLUMES; do
        at "$each"
    done >"$T/volumes.new"
    mv "$T/volumes.new" "$T/volumes"
}

start_with_file() {
    local each
    for each in $VOLUMES; do
        volume "$each"
    done
    relist
    index i '' --volumes-file "$T/volumes" --replicas $COPIES
    all_up
}

# --- Two names -----------------------------------------------------------------------------------

@test "a disk that is listed under two names counts once: copies lie on different disks, or it is 503" {
    local twin
    VOLUMES='v1 v2'
    volume v1
    volume v2
    twin=localhost:$(port v1)
    index_over "$(at v1) $twin $(at v2)" --replicas 2
    within 5 are_one "$(at v1)" "$twin"
    within 5 is "$(at v2)" 'up '
    "$MKV" status --index "$T/data/i" | grep -Eq "^volume +[^ ]+ down since [0-9:]{8}, it is volume [^ ]+:$(port v1) by another name"
    put_some /two 20
    some_are_right /two 20
    only_copies
    same 1 "$(grep -c 'by another name' "$(log_of i)")" 'lines about it'
    # Three copies need three disks, not three names.
    stop i
    index_over "$(at v1) $twin $(at v2)" --replicas 3
    within 5 are_one "$(at v1)" "$twin"
    within 5 is "$(at v2)" 'up '
    want 503 PUT "$(url i)/three" --data-binary value
    same 'the value needs 3 volumes, and only 2 can store it now' "$(cat "$T/body")"
    want 404 GET "$(url i)/three"
    some_are_right /two 20
    only_copies
}

@test "when one name of a disk fails the other takes over, and no copy is made or removed by that" {
    local n before after
    VOLUMES='v1 v2 v3'
    for n in $VOLUMES; do
        volume "$n"
    done
    link a v1
    link b v1
    index i 'a b v2 v3' --replicas $COPIES
    within 5 are_one "$(at a)" "$(at b)"
    within 5 sees i v2 up
    within 5 sees i v3 up
    put_some /before 8
    before=a after=b
    if sees i b up; then
        before=b after=a
    fi
    crash $before
    within 10 sees i $after up
    some_are_right /before 8
    for n in {1..8}; do # what lies on that disk is read by its other name
        if [[ $(holders /before/$n) == v1* ]]; then
            curl -q -s --noproxy '*' -o /dev/null -w '%{redirect_url}\n' "$(url i)/before/$n?[1-4]" |
                grep -q "^$(url $after)/" || fail "/before/$n isn't read at $after"
        fi
    done
    put_some /after 8
    # Back, it is the one that is down now.
    link $before v1
    within 5 is "$(at $before)" "down it is volume $(at $after) by another name"
    sees i $after up
    some_are_right /before 8
    some_are_right /after 8
    # The name that is up isn't always where a key is due: REBALANCE may refuse, and harms nothing.
    for n in {1..8}; do
        want '204|502' REBALANCE "$(url i)/before/$n"
        want '204|502' REBALANCE "$(url i)/after/$n"
    done
    settled
    some_are_right /before 8
    some_are_right /after 8
    within 15 has_orphans i 0
    # With one name left, all can be where it is due.
    stop i
    index i "$after v2 v3" --replicas $COPIES
    within 5 sees i $after up
    within 5 sees i v2 up
    within 5 sees i v3 up
    rebalance_some /before 8
    rebalance_some /after 8
    settled
    some_are_right /before 8
    some_are_right /after 8
    settled
    for n in {1..8}; do
        want 204 DELETE "$(url i)/before/$n"
    done
    settled
}

# --- Other addresses -----------------------------------------------------------------------------

@test "a disk that moves to another address: its keys are read, deleted and moved there" {
    local n at_v1=()
    COPIES=1
    VOLUMES='v1 v2 v3'
    start_with_file
    put_some /key 40
    for n in {1..40}; do
        if [[ $(holders /key/$n) == v1 ]]; then
            at_v1+=("$n")
        fi
    done
    ((${#at_v1[@]} >= 3)) || fail "only ${#at_v1[@]} of 40 keys on v1"
    # One of its blobs is to be removed when the disk is back, wherever that is.
    stop v1
    within 5 sees i v1 down
    want 204 DELETE "$(url i)/key/${at_v1[0]}"
    want 503 GET "$(url i)/key/${at_v1[1]}"
    mv "$T/data/v1" "$T/data/moved"
    volume moved
    volume v1 # and at its old address there is another disk
    VOLUMES='moved v1 v2 v3'
    relist
    signal i HUP
    within 5 sees i moved up
    within 5 sees i v1 up
    within 20 lacks moved "/key/${at_v1[0]}"
    put "$(url i)/key/${at_v1[0]}" "/key ${at_v1[0]}"
    some_are_right /key 40
    for n in "${at_v1[@]:1}"; do
        same moved "$(holders "/key/$n")" "where /key/$n is"
        want 302 GET "$(url i)/key/$n"
        same "$(at moved)" "$(header Key-Volumes)"
    done
    # The same after a restart.
    stop i
    index i '' --volumes-file "$T/volumes" --replicas $COPIES
    all_up
    some_are_right /key 40
    want 204 DELETE "$(url i)/key/${at_v1[1]}"
    within 15 lacks moved "/key/${at_v1[1]}"
    put "$(url i)/key/${at_v1[1]}" "/key ${at_v1[1]}"
    rebalance_some /key 40
    settled
    some_are_right /key 40
    for n in {1..40}; do
        want 204 DELETE "$(url i)/key/$n"
    done
    settled
}

@test "two disks that change places keep their keys, and REBALANCE moves what is due elsewhere now" {
    local n unbalanced=0
    VOLUMES='v1 v2 v3'
    start_with_file
    put_some /key 30
    stop v1
    stop v2
    mv "$T/data/v1" "$T/data/first"
    mv "$T/data/v2" "$T/data/v1"
    mv "$T/data/first" "$T/data/v2"
    volume v1
    volume v2
    within 5 logged i "volume $(at v1) has another disk"
    within 5 logged i "volume $(at v2) has another disk"
    all_up
    some_are_right /key 30
    for n in {1..30}; do
        want 302 GET "$(url i)/key/$n"
        [[ $(header Key-Balance) == balanced ]] || unbalanced=$((unbalanced + 1))
    done
    ((unbalanced > 3 && unbalanced < 30)) || fail "$unbalanced of 30 keys are unbalanced"
    for n in {1..5}; do
        want 204 DELETE "$(url i)/key/$n"
        put "$(url i)/key/$n" "/key $n"
    done
    rebalance_some /key 30
    settled
    some_are_right /key 30
}

# --- Names that are too long ---------------------------------------------------------------------

# Prints a name of so many bytes for a volume's address: 127.0.0.1, in octal, with zeros before it.
long_name() { # VOLUME BYTES
    local rest
    rest=177.0.0.1:$(port "$1")
    printf '%0*d%s' $(($2 - ${#rest})) 0 "$rest"
}

@test "a name as long as a volume's may be works as any, over restarts, and a longer one is refused" {
    local name n
    COPIES=1
    VOLUMES='v1 v2'
    volume v1
    volume v2
    name=$(long_name v1 190)
    for n in 1 2; do
        index_over "$name $(at v2)"
        within 5 is "$name" 'up '
        within 5 sees i v2 up
        put_some "/long/$n" 8
        some_are_right /long/1 8
        stop i
    done
    [[ -n $(blobs v1) && -n $(blobs v2) ]]
    refused 2 'has a name of over 190 bytes' index "$(long_name v1 191)" --index "$T/data/other"
}

@test "a volume whose name the store can't keep isn't up, says why once, and harms nothing" {
    local name n
    COPIES=1
    VOLUMES='v1 v2'
    volume v1
    volume v2
    # Only a dump can name it: as an index knew it before there were identities, which come behind it.
    name=$(long_name v1 240)
    index i v2
    put_some /kept 3
    stop i
    "$MKV" dump --index "$T/data/i" >"$T/dump"
    {
        head -n -1 "$T/dump"
        printf '{"key":"/lost","size":5,"time":1,"volumes":["%s"]}\n' "$name"
        printf '{"end":true,"keys":4,"unlinked":0,"orphans":0}\n'
    } >"$T/dump.new"
    "$MKV" restore --replace --index "$T/data/i" "$T/dump.new"
    mkdir -p "$(dirname "$T/data/v1$(path_of /lost)")" # of generation 0, as the dump has it
    printf value >"$T/data/v1$(path_of /lost)"
    for n in 1 2; do # the second time after a restart
        index i v2
        within 5 is "$name" "down the index can't take it up: name too long"
        some_are_right /kept 3
        want 503 GET "$(url i)/lost"
        same 1 "$(header Retry-After)"
        put "$(url i)/more/$n" value
        crash v2 # both are asked several times meanwhile
        within 5 sees i v2 down
        volume v2
        within 5 sees i v2 up
        same $n "$(grep -c "can't take" "$(log_of i)")" 'lines about it'
        stop i
    done
    holds v1 /lost value
    "$MKV" dump --index "$T/data/i" | grep -qF "{\"key\":\"/lost\",\"size\":5,\"time\":1,\"volumes\":[\"$name\"]}"
    # At a name that can be kept it is there.
    "$MKV" dump --index "$T/data/i" | sed "s/$name/$(at v1)/" >"$T/dump"
    "$MKV" restore --replace --index "$T/data/i" "$T/dump"
    index i 'v1 v2'
    within 5 sees i v1 up
    got "$(url i)/lost" value
}
