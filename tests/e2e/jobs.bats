#!/usr/bin/env bats
# The commands that start jobs, watch and cancel them: beside a running index, and without one.

load ../support/lib
load ../support/jobs

# Runs a command on index i: sets RC; its output goes to $T/out, what it says besides to $T/err.
run_mkv() { # COMMAND [ARGUMENTS...]
    local command=$1
    shift
    RC=0
    timeout $((60 * SLOW)) "$MKV" "$command" --index "$T/data/i" "$@" >"$T/out" 2>"$T/err" || RC=$?
}

# The same, and the exit code and the whole output must be these.
wants() { # RC OUTPUT-REGEX COMMAND [ARGUMENTS...]
    local rc=$1 regex=$2
    shift 2
    run_mkv "$@"
    same "$rc" "$RC" "$*: $(cat "$T/out" "$T/err"): exit code"
    [[ $(cat "$T/out") =~ ^($regex)$ ]] || fail "$*: wanted '$regex', got '$(cat "$T/out")'"
}

# Starts a command on index i in the background, as process NAME.
begin_mkv() { # NAME COMMAND [ARGUMENTS...]
    local name=$1 command=$2
    shift 2
    hatch "$name" ${AS:+"${AS[@]}"} "$MKV" "$command" --index "$T/data/i" "$@"
}

@test "a rebalance after a volume was added says how much it moved" {
    local wrong
    grown 60
    wrong=$(unbalanced 60)
    ((wrong > 5))
    wants 0 "rebalance is done: $wrong keys,? .*would be moved" rebalance --dry-run
    same "$wrong" "$(unbalanced 60)"
    wants 0 "rebalance is done: $wrong keys moved" rebalance
    same '' "$(cat "$T/err")" 'what it says besides'
    same 0 "$(unbalanced 60)"
    all_there 60
    wants 0 'rebalance is done: 0 keys moved' rebalance --jobs 64 --rate 1G
    "$MKV" status --index "$T/data/i" >"$T/status"
    same 1 "$(grep -Ec '^job +[0-9]+, rebalance, done 0 s ago: 0 keys moved$' "$T/status")"
    same 1 "$(grep -c '^job.*rebalance' "$T/status")" 'rebalances of which the status tells'
}

@test "with --json there are the lines of the index, and nothing else" {
    grown 30
    run_mkv rebalance --json
    same 0 "$RC"
    same '' "$(cat "$T/err")"
    same 'done true 30' "$(tail -n 1 "$T/out" | jq -r '"\(.state) \(.clean) \(.done)"')"
    jq -e .job "$T/out" >/dev/null
}

@test "a detached job is shown, joined and cancelled" {
    grown 60
    wants 0 'rebalance runs as job 1: .*' rebalance --rate 10 --detach
    within 10 moves
    "$MKV" status --index "$T/data/i" >"$T/status"
    grep -Eq '^job +1, rebalance, moving: [0-9]+% \([0-9]+ of 60 keys\).*; moved [0-9]+$' "$T/status"
    wants 1 '' rebalance --dry-run
    grep -q 'rebalance runs already, as job 1, with other options: .*(mkv cancel 1)' "$T/err"
    wants 1 '' rebalance --rate 20
    wants 0 '' rebalance --detach
    grep -qx 'mkv: rebalance runs already, as job 1' "$T/err"
    begin_mkv second rebalance --rate 10
    within 5 logged second 'rebalance runs already, as job 1: this is that one'
    wants 1 '' cancel 2
    grep -q 'cannot cancel: there is no such job' "$T/err"
    wants 0 'rebalance is canceled.*: [0-9]+ keys? moved' cancel 1
    await_end second
    same 1 "$RC"
    logged second 'rebalance is canceled'
    wants 0 'rebalance is canceled.*' cancel 1
    (($(unbalanced 60) > 0))
    wants 0 'rebalance is done: [0-9]+ keys? moved' rebalance
    same 0 "$(unbalanced 60)"
}

