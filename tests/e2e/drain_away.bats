#!/usr/bin/env bats
# mkv drain where it can't do all: too few other volumes, a volume that is away or read-only, nobody to take
# what it holds.

load ../support/lib
load ../support/replicas
load ../support/admin_jobs

VOLUMES='v1 v2 v3 v4'
COPIES=2

after_each() {
    if mountpoint -q "$T/data/v4"; then
        stop v4
        umount "$T/data/v4"
    fi
}

drain() { # VOLUME [PARAMETERS]
    echo "drain?volume=$(at "$1")${2+&$2}"
}

@test "a drain is refused when too few volumes would be left, or the volume isn't known" {
    COPIES=3
    start_with 'v1 v2 v3'
    put_keys /k 10
    refuse_job 422 '^2 volumes would be left, and each value needs 3: add others first$' "$(drain v3)"
    refuse_job 422 '^the index knows no volume of that name$' 'drain?volume=127.0.0.1:9'
    refuse_job 400 'needs the parameter volume' drain
    refute sees_drained v3
    put_keys /later 10
    VOLUMES='v1 v2 v3'
    settled
    volume v4
    relist 'v1 v2 v3 v4'
    run_job "$(drain v3)"
    same 'done true' "$(job '"\(.state) \(.clean)"')"
    same '' "$(blobs v3)" 'blobs on it'
    # Of three that are left, another one can't go.
    refuse_job 422 '^2 volumes would be left' "$(drain v2)"
    VOLUMES='v1 v2 v4'
    settled
    is_clean
}

@test "a volume that is away is drained by its other copies, and what it still holds is told" {
    local on_it
    start_with "$VOLUMES"
    put_keys /k 60
    on_it=$(blobs v4 | wc -l)
    stop v4
    within 5 sees i v4 down
    run_job "$(drain v4)"
    ended_as 'done true' "moved=$on_it"
    same "no key is on $(at v4) any more: it can be unplugged. It is away, so $on_it removed values still lie there; \`mkv forget $(at v4)\` gives them up" "$(job .text)"
    names_none_of v4
    is_clean
    keys_are_right /k 60
    volume v4 # and what lies there goes after all
    within 20 all_lack v4
    settled
}

@test "a disk that has turned read-only is drained, and isn't waited for" {
    local on_it
    need_root
    start_with 'v1 v2 v3'
    mkdir "$T/data/v4"
    mount -t tmpfs mkv-e2e "$T/data/v4" || skip "can't mount"
    chmod 755 "$T/data/v4"
    volume v4
    relist "$VOLUMES"
    put_keys /k 60
    on_it=$(blobs v4 | wc -l)
    stop v4
    mount -o remount,ro "$T/data/v4"
    volume v4
    within 6 sees i v4 read-only
    run_job "$(drain v4)"
    ended_as 'done true' "moved=$on_it"
    job .text | grep -Fq "it can be unplugged. It is read-only, so $on_it removed values still lie there"
    names_none_of v4
    VOLUMES='v1 v2 v3'
    is_clean
    keys_are_right /k 60
    VOLUMES='v1 v2 v3 v4'
}

@test "what can be moved nowhere is told, and stays" {
    local on_it
    COPIES=1
    VOLUMES='v1 v2'
    start_with 'v1 v2'
    put_keys /k 40
    on_it=$(blobs v2 | wc -l)
    stop v1
    within 5 sees i v1 down
    run_job "$(drain v2)"
    ended_as 'done false' "failed=$on_it"
    (($(job .elapsed_ms) < 10000 * SLOW)) || fail "it took $(job .elapsed_ms) ms"
    same "$on_it" "$(grep -c '^not moved' "$T/findings")" findings
    job .text | grep -Fq "takes no new values until \`mkv drain --undo $(at v2)\`; to go on, drain it again"
    volume v1
    within 10 sees i v1 up
    run_job "$(drain v2)"
    ended_as 'done true' "moved=$on_it"
    all_lack v2
    is_clean
    keys_are_right /k 40
}
