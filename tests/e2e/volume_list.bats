#!/usr/bin/env bats
# What a volume tells of its blobs: GET /_mkv/list, POST /_mkv/hash, POST /_mkv/attributes.

load ../support/lib

BLOB=/5d/41/aGVsbG8=
G=.019ab7f0d2bb0000

before_all() {
    volume v
}

before_each() {
    U=$(url v)
    D=$F/data/v
}

after_each() {
    rm -rf "${D:?}"/[0-9a-f][0-9a-f] "${D:?}"/sv*
}

# Makes the blob of a path at the volume v, and nginx its directories.
blob() { # PATH VALUE [CURL-OPTIONS...]
    local path=$1 value=$2
    shift 2
    want '201|204' PUT "$U$path" --data-binary "$value" "$@"
}

paths() {
    grep '^/' "$T/body" | cut -f1
}

last() {
    tail -n 1 "$T/body"
}

need_attributes() {
    if ! python3 -c 'import os, sys; os.setxattr(sys.argv[1], "user.mkv-test", b"")' "$T"; then
        skip "no extended attributes here"
    fi
}

@test "blobs are listed in the order of their paths, and nothing else is" {
    blob /ff/ff/YQ== a
    blob $BLOB$G hello
    blob $BLOB old
    blob /sv0A$BLOB$G hello
    blob /00/00/a/b$G x
    blob /00/00/a$G x
    blob /00/00/a+ x
    mkdir "$D/lost+found"
    touch "$D/00/00/not a blob" "$D/readme"
    ln -s "$F/data" "$D/00/00/link"
    want 200 GET "$U/_mkv/list"
    [[ -n $(header Mkv-Volume-Id) ]]
    paths >"$T/paths"
    printf '%s\n' /00/00/a+ /00/00/a$G /00/00/a/b$G $BLOB $BLOB$G /ff/ff/YQ== /sv0A$BLOB$G | diff - "$T/paths"
    same end "$(last)"
    rmdir "$D/lost+found"
    rm "$D/readme"
}

@test "a line has size, time and attribute" {
    blob $BLOB$G hello -H 'Date: Fri, 13 Feb 2009 23:31:30 GMT'
    want 200 GET "$U/_mkv/list"
    same "$BLOB$G"$'\t5\t1234567890000\t-' "$(head -n 1 "$T/body")"
    need_attributes
    want 204 POST "$U/_mkv/attributes" --data-binary "$BLOB$G"$'\tAAkK'
    same 000 "$(python3 -c 'import os, sys; v = os.getxattr(sys.argv[1], "user.mkv"); print(v == b"\0\t\n" and "000")' "$D$BLOB$G")"
    want 200 GET "$U/_mkv/list"
    same "$BLOB$G"$'\t5\t1234567890000\tAAkK' "$(head -n 1 "$T/body")"
    want 204 POST "$U/_mkv/sync" --data-binary "$BLOB$G"$'\taGVsbG8='
    want 200 GET "$U/_mkv/list"
    same "$BLOB$G"$'\t5\t1234567890000\taGVsbG8=' "$(head -n 1 "$T/body")"
    want 204 POST "$U/_mkv/sync" --data-binary "$BLOB$G"
    want 200 GET "$U/_mkv/list"
    same "$BLOB$G"$'\t5\t1234567890000\taGVsbG8=' "$(head -n 1 "$T/body")"
}

