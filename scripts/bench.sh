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
    for cluster in cluster unsynced triple; do
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

bring_up() # DIR VOLUMES PORT [OPTIONS of mkv index...]
{
    "$root/scripts/bringup.sh" --detach --volumes "$2" --port "$3" --dir "$dir/$1" -- "${@:4}" >"$dir/$1.log" 2>&1 || {
        cat "$dir/$1.log" >&2
        exit 1
    }
}

now()
{
    date +%s.%N
}

# Seconds for 1 GiB to each of three volumes at once, and on their disks.
three_direct() # FIRST-PORT NAME
{
    local port start pids=()
    start=$(now)
    for port in "$1" $(($1 + 1)) $(($1 + 2)); do
        {
            curl -sS -f -T "$dir/gib" "http://localhost:$port/be/be/$2" &&
                curl -sS -f -X POST -d "/be/be/$2" "http://localhost:$port/_mkv/sync"
        } &
        pids+=($!)
    done
    wait "${pids[@]}"
    echo "$(now) $start" | awk '{ print $1 - $2 }'
}

one_put() # URL: seconds for 1 GiB
{
    curl -sS -f -o /dev/null -T "$dir/gib" -w '%{time_total}\n' "$1"
}

# The most memory that a process and its children ever had, in MiB.
peak_mib() # PID
{
    local pid sum=0
    for pid in "$1" $(pgrep -P "$1") $(pgrep -P "$(pgrep -P "$1" | head -n 1)"); do
        sum=$((sum + $(awk '/VmHWM/ { print $2 }' "/proc/$pid/status")))
    done
    echo $((sum / 1024))
}

bench_gib() # PORT of an index with --replicas 3
{
    local i
    head -c 1G /dev/zero | openssl enc -aes-128-ctr -pass pass:bench -nosalt 2>/dev/null >"$dir/gib"
    for i in 1 2 3; do
        echo "$(one_put "http://127.0.0.1:$1/gib$i") $(three_direct $(($1 + 1)) "gib$i")"
        curl -sS -f -X DELETE "http://127.0.0.1:$1/gib$i"
        for ((p = $1 + 1; p <= $1 + 3; p++)); do
            curl -sS -f -X DELETE "http://localhost:$p/be/be/gib$i"
        done
    done | awk '{ printf "  1 GiB, 3 copies                 %.2f x  (%.1f s next to %.1f s)\n", $1 / $2, $1, $2 }'
    rm "$dir/gib"
    echo "  memory of index and front        $(peak_mib "$(cut -d' ' -f1 "$dir/triple/run/index.pid")") MiB at most"
}

thrash() # URL: operations per second
{
    "$root/build/release/thrasher" --url "$1" --clients 16 --count 5000 | tee -a "$dir/thrash.log" |
        sed -n 's/.*: \([0-9]*\) operations.*/\1/p'
}

bench_thrashers() # NAME URL BASE-URL
{
    local i base
    for i in 1 2 3; do
        base=$(thrash "$3")
        echo "$(thrash "$2") $base"
    done | median "$1"
}

# The first of twenty ports in a row that nobody listens on.
free_ports()
{
    local first p

    while true; do
        first=$((20000 + RANDOM % 10000))
        for ((p = first; p < first + 20; p++)); do
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
    local unsynced=http://127.0.0.1:$((port + 4)) triple=http://127.0.0.1:$((port + 10))

    start_nginx $((port + 9))
    write_put_script
    bring_up cluster 3 "$port" --direct "127.0.0.1:$((port + 8))"
    bring_up unsynced 3 $((port + 4)) --no-sync
    bring_up triple 4 $((port + 10)) --replicas 3
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
    echo "--replicas 3, next to three PUTs to volumes, and to --replicas 1:"
    bench_gib $((port + 10))
    bench_thrashers "  thrasher, 16 clients" "$triple" "$front"
    local before after
    before=$(put_rate "$triple" 1)
    kill -9 "$(cut -d' ' -f1 "$dir/triple/run/volume1.pid")"
    wait_until 10 sh -c "'$root/build/release/mkv' status --index '$dir/triple/index' | grep -q ' down'"
    after=$(put_rate "$triple" 1)
    echo "$before $after" | median "  PUT with a volume dead (time)"
    echo
    "$root/build/release/thrasher" --url "$front" --clients 16 --count 10000
}

main
