# shellcheck shell=bash
# What the .bats files about replicas load behind lib: a cluster of which $VOLUMES names the volumes,
# each value on $COPIES of them, and the ways in which a volume can fail.

VOLUMES='v1 v2 v3 v4 v5'
COPIES=3

# --- Failing volumes ------------------------------------------------------------------------------

# Stops mkv, its nginx and the workers: connections are taken by the kernel, and nobody answers.
freeze() { # VOLUME
    local pids
    pids="$(pid_of "$1") $(nginx_master "$1") $(nginx_workers "$1" | paste -sd' ')"
    echo "$pids" >"$T/proc/$1.frozen"
    # shellcheck disable=SC2086 # a list
    kill -STOP $pids
}

thaw() { # VOLUME
    # shellcheck disable=SC2046 # a list
    kill -CONT $(cat "$T/proc/$1.frozen")
    rm "$T/proc/$1.frozen"
}

thaw_all() {
    local frozen name
    for frozen in "$T"/proc/*.frozen; do
        [[ -e $frozen ]] || continue
        name=${frozen##*/}
        thaw "${name%.frozen}" || true
    done
}

# Makes a volume fail.
break_volume() { # HOW VOLUME
    case $1 in
        killed) crash "$2" ;;
        stopped) freeze "$2" ;;
        *) fail "no such failure: $1" ;;
    esac
}

mend_volume() { # HOW VOLUME
    case $1 in
        killed) volume "$2" ;;
        stopped) thaw "$2" ;;
    esac
}

# Mends volumes that failed in the same way, until nothing is left of it.
mend_volumes() { # HOW VOLUME...
    local how=$1 each
    shift
    for each in "$@"; do
        mend_volume "$how" "$each"
    done
    all_up
    settled
}

# Starts those volumes again that have ended.
restart_ended() {
    local each
    for each in $VOLUMES; do
        if ended "$each"; then
            volume "$each"
        fi
    done
    all_up
}

# Waits until the index has all volumes up.
all_up() {
    local each
    for each in $VOLUMES; do
        within 10 sees i "$each" up || return 1
    done
}

# --- What lies where ------------------------------------------------------------------------------

# Prints the volumes that have a blob of a key.
holders() { # KEY
    local each
    for each in $VOLUMES; do
        lacks "$each" "$1" || echo "$each"
    done
}

# The key is on as many volumes as it should be, and on each with the bytes of the file.
on_copies() { # KEY FILE
    local each n=0
    for each in $VOLUMES; do
        find_blobs "$each" "$1"
        ((${#FOUND[@]})) || continue
        cmp "$2" "${FOUND[-1]}" || return 1
        n=$((n + 1))
    done
    same $COPIES $n "volumes that hold $1"
}

# The files on all volumes are those of the keys, each $COPIES times, and nothing else.
only_copies() {
    local each files=0 keys
    keys=$(curl -q -s --noproxy '*' "$(url i)/?list" "$(url i)/?unlinked" | jq -s '[.[].keys[]] | length')
    for each in $VOLUMES; do
        files=$((files + $(blobs "$each" | wc -l)))
        tidy "$each" || return 1
    done
    ((files == keys * COPIES)) || fail "$files files of $keys keys"
}

# The same, once what failures have left is gone. All volumes must be up.
settled() {
    within $((20 + LEASED)) only_copies 2>"$T/unsettled" || { tail -n 2 "$T/unsettled" >&2 && return 1; }
}

# Makes $T/NAME, a value of so many bytes.
value() { # NAME BYTES
    head -c "$2" /dev/urandom >"$T/$1"
}

# Gets a key by way of its redirect and compares it with the file.
got_file() { # URL FILE
    want 200 GET "$1" -L
    cmp "$2" "$T/body"
}

# --- PUTs in two parts ----------------------------------------------------------------------------

# Opens descriptor 7 with a PUT of the file's first so many bytes.
put_begin() { # PORT-NAME PATH FILE BYTES
    exec 7<>"/dev/tcp/127.0.0.1/$(port "$1")"
    printf 'PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nConnection: close\r\n\r\n' "$2" "$(stat -c %s "$3")" >&7
    head -c "$4" "$3" >&7
}

# Sends the rest, and sets STATUS.
put_end() { # FILE BYTES
    tail -c "+$(($2 + 1))" "$1" >&7 || true
    answer 7
    exec 7>&-
}

# Prints the volumes that are receiving something of a PUT.
receiving() {
    local each
    for each in $VOLUMES; do
        tidy "$each" || echo "$each"
    done
}

received_by() { # COUNT
    (($(receiving | wc -l) == $1))
}

# --- Many values --------------------------------------------------------------------------------

# Starts the cluster, and makes three values.
start_with_values() { # [INDEX-OPTIONS...]
    cluster i "$VOLUMES" --replicas $COPIES "$@"
    value small 1
    value middle 100000
    value large 3000000
}

# PUTs values of all sizes by both ways, known in length and not, and looks at them.
put_many() { # PREFIX
    local each
    for each in small middle large; do
        want 201 PUT "$(url i)/$1/$each" -T "$T/$each"
        want 201 PUT "$(url i-direct)/$1/chunked/$each" -T - <"$T/$each"
        on_copies "/$1/$each" "$T/$each"
        on_copies "/$1/chunked/$each" "$T/$each"
    done
}

get_many() { # PREFIX
    local each
    for each in small middle large; do
        got_file "$(url i)/$1/$each" "$T/$each"
        got_file "$(url i-direct)/$1/chunked/$each" "$T/$each"
    done
}

delete_many() { # PREFIX
    local each
    for each in small middle large; do
        want 204 DELETE "$(url i)/$1/$each"
        want 404 GET "$(url i)/$1/$each"
        want 204 DELETE "$(url i-direct)/$1/chunked/$each"
        want 404 GET "$(url i)/$1/chunked/$each"
    done
}
