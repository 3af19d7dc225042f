#!/usr/bin/env bats
# The index's own backup on its volumes, and what a rebuild makes of it.

load ../support/lib
load ../support/rebuild

ALL='v1 v2 v3'

before_each() {
    I=$T/data/i
}

# --- Helpers --------------------------------------------------------------------------------------

# Prints when the last backup of index i began, in ms since 1970; null without one.
last_backup() {
    local key
    key=$("$MKV" dump --index "$I" | jq -r 'select(.key) | .key | strings | select(startswith("/_mkv/index/"))' | tail -n 1)
    if [[ $key ]]; then
        echo $((16#${key##*/}))
    else
        echo null
    fi
}

# Whether the status counts so many keys and backups, and has the time of the last one.
tells() { # KEYS BACKUPS
    [[ $("$MKV" status --json --index "$I" | jq -r '"\(.keys) \(.backup.count) \(.backup.last_ms)"') == "$1 $2 $(last_backup)" ]]
}

# Starts index i again, without more backups. (On a database there is one each time: other indexes may have
# changed something.)
make_no_more() { # "VOLUME..." [INDEX-OPTIONS...]
    stop i
    index i "$@" --backup-every 0
}

newer_backup_than() { # MS
    local last
    last=$(last_backup)
    [[ $last != null ]] && ((last > $1))
}

# The keys of users in a dump, with what it says of them.
users_in() {
    jq -c 'select(.key) | select(.key | tostring | startswith("/_mkv/") | not)'
}

is_backed_up() {
    local files
    mapfile -t files < <(backup_files v1 v2 v3)
    ((${#files[@]} > 0)) && cmp -s <(gunzip <"${files[-1]}" 2>/dev/null | users_in) <("$MKV" dump --index "$I" | users_in)
}

# Waits for a backup with all that there is now. (The next one may begin right now.)
await_backup() {
    within 20 is_backed_up
}

# Prints the files of backups on a volume, the oldest first. (No base64 of hexadecimal digits has a
# '/', but its own order isn't that of what it stands for.)
backup_files() { # VOLUME...
    local each dir
    for each in "$@"; do
        if dir=$(lookup data "$each"); then
            find "$dir" -name "$(printf /_mkv/index/ | base64)*" -printf '%f %p\n'
        fi
    done >"$T/backups"
    paste -d ' ' <(cut -d ' ' -f 1 "$T/backups" | tr A-Za-z0-9 0-9A-Za-z) <(cut -d ' ' -f 2 "$T/backups") |
        LC_ALL=C sort | cut -d ' ' -f 2
}

count_backup_files() { # COUNT VOLUME...
    local wanted=$1
    shift
    same "$wanted" "$(backup_files "$@" | wc -l)" 'files of backups' 2>/dev/null
}

# The names of these files, each once, the oldest first.
names_of() { # FILE...
    printf '%s\n' "${@##*/}" | uniq
}

past() { # MS
    (($(now_ms) > $1))
}

keys_in() { # FILE-OF-A-DUMP
    jq -r 'select(.key) | .key' "$1" | grep -v '^/_mkv/'
}

newest_has_all() { # COUNT
    local files
    mapfile -t files < <(backup_files v1 v2 v3)
    diff -q <(gunzip <"${files[-1]}" 2>/dev/null | keys_in -) <(seq -f '/key-%.0f' "$1") >/dev/null
}

# --- Making them ----------------------------------------------------------------------------------

@test "backups lie on as many volumes as any value, and the last three stay" {
    local n files name
    # shellcheck disable=SC2086 # a list
    cluster i "$ALL" --replicas 2 --backup-every 1s
    for n in {1..5}; do
        put "$(url i)/key-$n" value
        await_backup
    done
    # One may have begun before the PUT that it was waited for.
    within 15 newest_has_all 5
    within 15 count_backup_files 6 v1 v2 v3
    mapfile -t files < <(backup_files v1 v2 v3)
    for name in $(names_of "${files[@]}"); do
        same 2 "$(printf '%s\n' "${files[@]}" | grep -c "/$name\$")" "copies of $name"
    done
    gunzip <"${files[-1]}" >"$T/last"
    [[ $(tail -n 1 "$T/last") == '{"end":true,'* ]]
    gunzip <"${files[0]}" | keys_in - >"$T/first"
    diff "$T/first" <(seq -f '/key-%.0f' "$(wc -l <"$T/first")")
    logged i 'the index is backed up on its volumes, in [0-9]+ bytes'
}

@test "nothing is backed up while nothing changes" {
    of_gdbm_alone 'in a database another index may have changed something'
    local last
    cluster i v1 --backup-every 1s
    put "$(url i)/key" value
    await_backup
    within 10 past $(($(last_backup) + 2500)) # it may have begun before the PUT was counted
    last=$(last_backup)
    within 10 past $((last + 4000))
    same "$last" "$(last_backup)" 'time of the last backup'
    want 204 UNLINK "$(url i)/key"
    within 10 newer_backup_than "$last"
}

@test "the interval goes on over a restart" {
    local last
    cluster i v1 --backup-every 1s
    put "$(url i)/key" value
    await_backup
    last=$(last_backup)
    stop i
    index i v1 --backup-every 1d
    put "$(url i)/other" value
    within 10 past $((last + 3000))
    same "$last" "$(last_backup)" 'time of the last backup'
    stop i
    index i v1 --backup-every 2s
    within 10 newer_backup_than "$last"
}

@test "0 is never" {
    cluster i v1 --backup-every 0
    fill 1200
    stop i
    count_backup_files 0 v1
    refused 2 "must be a time such as" index "$(at v1)" --index "$T/data/j" --backup-every 6
}

@test "a clean stop makes one when much has changed" {
    cluster i v1 --backup-every 1d
    fill 300
    stop i
    count_backup_files 0 v1
    index i v1 --backup-every 1d
    want 204 DELETE "$(url i)/plain-0"
    within 15 has_orphans i 0
    printf 'PUT /more-%d\n' {1..1000} | replay "$(url i)" >/dev/null
    stop i
    count_backup_files 1 v1
    same 1299 "$(gunzip <"$(backup_files v1)" | tail -n 1 | jq .keys)" 'keys in the backup'
    index i v1 --backup-every 1d
    stop i
    count_backup_files 1 v1
}

@test "volumes that are away hold neither the index nor its stop up" {
    cluster i v1 --backup-every 1s
    stop v1
    within 10 sees i v1 down
    volume v1
    within 10 sees i v1 up
    put "$(url i)/key" value
    await_backup
    printf 'PUT /more-%d\n' {1..1100} | replay "$(url i)" >/dev/null
    crash v1
    within 20 logged i "the index can't be backed up on its volumes: .*; this is tried again"
    stop i
    [[ $STORE ]] || same 1 "$(grep -c "can't be backed up" "$(log_of i)")" 'lines that tell'
}

# --- Hiding them ----------------------------------------------------------------------------------

@test "no request names them, no listing has them, and no count" {
    local path method
    cluster i v1 --backup-every 1s
    put "$(url i)/a" value
    put "$(url i)/Z" value
    await_backup
    path=/_mkv/index/$(printf %012x "$(last_backup)")
    grep -qF "\"key\":\"$path\"" <("$MKV" dump --index "$I")
    for method in GET HEAD PUT DELETE UNLINK REBALANCE; do
        want 404 $method "$(url i)$path" ${ASAN:+-m 60}
        want 404 $method "$(url i)/%5fmkv${path#/_mkv}"
    done
    want 404 PUT "$(url i)/_mkv/index/x" --data-binary value
    list "$(url i)/?list"
    same '/Z /a' "${LISTED[*]}"
    same '/Z /a' "$(pages "$(url i)/?list" 1 | xargs)"
    list "$(url i)/?unlinked"
    same 0 ${#LISTED[@]}
    list "$(url i)/_mkv/?list"
    same 0 ${#LISTED[@]}
    list "$(url i)/_?list"
    same 0 ${#LISTED[@]}
    make_no_more v1
    # There may have been one before the second value. The first request is told so.
    tells 2 "$(backup_files v1 | wc -l)"
    "$MKV" status --index "$I" | grep -Eqx 'backup +[-0-9]{10} [:0-9]{8} [+0-9]{5}, [0-9]+ B'
}

# --- Rebuilding with them -------------------------------------------------------------------------

# A dump but for the backups in it.
dump_of_users() { # INDEX-DIR FILE
    "$MKV" dump --index "$1" | grep -v '^{"key":"/_mkv/' >"$2"
}

# Without syncs, which leave notes at the files, sizes and MD5s come from the backup alone (but for its
# own MD5, which nothing tells then).
@test "thousands of keys of every kind come back as they were" {
    local known
    cluster i "$ALL" --replicas 2 --subvolumes 5 --no-sync
    fill $((LONG ? 20000 : 2500)) changes
    within 30 has_orphans i 0
    stop i
    count_backup_files 2 v1 v2 v3
    dump_of_users "$I" "$T/before"
    known=$(tail -n 1 "$T/before" | jq '.keys + .unlinked')
    rm -r "$I"
    rebuild "$I" "$ALL"
    grep -Eqx "rebuilt $((known - 1)) keys with $((2 * (known - 1))) copies.*" "$T/rebuilt"
    grep -Eqx "used the backup of .*, 0 min old, which has $((known - 1)) keys" "$T/rebuilt"
    same 2 "$(wc -l <"$T/rebuilt")" 'lines that it says'
    dump_of_users "$I" "$T/after"
    cmp "$T/before" "$T/after"
}

# Deletes a key while one of its volumes is away, which is $AWAY then, and has that backed up.
delete_behind() { # KEY
    local each
    for each in $ALL; do
        if ! lacks "$each" "$1"; then
            AWAY=$each
        fi
    done
    stop "$AWAY"
    within 10 sees i "$AWAY" down
    want 204 DELETE "$(url i)$1"
    for each in ${ALL/$AWAY/}; do
        within 15 lacks "$each" "$1"
    done
    refute has_orphans i 0 # (a backup that was on its way may have left another)
    await_backup
}

# Removes the backups that are newer than this.
forget_backups_after() { # MS
    local file name
    while read -r file; do
        name=${file##*/} name=$(base64 -d <<<"${name%.*}") name=${name##*/}
        if ((16#$name > $1)); then
            rm "$file"
        fi
    done < <(backup_files v1 v2 v3)
}

@test "what was unlinked or deleted stays so, and what was PUT later is there" {
    cluster i "$ALL" --replicas 2 --backup-every 1s
    put "$(url i)/kept" value
    put "$(url i)/unlinked" value
    put "$(url i)/again" value
    put "$(url i)/lost" value
    put "$(url i)/gone" value
    want 204 UNLINK "$(url i)/unlinked"
    want 204 UNLINK "$(url i)/again"
    delete_behind /gone
    stop i
    volume "$AWAY"
    index i "$ALL" --replicas 2 --backup-every 1d
    put "$(url i)/again" later
    put "$(url i)/new" later
    want 204 DELETE "$(url i)/lost"
    within 15 has_orphans i 0
    refute holds "$AWAY" /gone value
    stop i
    rm -r "$I"
    rebuild "$I" "$ALL"
    grep -q '^1 of the values that the backup knows have no file' "$T/rebuilt"
    index i "$ALL" --replicas 2
    list "$(url i)/?list"
    same '/again /kept /new' "${LISTED[*]}"
    list "$(url i)/?unlinked"
    same /unlinked "${LISTED[*]}"
    got "$(url i)/again" later
    got "$(url i)/new" later
}

@test "a blob that was deleted while its volume was away is removed, not taken for a value" {
    cluster i "$ALL" --replicas 2 --backup-every 1s
    put "$(url i)/gone" value
    put "$(url i)/unlinked" value
    want 204 UNLINK "$(url i)/unlinked"
    delete_behind /gone
    stop i
    volume "$AWAY"
    holds "$AWAY" /gone value
    rm -r "$I"
    rebuild "$T/data/j" "$ALL" --no-backup
    same '/gone /unlinked' "$("$MKV" dump --index "$T/data/j" | keys_in - | xargs)"
    refute grep -q backup "$T/rebuilt"
    rebuild "$I" "$ALL"
    grep -Eqx 'rebuilt 1 keys with 2 copies.*' "$T/rebuilt"
    index i "$ALL" --replicas 2
    want 404 GET "$(url i)/gone"
    list "$(url i)/?unlinked"
    same /unlinked "${LISTED[*]}"
    within 15 lacks "$AWAY" /gone
}

@test "a value whose PUT was on its way is not lost with the backup" {
    local last
    cluster i "$ALL" --replicas 2 --backup-every 1s
    put "$(url i)/key" value
    put_half i /late
    within 10 refute has_orphans i 0
    put "$(url i)/more" value
    await_backup
    last=$(last_backup)
    put_rest
    same 201 "$STATUS"
    exec 7>&-
    stop i
    forget_backups_after "$last"
    rm -r "$I"
    rebuild "$I" "$ALL"
    grep -Eqx 'used the backup of .*, which has 2 keys' "$T/rebuilt"
    index i "$ALL" --replicas 2
    want 200 GET "$(url i)/late" -L
    cmp "$T/value" "$T/body"
}

# Overwrites a byte in the middle of a file.
damage() { # FILE
    local at byte
    at=$(($(stat -c %s "$1") / 2))
    byte=$(od -An -tu1 -j "$at" -N 1 "$1")
    printf '%b' "\\x$(printf %02x $((byte ^ 255)))" | dd of="$1" bs=1 seek="$at" conv=notrunc status=none
}

@test "of backups that are damaged the next older one is used" {
    local n files=() names=()
    cluster i "$ALL" --replicas 2 --backup-every 1s
    for n in 1 2 3; do
        put "$(url i)/key-$n" value
        want 204 UNLINK "$(url i)/key-$n"
        await_backup
    done
    make_no_more "$ALL" --replicas 2
    within 15 has_orphans i 0
    stop i
    mapfile -t files < <(backup_files v1 v2 v3)
    mapfile -t names < <(names_of "${files[@]}")
    same 3 ${#names[@]} backups
    rm -r "$I"
    damage "${files[-1]}" # one copy of the newest
    rebuild "$I" "$ALL"
    grep -Eqx 'used the backup of .*, which has 3 keys' "$T/rebuilt"
    truncate -s -5 "${files[-2]}" # and the other one
    rebuild "$I" "$ALL" --replace
    grep -Eqx 'used the backup of .*, which has 2 keys' "$T/rebuilt"
    same 2 "$(grep -Ec "a backup of the index at 127.0.0.1:[0-9]+ (is|has)" "$T/problems")" warnings
    index i "$ALL" --replicas 2
    list "$(url i)/?unlinked"
    same '/key-1 /key-2' "${LISTED[*]}"
    list "$(url i)/?list" # it isn't known there
    same /key-3 "${LISTED[*]}"
    stop i
    for n in "${files[@]}"; do
        printf x >"$n"
    done
    rebuild "$I" "$ALL" --replace
    grep -q '^no backup of the index is whole: ' "$T/rebuilt"
    for n in "${files[@]}"; do
        rm "$n"
    done
    rebuild "$I" "$ALL" --replace
    grep -q '^there is no backup of the index: ' "$T/rebuilt"
    same 3 "$("$MKV" dump --index "$I" | keys_in - | wc -l)" keys
}

@test "backups come back with a dump, and are counted on" {
    local n last
    cluster i v1 --backup-every 1s
    for n in 1 2 3; do
        put "$(url i)/key-$n" value
        await_backup
    done
    stop i
    dump_of "$I" "$T/dump"
    rm -r "$I"
    "$MKV" restore --index "$I" "$T/dump"
    index i v1 --backup-every 1s
    put "$(url i)/key-4" value
    await_backup
    within 15 count_backup_files 3 v1
    make_no_more v1
    within 10 tells 4 "$(backup_files v1 | wc -l)"
}
