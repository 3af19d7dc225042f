#!/usr/bin/env bats
# What cannot work is refused with one clear line on stderr that names the thing: never a stack of
# nginx's warnings, never a hang, and nothing is left behind.

load ../support/lib

before_each() {
    mkdir "$T/data/d"
    D=$T/data/d
    V=127.0.0.1:1
}

@test "--help and --version print to stdout and exit 0" {
    local words
    for words in --help --version 'volume --help' 'index --help' 'status --help' 'dump --help' 'restore --help'; do
        # shellcheck disable=SC2086 # words
        "$MKV" $words >"$T/out" 2>"$T/err"
        [[ -s $T/out && ! -s $T/err ]]
    done
    for words in volume index status dump restore; do
        "$MKV" --help | grep -Eq "^  $words " || fail "mkv --help does not tell of $words"
    done
    "$MKV" --version | grep -Eq '^mkv [0-9]+\.[0-9]+\.[0-9]+'
    "$MKV" index --help >"$T/out"
    local option
    for option in --port --index --subvolumes --fallback --no-md5 --direct --check --print-config --template \
        --nginx --log-level --log --access-log --drain-timeout --workers --user; do
        grep -qe "$option" "$T/out" || fail "index --help does not tell of $option"
    done
}

@test "no command, an unknown one, and unknown or incomplete options are usage errors" {
    hatch bare "$MKV"
    await_end bare
    same 2 "$RC"
    [[ -s $(log_of bare) ]]
    refused 2 'frobnicate' frobnicate
    refused 2 '\-\-frobnicate' volume 3001 "$D" --frobnicate
    refused 2 '\-\-frobnicate' index "$V" --frobnicate
    refused 2 '\-\-template' volume 3001 "$D" --template
    refused 2 '\-\-check' volume 3001 "$D" --check=yes
    refused 2 '' volume
    refused 2 '' volume 3001
    refused 2 'PORT and DIR' volume 3001 "$D" extra
    refused 2 '' index
    refused 2 '\-\-subvolumes' volume 3001 "$D" --subvolumes 2
}

@test "bad values are usage errors that name the value" {
    local bad
    for bad in 0 65536 99999999999999999999 -1 abc 3001x '' ' 3001' 127.0.0.1: ':' '[::1' 'a b:3001' 1.2.3.4:5:6; do
        refused 2 "${bad//[\[\]]/.}" volume "$bad" "$D"
    done
    for bad in host :3001 host:0 host:65536 host:3001/x http://host:3001 'ho st:1' ''; do
        refused 2 "$bad" index "$bad" --index "$T/data/i"
    done
    for bad in 0 257 -1 x ''; do
        refused 2 'subvolumes' index "$V" --subvolumes "$bad"
    done
    for bad in 0 -1 x 1.5 ''; do
        refused 2 'workers' volume 3001 "$D" --workers "$bad"
    done
    for bad in -1 x ''; do
        refused 2 'drain-timeout' volume 3001 "$D" --drain-timeout "$bad"
    done
    refused 2 'loud' volume 3001 "$D" --log-level loud
    refused 2 'nowhere' index "$V" --fallback nowhere
    refused 2 'nowhere' index "$V" --direct nowhere
    refused 2 '70000' index "$V" --port 70000
}

@test "a volume named twice is refused by name" {
    refused 2 '127.0.0.1:3001' index 127.0.0.1:3001 127.0.0.1:3002 127.0.0.1:3001 --index "$T/data/i"
}

@test "a port in use is refused by name" {
    volume taken
    refused 1 "$(port taken)" volume "$(at taken)" "$D"
    refused 1 "$(port taken)" index "$V" --index "$T/data/i" --port "$(at taken)"
    refused 1 "$(port taken)" index "$V" --index "$T/data/i" --port "$(at i)" --direct "$(at taken)"
    healthy taken
    closed "$(port i)"
    # And the directory is free for one that works.
    mkv_start works volume "$(at works)" "$D"
    await_ready works
}

