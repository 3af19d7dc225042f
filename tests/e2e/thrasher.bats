#!/usr/bin/env bats
# scripts/thrasher writes, reads and deletes from many clients at once and compares every answer.

load ../support/lib

before_all() {
    cluster i 'v1 v2 v3'
}

before_each() {
    [[ -x ${THRASHER:-} ]] || skip "needs THRASHER, the path of the thrasher"
}

@test "16 clients through the front" {
    timeout $((60 * SLOW)) "$THRASHER" --url "$(url i)" --clients 16 --count 1000
    within 20 all_lack v1 v2 v3
}

@test "16 clients directly" {
    timeout $((60 * SLOW)) "$THRASHER" --url "$(url i-direct)" --clients 16 --count 1000
    within 20 all_lack v1 v2 v3
}

@test "it fails when the index is not there" {
    refute timeout 60 "$THRASHER" --url "$(url nobody)" --clients 2 --count 10
}
