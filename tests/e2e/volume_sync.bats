#!/usr/bin/env bats
# POST /_mkv/sync at a volume: what nginx stored is made durable by mkv itself.

load ../support/lib

BLOB=/5d/41/aGVsbG8=

before_all() {
    volume v
}

before_each() {
    U=$(url v)
    D=$F/data/v
}

sync_paths() { # STATUS URL PATH...
    local wanted=$1 url=$2
    shift 2
    printf '%s\n' "$@" >"$T/paths"
    want "$wanted" POST "$url/_mkv/sync" --data-binary @"$T/paths"
}

need_strace() {
    command -v strace >/dev/null || skip "needs strace"
    strace -o /dev/null true 2>/dev/null || skip "strace may not trace here"
}

# Starts a volume with strace beside it: the calls of mkv and of its nginx go to $T/trace. Leaks
# can't be looked for in a process that is traced.
traced() { # NAME STRACE-OPTIONS...
    local name=$1 AS
    shift
    AS=(strace -D -f -y "$@" -o "$T/trace")
    ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 volume "$name"
}

synced() { # PATH-REGEX: how often it was given to fsync
    grep -Ec "fsync\([0-9]+<$1>" "$T/trace" || true
}

@test "a stored file is synced on request, and a missing one is named" {
    want '201|204' PUT "$U$BLOB" --data-binary hello
    sync_paths 204 "$U" "$BLOB"
    [[ -n $(header Mkv-Volume-Id) ]]
    want 204 POST "$U/_mkv/sync" --data-binary "$BLOB"
    sync_paths 404 "$U" "$BLOB" /5d/41/bm9uZQ== /5d/42/bm9uZQ==
    same 'there is no file: /5d/41/bm9uZQ==' "$(cat "$T/body")"
    want 201 PUT "$U/sv0F$BLOB" --data-binary hello
    sync_paths 204 "$U" "/sv0F$BLOB" "$BLOB"
}

@test "what is no blob's path is refused" {
    local path
    for path in '' / .. /.. /5d/41/../41/aGVsbG8= /.mkv/id /5d/41/.mkv "$BLOB/" "/$BLOB" /5d/41 '/5d/41/a b' \
        /5d/41/%61 /../../etc/passwd /SV00/5d/41/a /sv0g/5d/41/a; do
        sync_paths 400 "$U" "$path"
        sync_paths 400 "$U" "$BLOB" "$path"
        same "line 2 is no blob's path" "$(cat "$T/body")"
    done
    printf '/5d/41/a\0b' >"$T/paths"
    want 400 POST "$U/_mkv/sync" --data-binary @"$T/paths"
    want 400 POST "$U/_mkv/sync" --data-binary ''
    want 400 POST "$U/_mkv/sync" --data-binary $'/5d/41/a\r\n'
}

@test "no link is followed, and nothing but a file is synced" {
    mkdir -p "$D/11/22/dir" "$T/outside"
    echo x >"$T/outside/aGVsbG8="
    ln -s "$T/outside" "$D/11/33"
    ln -s "$T/outside/aGVsbG8=" "$D/11/22/link"
    mkfifo "$D/11/22/fifo"
    sync_paths 404 "$U" /11/33/aGVsbG8=
    sync_paths 404 "$U" /11/22/link
    sync_paths 404 "$U" /11/22/fifo
    sync_paths 404 "$U" /11/22/dir
}

@test "a body over 64 KiB is refused, of whatever form" {
    want '201|204' PUT "$U$BLOB" --data-binary hello
    yes "$BLOB" | head -c $((65536 / 16 * 16)) >"$T/paths"
    want 204 POST "$U/_mkv/sync" --data-binary @"$T/paths"
    yes "$BLOB" | head -c 65552 >"$T/paths"
    want 413 POST "$U/_mkv/sync" --data-binary @"$T/paths"
    want 413 POST "$U/_mkv/sync" --data-binary @"$T/paths" -H 'Transfer-Encoding: chunked'
    # Without nginx it is the same.
    same 413 "$(curl -q -s -o /dev/null -w '%{http_code}' --unix-socket "$D/.mkv/sync.sock" \
        -X POST --data-binary @"$T/paths" http://v/_mkv/sync)"
}

@test "only POST, and nothing else of .mkv, is reachable" {
    local method
    for method in GET HEAD PUT DELETE OPTIONS; do
        want 405 $method "$U/_mkv/sync"
        same POST "$(header Allow)"
        [[ -n $(header Mkv-Volume-Id) ]]
    done
    want 404 POST "$U/_mkv/sync/" --data-binary "$BLOB"
    want 404 POST "$U/_mkv/sync.sock" --data-binary "$BLOB"
    want 403 GET "$U/.mkv/sync.sock"
    want 403 DELETE "$U/.mkv/sync.sock"
    same 404 "$(curl -q -s -o /dev/null -w '%{http_code}' --unix-socket "$D/.mkv/sync.sock" http://v/.mkv/id)"
    [[ -S $D/.mkv/sync.sock ]]
}

