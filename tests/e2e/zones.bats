#!/usr/bin/env bats
# Two hosts with two volumes each: copies of a value are on both, as long as both are up. The volumes'
# file says otherwise what a zone is, and what a volume weighs.

load ../support/lib
load ../support/replicas
load ../support/zones

VOLUMES='a1 a2 b1 b2'
COPIES=2

# Two hosts, by their names.
at() { # NAME: its host:port
    if [[ $1 == b? ]]; then
        echo "127.0.0.2:$(port "$1")"
    else
        echo "127.0.0.1:$(port "$1")"
    fi
}

# Prints the volumes of each key that begins with the prefix, as the index has them: "a1 b2", a line each.
places() { # PREFIX
    local each names=()
    for each in $VOLUMES; do
        names+=(-e "s/$(at "$each")/$each/")
    done
    "$MKV" dump --index "$T/data/i" | sed "${names[@]}" |
        jq -r --arg prefix "$1/" 'select((.key // "") | startswith($prefix)) |
            [.volumes[] | split(" ")[0]] | sort | join(" ")'
}

# Prints how many keys have which volumes: "3 a1 b2", a line each.
spread() { # PREFIX
    places "$1" | sort | uniq -c | sed 's/^ *//'
}

# All those keys have one of their two volumes in a zone, and the other one outside.
apart() { # PREFIX COUNT VOLUMES-OF-THE-ZONE
    same "$2" "$(places "$1" | wc -l)" "keys below $1"
    same '' "$(places "$1" | awk -v zone="^($3)$" '{ if (NF != 2 || ($1 ~ zone) + ($2 ~ zone) != 1) print }')" "keys below $1 in one zone"
}

# Writes the volumes' file: all four, each with what is said of it.
list_volumes() { # A1 A2 B1 B2
    local each
    for each in $VOLUMES; do
        echo "$(at "$each") $1"
        shift
    done >"$T/volumes"
}

start_from_file() {
    local each
    for each in $VOLUMES; do
        volume "$each"
    done
    index i '' --volumes-file "$T/volumes" --replicas $COPIES
}

# HUP, and waits until the index has the zones' names and weights: "zone weight" of each volume.
reload() { # "ZONE WEIGHT..."
    signal i HUP
    within 5 has_list "$1"
}

has_list() {
    same "$1" "$("$MKV" status --json --index "$T/data/i" | jq -r '.volumes[] | .zone, .weight' | paste -sd' ')" 2>/dev/null
}

@test "no value has both copies on one host, also when a volume of one is down" {
    cluster i "$VOLUMES" --replicas $COPIES
    put_some /key 40
    apart /key 40 'a.'
    same 4 "$(spread /key | wc -l)" 'pairs of volumes that are used'
    within 10 sharing 0
    same "zones       2; no key's copies share one" "$(zones_line)"
    rebalance_some /key 40
    same 0 $UNBALANCED 'unbalanced keys'
    crash a1
    put_some /then 40
    apart /then 40 'a.'
    restart_ended
    rebalance_some /then 40
    ((UNBALANCED > 0)) || fail 'a1 was away, and nothing is unbalanced'
    apart /then 40 'a.'
    settled
}

@test "a host is away: all is read and written, and what then shares a zone is counted, and mended" {
    cluster i "$VOLUMES" --replicas $COPIES
    put_some /key 30
    crash b1
    crash b2
    put_some /away 29 # its first ones meet volumes that are down and not known to be
    put_some /last 1
    same '29 a1 a2' "$(spread /away)"
    get_some /key 30
    get_some /away 29
    within 15 sharing 30
    [[ $(zones_line) =~ ^'zones       2; the copies of 30 keys share one (counted '[0-9]+' s ago)'$ ]]
    restart_ended
    rebalance_some /away 29
    same 29 $UNBALANCED 'unbalanced keys'
    apart /away 29 'a.'
    within 15 sharing 1
    [[ $(zones_line) =~ 'the copies of 1 key share one' ]]
    want 204 UNLINK "$(url i)/last/1"
    within 15 sharing 0
    # A restart counts anew.
    stop i
    index i "$VOLUMES" --replicas $COPIES
    within 5 sharing 0
    get_some /away 29
    apart /key 30 'a.'
    all_up
    settled
}

