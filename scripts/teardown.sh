#!/usr/bin/env bash
# Ends a cluster that bringup.sh started: the index, then the volumes.
#
#     scripts/teardown.sh [--dir DIR] [--wipe]
#
#     --dir DIR    where the cluster is (/var/tmp/mkv-UID)
#     --wipe       then remove DIR with all its data, if bringup.sh made it
#
# It ends the processes recorded in DIR, and no other that got one of their pids later.
# Exit codes: 0 nothing runs any more, 1 failure, 2 usage.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/cluster.sh
source "$root/scripts/cluster.sh"

dir=$(cluster_default_dir)
wipe=

die()
{
    echo "teardown.sh: $*" >&2
    exit 1
}

parse_options()
{
    while [ $# -gt 0 ]; do
        case $1 in
            --dir)
                [ -n "${2-}" ] || usage_error "--dir wants a value"
                dir=$2
                shift
                ;;
            --wipe) wipe=yes ;;
            -h | --help) help && exit 0 ;;
            *) usage_error "unknown option $1" ;;
        esac
        shift
    done
}

wipe_dir()
{
    local lock

    # A bringup.sh in the foreground lets go when it has seen its cluster end.
    exec {lock}>>"$dir/run/lock"
    flock --timeout 20 "$lock" || die "a bringup.sh is at work in $dir; not wiped"
    rm -rf --one-file-system -- "$dir"
    echo "wiped $dir"
}

main()
{
    parse_options "$@"
    if [ ! -d "$dir" ]; then
        echo "nothing is running: there is no $dir"
        return
    fi
    [ -e "$dir/$cluster_marker" ] || die "$dir was not made by bringup.sh; nothing done"
    [ -O "$dir" ] || die "$dir belongs to somebody else; nothing done"
    dir=$(cd "$dir" && pwd)
    if [ -n "$(cluster_running "$dir")" ]; then
        cluster_stop "$dir" || die "not all processes ended in $dir"
    else
        echo "nothing is running in $dir"
    fi
    if [ -n "$wipe" ]; then
        wipe_dir
    fi
}

main "$@"