@test "the file and each directory above it are fsynced, by mkv" {
    local directories=1
    need_strace
    # There an fsync of the file has its name in it.
    if [[ $(stat -f -c %T "$T") =~ ext|xfs ]]; then
        directories=0
    fi
    traced t -e trace=fsync,fdatasync,syncfs
    want 201 PUT "$(url t)/sv01$BLOB" --data-binary hello
    same 0 "$(synced "$T/data/t/sv01.*")"
    sync_paths 204 "$(url t)" "/sv01$BLOB"
    same 1 "$(synced "$T/data/t/sv01$BLOB")"
    same $directories "$(synced "$T/data/t/sv01/5d/41")"
    same $directories "$(synced "$T/data/t/sv01/5d")"
    same $directories "$(synced "$T/data/t/sv01")"
    ((directories == 0 || 0 < $(synced "$T/data/t")))
    stop t
}

@test "a disk that fails is reported, and not believed later" {
    need_strace
    # strace counts in each thread on its own.
    UV_THREADPOOL_SIZE=1 traced t -e trace=fsync -P "$T/data/t$BLOB" -e inject=fsync:error=EIO:when=1
    want 201 PUT "$(url t)$BLOB" --data-binary hello
    sync_paths 500 "$(url t)" "$BLOB"
    grep -q "$BLOB" "$T/body"
    sync_paths 500 "$(url t)" "$BLOB"
    logged t "cannot make \"${BLOB#/}\" durable"
    want 204 PUT "$(url t)$BLOB" --data-binary hello
    sync_paths 204 "$(url t)" "$BLOB"
    stop t
}

# Sends 64 requests at once, and waits for their answers in $T/codes.
sync_64() { # URL
    local i
    for ((i = 0; i < 64; i++)); do
        printf 'next\nurl = "%s/_mkv/sync"\ndata = "/aa/%02x/YQ=="\nsilent\nwrite-out = "%%{http_code}\\n"\n' "$1" "$i"
    done | sed 1d >"$T/curl"
    curl -q --noproxy '*' --no-progress-meter -Z --parallel-immediate --parallel-max 64 -K "$T/curl" >"$T/codes"
}

@test "64 requests at once take fewer flushes" {
    local i
    need_strace
    # Each flush takes a while, so that the others meet in the next one.
    traced t -e trace=fsync,syncfs -e inject=fsync,syncfs:delay_enter=100000
    for ((i = 0; i < 64; i++)); do
        printf 'next\nurl = "%s/aa/%02x/YQ=="\nupload-file = "/etc/passwd"\nsilent\n' "$(url t)" "$i"
    done | sed 1d >"$T/curl"
    curl -q --noproxy '*' -K "$T/curl"
    : >"$T/trace"
    sync_64 "$(url t)"
    same 64 "$(grep -c 204 "$T/codes")"
    # DIR is synced once a flush, by its own fsync or by a syncfs.
    within 5 grep -Eq "(fsync|syncfs)\([0-9]+<$T/data/t>" "$T/trace"
    (($(grep -Ec "(fsync|syncfs)\([0-9]+<$T/data/t>" "$T/trace") < 32))
    stop t
}

@test "a sync in flight ends before mkv does" {
    need_strace
    traced t -e trace=fsync -P "$T/data/t$BLOB" -e inject=fsync:delay_enter=1500000
    want 201 PUT "$(url t)$BLOB" --data-binary hello
    hatch asking curl -q -s -w '%{http_code}\n' --noproxy '*' -d "$BLOB" "$(url t)/_mkv/sync"
    within 5 grep -q fsync "$T/trace"
    stop t
    await_end asking
    logged asking '^204$'
    [[ ! -e $T/data/t/.mkv/sync.sock ]]
}

@test "a long path of the directory is no obstacle" {
    local name
    name=$(printf 'x%.0s' {1..200})
    mkdir "$T/data/$name"
    mkv_start long volume "$(at long)" "$T/data/$name"
    await_ready long
    want 201 PUT "$(url long)$BLOB" --data-binary hello
    sync_paths 204 "$(url long)" "$BLOB"
}