@test "INT and TERM cancel the job, and the same command goes on" {
    local signal
    grown 60
    for signal in INT TERM; do
        begin_mkv "by-$signal" rebalance --rate 10
        within 10 job_is running
        within 10 moves
        signal "by-$signal" "$signal"
        await_end "by-$signal"
        same $((128 + $(kill -l "$signal"))) "$RC"
        logged "by-$signal" 'rebalance is canceled.*: [0-9]+ keys? moved'
        job_is canceled
    done
    begin_mkv looker verify --deep --rate 1
    within 10 job_is running
    signal looker INT
    await_end looker
    logged looker 'verify is canceled'
    refute logged looker 'all is well'
    wants 0 'rebalance is done: [0-9]+ keys? moved' rebalance
    same 0 "$(unbalanced 60)"
    all_there 60
}

@test "a second signal ends the command at once" {
    grown 30
    begin_mkv hurried rebalance --rate 1
    within 10 moves
    signal i STOP
    signal hurried INT
    within 5 logged hurried 'is being canceled'
    refute ended hurried
    signal hurried INT
    await_end hurried
    same 130 "$RC"
    signal i CONT
    within 10 job_is canceled
}

@test "a job goes on when its command is killed" {
    grown 60
    begin_mkv victim rebalance --rate 10
    within 10 moves
    crash victim
    job_is running
    within 30 job_is 'done'
    same 0 "$(unbalanced 60)"
}

@test "an index that is killed in mid-job takes nothing along" {
    grown 60
    begin_mkv watcher rebalance --rate 10
    within 10 moves
    crash i
    await_end watcher
    same 1 "$RC"
    logged watcher 'the index has died; .* run the same command again'
    index i 'v1 v2 v3'
    wants 0 'rebalance is done: [0-9]+ keys? moved' rebalance
    same 0 "$(unbalanced 60)"
    all_there 60
}

@test "an index that stops cancels its jobs" {
    grown 60
    begin_mkv watcher rebalance --rate 10
    within 10 moves
    stop i
    await_end watcher
    same 1 "$RC"
    logged watcher 'rebalance is canceled'
}

@test "--rate slows a job down" {
    local before quick slow
    grown 60
    before=$(now_ms)
    wants 0 'rebalance is done: .*' rebalance --dry-run
    quick=$(($(now_ms) - before))
    before=$(now_ms)
    wants 0 'rebalance is done after [0-9]+ s: .*' rebalance --rate 40
    slow=$(($(now_ms) - before))
    ((slow > 2 * quick && slow > 1000)) || fail "$slow ms, and $quick ms without a copy"
}

@test "without a running index the command does the job itself" {
    local wrong
    grown 60
    wrong=$(unbalanced 60)
    stop i
    wants 0 "rebalance is done.*: $wrong keys moved" rebalance
    refute test -e "$T/data/i/admin.sock"
    wants 0 'rebalance is done.*: 0 keys moved' rebalance
    index i 'v1 v2 v3'
    same 0 "$(unbalanced 60)"
    all_there 60
}

# Keys 1 to 20 with two copies each on v1, v2 and v3, and no index that runs.
stopped_cluster() {
    cluster i 'v1 v2 v3' --replicas 2 --grace 0
    same 20x201 "$(for n in {1..20}; do echo "PUT /key-$n"; done | requests "$(url i)")"
    stop i
}

@test "without a running index, verify mends what is bad and removes what no key names" {
    local n bad stray
    stopped_cluster
    for n in {1..20}; do
        lacks v1 "/key-$n" || bad=/key-$n
    done
    rm "$(file_of v1 "$bad")"
    stray=$T/data/v2$(path_of /stray 0123456789abcdef)
    mkdir -p "${stray%/*}"
    echo stray >"$stray"
    chown -R --reference="$T/data/v2" "${stray%/*/*}"
    wants 1 ".*missing  $bad  on $(at v1).*verify is done.*, 1 copy is bad, 1 blob without a key" verify
    lacks v1 "$bad"
    wants 0 '.*verify is done.*, 1 copy is bad, 1 key repaired, .*' verify --deep --repair --remove-orphans
    holds v1 "$bad" "$bad"
    wants 0 'verify is done.*: 20 keys verified, all is well' verify --deep
    index i 'v1 v2 v3' --replicas 2
    all_there 20
    within 10 test ! -e "$stray"
}

