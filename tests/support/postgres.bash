# shellcheck shell=bash
# PostgreSQL for tests: servers of one run, which end after all that uses them.
#
# A server's name begins with a ~, so that run_end() ends it last, after its clients.

PSQL=$(compgen -G '/usr/lib/postgresql/*/bin/psql' | sort -V | tail -n 1)

# Starts a server, or starts it again, and waits until it takes changes.
postgres() { # ~NAME [POSTGRES-OPTIONS...]
    local name=$1 dir=$RUN/data/$1
    shift
    mkdir -p "$dir"
    if find_path proc "$name.log"; then
        : >"$FOUND_AT" # what it says of its start, it says again
    fi
    hatch "$name" "${BASH_SOURCE[0]%.bash}.sh" "$dir" "$@"
    within 30 postgres_is_up "$name" && refute ended "$name"
}

postgres_is_up() { # ~NAME
    ended "$1" || logged "$1" 'database system is ready to accept( read-only)? connections'
}

# Prints the URI of a database.
postgres_uri() { # ~NAME DATABASE
    echo "postgresql://postgres@/$2?host=$(lookup data "$1")"
}

# Runs a statement, and prints its rows, with | between the columns.
sql() { # ~NAME DATABASE STATEMENT
    "$PSQL" -h "$(lookup data "$1")" -U postgres -d "$2" -XAtq -v ON_ERROR_STOP=1 -c "$3"
}

# Makes the database, an empty one if it was there.
postgres_database() { # ~NAME DATABASE
    sql "$1" postgres "DROP DATABASE IF EXISTS \"$2\"" 2>/dev/null && sql "$1" postgres "CREATE DATABASE \"$2\""
}

# Runs a statement in the database of the index in a directory (mkv_on_postgres.sh).
store_sql() { # INDEX-DIR STATEMENT
    local database
    database=$(md5sum <<<"$1")
    sql ~store "${database%% *}" "$2"
}

# Whether the indexes that had a database here made use of them: at least one did.
store_was_used() {
    local database databases
    mapfile -t databases < <(sql ~store postgres "SELECT datname FROM pg_database WHERE datname ~ '^[0-9a-f]{32}\$'")
    for database in "${databases[@]}"; do
        if [[ $(sql ~store "$database" 'SELECT count(*) FROM pg_stat_user_tables') -gt 0 ]]; then
            return 0
        fi
    done
    ((${#databases[@]} == 0)) || fail 'no index used its database'
}