@test "zones and weights come from --volumes-file, and a HUP changes them" {
    list_volumes '' '' '' 'weight=100 # as it is anyway'
    start_from_file
    has_list '127.0.0.1 100 127.0.0.1 100 127.0.0.2 100 127.0.0.2 100'
    refute grep -qE 'zone |weight' <("$MKV" status --index "$T/data/i")
    put_some /key 40
    apart /key 40 'a.'
    # Other zones: what is in one of them now is counted, and mended.
    list_volumes 'zone=left' 'zone=right' 'zone=LEFT weight=250' 'weight=40 zone=right'
    reload 'left 100 right 100 LEFT 250 right 40'
    "$MKV" status --index "$T/data/i" >"$T/status"
    grep -Eqx "volume +$(at b1) up, .* free, zone LEFT, weight 250" "$T/status"
    grep -Eqx "volume +$(at a2) up, .* free, zone right, weight 100" "$T/status"
    within 15 sharing "$(spread /key | awk '/a1 b1|a2 b2/ { n += $1 } END { print n + 0 }')"
    "$MKV" rebalance --index "$T/data/i" >"$T/moved"
    grep -Eq '^rebalance is done.*: [1-9][0-9]* keys moved$' "$T/moved"
    same 40 "$(balanced /key 40)" 'balanced keys'
    apart /key 40 'a1|b1'
    put_some /zoned 40
    apart /zoned 40 'a1|b1'
    within 15 sharing 0
    settled
    # One zone for all, and a volume that hardly counts.
    list_volumes 'zone=z weight=1' 'zone=z weight=1000' 'zone=z weight=1000' 'zone=z weight=1000'
    reload 'z 1 z 1000 z 1000 z 1000'
    sharing 0
    put_some /light 40
    ((2 > $(spread /light | awk '/a1/ { n += $1 } END { print n + 0 }'))) || fail "a1 has much: $(spread /light)"
    # Nonsense changes nothing.
    list_volumes 'zone=z' 'zone=z' 'zone=z' 'zone=y/z'
    signal i HUP
    within 5 logged i "the volumes stay as they are: $T/volumes, line 4: 'zone=y/z': a zone's name is "
    has_list 'z 1 z 1000 z 1000 z 1000'
    put_some /after 10
    get_some /key 40
}

@test "more copies than zones are spread evenly, and a value is never refused for its zones" {
    COPIES=3
    cluster i "$VOLUMES" --replicas $COPIES
    put_some /key 60 # by chance: of 20, one of the four is missing once in 80 runs
    same 4 "$(spread /key | wc -l)" 'threes of volumes that are used'
    within 10 sharing 0 # it can't be helped
    rebalance_some /key 60
    same 0 $UNBALANCED 'unbalanced keys'
    crash b2
    put_some /away 20
    same '20 a1 a2 b1' "$(spread /away)"
}

@test "words of the volumes' file that are none are refused by line" {
    local v
    v=$(at a1)
    printf '# the volumes\n%s zone=left weight=0\n' "$v" >"$T/volumes"
    refused 2 "$T/volumes, line 2: 'weight=0': a weight is a number from 1 to 1000" index --volumes-file "$T/volumes" --index "$T/data/i"
    printf '%s left\n' "$v" >"$T/volumes"
    refused 2 "$T/volumes, line 1: 'left': it is neither zone=NAME nor weight=N" index --volumes-file "$T/volumes" --index "$T/data/i"
    refused 2 "the volume '$v zone=left' is no HOST:PORT" index "$v zone=left" --index "$T/data/i"
}
