# shellcheck shell=bash
# What the .bats files about jobs load behind lib and replicas: jobs of index i by its admin socket,
# and copies that go bad.

# What an index is started with that mends nothing by itself.
BY_HAND=(--verify-every 0 --repair-after 0)

# --- Jobs -----------------------------------------------------------------------------------------

# Asks the admin socket of index i: sets STATUS; the body goes to $T/FILE.
admin() { # METHOD TARGET FILE [CURL-OPTIONS...]
    local method=$1 target=$2 file=$3
    shift 3
    STATUS=$(
        cd "$T/data/i" || exit # the path may be too long for curl
        curl -q -sS -m $((120 * SLOW)) -X "$method" --unix-socket admin.sock -o "$T/$file" \
            -w '%{http_code}' "$@" "http://index$target"
    ) || true
}

asked() { # KIND[?PARAMETERS]
    admin POST "/jobs/$1" begun
    [[ $STATUS != 503 ]]
}

# Starts a job, and sets JOB to its id. An index that has just begun isn't ready to.
begin_job() { # KIND[?PARAMETERS]
    within $((10 + LEASED)) asked "$1" || return 1
    same 202 "$STATUS" "$1: $(cat "$T/begun"): status" || return 1
    JOB=$(jq .job "$T/begun")
}

# The same for one that the index was killed in. On a database it goes on by itself, and may do so already.
begin_job_again() { # KIND[?PARAMETERS]
    within $((10 + LEASED)) asked "$1" || return 1
    [[ $STATUS == 202 || ($STORE && $STATUS == 409) ]] || fail "$1: $(cat "$T/begun"): status $STATUS" || return 1
    JOB=$(jq .job "$T/begun")
}

# It is refused, with a line that matches.
refuse_job() { # STATUS REGEX KIND[?PARAMETERS]
    admin POST "/jobs/$3" begun
    same "$1" "$STATUS" "$3: $(cat "$T/begun"): status" || return 1
    grep -Eq "$2" "$T/begun" || fail "wanted '$2', got: $(cat "$T/begun")"
}

# Waits for the end of a job: its last line is $T/job, what it found $T/findings, a line "FINDING KEY
# PLACE" each, in no order, with tabs; and the whole lines $T/job.lines.
await_job() {
    admin GET "/jobs/$JOB" job.lines -N
    same 200 "$STATUS" 'status of a watched job' || return 1
    tail -n 1 "$T/job.lines" >"$T/job"
    jq -r 'select(.finding) | [.finding, .key, .place // ""] | @tsv' "$T/job.lines" | sort >"$T/findings"
    [[ $(job .state) != running ]] || fail "the watch of a job broke off: $(cat "$T/job")"
}

run_job() { # KIND[?PARAMETERS]
    begin_job "$1" && await_job
}

# Prints a field of the job that has ended.
job() { # JQ-FILTER
    jq -r "$1" "$T/job"
}

