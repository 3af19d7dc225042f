#!/usr/bin/env bats
# As root, nginx's workers are someone who can write the directory and no more; as an ordinary user
# everything works without a word from nginx. Nothing is writable for the world.

load ../support/lib

setup() {
    test_begin
}

teardown() {
    test_end
}

user_of() { # PID
    stat -c %U "/proc/$1"
}

# From here on mkv is started as nobody, who owns $T/data.
as_nobody() {
    cp "$MKV" "$T/mkv" # the build may lie where nobody can't reach
    MKV=$T/mkv
    AS=(setpriv --reuid 65534 --regid 65534 --clear-groups)
    chown 65534:65534 "$T/data"
}

start_both() {
    volume v "$@"
    index i v "$@"
}

works() {
    put "$(url i)/some/key" value
    got "$(url i)/some/key" value
    want 204 DELETE "$(url i)/some/key"
    put "$(url i)/other" value
}

# Fails when something below $T/data is writable for everyone.
assert_not_world_writable() {
    local found
    found=$(find "$T/data" -mindepth 1 ! -type l -perm -002 -exec ls -ld {} +)
    if [[ -n $found ]]; then
        fail "writable for the world:
$found"
    fi
}

assert_quiet() {
    local name
    for name in i v; do
        stop "$name"
        refute logged "$name" nginx:
        refute logged "$name" '^[^ ]+ (warn|error) '
    done
}

@test "as root, workers are an ordinary user" {
    need_root
    local pid
    start_both
    for pid in $(nginx_workers v) $(nginx_workers i); do
        [[ $(user_of "$pid") != root ]]
    done
    works
    assert_not_world_writable
    assert_quiet
}

@test "as root, --user says who" {
    need_root
    local pid
    start_both --user nobody
    for pid in $(nginx_workers v) $(nginx_workers i); do
        same nobody "$(user_of "$pid")"
    done
    works
    assert_not_world_writable
    assert_quiet
}

# Waits until the volume has ended, refused with one line that matches.
refused() { # REGEX MKV-OPTIONS...
    local regex=$1
    shift
    rm -f "$T"/proc/v.log
    refute volume v "$@" 2>/dev/null
    await_end v
    same 1 "$RC"
    same 1 "$(wc -l <"$(log_of v)")" 'number of lines'
    logged v "$regex"
    rm "$T/proc/v.must-exit-0"
}

@test "as root, a volume that its workers could not write is refused by name" {
    need_root
    volume v --user nobody
    want 201 PUT "$(url v)/aa/bb/old" --data-binary old
    stop v
    refused "www-data.*$T/data/v" --user www-data
    # It can be given to somebody else.
    chown -R www-data: "$T/data/v"
    volume v
    same www-data "$(user_of "$(nginx_workers v | head -n 1)")"
    want 200 GET "$(url v)/aa/bb/old"
    want 201 PUT "$(url v)/aa/bb/new" --data-binary new
    want 204 DELETE "$(url v)/aa/bb/old"
}

@test "as root, a directory with files of root's is refused rather than given away" {
    need_root
    mkdir -p "$T/data/v/aa/bb"
    echo old >"$T/data/v/aa/bb/old"
    refused "$T/data/v"
    same root "$(stat -c %U "$T/data/v")"
    chown -R www-data: "$T/data/v"
    volume v
    want 200 GET "$(url v)/aa/bb/old"
    want 201 PUT "$(url v)/cc/dd/new" --data-binary new
}

@test "as an ordinary user it works, without a word from nginx" {
    if ((UID == 0)); then
        as_nobody
    fi
    start_both
    works
    assert_not_world_writable
    assert_quiet
}

@test "an ordinary user's volume goes on under root, and back" {
    need_root
    as_nobody
    volume v
    want 201 PUT "$(url v)/aa/bb/one" --data-binary 1
    stop v
    AS=()
    volume v
    want 201 PUT "$(url v)/aa/cc/two" --data-binary 2
    want 204 DELETE "$(url v)/aa/bb/one"
    want 200 GET "$(url v)/aa/cc/two"
}

@test "the umask neither opens nor locks anything" {
    local mask
    for mask in 000 077; do
        AS=(bash -c "umask $mask; exec \"\$@\"" mkv)
        start_both
        works
        want 204 DELETE "$(url i)/other"
        assert_not_world_writable
        assert_quiet
        rm -rf "$T/data/"*
    done
}

@test "what only mkv may read, others cannot" {
    start_both
    put "$(url i)/key" value
    # Workers have to pass through it, where root starts them.
    same "$( ((UID == 0)) && echo 711 || echo 700)" "$(stat -c %a "$T/data/i")"
    same '' "$(find "$T/data/i" -maxdepth 1 -type f -perm /077)"
    same '' "$(find "$T/data/i" -type f -perm /022)"
    same '' "$(find "$T/data/v/.mkv" -perm /022 ! -type l)"
    same '' "$(find "$T/tmp" -type f -perm /077)"
}

@test "a planted link in .mkv is not followed out of the directory" {
    mkdir -p "$T/data/v" "$T/elsewhere"
    echo precious >"$T/elsewhere/0000000001"
    mkdir "$T/data/v/.mkv"
    ln -s "$T/elsewhere" "$T/data/v/.mkv/tmp"
    mkv_start v volume "$(at v)" "$T/data/v"
    rm "$T/proc/v.must-exit-0"
    within 10 healthy_or_ended v
    same precious "$(cat "$T/elsewhere/0000000001")"
}
