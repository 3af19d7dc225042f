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

@test "a database without tables is told from one with tables of others" {
    database
    refused 1 'it has no tables of mkv yet' dump --store "$(postgres_uri ~db mkv)"
    db 'CREATE SCHEMA mkv'
    refused 1 'another program made its schema mkv' dump --store "$(postgres_uri ~db mkv)"
}

@test "an index that has keys in its directory doesn't start on a database, which hasn't got them" {
    local uri
    database
    uri=$(postgres_uri ~db mkv)
    volume v1
    index i v1
    stop i
    index i v1 --store "$uri" # it had none yet
    stop i
    rm -r "$T/data/i"
    index i v1
    put "$(url i)/key" value
    stop i
    refused 1 'has 1 keys, which aren.t in the database of --store: mkv dump --index ' \
        index "$(at v1)" --port "$(at other)" --index "$T/data/i" --store "$uri"
    "$MKV" dump --index "$T/data/i" | "$MKV" restore --store "$uri"
    "$MKV" dump --index "$T/data/i" | cmp - <("$MKV" dump --store "$uri")
    rm -f "$T/data/i"/index.gdbm "$T/data/i"/journal.*
    index i v1 --store "$uri"
    got "$(url i)/key" value
}

# A dump of so many keys.
dump_of() { # KEYS
    echo '{"format":"mkv-dump","version":2}'
    seq -f '{"key":"/%05g","size":1,"time":1000,"generation":"0000000000000007","volumes":["127.0.0.1:1"]}' "$1"
    echo "{\"end\":true,\"keys\":$1,\"unlinked\":0,\"orphans\":0}"
}

@test "a dump of a database that is restored meanwhile breaks off, and what it has of both doesn't pass for whole" {
    local first uri
    database
    uri=$(postgres_uri ~db mkv)
    dump_of 4000 | "$MKV" restore --store "$uri"
    exec 7< <("$MKV" dump --store "$uri" 2>"$T/error" || echo "exit $?")
    read -r -t 20 first <&7 # the rest waits for who reads it
    dump_of 1 | "$MKV" restore --replace --store "$uri"
    timeout 20 cat <&7 >"$T/rest"
    exec 7<&-
    same 'exit 1' "$(tail -n 1 "$T/rest")"
    refute grep -F '"end"' "$T/rest"
    grep -F 'the database was restored or rebuilt meanwhile' "$T/error"
    "$MKV" dump --store "$uri" | cmp - <(dump_of 1)
}

restores() {
    [[ $(sql ~db mkv "SELECT count(*) FROM pg_locks WHERE mode = 'ShareRowExclusiveLock'") == 1 ]]
}

@test "beside a restore another one and an index wait, and say what for when that takes long" {
    local uri
    database
    uri=$(postgres_uri ~db mkv)
    exec 7> >("$MKV" restore --store "$uri" >"$T/restored" 2>&1)
    dump_of 2 | head -n 2 >&7 # and the rest later
    within 10 restores
    dump_of 1 | refute "$MKV" restore --store "$uri" >"$T/refused" 2>&1
    grep -F 'another restore or rebuild is at work there' "$T/refused"
    hatch late "$MKV" index "$(at v1)" --port "$(at i)" --index "$T/data/i" --store "$uri"
    await_end late 30
    same 1 "$RC"
    logged late 'a table is locked there: by a restore'
    dump_of 2 | tail -n +3 >&7
    exec 7>&-
    within 10 grep -q '^restored 2 keys' "$T/restored"
    "$MKV" dump --store "$uri" | cmp - <(dump_of 2)
}

counts() { # INDEX KEYS
    [[ $("$MKV" status --json --index "$(lookup data "$1")" | jq .keys) == "$2" ]]
}

@test "a database that asks for a password is refused at once where there is none" {
    local start uri
    postgres ~locked
    postgres_database ~locked mkv
    uri=$(postgres_uri ~locked mkv)
    sql ~locked postgres "ALTER ROLE postgres PASSWORD 'hush'"
    sed -i 's/trust$/scram-sha-256/' "$(lookup data ~locked)/data/pg_hba.conf"
    sql ~locked postgres 'SELECT pg_reload_conf()'
    volume v1
    start=$(now_ms)
    refused 1 'asks for a password: put that into ~/.pgpass' index "$(at v1)" --port "$(at i)" --index "$T/data/i" --store "$uri"
    (($(now_ms) - start < 5000 * SLOW)) || fail "it took $(($(now_ms) - start)) ms"
    echo '*:*:*:*:hush' >"$T/pgpass"
    chmod 600 "$T/pgpass"
    chown --reference "$(lookup data v1)" "$T/pgpass" # whose files mkv's are
    PGPASSFILE=$T/pgpass index i v1 --store "$uri"
    put "$(url i)/key" value
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
    stop i # its sessions become one row with those of all that have ended
    index i v1 --store "$(postgres_uri ~db mkv)"
    put "$(url i)/second" value
    within 10 counts r 2
}
