#!/usr/bin/env bats
# Three indexes on one database: any of them answers alike, and at once; and so it stays when indexes or the
# database are killed.

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
    for round in {1..5}; do
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
    for n in {1..10}; do
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

@test "indexes that are killed again and again under load lose nothing, and others clear up after them" {
    local each was kills=0
    leaves_files
    database
    several
    clients_begin
    until ((kills >= 3)) && is_over; do
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
    "$MKV" status --index "$(lookup data i)" >"$T/status"
    grep -qF "The database can't be reached" "$T/status"
    grep -Eqx "database .* in PostgreSQL, 1 index is alive, synced; it can't be reached" "$T/status"
    start_postgres
    within 20 refute knows_it_is_away i
    want 200 GET "$(url i)/?list"
    grep -qF '"/key"' "$T/body"
}

@test "an index that doesn't run is dumped from its database, and nothing is restored or rebuilt beside that" {
    database
    volume v1
    index i v1 --store "$(postgres_uri ~db mkv)"
    put "$(url i)/key" value
    stop i
    "$MKV" dump --index "$T/data/i" >"$T/dump"
    "$MKV" dump --store "$(postgres_uri ~db mkv)" | cmp - "$T/dump"
    same /key "$(jq -r 'select(.key) | .key' "$T/dump")"
    refused 1 'keeps its keys in the database .*: name that with --store' restore --replace --index "$T/data/i" "$T/dump"
    refused 1 'keeps its keys in the database .*: name that with --store' rebuild --replace --index "$T/data/i" "$(at v1)"
    refused 1 'keeps its keys in the database .*: name that with --store' index "$(at v1)" --port "$(at other)" --index "$T/data/i"
    "$MKV" restore --index "$T/data/gdbm" "$T/dump"
    "$MKV" dump --index "$T/data/gdbm" | cmp - "$T/dump"
}

@test "an index that only reads answers like the others, and changes nothing" {
    database
    volume v1
    index i v1 --store "$(postgres_uri ~db mkv)"
    index r v1 --store "$(postgres_uri ~db mkv)" --read-only
    put "$(url i)/key" value
    got "$(url r)/key" value
    want 200 GET "$(url r)/?list"
    grep -qF '"/key"' "$T/body"
    want 405 PUT "$(url r)/other" -d x
    want 405 DELETE "$(url r)/key"
    want 405 UNLINK "$(url r)/key"
    got "$(url i)/key" value
    want 404 GET "$(url i)/other"
    refused 1 'runs with --read-only: begin the job at another one' verify --repair --index "$T/data/r"
}
