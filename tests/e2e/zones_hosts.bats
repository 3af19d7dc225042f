#!/usr/bin/env bats
# Two hosts, each with two volumes and an address of its own, in network namespaces: nobody says what a
# zone is, and one host can be lost.

load ../support/lib
load ../support/replicas
load ../support/zones
load ../support/namespaces

VOLUMES='a1 a2 b1 b2'
COPIES=2

before_each() {
    local each
    need_namespaces
    for each in west east; do
        namespace $each || skip "needs network namespaces and veth"
    done
}

after_each() {
    remove_namespaces west east
}

host_of() { # VOLUME
    case $1 in
        a?) echo west ;;
        b?) echo east ;;
    esac
}

at() { # NAME: its host:port
    local host
    host=$(host_of "$1")
    if [[ -n $host ]]; then
        echo "$(net "$host").2:$(port "$1")"
    else
        echo "127.0.0.1:$(port "$1")"
    fi
}

start_volume() { # VOLUME
    local AS=(ip netns exec "$(ns "$(host_of "$1")")")
    volume "$1" --drain-timeout 2 # a host that lost its link hears nothing of its clients' ends
}

start() {
    local each
    for each in $VOLUMES; do
        start_volume "$each"
    done
    index i "$VOLUMES" --replicas $COPIES
}

# Prints the hosts of each of those keys, as the index tells any client: "east west", a line each.
key_hosts() { # PREFIX COUNT
    curl -q -s --noproxy '*' -m $((60 * SLOW)) -I "$(url i)$1/[1-$2]" | tr -d '\r' |
        sed -n "s/^Key-Volumes: //p" |
        sed -e "s/$(net west)\.2:[0-9]*/west/g" -e "s/$(net east)\.2:[0-9]*/east/g" |
        while IFS=', ' read -r -a hosts; do
            printf '%s\n' "${hosts[@]}" | sort | paste -sd' '
        done
}

# Prints how many keys have which hosts: "3 east west", a line each.
on_hosts() { # PREFIX COUNT
    key_hosts "$1" "$2" | sort | uniq -c | sed 's/^ *//'
}

host_is() { # HOST STATE
    local each
    for each in $VOLUMES; do
        [[ $(host_of "$each") != "$1" ]] || sees i "$each" "$2" || return 1
    done
}

has_something() { # VOLUME...
    local each
    for each in "$@"; do
        [[ -n $(blobs "$each") ]] || fail "$each has nothing"
    done
}

# What holds while a host is away,
without() { # HOST OTHER
    get_some /key 200
    put_some /away 50
    same "50 $2 $2" "$(on_hosts /away 50)"
    get_some /away 50
    within 15 sharing 60 # with those of /at-once
}

# and once it is back.
back() { # HOST
    within 15 host_is "$1" up
    within 15 has_orphans i 0 # no blob moves to where one of its name is still to be removed
    rebalance_some /away 50
    same 50 $UNBALANCED 'unbalanced keys'
    rebalance_some /at-once 10
    same '50 east west' "$(on_hosts /away 50)"
    same '10 east west' "$(on_hosts /at-once 10)"
    same '200 east west' "$(on_hosts /key 200)"
    within 15 sharing 0
    same "zones       2; no key's copies share one" "$(zones_line)"
    get_some /key 200
    get_some /away 50
    settled
}

@test "a host that loses its link: all is read and written, and spread over both hosts once it is back" {
    start
    put_some /key 200
    same '200 east west' "$(on_hosts /key 200)"
    # shellcheck disable=SC2086 # a list
    has_something $VOLUMES
    link_is west down
    put_some /at-once 10 # before the index knows
    within 10 host_is west down
    without west east
    link_is west up
    back west
}

@test "a host whose processes die: all is read and written, and spread over both hosts once it is back" {
    start
    put_some /key 200
    same '200 east west' "$(on_hosts /key 200)"
    crash b1
    crash b2
    put_some /at-once 10
    within 10 host_is east down
    without east west
    start_volume b1
    start_volume b2
    back east
}
