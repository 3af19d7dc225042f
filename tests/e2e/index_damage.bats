#!/usr/bin/env bats
# An index whose files are damaged says which, and what only reads it leaves it as it is.

load ../support/lib

before_each() {
    I=$T/data/i
    volume v
}

flip() { # FILE OFFSET: changes one bit
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    printf '%b' "\\x$(printf %x $((byte ^ 16)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

journal() { # prints the last segment
    find "$I" -name 'journal.*' | sort -t. -k2n | tail -n 1
}

# Prints all that there is to see of the index's directory.
picture() {
    find "$I" -printf '%P %y %i %s %m %T@\n' | sort
    find "$I" -type f -exec md5sum {} + | sort
}

# Dumps the stopped index to $T/dump; RC is the status, and $T/said what stands on stderr.
dump_it() {
    picture >"$T/before"
    RC=0
    "$MKV" dump --index "$I" >"$T/dump" 2>"$T/said" || RC=$?
    picture | cmp "$T/before" -
}

@test "after a clean stop, a flipped bit in the last block is damage, and no value is forgotten" {
    local size
    index i v
    put "$(url i)/first" value
    put "$(url i)/last" value
    stop i
    size=$(stat -c %s "$(journal)")
    flip "$(journal)" $((size - 1))
    refused 1 "$(journal) is damaged at byte [0-9]+, and a clean stop had left it whole" \
        index "$(at v)" --port "$(at i)" --index "$I"
    dump_it
    same 1 "$RC"
    grep -q "$(journal) is damaged at byte" "$T/said"
    flip "$(journal)" $((size - 1))
    index i v
    got "$(url i)/last" value
    stop i
    truncate -s 0 "$(journal)"
    refused 1 "$(journal) is damaged at byte 0" index "$(at v)" --port "$(at i)" --index "$I"
    dump_it
    same 1 "$RC"
    rm "$(journal)"
    refused 1 'lacks the segment with block' index "$(at v)" --port "$(at i)" --index "$I"
}

# Where the blocks of a journal end: what was written ahead are zeros, and no record ends with one.
end_of_blocks() {
    python3 -c 'import sys; print(len(open(sys.argv[1], "rb").read().rstrip(b"\0")))' "$(journal)"
}

@test "mkv dump of a stopped index changes nothing, and says what it leaves out" {
    index i v
    put "$(url i)/first" value
    put "$(url i)/last" value
    stop i
    dump_it
    same 0 "$RC"
    same '' "$(cat "$T/said")"
    grep -q '"/last"' "$T/dump"

    index i v
    put "$(url i)/torn" value
    crash i
    dump_it
    same 0 "$RC"
    same '' "$(cat "$T/said")"
    truncate -s "$(($(end_of_blocks) - 1))" "$(journal)"
    dump_it
    same 0 "$RC"
    grep -Eq "warn  mkv: $(journal) ends at byte [0-9]+ with a block that a crash tore" "$T/said"
    same 1 "$(wc -l <"$T/said")"
    grep -q '"/last"' "$T/dump"
    refute grep -q '"key":"/torn"' "$T/dump"
    truncate -s 0 "$(journal)"
    dump_it
    same 0 "$RC"
    grep -q '"/last"' "$T/dump"
    refute grep -q /torn "$T/dump"

    index i v # has what the dump said
    got "$(url i)/last" value
    want 404 GET "$(url i)/torn"
}

@test "other commands that only read change nothing either" {
    index i v
    put "$(url i)/key" value
    crash i
    truncate -s -1 "$(journal)"
    picture >"$T/before"
    "$MKV" index "$(at v)" --port "$(at i)" --index "$I" --check
    "$MKV" index "$(at v)" --port "$(at i)" --index "$I" --print-config >/dev/null
    refute "$MKV" status --index "$I"
    picture | cmp "$T/before" -
}

@test "root dumps another user's index, and leaves nothing there" {
    need_root
    index i v
    put "$(url i)/key" value
    stop i
    chown -R nobody "$I"
    dump_it
    same 0 "$RC"
    grep -q '"/key"' "$T/dump"
}

# Fills the index with keys enough for many pages.
fill_table() {
    {
        echo '{"format":"mkv-dump","version":1}'
        seq -f '{"key":"/key-%05.0f","size":5,"time":7,"volumes":["127.0.0.1:1"]}' 20000
        echo '{"end":true,"keys":20000,"unlinked":0,"orphans":0}'
    } | "$MKV" restore --index "$I" >/dev/null
}

read_all() { # GETs until there is no answer
    local n
    for n in {00001..20000..50}; do
        curl -s -m 5 -o /dev/null "$(url i-direct)/key-$n" || break
    done
}

@test "a table that is cut while the index runs ends it by name, and its nginx too" {
    local nginx
    fill_table
    index i v
    nginx=$(nginx_master i)
    truncate -s 16384 "$I/index.gdbm"
    read_all
    await_end i
    same 1 "$RC"
    logged i "^error mkv: cannot read $I/index.gdbm: it was cut short, or its disk has a bad block$"
    within 5 gone i
    refute kill -0 "$nginx"
    leaves_files
}

@test "a table that was cut is refused by name" {
    fill_table
    truncate -s -1 "$I/index.gdbm"
    refused 1 "$I/index.gdbm is damaged: it was cut at byte" index "$(at v)" --port "$(at i)" --index "$I"
    dump_it
    same 1 "$RC"
    grep -q "$I/index.gdbm is damaged.*Make a new index: mkv restore --index NEWDIR DUMP, or mkv rebuild --index NEWDIR VOLUME" "$T/said"
}
