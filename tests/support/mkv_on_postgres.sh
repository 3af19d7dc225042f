#!/usr/bin/env bash
# mkv_on_postgres.sh COMMAND [ARGUMENTS...]
#
# Becomes mkv (MKV_PROGRAM). Where mkv would open a table in an index's directory, it gets a --store
# instead: a database on the server ~store of the file's run ($F), which is new when the directory is.
set -euo pipefail

STORE=$F/data/~store
PSQL=$(compgen -G '/usr/lib/postgresql/*/bin/psql' | sort -V | tail -n 1)

sql() { # DATABASE STATEMENT
    "$PSQL" -h "$STORE" -U postgres -d "$1" -XAtq -v ON_ERROR_STOP=1 -c "$2"
}

# Prints the value of an option, or whether it is there: 1 or 0.
value_of() { # OPTION DEFAULT
    local i value=$2
    for ((i = 1; i < ${#GIVEN[@]}; i++)); do
        if [[ ${GIVEN[i]} == "$1" ]]; then
            value=$([[ $2 == 0 ]] && echo 1 || echo "${GIVEN[i + 1]-}")
        fi
    done
    echo "$value"
}

has_database() {
    [[ (-z $DIRECTORY || -d $DIRECTORY) && $(sql postgres "SELECT count(*) FROM pg_database WHERE datname = '$DATABASE'") == 1 ]]
}

# Makes the database where the index's directory is new, with nothing in it.
prepare_database() {
    if has_database; then
        return
    fi
    sql postgres "DROP DATABASE IF EXISTS \"$DATABASE\"" 2>/dev/null
    sql postgres "CREATE DATABASE \"$DATABASE\""
    if [[ ${GIVEN[0]} == restore && -n $DIRECTORY ]]; then
        mkdir -p "$DIRECTORY"
    fi
}

# What all indexes of a database share is changed as mkv-operations(7) says, for this is the only one.
share_settings() {
    local no_md5
    no_md5=$(value_of --no-md5 0)
    sql "$DATABASE" "UPDATE mkv.settings SET value = new.value FROM (VALUES
        ('replicas', '$(value_of --replicas 1)'), ('subvolumes', '$(value_of --subvolumes 1)'),
        ('protect', '$(value_of --protect 0)'), ('md5', '$((1 - no_md5))')) AS new (name, value)
        WHERE settings.name = new.name AND settings.value <> new.value"
}

case ${1-} in
    dump | index | rebuild | restore) ;;
    *) exec "$MKV_PROGRAM" "$@" ;;
esac
if [[ " $* " == *' --store '* ]]; then
    exec "$MKV_PROGRAM" "$@"
fi
GIVEN=("$@")
DIRECTORY=$(value_of --index '')
DATABASE=$(md5sum <<<"${DIRECTORY:-$*}")
DATABASE=${DATABASE%% *}
if [[ $1 != dump ]]; then
    prepare_database
elif [[ -e $DIRECTORY/settings ]] || ! has_database; then
    exec "$MKV_PROGRAM" "$@" # of an index that has run it knows where the keys are
fi
if [[ $1 == index && -e $DIRECTORY/settings && " $* " != *' --config '* ]]; then
    share_settings
fi
exec "$MKV_PROGRAM" "$1" --store "postgresql://postgres@/$DATABASE?host=$STORE" "${@:2}"