# It has ended so, with these counts: "NAME=N ...", and all others but these 0 or missing. What is moved
# or read isn't compared.
ended_as() { # "STATE CLEAN" ["NAME=N ..."]
    local got
    got=$(job '.counts | to_entries | map(select(.value > 0 and (.key | IN("bytes_to_move", "stray_bytes", "changed") | not))) |
        sort_by(.key) | map("\(.key)=\(.value)") | join(" ")')
    same "$1 ${2-}" "$(job '"\(.state) \(.clean)"') $got" "job, $(cat "$T/job")
$(head -n 20 "$T/job.lines"), end"
}

# Prints a job that runs, as it is now.
job_now() { # JQ-FILTER
    admin GET /jobs jobs
    jq -r --argjson id "$JOB" '.[] | select(.job == $id) | '"$1" "$T/jobs"
}

job_is() { # JQ-CONDITION, of the job that runs
    [[ $(job_now "$1") == true ]]
}

cancel_job() {
    admin DELETE "/jobs/$JOB" canceled
    same 202 "$STATUS" 'status of a cancel'
}

# Runs a job again and again, until it leaves nothing to do.
run_until_clean() { # KIND[?PARAMETERS]
    run_job "$1" && [[ $(job '"\(.state) \(.clean)"') == 'done true' ]]
}

# --- The list of volumes --------------------------------------------------------------------------

# Starts the index over a file with these volumes.
index_of_list() { # "VOLUME..." [INDEX-OPTIONS...]
    write_list "$1"
    shift
    index i '' --volumes-file "$T/volumes" --replicas "$COPIES" "${BY_HAND[@]}" "$@"
}

# Starts them, too.
start_with() { # "VOLUME..." [INDEX-OPTIONS...]
    local each
    for each in $1; do
        volume "$each"
    done
    index_of_list "$@"
}

write_list() { # "VOLUME..."
    local each
    for each in $1; do
        at "$each"
    done >"$T/volumes.new"
    mv "$T/volumes.new" "$T/volumes"
}

# How often the index has read its list.
readings() {
    grep -c 'mkv: the index has [0-9]* volumes' "$(log_of i)"
}

has_read() { # COUNT
    (($(readings) >= $1))
}

# Has the index take these volumes for new values, and keep others for what they hold.
relist() { # "VOLUME..."
    local each before
    before=$(readings) || true
    write_list "$1"
    signal i HUP
    within 10 has_read $((before + 1))
    for each in $1; do
        within 10 sees i "$each" up || return 1
    done
}

# --- Keys -----------------------------------------------------------------------------------------

# PUTs keys PREFIX/1 and so on; the value of each is its path.
put_keys() { # PREFIX COUNT
    local n
    for ((n = 1; n <= $2; n++)); do
        echo "PUT $1/$n"
    done | requests "$(url i-direct)" >"$T/requests"
    same "$2x201" "$(cat "$T/requests")"
}

# PUTs keys of 20,000 bytes, each of its own.
put_large_keys() { # PREFIX COUNT
    local n
    mkdir -p "$T/large$1"
    for ((n = 1; n <= $2; n++)); do
        printf '%-20000s' "$1/$n" >"$T/large$1/$n"
        printf 'next\nsilent\nnoproxy = *\nurl = "%s%s/%d"\nupload-file = "%s"\nwrite-out = "%%{http_code}\\n"\n' \
            "$(url i-direct)" "$1" "$n" "$T/large$1/$n"
    done | sed 1d | curl -q --fail-early -K - | sort | uniq -c | awk '{ print $1 "x" $2 }' >"$T/requests"
    same "$2x201" "$(cat "$T/requests")"
}

# They are what they were.
large_keys_are_right() { # PREFIX COUNT
    local n
    rm -rf "$T/got-large"
    mkdir -p "$T/got-large"
    for ((n = 1; n <= $2; n++)); do
        printf 'next\nsilent\nnoproxy = *\nlocation\nurl = "%s%s/%d"\noutput = "%s"\n' "$(url i)" "$1" "$n" "$T/got-large/$n"
    done | sed 1d | curl -q --fail-early -K -
    diff -r "$T/large$1" "$T/got-large"
}

# Watches their copies until unwatch_keys.
watch_keys() { # PREFIX COUNT
    local each dirs=()
    for each in $VOLUMES; do
        dirs+=("$(port "$each")=$T/data/$each")
    done
    hatch watch "${BATS_TEST_DIRNAME}/../support/copies_watch.py" "$1/" "$COPIES" "$(port i-direct)" "$T/unwatch" "${dirs[@]}"
    within 5 logged watch "^$2 keys$"
}

# At no instant was a copy missing.
unwatch_keys() {
    touch "$T/unwatch"
    await_end watch
    cat "$(log_of watch)"
    same 0 "$RC" 'exit status of the watch'
    rm "$T/unwatch"
}

# They are what they were.
keys_are_right() { # PREFIX COUNT
    local n
    for ((n = 1; n <= $2; n++)); do
        printf 'next\nsilent\nnoproxy = *\nlocation\nurl = "%s%s/%d"\nwrite-out = "\\n"\n' "$(url i)" "$1" "$n"
    done | sed 1d | curl -q --fail-early -K - >"$T/got"
    seq -f "$1/%.0f" "$2" | diff - "$T/got"
}

# Prints how many of the keys are not where they are to be.
count_unbalanced() { # PREFIX COUNT
    local n
    for ((n = 1; n <= $2; n++)); do
        printf 'next\nsilent\nnoproxy = *\nhead\nurl = "%s%s/%d"\n' "$(url i-direct)" "$1" "$n"
    done | sed 1d | curl -q --fail-early -K - | grep -c '^Key-Balance: unbalanced' || true
}

# No key has a copy there.
names_none_of() { # VOLUME
    "$MKV" dump --index "$T/data/i" | jq -r 'select(.key) | .volumes[]' | cut -d' ' -f1 >"$T/named"
    refute grep -Fx "$(at "$1")" "$T/named"
}

# verify --deep has nothing to say.
is_clean() {
    run_job 'verify?deep=1'
    ended_as 'done true'
    same '' "$(cat "$T/findings")" findings
}

# --- Copies that go bad ---------------------------------------------------------------------------

# Changes a byte in the middle of a file, and neither its size nor its time.
flip() { # FILE
    python3 - "$1" <<'END'
import os, sys
with open(sys.argv[1], 'r+b') as file:
    was = os.fstat(file.fileno())
    file.seek(was.st_size // 2)
    byte = file.read(1)[0]
    file.seek(was.st_size // 2)
    file.write(bytes([byte ^ 1]))
    file.flush()
    os.utime(file.fileno(), ns=(was.st_atime_ns, was.st_mtime_ns))
END
}

# Exchanges the bytes of two files, not their times and attributes.
swap() { # FILE FILE
    cp -a "$1" "$T/swapped"
    cat "$2" >"$1"
    cat "$T/swapped" >"$2"
    touch -r "$T/swapped" "$1" "$2"
}

# Prints the volume of the holders of a key, by number.
holder() { # KEY NUMBER
    holders "$1" | sed -n "$2p"
}

# Prints the file of a copy, by the number of its holder.
copy_of() { # KEY NUMBER
    file_of "$(holder "$1" "$2")" "$1"
}

# What a finding's line says of it.
finding() { # FINDING KEY VOLUME
    printf '%s\t%s\t%s\n' "$1" "$2" "${3:+$(at "$3")}"
}
