#!/usr/bin/env bats
# Volumes in network namespaces of their own, whose links to the index are cut without a word, or lose
# packets: nobody refuses or closes anything, there is only silence.

load ../support/lib
load ../support/replicas
load ../support/namespaces

before_each() {
    need_namespaces
    for each in $VOLUMES; do
        namespace "$each" || skip "needs network namespaces and veth"
    done
    ip netns exec "$(ns v1)" iptables -m statistic --mode random --probability 0.1 -A INPUT -j ACCEPT 2>/dev/null ||
        skip "needs iptables with the match statistic"
    ip netns exec "$(ns v1)" iptables -F
}

after_each() {
    # shellcheck disable=SC2086 # a list
    remove_namespaces $VOLUMES
}

name() { # VOLUME: as the index knows it
    echo "$(net "$1").2:$(port "$1")"
}

answers() { # VOLUME
    [[ $(curl -q -s --noproxy '*' -m 2 -o /dev/null -w '%{http_code}' "http://$(name "$1")/_mkv/health") == 200 ]]
}

start() {
    local each names=()
    for each in $VOLUMES; do
        mkdir "$T/data/$each"
        touch "$T/proc/$each.must-exit-0"
        hatch "$each" ip netns exec "$(ns "$each")" "$MKV" volume "$(name "$each")" "$T/data/$each" \
            --drain-timeout 2 # nginx hears nothing of the end of a PUT that was cut off
        names+=("$(name "$each")")
    done
    for each in $VOLUMES; do
        within 10 answers "$each"
    done
    mkv_start i index "${names[@]}" --port "$(at i)" --direct "$(at i-direct)" --index "$T/data/i" \
        --replicas $COPIES --grace 1
    await_ready i
    value small 1
    value middle 100000
    value large 3000000
}

is() { # VOLUME STATE
    same "$2" "$("$MKV" status --json --index "$T/data/i" |
        jq -r --arg name "$(name "$1")" '.volumes[] | select(.name == $name) | .state')" 2>/dev/null
}

# The blobs of all volumes are those of the keys. (The rest of a PUT that was cut off stays until nginx
# gives its client up, after a minute.)
only_blobs() {
    local each files=0
    for each in $VOLUMES; do
        files=$((files + $(blobs "$each" | wc -l)))
    done
    same $(($1 * COPIES)) $files files
}

@test "links that are cut before, during and after PUTs: they go on, and nothing is lost or left" {
    local n start_ms each cut
    start
    for n in {1..20}; do
        want 201 PUT "$(url i)/old/$n" -T "$T/middle"
    done
    # In the middle of one, two of the three.
    put_begin i-direct /torn "$T/large" 1500000
    within 5 received_by $COPIES
    mapfile -t cut < <(receiving | head -n 2)
    for each in "${cut[@]}"; do
        cut_link "$each"
    done
    start_ms=$(now_ms)
    put_end "$T/large" 1500000
    same 201 "$STATUS"
    (($(now_ms) - start_ms < 10000 * SLOW)) || fail "it took $(($(now_ms) - start_ms)) ms"
    on_copies /torn "$T/large"
    refute grep -qx -e "${cut[0]}" -e "${cut[1]}" <(holders /torn)
    for each in "${cut[@]}"; do
        within 5 is "$each" down
    done
    # With both known to be away all is as quick as ever.
    start_ms=$(now_ms)
    for n in {1..20}; do
        want 201 PUT "$(url i)/new/$n" -T "$T/small"
        got_file "$(url i)/new/$n" "$T/small"
        got_file "$(url i)/old/$n" "$T/middle"
    done
    want 204 DELETE "$(url i)/old/20"
    (($(now_ms) - start_ms < 20000 * SLOW)) || fail "it took $(($(now_ms) - start_ms)) ms"
    # One more is too many.
    for each in $VOLUMES; do
        [[ $each == "${cut[0]}" || $each == "${cut[1]}" ]] || break
    done
    cut_link "$each"
    cut+=("$each")
    want 503 PUT "$(url i)/none" -T "$T/large"
    want 404 GET "$(url i)/none"
    for each in "${cut[@]}"; do
        mend_link "$each"
    done
    for each in $VOLUMES; do
        within 10 is "$each" up
    done
    within 20 only_blobs 40
    for n in {1..19}; do
        got_file "$(url i)/old/$n" "$T/middle"
    done
    on_copies /torn "$T/large"
    want 201 PUT "$(url i)/none" -T "$T/large"
    within 20 only_blobs 41
}

@test "links that lose one packet in ten: every PUT is 201, every GET the value" {
    local each n
    start
    for each in v1 v2; do
        ip netns exec "$(ns $each)" iptables -A INPUT -m statistic --mode random --probability 0.1 -j DROP
        ip netns exec "$(ns $each)" iptables -A OUTPUT -m statistic --mode random --probability 0.1 -j DROP
    done
    for n in {1..30}; do
        want 201 PUT "$(url i)/lossy/$n" -T "$T/middle"
        on_copies "/lossy/$n" "$T/middle"
    done
    for n in {1..30}; do
        got_file "$(url i)/lossy/$n" "$T/middle"
    done
    want 201 PUT "$(url i)/large" -T "$T/large"
    on_copies /large "$T/large"
    for each in v1 v2; do
        mend_link $each
    done
    for each in $VOLUMES; do
        within 10 is "$each" up
    done
    within 20 only_blobs 31
}
