#!/usr/bin/env bash
# Measures what the README claims, on a cluster of its own, and prints ratios of one run: machines
# are noisy, so each number stands next to the one that it is compared with.
#
#     scripts/bench.sh [--seconds N]     each measurement takes N seconds (5), three times
#
# Needs wrk, which `scripts/deps.sh --test` installs. Its data and ports are temporary.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/cluster.sh
source "$root/scripts/cluster.sh"
seconds=5
[ "${1-}" = --seconds ] && seconds=${2:?}

"$root/scripts/deps.sh" --test
dir=$(mktemp -d /var/tmp/mkv-bench-XXXXXX)
chmod 755 "$dir"
pids=()

finish()
{
    local cluster
    for cluster in cluster unsynced; do
        "$root/scripts/teardown.sh" --dir "$dir/$cluster" >/dev/null || true
    done
    [ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true
    wait
    rm -rf "$dir"
}
trap finish EXIT
trap 'exit 1' INT TERM

# The nginx that answers "return 404" as fast as it can.
start_nginx()
{
    mkdir "$dir/nginx"
    cat >"$dir/nginx.conf" <<CONF
daemon off;
pid nginx.pid;
worker_processes auto;
error_log stderr warn;
events { worker_connections 1024; }
http {
    access_log off;
    keepalive_requests 1000000;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server { listen 127.0.0.1:$1; return 404; }
}
CONF
    PATH=$PATH:/usr/sbin nginx -e stderr -c "$dir/nginx.conf" -p "$dir/nginx/" &
    pids+=($!)
}

rate() # URL: requests per second of one measurement
{
    wrk -t2 -c100 -d"${seconds}s" "$1" | awk '/Requests\/sec/ { print int($2) }'
}

# put_rate URL CONNECTIONS: 1 KiB values stored per second, each under a key of its own.
put_rate()
{
    local threads=2
    [ "$2" -ge 2 ] || threads=1
    PUTS=$(date +%s%N) wrk -t$threads -c"$2" -d"${seconds}s" -s "$dir/put.lua" "$1" | awk '
        /Requests\/sec/ { print int($2) }
        /Non-2xx/ { print "bench.sh: PUTs failed: " $0 > "/dev/stderr"; exit 1 }'
}

write_put_script()
{
    cat >"$dir/put.lua" <<'LUA'
local threads = 0
function setup(thread)
    thread:set("id", threads)
    threads = threads + 1
end
function init()
    n = 0
    prefix = "/put/" .. os.getenv("PUTS") .. "/" .. id .. "/"
    value = string.rep("x", 1024)
end
function request()
    n = n + 1
    return wrk.format("PUT", prefix .. n, nil, value)
end
LUA
}

# median: of "RATE BASE" lines, named $1.
median()
{
    awk -v name="$1" '
        { r[NR] = $1 / $2; mine[NR] = $1; base[NR] = $2 }
        END {
            for (i = 1; i <= NR; i++) for (j = i + 1; j <= NR; j++) if (r[j] < r[i]) {
                t = r[i]; r[i] = r[j]; r[j] = t
            }
            m = int((NR + 1) / 2)
            printf "%-32s %.2f x  (%.2f to %.2f; about %d next to %d requests/s)\n",
                name, r[m], r[1], r[NR], mine[m], base[m]
        }'
}

# ratio NAME URL BASE-URL: three measurements of each, in turns, and the median of their ratios.
ratio()
{
    local mine base

    for _ in 1 2 3; do
        base=$(rate "$3")
        mine=$(rate "$2")
        echo "$mine $base"
    done | sort -k1n | median "$1"
}

# put_ratio NAME CONNECTIONS URL BASE-URL: likewise, of PUTs.
put_ratio()
{
    local base mine i

    for ((i = 0; i < 3; i++)); do
        base=$(put_rate "$4" "$2")
        mine=$(put_rate "$3" "$2")
        echo "$mine $base"
    done | sort -k1n | median "$1"
}

bring_up() # DIR PORT [OPTIONS of mkv index...]
{
    "$root/scripts/bringup.sh" --detach --port "$2" --dir "$dir/$1" -- "${@:3}" >"$dir/$1.log" 2>&1 || {
        cat "$dir/$1.log" >&2
        exit 1
    }
}

# The first of ten ports in a row that nobody listens on.
free_ports()
{
    local first p

    while true; do
        first=$((20000 + RANDOM % 10000))
        for ((p = first; p < first + 10; p++)); do
            if listens 127.0.0.1 "$p"; then
                continue 2
            fi
        done
        echo "$first"
        return
    done
}

main()
{
    local port
    port=$(free_ports)
    local front=http://127.0.0.1:$port direct=http://127.0.0.1:$((port + 8)) plain=http://127.0.0.1:$((port + 9))
    local unsynced=http://127.0.0.1:$((port + 4))

    start_nginx $((port + 9))
    write_put_script
    bring_up cluster "$port" --direct "127.0.0.1:$((port + 8))"
    bring_up unsynced $((port + 4)) --no-sync
    curl -sS -f -X PUT -d bigswag "$front/present"
    echo "wrk -t2 -c100, next to an nginx that answers 'return 404':"
    ratio "  missing key, --direct" "$direct/missing" "$plain/x"
    ratio "  missing key, front" "$front/missing" "$plain/x"
    ratio "  present key (302), --direct" "$direct/present" "$plain/x"
    ratio "  present key (302), front" "$front/present" "$plain/x"
    echo
    echo "PUTs of 1 KiB through the front, next to those with --no-sync:"
    put_ratio "  1 client" 1 "$front" "$unsynced"
    put_ratio "  64 clients" 64 "$front" "$unsynced"
    echo
    "$root/build/release/thrasher" --url "$front" --clients 16 --count 10000
}

main