@test "an address that is not ours, or a name that does not resolve, is refused by name" {
    refused 1 '192\.0\.2\.1' volume 192.0.2.1:3001 "$D"
    refused 1 'no-such-host\.invalid' volume no-such-host.invalid:3001 "$D"
}

@test "a missing nginx is refused by name" {
    refused 1 '/nonexistent/nginx' volume "$(at v)" "$D" --nginx /nonexistent/nginx
    refused 1 '/nonexistent/nginx' index "$V" --index "$T/data/i" --port "$(at i)" --nginx /nonexistent/nginx
    echo 'not a program' >"$T/text"
    refused 1 "$T/text" volume "$(at v)" "$D" --nginx "$T/text"
}

@test "a program that is no nginx is refused with what it says" {
    printf '#!/bin/sh\necho "I am no nginx" >&2\nexit 1\n' >"$T/other"
    chmod 755 "$T/other"
    refused 1 'I am no nginx' volume "$(at v)" "$D" --nginx "$T/other"
    refused 1 'I am no nginx' volume "$(at v)" "$D" --nginx "$T/other" --check
    refused 1 '/bin/false -t exited with code 1' volume "$(at v)" "$D" --nginx /bin/false
}

@test "--check tells of the warnings of a config that is good" {
    sed 's/^events/user nobody;\nevents/' "$BATS_TEST_DIRNAME/../../templates/volume.conf.in" >"$T/template"
    "$MKV" volume "$(at v)" "$D" --template "$T/template" --check >"$T/out" 2>"$T/err"
    grep -Fq "nginx config is good ($T/template)" "$T/out"
    same 1 "$(wc -l <"$T/err")" 'number of lines'
    grep -q ' warn  nginx: the "user" directive' "$T/err"
}

@test "a template that listens nowhere is refused in one line that says so" {
    sed '/@LISTEN@/d' "$BATS_TEST_DIRNAME/../../templates/volume.conf.in" >"$T/template"
    refused 1 "$T/template.*@LISTEN@" volume "$(at v)" "$D" --template "$T/template"
    refused 1 "$T/template.*@LISTEN@" volume "$(at v)" "$D" --template "$T/template" --check
}

@test "an access log that has no place is refused by name" {
    mkdir "$T/data/deleted"
    # shellcheck disable=SC2016 # expanded by that bash
    AS=(bash -c 'cd "$0" && rmdir "$0" && exec "$@"' "$T/data/deleted")
    refused 1 'access log .*relative' volume "$(at v)" "$D" --access-log relative
    AS=()
    refused 1 'access log /nonexistent/access' volume "$(at v)" "$D" --access-log /nonexistent/access
}

@test "an nginx that never comes up ends mkv with its message" {
    printf '#!/bin/sh\nexit 1\n' >"$T/failing"
    printf '#!/bin/sh\n[ "$1" = -t ] && exit 0\ncase "$*" in *" -t"*) exit 0;; esac\nexit 3\n' >"$T/dying"
    chmod 755 "$T/failing" "$T/dying"
    local kind
    for kind in failing dying; do
        mkv_start never volume "$(at v)" "$D" --nginx "$T/$kind"
        await_end never 15
        same 1 "$RC"
        within 2 gone never
        logged never '(error|mkv:).*nginx'
        (($(wc -l <"$(log_of never)") <= 3))
        closed "$(port v)"
    done
}

@test "a directory that is not there, not a directory, or not writable is refused by name" {
    refused 1 '/proc/nowhere' volume "$(at v)" /proc/nowhere
    echo text >"$T/data/file"
    refused 1 "$T/data/file" volume "$(at v)" "$T/data/file"
    refused 1 "$T/data/file" index "$V" --port "$(at i)" --index "$T/data/file"
    refused 1 '/proc/nowhere' index "$V" --port "$(at i)" --index /proc/nowhere
    refused 2 '' volume "$(at v)" ''
}

