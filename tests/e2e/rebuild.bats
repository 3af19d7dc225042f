#!/usr/bin/env bats
# mkv rebuild: an index out of nothing but the volumes.

load ../support/lib
load ../support/rebuild
load ../support/replicas

before_each() {
    I=$T/data/i
}

# The path of a key's blob as the originals name it.
plain_path() { # KEY
    local hash
    hash=$(printf %s "$1" | md5sum)
    echo "${hash:0:2}/${hash:2:2}/$(printf %s "$1" | base64 -w 0)"
}

# Lays a file of an original's out, as it does.
lay() { # VOLUME KEY VALUE [SUBVOLUME]
    local path
    path=$(lookup data "$1")/${4:+$4/}$(plain_path "$2")
    mkdir -p "${path%/*}"
    printf %s "$3" >"$path"
}

is_backed_up() { # in this run
    logged i 'the index is backed up on its volumes'
}

@test "what is rebuilt is what was there, byte for byte, what was unlinked and deleted too" {
    local keys
    volume v1
    volume v2
    volume v3
    index i 'v1 v2 v3' --replicas 2 --subvolumes 5
    fill $((LONG ? 20000 : 400)) changes
    want 204 DELETE "$(url i)/plain-0"
    within 30 has_orphans i 0
    stop i
    index i 'v1 v2 v3' --replicas 2 --subvolumes 5 --backup-every 1s
    within 10 is_backed_up
    stop i
    dump_of "$I" "$T/before"
    keys=$(jq -c 'select(.key) | select(.key | tostring | startswith("/_mkv/") | not)' "$T/before" | wc -l)
    (($(tail -n 1 "$T/before" | jq .unlinked) > 20))
    rm -r "$I"
    rebuild "$I" 'v1 v2 v3'
    grep -Eq "^rebuilt $keys keys with $((2 * keys)) copies" "$T/rebuilt"
    dump_of "$I" "$T/after"
    cmp "$T/before" "$T/after"
    index i 'v1 v2 v3' --replicas 2 --subvolumes 5
    got "$(url i)/plain-8" "$(printf 'value 8%.0s' {1..9})"
    want 404 GET "$(url i)/plain-0"
    want 404 GET "$(url i)/plain-40"
    want 404 GET "$(url i)/plain-56"
    list "$(url i)/plain-56?unlinked"
    same /plain-56 "${LISTED[0]}"
}

@test "volumes of the originals are adopted as they are" {
    local n
    volume v1
    volume v2
    volume v3
    for n in {1..50}; do
        lay v1 "/key-$n" "value $n" sv0$((n % 10))
        lay v2 "/key-$n" "value $n" sv0$((n % 7))
        lay v3 "/key-$n" "value $n" sv0$((n % 3))
    done
    lay v1 "/one" one
    lay v2 "no slash" x
    echo x >"$(lookup data v3)/readme.txt"
    rebuild "$I" 'v1 v2 v3'
    grep -Eq '^rebuilt 51 keys with 151 copies' "$T/rebuilt"
    grep -Eq '^1 files have keys that no request can name' "$T/rebuilt"
    index i 'v1 v2 v3' --replicas 3 --subvolumes 10
    got "$(url i)/key-7" 'value 7'
    got "$(url i)/one" one
}

@test "a key has its newest whole value, and older ones go" {
    local new old
    volume v1
    volume v2
    index i 'v1 v2' --replicas 2
    put "$(url i)/key" newest
    put "$(url i)/cut" 'a long value'
    stop i
    new=$(cd "$(lookup data v1)" && find . -name "$(printf %s /key | base64).*")
    old=${new%.*}.0123456789abcdef
    echo older >"$(lookup data v1)/$old"
    echo oldest >"$(lookup data v2)/${new%.*}"
    truncate -s 3 "$(find "$(lookup data v1)" -name "$(printf %s /cut | base64).*")"
    rm -r "$I"
    rebuild "$I" 'v1 v2'
    grep -Eq '^rebuilt 2 keys with 3 copies' "$T/rebuilt"
    grep -Eq '^1 keys have copies that differ in size' "$T/rebuilt"
    grep -q 'copies of /cut differ in size: those of 12 bytes are taken' "$T/problems"
    index i 'v1 v2' --replicas 2
    got "$(url i)/key" newest
    got "$(url i)/cut" 'a long value'
    within 15 has_orphans i 0
    refute test -e "$(lookup data v1)/$old"
    refute test -e "$(lookup data v2)/${new%.*}"
    test -e "$(lookup data v1)/$new"
}

