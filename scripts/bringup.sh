#!/usr/bin/env bash
# Builds mkv and brings up a cluster on this machine: an index and its volumes.
#
#     scripts/bringup.sh [options] [-- options of mkv index]
#
#     --volumes N    how many volumes (3)
#     --port P       port of the index; the volumes get P+1, P+2, ... (3000)
#     --dir DIR      where data, logs and pids go (/var/tmp/mkv-UID); kept until
#                    teardown.sh --wipe
#     --public HOST  listen on every address, not on localhost alone; HOST is the name of this
#                    machine that clients are sent to for the volumes. Give a file of keys, too:
#                    -- --keys FILE says who may do what
#     --detach       leave it running and return; scripts/teardown.sh ends it
#
# Without --detach it runs until Ctrl-C or TERM, which take all of it down, and so does the end of
# any one process. MKV=PATH runs that mkv instead of building one.
#
# The volumes obey only this index: they share the secret in DIR/secret, which is made once.
#
# Exit codes: 0 clean stop (or up, with --detach), 1 failure, 2 usage.
set -euo pipefail
umask 022

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/cluster.sh
source "$root/scripts/cluster.sh"

ready_deadline=30 # seconds until every process must answer
volumes=3
port=3000
dir=$(cluster_default_dir)
public=
detach=
index_options=()
mkv=${MKV-}
secret= # file
lock= # descriptor of DIR/run/lock

die()
{
    echo "bringup.sh: $*" >&2
    exit 1
}

parse_options()
{
    while [ $# -gt 0 ]; do
        case $1 in
            --volumes | --port | --dir | --public)
                [ -n "${2-}" ] || usage_error "a value is missing after $1"
                printf -v "${1#--}" %s "$2"
                shift
                ;;
            --detach) detach=yes ;;
            -h | --help) help && exit 0 ;;
            --) shift && index_options=("$@") && break ;;
            *) usage_error "unknown option $1" ;;
        esac
        shift
    done
    [[ $volumes =~ ^[1-9][0-9]{0,2}$ ]] || usage_error "--volumes wants a number, 1 to 999"
    [[ $port =~ ^[1-9][0-9]{0,4}$ ]] || usage_error "--port wants a port"
    [ $((port + volumes)) -le 65535 ] || usage_error "ports $port to $((port + volumes)) do not exist"
}

# Makes DIR, or makes sure that it is ours. Its modes let the workers of nginx, which run as an
# ordinary user when root starts them, reach the volumes in it.
prepare_dir()
{
    [ ! -L "$dir" ] || die "$dir is a symbolic link; name the directory itself with --dir"
    mkdir -p "$dir" 2>/dev/null || die "cannot make the directory $dir"
    dir=$(cd "$dir" && pwd)
    [ -O "$dir" ] || die "$dir belongs to somebody else; choose another with --dir"
    if [ ! -e "$dir/$cluster_marker" ]; then
        [ -z "$(ls -A "$dir")" ] || die "$dir is not empty and was not made by bringup.sh"
        chmod 0755 "$dir"
        : >"$dir/$cluster_marker"
    fi
    mkdir -p "$dir/run" "$dir/log"
}

teardown_command()
{
    printf '%q --dir %q' "$root/scripts/teardown.sh" "$dir"
}

