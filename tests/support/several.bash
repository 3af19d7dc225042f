# shellcheck shell=bash
# What the .bats files about several indexes on one database load behind lib, replicas and postgres: the
# database mkv of the server ~db, the volumes, and the indexes i, j and k (whose volumes' states, for
# helpers that know one index, are those that i sees).
#
# MKV_TEST_LONG makes the load minutes; MKV_INDEXES_SECONDS and MKV_INDEXES_SEED set what they say.

VOLUMES='v1 v2 v3'
COPIES=2
INDEXES='i j k'
CLIENTS=${MKV_INDEXES_CLIENTS:-24}
LEASE=10 # seconds
GRACE=1
SEED=${MKV_INDEXES_SEED:-$RANDOM$RANDOM}
LOAD_SECONDS=${MKV_INDEXES_SECONDS:-${LONG:+120}}
LOAD_SECONDS=${LOAD_SECONDS:-5}

# Starts the server, or starts it again. (Conflicts are errors to it: division by zero.)
start_postgres() { # [POSTGRES-OPTIONS...]
    postgres ~db -c log_min_error_statement=panic -c log_min_messages=log "$@"
}

database() { # [POSTGRES-OPTIONS...]
    start_postgres "$@"
    postgres_database ~db mkv
}

# The database of all indexes.
db() { # STATEMENT
    sql ~db mkv "SET search_path = mkv; $1"
}

# Starts an index, or starts it again; where S3 is set, it speaks that at the port of NAME-s3. (Parts whose
# upload is gone, as one that was killed leaves them, are looked for eight times in the expiry.)
one_index() { # NAME [OPTIONS...]
    local name=$1
    shift
    if [[ -n ${S3:-} ]]; then
        set -- --s3 "$(at "$name-s3")" --s3-upload-expiry 40s "$@"
    fi
    index "$name" "$VOLUMES" --replicas $COPIES --grace $GRACE --store "${URI:-$(postgres_uri ~db mkv)}" "$@"
}

several() { # [INDEX-OPTIONS...]
    local each
    for each in $VOLUMES; do
        volume "$each"
    done
    for each in $INDEXES; do
        one_index "$each" "$@"
    done
}

# Prints one of them.
any_index() {
    local all
    read -ra all <<<"$INDEXES"
    echo "${all[RANDOM % ${#all[@]}]}"
}

# Whether it takes a PUT.
takes_puts() { # INDEX
    http PUT "$(url "$1")/takes/puts/$(now_ms)" --data-binary value
    [[ $STATUS == 201 ]]
}

# --- Load -----------------------------------------------------------------------------------------

ports() { # SUFFIX: of all indexes, with commas between
    local each
    for each in $INDEXES; do
        port "$each$1"
    done | paste -sd,
}

clients_begin() { # starts clients (../model/modelclient.c) on random indexes
    load_begin "$SUPPORT/modelclient" "$(ports -direct)" "$(ports '')" "$CLIENTS" 8 8 $COPIES "$SEED" "$T/stop" "$T/go"
}

s3_clients_begin() { # KEYS: starts clients of S3 (../model/s3client.c) on random indexes
    load_begin "$SUPPORT/s3client" "$(ports -s3)" "$CLIENTS" "$1" "$SEED" "$T/stop"
}

load_begin() { # COMMAND...: starts the clients
    echo "seed $SEED, $CLIENTS clients, $LOAD_SECONDS s"
    RANDOM=$((SEED % 32768))
    hatch model "$@"
    let_pass 300
    load_until=$(($(now_ms) + LOAD_SECONDS * 1000))
}

is_over() {
    (($(now_ms) > load_until))
}

progress() {
    local last
    last=$(grep -E '^ops [0-9]+$' "$(log_of model)" | tail -n 1)
    last=${last#ops }
    echo "${last:-0}"
}

progressed_to() { # OPS
    (($(progress) >= $1)) || ended model
}

# Lets the clients do so much more.
let_pass() { # OPS
    within 40 progressed_to $(($(progress) + $1)) || fail "the clients make no progress"
}

clients_wait() {
    logged model '^waiting' || ended model
}

every_index_is_well() {
    local each volume
    for each in $INDEXES; do
        healthy "$each" || return 1
        for volume in $VOLUMES; do
            sees "$each" "$volume" up || return 1
        done
    done
}

no_answer_was_wrong() {
    await_end model 60
    grep -v '^ops [0-9]*$' "$(log_of model)" || true
    same 0 "$RC" 'exit status of the clients'
}

# Ends the load: no answer was wrong, no key is lost, and nothing is left of what failed.
clients_end() {
    local end present unlinked each
    touch "$T/stop"
    within 70 clients_wait
    within 20 every_index_is_well
    touch "$T/go"
    no_answer_was_wrong
    all_is_tidy
    end=$(grep '^end:' "$(log_of model)")
    read -r _ _ present _ unlinked _ <<<"$end"
    for each in $INDEXES; do
        same "$present" "$(pages "$(url "$each")/?list" 1000 | wc -l)" "keys listed by $each"
        same "$unlinked" "$(pages "$(url "$each")/?unlinked" 1000 | wc -l)" "unlinked keys listed by $each"
    done
    ((present > 0)) || fail 'no key at the end'
}

# The same of clients of S3. Uploads that they gave up are aborted first, unless they expire.
s3_clients_end() {
    local present each
    touch "$T/stop"
    within 20 every_index_is_well
    no_answer_was_wrong
    abort_uploads history
    all_is_tidy
    present=$(sed -n 's/^end: present \([0-9]*\) .*/\1/p' "$(log_of model)")
    for each in $INDEXES; do
        same "$present" "$(pages "$(url "$each")/history/?list" 1000 | wc -l)" "keys listed by $each"
    done
}

abort_uploads() { # BUCKET
    local key id
    want 200 GET "$(url i-s3)/$1?uploads"
    while read -r key id; do
        want '204|404' DELETE "$(url "$(any_index)-s3")/$1/$key?uploadId=$id"
    done < <(sed 's|</Upload>|\n|g' "$T/body" | sed -n 's|.*<Key>\(.*\)</Key>.*<UploadId>\(.*\)</UploadId>.*|\1 \2|p')
}

# Prints what an index marks its orphans with.
instance() { # INDEX
    db "SELECT instance FROM indexes WHERE name LIKE '%/data/$1' ORDER BY renewed DESC LIMIT 1"
}

owns_nothing() { # INSTANCE
    same 0 "$(db "SELECT count(*) FROM orphans WHERE owner = $1")" orphans
}

# --- The end --------------------------------------------------------------------------------------

# Each orphan is some living index's. (There may be some for long: they keep the times of blobs that are
# gone from being used again.)
orphans_are_owned() {
    same 0 "$(db "SELECT count(*) FROM orphans WHERE owner NOT IN (SELECT instance FROM indexes
        WHERE renewed > now() - interval '$LEASE seconds')")" 'orphans of nobody'
}

# Each key has its copies, no volume has anything else, and no orphan is nobody's.
all_is_tidy() {
    within $((LEASE + GRACE + 15)) quietly only_copies || fail "$QUIET"
    within $((LEASE + 10)) quietly orphans_are_owned || fail "$QUIET"
    within 20 verified || fail "$(cat "$T/verified")"
}

# What the command prints of a failure is seen at the end alone.
quietly() { # COMMAND...
    "$@" 2>"$T/quiet" || { QUIET=$(cat "$T/quiet") && return 1; }
}

verified() {
    local each
    for each in $INDEXES; do
        "$MKV" verify --index "$(lookup data "$each")" >"$T/verified" 2>&1 && return
    done
    return 1
}