@test "an index that exists stays as it is unless all goes well" {
    volume v1
    volume v2
    index i 'v1 v2'
    put "$(url i)/kept" value
    stop i
    dump_of "$I" "$T/before"
    refute rebuild "$I" 'v1 v2'
    grep -q "isn't empty" "$T/problems"
    crash v2
    refute rebuild "$I" 'v1 v2' --replace
    grep -q "volume $(at v2) can't be listed" "$T/problems"
    dump_of "$I" "$T/after"
    cmp "$T/before" "$T/after"
    volume v2
    rebuild "$I" 'v1 v2' --replace
    dump_of "$I" "$T/after"
    cmp "$T/before" "$T/after"
    refute rebuild "$I" ''
    grep -q 'at least one VOLUME' "$T/problems"
}

# An index that has a key which no volume has: so a rebuild makes another one. $T/before is its dump, and
# $T/wanted the rebuilt one's.
make_index_to_replace() {
    volume v1
    volume v2
    index i 'v1 v2' --replicas 2
    put "$(url i)/kept" value
    stop i
    rebuild "$T/data/wanted" 'v1 v2'
    dump_of "$T/data/wanted" "$T/wanted"
    index i 'v1 v2' --replicas 2
    put "$(url i)/lost" value
    stop i
    rm "$(file_of v1 /lost)" "$(file_of v2 /lost)"
    dump_of "$I" "$T/before"
    refute cmp -s "$T/before" "$T/wanted"
}

@test "a rebuild that is killed while it lists leaves the index as it was" {
    make_index_to_replace
    freeze v2
    hatch rebuilding "$MKV" rebuild --replace --index "$I" "$(at v1)" "$(at v2)"
    within 10 replacing "$I"
    signal rebuilding KILL
    await_end rebuilding
    thaw v2
    dump_of "$I" "$T/after"
    cmp "$T/before" "$T/after"
    rebuild "$I" 'v1 v2' --replace
    dump_of "$I" "$T/after"
    cmp "$T/wanted" "$T/after"
    refute test -e "$I/restore.tmp"
}

# Kills it as it makes the Nth of such calls that change the index's files. (What bash says of that
# goes to the problems.)
rebuild_killed_at() { # CALL N
    local command=(strace -f -o "$T/trace" -P "$I" -P "$I/restore.tmp" -P "$I/restore.tmp/index.gdbm"
        -e "trace=$1" -e "inject=$1:signal=KILL:when=$2"
        "$MKV" rebuild --replace --index "$I" "$(at v1)" "$(at v2)")
    (
        export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
        "${command[@]}"
        exit $?
    ) >"$T/rebuilt" 2>"$T/problems"
}

# The index is the old one or the new one, whole; counts which.
old_or_new() {
    dump_of "$I" "$T/after"
    if cmp -s "$T/before" "$T/after"; then
        olds=$((olds + 1))
    else
        cmp "$T/wanted" "$T/after"
        news=$((news + 1))
    fi
}

@test "a rebuild that is killed while it builds leaves the old index or the new one, whole" {
    local call n olds=0 news=0
    command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null || skip "needs strace"
    of_gdbm_alone 'a database does it in one transaction'
    make_index_to_replace
    cp -a "$I" "$T/old"
    for call in write fsync rename rmdir; do
        for ((n = 1; ; n++)); do
            if rebuild_killed_at $call $n; then
                break
            fi
            grep -q 'killed by SIGKILL' "$T/trace"
            old_or_new
            if ((n % 4 == 1)); then # over what the dead one left
                rebuild "$I" 'v1 v2' --replace
                dump_of "$I" "$T/after"
                cmp "$T/wanted" "$T/after"
            fi
            rm -r "$I"
            cp -a "$T/old" "$I"
        done
        dump_of "$I" "$T/after"
        cmp "$T/wanted" "$T/after"
        rm -r "$I"
        cp -a "$T/old" "$I"
    done
    ((olds > 10 && news > 0)) || fail "$olds times the old one, $news times the new one"
}

@test "one disk under two names is refused, and changes nothing" {
    make_index_to_replace
    refute "$MKV" rebuild --replace --index "$I" "$(at v1)" "$(at v2)" "localhost:$(port v1)" 2>"$T/problems"
    grep -Eq "$(at v1) and localhost:$(port v1) are the same disk: name it once" "$T/problems"
    refute test -e "$I/restore.tmp"
    dump_of "$I" "$T/after"
    cmp "$T/before" "$T/after"
}
