#!/usr/bin/env bats
# The template of a TCP balancer in front of several indexes.

load ../support/lib

TEMPLATE=$BATS_TEST_DIRNAME/../../templates/balancer.conf

# Starts an nginx with the template, whose addresses are those of the indexes a and b here.
balancer() {
    sed -e "s|^pid .*|pid $T/data/pid;|" \
        -e "s/index1.example.com:3000/$(at a)/" -e "s/index2.example.com:3000/$(at b)/" \
        -e "s/index1.example.com:9000/$(at a-s3)/" -e "s/index2.example.com:9000/$(at b-s3)/" \
        -e "s/listen 3000/listen $(at front)/" -e "s/listen 9000/listen $(at front-s3)/" "$TEMPLATE" >"$T/balancer.conf"
    refute grep -E 'example\.com|listen (3000|9000)' "$T/balancer.conf"
    PATH=$PATH:/usr/local/sbin:/usr/sbin nginx -t -q -e stderr -c "$T/balancer.conf"
    PATH=$PATH:/usr/local/sbin:/usr/sbin hatch balancer nginx -e stderr -g 'daemon off;' -c "$T/balancer.conf"
    within 10 listening "$(port front)"
}

# Prints how many keys an index has.
keys_of() { # INDEX
    "$MKV" status --json --index "$(lookup data "$1")" | jq .keys
}

@test "requests reach each index, and all of them one when the other is gone" {
    local i
    volume v
    volume w
    index a v --s3 "$(at a-s3)"
    index b w --s3 "$(at b-s3)"
    balancer
    for i in {1..8}; do
        put "$(url front)/key$i" "value $i"
    done
    (($(keys_of a) > 0 && $(keys_of b) > 0 && $(keys_of a) + $(keys_of b) == 8)) ||
        fail "a has $(keys_of a) keys, b has $(keys_of b)"
    want 200 PUT "$(url front-s3)/bucket"

    crash a
    for i in {1..8}; do
        put "$(url front)/other$i" "value $i"
        got "$(url front)/other$i" "value $i"
    done
}
