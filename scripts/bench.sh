#!/usr/bin/env bash
# Measures what the README and mkv-guarantees(7) claim, on a cluster of its own, and prints ratios of
# one run: machines are noisy, so each number stands next to the one that it is compared with.
#
#     scripts/bench.sh [--seconds N] [--base MKV]
#     scripts/bench.sh --maintenance [--files N] [--cold]
#     scripts/bench.sh --s3 [--seconds N] [--files N] [--large MIB]
#     scripts/bench.sh --store URI [--seconds N]
#
# Each measurement takes N seconds (5), three times. MKV is another build of mkv, to compare the
# DELETEs of this one with.
#
# --maintenance measures what goes through all files instead, with N of them (1,000,000, which take
# 5 GB of /var/tmp and some minutes to be made and removed); with --cold also with none of them in
# memory: as root, for it makes the kernel forget what it has of any file.
#
# --s3 measures S3 next to the native API: small values, one of MIB (1024), a multipart upload, and
# lists of N keys (1,000,000).
#
# --store measures an index whose table is in that database, which must be an empty one, next to one
# that has it in a directory.
#
# Needs wrk, which `scripts/deps.sh --test` installs. Its data and ports are temporary.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/cluster.sh
source "$root/scripts/cluster.sh"
# shellcheck source=scripts/bench_maintenance.sh
source "$root/scripts/bench_maintenance.sh"
# shellcheck source=scripts/bench_s3.sh
source "$root/scripts/bench_s3.sh"
seconds=5
other=
maintenance=
s3=
uri=
large=1024
files=1000000
cold=
while [ $# -gt 0 ]; do
    case $1 in
        --seconds) seconds=${2:?} && shift ;;
        --base) other=$(realpath -e "${2:?}") && shift ;;
        --maintenance) maintenance=yes ;;
        --s3) s3=yes ;;
        --store) uri=${2:?} && shift ;;
        --large) large=${2:?} && shift ;;
        --files) files=${2:?} && shift ;;
        --cold) cold=yes ;;
        -h | --help) help && exit 0 ;;
        *)
            echo "bench.sh: unknown option $1" >&2
            exit 2
            ;;
    esac
    shift
done
if [ -n "$cold" ] && ((UID != 0)); then
    echo "bench.sh: --cold needs root" >&2
    exit 2
fi

"$root/scripts/deps.sh" --test
dir=$(mktemp -d /var/tmp/mkv-bench-XXXXXX)
chmod 755 "$dir"
pids=()

