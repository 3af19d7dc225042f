#!/usr/bin/env bats
# mkv dump and mkv restore: what went in comes out, and what is not whole is refused.

load ../support/lib

HEADER='{"format":"mkv-dump","version":2}'

before_each() {
    I=$T/data/i
}

dump_of() { # INDEX-DIR FILE
    "$MKV" dump --index "$1" >"$2"
}

restore() { # INDEX-DIR FILE [OPTIONS...]
    local directory=$1 file=$2
    shift 2
    "$MKV" restore --index "$directory" "$@" "$file" >"$T/restored"
}

key() { # KEY: a line of a dump
    printf '{"key":"%s","size":5,"time":7,"volumes":["127.0.0.1:1"]}\n' "$1"
}

end() { # KEYS UNLINKED ORPHANS
    printf '{"end":true,"keys":%d,"unlinked":%d,"orphans":%d}\n' "$@"
}

# Prints a dump of N keys.
many() { # N
    echo "$HEADER"
    seq -f '%08.0f' "$1" | sed 's|.*|{"key":"/key-&","size":5,"time":7,"md5":"5d41402abc4b2a76b9719d911017c592","volumes":["127.0.0.1:1"]}|'
    end "$1" 0 0
}

# All orphans of index i wait for v2.
wait_for_v2() {
    dump_of "$I" "$T/waiting" && ! grep '^{"orphan":' "$T/waiting" | grep -q "$(at v1)"
}

# Fills index i, on volumes v1 and v2, with keys of every kind. Afterwards v2 is down.
motley() {
    local n
    volume v1
    volume v2
    index i 'v1 v2' --subvolumes 20
    for n in {1..20}; do
        put "$(url i)/key-$n" "value $n"
    done
    put "$(url i)/%FF%00x" bad || true # no key: refused
    put "$(url i)/%FF%0a%01" binary
    put "$(url i)/caf%C3%A9%22%5C%7F" utf8
    put "$(url i)/a//b/" slashes
    want 204 UNLINK "$(url i)/key-3"
    want 204 UNLINK "$(url i)/key-4"
    stop v2
    for n in {5..20}; do
        want 204 DELETE "$(url i)/key-$n"
    done
    within 15 wait_for_v2
}

@test "dump, restore and dump again give the same bytes, running or not" {
    local line
    motley
    dump_of "$I" "$T/live"
    same "$HEADER" "$(head -n 1 "$T/live")"
    grep -Eqx '\{"key":"/key-1","size":7,"time":[0-9]{13},"generation":"[0-9a-f]{16}","md5":"[0-9a-f]{32}","volumes":\["127.0.0.1:[0-9]+ [0-9a-f]{32}/sv[01][0-9A-F]"\]\}' "$T/live"
    grep -Eq '^\{"key":"/key-3",.*"unlinked":true' "$T/live"
    grep -Eqx '\{"orphan":"/key-[0-9]+","generation":"[0-9a-f]{16}","time":[0-9]{13},"volumes":\["127.0.0.1:[0-9]+ [0-9a-f]{32}/sv[01][0-9A-F]"\]\}' "$T/live"
    grep -Fq '{"key":{"percent":"/%FF%0A%01"},' "$T/live"
    grep -Fq '{"key":"/café\"\\\u007f",' "$T/live"
    grep -Fq '{"key":"/a//b/",' "$T/live"
    line=$(tail -n 1 "$T/live")
    [[ $line =~ ^'{"end":true,"keys":5,"unlinked":2,"orphans":'([0-9]+)'}'$ ]]
    ((BASH_REMATCH[1] > 0))
    same "${BASH_REMATCH[1]}" "$(grep -c '^{"orphan":' "$T/live")" orphans
    restore "$T/copy" "$T/live"
    grep -Eqx "restored 7 keys, 2 of them unlinked, and ${BASH_REMATCH[1]} orphans in [0-9.]+ s( \\([0-9]+ keys/s\\))?" "$T/restored"
    dump_of "$T/copy" "$T/again"
    cmp "$T/live" "$T/again"
    stop i
    dump_of "$I" "$T/offline"
    cmp "$T/live" "$T/offline"
    dump_of "$I" "$T/offline" # that left the index as it was
    cmp "$T/live" "$T/offline"
    "$MKV" restore --index "$T/piped" <"$T/live"
    "$MKV" dump --index "$T/piped" | "$MKV" restore --index "$T/piped2" -
    dump_of "$T/piped2" "$T/again"
    cmp "$T/live" "$T/again"
}

