# shellcheck shell=bash
# What every .bats file loads: processes, ports, waits and HTTP.
#
# Each file, and each test, has a directory of its own, fresh and short-lived:
#
#     $RUN/proc/NAME.*    the book that hatch.c keeps of process NAME, its log first of all
#     $RUN/port/NAME      the port leased to NAME
#     $RUN/data/NAME      the directory of volume or index NAME
#     $RUN/tmp            TMPDIR of everything started here; must be empty at the end
#
# A file may define
#
#     before_all      starts what all its tests share; $F is the file's directory
#     before_each     comes before each test, and
#     after_each      behind it; $T is the test's directory
#
# A name is looked up in $T first, then in $F. The teardowns end what still runs by its kept pid,
# and fail unless it ends cleanly: exit status 0, no descendant left, ports closed, TMPDIR empty.
# What they print is seen only when a test fails: the logs of all processes.

: "${MKV:?must be the path of the mkv program}"
SUPPORT=${MKV_E2E_SUPPORT:?must be the directory of the programs in tests/support}
LEASES=${MKV_E2E_LEASES:-/tmp/mkv-e2e-ports.$UID}
ASAN=${MKV_E2E_ASAN:-}
STORE=${MKV_E2E_STORE:-} # postgres: each index directory has a database of its own (support/mkv_on_postgres.sh)
LONG=${MKV_TEST_LONG:-} # tests of many keys and rounds run at full length
LEASED=$((${#STORE} ? 10 : 0)) # seconds for which an index that was killed counts as alive
SLOW=$((ASAN ? 5 : 1)) # all deadlines are multiplied by this
export LC_ALL=C        # a key is bytes

if [[ $STORE ]]; then
    # shellcheck source=tests/support/postgres.bash
    . "${BASH_SOURCE[0]%/*}/postgres.bash"
    export MKV_PROGRAM=${MKV_PROGRAM:-$MKV}
    MKV=$(realpath "${BASH_SOURCE[0]%/*}/mkv_on_postgres.sh")
fi

# --- Failing and waiting --------------------------------------------------------------------------

fail() {
    printf '%s\n' "$*" >&2
    return 1
}

# Succeeds when the command fails. (bash ignores the result of `! command` in a test.)
refute() {
    if "$@"; then
        fail "unexpectedly succeeded: $*"
    fi
}

same() { # WANTED GOT [WHAT]
    [[ $1 == "$2" ]] || fail "${3:-value}: wanted '$1', got '$2'"
}

now_ms() {
    local now=$EPOCHREALTIME
    echo $((${now/./} / 1000))
}

# Waits until the command succeeds. It polls, and this is the only place that does: the conditions
# are of many kinds (a file, a log line, an answer, a process), and nothing that wakes a shell knows
# them all.
within() { # SECONDS COMMAND...
    local deadline=$(($(now_ms) + $1 * 1000 * SLOW))
    shift
    until "$@"; do
        (($(now_ms) < deadline)) || fail "still not true at the deadline: $*" || return 1
        sleep 0.05
    done
}

# Leaves a test out where indexes have a database.
of_gdbm_alone() { # WHY
    [[ ! $STORE ]] || skip "of GDBM alone: $1"
}

need_root() {
    ((UID == 0)) || skip "needs root"
}

# --- Directories ----------------------------------------------------------------------------------

run_new() {
    RUN=$(mktemp -d "${TMPDIR:-/tmp}/mkv-e2e.XXXXXX")
    chmod 755 "$RUN" # when root runs the tests, nginx's workers are someone else
    mkdir "$RUN"/{proc,port,data,tmp}
    chmod 1777 "$RUN/tmp"
}

# Gives files to the user that mkv becomes where root starts it, as it reads them again at a HUP.
give_to_mkv() { # FILE...
    ((UID != 0)) || chown www-data "$@"
}

file_begin() {
    run_new
    F=$RUN
    export F
}

test_begin() {
    local log
    run_new
    T=$RUN
    for log in "${F:-/nonexistent}"/proc/*.log; do
        if [[ -e $log ]]; then
            stat -c %s "$log" >"$T/port/.seen-${log##*/}"
        fi
    done
}

# Sets FOUND_AT to the path RUN/KIND/NAME of whichever run has it. (It starts no process, as lookup
# in a "$(...)" does; tests ask thousands of times.)
find_path() { # KIND NAME
    local run
    for run in "${T:-}" "${F:-}"; do
        FOUND_AT=$run/$1/$2
        if [[ -n $run && -e $FOUND_AT ]]; then
            return 0
        fi
    done
    return 1
}

# Prints that.
lookup() { # KIND NAME
    find_path "$@" && echo "$FOUND_AT"
}

# --- Processes ------------------------------------------------------------------------------------

# Starts the command in the background, in a session of its own.
hatch() { # NAME COMMAND...
    local base=$RUN/proc/$1
    shift
    rm -f "$base".{pid,rc,keeper,gone}
    # The fd 3 of bats must not stay open in the background, or bats waits for it.
    TMPDIR=$RUN/tmp "$SUPPORT/hatch" $$ "$base" "$@" 3>&-
}

# Starts mkv. It must exit with 0 when teardown ends it.
mkv_start() { # NAME MKV-ARGUMENTS...
    local name=$1
    shift
    touch "$RUN/proc/$name.must-exit-0"
    hatch "$name" ${AS:+"${AS[@]}"} "$MKV" "$@"
}

pid_of() { # NAME
    cat "$(lookup proc "$1.pid")"
}

log_of() { # NAME
    lookup proc "$1.log"
}

ended() { # NAME
    find_path proc "$1.rc"
}

gone() { # NAME: it and all its descendants
    find_path proc "$1.gone"
}

logged() { # NAME REGEX
    grep -Eq -- "$2" "$(log_of "$1")"
}

# Waits for the end of the process, and sets RC.
await_end() { # NAME [SECONDS]
    within "${2:-10}" ended "$1" || fail "$1 did not end" || return 1
    RC=$(cat "$(lookup proc "$1.rc")")
}

signal() { # NAME SIGNAL
    kill -s "$2" "$(pid_of "$1")"
}

# Ends the process and waits until nothing is left of it.
stop() { # NAME [SIGNAL]
    signal "$1" "${2:-TERM}"
    await_end "$1" 15
    if find_path proc "$1.must-exit-0"; then
        same 0 "$RC" "exit status of $1"
    fi
    within 3 gone "$1" || leftovers "$1"
}

# Kills the process with a signal it can't catch, and waits until nothing is left of it.
crash() { # NAME
    leaves_files
    signal "$1" KILL
    await_end "$1"
    within 3 gone "$1" || leftovers "$1"
}

# Names the processes that outlived NAME, and fails.
leftovers() { # NAME
    fail "$1 left processes behind:" || ps -o pid,user,args --ppid "$(cat "$(lookup proc "$1.keeper")")" >&2
    return 1
}

children() { # PID [NAME]
    pgrep -P "$1" ${2:+-x "$2"}
}

# By its title: an nginx that only tests a config is a child of mkv's, too, for a moment.
nginx_master() { # NAME: the nginx that an mkv runs
    pgrep -P "$(pid_of "$1")" -f '^nginx: master process'
}

server_of() { # NAME: the process of a volume's own server
    pgrep -P "$(pid_of "$1")" -x mkv-server
}

nginx_workers() { # NAME
    local master
    master=$(nginx_master "$1") && children "$master"
}

# --- Refusals ------------------------------------------------------------------------------------

# Runs mkv, which must exit with the status, printing one line on stderr that matches. (It may also
# tell, at level info, what it did before, and that a volume is down.)
refused() { # STATUS REGEX MKV-ARGUMENTS...
    local status=$1 regex=$2 before
    shift 2
    before=$(ls -A "$T/tmp")
    hatch refused ${AS:+"${AS[@]}"} "$MKV" "$@"
    within 10 ended refused || fail "it hangs: mkv $*" || return 1
    await_end refused
    within 2 gone refused
    if [[ $RC != "$status" || $(grep -Evc '^[^ ]* (info |warn  mkv: volume [^ ]* is down)' "$(log_of refused)") != 1 ]] || ! logged refused "$regex" ||
        logged refused 'nginx: *\[|^nginx'; then
        fail "wanted exit $status and one line with '$regex', got exit $RC and:
$(cat "$(log_of refused)")
from: mkv $*"
        return 1
    fi
    same "$before" "$(ls -A "$T/tmp")" 'what is in TMPDIR' || return 1
    rm "$T/proc/refused.log"
}

# --- Ports ----------------------------------------------------------------------------------------

# Sets PORT to the port of NAME, leased at the first call.
find_port() { # NAME
    if find_path port "$1"; then
        read -r PORT <"$FOUND_AT"
    else
        PORT=$("$SUPPORT/freeport" "$LEASES" $$ | tee "$RUN/port/$1")
    fi
}

# Prints it.
port() { # NAME
    find_port "$1"
    echo "$PORT"
}

# Prints its host:port. (Files of tests have their own, with other hosts.)
at() { # NAME
    find_port "$1"
    echo "127.0.0.1:$PORT"
}

url() { # NAME
    echo "http://$(at "$1")"
}

# Whether [::1] is there. A file of /proc always looks empty, so it is read.
has_ipv6() {
    grep -qs '^0*1 ' /proc/net/if_inet6
}

listening() { # PORT
    (exec {fd}<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

closed() { # PORT
    ! listening "$1"
}

# --- Clusters -------------------------------------------------------------------------------------

healthy() { # NAME
    [[ $(curl -q -s --noproxy '*' -g -m 5 -o /dev/null -w '%{http_code}' "$(url "$1")/_mkv/health") == 200 ]]
}

healthy_or_ended() { # NAME
    healthy "$1" || ended "$1"
}

# Waits until it serves; fails at once when it ends instead.
await_ready() { # NAME
    within 10 healthy_or_ended "$1" || return 1
    refute ended "$1"
}

# Starts a volume, or starts it again on the same port and directory.
volume() { # NAME [MKV-OPTIONS...]
    local name=$1
    shift
    if [[ ! -d $RUN/data/$name ]]; then
        mkdir "$RUN/data/$name"
        chown --reference="$RUN/data" "$RUN/data/$name"
    fi
    mkv_start "$name" volume "$(at "$name")" "$(lookup data "$name")" "$@"
    await_ready "$name"
}

# Starts an nginx with WebDAV and nothing of mkv, as the originals have for a volume.
plain_volume() { # NAME
    local dir=$RUN/data/$1 tmp=$RUN/data/$1/.mkv/tmp
    mkdir -p "$tmp"
    cat >"$RUN/proc/$1.conf" <<EOF
daemon off;
pid $tmp/pid;
error_log stderr error;
$( ((UID != 0)) || echo 'user root;')
events {
}
http {
    access_log off;
    client_max_body_size 0;
    client_body_temp_path $tmp/body;
    proxy_temp_path $tmp/proxy;
    fastcgi_temp_path $tmp/fastcgi;
    uwsgi_temp_path $tmp/uwsgi;
    scgi_temp_path $tmp/scgi;
    server {
        listen $(at "$1");
        root $dir;
        location / {
            dav_methods PUT DELETE;
            create_full_put_path on;
        }
    }
}
EOF
    # nginx is in sbin, which an ordinary user's PATH may lack.
    PATH=$PATH:/usr/local/sbin:/usr/sbin hatch "$1" nginx -e stderr -c "$RUN/proc/$1.conf" -p "$dir"
    within 10 listening "$(port "$1")"
}

# Starts an index over the volumes named in "...", or starts it again. Its port without the front
# is that of NAME-direct. A value that was replaced stays for a second, and nothing is mended by itself.
index() { # NAME "VOLUME..." [MKV-OPTIONS...]
    local name=$1 volumes=() each
    for each in $2; do
        volumes+=("$(at "$each")")
    done
    shift 2
    mkv_start "$name" index "${volumes[@]}" --port "$(at "$name")" --direct "$(at "$name-direct")" \
        --index "$RUN/data/$name" --grace 1 --verify-every 0 --repair-after 0 "$@"
    await_ready "$name"
}

# Starts the volumes and an index over them.
cluster() { # INDEX "VOLUME..." [INDEX-OPTIONS...]
    local each
    for each in $2; do
        volume "$each"
    done
    index "$@"
}

fake() { # NAME MODE: a fakevolume on the port of NAME
    hatch "fake-$1" "$SUPPORT/fakevolume" "$(port "$1")" "$2"
    within 5 logged "fake-$1" '^up$'
}

# Starts a link: a volume is also reached at the port of NAME, through a proxy (tcpproxy.c), which may
# hold requests back.
link() { # NAME VOLUME-OR-SOCKET [BYTES-PER-SECOND [FILE]]
    local name=$1 to=$2
    shift 2
    if [[ $to != /* ]]; then
        to=$(port "$to")
    fi
    hatch "$name" "$SUPPORT/tcpproxy" "$(port "$name")" "$to" "$@"
    within 5 logged "$name" '^up$'
}

# Prints the state of a volume as an index sees it.
state_of() { # INDEX VOLUME
    local json name
    json=$("$MKV" status --json --index "$(lookup data "$1")")
    name=$(at "$2")
    # Tests wait for states so often that jq took a fifth of their time.
    if [[ $json =~ \{\"name\":\ *\""$name"\",\ *\"state\":\ *\"([^\"]*)\" ]]; then
        echo "${BASH_REMATCH[1]}"
    fi
}

sees() { # INDEX VOLUME STATE-REGEX
    [[ $(state_of "$1" "$2") =~ ^($3)$ ]]
}

# Prints a note of the index: what it has to know when it starts again.
note() { # INDEX NAME
    if [[ $STORE ]]; then
        store_sql "$(lookup data "$1")" "SELECT convert_from(value, 'UTF8') FROM mkv.notes WHERE name = '$2'" | sed '/^$/d'
    else
        cat "$(lookup data "$1")/$2"
    fi
}

# Puts one, of an index that doesn't run.
put_note() { # INDEX NAME LINE
    if [[ $STORE ]]; then
        store_sql "$(lookup data "$1")" "INSERT INTO mkv.notes VALUES ('$2', convert_to(E'$3\\n', 'UTF8'))
            ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value"
    else
        echo "$3" >"$(lookup data "$1")/$2"
    fi
}

# What is to replace the index's table is being made.
replacing() { # INDEX-DIR
    if [[ $STORE ]]; then
        [[ $(store_sql "$1" 'SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()') -gt 1 ]]
    else
        [[ -d $1/restore.tmp ]]
    fi
}

# The index remembers so many blobs that are to be removed.
has_orphans() { # INDEX COUNT
    [[ $("$MKV" status --json --index "$(lookup data "$1")") =~ \"orphans\":\ *"$2", ]]
}

# --- The hooks of Bats ----------------------------------------------------------------------------

defined() { # FUNCTION
    declare -F "$1" >/dev/null
}

# Bats notes the stack before each command (a DEBUG trap), which takes half of a test's CPU time. Here
# it does so for the commands of the test itself, and the stack of others is looked at when one fails.
trace_less() {
    if defined bats_debug_trap && defined bats_error_trap && defined bats_capture_stack_trace; then
        trap '[[ -n ${BATS_DEBUG_LAST_STACK_TRACE_IS_VALID-} ]] || bats_debug_trap "$BASH_SOURCE"' DEBUG
        trap 'trace_failure || bats_error_trap' ERR
        declare -ft "$BATS_TEST_NAME"
        set +T
    fi
}

# Bats shows this stack, the innermost function first, unless the test itself has failed.
trace_failure() {
    local status=$?
    if [[ -z ${BATS_DEBUG_LAST_STACK_TRACE_IS_VALID-} && ${FUNCNAME[1]-} != "$BATS_TEST_NAME" ]]; then
        bats_capture_stack_trace
    fi
    return $status
}

setup_file() {
    if [[ $STORE ]] || defined before_all; then
        file_begin
    fi
    if [[ $STORE ]]; then
        postgres ~store
    fi
    if defined before_all; then
        before_all
    fi
}

setup() {
    trace_less
    test_begin
    if defined before_each; then
        before_each
    fi
}

teardown() {
    local bad=0
    if defined after_each; then
        after_each || bad=1
    fi
    test_end || bad=1
    return $bad
}

teardown_file() {
    local bad=0
    if [[ ${F:-} ]]; then
        if [[ $STORE ]]; then
            store_was_used || bad=1
        fi
        file_end || bad=1
        return $bad
    fi
}

# --- Ends -----------------------------------------------------------------------------------------

# Says that TMPDIR may keep files: something was killed that could not tidy up.
leaves_files() {
    touch "$RUN/port/.leaves-files"
}

# A server of PostgreSQL ends without a checkpoint: nobody needs its data, which may take long to write.
run_end() { # RUN
    local RUN=$1 bad=0 pid orphan name path how
    for pid in "$RUN"/proc/*.pid; do
        [[ -e $pid ]] || continue
        name=${pid##*/} name=${name%.pid}
        if [[ ! -e ${pid%.pid}.rc ]]; then
            [[ $name == '~'* ]] && how=QUIT || how=TERM
            kill -$how "$(cat "$pid")" || true
            if ! within 15 ended "$name"; then
                kill -KILL "$(cat "$pid")" || true
                bad=1
            elif [[ -e ${pid%.pid}.must-exit-0 && $(cat "${pid%.pid}.rc") != 0 ]]; then
                echo "$name exited with $(cat "${pid%.pid}.rc")"
                bad=1
            fi
        fi
        if ! within 3 gone "$name"; then
            leftovers "$name" || bad=1
            for orphan in $(children "$(cat "$RUN/proc/$name.keeper")"); do
                kill -KILL "$orphan" || true
            done
        fi
        if grep -E 'AddressSanitizer|LeakSanitizer|runtime error:|Assertion' "$RUN/proc/$name.log"; then
            bad=1
        fi
    done
    for path in "$RUN"/port/[!.]*; do
        [[ -e $path ]] || continue
        if listening "$(cat "$path")"; then
            echo "port $(cat "$path") of ${path##*/} is still open"
            bad=1
        fi
        rm -f "$LEASES/$(cat "$path")"
    done
    if [[ ! -e $RUN/port/.leaves-files && -n $(ls -A "$RUN/tmp") ]]; then
        echo "files left in TMPDIR:"
        ls -lA "$RUN/tmp"
        bad=1
    fi
    return $bad
}

# Prints the logs of a run, from where the test began.
run_logs() { # RUN
    local log seen
    for log in "$1"/proc/*.log; do
        [[ -s $log ]] || continue
        seen=$(cat "${T:-}/port/.seen-${log##*/}" 2>/dev/null) || seen=0
        echo "--- ${log##*/}"
        tail -c "+$((seen + 1))" "$log" | tail -n 60
    done
}

test_end() {
    local bad=0
    exec 7>&- 8>&- 9>&- # the connections of a test that failed half-way
    run_end "$T" || bad=1
    run_logs "$T"
    if [[ -n ${F:-} ]]; then
        run_logs "$F"
    fi
    rm -rf "$T"
    return $bad
}

file_end() {
    local bad=0 T=''
    run_end "$F" || bad=1
    if ((bad)); then
        run_logs "$F"
    fi
    rm -rf "$F"
    return $bad
}

# --- HTTP -----------------------------------------------------------------------------------------

# Makes a request. Sets STATUS, and leaves the answer's header block in $T/head and its body in
# $T/body. A transfer that broke has STATUS 000.
http() { # METHOD URL [CURL-OPTIONS...]
    local method=$1 url=$2 how
    shift 2
    how=(-X "$method")
    if [[ $method == HEAD ]]; then
        how=(--head)
    fi
    : >"$T/head"
    : >"$T/body"
    STATUS=$(curl -q -sS -g --noproxy '*' --path-as-is -m $((30 * SLOW)) -o "$T/body" -D "$T/head" \
        -w '%{http_code}' "${how[@]}" "$@" "$url") || true
    if [[ $method == HEAD ]]; then
        : >"$T/body" # curl repeats the header block there
    fi
}

# The same, and fails unless the status matches the regex.
want() { # STATUS METHOD URL [CURL-OPTIONS...]
    local wanted=$1
    shift
    http "$@"
    if [[ ! $STATUS =~ ^($wanted)$ ]]; then
        cat "$T/head" >&2
        fail "wanted $wanted, got $STATUS: $*"
    fi
}

put() { # URL VALUE [CURL-OPTIONS...]
    local url=$1 value=$2
    shift 2
    want 201 PUT "$url" --data-binary "$value" "$@"
}

# Gets a key by way of its redirect and compares the value.
got() { # URL VALUE
    want 200 GET "$1" -L
    printf %s "$2" | cmp - "$T/body"
}

# Makes a request of each line "METHOD PATH" on stdin, in order; the value of a PUT is its path,
# and a GET follows its redirect. Stops when there is no answer. Prints a line "STATUS METHOD URL" each.
replay() { # URL [CURL-OPTIONS...]
    local url=$1 method path
    shift
    while read -r method path; do
        printf 'next\nsilent\nno-progress-meter\ngloboff\npath-as-is\nnoproxy = *\nmax-time = %d\noutput = /dev/null\n' $((30 * SLOW))
        printf 'write-out = "%%{http_code} %%{method} %%{url}\\n"\nurl = "%s%s"\nrequest = %s\n' "$url" "$path" "$method"
        if [[ $method == PUT ]]; then
            printf 'data-binary = "%s"\n' "$path"
        elif [[ $method == GET ]]; then
            echo location
        fi
    done | sed 1d | curl -q --fail-early -K - "$@"
}

# The same a few at a time, in no order. Prints how often each status came: "3x201 1x404".
requests() { # URL
    replay "$1" --parallel --parallel-max 8 | cut -d' ' -f1 | sort | uniq -c | awk '{ print $1 "x" $2 }' | paste -sd' '
}

# Asks for a listing, which must be JSON of the form that mkv-api(7) gives. Sets LISTED to its keys
# (none of which may have line breaks), NEXT to what the next page begins with, and START to that as
# start= takes it.
list() { # URL
    want 200 GET "$1"
    same application/json "$(header Content-Type)"
    jq -er 'def text: if type == "string" then . else "percent:" + .percent end;
        def encoded: if type == "string" then @uri else .percent end;
        if keys == ["keys", "next"] then (.keys[] | text), (.next | text), (.next | encoded) else empty end' \
        "$T/body" >"$T/listing" || fail "no listing: $(head -c 1000 "$T/body")"
    mapfile -t LISTED <"$T/listing"
    START=${LISTED[-1]} NEXT=${LISTED[-2]}
    unset 'LISTED[-1]' 'LISTED[-1]'
}

# Prints the keys of the last listing, one a line.
listed() {
    head -n -2 "$T/listing"
}

# Walks a listing page by page, and prints all its keys.
pages() { # URL LIMIT
    START=''
    while :; do
        list "$1&limit=$2&start=$START" || return 1
        listed
        ((${#LISTED[@]} <= $2)) || fail "more than $2 keys" || return 1
        [[ -n $START ]] || return 0
    done
}

# Prints a header of the last answer.
header() { # NAME
    tr -d '\r' <"$T/head" | awk -v name="$1" '
        /^HTTP\// { value = ""; found = 0 }
        tolower(substr($0, 1, length(name) + 1)) == tolower(name) ":" {
            value = substr($0, length(name) + 2)
            sub(/^ */, "", value)
            found = 1
        }
        END { if (found) print value; exit !found }'
}

# Sends stdin to a port and prints what comes back until the peer closes.
talk() { # PORT
    local fd
    exec {fd}<>"/dev/tcp/127.0.0.1/$1"
    cat >&"$fd" || true # the peer may have closed already
    timeout $((10 * SLOW)) cat <&"$fd"
    exec {fd}>&-
}

# Reads the header block of an answer from a descriptor: sets STATUS, prints nothing.
answer() { # FD
    local line
    STATUS=000
    read -r -t $((30 * SLOW)) -u "$1" line || return 1
    STATUS=${line#* } STATUS=${STATUS%% *}
    while read -r -t 5 -u "$1" line && [[ $line != $'\r' ]]; do
        :
    done
}

# Sends stdin to a port, and sets STATUS from the answer's header block; does not wait for the end.
ask() { # PORT
    local fd
    exec {fd}<>"/dev/tcp/127.0.0.1/$1"
    cat >&"$fd" || true # the peer may have closed already
    answer "$fd" || true
    exec {fd}>&-
}

# Opens descriptor 7 with a PUT that lacks its last 5 bytes.
put_half() { # NAME PATH
    exec 7<>"/dev/tcp/127.0.0.1/$(port "$1")"
    printf 'PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: 100005\r\nConnection: close\r\n\r\n%0100000d' "$2" 0 >&7
}

# Sends the rest, and sets STATUS from the answer; the value is in $T/value.
put_rest() {
    printf 56789 >&7
    printf '%0100000d56789' 0 >"$T/value"
    answer 7
    exec 7>&-
}

# --- Keys -----------------------------------------------------------------------------------------

md5_of() { # stdin
    md5sum | cut -c1-32
}

# A generation, as a pattern.
ANY_GENERATION='[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]'

# Sets NAME to what a base64 is as a path, whose last component has room for so many bytes after it. Its
# components that are too long are cut; the empty ones, which a file system drops, n in a row, become one
# "-n".
name_of() { # BASE64 BYTES
    local rest=$1/ component more=0 empty=0 piece
    NAME=''
    while [[ -n $rest ]]; do
        component=${rest%%/*} rest=${rest#*/}
        if [[ -z $component ]]; then
            empty=$((empty + 1))
            continue
        fi
        if ((empty)); then
            NAME+=/-$empty
            empty=0
        fi
        if [[ -z $rest ]]; then
            more=$2
        fi
        while ((${#component} > 254 || ${#component} + more > 255)); do
            piece=$((${#component} > 254 ? 254 : ${#component} - 1))
            NAME+=/${component:0:piece}.
            component=${component:piece}
        done
        NAME+=/$component
    done
    if ((empty)); then
        NAME+=/-$empty
    fi
}

# Sets PLAIN to where a volume keeps the key with these bytes: DESIGN 4.2, in the originals' form, and
# NAMED to the same with a generation, up to the dot before that.
find_paths() { # KEY
    local md5 base64
    if [[ -n ${PATHS_OF-} && $PATHS_OF == "$1" ]]; then
        return
    fi
    md5=$(printf %s "$1" | md5sum)
    base64=$(printf %s "$1" | base64 -w0)
    name_of "$base64" 0
    PLAIN=/${md5:0:2}/${md5:2:2}$NAME
    name_of "$base64" 17
    NAMED=/${md5:0:2}/${md5:2:2}$NAME
    PATHS_OF=$1
}

# Prints the path of a blob of this key and generation; without that, in the originals' form.
path_of() { # KEY [GENERATION]
    find_paths "$1"
    if [[ -n ${2-} ]]; then
        echo "$NAMED.$2"
    else
        echo "$PLAIN"
    fi
}

# Sets FOUND to the files of all blobs of a key that a volume has, in the order of their generations. One
# that was replaced stays for a while.
find_blobs() { # VOLUME KEY
    local dir file
    dir=$(lookup data "$1")
    find_paths "$2"
    FOUND=()
    for file in "$dir$PLAIN" "$dir$NAMED".$ANY_GENERATION; do
        if [[ -f $file ]]; then
            FOUND+=("$file")
        fi
    done
}

# Prints their paths at the volume, one a line.
paths_of() { # VOLUME KEY
    local dir
    dir=$(lookup data "$1")
    find_blobs "$1" "$2"
    if ((${#FOUND[@]})); then
        printf '%s\n' "${FOUND[@]#"$dir"}"
    fi
}

# Prints the path of the newest; fails when there is none.
blob_of() { # VOLUME KEY
    paths_of "$1" "$2" | tail -n 1 | grep .
}

# The same, as a file's name.
file_of() { # VOLUME KEY
    find_blobs "$1" "$2"
    ((${#FOUND[@]})) && echo "${FOUND[-1]}"
}

# The volume has the blob of the key, with this value.
holds() { # VOLUME KEY VALUE
    find_blobs "$1" "$2"
    ((${#FOUND[@]})) || fail "$1 has nothing of $2" || return 1
    printf %s "$3" | cmp - "${FOUND[-1]}"
}

lacks() { # VOLUME KEY
    find_blobs "$1" "$2"
    ((${#FOUND[@]} == 0))
}

# Neither of the volumes has a blob.
all_lack() { # VOLUME...
    local each
    for each in "$@"; do
        [[ -z $(blobs "$each") ]] || return 1
    done
}

# Prints the names of the blobs in a volume's directory: all files but the volume's own.
blobs() { # NAME
    (cd "$(lookup data "$1")" && find . -path ./.mkv -prune -o -type f -print | cut -c2-)
}

# Succeeds when the volume holds no temporary file; nginx.pid lies beside their directories. (One is there once nginx has got more of a body
# than it buffers, 16 KiB.)
tidy() { # NAME
    [[ -z $(find "$(lookup data "$1")/.mkv/tmp" -mindepth 2 -type f) ]]
}

if [[ -n ${MKV_E2E_CLOSED-} ]]; then
    # shellcheck source=tests/support/closed.bash
    source "${BASH_SOURCE[0]%/*}/closed.bash"
fi