finish()
{
    local cluster
    for cluster in cluster unsynced triple base s3 store; do
        "$root/scripts/teardown.sh" --dir "$dir/$cluster" >/dev/null || true
    done
    [ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true
    wait
    [ -z "$maintenance" ] || echo "removing the files (some minutes)..."
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
    method = os.getenv("METHOD") or "PUT"
    value = method == "PUT" and string.rep("x", 1024) or nil
end
function request()
    n = n + 1
    return wrk.format(method, prefix .. n, nil, value)
end
LUA
}

# delete_rate URL CONNECTIONS: DELETEs per second of values that were stored before.
delete_rate()
{
    local threads=2
    [ "$2" -ge 2 ] || threads=1
    PUTS=$(date +%s%N)
    export PUTS
    wrk -t$threads -c$((2 * $2)) -d$((7 * seconds))s -s "$dir/put.lua" "$1" >/dev/null
    METHOD=DELETE wrk -t$threads -c"$2" -d"${seconds}s" -s "$dir/put.lua" "$1" | awk '
        /Requests\/sec/ { print int($2) }
        /Non-2xx/ { print "bench.sh: DELETEs failed: " $0 > "/dev/stderr"; exit 1 }'
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

# ratio_of COMMAND NAME CONNECTIONS URL BASE-URL: likewise, of what put_rate or a kin of it measures.
# What one leaves in memory is brought to disk first, so that the other's flushes don't pay for it.
ratio_of()
{
    local i base

    for ((i = 0; i < 3; i++)); do
        sync
        base=$("$1" "$5" "$3")
        sync
        echo "$("$1" "$4" "$3") $base"
    done | sort -k1n | median "$2"
}

# What the disk can do at most: appends of 1 KiB to a file that has its blocks already, each flushed.
disk_rate()
{
    python3 - "$dir/flush" <<'PY'
import os, sys, time

fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT | os.O_TRUNC)
os.posix_fallocate(fd, 0, 8 << 20)
os.fsync(fd)
n, begun = 0, time.monotonic()
while time.monotonic() - begun < 2:
    os.pwrite(fd, b"x" * 1024, n % 8000 * 1024)
    os.fdatasync(fd)
    n += 1
print(f"  the disk alone: {n / 2:.0f} flushes/s, {2e6 / n:.0f} us each")
PY
    rm "$dir/flush"
}

# An nginx that is as many volumes as there are addresses of 127.1.0.0/16, each with a directory and
# an identity of its own.
start_volumes() # PORT
{
    mkdir "$dir/many" "$dir/many/data"
    cat >"$dir/many.conf" <<CONF
daemon off;
$( ((UID != 0)) || echo 'user root;')
pid nginx.pid;
worker_processes auto;
error_log stderr error;
events { worker_connections 4096; }
http {
    access_log off;
    keepalive_requests 1000000;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {
        listen $1;
        add_header Mkv-Volume-Id \$server_addr always;
        root $dir/many/data/\$server_addr;
        location /_mkv/ { return 404; }
        location / { dav_methods PUT DELETE; create_full_put_path on; }
    }
}
CONF
    PATH=$PATH:/usr/sbin nginx -e stderr -c "$dir/many.conf" -p "$dir/many/" &
    pids+=($!)
}

# An index alone over so many of those volumes.
start_index() # NAME COUNT VOLUMES-PORT PORT DIRECT-PORT
{
    local i

    for ((i = 0; i < $2; i++)); do
        echo "127.1.$((i / 250)).$((i % 250 + 1)):$3"
    done >"$dir/$1.volumes"
    "$root/build/release/mkv" index --volumes-file "$dir/$1.volumes" --no-sync --index "$dir/$1" \
        --port "127.0.0.1:$4" --direct "127.0.0.1:$5" 2>"$dir/$1.log" &
    pids+=($!)
    wait_until 20 grep -q ready "$dir/$1.log"
}

bench_many_volumes() # PORT: eight of them
{
    local few=http://127.0.0.1:$(($1 + 2)) many=http://127.0.0.1:$(($1 + 4)) url

    start_volumes "$1"
    start_index few 3 "$1" $(($1 + 1)) $(($1 + 2))
    start_index thousand 1000 "$1" $(($1 + 3)) $(($1 + 4))
    for url in "$few" "$many"; do
        curl -sS -f -X PUT -d bigswag "$url/present"
    done
    ratio_of rate "  GET, --direct" 100 "$many/present" "$few/present"
    ratio_of put_rate "  PUT, 64 clients" 64 "$many" "$few"
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

# An index whose table is in a database, next to one that has it in a directory.
bench_store() # PORT: eight of them
{
    local own=http://127.0.0.1:$1 shared=http://127.0.0.1:$(($1 + 4)) url

    write_put_script
    bring_up cluster 3 "$1"
    bring_up store 3 $(($1 + 4)) --store "$uri"
    for url in "$own" "$shared"; do
        curl -sS -f -X PUT -d bigswag "$url/present"
    done
    echo "with the table in a database, next to one in a directory:"
    ratio "  present key (302)" "$shared/present" "$own/present"
    ratio "  missing key" "$shared/missing" "$own/missing"
    ratio_of put_rate "  PUT of 1 KiB, 1 client" 1 "$shared" "$own"
    ratio_of put_rate "  PUT of 1 KiB, 64 clients" 64 "$shared" "$own"
    ratio_of delete_rate "  DELETE, 64 clients" 64 "$shared" "$own"
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
        sync
        base=$(thrash "$3")
        sync
        echo "$(thrash "$2") $base"
    done | median "$1"
}

# The first of thirty ports in a row that nobody listens on.
free_ports()
{
    local first p

    while true; do
        first=$((20000 + RANDOM % 10000))
        for ((p = first; p < first + 30; p++)); do
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
    if [ -n "$maintenance" ]; then
        bench_maintenance "$port"
        return
    fi
    if [ -n "$s3" ]; then
        bench_s3 "$port"
        return
    fi
    if [ -n "$uri" ]; then
        bench_store "$port"
        return
    fi
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
    ratio_of put_rate "  1 client" 1 "$front" "$unsynced"
    ratio_of put_rate "  64 clients" 64 "$front" "$unsynced"
    disk_rate
    bench_thrashers "  thrasher, 16 clients" "$front" "$unsynced"
    echo
    if [ -n "$other" ]; then
        echo "DELETEs, next to those of $other:"
        MKV=$other bring_up base 3 $((port + 15))
        ratio_of delete_rate "  1 client" 1 "$front" "http://127.0.0.1:$((port + 15))"
        ratio_of delete_rate "  64 clients" 64 "$front" "http://127.0.0.1:$((port + 15))"
        echo
    fi
    echo "1,000 listed volumes, next to 3:"
    bench_many_volumes $((port + 20))
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
