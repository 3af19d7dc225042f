#!/usr/bin/env bats
# POST /_mkv/assemble at a volume: one blob is made out of others, without their bytes leaving the disk.

load ../support/lib

G=.019ab7f0d2bb0000
TARGET=/5d/41/dGFyZ2V0$G

before_all() {
    volume v
}

before_each() {
    U=$(url v)
    D=$F/data/v
    rm -rf "$D"/?? "$D"/sv??
}

after_each() {
    tidy v
    if mountpoint -q "$T/data/small"; then
        umount -l "$T/data/small"
    fi
}

# Makes a file of so many bytes, which no other one has, below the volume's directory.
source_of() { # PATH BYTES
    local top=${1#/}
    mkdir -p "$D${1%/*}"
    openssl enc -aes-128-ctr -K "$(md5_of <<<"$1")" -iv 0 -in /dev/zero 2>/dev/null | head -c "$2" >"$D$1"
    if ((UID == 0)); then
        chown -R www-data: "$D/${top%%/*}"
    fi
}

lines() { # FIELDS...: four a line, "" for those that aren't there
    while (($# > 0)); do
        printf '%s\t%s%s%s\n' "$1" "$2" "${3:+$'\t'$3}" "${4:+$'\t'$4}"
        shift $(($# < 4 ? $# : 4))
    done
}

# Asks with the lines of stdin; the last line of the answer must match.
assemble() { # LAST-LINE [URL]
    cat >"$T/lines"
    want 200 POST "${2:-$U}/_mkv/assemble" --data-binary @"$T/lines"
    grep -v '^$' "$T/body" >"$T/said"
    [[ $(tail -n 1 "$T/said") =~ ^$1$ ]] || fail "it said: $(cat "$T/said")"
}

sources() { # of the answer, what is said of them
    head -n -1 "$T/said"
}

refused_with() { # STATUS TEXT: the lines of stdin
    cat >"$T/lines"
    want "$1" POST "$U/_mkv/assemble" --data-binary @"$T/lines"
    same "$2" "$(cat "$T/body")"
}

@test "ranges of files become one, which can be read, listed and synced" {
    source_of "/aa/01/YQ==$G" 5000001
    source_of "/aa/02/Yg==$G" 1
    source_of "/aa/03/Yw==$G" 0
    source_of "/sv0F/aa/03/Yw==$G" 8388608
    lines "$TARGET" 13387606 1766000000123 - "/aa/01/YQ==$G" 5000001 '' '' "/aa/02/Yg==$G" 1 0 1 \
        "/aa/03/Yw==$G" 0 '' '' "/sv0F/aa/03/Yw==$G" 8388608 1000 8387604 "/aa/02/Yg==$G" 1 1 0 |
        assemble 'done'
    { cat "$D/aa/01/YQ==$G" "$D/aa/02/Yg==$G" && tail -c +1001 "$D/sv0F/aa/03/Yw==$G" | head -c 8387604; } | cmp - "$D$TARGET"
    same '1766000000.000000000' "$(stat -c %.9Y "$D$TARGET")" mtime
    same "$(stat -c '%U %a' "$D/5d")" "$(stat -c '%U %a' "$D/5d/41")"
    want 200 GET "$U$TARGET"
    cmp "$T/body" "$D$TARGET"
    printf '%s\taGk=\n' "$TARGET" >"$T/sync"
    want 204 POST "$U/_mkv/sync" --data-binary @"$T/sync"
    want 200 GET "$U/_mkv/list"
    grep -q "^$TARGET"$'\t13387606\t1766000000000\taGk=$' "$T/body"
    want 204 DELETE "$U$TARGET"
    [[ -e $D/aa/01/YQ==$G ]]
}

@test "awkward sizes: every byte is where it belongs" {
    local size offset length
    for size in 1 4095 4096 4097 8388607 8388608 8388609 20000000; do
        source_of "/aa/01/YQ==$G" "$size"
        for offset in 0 1 $((size / 2)) $((size - 1)) "$size"; do
            length=$((size - offset))
            lines "$TARGET" $((2 * length)) 0 md5,sync "/aa/01/YQ==$G" "$size" $offset $length \
                "/aa/01/YQ==$G" "$size" $offset $length | assemble $'done\t.*'
            tail -c "$length" "$D/aa/01/YQ==$G" >"$T/half"
            cat "$T/half" "$T/half" | head -c $((2 * length)) | cmp - "$D$TARGET"
            same "$(md5_of <"$D$TARGET")" "$(cut -f2 "$T/said")"
        done
    done
}

@test "sources that are missing, or of another size, are named, and nothing is made" {
    source_of "/aa/01/YQ==$G" 100
    mkdir "$D/aa/02" "$D/aa/03"
    ln -s "$D/aa/01/YQ==$G" "$D/aa/02/Yg==$G"
    mkfifo "$D/aa/03/Yw==$G"
    lines "$TARGET" 502 0 - "/aa/01/YQ==$G" 100 '' '' "/bb/01/bm9uZQ==$G" 100 '' '' "/aa/01/YQ==$G" 101 '' '' \
        "/aa/02/Yg==$G" 100 '' '' "/aa/03/Yw==$G" 1 '' '' "/aa/01/YQ==$G" 100 '' '' | assemble none
    same "/bb/01/bm9uZQ==$G"$'\tmissing\n'"/aa/01/YQ==$G"$'\tdiffers\n'"/aa/02/Yg==$G"$'\tmissing\n'"/aa/03/Yw==$G"$'\tmissing' \
        "$(sources)"
    [[ ! -e $D$TARGET ]]
    # The last one alone, too.
    lines "$TARGET" 101 0 link "/aa/01/YQ==$G" 101 '' '' | assemble none
    [[ ! -e $D$TARGET ]]
}

@test "what makes no sense is refused" {
    local bad source="/aa/01/YQ==$G"
    source_of "$source" 100
    lines "$TARGET" 100 0 - | refused_with 400 'line 2 makes no sense'
    printf '' | refused_with 400 'line 1 makes no sense'
    for bad in /.mkv/id /../../etc/passwd /aa/01/../01/YQ== /aa/01/.mkv aa/01/YQ== /aa/01/YQ==/ /aa/01/a%20b /aa/01; do
        lines "$bad" 100 0 - "$source" 100 '' '' | refused_with 400 'line 1 makes no sense'
        lines "$TARGET" 200 0 - "$source" 100 '' '' "$bad" 100 '' '' | refused_with 400 'line 3 makes no sense'
    done
    for bad in '' - -1 1x ' 1' 99999999999999999999 9999999999999999999; do
        printf '%s\t%s\t0\t-\n%s\t100\n' "$TARGET" "$bad" "$source" | refused_with 400 'line 1 makes no sense'
        printf '%s\t100\t%s\t-\n%s\t100\n' "$TARGET" "$bad" "$source" | refused_with 400 'line 1 makes no sense'
        printf '%s\t100\t0\t-\n%s\t%s\n' "$TARGET" "$source" "$bad" | refused_with 400 'line 2 makes no sense'
        printf '%s\t100\t0\t-\n%s\t100\t%s\t0\n' "$TARGET" "$source" "$bad" | refused_with 400 'line 2 makes no sense'
    done
    for bad in '' 'link,' ',md5' hardlink 'md5,-'; do
        printf '%s\t100\t0\t%s\n%s\t100\n' "$TARGET" "$bad" "$source" | refused_with 400 'line 1 makes no sense'
    done
    printf '%s\t100\t0\t-\n%s\t100' "$TARGET" "$source" | refused_with 400 'line 2 makes no sense'
    lines "$TARGET" 99 0 - "$source" 100 '' '' | refused_with 400 "the sources don't add up to the file"
    lines "$TARGET" 101 0 - "$source" 100 '' '' | refused_with 400 "the sources don't add up to the file"
    lines "$TARGET" 51 0 - "$source" 100 50 51 | refused_with 400 'line 2 makes no sense'
    lines "$TARGET" 50 0 link "$source" 100 50 50 | refused_with 400 "the sources don't add up to the file"
    want 405 GET "$U/_mkv/assemble"
    same 411 "$(curl -q -s -o /dev/null -w '%{http_code}' --unix-socket "$D/.mkv/sync.sock" -H 'Transfer-Encoding: chunked' \
        --data-binary x http://v/_mkv/assemble)"
    head -c $((16 * 1024 * 1024 + 1)) /dev/zero >"$T/lines"
    want 413 POST "$U/_mkv/assemble" --data-binary @"$T/lines"
    [[ ! -e $D$TARGET ]]
}

@test "no link leads anywhere, also not of the file's own directories" {
    need_root
    source_of "/aa/01/YQ==$G" 100
    mkdir "$T/outside"
    chown www-data "$T/outside"
    ln -s "$T/outside" "$D/5d"
    lines "$TARGET" 100 0 - "/aa/01/YQ==$G" 100 '' '' | assemble $'error\t.*'
    lines "$TARGET" 100 0 link "/aa/01/YQ==$G" 100 '' '' | assemble $'error\t.*'
    same '' "$(ls -A "$T/outside")"
}

@test "a single source is linked where that is wanted, and copied where it can't be" {
    source_of "/aa/01/YQ==$G" 100
    lines "$TARGET" 100 1766000000000 link "/aa/01/YQ==$G" 100 '' '' | assemble 'done'
    [[ $D$TARGET -ef $D/aa/01/YQ==$G ]]
    same 1766000000 "$(stat -c %Y "$D$TARGET")"
    want 204 DELETE "$U/aa/01/YQ==$G"
    same 100 "$(stat -c %s "$D$TARGET")"
    source_of "/aa/01/YQ==$G" 200
    lines "$TARGET" 200 0 link "/aa/01/YQ==$G" 200 '' '' | assemble 'done'
    refute test "$D$TARGET" -ef "$D/aa/01/YQ==$G"
    cmp "$D$TARGET" "$D/aa/01/YQ==$G"
}

@test "10,000 parts become one file, and one more is refused (scality/cloudserver#444)" {
    local n
    for ((n = 0; n < 256; n++)); do
        printf '%s/bb/%02x\n' "$D" $n
    done | xargs mkdir -p
    awk -v dir="$D" 'BEGIN {
        for (n = 1; n <= 10000; n++) {
            path = sprintf("/bb/%02x/cGFydA==.%016x", n % 256, n)
            printf "%d.", n > dir path
            close(dir path)
            printf "%d.", n > "'"$T"'/whole"
            printf "%s\t%d\n", path, length(n) + 1 > "'"$T"'/parts"
        }
    }'
    { lines "$TARGET" "$(stat -c %s "$T/whole")" 0 - && cat "$T/parts"; } | assemble 'done'
    cmp "$T/whole" "$D$TARGET"
    { lines "$TARGET" "$(stat -c %s "$T/whole")" 0 - && cat "$T/parts" && tail -n 1 "$T/parts"; } |
        refused_with 400 'there are over 10000 sources'
}

@test "on a full disk nothing is left, and it says so" {
    mkdir "$T/data/small"
    if ! mount -t tmpfs -o size=4m,mode=755 none "$T/data/small" 2>/dev/null; then
        skip "needs mount"
    fi
    volume small
    D=$T/data/small
    source_of "/aa/01/YQ==$G" 3000000
    lines "$TARGET" 3000000 0 - "/aa/01/YQ==$G" 3000000 '' '' | assemble $'full\t.*' "$(url small)"
    [[ ! -e $D$TARGET ]]
    within 5 tidy small
    lines "$TARGET" 300000 0 - "/aa/01/YQ==$G" 3000000 0 300000 | assemble 'done' "$(url small)"
    stop small
    umount "$T/data/small"
}

need_strace() {
    command -v strace >/dev/null || skip "needs strace"
    strace -o /dev/null true 2>/dev/null || skip "strace may not trace here"
}

# Starts volume t, whose copying takes its time; leaks can't be looked for in a process that is traced.
slow_volume() {
    local AS=(strace -D -f -o "$T/trace" -e trace=copy_file_range -e inject=copy_file_range:delay_enter=500000)
    need_strace
    ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 volume t
    D=$T/data/t
}

# Has it make the target out of so many copies of a source of 1 MB.
ask_slowly() { # NAME COPIES
    local n
    source_of "/aa/01/YQ==$G" 1000000
    { lines "$TARGET" $((1000000 * $2)) 0 - && for ((n = 0; n < $2; n++)); do
        lines "/aa/01/YQ==$G" 1000000
    done; } >"$T/lines.$1"
    hatch "$1" curl -q -s --noproxy '*' --no-buffer --data-binary @"$T/lines.$1" "$(url t)/_mkv/assemble"
}

is_copying() {
    within 5 grep -q copy_file_range "$T/trace"
    refute tidy t
}

@test "while it takes long, an empty line comes now and then" {
    slow_volume
    ask_slowly long 12
    within 10 logged long '^$'
    refute logged long 'done'
    await_end long 20
    logged long '^done$'
    same 12000000 "$(stat -c %s "$D$TARGET")"
    stop t
}

@test "a client that goes ends it, and nothing is left" {
    slow_volume
    ask_slowly going 60
    is_copying
    signal going KILL
    await_end going
    within 10 tidy t
    [[ ! -e $D$TARGET ]]
    stop t
}

@test "killed in the middle, it leaves no file by the name, and the next start sweeps" {
    slow_volume
    ask_slowly cut 60
    is_copying
    rm "$T/proc/t.must-exit-0"
    crash t
    await_end cut
    [[ ! -e $D$TARGET ]]
    refute tidy t
    volume t
    tidy t
    [[ ! -e $D$TARGET ]]
}

@test "told to stop in the middle, a volume drains or cuts off, and leaves nothing" {
    slow_volume
    ask_slowly cut 4
    is_copying
    stop t
    await_end cut
    logged cut '^done$'
    tidy t
    same 4000000 "$(stat -c %s "$D$TARGET")"
}

@test "where the kernel doesn't copy, mkv does" {
    local error AS
    need_strace
    for error in EXDEV ENOSYS EOPNOTSUPP EINVAL; do
        AS=(strace -D -f -o "$T/trace" -e trace=copy_file_range -e "inject=copy_file_range:error=$error")
        ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 volume "$error"
        unset AS
        D=$T/data/$error
        source_of "/aa/01/YQ==$G" 5000000
        lines "$TARGET" 5999999 0 md5 "/aa/01/YQ==$G" 5000000 '' '' "/aa/01/YQ==$G" 5000000 1 999999 |
            assemble $'done\t.*' "$(url "$error")"
        { cat "$D/aa/01/YQ==$G" && head -c 1000000 "$D/aa/01/YQ==$G" | tail -c +2; } | cmp - "$D$TARGET"
        same "$(md5_of <"$D$TARGET")" "$(cut -f2 "$T/said")"
        grep -q INJECTED "$T/trace"
        stop "$error"
    done
}

@test "many at once are made, and none is lost" {
    local n
    source_of "/aa/01/YQ==$G" 1000000
    for ((n = 0; n < 24; n++)); do
        lines "/cc/$(printf %02x $n)/YQ==$G" 3000000 0 md5 "/aa/01/YQ==$G" 1000000 '' '' "/aa/01/YQ==$G" 1000000 '' '' \
            "/aa/01/YQ==$G" 1000000 '' '' >"$T/lines.$n"
        printf 'next\nurl = "%s/_mkv/assemble"\ndata-binary = "@%s"\nsilent\n' "$U" "$T/lines.$n"
    done | sed 1d >"$T/curl"
    curl -q --noproxy '*' --no-progress-meter -Z --parallel-immediate --parallel-max 24 -K "$T/curl" >"$T/answers"
    same 24 "$(grep -c "^done"$'\t'"$(md5_of <"$D/cc/00/YQ==$G")$" "$T/answers")"
    same 24 "$(find "$D/cc" -type f -size 3000000c | wc -l)"
}
