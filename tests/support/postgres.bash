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

# Makes the database, unless it is there.
postgres_database() { # ~NAME DATABASE
    [[ -n $(sql "$1" postgres "SELECT 1 FROM pg_database WHERE datname = '$2'") ]] ||
        sql "$1" postgres "CREATE DATABASE \"$2\""
}
