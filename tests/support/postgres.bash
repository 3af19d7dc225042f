# shellcheck shell=bash
# PostgreSQL for tests: servers of one run, which end after all that uses them.
#
# A server's name begins with a ~, so that run_end() ends it last: it waits for its clients to leave.

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

# Prints the URI of the database of an index, whose arguments these are: one that is new where its
# directory is, and the same one after a restart.
store_of() { # MKV-ARGUMENTS...
    local before='' each dir='' database
    for each; do
        if [[ $before == --index ]]; then
            dir=$each
        fi
        before=$each
    done
    database=$(md5sum <<<"${dir:-no directory}")
    database=${database%% *}
    if [[ ! -e $dir/lock ]]; then
        postgres_database ~store "$database"
    fi
    postgres_uri ~store "$database"
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
