#!/usr/bin/env bats
# Several indexes whose database is out of reach, for one or all of them, or fails what it is asked: what
# can't be known is a 503, nothing acknowledged is lost, and all is well soon after.

load ../support/lib
load ../support/postgres
load ../support/replicas
load ../support/namespaces
load ../support/several

PATIENCE=16 # seconds that an answer may take while the database is away

after_each() {
    if find_path port d; then
        remove_namespaces d
        for each in $INDEXES; do
            ended "$each" || stop "$each"
        done
        signal ~db INT # which else waits for clients that it can't reach
    fi
    if mountpoint -q "$T/data/small"; then
        if ! ended ~db; then
            stop ~db INT
        fi
        umount "$T/data/small"
    fi
}

# --- Cut off --------------------------------------------------------------------------------------

# Starts PostgreSQL in a namespace of its own, where i reaches it by the link, and others by its socket.
database_behind_link() {
    namespace d || skip "needs network namespaces and veth"
    mkdir -p "$T/data/~db"
    printf 'local all all trust\nhost all all 0.0.0.0/0 trust\n' >"$T/data/hba"
    hatch ~db ip netns exec "$(ns d)" "$BATS_TEST_DIRNAME/../support/postgres.sh" "$T/data/~db" \
        -c log_min_error_statement=panic -c listen_addresses="$(net d).2" -c hba_file="$T/data/hba"
    within 30 postgres_is_up ~db
    refute ended ~db
    postgres_database ~db mkv
}

# Makes requests at once, each of which is to be a 503 within the patience.
unknown() { # INDEX "METHOD PATH"...
    local base each n=0 answers
    base=$(url "$1")
    shift
    answers=$(for each; do
        ((n++ == 0)) || echo next
        printf 'no-progress-meter\ngloboff\nnoproxy = *\nmax-time = %d\noutput = /dev/null\n' $((PATIENCE * SLOW))
        printf 'write-out = "%%{http_code} %s\\n"\nurl = "%s%s"\n' "$each" "$base" "${each#* }"
        case $each in
            HEAD*) echo head ;;
            PUT*) printf 'request = PUT\ndata-binary = "1"\n' ;;
            *) echo "request = ${each%% *}" ;;
        esac
    done | curl -q --parallel --parallel-immediate -K -) || true
    same "$(printf '503 %s\n' "$@" | sort)" "$(sort <<<"$answers")" answers
}

finds() { # INDEX PATH VALUE
    http GET "$(url "$1")$2" -L
    [[ $STATUS == 200 ]] && printf %s "$3" | cmp -s - "$T/body"
}

@test "an index that is cut off from the database, not from the volumes, says 503 and never 404, and is right once healed" {
    local status
    need_namespaces
    database_behind_link
    URI="postgresql://postgres@$(net d).2/mkv"
    INDEXES=i several
    unset URI
    INDEXES='j k'
    one_index j
    one_index k
    put "$(url i)/stays" 1
    put "$(url i)/goes" 1
    put "$(url j)/changes" 1
    value large 300000
    put_begin i-direct /half "$T/large" 200000
    within 5 received_by "$COPIES"
    cut_link d
    unknown i 'GET /stays' 'GET /missing' 'HEAD /stays' 'DELETE /stays' 'UNLINK /stays' 'PUT /new'
    unknown i 'GET /?list' # when the index knows it; else it would begin, and be cut off
    put_end "$T/large" 200000
    status=$STATUS
    same 503 "$status"
    # Others go on.
    want 204 DELETE "$(url j)/goes"
    want 204 DELETE "$(url j)/changes"
    put "$(url k)/changes" 2
    put "$(url k)/half" 2
    mend_link d
    within 10 finds i /stays 1
    want 404 GET "$(url i)/goes"
    want 404 GET "$(url i)/new"
    got "$(url i)/changes" 2
    got "$(url i)/half" 2
    within 10 takes_puts i
    INDEXES='i j k'
    all_is_tidy
}

# Whether so many commits of the index whose admin port is a have come to nothing.
have_failed() { # COMMITS
    (($(curl -q -s --noproxy '*' "$(url a)/metrics" | sed -n 's/^mkv_store_commit_failures_total //p') >= $1))
}