@test "a listing goes on after any path, page by page" {
    local i after='' n=0
    for ((i = 0; i < 20; i++)); do
        blob "/0$((i % 2))/00/k+$i$G" x
    done
    want 200 GET "$U/_mkv/list"
    paths >"$T/all"
    same 20 "$(wc -l <"$T/all")"
    : >"$T/pages"
    while want 200 GET "$U/_mkv/list?limit=3&after=$after"; do
        paths >>"$T/pages"
        [[ $(last) != end ]] || break
        after=$(last | cut -f2)
        same "$(tail -n 1 "$T/pages")" "$after"
        after=${after//+/%2B}
    done
    diff "$T/all" "$T/pages"
    want 200 GET "$U/_mkv/list?after=/01/"
    same 10 "$(paths | wc -l)"
    want 200 GET "$U/_mkv/list?after=$(sed -n 7p "$T/all")" # with a plus as it is
    paths | diff <(tail -n +8 "$T/all") -
    # Without attributes the same files, with the same sizes and times.
    want 200 GET "$U/_mkv/list"
    cut -f1-3 "$T/body" >"$T/fields"
    want 200 GET "$U/_mkv/list?attributes=no"
    cut -f1-3 "$T/body" | diff "$T/fields" -
    same 20 "$(grep -c $'\t-$' "$T/body")"
}

@test "a bad query is refused" {
    local query
    for query in limit=0 limit=x limit= limit=1234567890123456789 after=x 'after=%2' 'after=/%00' all 'after=/&x=y' limi=3 attributes= attributes=yes; do
        want 400 GET "$U/_mkv/list?$query"
    done
    want 200 GET "$U/_mkv/list?"
    want 200 GET "$U/_mkv/list?after=&limit=5"
    for query in POST PUT DELETE HEAD; do
        want 405 $query "$U/_mkv/list"
        same GET "$(header Allow)"
    done
    same 405 "$(curl -q -s -o /dev/null -w '%{http_code}' --unix-socket "$D/.mkv/sync.sock" -X POST -d x http://v/_mkv/list)"
}

@test "a directory that can't be read is told, not left out" {
    strace -o /dev/null true 2>/dev/null || skip "strace may not trace here"
    local AS=()
    volume t
    want 201 PUT "$(url t)/01/00/b" --data-binary x
    stop t
    AS=(strace -D -f -o "$T/trace" -e trace=getdents64 -P "$T/data/t/01/00" -e inject=getdents64:error=EIO)
    ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 volume t
    want 500 GET "$(url t)/_mkv/list"
    same 'cannot list /01/00: Input/output error' "$(cat "$T/body")"
    want 201 PUT "$(url t)/00/00/a" --data-binary x
    want 200 GET "$(url t)/_mkv/list"
    same /00/00/a "$(paths)"
    same $'error\tcannot list /01/00: Input/output error' "$(last)"
    stop t
}

@test "hashes are of what is in the files, in the order of the lines" {
    head -c 20000000 /dev/urandom >"$T/long"
    : >"$T/empty"
    blob /00/00/long$G x
    cp "$T/long" "$D/00/00/long$G"
    : >"$D/00/00/empty"
    blob $BLOB$G hello
    mkdir -p "$D/00/00/dir"
    ln -s long$G "$D/00/00/link"
    printf '%s\n' $BLOB$G /00/00/none /00/00/long$G /00/00/dir /00/00/empty /00/00/link $BLOB$G >"$T/ask"
    want 200 POST "$U/_mkv/hash" --data-binary @"$T/ask"
    {
        printf '%s\t5\t%s\n' $BLOB$G 5d41402abc4b2a76b9719d911017c592
        printf '/00/00/none\tmissing\n'
        printf '/00/00/long%s\t20000000\t%s\n' $G "$(md5_of <"$T/long")"
        printf '/00/00/dir\tmissing\n'
        printf '/00/00/empty\t0\td41d8cd98f00b204e9800998ecf8427e\n'
        printf '/00/00/link\tmissing\n'
        printf '%s\t5\t5d41402abc4b2a76b9719d911017c592\nend\n' $BLOB$G
    } >"$T/wanted"
    grep -v '^$' "$T/body" | diff "$T/wanted" -
}

@test "what is no list of paths is refused, as for a sync" {
    local target
    for target in hash attributes sync; do
        want 400 POST "$U/_mkv/$target" --data-binary ''
        want 400 POST "$U/_mkv/$target" --data-binary '/../../etc/passwd'
        want 400 POST "$U/_mkv/$target" --data-binary "$BLOB"$'\taGk'
        yes "$BLOB" | head -c 65552 >"$T/lines"
        want 413 POST "$U/_mkv/$target" --data-binary @"$T/lines"
        want 405 GET "$U/_mkv/$target"
        same POST "$(header Allow)"
    done
    want 400 POST "$U/_mkv/hash" --data-binary "$BLOB"$'\taGk='
    same 'line 1 has no attribute to be set' "$(cat "$T/body")"
    want 400 POST "$U/_mkv/attributes" --data-binary "$BLOB"
    want 404 POST "$U/_mkv/attributes" --data-binary "$BLOB"$'\taGk='
    same "there is no file: $BLOB" "$(cat "$T/body")"
}

@test "while long files are hashed, files are synced" {
    local i
    blob $BLOB$G hello
    for ((i = 0; i < 4; i++)); do
        blob "/00/00/l$i" x
        truncate -s 20G "$D/00/00/l$i"
        hatch "hash$i" curl -q -s --noproxy '*' -o /dev/null --data-binary "/00/00/l$i" "$U/_mkv/hash"
        within 5 open_by v "00/00/l$i" # else our own request below could take its place
    done
    want 503 POST "$U/_mkv/hash" --data-binary $BLOB$G
    for ((i = 0; i < 20; i++)); do
        want 204 POST "$U/_mkv/sync" --data-binary $BLOB$G -m $((2 * SLOW))
    done
    for ((i = 0; i < 4; i++)); do
        signal "hash$i" TERM
        await_end "hash$i"
    done
    # Whoever goes gives its place back.
    within 10 want 200 POST "$U/_mkv/hash" --data-binary $BLOB$G
}

@test "a stop lets a hash end, and cuts off one that takes too long" {
    volume t
    want 201 PUT "$(url t)/00/00/a" --data-binary x
    truncate -s 200M "$T/data/t/00/00/a"
    hatch asking curl -q -s --noproxy '*' --data-binary /00/00/a "$(url t)/_mkv/hash"
    within 5 open_by t 00/00/a
    stop t
    await_end asking
    logged asking '^end$'
    volume u --drain-timeout 1
    want 201 PUT "$(url u)/00/00/a" --data-binary x
    truncate -s 2T "$T/data/u/00/00/a" 2>/dev/null || truncate -s 500G "$T/data/u/00/00/a"
    hatch too-long curl -q -s --noproxy '*' --data-binary /00/00/a "$(url u)/_mkv/hash"
    within 5 open_by u 00/00/a
    stop u
    await_end too-long
    refute logged too-long '^end$'
}

# mkv has that file of the volume open.
open_by() { # NAME PATH
    find "/proc/$(server_of "$1")/fd" -lname "*/$2" 2>/dev/null | grep -q .
}

@test "a listing for a client that doesn't read takes no memory" {
    local i before after pid
    mkdir -p "$D/00/00"
    python3 - "$D/00/00" <<'EOF'
import sys
for i in range(60000):
    open("%s/%s%05d.019ab7f0d2bb0000" % (sys.argv[1], "x" * 200, i), "w").close()
EOF
    pid=$(server_of v)
    before=$(awk '/RssAnon/ { print $2 }' "/proc/$pid/status")
    exec 7<>"/dev/tcp/127.0.0.1/$(port v)"
    printf 'GET /_mkv/list HTTP/1.0\r\nHost: x\r\n\r\n' >&7 # no chunks, which would cut lines
    within 10 idle "$pid"
    after=$(awk '/RssAnon/ { print $2 }' "/proc/$pid/status")
    ((ASAN || after - before < 16000)) || fail "from $before to $after kB"
    tr -d '\r' <&7 >"$T/all"
    exec 7>&-
    same 60000 "$(grep -c '^/00/00/x' "$T/all")"
    grep -q '^end$' "$T/all"
}

# It has used no processor since the last eight times that this was asked. (Its trials take next to
# none.)
idle() { # PID
    local used
    used=$(cut -d' ' -f14,15 "/proc/$1/stat")
    if [[ $used != "${IDLE_AT-}" ]]; then
        IDLE_AT=$used
        IDLE_TIMES=0
    fi
    ((++IDLE_TIMES > 8))
}
