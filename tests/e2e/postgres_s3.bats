#!/usr/bin/env bats
# S3 at three indexes on one database: what is begun at one goes on at another, and all answers together fit
# one order, also when indexes are killed.

load ../support/lib
load ../support/postgres
load ../support/replicas
load ../support/several

S3=yes
KEYS=4

@test "uploads, copies, conditions and lists at any index: all answers fit one order" {
    database
    several
    s3_clients_begin $KEYS
    within $((LOAD_SECONDS + 10)) is_over
    s3_clients_end
}

@test "so they do while indexes are killed again and again, and nothing is left of what these began" {
    local each kills=0
    leaves_files
    database
    several
    s3_clients_begin $KEYS
    until ((kills >= 5)) && is_over; do
        each=$(any_index)
        crash "$each"
        let_pass $((RANDOM % 2 * 400 + 50))
        one_index "$each"
        let_pass $((RANDOM % 2 * 100))
        kills=$((kills + 1))
    done
    echo "$kills kills"
    s3_clients_end
}