@test "an index goes on from what was restored" {
    local orphans
    motley
    dump_of "$I" "$T/live"
    orphans=$(grep -c '^{"orphan":' "$T/live")
    stop i
    mv "$I" "$T/old"
    restore "$I" "$T/live"
    index i 'v1 v2' --subvolumes 20
    want '302|503' GET "$(url i)/key-1"
    want '302|503' GET "$(url i)/%FF%0a%01" # one of the volumes is down
    want 404 GET "$(url i)/key-3"
    want 404 GET "$(url i)/key-5"
    has_orphans i "$orphans"
    volume v2
    within 5 sees i v2 up
    got "$(url i)/key-1" 'value 1'
    got "$(url i)/caf%C3%A9%22%5C%7F" utf8
    put "$(url i)/key-5" anew
    got "$(url i)/key-5" anew
    put "$(url i)/key-3" anew
    got "$(url i)/key-3" anew
    within 15 has_orphans i 0
    got "$(url i)/key-5" anew
    stop i
    index i 'v1 v2' --subvolumes 20
    got "$(url i)/key-3" anew
    got "$(url i)/key-1" 'value 1'
}

@test "a dump under load is whole, and has what stood still" {
    local n
    volume v
    index i v
    for n in {1..50}; do
        put "$(url i)/still-$n" x
    done
    hatch writer bash -c 'for ((n = 0; ; n++)); do
        curl -s -X PUT -d x "$0/come-$n" "$0/and-go-$((n % 7))"
        curl -s -X DELETE "$0/and-go-$((n % 7))"
    done >/dev/null' "$(url i)"
    for n in {1..20}; do
        dump_of "$I" "$T/dump-$n"
        same 50 "$(grep -c '"/still-' "$T/dump-$n")" 'keys that stood still'
        restore "$T/copy" "$T/dump-$n" --replace
        dump_of "$T/copy" "$T/again"
        cmp "$T/dump-$n" "$T/again"
    done
    refute cmp -s "$T/dump-1" "$T/dump-20"
    refute ended writer
}

@test "a dump that can't be written, or is cut off, fails" {
    local how
    volume v
    many 300000 >"$T/big"
    restore "$I" "$T/big"
    for how in files index; do
        hatch full-$how bash -c 'exec "$0" dump --index "$1" >/dev/full' "$MKV" "$I"
        await_end full-$how
        same 1 "$RC"
        logged full-$how 'cannot write the dump: No space left'
        hatch left-$how bash -c '"$0" dump --index "$1" | head -n 1 >/dev/null; exit "${PIPESTATUS[0]}"' "$MKV" "$I"
        await_end left-$how
        same 1 "$RC"
        logged left-$how 'cannot write the dump: Broken pipe'
        if [[ $how == files ]]; then
            index i v
        fi
    done
    dump_of "$I" "$T/again"
    cmp "$T/big" "$T/again"
    # Nobody reads, until the index is gone.
    mkfifo "$T/fifo"
    hatch cut bash -c 'exec "$0" dump --index "$1" >"$2"' "$MKV" "$I" "$T/fifo"
    exec 7<"$T/fifo"
    read -r -u 7 line
    same "$HEADER" "$line"
    crash i
    { echo "$line" && cat <&7; } >"$T/cut"
    exec 7<&-
    await_end cut
    same 1 "$RC"
    logged cut 'the dump broke off'
    refused 1 'without the end of a dump|no JSON object' restore --index "$T/copy" "$T/cut"
}

@test "a stop waits for a dump, up to the drain timeout" {
    local n
    volume v
    many 300000 >"$T/big"
    restore "$I" "$T/big"
    mkfifo "$T/fifo"
    for n in 1 2; do
        index i v --drain-timeout $((n == 1 ? 20 : 1))
        hatch slow bash -c 'exec "$0" dump --index "$1" >"$2"' "$MKV" "$I" "$T/fifo"
        exec 7<"$T/fifo"
        read -r -u 7 line
        signal i TERM
        if ((n == 2)); then
            await_end i
        fi
        { echo "$line" && cat <&7; } >"$T/got"
        exec 7<&-
        await_end slow
        same $((n - 1)) "$RC" 'exit status of the dump'
        await_end i
        same 0 "$RC" 'exit status of the index'
    done
    refute cmp -s "$T/big" "$T/got"
    logged slow 'the dump broke off'
}