@test "without a running index a volume is drained, taken up again, and forgotten when it is gone" {
    stopped_cluster
    wants 0 "drain $(at v3) is done.*: $(at v3) holds nothing any more: it can be unplugged" drain "$(at v3)"
    same '' "$(blobs v3)" 'blobs on it'
    same "$(at v3)" "$(note i drained)"
    wants 0 "drain $(at v3) is done.*takes new values again.*" drain --undo "$(at v3)"
    wants 1 '' forget "$(at v1)"
    grep -q 'cannot forget: its disk is there' "$T/err"
    stop v1
    wants 0 "forget $(at v1) is done.*: copies of 20 keys on $(at v1) are forgotten; .*" forget "$(at v1)"
    wants 0 '.*verify is done.*, 20 keys have too few copies, 20 keys repaired' verify --repair
    index i 'v2 v3' --replicas 2
    all_there 20
    wants 0 'verify is done.*: 20 keys verified, all is well' verify --deep
}

# Prints what the index's directory holds, with times and checksums.
picture() {
    (cd "$T/data/i" && find . -type f -printf '%p %i %T@\n' -exec md5sum {} + | sort)
}

@test "without a running index, what only looks changes no byte, after a stop and after a kill" {
    local how wrong
    grown 60
    wrong=$(unbalanced 60)
    "$MKV" dump --index "$T/data/i" >"$T/dump"
    for how in stop crash; do
        $how i
        picture >"$T/before"
        wants 0 'verify is done.*: 60 keys verified, all is well' verify --deep
        wants 0 "rebalance is done.*: $wrong keys,? .*would be moved" rebalance --dry-run
        picture | diff "$T/before" -
        refute test -e "$T/data/i/admin.sock"
        index i 'v1 v2 v3'
        "$MKV" dump --index "$T/data/i" | cmp - "$T/dump"
    done
}

@test "while a command reads the index's files, others look at them as well, and changes wait" {
    grown 60
    stop i
    begin_mkv reader verify --deep --rate 10
    within 10 job_is running
    refused 1 'is in use by another mkv: stop it' index "$(at v1)" --port "$(at i)" --index "$T/data/i"
    "$MKV" dump --index "$T/data/i" | tail -n 1 | jq -e '.end and .keys == 60' >"$T/out"
    begin_mkv writer rebalance
    wants 0 'rebalance is done.*: [0-9]+ keys,? .*would be moved' rebalance --dry-run
    refute ended writer
    signal reader INT
    await_end reader
    same 130 "$RC"
    await_end writer
    same 0 "$RC"
    logged writer 'rebalance is done.*: [0-9]+ keys moved'
    index i 'v1 v2 v3'
    same 0 "$(unbalanced 60)"
}

@test "an index that is worked on is locked, shows its job, and goes with its command" {
    grown 60
    stop i
    wants 1 '' rebalance --detach
    grep -q 'leave out --detach' "$T/err"
    begin_mkv worker rebalance --rate 10
    within 10 job_is running
    refused 1 'is in use by another mkv' index "$(at v1)" --port "$(at i)" --index "$T/data/i"
    within 10 moves
    signal worker INT
    await_end worker
    same 130 "$RC"
    logged worker 'rebalance is canceled'
    within 5 gone worker
    begin_mkv worker rebalance --rate 10
    within 10 moves
    leaves_files
    signal worker KILL
    await_end worker
    within 10 gone worker
    index i 'v1 v2 v3'
    wants 0 'rebalance is done.*' rebalance
    same 0 "$(unbalanced 60)"
    all_there 60
}

