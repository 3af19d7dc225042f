#!/usr/bin/env bats
# What becomes of a volume's disk while it runs: unmounted, moved away, cleaned, read-only, hanging.

load ../support/lib
load ../support/replicas

VOLUMES='v1 v2 v3'
COPIES=2

after_each() {
    local each
    for each in "$T"/data/*; do
        fsfreeze -u "$each" 2>/dev/null || true
        while mountpoint -q "$each"; do
            umount -l "$each" || break
        done
    done
    for each in "$T"/*.loop; do
        [[ ! -e $each ]] || losetup -d "$(cat "$each")" || true
    done
}

# Makes an ext4 of its own for a volume, and mounts it.
disk() { # NAME [MOUNT-OPTIONS]
    need_root
    truncate -s 32M "$T/$1.img"
    mkfs.ext4 -q -m 0 "$T/$1.img"
    losetup -f --show "$T/$1.img" >"$T/$1.loop" || skip "needs loop devices"
    mkdir "$T/data/$1"
    mount_again "$1" "${2:-defaults}" || skip "needs mount"
}

mount_again() { # NAME [MOUNT-OPTIONS]
    mount -o "${2:-defaults}" "$(cat "$T/$1.loop")" "$T/data/$1"
}

# The index has the volume in that state, for that reason.
is_for() { # VOLUME STATE REASON-REGEX
    [[ $("$MKV" status --json --index "$T/data/i" | jq -r --arg name "$(at "$1")" \
        '.volumes[] | select(.name == $name) | "\(.state): \(.reason)"') =~ ^$2:\ $3 ]]
}

put_some() { # PREFIX COUNT
    local n
    for ((n = 1; n <= $2; n++)); do
        put "$(url i)/$1/$n" "$1 $n"
    done
}

# Each is read from each of its replicas.
get_some() { # PREFIX COUNT
    local n
    for ((n = 1; n <= $2; n++)); do
        got "$(url i)/$1/$n" "$1 $n" || return 1
        got "$(url i)/$1/$n" "$1 $n" || return 1
    done
}

# Prints a key below the prefix that the volume has.
one_on() { # VOLUME PREFIX COUNT
    local n
    for ((n = 1; n <= $3; n++)); do
        if ! lacks "$1" "/$2/$n"; then
            echo "/$2/$n"
            return
        fi
    done
    fail "nothing below $2 is on $1"
}

@test "unmounted, or moved away: what it holds is read, and nothing goes there until it is back" {
    local each
    disk v1
    cluster i "$VOLUMES" --replicas $COPIES
    all_up
    put_some before 8
    umount -l "$T/data/v1"
    mv "$T/data/v2" "$T/data/moved"
    mkdir "$T/data/v2"
    for each in v1 v2; do # who doesn't know yet does no harm
        want 201 PUT "$(url $each)/aa/bb/YQ==" --data-binary value
        want 204 POST "$(url $each)/_mkv/sync" --data-binary /aa/bb/YQ==
        want 204 DELETE "$(url $each)/aa/bb/YQ=="
    done
    within 5 is_for v1 read-only 'its directory was moved or unmounted'
    within 5 is_for v2 read-only 'its directory was moved or unmounted'
    "$MKV" status --index "$T/data/i" | grep -q "^volume      $(at v1) read-only, its directory was moved"
    get_some before 8
    want 503 PUT "$(url i)/during" --data-binary value # two copies need two volumes
    same '' "$(find "$T/data/v1" "$T/data/v2" -mindepth 1)" 'what lies at the wrong places'
    mount_again v1
    rmdir "$T/data/v2"
    mv "$T/data/moved" "$T/data/v2"
    all_up
    put_some after 4
    get_some after 4
    only_copies
    same 1 "$(grep -c 'the volume is read-only' "$(log_of v1)")" 'lines about it at the volume'
    same 1 "$(grep -c "volume $(at v1) is read-only" "$(log_of i)")" 'lines about it at the index'
}

@test "what a cleaner deletes below .mkv/tmp is made again" {
    local tmp
    volume v
    head -c 100000 /dev/zero >"$T/blob"
    stored() {
        http PUT "$(url v)/aa/bb/$1" -T "$T/blob"
        [[ $STATUS == 201 ]]
    }
    tmp=$T/data/v/.mkv/tmp
    stat -c '%U %a %n' "$tmp" "$tmp"/*/ >"$T/before"
    rm -rf "${tmp:?}"/*
    within 5 stored YQ==
    rm -rf "$tmp"
    within 5 stored Yg==
    same "$(cat "$T/before")" "$(stat -c '%U %a %n' "$tmp" "$tmp"/*/)" 'who has them, and their modes'
}

