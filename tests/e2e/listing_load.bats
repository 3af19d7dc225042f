#!/usr/bin/env bats
# Listings while the keys change, and listings that nobody reads.

load ../support/lib

before_all() {
    cluster i v
}

before_each() {
    K=$BATS_TEST_NUMBER # keys of different tests must not meet
}

@test "listings while keys come and go have all that stays, in order, once" {
    local n listings=0
    for ((n = 1000; n < 1400; n++)); do
        echo "PUT /$K/$n-stays"
    done >"$T/plan"
    same 400x201 "$(requests "$(url i-direct)" <"$T/plan")"
    cut -d' ' -f2 "$T/plan" >"$T/stays"
    for ((n = 0; n < 1500; n++)); do
        echo "PUT /$K/$((1000 + n * 7 % 400))-goes-$n"
        if ((n > 50)); then
            echo "DELETE /$K/$((1000 + (n - 50) * 7 % 400))-goes-$((n - 50))"
        fi
    done >"$T/plan"
    (requests "$(url i-direct)" <"$T/plan" >"$T/counts") 3>&- &
    while kill -0 $! 2>/dev/null; do
        list "$(url i)/$K/?list"
        listed >"$T/listed"
        sort -uc "$T/listed" || fail 'not in order, or twice'
        grep -e -stays "$T/listed" | cmp - "$T/stays"
        pages "$(url i-direct)/$K/?list" 97 >"$T/listed"
        sort -uc "$T/listed" || fail 'pages not in order, or twice'
        grep -e -stays "$T/listed" | cmp - "$T/stays"
        listings=$((listings + 1))
    done
    wait $!
    same '1500x201 1449x204' "$(cat "$T/counts")"
    ((listings > 1)) || fail "only $listings listings"
}

anonymous() { # NAME: KiB
    awk '/^RssAnon/ { print $2 }' "/proc/$(pid_of "$1")/status"
}

# Prints how many of its connections a server holds open.
connections() { # NAME
    ss -Htn state established "sport = :$(port "$1")" | wc -l
}

none_connected() { # NAME
    (($(connections "$1") == 0))
}

# Prints the most bytes that the kernel keeps for one client of a server.
unsent() { # NAME
    ss -Htn state established "sport = :$(port "$1")" | awk '$2 > most { most = $2 } END { print most + 0 }'
}

is_filled() { # NAME
    (($(unsent "$1") > 64 << 10))
}

@test "clients that stop reading in mid-listing cost no memory, hold up nobody, and are cut off" {
    local p n fd fds=() before control
    # Escaped in JSON, a control byte takes six: 3,000 keys make a listing of 17 MB, which is more
    # than sockets buffer.
    printf -v control '%%01%.0s' {1..950}
    for ((n = 1000; n < 4000; n++)); do
        echo "PUT /$K/$n$control"
    done >"$T/plan"
    same 3000x201 "$(requests "$(url i-direct)" <"$T/plan")"
    for p in i i-direct; do
        want 200 GET "$(url $p)/$K/?list"
        (($(wc -c <"$T/body") > 17000000))
    done
    before=$(anonymous i)
    for p in i i-direct; do
        for n in 1 2 3 4 5 6; do
            exec {fd}<>"/dev/tcp/127.0.0.1/$(port $p)"
            fds+=("$fd")
            printf 'GET /%s/?list HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' "$K" >&"$fd"
            answer "$fd"
            same 200 "$STATUS"
        done
    done
    for n in 1 2 3 4 5; do
        want 200 GET "$(url i)/$K/?list" # full listings pass by them
        want 302 GET "$(url i-direct)/$K/1000$control"
    done
    for p in i i-direct; do
        within 10 is_filled "$p"
        # Left to itself, the kernel takes 4 MB of a client's answer.
        (($(unsent "$p") < 1 << 20)) || fail "$p: $(unsent "$p") bytes"
    done
    if ((!ASAN && $(anonymous i) - before > 8 << 10)); then
        fail "it grew from $before to $(anonymous i) KiB"
    fi
    # 60 s without a byte taken; and from nginx, which doesn't look for a client that is gone, another
    # 60 s for what it still has once the index has cut it off.
    within 90 none_connected i-direct
    within 150 none_connected i
    for fd in "${fds[@]}"; do
        timeout 20 cat <&"$fd" >"$T/part" || true
        exec {fd}>&-
        refute grep -q '"next"' "$T/part"
    done
    want 200 GET "$(url i)/$K/?list&limit=1"
}

@test "a crowd that asks for listings and doesn't read holds up nobody, and is told to come again" {
    local p n control p50 p99 crowd=400
    if [[ -n $LONG ]]; then
        crowd=3000
    fi
    printf -v control '%%01%.0s' {1..950}
    for ((n = 1000; n < 1500; n++)); do
        echo "PUT /$K/$n$control"
    done >"$T/plan"
    same 500x201 "$(requests "$(url i-direct)" <"$T/plan")"
    for p in i-direct i; do
        "$SUPPORT/listers" "$(port $p)" $crowd "/$K/?list" 1500 "/$K/1000$control" >"$T/said"
        read -r _ p50 _ p99 _ <"$T/said"
        # Without a bound it is 100 ms here.
        ((p50 < 20000)) || fail "p50 by $p: $(cat "$T/said")"
        [[ -z $LONG ]] || ((p99 < 10000)) || fail "p99 by $p: $(cat "$T/said")"
        grep -Eq '^200 [1-9][0-9] 503 [23][0-9]+ other 0$' "$T/said" || fail "$p: $(cat "$T/said")"
        want 200 GET "$(url $p)/$K/?list&limit=1" --retry 5
    done
}
