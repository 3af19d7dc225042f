# shellcheck shell=bash
# What bench.sh measures with --s3: S3 next to the native API, on one cluster and in one run.
# Sourced, never run.
# shellcheck disable=SC2154 # bench.sh has $root, $dir, $pids, $files, $seconds and $large
#
# Each measurement is made three times, in turns with what it stands next to, and the median counts.
# It stands next to the figure that must be reached.

S3_PARTS=100
S3_PART_BYTES=$((8 << 20))

s3_help()
{
    python3 "$root/scripts/bench_s3.py" "$@"
}

# Of "MINE BASE" lines: the median of MINE / BASE, next to what must be reached. WANTED 0: nothing.
s3_judge() # NAME UNIT least|most WANTED
{
    awk '{ print $1 / $2, $1, $2 }' | sort -n | awk -v name="$1" -v unit="$2" -v bound="$3" -v wanted="$4" '
        { r[NR] = $1; mine[NR] = $2; base[NR] = $3 }
        END {
            if (NR != 3) {
                print "bench.sh: not measured: " name > "/dev/stderr"
                exit 1
            }
            printf "  %-34s %.2f x  (%.2f to %.2f; %.5g next to %.5g %s)", name, r[2], r[1], r[3], mine[2], base[2], unit
            if (wanted > 0)
                printf "; must be %s at %s: %s", wanted, bound,
                    ((bound == "least" ? r[2] >= wanted : r[2] <= wanted) ? "reached" : "MISSED")
            print ""
        }'
}

# Of one number.
s3_judge_below() # NAME NUMBER UNIT WANTED
{
    awk -v name="$1" -v n="$2" -v unit="$3" -v wanted="$4" 'BEGIN {
        printf "  %-34s %s %s; must be below %s %s: %s\n", name, n, unit, wanted, unit, (n + 0 < wanted ? "reached" : "MISSED") }'
}

# Runs both commands three times, in turns, and prints "MINE BASE" lines.
s3_in_turns() # "MINE..." "BASE..."
{
    local base mine mine_command base_command

    read -r -a mine_command <<<"$1"
    read -r -a base_command <<<"$2"
    for _ in 1 2 3; do
        sync
        base=$("${base_command[@]}")
        sync
        mine=$("${mine_command[@]}")
        echo "$mine $base"
    done
}

# As wrk's requests per second; an answer that isn't 2xx fails.
s3_wrk() # [OPTIONS of wrk...] URL
{
    wrk -t2 -d"${seconds}s" "$@" | awk '
        /Requests\/sec/ { print int($2) }
        /Non-2xx/ { print "bench.sh: requests failed: " $0 > "/dev/stderr"; exit 1 }'
}

# --- Small values ----------------------------------------------------------------------------------