@test "the settings of the last run are known, also after a HUP" {
    volume v1
    volume v2
    printf '%s zone=here weight=7\n' "$(at v1)" >"$T/volumes"
    mkv_start i index --volumes-file "$T/volumes" --port "$(at i)" --index "$T/data/i" --grace 3 --subvolumes 2 --no-md5
    await_ready i
    same "mkv-settings 1
replicas 1
subvolumes 2
grace_ms 3000
sync 1
md5 0
volume $(at v1) zone=here weight=7" "$(grep -v '^store ' "$T/data/i/settings")"
    at v2 >>"$T/volumes"
    signal i HUP
    within 5 grep -qx "volume $(at v2) weight=100" "$T/data/i/settings"
    stop i
    wants 0 'rebalance is done.*' rebalance
}

@test "settings that are missing, damaged or too new are told" {
    cluster i v1
    stop i
    cp "$T/data/i/settings" "$T/settings"
    rm "$T/data/i/settings"
    refused 1 'start mkv index once' rebalance --index "$T/data/i"
    sed 's/^replicas.*/replicas 17/' "$T/settings" >"$T/data/i/settings"
    refused 1 'settings, line 2: it is no number from 1 to 16' rebalance --index "$T/data/i"
    echo mkv-settings 2 >"$T/data/i/settings"
    refused 1 'settings, line 1: a newer mkv' rebalance --index "$T/data/i"
    cp "$T/settings" "$T/data/i/settings"
    wants 0 'rebalance is done.*' rebalance
}

@test "a volume is drained, and taken up again" {
    grown 30
    wants 0 "drain $(at v1) is done.*: .*" drain "$(at v1)"
    same '' "$(blobs v1)" 'blobs on v1'
    "$MKV" status --index "$T/data/i" | grep -Eq "^volume +$(at v1) .*\(drained: takes no new values\)$"
    all_there 30
    wants 0 "drain $(at v1) is done.*: .*" drain --undo "$(at v1)"
    wants 1 '' drain 127.0.0.1:1
    "$MKV" status --index "$T/data/i" >"$T/status"
    refute grep -q drained "$T/status"
    grep -q 'cannot drain: the index knows no volume of that name' "$T/err"
    wants 1 '' forget "$(at v1)"
    grep -q 'cannot forget: .*drain it instead' "$T/err"
}

@test "what a verify finds is told, a line each, and its exit code says whether it is mended" {
    local n
    cluster i 'v1 v2' --replicas 2
    for n in 1 2 3; do
        put "$(url i)/key-$n" "/key-$n"
    done
    wants 0 'verify is done.*' verify
    rm "$(file_of v1 /key-1)" "$(file_of v2 /key-3)"
    run_mkv verify
    same 1 "$RC"
    same "missing  /key-1  on $(at v1)
missing  /key-3  on $(at v2)" "$(grep ^missing "$T/out" | cut -d: -f1,2 | sort)"
    run_mkv verify --json
    same 1 "$RC"
    same '/key-1 /key-3' "$(jq -r 'select(.finding).key' "$T/out" | sort | xargs)"
    run_mkv verify --repair
    same 0 "$RC"
    wants 0 'verify is done.*' verify --deep
    holds v1 /key-1 /key-1
}

@test "what makes no sense is refused" {
    cluster i v1
    refused 2 'takes no operands' rebalance now
    refused 2 'takes one volume' drain
    refused 2 "'x' is no HOST:PORT" drain x
    refused 2 'takes the number of one job' cancel one
    refused 2 'must be a number of bytes' rebalance --rate 1T
    refused 2 'must be a number of bytes' rebalance --rate 0
    refused 2 'must be a number from 1 to 64' rebalance --jobs 65
    refused 2 'unknown option --deep' rebalance --deep
    refused 1 'there is no index in' rebalance --index "$T/none"
}
