# shellcheck shell=bash
# Hosts of a test's own: network namespaces, each with a link to us. What a host is called is up to the
# test; a port is leased in its name, for a number that no other has.

# Skips the test where there can be none.
need_namespaces() {
    local each
    need_root
    for each in ip iptables; do
        command -v $each >/dev/null || skip "needs $each"
    done
    unshare -n true 2>/dev/null || skip "needs network namespaces"
}

ns() { # HOST: the name of its namespace, and of our end of the link
    echo "mkv$(port "$1")"
}

net() { # HOST: the first three bytes of the link's addresses; .1 is ours, .2 is the host's
    echo "10.$(($(port "$1") / 256)).$(($(port "$1") % 256))"
}

namespace() { # HOST: makes it
    local ns net
    ns=$(ns "$1") net=$(net "$1")
    ip netns add "$ns" &&
        ip link add "$ns" type veth peer name eth0 netns "$ns" &&
        ip addr add "$net.1/30" dev "$ns" &&
        ip link set "$ns" up &&
        ip -n "$ns" addr add "$net.2/30" dev eth0 &&
        ip -n "$ns" link set eth0 up &&
        ip -n "$ns" link set lo up
}

remove_namespaces() { # HOST...
    local each
    for each in "$@"; do
        ip netns del "$(ns "$each")" 2>/dev/null || true
        ip link del "$(ns "$each")" 2>/dev/null || true
    done
}

# Silence in both directions; the link is up.
cut_link() { # HOST
    ip netns exec "$(ns "$1")" iptables -A INPUT -j DROP
    ip netns exec "$(ns "$1")" iptables -A OUTPUT -j DROP
}

mend_link() { # HOST
    ip netns exec "$(ns "$1")" iptables -F
}

# Pulls the host's plug out, or puts it in again.
link_is() { # HOST up|down
    ip -n "$(ns "$1")" link set eth0 "$2"
}
