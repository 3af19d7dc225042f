#!/usr/bin/env bats
# barman-cloud keeps a PostgreSQL cluster by S3: its write-ahead log, and a base backup, of which the
# cluster is made again as it was later. (A start of barman takes seconds on a busy machine, and there is
# one for each file of the log.)

load ../support/lib
load ../support/s3
load ../support/s3_clients

before_each() {
    need_client barman-cloud-backup
    PG=$(compgen -G '/usr/lib/postgresql/*/bin' | sort -V | tail -n 1)
    need_client "$PG/postgres"
    clients_cluster
    clients_home
    as_admin s3_want 200 PUT /backups
    AS=()
    if ((UID == 0)); then
        AS=(setpriv --reuid 65534 --regid 65534 --clear-groups) # PostgreSQL doesn't run as root
    fi
    mkdir "$T/socket"
    as_postgres "$T/socket"
}

# Gives a directory to who runs PostgreSQL.
as_postgres() { # DIR
    if ((UID == 0)); then
        chown -R 65534:65534 "$1"
    fi
}

# Runs a program of barman-cloud.
barman() { # PROGRAM ARGUMENTS...
    local program=$1
    shift
    "barman-cloud-$program" --endpoint-url "$ENDPOINT" "$@"
}

# Starts PostgreSQL, and waits until it takes changes.
postgres_at() { # NAME OPTIONS...
    local name=$1
    shift
    hatch "$name" "${AS[@]}" "$PG/postgres" -D "$T/data/$name" -k "$T/socket" -c listen_addresses= -c fsync=off \
        -c shared_buffers=16MB -c max_wal_size=100MB "$@"
    within 90 logged "$name" 'database system is ready to accept connections'
}

psql_of_cluster() { # STATEMENT
    "$PG/psql" -h "$T/socket" -U postgres -d postgres -XAtq -v ON_ERROR_STOP=1 -c "$1"
}

archived() { # WAL
    [[ $(psql_of_cluster "SELECT last_archived_wal >= '$1' FROM pg_stat_archiver") == t ]]
}

@test "a cluster is archived, backed up, and restored as it was later" {
    mkdir "$T/data/first" "$T/data/second"
    as_postgres "$T/data/first"
    "${AS[@]}" "$PG/initdb" -D "$T/data/first" -U postgres -A trust -E UTF8 --no-locale --no-sync >/dev/null
    postgres_at first -c archive_mode=on \
        -c "archive_command=barman-cloud-wal-archive --endpoint-url $ENDPOINT --gzip s3://backups/of/this main %p"
    psql_of_cluster "CREATE TABLE t AS SELECT n, md5(n::text) || repeat('x', 100) AS v FROM generate_series(1, 50000) n"

    barman backup -h "$T/socket" -U postgres --immediate-checkpoint s3://backups/of/this main
    barman backup-list --format json s3://backups/of/this main >"$T/backups"
    same '1 DONE' "$(jq -r '"\(.backups_list | length) \(.backups_list[0].status)"' "$T/backups")"
    ID=$(jq -r '.backups_list[0].backup_id' "$T/backups")
    barman backup-show --format json s3://backups/of/this main "$ID" >"$T/backup"

    psql_of_cluster "UPDATE t SET v = 'changed' WHERE n % 3 = 0; DELETE FROM t WHERE n % 5 = 0"
    psql_of_cluster 'SELECT n, v FROM t ORDER BY n' >"$T/wanted"
    psql_of_cluster "SELECT pg_create_restore_point('here')" >/dev/null
    psql_of_cluster 'DROP TABLE t'
    WAL=$(psql_of_cluster 'SELECT pg_walfile_name(pg_switch_wal())')
    within 60 archived "$WAL"
    stop first INT

    barman restore s3://backups/of/this main "$ID" "$T/data/second"
    touch "$T/data/second/recovery.signal"
    as_postgres "$T/data/second"
    chmod 700 "$T/data/second"
    postgres_at second -c recovery_target_name=here -c recovery_target_action=promote -c recovery_target_timeline=current \
        -c "restore_command=barman-cloud-wal-restore --endpoint-url $ENDPOINT s3://backups/of/this main %f %p"
    psql_of_cluster 'SELECT n, v FROM t ORDER BY n' | cmp "$T/wanted"
    stop second INT
    verified

    barman backup-delete --backup-id "$ID" s3://backups/of/this main
    as_admin s3_want 200 GET '/backups?list-type=2'
    same '' "$(elements Key | grep /base/)" 'what is left of the backup'
}