@test "an ordinary user is refused a directory of someone else's by name" {
    need_root
    cp "$MKV" "$T/mkv"
    MKV=$T/mkv
    AS=(setpriv --reuid 65534 --regid 65534 --clear-groups)
    refused 1 "$D" volume "$(at v)" "$D"
    refused 1 "$T/data/i" index "$V" --port "$(at i)" --index "$T/data/i"
    mkdir -m 700 "$T/data/closed"
    refused 1 "$T/data/closed" volume "$(at v)" "$T/data/closed"
    refused 1 '(80|root|user)' volume "$(at v)" "$D" --user daemon
}

@test "a second volume on the directory is refused, naming it and the holder" {
    volume v
    refused 1 "$T/data/v.*$(pid_of v)|$(pid_of v).*$T/data/v" volume "$(at other)" "$T/data/v"
    ln -s v "$T/data/link"
    refused 1 "$(pid_of v)" volume "$(at other)" "$T/data/link"
    healthy v
    put "$(url v)/aa/bb/file" value
}

@test "a second index on the directory is refused by name" {
    cluster i v
    refused 1 "$T/data/i" index "$(at v)" --port "$(at other)" --index "$T/data/i"
    healthy i
    put "$(url i)/key" value
}

@test "options for replicas and volumes that can't be are refused with 2" {
    local v2=127.0.0.1:2
    refused 2 '--replicas 3 needs at least 3 volumes; 2 are given' index "$V" $v2 --replicas 3 --index "$T/data/i"
    refused 2 '--replicas 2 needs at least 2 volumes; 1 is given' index "$V" --replicas 2 --index "$T/data/i"
    refused 2 'replicas' index "$V" --replicas 0 --index "$T/data/i"
    refused 2 'replicas' index "$V" --replicas 17 --index "$T/data/i"
    refused 2 'replicas' index "$V" --replicas two --index "$T/data/i"
    refused 2 'redirect or proxy' index "$V" --reads both --index "$T/data/i"
    refused 2 'is given twice' index "$V" "$V" --index "$T/data/i"
    refused 2 'at least one VOLUME' index --index "$T/data/i"
    refused 2 "cannot read the --volumes-file $T/none: No such file" index --volumes-file "$T/none" --index "$T/data/i"
    : >"$T/empty"
    refused 2 'at least one VOLUME' index --volumes-file "$T/empty" --index "$T/data/i"
    printf '# all of them\n%s # one\n\n nonsense \n' $v2 >"$T/bad"
    refused 2 "$T/bad, line 4: the volume 'nonsense' is no HOST:PORT" index --volumes-file "$T/bad" --index "$T/data/i"
    printf '%s' "$V" >"$T/twice" # nor does a last line need an end
    refused 2 "$T/twice, line 1: the volume $V is given twice" index "$V" --volumes-file "$T/twice" --index "$T/data/i"
    refused 2 '--replicas 3 needs at least 3 volumes; 2 are given' index $v2 --volumes-file "$T/twice" --replicas 3 --index "$T/data/i"
    [[ ! -e $T/data/i ]]
}

@test "a database that is no URI, and a password in it, are refused without being quoted" {
    local uri
    for uri in /srv/index mysql://db1/mkv 'host=db1 dbname=mkv'; do
        refused 2 '--store must be postgresql://' index "$V" --store "$uri" --index "$T/data/i"
    done
    refused 2 '--store must be .* which libpq takes' index "$V" --store 'postgresql://db1/mkv?colour=red' --index "$T/data/i"
    for uri in postgres://mkv:hush@db1/mkv postgresql:///mkv?p%61ssword=hush; do
        refused 2 'PGPASSFILE' index "$V" --store "$uri" --index "$T/data/i"
        hatch quiet "$MKV" index "$V" --store "$uri" --index "$T/data/i"
        await_end quiet
        refute logged quiet hush
    done
    refused 2 '--read-only needs --store' index "$V" --read-only --index "$T/data/i"
    [[ ! -e $T/data/i ]]
}

