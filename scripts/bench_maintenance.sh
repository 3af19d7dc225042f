# shellcheck shell=bash
# What bench.sh measures with --maintenance: how fast millions of small files are gone through.
# Sourced, never run.
# shellcheck disable=SC2154,SC2016 # bench.sh has $root, $dir, $pids, $files and $cold; bash -c has the rest
#
# Each measurement is made three times, and the median counts. It stands next to the figure that
# must be reached, in the same run.

maintenance_volumes=() # HOST:PORT of each
maintenance_pids=()    # and its mkv

# Three volumes with $files blobs in all, each of another key.
start_full_volumes() # FIRST-PORT
{
    local i what=()

    for i in 0 1 2; do
        mkdir "$dir/full$i"
        "$root/build/release/mkv" volume "127.0.0.1:$(($1 + i))" "$dir/full$i" 2>"$dir/full$i.log" &
        pids+=($!)
        maintenance_pids+=($!)
        maintenance_volumes+=("127.0.0.1:$(($1 + i))")
        what+=("127.0.0.1:$(($1 + i))=$dir/full$i")
    done
    for i in 0 1 2; do
        wait_until 20 grep -q 'ready on' "$dir/full$i.log"
    done
    "$root/build/release/tests/fill_volumes" --files "$files" "${what[@]}"
    sync
}

# Runs a command, and prints its seconds and the most memory that it had, in MiB.
seconds_and_mib() # COMMAND...
{
    python3 - "$@" <<'PY'
import resource, subprocess, sys, time

begun = time.monotonic()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
seconds = time.monotonic() - begun
print("%.3f %d" % (seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024))
PY
}

# The most memory that the mkv of any of the volumes ever had, in MiB.
volumes_mib()
{
    local pid
    for pid in "${maintenance_pids[@]}"; do
        awk '/VmHWM/ { print int($2 / 1024) }' "/proc/$pid/status"
    done | sort -n | tail -n 1
}

# Of "SECONDS MIB" lines: what $files make a second, next to what must be reached. WANTED 0: nothing.
report_rate() # NAME UNIT WANTED MIB-WANTED
{
    sort -n | awk -v files="$files" -v name="$1" -v unit="$2" -v wanted="$3" -v mib_wanted="$4" '
        { s[NR] = $1; if ($2 > mib) mib = $2 }
        END {
            m = int((NR + 1) / 2)
            rate = files / s[m]
            printf "  %-22s %8d %s  (%.1f s; %.1f to %.1f), %d MiB", name, rate, unit, s[m], s[1], s[NR], mib
            if (wanted > 0)
                printf "; must be %d %s, below %d MiB: %s", wanted, unit, mib_wanted,
                    (rate >= wanted && mib < mib_wanted ? "reached" : "MISSED")
            print ""
        }'
}

# All lists at once, as a rebuild asks for them, and nobody who reads what they say.
list_all() # prints "SECONDS MIB"
{
    local at urls=()

    for at in "${maintenance_volumes[@]}"; do
        urls+=("http://$at/_mkv/list")
    done
    seconds_and_mib curl -q --no-progress-meter -f --noproxy '*' --parallel --parallel-immediate "${urls[@]}" |
        awk -v mib="$(volumes_mib)" '{ print $1, mib }'
}

rebuild_all() # prints "SECONDS MIB"
{
    seconds_and_mib "$root/build/release/mkv" rebuild --replace --index "$dir/rebuilt" \
        "${maintenance_volumes[@]}" 2>"$dir/rebuild.log" || {
        cat "$dir/rebuild.log" >&2
        return 1
    }
}

# An index over all volumes, on what measure_rebuild has made. Nothing goes on in it by itself.
start_full_index() # PORT
{
    "$root/build/release/mkv" index --port "127.0.0.1:$1" --index "$dir/rebuilt" --backup-every 0 --verify-every 0 \
        "${maintenance_volumes[@]}" 2>"$dir/rebuilt.log" &
    index_pid=$!
    pids+=($!)
    wait_until 20 grep -q 'ready on' "$dir/rebuilt.log"
}

verify_all() # [OPTIONS]; prints "SECONDS MIB", of the index
{
    seconds_and_mib "$root/build/release/mkv" verify --index "$dir/rebuilt" "$@" 2>/dev/null |
        awk -v mib="$(awk '/VmHWM/ { print int($2 / 1024) }' "/proc/$index_pid/status")" '{ print $1, mib }'
}

# What md5sum(1) takes for the same files, as many processes as there are processors.
md5sum_all() # prints "SECONDS MIB"
{
    seconds_and_mib bash -c 'find "$@" -type f -path "*/??/??/*" -print0 | xargs -0 -P "$(nproc)" -n 2000 md5sum' \
        md5sum "$dir"/full[012] </dev/null
}

median_seconds()
{
    sort -n | awk '{ s[NR] = $1 } END { print s[int((NR + 1) / 2)] }'
}

# How much of another's speed something has: that of the second, in the same seconds' worth.
report_ratio() # NAME SECONDS OTHER OTHER-SECONDS WANTED
{
    awk -v name="$1" -v a="$2" -v other="$3" -v b="$4" -v wanted="$5" 'BEGIN {
        printf "  %-22s %.2f x the speed of %s (%.1f s, %.1f s); must be %.1f: %s\n", name, b / a, other, a, b, wanted,
            (b / a >= wanted ? "reached" : "MISSED") }'
}

# As after a start of the machine.
forget_files()
{
    sync
    echo 3 >/proc/sys/vm/drop_caches
}

