#!/usr/bin/env bats
# Volumes that fail while they receive a value: others take their place, from the index's buffer or
# from a volume that has it, or the PUT fails and nothing stays.

load ../support/lib
load ../support/replicas

after_each() {
    thaw_all
}

# Cuts a PUT at its half, breaks one and then another volume that is receiving it, and goes on.
during() { # HOW VALUE BYTES
    local first second
    start_with_values
    put_begin i /torn "$T/$2" "$3"
    within 5 received_by $COPIES
    first=$(receiving | head -n 1)
    break_volume "$1" "$first"
    within 10 sees i "$first" down
    second=$(receiving | grep -vx "$first" | head -n 1)
    break_volume "$1" "$second"
    put_end "$T/$2" "$3"
    same 201 "$STATUS"
    on_copies /torn "$T/$2"
    refute grep -qx -e "$first" -e "$second" <(holders /torn)
    got_file "$(url i-direct)/torn" "$T/$2"
    mend_volume "$1" "$first"
    mend_volume "$1" "$second"
    all_up
    settled
    on_copies /torn "$T/$2"
}

@test "volumes killed while they receive a value that the index still has whole: 201" {
    during killed middle 90000
}

@test "volumes killed while they receive a value that is longer than the buffer: 201" {
    during killed large 1500000
}

@test "volumes stopped while they receive a value that the index still has whole: 201" {
    during stopped middle 90000
}

@test "volumes stopped while they receive a value that is longer than the buffer: 201" {
    during stopped large 1500000
}

@test "too many volumes fail while they receive a value: 503, and nothing stays" {
    local how each
    start_with_values
    put "$(url i)/kept" value
    for how in killed stopped; do
        all_up
        put_begin i /torn "$T/large" 1500000
        within 5 received_by $COPIES
        for each in v1 v2 v3; do
            break_volume $how $each
        done
        put_end "$T/large" 1500000
        [[ $STATUS == 50[23] ]] || fail "$STATUS"
        want 404 GET "$(url i)/torn"
        mend_volumes $how v1 v2 v3
    done
    got "$(url i)/kept" value
    put "$(url i)/torn" whole
    got "$(url i)/torn" whole
}

@test "a client that is gone in the middle of a PUT leaves nothing on any volume" {
    local n
    start_with_values
    for n in 1 90000 1500000 2999999; do
        put_begin i-direct "/cut/$n" "$T/large" $n
        exec 7>&-
        put_begin i "/cut/$n" "$T/large" $n
        exec 7>&-
    done
    put_begin i /cut "$T/large" 1500000
    within 5 received_by $COPIES
    break_volume killed "$(receiving | head -n 1)"
    exec 7>&-
    restart_ended
    settled
    list "$(url i)/?list"
    same 0 ${#LISTED[@]}
}
