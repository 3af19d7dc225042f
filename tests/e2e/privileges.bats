#!/usr/bin/env bats
# Started by root, mkv and nginx are someone who can write the directory and no more; as an ordinary
# user everything works without a word from nginx. Nothing is writable for the world.

load ../support/lib

# Fails when a process of that mkv, its nginx's included, has any right of root's or can get one, or
# has another user than this.
assert_all_are() { # NAME USER
    local pid uid
    uid=$(id -u "$2")
    for pid in $(pid_of "$1") $(pgrep -P "$(pid_of "$1")") $(nginx_workers "$1"); do
        same "$uid $uid $uid $uid" "$(awk '/^Uid:/ { print $2, $3, $4, $5 }' "/proc/$pid/status")" "uids of $pid"
        same "$(id -G "$2")" "$(awk '/^Groups:/ { $1 = ""; print substr($0, 2) }' "/proc/$pid/status")" "groups of $pid"
        same '0000000000000000 0000000000000000' "$(awk '/^Cap(Prm|Eff):/ { print $2 }' "/proc/$pid/status" | xargs)" "capabilities of $pid"
        same 1 "$(awk '/^NoNewPrivs:/ { print $2 }' "/proc/$pid/status")" "no_new_privs of $pid"
    done
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

@test "as root, each process is an ordinary user's" {
    need_root
    start_both
    assert_all_are v www-data
    assert_all_are i www-data
    works
    assert_not_world_writable
    assert_quiet
}

@test "as root, --user says who" {
    need_root
    start_both --user nobody
    assert_all_are v nobody
    assert_all_are i nobody
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
    assert_all_are v www-data
    want 200 GET "$(url v)/aa/bb/old"
    want 201 PUT "$(url v)/aa/bb/new" --data-binary new
    want 204 DELETE "$(url v)/aa/bb/old"
}

@test "as root, --user root is refused" {
    need_root
    refused 'do not serve as root' --user root
    same root "$(stat -c %U "$T/data/v")"
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
    same 700 "$(stat -c %a "$T/data/i")"
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

# What the user that nginx runs as could do to a volume: turn .mkv elsewhere.
plant_links() { # TARGET
    setpriv --reuid www-data --regid www-data --clear-groups bash -euc '
        cd "$1"
        mv .mkv .old
        mkdir -p .mkv/tmp
        for name in body proxy fastcgi uwsgi scgi; do
            ln -s "$2" ".mkv/tmp/$name"
        done
        ln -s "$2/pwned" .mkv/nginx.pid
        ln -s "$2/pwned" .mkv/tmp/nginx.pid
        ln -s "$2/pwned" .mkv/lock' - "$T/data/v" "$1"
}

assert_untouched() { # TARGET
    same 'root 700 0' "$(stat -c '%U %a' "$1") $(find "$1" -mindepth 1 | wc -l)" "owner, mode, files of $1"
}

@test "as root, links that nginx's user plants lead nobody out of the directory" {
    need_root
    local master
    mkdir -m 700 "$T/target"
    volume v
    plant_links "$T/target"
    signal v HUP
    within 5 logged v 'new config'
    assert_untouched "$T/target"
    want 201 PUT "$(url v)/aa/bb/file" --data-binary value
    master=$(nginx_master v)
    kill -KILL "$master"
    restarted() {
        [[ $(nginx_master v) != "$master" ]] && healthy v
    }
    within 10 restarted
    assert_untouched "$T/target"
    assert_all_are v www-data
    stop v
    assert_untouched "$T/target"
    mkv_start v volume "$(at v)" "$T/data/v"
    rm "$T/proc/v.must-exit-0"
    within 10 healthy_or_ended v
    assert_untouched "$T/target"
}

# Turns all that an index's user could turn elsewhere.
plant_in_index() { # TARGET MORE
    setpriv --reuid www-data --regid www-data --clear-groups bash -euc '
        cd "$1"
        rm -r nginx
        mkdir -p nginx/tmp
        ln -s "$2" nginx/tmp/proxy
        ln -s "$2/pwned" nginx/lock
        for name in settings settings.tmp settings.new admin.sock scrub index.new; do
            ln -sf "$2/pwned" "$name"
        done
        eval "$3"' - "$T/data/i" "$1" "$2"
}

@test "as root, links that an index's user plants lead nobody out of the directory" {
    need_root
    local more
    mkdir -m 700 "$T/target"
    volume v
    index i v
    for more in true "ln -sf $T/target/pwned lock" "rm -r nginx; ln -s $T/target nginx"; do
        if ! ended i; then
            stop i
        fi
        plant_in_index "$T/target" "$more"
        mkv_start i index "$(at v)" --port "$(at i)" --index "$T/data/i"
        rm "$T/proc/i.must-exit-0"
        within 10 healthy_or_ended i
        assert_untouched "$T/target"
    done
}

@test "as root, what an older mkv kept to itself in .mkv is taken over, and no more than that" {
    need_root
    local id=0123456789abcdef0123456789abcdef
    mkdir -p "$T/data/v/.mkv"
    chmod 711 "$T/data/v/.mkv"
    (umask 077 && echo "$id" >"$T/data/v/.mkv/id" && touch "$T/data/v/.mkv/lock")
    chown www-data: "$T/data/v"
    volume v
    want 200 GET "$(url v)/_mkv/health"
    same "$id" "$(header Mkv-Volume-Id)"
    same www-data "$(find "$T/data/v/.mkv" -printf '%u\n' | sort -u)" 'owners'
    stop v
    # In a directory that isn't root's, root's file is somebody's second name for it.
    (umask 077 && echo precious >"$T/precious")
    ln -f "$T/precious" "$T/data/v/.mkv/id"
    refused "$T/data/v/.mkv/id"
    same 'root precious' "$(stat -c %U "$T/precious") $(cat "$T/precious")"
}

@test "as root, a directory that another user's link leads to is not given away" {
    need_root
    mkdir "$T/target" "$T/theirs"
    chown nobody "$T/theirs"
    setpriv --reuid nobody --clear-groups ln -s "$T/target" "$T/theirs/v"
    mkv_start v volume "$(at v)" "$T/theirs/v"
    await_end v
    rm "$T/proc/v.must-exit-0"
    same 1 "$RC"
    logged v "chown www-data $T/target"
    same root "$(stat -c %U "$T/target")"
    # One of root's is no better when it leads to theirs.
    rm "$T"/proc/v.*
    ln -s "$T/theirs/v" "$T/behind"
    mkv_start v volume "$(at v)" "$T/behind"
    await_end v
    rm "$T/proc/v.must-exit-0"
    same 1 "$RC"
    logged v "chown www-data $T/target"
    same root "$(stat -c %U "$T/target")"
    rm "$T"/proc/v.*
    # A link of root's is as good as a directory.
    ln -s "$T/target" "$T/data/v"
    volume v
    same www-data "$(stat -c %U "$T/target")"
}

@test "as root, a lock that is another file's second name is not written to" {
    need_root
    mkdir -p "$T/data/v/.mkv"
    chown -R www-data: "$T/data/v"
    echo precious >"$T/precious"
    ln "$T/precious" "$T/data/v/.mkv/lock"
    volume v
    same precious "$(cat "$T/precious")"
}

@test "as root, a port below 1024 works, through HUP and a restart too" {
    need_root
    local master at
    at=127.$((RANDOM % 250 + 1)).$((RANDOM % 250 + 1)).1:84
    mkdir "$T/data/v"
    "$MKV" volume "$at" "$T/data/v" --check
    mkv_start v volume "$at" "$T/data/v"
    within 10 logged v "ready on $at"
    "$MKV" volume "$at" "$T/data/v" --check # while it is in use
    signal v HUP
    within 5 logged v 'new config'
    want 201 PUT "http://$at/aa/bb/file" --data-binary value
    master=$(nginx_master v)
    kill -KILL "$master"
    within 10 eval '(($(grep -c "ready on" "$(log_of v)") == 2))'
    want 200 GET "http://$at/aa/bb/file"
    assert_all_are v www-data
}

@test "as root, the index serves and reloads, and all in its directory is its user's alone" {
    need_root
    start_both
    signal i HUP
    within 5 logged i 'new config'
    works
    same www-data:www-data "$(find "$T/data/i" -printf '%u:%g\n' | sort -u)" 'owners'
    refute setpriv --reuid nobody --regid nogroup --clear-groups test -r "$T/data/i"
    same '{' "$("$MKV" status --index "$T/data/i" --json | head -c 1)" # by admin.sock, as root
}

# Waits until the index has ended, refused with one error that matches.
index_refused() { # REGEX DIR
    rm -f "$T/proc/i.log"
    mkv_start i index "$(at v)" --port "$(at i)" --index "$2"
    await_end i
    same 1 "$RC"
    same 1 "$(grep -c ' error ' "$(log_of i)")" 'number of errors'
    logged i "$1"
    rm "$T/proc/i.must-exit-0"
}

@test "as root, an index directory that isn't for an ordinary user is refused, with the mend" {
    need_root
    mkdir -m 700 "$T/closed" "$T/roots"
    index_refused "www-data.*$T/closed/i.*searchable" "$T/closed/i"
    touch "$T/roots/index.gdbm"
    index_refused "chown -R www-data $T/roots" "$T/roots"
    same root "$(stat -c %U "$T/roots")"
}

@test "as root, what its user can't read at a HUP is told at the start, and changes nothing then" {
    need_root
    volume v
    echo '# none' >"$T/volumes"
    chmod 600 "$T/volumes"
    mkdir -m 700 "$T/logs"
    index i v --volumes-file "$T/volumes" --log "$T/logs/i"
    grep -E "warn .*www-data.* cannot read $T/volumes .*HUP" "$T/logs/i"
    grep -E "warn .*www-data.* cannot open the log file $T/logs/i .*USR1" "$T/logs/i"
    signal i HUP
    within 5 grep -E 'error .*the volumes stay as they are' "$T/logs/i"
    signal i USR1
    within 5 grep -E 'error .*cannot reopen the log file' "$T/logs/i"
    works
}

# Rotates the access log of v and i, whose paths are $T/logs/NAME.
rotate() {
    local name
    for name in i v; do
        want 404 GET "$(url "$name")/aa/bb/before"
        within 5 grep -q before "$T/logs/$name"
        mv "$T/logs/$name" "$T/logs/$name.old"
        if [[ -n ${CREATE:-} ]]; then # as logrotate's "create" does
            install -m 644 -o "$CREATE" -g "$CREATE" /dev/null "$T/logs/$name"
        fi
        signal "$name" USR1
        within 5 test -e "$T/logs/$name"
        logs_again() {
            want 404 GET "$(url "$name")/aa/bb/after" && grep -q after "$T/logs/$name"
        }
        within 5 logs_again
        refute logged "$name" ' (warn|error) '
    done
}

@test "an access log in a directory of root's is written and rotated" {
    need_root
    mkdir "$T/logs"
    volume v --access-log "$T/logs/v"
    index i v --access-log "$T/logs/i"
    CREATE=www-data rotate
    same 'www-data 644' "$(stat -c '%U %a' "$T/logs/v")"
}

@test "an access log in a directory of the user's is written and rotated" {
    if ((UID == 0)); then
        as_nobody
    fi
    mkdir "$T/logs"
    chown --reference="$T/data" "$T/logs"
    volume v --access-log "$T/logs/v"
    index i v --access-log "$T/logs/i"
    rotate
}

@test "as root, an access log that is a link is not followed" {
    need_root
    mkdir "$T/logs" "$T/data/v"
    chown www-data: "$T/data/v"
    echo precious >"$T/precious"
    ln -s "$T/precious" "$T/logs/v"
    refused "$T/logs/v" --access-log "$T/logs/v"
    rm "$T/logs/v"
    ln "$T/precious" "$T/logs/v"
    mkv_start v volume "$(at v)" "$T/data/v" --access-log "$T/logs/v"
    rm "$T/proc/v.must-exit-0"
    within 10 healthy_or_ended v
    same "precious root" "$(cat "$T/precious") $(stat -c %U "$T/precious")"
}

@test "as root, a log that is a link in a directory of another user's is not written to" {
    need_root
    local make
    mkdir "$T/logs" "$T/data/v"
    chown www-data: "$T/logs" "$T/data/v"
    echo precious >"$T/precious"
    for make in 'ln -s' ln; do
        $make "$T/precious" "$T/logs/v"
        run timeout 5 "$MKV" volume "$(at v)" "$T/data/v" --log "$T/logs/v"
        same 1 "$status"
        [[ $output == *"cannot open the log file $T/logs/v: it is a link"* ]]
        rm "$T/logs/v"
    done
    ln -s "$T/precious" "$T/logs/none"
    rm "$T/precious"
    run timeout 5 "$MKV" volume "$(at v)" "$T/data/v" --log "$T/logs/none"
    same 1 "$status"
    [[ ! -e $T/precious ]]
    # Root's own link, where nobody else can put one, is root's choice.
    mkdir "$T/roots"
    ln -s "$T/logs/v" "$T/roots/v"
    volume v --log "$T/roots/v"
    within 5 grep 'ready on' "$T/logs/v"
}

@test "an ordinary user with CAP_NET_BIND_SERVICE can take a port below 1024" {
    need_root
    local at
    [[ -z $ASAN ]] || skip 'LeakSanitizer cannot look into a program with capabilities'
    at=127.$((RANDOM % 250 + 1)).$((RANDOM % 250 + 1)).1:84
    as_nobody
    setcap cap_net_bind_service+ep "$MKV" || skip 'needs file capabilities'
    mkdir "$T/data/v"
    chown 65534:65534 "$T/data/v"
    mkv_start v volume "$at" "$T/data/v"
    within 10 logged v "ready on $at"
    signal v HUP
    within 5 logged v 'new config'
}
