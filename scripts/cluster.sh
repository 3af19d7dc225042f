# shellcheck shell=bash
# What bringup.sh and teardown.sh share: how a cluster's directory and processes are recorded.
# Sourced, never run.
#
#     DIR/.mkv-cluster     marks a directory that bringup.sh made; nothing else is ever wiped
#     DIR/run/lock         held by a bringup.sh that is starting a cluster or runs it in the foreground
#     DIR/run/NAME.pid     "PID STARTTIME" of a process; the start time tells a recycled pid
#     DIR/log/NAME.log     what it said
#     DIR/volumeN, DIR/index   the data

# shellcheck disable=SC2034 # used by those who source this
cluster_marker=.mkv-cluster

usage_error()
{
    echo "$(basename "$0"): $*; --help lists the options" >&2
    exit 2
}

# Prints the comment that the calling script begins with.
help()
{
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
}

# Whether somebody listens on host $1, port $2.
listens()
{
    # shellcheck disable=SC2188 # opening the socket is all that is wanted
    (exec 9<>"/dev/tcp/$1/$2") 2>/dev/null
}

cluster_default_dir()
{
    echo "/var/tmp/mkv-$UID"
}

# Waits until the command "$@" succeeds, asking ten times a second for $1 seconds.
wait_until()
{
    local deadline=$((SECONDS + $1))

    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.1
    done
}

# Sets `state` and `started` (clock ticks since boot) of process $1. The name in /proc/PID/stat may
# hold anything, so the fields are counted from its closing parenthesis.
state=
started=
process_stat()
{
    local text fields

    { read -r -d '' text || [ -n "$text" ]; } 2>/dev/null <"/proc/$1/stat" || return 1
    read -r -a fields <<<"${text##*) }"
    state=${fields[0]}
    started=${fields[19]}
}

# Whether the process that DIR/run/NAME.pid in $1 records is there. Sets `pid`.
pid=
is_running()
{
    local recorded

    { read -r pid recorded <"$1"; } 2>/dev/null || return 1
    process_stat "$pid" && [ "$started" = "$recorded" ] && [ "$state" != Z ]
}

record_process()
{
    process_stat "$2" || return 0 # it is gone already; the one who waits for it will say so
    echo "$2 $started" >"$1"
}

# Names those of the pid files "$@" whose process is there.
running_names()
{
    local file

    for file in "$@"; do
        if is_running "$file"; then
            basename "$file" .pid
        fi
    done
}

none_running()
{
    [ -z "$(running_names "$@")" ]
}

# The running ones of the cluster in DIR $1, with their pids.
cluster_running()
{
    local file

    for file in "$1"/run/*.pid; do
        if is_running "$file"; then
            echo "$(basename "$file" .pid) (pid $pid)"
        fi
    done
}

signal_all()
{
    local signal=$1 file

    shift
    for file in "$@"; do
        if is_running "$file"; then
            kill -s "$signal" "$pid" 2>/dev/null || true
        fi
    done
}

# Ends the processes that the pid files "$@" record: TERM, which lets open requests end for 30 s, mkv's
# own default; once more, which ends mkv at once; and KILL, for one that doesn't listen at all.
stop_processes()
{
    local names

    names=$(running_names "$@")
    if [ -n "$names" ]; then
        signal_all TERM "$@"
        if ! wait_until 35 none_running "$@"; then
            signal_all TERM "$@"
            wait_until 5 none_running "$@" || true
        fi
        if none_running "$@"; then
            echo "stopped ${names//$'\n'/ }"
        else
            names=$(running_names "$@")
            echo "warning: not gone 40 s after TERM, killing: ${names//$'\n'/ }" >&2
            signal_all KILL "$@"
            wait_until 5 none_running "$@" || return 1
        fi
    fi
    rm -f "$@"
}

# Ends the cluster in DIR $1: the index first, so that it never sees its volumes go.
cluster_stop()
{
    stop_processes "$1/run/index.pid" && stop_processes "$1"/run/volume*.pid
}