no_orphan_of() { # KEY
    [[ $(db "SELECT count(*) FROM orphans WHERE key = '$1'") == 0 ]]
}

@test "what an index wrote while it was cut off, after others had forgotten what it announced, is removed in the end" {
    need_namespaces
    database_behind_link
    URI="postgresql://postgres@$(net d).2/mkv"
    INDEXES=i several --admin "$(port a)"
    unset URI
    INDEXES='j k'
    one_index j
    one_index k
    value large 300000
    put_begin i-direct /half "$T/large" 200000
    within 5 received_by "$COPIES"
    cut_link d
    within $((LEASE + GRACE + 20)) no_orphan_of /half
    put_end "$T/large" 200000
    same 503 "$STATUS"
    # The change that was to say what is left has been given up, too.
    within $((PATIENCE + 10)) have_failed 2
    (($(for each in $VOLUMES; do blobs "$each"; done | wc -l) == COPIES)) || fail 'nothing was written'
    mend_link d
    INDEXES='i j k'
    all_is_tidy
}

@test "an index ends within its drain timeout though the database is away, and what it was writing is nothing" {
    local start_ms
    database
    several --drain-timeout 3
    put "$(url j)/before" 1
    value large 300000
    put_begin i-direct /half "$T/large" 200000
    within 5 received_by "$COPIES"
    db 'SELECT pg_switch_wal()' >/dev/null # brings the announcement to disk, which may take a moment else
    crash ~db
    tail -c +200001 "$T/large" >&7
    start_ms=$(now_ms)
    stop i
    (($(now_ms) - start_ms < 5000 * SLOW)) || fail "it took $(($(now_ms) - start_ms)) ms"
    answer 7 || true
    exec 7>&-
    [[ $STATUS =~ ^(000|503)$ ]] || fail "status $STATUS"
    stop k
    start_postgres
    one_index i
    one_index k
    within 10 finds j /before 1
    for each in $INDEXES; do
        got "$(url "$each")/before" 1
        want 404 GET "$(url "$each")/half"
    done
    all_is_tidy
}

# --- Cut in the middle ----------------------------------------------------------------------------

@test "connections that are cut between a commit and its answer: what is told is what was done" {
    database
    hatch cutter "$SUPPORT/pgcut" "$(postgres_uri ~db mkv)"
    within 5 logged cutter '^via '
    URI=$(sed -n 's/^via //p' "$(log_of cutter)")
    several
    clients_begin
    signal cutter USR1
    load_until=$(($(now_ms) + LOAD_SECONDS * 2000))
    within $((LOAD_SECONDS * 2 + 10)) is_over
    signal cutter USR2
    clients_end
    for each in $INDEXES; do
        stop "$each"
    done
    stop cutter
    grep -E '^cut [1-9][0-9]' "$(log_of cutter)"
}

# --- What the database refuses --------------------------------------------------------------------

@test "an index whose database stays away says why it does, and not only how that began" {
    database
    volume v1
    index i v1 --store "$(postgres_uri ~db mkv)"
    sql ~db postgres 'DROP DATABASE mkv WITH (FORCE)'
    within 25 logged i 'error mkv: the database .* can.t be reached: .*database "mkv" does not exist'
}

@test "an index whose sessions and lease somebody has removed makes new ones" {
    local what
    database
    volume v1
    index i v1 --store "$(postgres_uri ~db mkv)"
    put "$(url i)/key" value
    for what in 'DELETE FROM sessions' 'UPDATE sessions SET token = token + 1000' 'DELETE FROM indexes'; do
        db "$what"
        within 10 takes_puts i
    done
    got "$(url i)/key" value
}

@test "an index that the database has too few connections for says so, reads, and takes PUTs once there are more" {
    database -c max_connections=12 -c superuser_reserved_connections=0
    volume v1
    index i v1 --store "$(postgres_uri ~db mkv)"
    put "$(url i)/key" value
    index j v1 --store "$(postgres_uri ~db mkv)" --admin "$(at admin)" # eight connections want more than four
    within 20 logged j 'error mkv: the database .* can only be read: .*too many clients already'
    "$MKV" status --index "$T/data/j" >"$T/status"
    grep -qF 'The database can only be read: all changes are refused.' "$T/status"
    got "$(url j)/key" value
    want 200 GET "$(url admin)/readyz"
    stop i
    within 20 takes_puts j
    within 5 logged j 'the database .* can be changed again'
    "$MKV" status --index "$T/data/j" >"$T/status"
    refute grep -qF 'The database can' "$T/status"
}