three_times() # COMMAND...
{
    "$@"
    "$@"
    "$@"
}

# --- Large values ----------------------------------------------------------------------------------

LARGE_VALUES=96
LARGE_BYTES=$((16 << 20))

# Two volumes with large values and as many small ones, a third one that is to have them all, and a
# fourth one for copies that mkv has nothing to do with.
start_large() # FIRST-PORT
{
    local i

    head -c "$LARGE_BYTES" /dev/urandom >"$dir/large"
    for i in 0 1 2 3; do
        "$root/build/release/mkv" volume "127.0.0.1:$(($1 + i))" "$dir/large$i" 2>"$dir/large$i.log" &
        pids+=($!)
    done
    for i in 0 1 2 3; do
        wait_until 20 grep -q 'ready on' "$dir/large$i.log"
    done
    printf '127.0.0.1:%d\n' "$1" $(($1 + 1)) >"$dir/large-volumes"
    "$root/build/release/mkv" index --port "127.0.0.1:$(($1 + 4))" --index "$dir/large-index" --backup-every 0 \
        --verify-every 0 --grace 0 --volumes-file "$dir/large-volumes" 2>"$dir/large-index.log" &
    large_index_pid=$!
    pids+=($!)
    wait_until 20 grep -q 'ready on' "$dir/large-index.log"
    for ((i = 0; i < LARGE_VALUES; i++)); do
        curl -q -fsS --noproxy '*' -T "$dir/large" "127.0.0.1:$(($1 + 4))/large-$i"
        curl -q -fsS --noproxy '*' -X PUT -d small "127.0.0.1:$(($1 + 4))/small-$i"
    done
    sync
}

# Makes these the volumes of the index, and waits until it has asked them how they are.
list_large() # PORT...
{
    printf '127.0.0.1:%d\n' "$@" >"$dir/large-volumes"
    kill -HUP "$large_index_pid"
    wait_until 10 are_up "$#"
}

are_up() # COUNT
{
    [ "$("$root/build/release/mkv" status --index "$dir/large-index" | grep -c '^volume .* up, .* free$')" = "$1" ]
}

# The p99, in microseconds, of GETs that ask for a small value for so many seconds.
get_p99() # PORT SECONDS
{
    wrk -t1 -c8 -d"$2" --latency "http://127.0.0.1:$1/small-1" |
        awk '$1 == "99%" { v = $2; sub(/[a-z]+$/, "", v); print int(v * ($2 ~ /us$/ ? 1 : $2 ~ /ms$/ ? 1000 : 1000000)) }'
}

# Copies all large blobs of the first two volumes to the fourth one, four at a time, and has them
# brought to disk: what a rebalance does, without what makes it safe.
copy_plainly() # FIRST-PORT; prints "SECONDS MIB"
{
    seconds_and_mib bash -c '
        for i in 0 1; do
            (cd "$1/large$i" && find . -type f -size +1M -path "./??/??/*" | sed "s#^\.#$(($2 + i)) #")
        done | xargs -P 4 -L 1 bash -c "
            curl -q -fsS --noproxy \"*\" \"http://127.0.0.1:\$1\$2\" |
                curl -q -fsS --noproxy \"*\" -T - -o /dev/null \"http://127.0.0.1:\$0\$2\" &&
                curl -q -fsS --noproxy \"*\" -d \"\$2\" \"http://127.0.0.1:\$0/_mkv/sync\"" $(($2 + 3))
    ' copy "$dir" "$1"
}

move_large()
{
    seconds_and_mib "$root/build/release/mkv" rebalance --index "$dir/large-index" 2>/dev/null
}

bench_large() # FIRST-PORT
{
    local index=$(($1 + 4)) alone during plain moved

    echo "$LARGE_VALUES values of $((LARGE_BYTES >> 20)) MiB:"
    start_large "$1"
    alone=$(get_p99 "$index" 4)
    read -r plain _ < <(copy_plainly "$1")
    sync
    list_large $(($1 + 2))
    read -r moved _ < <(move_large)
    report_ratio "rebalance" "$moved" "plain copies" "$plain" 0.8
    sync
    # Back again, with clients.
    list_large "$1" $(($1 + 1))
    "$root/build/release/mkv" rebalance --index "$dir/large-index" >/dev/null 2>&1 &
    during=$(get_p99 "$index" 3)
    wait $!
    awk -v alone="$alone" -v during="$during" 'BEGIN {
        printf "  p99 of GETs meanwhile  %.2f x (%d us, without %d us); must be 3 at most: %s\n", during / alone, during, alone,
            (during <= 3 * alone ? "reached" : "MISSED") }'
}

# $dir/rebuilt is the index of all volumes when measure_rebuild has run.
bench_maintenance() # FIRST-PORT
{
    echo "$files files of 1 KiB on 3 volumes:"
    start_full_volumes "$1"
    three_times list_all | report_rate "list" "files/s" 200000 128
    three_times rebuild_all | report_rate "rebuild" "keys/s" 100000 128
    echo "  memory of a volume's mkv $(volumes_mib) MiB at most"
    start_full_index $(($1 + 3))
    three_times verify_all | report_rate "verify" "keys/s" 200000 128
    report_ratio "verify --deep" "$(three_times verify_all --deep | median_seconds)" "md5sum" "$(three_times md5sum_all | median_seconds)" 0.7
    bench_large $(($1 + 4))
    if [ -n "$cold" ]; then
        forget_files
        # Once: it takes minutes on a slow disk.
        rebuild_all | report_rate "rebuild, cold" "keys/s" 0 0
    fi
}