# Refuses a directory whose cluster runs, and holds it against another bringup.sh.
claim_dir()
{
    local running

    exec {lock}>>"$dir/run/lock"
    running=$(cluster_running "$dir")
    if [ -n "$running" ]; then
        die "a cluster is running in $dir: ${running//$'\n'/, }." \
            "End it with: $(teardown_command)"
    fi
    flock --nonblock "$lock" || die "another bringup.sh is at work in $dir"
    rm -f "$dir"/run/*.pid
}

check_ports()
{
    local p busy=()

    for ((p = port; p <= port + volumes; p++)); do
        if listens 127.0.0.1 "$p" || listens ::1 "$p"; then
            busy+=("$p")
        fi
    done
    [ ${#busy[@]} = 0 ] || die "in use already: port ${busy[*]}. Choose others with --port."
}

build()
{
    if [ -n "$mkv" ]; then
        mkv=$(realpath -e "$mkv") || die "MKV names no program"
        return
    fi
    "$root/scripts/deps.sh"
    [ -w "$root" ] || die "cannot build in $root: run as its owner, or give MKV=PATH"
    echo "building mkv (a minute or two...)"
    if ! (cd "$root" && cmake --preset release && cmake --build --preset release --target mkv) \
        >"$dir/log/build.log" 2>&1; then
        tail -n 40 "$dir/log/build.log" >&2
        die "the build failed; all of it is in $dir/log/build.log"
    fi
    mkv=$root/build/release/mkv
}

# start NAME COMMAND...: runs COMMAND in a session of its own, so that Ctrl-C reaches only this
# script, which takes the cluster down in order. In the foreground it dies with this script, however
# this script dies.
start()
{
    local name=$1 tie=(setpriv --pdeathsig TERM)

    shift
    if [ -n "$detach" ]; then
        tie=()
    fi
    setsid "${tie[@]}" "$@" </dev/null >"$dir/log/$name.log" 2>&1 {lock}>&- &
    record_process "$dir/run/$name.pid" $!
}

address()
{
    if [ -n "$public" ]; then
        echo "$1"
    else
        echo "localhost:$1"
    fi
}

is_ready()
{
    curl --silent --fail --noproxy '*' --max-time 1 --output /dev/null \
        "http://localhost:$1/_mkv/health"
}

ready_or_gone()
{
    is_ready "$2" || ! is_running "$dir/run/$1.pid"
}

show_log()
{
    echo "--- the end of $dir/log/$1.log" >&2
    tail -n 40 "$dir/log/$1.log" >&2
    echo "---" >&2
}

# Waits until NAME answers on PORT. EXIT takes down the rest if it doesn't.
await_ready()
{
    local name=$1 at=$2

    if ! wait_until "$ready_deadline" ready_or_gone "$name" "$at"; then
        show_log "$name"
        die "$name (port $at) was not ready in $ready_deadline s"
    fi
    # An answer on the port of a process that has ended is not its own.
    if ! is_running "$dir/run/$name.pid"; then
        show_log "$name"
        die "$name (port $at) ended at its start"
    fi
}

# Volumes open by it, the index signs by it; --secret-file among the index's options takes its place.
choose_secret()
{
    local i

    secret=$dir/secret
    for ((i = 0; i < ${#index_options[@]}; i++)); do
        case ${index_options[i]} in
            --secret-file) secret=${index_options[i + 1]-} && return ;;
            --secret-file=*) secret=${index_options[i]#*=} && return ;;
        esac
    done
    if [ ! -e "$secret" ]; then
        "$mkv" secret "$secret" || die "cannot make the secret of the cluster"
        # Started by root, mkv becomes this user, who reads it again at a HUP.
        if [ "$(id -u)" = 0 ]; then
            chown www-data "$secret"
        fi
    fi
    index_options+=(--secret-file "$secret")
}

has_keys()
{
    local each

    for each in "${index_options[@]}"; do
        case $each in
            --keys | --keys=*) return 0 ;;
        esac
    done
    return 1
}

start_all()
{
    local i names=()

    choose_secret
    for ((i = 1; i <= volumes; i++)); do
        mkdir -p "$dir/volume$i"
        start "volume$i" "$mkv" volume "$(address $((port + i)))" "$dir/volume$i" \
            --secret-file "$secret"
        names+=("${public:-localhost}:$((port + i))")
    done
    for ((i = 1; i <= volumes; i++)); do
        await_ready "volume$i" $((port + i))
    done
    start index "$mkv" index "${names[@]}" --port "$(address "$port")" --index "$dir/index" \
        "${index_options[@]}"
    await_ready index "$port"
}

greet()
{
    local at=${public:-localhost}:$port what="$volumes volumes, on ports $((port + 1)) to $((port + volumes))"

    if [ "$volumes" = 1 ]; then
        what="1 volume, on port $((port + 1))"
    fi
    cat <<END
mkv is up: the index on port $port, $what, all in $dir

    curl -fsS -X PUT -d bigswag $at/wehave
    curl -fsSL $at/wehave
    curl -fsS -X DELETE $at/wehave
    $(printf '%q status --index %q' "$mkv" "$dir/index")

END
    if [ -n "$public" ] && ! has_keys; then
        cat <<END
WARNING: EVERYBODY WHO CAN REACH PORT $port OF THIS MACHINE CAN READ, WRITE AND DELETE EVERY KEY.
Say who may do what in a file of keys, and give -- --keys FILE.

END
    fi
}

# Runs until a signal, or until a process ends that should not.
watch()
{
    local file name

    wait -n || true
    for file in "$dir"/run/*.pid; do
        if ! is_running "$file"; then
            name=$(basename "$file" .pid)
            show_log "$name"
            echo "bringup.sh: $name has ended; taking down the rest" >&2
        fi
    done
}

main()
{
    parse_options "$@"
    prepare_dir
    claim_dir
    check_ports
    build
    # A second Ctrl-C doesn't cut the taking down short: it has deadlines of its own.
    trap 'trap "" INT TERM HUP; cluster_stop "$dir"' EXIT
    trap 'exit 0' INT TERM HUP
    start_all
    greet
    if [ -n "$detach" ]; then
        trap - EXIT INT TERM HUP
        echo "To end it: $(teardown_command)"
    else
        echo "Ctrl-C ends it."
        watch
        exit 1
    fi
}

main "$@"