@test "an index stays ready where the database refuses one change, and tells of it until it takes another" {
    database
    volume v1
    index i v1 --store "$(postgres_uri ~db mkv)" --admin "$(at admin)"
    db "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \$\$
        BEGIN
            IF NEW.key = '/odd'::bytea THEN RAISE EXCEPTION 'not this one'; END IF;
            RETURN NEW;
        END \$\$;
        CREATE TRIGGER refuse BEFORE INSERT ON orphans FOR EACH ROW EXECUTE FUNCTION refuse()"
    want 503 PUT "$(url i)/odd" -d value
    within 5 logged i 'the database refuses a change: not this one'
    want 200 GET "$(url admin)/readyz"
    "$MKV" status --index "$T/data/i" | grep -F 'The database refuses changes: i/o error.'
    put "$(url i)/other" value
    "$MKV" status --index "$T/data/i" >"$T/status"
    refute grep -qF 'The database refuses' "$T/status"
}

many_were_undone() {
    (($(db "SELECT xact_rollback FROM pg_stat_database WHERE datname = 'mkv'") > 200))
}

@test "failures of serialization and deadlocks, at random, are nothing that clients see" {
    database
    several
    db "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS \$\$
        BEGIN
            IF random() < 0.1 THEN RAISE EXCEPTION 'not now' USING ERRCODE = '40001'; END IF;
            IF random() < 0.1 THEN RAISE EXCEPTION 'not so' USING ERRCODE = '40P01'; END IF;
            RETURN NULL;
        END \$\$;
        CREATE TRIGGER fail AFTER INSERT OR UPDATE OR DELETE ON keys FOR EACH STATEMENT EXECUTE FUNCTION fail();
        CREATE TRIGGER fail AFTER INSERT OR UPDATE OR DELETE ON orphans FOR EACH STATEMENT EXECUTE FUNCTION fail()"
    clients_begin
    within $((LOAD_SECONDS + 10)) is_over
    clients_end
    # (A REBALANCE is refused once in a while, where this index still removes what the last one has left.)
    grep -E '^ops .* refused [0-3] lost 0 ' "$(log_of model)" || fail 'clients have seen it'
    within 10 many_were_undone
}

@test "a full tablespace refuses PUTs, not reads, and PUTs are taken again once there is room" {
    local n=0
    need_root
    mkdir "$T/data/small"
    mount -t tmpfs -o size=24m mkv-e2e "$T/data/small" || skip "can't mount"
    mkdir "$T/data/small/space"
    database
    chown --reference="$T/data/~db/data" "$T/data/small" "$T/data/small/space"
    several
    sql ~db mkv "CREATE TABLESPACE small LOCATION '$T/data/small/space'"
    for each in keys orphans; do
        db "ALTER TABLE $each SET TABLESPACE small"
        db "ALTER INDEX ${each}_pkey SET TABLESPACE small"
    done
    put "$(url i)/before" 1
    db "CREATE TABLE filler (bytes bytea) TABLESPACE small"
    # All of it but what fits into the pages that there are.
    while db "INSERT INTO filler SELECT sha512(random()::text::bytea) FROM generate_series(1, 1000)" 2>/dev/null; do
        n=$((n + 1))
        ((n < 1000)) || fail 'it is never full'
    done
    is_refused() {
        n=$((n + 1))
        http PUT "$(url i)/$(printf '%0900d' $n)" --data-binary 1
        [[ $STATUS != 201 ]]
    }
    within 20 is_refused
    [[ $STATUS =~ ^50[37]$ ]] || fail "status $STATUS"
    want 404 GET "$(url i)/$(printf '%0900d' $n)"
    for each in $INDEXES; do
        got "$(url "$each")/before" 1
        got "$(url "$each")/$(printf '%0900d' $((n - 1)))" 1
        list "$(url "$each")/?list&limit=10"
    done
    db "DROP TABLE filler"
    for each in $INDEXES; do
        within 10 takes_puts "$each"
    done
    got "$(url i)/before" 1
    all_is_tidy
}
