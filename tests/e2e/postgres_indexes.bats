#!/usr/bin/env bats
# Three indexes on one database: any of them answers alike, and at once; and so it stays when indexes or the
# database are killed, or one is stopped for so long that the others think it dead.

load ../support/lib
load ../support/postgres
load ../support/replicas
load ../support/several

# --- Clients on random indexes --------------------------------------------------------------------

# N clients PUT the key at once, by all indexes in turns, each a value of its own. Prints "STATUS VALUE" of each.
put_at_once() { # PATH N
    local n each
    for ((n = 0; n < $2;)); do
        for each in $INDEXES; do
            ((n == 0)) || echo next
            printf 'no-progress-meter\nnoproxy = *\nmax-time = %d\noutput = /dev/null\n' $((30 * SLOW))
            printf 'write-out = "%%{http_code} %d\\n"\nurl = "%s%s"\nrequest = PUT\ndata-binary = "%d"\n' \
                $n "$(url "$each-direct")" "$1" $n
            n=$((n + 1))
        done
    done | curl -q --parallel --parallel-immediate --parallel-max "$2" -K -
}

@test "of many PUTs of one key at once one is 201, and all indexes have its value" {
    local round each answers winner
    database
    several
    for round in {1..8}; do
        answers=$(put_at_once "/one/$round" 12)
        same '1 201 11 409' "$(cut -d' ' -f1 <<<"$answers" | sort | uniq -c | xargs)" statuses
        winner=$(awk '$1 == 201 { print $2 }' <<<"$answers")
        for each in $INDEXES; do
            got "$(url "$each")/one/$round" "$winner"
        done
    done
    all_is_tidy
}

@test "what one index acknowledges the others have at once, and histories of clients on all of them are right" {
    local n one two
    database
    several
    for n in {1..20}; do
        one=$(any_index) two=$(any_index)
        put "$(url "$one")/at/once" "$n"
        got "$(url "$two")/at/once" "$n"
        want 204 DELETE "$(url "$two")/at/once"
        want 404 GET "$(url "$one")/at/once"
    done
    clients_begin
    within $((LOAD_SECONDS + 10)) is_over
    clients_end
}

# --- What dies ------------------------------------------------------------------------------------

# Prints what an index marks its orphans with.
instance() { # INDEX
    db "SELECT instance FROM indexes WHERE name LIKE '%/data/$1' ORDER BY renewed DESC LIMIT 1"
}

owns_nothing() { # INSTANCE
    same 0 "$(db "SELECT count(*) FROM orphans WHERE owner = $1")" orphans
}

@test "indexes that are killed again and again under load lose nothing, and others clear up after them" {
    local each was kills=0
    leaves_files
    database
    several
    clients_begin
    until ((kills >= 4)) && is_over; do
        each=$(any_index)
        crash "$each"
        let_pass $((RANDOM % 2 * 400 + 50))
        one_index "$each"
        kills=$((kills + 1))
    done
    # The last one stays away: what it has left, others find.
    was=$(instance "$each")
    crash "$each"
    echo "$kills kills, then one with $(db "SELECT count(*) FROM orphans WHERE owner = $was") orphans"
    within $((LEASE + 10)) quietly owns_nothing "$was"
    one_index "$each"
    clients_end
}

@test "PostgreSQL that is killed and started again under load has lost nothing" {
    local kills=0
    database
    several
    clients_begin
    until ((kills >= 3)) && is_over; do
        crash ~db
        start_postgres
        let_pass $((RANDOM % 2 * 400 + 50))
        kills=$((kills + 1))
    done
    clients_end
}

knows_it_is_away() { # INDEX
    "$MKV" status --json --index "$(lookup data "$1")" | jq -e .store.away >/dev/null
}

@test "while the database is known to be away, a list is 503 at once, and status says what is wrong" {
    database
    volume v1
    index i v1 --store "$(postgres_uri ~db mkv)"
    put "$(url i)/key" value
    crash ~db
    within 10 knows_it_is_away i
    want 503 GET "$(url i)/?list"
    "$MKV" status --index "$(lookup data i)" | grep -qF "The database can't be reached"
    start_postgres
    within 20 refute knows_it_is_away i
    want 200 GET "$(url i)/?list"
    grep -qF '"/key"' "$T/body"
}

# --- One that stops -------------------------------------------------------------------------------

is_thought_dead() { # INSTANCE
    same t "$(db "SELECT coalesce(bool_and(renewed < now() - interval '$LEASE seconds'), true) FROM indexes
        WHERE instance = $1")"
}

# No volume has anything of what was taken over. (No key here has a slash in its base64.)
taken_is_gone() {
    local each
    db "SELECT encode(key, 'base64') || '.' || lpad(to_hex(gen), 16, '0') FROM orphans WHERE held > 0" | sort >"$T/taken"
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