# Signed requests, each of a path of its own: what `sign` of bench_s3.py has printed to $SIGNED.
s3_write_signed_script()
{
    cat >"$dir/signed.lua" <<'LUA'
local threads = 0
function setup(thread)
    thread:set("id", threads)
    threads = threads + 1
end
function init()
    local lines = io.lines(os.getenv("SIGNED"))
    authorization, date = lines(), lines()
    signatures, n = {}, 0
    for signature in lines do signatures[#signatures + 1] = signature end
    half = math.floor(#signatures / 2)
    value = string.rep("x", 1024)
end
function request()
    local i = id * half + n % half + 1
    n = n + 1
    return wrk.format("PUT", os.getenv("PREFIX") .. i, {
        ["Authorization"] = authorization .. signatures[i],
        ["x-amz-date"] = date,
        ["x-amz-content-sha256"] = "UNSIGNED-PAYLOAD",
    }, value)
end
LUA
}

s3_put_signed() # HOST:PORT CONNECTIONS
{
    PREFIX=/closed/$(date +%s%N)/
    export PREFIX
    s3_help sign PUT "$1" "$PREFIX" $((seconds * 20000)) >"$dir/signed"
    SIGNED=$dir/signed s3_wrk -c"$2" -s "$dir/signed.lua" "http://$1"
}

s3_get_signed() # HOST:PORT: of /closed/1
{
    local authorization date signature

    { read -r authorization && read -r date && read -r signature; } < <(s3_help sign GET "$1" /closed/ 1)
    s3_wrk -c100 -H "Authorization: $authorization$signature" -H "x-amz-date: $date" \
        -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "http://$1/closed/1"
}

# The URL of a key's blob at its volume, by its name on disk.
s3_blob_url() # KEY FIRST-PORT-OF-VOLUMES
{
    local name i found

    name=$(printf %s "$1" | base64 -w0)
    for i in 1 2 3; do
        found=$(cd "$dir/s3/volume$i" && find . -type f -path "./??/??/$name.*")
        if [ -n "$found" ]; then
            echo "http://127.0.0.1:$(($2 + i - 1))${found#.}"
            return
        fi
    done
    echo "bench.sh: no volume has $1" >&2
    return 1
}

s3_bench_small() # NATIVE S3, as HOST:PORT
{
    local volume

    volume=$(s3_blob_url /open/1 $((${1##*:} + 1)))
    echo "values of 1 KiB:"
    s3_in_turns "s3_wrk -c100 http://$2/open/1" "s3_wrk -c100 http://$1/open/1" |
        s3_judge "GET, next to native (proxied)" requests/s least 0.8
    s3_in_turns "s3_get_signed $2" "s3_wrk -c100 http://$1/open/1" |
        s3_judge "signed GET, next to native" requests/s least 0.8
    s3_in_turns "s3_wrk -c100 http://$2/open/1" "s3_wrk -c100 $volume" |
        s3_judge "GET, next to the volume's nginx" requests/s least 0
    s3_in_turns "put_rate http://$2 64" "put_rate http://$1 64" |
        s3_judge "PUT, 64 clients, next to native" requests/s least 0.8
    s3_in_turns "put_rate http://$2 1" "put_rate http://$1 1" |
        s3_judge "PUT, 1 client, next to native" requests/s least 0.8
    s3_in_turns "s3_put_signed $2 64" "put_rate http://$1 64" |
        s3_judge "signed PUT, 64 clients" requests/s least 0.8
}

# --- Large values ----------------------------------------------------------------------------------

# MiB/s of a PUT of $dir/large under a new key, which is removed again.
s3_put_large() # BASE-URL [OPTIONS of curl...]
{
    local url
    url=$1/open/large-$(date +%s%N)
    curl -q -fsS --noproxy '*' -o /dev/null -T "$dir/large" -w '%{time_total}\n' "${@:2}" "$url" |
        awk -v mib="$large" '{ printf "%.1f\n", mib / $1 }'
    curl -q -fsS --noproxy '*' -X DELETE "$url"
}

s3_get_large() # URL: MiB/s
{
    curl -q -fsS --noproxy '*' -o /dev/null -w '%{time_total} %{size_download}\n' "$1" | awk -v mib="$large" '
        $2 != mib * 1048576 { print "bench.sh: " $2 " bytes of a GET" > "/dev/stderr"; exit 1 }
        { printf "%.1f\n", mib / $1 }'
}

s3_bench_large() # NATIVE S3, as HOST:PORT
{
    echo "a value of $large MiB:"
    head -c "${large}M" /dev/zero | openssl enc -aes-128-ctr -pass pass:bench -nosalt 2>/dev/null >"$dir/large"
    s3_in_turns "s3_put_large http://$2 -H x-amz-content-sha256:UNSIGNED-PAYLOAD" "s3_put_large http://$1" |
        s3_judge "PUT, next to native" MiB/s least 0.9
    curl -q -fsS --noproxy '*' -T "$dir/large" "http://$1/open/large"
    s3_in_turns "s3_get_large http://$2/open/large" "s3_get_large http://$1/open/large" |
        s3_judge "GET, next to native (proxied)" MiB/s least 0.9
    curl -q -fsS --noproxy '*' -X DELETE "http://$1/open/large"
    rm "$dir/large"
    s3_judge_below "memory of index and front, at most" "$(peak_mib "$(cut -d' ' -f1 "$dir/s3/run/index.pid")")" MiB 48
}

# --- Multipart -------------------------------------------------------------------------------------

# Seconds for the same parts, on the volumes' disk, to be one file that is on disk.
s3_cat_parts()
{
    python3 - "$dir" <<'PY'
import os, subprocess, sys, time

os.chdir(sys.argv[1])
begun = time.perf_counter()
with open("joined", "wb") as f:
    subprocess.run("exec cat parts/*", shell=True, check=True, stdout=f)
    os.fsync(f.fileno())
print(f"{time.perf_counter() - begun:.4f}")
os.unlink("joined")
PY
}

s3_bench_complete() # S3, as HOST:PORT
{
    local i

    mkdir "$dir/parts"
    head -c "$S3_PART_BYTES" /dev/urandom >"$dir/part"
    for ((i = 0; i < S3_PARTS; i++)); do
        cp "$dir/part" "$dir/parts/$i"
    done
    echo "an upload of $S3_PARTS parts of $((S3_PART_BYTES >> 20)) MiB:"
    s3_in_turns "s3_help complete $1 /open/joined $dir/part $S3_PARTS" s3_cat_parts >"$dir/completes"
    if grep -q missing "$dir/completes"; then
        echo "  Complete is not there (501)"
    else
        s3_judge "Complete, next to cat and fsync" s most 1.2 <"$dir/completes"
    fi
    rm -r "$dir/parts" "$dir/part"
}

# --- Lists -----------------------------------------------------------------------------------------

s3_median_page() # PATH ELEMENT, at $lists: ms
{
    for _ in 1 2 3; do
        s3_help list "$lists" "$1" "$2"
    done | sort -n | sed -n 2p
}

# An index with $files keys, of which no volume has anything: a page of them is what the index does.
s3_bench_lists() # VOLUME PORT
{
    local lists=127.0.0.1:$(($2 + 1)) keys prefixes

    s3_help dump "$1" "$files" | "$root/build/release/mkv" restore --index "$dir/lists" - >/dev/null
    "$root/build/release/mkv" index --index "$dir/lists" --port "127.0.0.1:$2" --s3 "$lists" --backup-every 0 \
        --verify-every 0 "$1" 2>"$dir/lists.log" &
    pids+=($!)
    wait_until 30 grep -q 'ready on' "$dir/lists.log" || {
        cat "$dir/lists.log" >&2
        return 1
    }
    echo "pages of a list of $files keys:"
    keys=$(s3_median_page '/list?list-type=2&start-after=folder-000500' Key)
    prefixes=$(s3_median_page '/list?list-type=2&delimiter=/' CommonPrefixes)
    s3_judge_below "1,000 keys of V2" "$keys" ms 15
    s3_judge_below "1,000 common prefixes" "$prefixes" ms 30
}

bench_s3() # FIRST-PORT
{
    local native=127.0.0.1:$1 s3=127.0.0.1:$(($1 + 8)) path

    printf '%s\n' 'bench secret-of-bench rwc:*' '- - rwc:open rwc:put' >"$dir/keys"
    chmod 600 "$dir/keys"
    write_put_script
    s3_write_signed_script
    bring_up s3 3 "$1" --reads proxy --s3 "$s3" --keys "$dir/keys" --grace 0
    for path in open/1 closed/1 put/1; do
        head -c 1024 /dev/urandom | curl -q -fsS --noproxy '*' -T - "http://$native/$path"
    done
    s3_bench_large "$native" "$s3"
    s3_bench_small "$native" "$s3"
    s3_bench_complete "$s3"
    s3_bench_lists "127.0.0.1:$(($1 + 1))" $(($1 + 10))
}
