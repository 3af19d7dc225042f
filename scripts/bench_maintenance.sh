# shellcheck shell=bash
# What bench.sh measures with --maintenance: how fast millions of small files are gone through.
# Sourced, never run.
# shellcheck disable=SC2154 # bench.sh has $root, $dir, $pids, $files and $cold
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

# $dir/rebuilt is the index of all volumes when measure_rebuild has run.
bench_maintenance() # FIRST-PORT
{
    echo "$files files of 1 KiB on 3 volumes:"
    start_full_volumes "$1"
    three_times list_all | report_rate "list" "files/s" 200000 128
    three_times rebuild_all | report_rate "rebuild" "keys/s" 100000 128
    echo "  memory of a volume's mkv $(volumes_mib) MiB at most"
    # What a running index does with all files (verify, say) is measured here, on $dir/rebuilt.
    if [ -n "$cold" ]; then
        forget_files
        # Once: it takes minutes on a slow disk.
        rebuild_all | report_rate "rebuild, cold" "keys/s" 0 0
    fi
}
