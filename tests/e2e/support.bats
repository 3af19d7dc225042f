#!/usr/bin/env bats
# The harness itself: it must see what it is there to see, or every other file is worth nothing.

load ../support/lib

# Some tests here end themselves.
teardown() {
    if [[ -e ${T:-}/port ]]; then
        test_end
    fi
}

@test "an exit status is kept" {
    hatch seven bash -c 'exit 7'
    await_end seven
    same 7 "$RC"
    within 2 gone seven
    hatch nine bash -c 'kill -9 $$'
    await_end nine
    same 137 "$RC"
    refute hatch nothing /nonexistent/program
}

@test "a descendant that is left behind is seen, even in a session of its own" {
    hatch parent bash -c 'setsid sleep 60 & echo $! >"$0"' "$T/orphan"
    await_end parent
    refute within 1 gone parent
    leftovers parent 2>"$T/names" || true
    grep -q 'sleep 60' "$T/names"
    kill "$(cat "$T/orphan")"
    within 2 gone parent
}

@test "teardown ends what runs, and fails when it leaves a process, a file or a bad status" {
    local first=$T
    AS=()
    MKV=bash mkv_start bad -c 'trap "exit 3" TERM; echo up; while :; do sleep 0.1; done'
    within 2 logged bad up
    refute run_end "$T"

    test_begin
    hatch leaving bash -c 'setsid sleep 60 &'
    refute run_end "$T" 2>/dev/null
    within 2 gone leaving
    rm -rf "$T"

    test_begin
    touch "$T/tmp/left"
    refute run_end "$T"
    rm -rf "$T"

    test_begin
    hatch clean bash -c 'exit 0'
    run_end "$T"
    rm -rf "$T"
    T=$first
    rm -f "$T"/proc/bad.*
}

@test "a PostgreSQL server starts again with what it had, after a crash, too" {
    # shellcheck source=tests/support/postgres.bash
    . "$BATS_TEST_DIRNAME/../support/postgres.bash"
    postgres ~one -c max_connections=20
    postgres_database ~one blobs
    sql ~one blobs 'CREATE TABLE t AS SELECT 7 AS n' >/dev/null
    signal ~one QUIT
    await_end ~one
    postgres ~one
    same 7 "$("$PSQL" "$(postgres_uri ~one blobs)" -XAtq -c 'SELECT n FROM t')"
    same on "$(sql ~one blobs 'SHOW fsync')"
    postgres_database ~one blobs
    same '' "$(sql ~one blobs "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")"
    run_end "$T"
}

@test "a test that dies takes its processes with it" {
    bash -c 'exec "$0" $$ "$1" sleep 60' "$SUPPORT/hatch" "$T/proc/owned"
    within 3 test -e "$T/proc/owned.gone"
}

@test "ports differ, are free, and are leased as long as the owner lives" {
    local n ports
    for n in {1..20}; do
        port "p$n" >>"$T/ports"
    done
    same 20 "$(sort -u "$T/ports" | wc -l)"
    same "$(port p1)" "$(port p1)"
    closed "$(port p1)"
    fake p1 answer-200
    listening "$(port p1)"
}

@test "a fake volume misbehaves as told" {
    fake v answer-507
    want 507 PUT "$(url v)/x" --data-binary value
    want 204 DELETE "$(url v)/x"
    want 404 GET "$(url v)/x"
    healthy v
    logged fake-v '^PUT /x$'
    stop fake-v
    fake v close-before-answer
    http PUT "$(url v)/x" --data-binary value
    same 000 "$STATUS"
    stop fake-v
    fake v refuse
    closed "$(port v)"
}

@test "want, got and within fail when they should" {
    fake v answer-201
    refute want 200 PUT "$(url v)/x" --data-binary value 2>/dev/null
    refute want 20 PUT "$(url v)/x" --data-binary value 2>/dev/null
    refute got "$(url v)/x" value 2>/dev/null
    refute within 1 false 2>/dev/null
    refute same a b 2>/dev/null
    refute refute true 2>/dev/null
}

@test "a test that fails says where, with the functions on the way" {
    local each
    sed 's/^TEST/@test/' >"$T/failing.bats" <<END
load $BATS_TEST_DIRNAME/../support/lib
outer() { same 1 "\$1" it; }
TEST "in a function" {
    outer 1
    outer 2
    true
}
TEST "in the test" {
    same 1 1
    [[ 1 == 2 ]]
    true
}
END
    refute env -i PATH="${PATH#"$BATS_LIBEXEC:"}" MKV="$MKV" MKV_E2E_SUPPORT="$SUPPORT" TMPDIR="$T" bats "$T/failing.bats" >"$T/said"
    for each in "from function \`same' in file " "from function \`outer' in file .*, line 2" 'in test file .*, line 5)' \
        "it: wanted '1', got '2'" 'in test file .*, line 10)' "\`\[\[ 1 == 2 \]\]' failed"; do
        grep -q "^# .*$each" "$T/said" || fail "no '$each' in $(cat "$T/said")"
    done
}
