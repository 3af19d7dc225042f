#!/usr/bin/env bats
# What mkv keeps of a value beside its bytes, and keys of its own: they come back from nothing but the
# files, go where their values go, and through dumps.

load ../support/lib
load ../support/rebuild
load ../support/replicas
load ../support/admin_jobs

VOLUMES='v1 v2 v3 v4'
COPIES=2
GENERATION=019ab7f0d2bb0000

before_each() {
    I=$T/data/i
}

# Gives each file of a blob on these volumes metadata: that of its key, of all lengths.
add_metadata() { # VOLUME...
    local each directories=()
    for each in "$@"; do
        directories+=("$(lookup data "$each")")
    done
    python3 - "${directories[@]}" <<'END'
import os, sys, zlib

def meta_of(name):
    n = zlib.crc32(name.encode()) % 10
    if n == 0:
        return b''
    if n == 1:
        return b'x-bytes=\xff\xfe \t"\\\n'
    if n == 2: # as much as there can be
        return b'x-long=' + b'v' * (2900 - 8) + b'\n'
    return b'type=text/plain; n=%d\nx-caf\x65=\xc3\xa9%s\n' % (n, b'=' * (n * n * n))

for root in sys.argv[1:]:
    for where, _, files in os.walk(root):
        for name in files:
            path = os.path.join(where, name)
            if '/.mkv/' in path:
                continue
            note = os.getxattr(path, 'user.mkv')
            os.setxattr(path, 'user.mkv', note + meta_of(name))
END
}

# Lays a file out under the name of a key of mkv's own, which no request can give.
lay() { # VOLUME KEY VALUE
    local file dir path
    dir=$(lookup data "$1")
    path=$(path_of "$2" "$GENERATION")
    file=$dir$path
    mkdir -p "${file%/*}"
    printf %s "$3" >"$file"
    python3 -c 'import os, sys; os.setxattr(sys.argv[1], "user.mkv", sys.argv[2].encode())' "$file" \
        "size=${#3}"$'\n''type=a/b'$'\n'
    chown -R --reference="$dir" "$dir/${path:1:2}"
}

# The keys of a dump with their metadata, in order.
metadata_of() { # DUMP
    jq -c 'select(.key) | select(.key | tostring | test("^/_mkv/index") | not) | [.key, .size, .meta]' "$1"
}

@test "metadata comes back from files, moves with values, and comes back from there" {
    start_with "$VOLUMES" --backup-every 0
    put_keys /k 120
    stop i
    # shellcheck disable=SC2086 # a list
    add_metadata $VOLUMES
    rm -r "$I"
    rebuild "$I" "$VOLUMES"
    dump_of "$I" "$T/first"
    metadata_of "$T/first" >"$T/wanted"
    (($(grep -c 'type=text/plain' "$T/wanted") > 60))
    (($(grep -c '"percent":"x-bytes' "$T/wanted") > 0))
    (($(grep -c 'x-long=v\{2892\}\\n' "$T/wanted") > 0))
    "$MKV" restore --index "$T/data/restored" "$T/first" 2>>"$T/problems"
    dump_of "$T/data/restored" "$T/again"
    cmp "$T/first" "$T/again"
    index_of_list "$VOLUMES" --backup-every 0
    all_up
    keys_are_right /k 120
    run_job "drain?volume=$(at v4)"
    ended_as 'done true' "moved=$(job .counts.moved)"
    (($(job .counts.moved) > 30))
    rm "$(copy_of /k/1 1)" "$(copy_of /k/2 2)"
    run_job 'verify?repair=1'
    ended_as 'done true' 'missing=2 repaired=2'
    stop i
    stop v4
    rm -r "$I"
    rebuild "$I" 'v1 v2 v3'
    dump_of "$I" "$T/after"
    metadata_of "$T/after" >"$T/got"
    diff "$T/wanted" "$T/got"
    refute grep -F "$(at v4)" "$T/after"
    VOLUMES='v1 v2 v3'
}

@test "a backup has metadata of files that have lost it" {
    local each directories=()
    start_with "$VOLUMES" --backup-every 0
    put_keys /k 20
    stop i
    # shellcheck disable=SC2086 # a list
    add_metadata $VOLUMES
    rm -r "$I"
    rebuild "$I" "$VOLUMES"
    dump_of "$I" "$T/first"
    metadata_of "$T/first" >"$T/wanted"
    index_of_list "$VOLUMES" --backup-every 1s
    within 15 has_backup
    stop i
    for each in $VOLUMES; do
        directories+=("$(lookup data "$each")")
    done
    python3 - "${directories[@]}" <<'END'
import os, sys
for root in sys.argv[1:]:
    for where, _, files in os.walk(root):
        for name in files:
            if '/.mkv' not in where:
                os.removexattr(os.path.join(where, name), 'user.mkv')
END
    rm -r "$I"
    rebuild "$I" "$VOLUMES"
    grep -q '^used the backup' "$T/rebuilt"
    dump_of "$I" "$T/after"
    metadata_of "$T/after" >"$T/got"
    diff "$T/wanted" "$T/got"
}

has_backup() {
    [[ $("$MKV" status --json --index "$I" | jq .backup.last_ms) != null ]]
}

@test "keys of mkv's own come back, are kept whole, and are nobody's to see" {
    local id=0123456789abcdef0123456789abcdef each
    local part=/_mkv/s3/part/$id/00001/b/key upload=/_mkv/s3/upload/b/key$'\x01'$id
    for each in $VOLUMES; do
        volume "$each"
    done
    for each in v1 v2; do
        lay "$each" /_mkv/s3/bucket/b ''
        lay "$each" "$part" 'a part'
        lay "$each" "$upload" '' # else the part is nobody's, and goes
        lay "$each" /b/object 'an object'
        lay "$each" /z/object 'an object'
    done
    rebuild "$I" "$VOLUMES"
    grep -q '^rebuilt 2 keys with 4 copies' "$T/rebuilt"
    index_of_list "$VOLUMES" --backup-every 0
    all_up
    same 2 "$("$MKV" status --json --index "$I" | jq .keys)"
    list "$(url i)/?list"
    same '/b/object /z/object' "$(listed | paste -sd' ')"
    list "$(url i)/_mkv/s3?list"
    same '' "$(listed)"
    want 404 GET "$(url i)$part"
    want 404 DELETE "$(url i)/_mkv/s3/bucket/b"
    rm "$(file_of v1 "$part")" "$(file_of v2 /_mkv/s3/bucket/b)"
    run_job 'verify?repair=1'
    ended_as 'done true' 'missing=2 repaired=2'
    run_job rebalance
    for each in v1 v2; do
        run_job "drain?volume=$(at "$each")"
    done
    is_clean
    stop i
    stop v1
    stop v2
    rm -r "$I"
    rebuild "$I" 'v3 v4'
    grep -q '^rebuilt 2 keys with 4 copies' "$T/rebuilt"
    dump_of "$I" "$T/after"
    same "[\"/_mkv/s3/bucket/b\",0,\"type=a/b\\n\"] [\"$part\",6,\"type=a/b\\n\"] [\"${upload/$'\x01'/\\u0001}\",0,\"type=a/b\\n\"]" \
        "$(jq -c 'select(.key) | select(.key | startswith("/_mkv/")) | [.key, .size, .meta]' "$T/after" | paste -sd' ')"
    VOLUMES='v3 v4'
}
