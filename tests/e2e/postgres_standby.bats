#!/usr/bin/env bats
# Several indexes on a PostgreSQL with a synchronous standby: what a client was told outlives the primary,
# and nobody is told anything that the standby doesn't have.

load ../support/lib
load ../support/postgres
load ../support/replicas
load ../support/several

# The primary is ~db, the standby ~db2; mkv knows both.
pair() {
    database
    mkdir "$T/data/~db2"
    chown --reference="$T/data/~db" "$T/data/~db2"
    # (As the user who has the primary's files.)
    as_postgres "$(dirname "$PSQL")/pg_basebackup" -h "$T/data/~db" -U postgres -D "$T/data/~db2/data" -c fast -R --no-sync
    start_standby async
    sql ~db postgres "ALTER SYSTEM SET synchronous_standby_names = '*'"
    sql ~db postgres 'SELECT pg_reload_conf()'
    within 10 streams sync
    URI="postgresql://postgres@/mkv?host=$T/data/~db,$T/data/~db2"
}

as_postgres() { # COMMAND...
    if ((UID == 0)); then
        setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
    else
        "$@"
    fi
}

start_standby() { # STATE
    postgres ~db2 -c log_min_error_statement=panic -c log_min_messages=log -c wal_retrieve_retry_interval=100ms
    within 10 streams "$1"
}

streams() { # sync|async
    [[ $(sql ~db postgres "SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'") == "$1" ]]
}

# --- Promotion ------------------------------------------------------------------------------------

@test "the standby is promoted under load when the primary is killed: nothing that was acknowledged is lost" {
    pair
    several
    clients_begin
    within $((LOAD_SECONDS + 10)) is_over
    crash ~db
    sql ~db2 postgres 'SELECT pg_promote()'
    mv "$T/data/~db" "$T/data/~was" # which never comes back as it was
    db() { # STATEMENT
        sql ~db2 mkv "SET search_path = mkv; $1"
    }
    let_pass 1000
    clients_end
}

# --- No standby -----------------------------------------------------------------------------------

# Ends the waits for a standby, as somebody does who wonders why all stands still. Prints how many.
cancel_waits() {
    sql ~db postgres "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
}

# Whether the primary has it, as it does once a wait was cancelled; and what waited after that was, too.
is_there_alone() { # KEY
    CANCELLED=$((CANCELLED + $(cancel_waits)))
    ((CANCELLED >= 6)) && [[ $(db "SELECT count(*) FROM keys WHERE key = '$1'") == 1 ]]
}

@test "a PUT is not acknowledged before the standby has it, though waits for that are cancelled" {
    local answer CANCELLED=0
    pair
    several
    put "$(url i)/before" 1
    stop ~db2 INT
    hatch put curl -q -s --noproxy '*' -m $((60 * SLOW)) -o /dev/null -w '%{http_code}\n' -X PUT --data-binary 1 "$(url i-direct)/waits"
    within 30 is_there_alone /waits
    refute logged put '^20'
    start_standby sync
    await_end put $((60 * SLOW))
    answer=$(tail -n 1 "$(log_of put)")
    echo "answer $answer, $CANCELLED waits cancelled"
    [[ $answer =~ ^(201|503)$ ]] || fail "answer $answer"
    within 20 takes_puts i
    for each in $INDEXES; do
        if [[ $answer == 201 ]]; then
            got "$(url "$each")/waits" 1
        else
            want 404 GET "$(url "$each")/waits"
        fi
        got "$(url "$each")/before" 1
    done
    all_is_tidy
}
