#!/usr/bin/env bash
# postgres.sh DIR [POSTGRES-OPTIONS...]
#
# Becomes a PostgreSQL server with its data in DIR/data, which it makes where it is missing, and a
# Unix socket in DIR: its superuser is postgres, who needs no password there. It is durable, and
# listens on no port unless an option says so. The cluster that a package runs is not touched.
#
# PostgreSQL doesn't run as root, so for root it is somebody else's, who gets DIR. Where
# MKV_POSTGRES_DIES is set, the server ends (a fast shutdown) with the process that started it.
# Exits 1 with a line where there is no PostgreSQL.
#
# initdb takes a second, a copy of what it made a tenth of that: so it runs once a machine.
set -euo pipefail

DIR=$1
shift
as=(setpriv)
if ((UID == 0)); then
    as+=(--reuid 65534 --regid 65534 --clear-groups)
    chown 65534:65534 "$DIR"
fi
mapfile -t found < <(compgen -G '/usr/lib/postgresql/*/bin/postgres' | sort -V)
if ((${#found[@]} == 0)); then
    echo "no /usr/lib/postgresql/*/bin/postgres: scripts/deps.sh --test installs it" >&2
    exit 1
fi
PG=$(dirname "${found[-1]}")
TEMPLATE=${MKV_POSTGRES_TEMPLATE:-/tmp/mkv-postgres.$UID}.$("$PG/postgres" -V | tr -dc 0-9.)

# Makes the template, unless another process does so first.
make_template() {
    local draft
    draft=$(mktemp -d "$TEMPLATE.XXXXXX")
    if ((UID == 0)); then
        chown 65534:65534 "$draft"
    fi
    "${as[@]}" "$PG/initdb" -D "$draft/data" -U postgres -A trust -E UTF8 --no-locale --no-sync --wal-segsize=4 >"$draft/log" ||
        { cat "$draft/log" >&2 && exit 1; }
    mv -T "$draft/data" "$TEMPLATE" 2>/dev/null || [[ -d $TEMPLATE ]]
    rm -rf "$draft"
}

if [[ ! -d $DIR/data ]]; then
    if [[ ! -d $TEMPLATE ]]; then
        make_template
    fi
    cp -a --reflink=auto "$TEMPLATE" "$DIR/data.new"
    mv "$DIR/data.new" "$DIR/data"
fi
if [[ -n ${MKV_POSTGRES_DIES:-} ]]; then
    as+=(--pdeathsig INT)
fi
cd /
exec "${as[@]}" "$PG/postgres" -D "$DIR/data" -k "$DIR" -c listen_addresses= -c shared_buffers=32MB \
    -c max_wal_size=256MB -c recovery_init_sync_method=syncfs "$@"
