#!/usr/bin/env bats
# One of several indexes is stopped for so long that the others think it dead, and goes on: no key is without
# bytes, and no answer is wrong.

load ../support/lib
load ../support/postgres
load ../support/replicas
load ../support/several

is_thought_dead() { # INSTANCE
    same t "$(db "SELECT coalesce(bool_and(renewed < now() - interval '$LEASE seconds'), true) FROM indexes
        WHERE instance = $1")"
}

# No volume has anything of what was taken over. (No key here has a slash in its base64.)
taken_is_gone() {
    local each
    db "SELECT encode(key, 'base64') || '.' || lpad(to_hex(gen), 16, '0') FROM orphans WHERE held <> 0" | sort >"$T/taken"
    for each in $VOLUMES; do
        blobs "$each"
    done | sed 's|.*/||' | sort -u | comm -12 - "$T/taken" >"$T/not-gone"
    [[ ! -s $T/not-gone ]]
}

# Stops an index until others have taken over what it owned, and removed it.
stop_past_lease() { # INDEX
    local was
    was=$(instance "$1")
    signal "$1" STOP
    within $((LEASE + 10)) quietly is_thought_dead "$was"
    within $((LEASE + 10)) quietly owns_nothing "$was"
    within $((GRACE + 15)) taken_is_gone
}

# A PUT through an index that was stopped failed, or is right; nothing else.
is_right() { # STATUS PATH FILE
    local each
    for each in $INDEXES; do
        if [[ $1 == 201 ]]; then
            got_file "$(url "$each")$2" "$3"
        else
            want 404 GET "$(url "$each")$2"
        fi
    done
}

@test "a PUT by an index that was stopped in the middle of it for longer than its lease fails, or is right" {
    local status
    database
    several
    value large 300000
    put_begin i-direct /rest/after "$T/large" 200000
    within 5 received_by "$COPIES"
    stop_past_lease i
    put "$(url j)/other" value
    signal i CONT
    put_end "$T/large" 200000
    status=$STATUS
    [[ $status =~ ^(201|50[23])$ ]] || fail "status $status"
    is_right "$status" /rest/after "$T/large"
    # The rest is there when it goes on, and another index has put the key meanwhile.
    within 10 takes_puts i
    refute logged i 'can only be read' # nothing is wrong with the database
    put_begin i-direct /rest/before "$T/large" 200000
    within 5 received_by "$COPIES"
    signal i STOP
    tail -c +200001 "$T/large" >&7
    put "$(url j)/rest/before" value
    within $((LEASE + 10)) quietly is_thought_dead "$(instance i)"
    signal i CONT
    put_end "$T/large" 300000
    [[ $STATUS =~ ^(409|50[23])$ ]] || fail "status $STATUS"
    for each in $INDEXES; do
        got "$(url "$each")/rest/before" value
    done
    all_is_tidy
}

@test "an index that is stopped under load for longer than its lease gives no wrong answer when it goes on" {
    local stops=0 each
    database
    several
    clients_begin
    until ((stops >= (LONG ? 5 : 1))) && is_over; do
        each=$(any_index)
        stop_past_lease "$each"
        signal "$each" CONT
        let_pass 300
        stops=$((stops + 1))
    done
    clients_end
}