@test "a bad template is refused by name" {
    local verb
    echo 'events {} http { server { @LISTEN@ } no_such_directive 1; }' >"$T/wrong.conf"
    echo 'events {} http { server { @LISTEN@ listen @NO_SUCH_NAME@; } }' >"$T/unknown.conf"
    echo 'events { # @LISTEN@' >"$T/open.conf"
    : >"$T/empty.conf"
    printf '# one\n# two \0 @LISTEN@\n' >"$T/nul.conf"
    for verb in volume index; do
        local arguments=("$(at v)" "$D")
        if [[ $verb == index ]]; then
            arguments=("$V" --index "$T/data/i" --port "$(at i)")
        fi
        refused 1 "$T/none.conf" "$verb" "${arguments[@]}" --template "$T/none.conf"
        refused 1 "$T/wrong.conf.*no_such_directive" "$verb" "${arguments[@]}" --template "$T/wrong.conf"
        refused 1 "$T/unknown.conf.*NO_SUCH_NAME" "$verb" "${arguments[@]}" --template "$T/unknown.conf"
        refused 1 "$T/nul.conf, line 2: a byte NUL" "$verb" "${arguments[@]}" --template "$T/nul.conf"
        refused 1 "$T/open.conf" "$verb" "${arguments[@]}" --template "$T/open.conf"
        refused 1 "$T/empty.conf" "$verb" "${arguments[@]}" --template "$T/empty.conf"
        refused 1 "$T" "$verb" "${arguments[@]}" --template "$T"
        refused 1 "$T/wrong.conf.*no_such_directive" "$verb" "${arguments[@]}" --template "$T/wrong.conf" --check
    done
}

@test "a FIFO in the place of a file is refused by name, and not waited for" {
    mkfifo "$T/template"
    refused 1 "$T/template" volume "$(at v)" "$D" --template "$T/template"
    volume v
    stop v
    rm "$T/data/v/.mkv/id"
    mkfifo "$T/data/v/.mkv/id"
    refused 1 "$T/data/v/.mkv/id" volume "$(at v)" "$T/data/v"
    rm "$T/data/v/.mkv/id"
    mkfifo "$T/data/v/.mkv/id.new"
    volume v
    mkfifo "$T/access"
    refused 1 "$T/access" volume "$(at other)" "$D" --access-log "$T/access"
}

@test "a directory whose name no config can hold is refused by name" {
    mkdir "$T/data/a\$b" "$T/data/a"$'\n'"b"
    refused 1 'a\$b' volume "$(at v)" "$T/data/a\$b"
    refused 1 'a.*b' volume "$(at v)" "$T/data/a"$'\n'"b"
}

@test "a log that cannot be opened is refused by name" {
    refused 1 '/nonexistent/log' volume "$(at v)" "$D" --log /nonexistent/log
    refused 1 '/nonexistent/access' volume "$(at v)" "$D" --access-log /nonexistent/access
}

@test "an unknown --user is refused by name" {
    need_root
    refused 1 'no-such-user' volume "$(at v)" "$D" --user no-such-user
}

@test "an unwritable TMPDIR is refused by name" {
    AS=(env TMPDIR=/nonexistent/tmp)
    refused 1 '/nonexistent/tmp' volume "$(at v)" "$D"
}

@test "a full stderr or a closed stdin do not matter" {
    hatch mute bash -c 'exec "$0" volume "$1" "$2" <&- >/dev/full 2>&1' "$MKV" "$(at v)" "$D"
    within 10 healthy v
    hatch shut bash -c 'exec "$0" --help >/dev/full 2>/dev/null' "$MKV"
    await_end shut
}

@test "an index's directory is no volume, and a volume's no index" {
    cluster i v
    stop i
    stop v
    refused 1 "data/i is an index's directory" volume "$(at v)" "$T/data/i"
    refused 1 "data/v is a volume's directory" index "$V" --port "$(at i)" --index "$T/data/v"
    [[ ! -e $T/data/v/lock && ! -e $T/data/i/.mkv ]]
}