@test "an index is never opened twice, but to be dumped" {
    volume v
    many 100000 >"$T/big"
    restore "$I" "$T/big"
    mkfifo "$T/fifo"
    hatch dumping bash -c 'exec "$0" dump --index "$1" >"$2"' "$MKV" "$I" "$T/fifo"
    exec 7<"$T/fifo"
    read -r -u 7 line
    if [[ ! $STORE ]]; then
        refused 1 "$I is in use by another mkv: " index "$(at v)" --index "$I" --port "$(at i)"
        refused 1 "$I is in use by another mkv: " restore --replace --index "$I" "$T/big"
    fi
    dump_of "$I" "$T/beside"
    cmp "$T/big" "$T/beside"
    cat <&7 >/dev/null
    exec 7<&-
    await_end dumping
    same 0 "$RC"
    index i v
    if [[ $STORE ]]; then
        refused 1 "the index .*:$I uses the database: stop it first" restore --replace --index "$I" "$T/big"
        return
    fi
    refused 1 "$I is in use by another mkv .pid $(pid_of i)" restore --replace --index "$I" "$T/big"
    stop i
    mkfifo "$T/fifo2"
    hatch restoring "$MKV" restore --replace --index "$I" "$T/fifo2"
    exec 7>"$T/fifo2"
    echo "$HEADER" >&7
    within 5 test -d "$I/restore.tmp"
    refused 1 "$I is in use by another mkv .pid $(pid_of restoring)" index "$(at v)" --index "$I" --port "$(at i)"
    end 0 0 0 >&7
    exec 7>&-
    await_end restoring
    same 0 "$RC"
}

@test "a restored index is on disk with all that leads to it" {
    local name
    of_gdbm_alone 'a database does it in one transaction'
    command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null || skip "needs strace"
    { echo "$HEADER" && key /a && end 1 0 0; } >"$T/one"
    mkdir "$T/new"
    ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 strace -f -y -o "$T/trace" \
        -e trace=fsync,fdatasync,rename "$MKV" restore --index "$T/new/a/b" "$T/one"
    for name in "$T/new" "$T/new/a"; do
        grep -Eq "fsync\([0-9]+<$name>\) = 0" "$T/trace" || fail "$name is not synced"
    done
    # The table, before its name is the index's; then the directory.
    sed -nE 's|.*(rename)\("([^"]*/restore.tmp/index.gdbm)",.*|\1 \2|p; s|.*(sync)\([0-9]+<([^>]*)>\) += 0|\1 \2|p' \
        "$T/trace" >"$T/calls"
    awk -v stage="$T/new/a/b/restore.tmp" -v index_directory="$T/new/a/b" '
        $1 == "sync" && $2 == stage "/index.gdbm" { synced = 1 }
        $1 == "rename" { if (!synced || renamed) exit 1; renamed = NR }
        renamed && $1 == "sync" && $2 == index_directory { durable = NR }
        END { if (!renamed || !durable) exit 1 }' "$T/calls" || fail "not in this order: $(cat "$T/calls")"
}

# A restore has begun, and removed what the one before it has left.
staged() {
    replacing "$I" && [[ ! -e $I/restore.tmp/old ]]
}

# One that was killed has left its part, which a dump leaves alone. (A database drops it.)
is_left() {
    [[ $STORE || -d $I/restore.tmp ]]
}

@test "a restore that is killed leaves the index as it was" {
    volume v
    { echo "$HEADER" && key /before && end 1 0 0; } >"$T/before"
    restore "$I" "$T/before"
    many 200000 >"$T/big"
    mkfifo "$T/fifo"
    for when in filled begun; do
        hatch "$when" "$MKV" restore --replace --index "$I" "$T/fifo"
        exec 7>"$T/fifo"
        if [[ $when == filled ]]; then
            head -n 200001 "$T/big" >&7
        else
            head -n 10 "$T/big" >&7
        fi
        within 5 staged
        signal "$when" KILL
        await_end "$when"
        exec 7>&-
        is_left
        dump_of "$I" "$T/after"
        cmp "$T/before" "$T/after"
        is_left
        [[ $STORE ]] || touch "$I/restore.tmp/old"
    done
    index i v
    [[ ! -e $I/restore.tmp ]]
    want 503 GET "$(url i)/before" # its volume is none of ours
}