@test "where no socket can be made, it is elsewhere" {
    need_strace
    traced t -e trace=bind -e inject=bind:error=EPERM:when=3 # the others are for IPv4
    same 1 "$(grep -c 'sun_path=.*INJECTED' "$T/trace")" 'sockets refused'
    want 201 PUT "$(url t)$BLOB" --data-binary hello
    sync_paths 204 "$(url t)" "$BLOB"
    [[ ! -e $T/data/t/.mkv/sync.sock ]]
    logged t 'no socket can be made'
    stop t
    same '' "$(ls -A "$T/tmp")" 'what is left in TMPDIR'
}

@test "where openat2 is forbidden, files are synced all the same, and no link is followed" {
    local error
    need_strace
    for error in EPERM ENOSYS; do
        traced "$error" -e trace=openat2 -e inject=openat2:error=$error
        want 201 PUT "$(url "$error")$BLOB" --data-binary hello
        ln -s aGVsbG8= "$T/data/$error/5d/41/bGluaw=="
        sync_paths 204 "$(url "$error")" "$BLOB"
        sync_paths 404 "$(url "$error")" /5d/41/bGluaw==
        grep -q INJECTED "$T/trace"
        stop "$error"
    done
}

@test "it goes on after nginx, or mkv, was killed" {
    volume k
    want 201 PUT "$(url k)$BLOB" --data-binary hello
    sync_paths 204 "$(url k)" "$BLOB"
    kill -KILL "$(nginx_master k)"
    within 10 logged k 'nginx .*was killed'
    sync_paths 204 "$(url k)" "$BLOB"
    rm "$T/proc/k.must-exit-0"
    leaves_files
    signal k KILL
    await_end k
    within 5 gone k
    [[ -S $T/data/k/.mkv/sync.sock ]]
    volume k
    sync_paths 204 "$(url k)" "$BLOB"
    signal k HUP
    sync_paths 204 "$(url k)" "$BLOB"
}

# Stores keys one after the other until $T/enough is there; those acknowledged are in $T/stored.
put_on() { # URL
    local n
    for ((n = 0; ; n++)); do
        if [[ $(curl -q --noproxy '*' -s -o /dev/null -w '%{http_code}' -X PUT --data-binary "value $n" "$1/key$n") == 201 ]]; then
            echo "$n" >>"$T/stored"
        fi
        [[ ! -e $T/enough ]] || return 0
    done
}

more_stored() { # NUMBER
    (($(wc -l <"$T/stored") > $1 + 5))
}

@test "its own server is killed under load, again and again: nothing acknowledged is lost" {
    local n old
    index i v
    : >"$T/stored"
    put_on "$(url i)" &
    for n in 1 2; do
        within 10 more_stored "$(wc -l <"$T/stored")"
        old=$(server_of v)
        kill -KILL "$old"
        within 10 eval "[[ \$(server_of v) != @(|$old) ]]"
    done
    within 10 more_stored "$(wc -l <"$T/stored")"
    touch "$T/enough"
    wait
    logged v 'error mkv: the volume.s own server was killed by signal 9 .*; it is started again'
    while read -r n; do
        got "$(url i)/key$n" "value $n"
    done <"$T/stored"
}

@test "its own server is a process that holds and may do little" {
    local pid
    pid=$(server_of v)
    same 1 "$(awk '/^NoNewPrivs:/ { print $2 }' "/proc/$pid/status")" no_new_privs
    same 2 "$(awk '/^Seccomp:/ { print $2 }' "/proc/$pid/status")" seccomp
    # Directories, its log, its socket and mkv's; the rest is the event loop's.
    same "/dev/null /proc/$pid/statm /proc/meminfo $D $D/.mkv" "$(find "/proc/$pid/fd" -type l -printf '%l\n' | grep ^/ | sort -u | xargs)" 'what it has open'
    # Signals are for mkv.
    kill -TERM "$pid"
    kill -HUP "$pid"
    sync_paths 404 "$U" /5d/42/bm9uZQ==
    same "$pid" "$(server_of v)"
}

@test "as root, only nginx's user may connect" {
    need_root
    same "www-data 600" "$(stat -c '%U %a' "$D/.mkv/sync.sock")"
    refute setpriv --reuid nobody --clear-groups curl -q -s --unix-socket "$D/.mkv/sync.sock" http://v/_mkv/sync
}

@test "a template without the location works on" {
    sed -E -e '/upstream mkv_sync/,/^    }/d' -e '/location = .*_mkv.(assemble|attributes|hash|list|space|sync) \{/,/^        }/d' \
        "$BATS_TEST_DIRNAME/../../templates/volume.conf.in" >"$T/template"
    refute grep -q mkv_sync "$T/template"
    volume w --template "$T/template"
    want 201 PUT "$(url w)$BLOB" --data-binary hello
    want 404 POST "$(url w)/_mkv/sync" --data-binary "$BLOB"
}