@test "a disk that turns read-only is read, also by a volume that is started on it" {
    local key loop n
    disk v1 errors=remount-ro
    loop=$(cat "$T/v1.loop")
    [[ -w /sys/fs/ext4/${loop##*/}/trigger_fs_error ]] || skip "needs a way to make ext4 fail"
    cluster i "$VOLUMES" --replicas $COPIES
    all_up
    put_some before 8
    key=$(one_on v1 before 8)
    echo test >"/sys/fs/ext4/${loop##*/}/trigger_fs_error"
    for n in {1..20}; do # nobody has noticed yet
        http PUT "$(url v1)/aa/bb/YQ==" --data-binary value
        [[ $STATUS == 500 ]]
    done
    within 6 is_for v1 read-only 'its disk is read-only'
    put_some during 8
    get_some before 8
    want 204 DELETE "$(url i)$key"
    want 404 GET "$(url i)$key"
    same 1 "$("$MKV" status --json --index "$T/data/i" | jq .orphans)" 'blobs that wait'
    same 1 "$(grep -c 'Read-only file system' "$(log_of v1)")" 'lines about it'
    same 0 "$(grep -c 'to a DELETE' "$(log_of i)" || true)" 'DELETEs in vain'
    stop v1
    volume v1
    logged v1 'v1 is on a read-only disk'
    within 5 is_for v1 read-only 'its disk is read-only'
    get_some during 8
    put "$(url i)/more" value
    stop v1
    umount "$T/data/v1"
    fsck.ext4 -fy "$loop" >"$T/fsck" 2>&1 || true
    mount_again v1
    volume v1
    all_up
    get_some during 8
}

@test "a disk that hangs is down, while the volume answers, and up again afterwards" {
    disk v1
    cluster i "$VOLUMES" --replicas $COPIES
    all_up
    put_some before 4
    fsfreeze -f "$T/data/v1" || skip "needs fsfreeze"
    within 20 is_for v1 down 'its disk hangs'
    put_some during 4
    get_some before 4
    want 200 GET "$(url v1)/_mkv/health"
    fsfreeze -u "$T/data/v1"
    all_up
    get_some during 4
}

@test "a PUT that a disk hangs with is refused in time, and stays refused when the disk goes on" {
    local begun status
    disk v1
    cluster i v1
    put "$(url i)/before" value
    fsfreeze -f "$T/data/v1" || skip "needs fsfreeze"
    begun=$SECONDS
    curl -q -s --noproxy '*' -m 300 -o "$T/answer" -w '%{http_code}' --data-binary refused -X PUT "$(url i)/key" >"$T/code"
    fsfreeze -u "$T/data/v1"
    status=$(cat "$T/code")
    [[ $status == 50[0-9] ]] || fail "$status after $((SECONDS - begun)) s: $(cat "$T/answer")"
    ((SECONDS - begun <= 125)) || fail "after $((SECONDS - begun)) s"
    within 20 sees i v1 up
    want 404 GET "$(url i)/key"
    want 201 PUT "$(url i)/key" --data-binary again
    got "$(url i)/key" again
    within 20 has_orphans i 0
    same 2 "$(blobs v1 | wc -l)" 'blobs on it'
    got "$(url i)/key" again
}

@test "a volume that answers 500 to each PUT, and says that it is up, comes last for a while" {
    local n=0
    fake v1 answer-500
    volume v2
    volume v3
    index i "$VOLUMES" --replicas $COPIES
    all_up
    put_some key 20
    told() { # once a key is due there, and the last pause is over
        put "$(url i)/more/$((n += 1))" value
        is_for v1 up 'it answered 500 to a PUT or a sync, and comes last for [0-9]+ s'
    }
    within 10 told
    (($(grep -c '^PUT ' "$(log_of fake-v1)") <= 6)) || fail "it was asked $(grep -c '^PUT ' "$(log_of fake-v1)") times"
    same 1 "$(grep -c 'answered 500' "$(log_of i)")" 'lines about it'
}