@test "a restore refuses what is no whole dump, by its line, and changes nothing" {
    local before
    { echo "$HEADER" && key /before && end 1 0 0; } >"$T/before"
    restore "$I" "$T/before"
    before=$(ls -A "$I")

    no() { # REGEX: the dump on stdin is refused
        cat >"$T/bad"
        refused 1 "$1" restore --replace --index "$I" "$T/bad" || return 1
        same "$before" "$(ls -A "$I")" 'files of the index' || return 1
        dump_of "$I" "$T/after" && cmp "$T/before" "$T/after"
    }

    : | no 'ends after line 0'
    echo hello | no 'line 1 of .*/bad is no JSON object'
    echo '{"a":1}' | no "line 1 of .*/bad is none of a dump's"
    { key /a && end 1 0 0; } | no 'line 1 of .* is no header'
    { echo '{"format":"mkv-dump","version":3}' && end 0 0 0; } | no 'line 1 of .* newer mkv'
    { echo "$HEADER" && key /a; } | no 'ends after line 2 without the end'
    { echo "$HEADER" && key /a && end 1 0 0; } | head -c -5 | no 'line 3 of .* no JSON object'
    { echo "$HEADER" && key /a && end 2 0 0; } | no 'line 3 of .* counts other keys'
    { echo "$HEADER" && key /a && end 1 1 0; } | no 'line 3 of .* counts other keys'
    { echo "$HEADER" && key /a && end 1 0 1; } | no 'line 3 of .* counts other keys'
    { echo "$HEADER" && key /a | sed 's/"volumes"/"generation":"19ab7f0d2bb0000",&/' && end 1 0 0; } | no 'line 2 of .* "generation"'
    { echo "$HEADER" && key /a && key /a && end 2 0 0; } | no 'line 3 of .* the same key'
    { echo "$HEADER" && key /b && key /a && end 2 0 0; } | no 'line 3 of .* should come before'
    { echo "$HEADER" && key /a && end 1 0 0 && key /b; } | no 'line 4 of .* after the end'
    { echo "$HEADER" && key a && end 1 0 0; } | no 'line 2 of .* has a key'
    { echo "$HEADER" && key /a | tr 5 x && end 1 0 0; } | no 'line 2 of .* no JSON object'
    { echo "$HEADER" && key /a | sed 's/time/Time/' && end 1 0 0; } | no 'line 2 of .* "time"'
    { echo "$HEADER" && head -c 60000 /dev/zero | tr '\0' x; } | no 'line 2 of .* too long'
    { echo "$HEADER" && head -c 20 /dev/zero; } | no 'line 2 of .* no JSON object'
}

@test "a restore refuses an index that isn't empty, and other places" {
    volume v
    { echo "$HEADER" && key /a && end 1 0 0; } >"$T/one"
    { echo "$HEADER" && end 0 0 0; } >"$T/none"
    restore "$I" "$T/none"
    restore "$I" "$T/one"
    refused 1 "isn't empty: $([[ $STORE ]] && echo 'give another --store' || echo 'it has 1 keys')" restore --index "$I" "$T/none"
    dump_of "$I" "$T/after"
    cmp "$T/one" "$T/after"
    restore "$I" "$T/none" --replace
    dump_of "$I" "$T/after"
    cmp "$T/none" "$T/after"
    { echo "$HEADER" && echo '{"orphan":"/a","generation":"019ab7f0d2bb0000","volumes":["127.0.0.1:1"]}' && end 0 0 1; } >"$T/orphan"
    restore "$I" "$T/orphan"
    refused 1 "isn't empty" restore --index "$I" "$T/none"
    restore "$I" "$T/orphan" --replace --no-orphans
    dump_of "$I" "$T/after"
    cmp "$T/none" "$T/after"
    [[ $STORE ]] || refused 1 "volume's directory" restore --index "$T/data/v" "$T/none"
    refused 1 "volume's directory" dump --index "$T/data/v"
    refused 1 "$T/missing" restore --index "$T/new" "$T/missing"
    refused 1 'Is a directory' restore --index "$T/new" "$T"
    refused 1 "$T/nowhere" dump --index "$T/nowhere"
    [[ ! -e $T/nowhere ]]
    mkdir "$T/empty"
    refused 1 'there is no index in' dump --index "$T/empty"
    refused 2 'one FILE' restore "$T/one" "$T/none"
    refused 2 'no operands' dump "$T/one"
    refused 2 'unknown option' dump --port 1
    refused 2 'needs a value' restore --index
}

@test "root restores an index as its owner, and leaves no file of root's there" {
    of_gdbm_alone 'a restore into a database makes no file'
    need_root
    { echo "$HEADER" && end 0 0 0; } >"$T/none"
    restore "$I" "$T/none"
    same '' "$(find "$I" ! -user www-data)" "what isn't www-data's"
    chown -R nobody "$I"
    restore "$I" "$T/none" --replace
    dump_of "$I" "$T/after"
    cmp "$T/none" "$T/after"
    same '' "$(find "$I" ! -user nobody)" "what isn't nobody's"
    chown -R root "$I"
    refused 1 "chown -R www-data $I" restore --index "$I" "$T/none"
}

@test "a full disk stops a restore, and nothing is lost" {
    of_gdbm_alone 'its disk is that of the index'
    need_root
    mkdir "$I"
    if ! mount -t tmpfs -o size=4m,mode=700 none "$I" 2>/dev/null; then
        skip "needs mount"
    fi
    { echo "$HEADER" && key /before && end 1 0 0; } >"$T/before"
    restore "$I" "$T/before"
    many 200000 >"$T/big"
    hatch full "$MKV" restore --replace --index "$I" "$T/big"
    await_end full 30
    same 1 "$RC"
    logged full 'no space left|No space left'
    dump_of "$I" "$T/after"
    cmp "$T/before" "$T/after"
    [[ ! -e $I/restore.tmp ]]
    umount "$I"
}
