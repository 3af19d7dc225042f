#!/usr/bin/env bats
# From GDBM to PostgreSQL and back: mkv dump, restore and rebuild with --store.

load ../support/lib
# shellcheck source=tests/support/postgres.bash
[[ $STORE ]] || . "$BATS_TEST_DIRNAME/../support/postgres.bash"

before_all() {
    postgres ~db
}

before_each() {
    postgres_database ~db mkv
    DB=$(postgres_uri ~db mkv)
}

restore() { # FILE OPTIONS...
    "$MKV" restore "${@:2}" "$1" >"$T/restored"
}

# Fills index i on volumes v1 and v2, then leaves orphans of v2, which is down. Stops i.
fill() {
    local n
    volume v1
    volume v2
    index i 'v1 v2' --replicas 2 --protect
    for n in {1..20}; do
        put "$(url i)/key-$n" "value $n"
    done
    want 204 UNLINK "$(url i)/key-3"
    want 204 UNLINK "$(url i)/key-4"
    stop v2
    within 20 sees i v2 'down'
    want 204 DELETE "$(url i)/key-3"
    stop i
    "$MKV" dump --index "$T/data/i" >"$T/before"
}

@test "an index moves to a database, and back" {
    local n
    fill
    restore "$T/before" --store "$DB"
    grep -q '^restored 19 keys, 1 of them unlinked, and 1 orphans' "$T/restored"
    "$MKV" dump --store "$DB" >"$T/there"
    diff "$T/before" "$T/there"
    volume v2
    index j 'v1 v2' --replicas 2 --protect --grace 1 --store "$DB"
    for n in 1 2 {5..20}; do
        got "$(url j)/key-$n" "value $n"
    done
    want 404 GET "$(url j)/key-3"
    want 404 GET "$(url j)/key-4"
    # The orphan is taken over, and goes from the volume.
    within 60 orphans_are 0
    put "$(url j)/new" 'value new'
    want 204 UNLINK "$(url j)/key-5"
    stop j
    "$MKV" dump --store "$DB" >"$T/after"
    restore "$T/after" --index "$T/data/k"
    "$MKV" dump --index "$T/data/k" | diff "$T/after" -
    index k 'v1 v2' --replicas 2 --protect
    got "$(url k)/new" 'value new'
    want 404 GET "$(url k)/key-5"
}

orphans_are() { # N
    [[ $(sql ~db mkv 'SELECT count(*) FROM mkv.orphans') == "$1" ]]
}

@test "a database that isn't empty, or that an index uses, is not restored over" {
    printf '%s\n' '{"format":"mkv-dump","version":2}' '{"key":"/a","size":5,"time":7,"volumes":["127.0.0.1:1"]}' \
        '{"end":true,"keys":1,"unlinked":0,"orphans":0}' >"$T/one"
    head -n 2 "$T/one" >"$T/cut"
    refute restore "$T/cut" --store "$DB"
    "$MKV" dump --store "$DB" | grep -q '"keys":0'
    restore "$T/one" --store "$DB"
    refute restore "$T/one" --store "$DB" 2>"$T/errors"
    grep -q "isn't empty" "$T/errors"
    restore "$T/one" --store "$DB" --replace
    refute restore "$T/cut" --store "$DB" --replace
    "$MKV" dump --store "$DB" | diff "$T/one" -
    volume v1
    index i v1 --replicas 1 --store "$DB"
    refute restore "$T/one" --store "$DB" --replace 2>"$T/errors"
    grep -q 'uses the database: stop it' "$T/errors"
    put "$(url i)/b" b
}

# What the database's tables are like, the indexes, settings and rights of them included.
shape() {
    "$(dirname "$PSQL")/pg_dump" -h "$(lookup data ~db)" -U postgres --schema-only mkv | grep -Ev '^(--|.(un)?restrict )' | sort
}

copies() {
    [[ $(sql ~db postgres "SELECT count(*) FROM pg_stat_activity WHERE datname = 'mkv' AND query LIKE 'COPY keys_new%'") == 1 ]]
}

reads() {
    [[ $(sql ~db postgres "SELECT count(*) FROM pg_stat_activity WHERE datname = 'mkv' AND wait_event = 'PgSleep'") == 1 ]]
}

# Begins to restore other keys over what there is, and keeps it waiting for the rest.
restore_begin() {
    rm -f "$T/fifo"
    mkfifo "$T/fifo"
    hatch restoring "$MKV" restore --replace --store "$DB" "$T/fifo"
    exec 7>"$T/fifo"
    head -n 1 "$T/one" >&7
    printf '{"key":"/b%s","size":5,"time":7,"volumes":["127.0.0.1:2"]}\n' {1000..3000} >&7
    within 10 copies
}

@test "a database can be read while it is restored over, and a restore that is killed changes nothing" {
    local before
    printf '%s\n' '{"format":"mkv-dump","version":2}' '{"key":"/a","size":5,"time":7,"volumes":["127.0.0.1:1"]}' \
        '{"end":true,"keys":1,"unlinked":0,"orphans":0}' >"$T/one"
    restore "$T/one" --store "$DB"
    sql ~db mkv 'DROP ROLE IF EXISTS reader; CREATE ROLE reader; GRANT SELECT ON mkv.keys, mkv.orphans TO reader;
        GRANT SELECT ON mkv.keys TO PUBLIC'
    before=$(shape)
    grep -q 'GRANT SELECT ON TABLE mkv.keys TO reader' <<<"$before"
    restore_begin
    timeout 10 "$MKV" dump --store "$DB" | diff "$T/one" -
    crash restoring
    exec 7>&-
    timeout 10 "$MKV" dump --store "$DB" | diff "$T/one" -
    same 0 "$(sql ~db mkv "SELECT count(*) FROM pg_class WHERE relname LIKE '%\_new%'")" 'tables that are left'
    restore_begin
    # The end waits for who reads.
    hatch reader "$PSQL" -h "$(lookup data ~db)" -U postgres -d mkv -Atc \
        'BEGIN; SELECT key FROM mkv.keys; SELECT pg_sleep(3); SELECT key FROM mkv.keys'
    within 5 reads
    echo '{"end":true,"keys":2001,"unlinked":0,"orphans":0}' >&7
    exec 7>&-
    await_end restoring 30
    same 0 "$RC"
    await_end reader
    same 0 "$RC"
    logged reader '^.x2f61$'
    same 2001 "$(sql ~db mkv 'SELECT count(*) FROM mkv.keys')" keys
    diff <(echo "$before") <(shape)
    "$MKV" dump --store "$DB" | grep -q '"keys":2001'
}

@test "an index in a database is made anew of what is on the volumes" {
    fill
    volume v2
    "$MKV" rebuild --index "$T/data/work" --store "$DB" "$(at v1)" "$(at v2)"
    index j 'v1 v2' --replicas 2 --protect --grace 1 --store "$DB"
    got "$(url j)/key-20" 'value 20'
    put "$(url j)/new" new
}
