#!/usr/bin/env bats
# Hosts that give mkv few files or little memory: it says so and doesn't start, or it lives with that.

load ../support/lib

with_limit() { # ULIMIT-OPTIONS...
    # shellcheck disable=SC2016 # for the shell within
    AS=(bash -c 'ulimit $0 && exec "$@"' "$*")
}

connections() { # NAME: what nginx's workers may have at once
    "${AS[@]}" "$MKV" volume "$(at "$1")" "$T/data/$1" --print-config 2>/dev/null |
        sed -n 's/^ *worker_connections \(.*\);/\1/p'
}

# --- Files ----------------------------------------------------------------------------------------

@test "the soft limit of open files is raised to the hard one, without a word" {
    (($(ulimit -Hn) >= 4096)) || skip 'needs a hard limit of 4,096 files'
    with_limit -Sn 256
    volume v
    grep -Eq '^Max open files +([5-9][0-9]|[0-9]{3,})[0-9]{2} ' "/proc/$(pid_of v)/limits"
    refute logged v warn
    same 4096 "$(connections v)"
}

@test "a low hard limit of open files costs one line of warning, and a too low one the start" {
    local n
    with_limit -n 256
    volume v
    index i v
    for n in v i; do
        same 1 "$(grep -c ' warn ' "$(log_of $n)")"
        logged $n 'warn  mkv: no more than 256 files can be open at once: .*raise the hard limit'
    done
    same 256 "$(connections v)"
    put "$(url i)/key" value
    got "$(url i)/key" value
    for n in 8 12 63; do
        with_limit -n $n
        refused 1 "no more than $n files .*needs 64" volume "$(at w)" "$T/data/w"
        refused 1 "no more than $n files .*needs 64" status --index "$T/data/i"
    done
    AS=()
}

# --- Memory ---------------------------------------------------------------------------------------

# Makes the requests of a curl config on stdin, all at once.
at_once() {
    sed 1d | curl -q --parallel --parallel-immediate --parallel-max 300 -K - 2>/dev/null || true
}

# PUTs the file so many times at once, and prints the status and the key of each.
put_at_once() { # PREFIX COUNT FILE
    local n url
    url=$(url i-direct)
    for ((n = 1; n <= $2; n++)); do
        printf 'next\nsilent\nnoproxy = *\nmax-time = %d\noutput = /dev/null\nupload-file = "%s"\n' $((30 * SLOW)) "$3"
        printf 'write-out = "%%{http_code} /%s/%d\\n"\nurl = "%s/%s/%d"\n' "$1" $n "$url" "$1" $n
    done | at_once
}

# Of those PUTs that were answered with 201, by what put_at_once() printed.
read_back() { # FILE PRINTED
    local key url
    url=$(url i-direct)
    rm -rf "$T/read"
    mkdir "$T/read"
    for key in $(sed -n 's/^201 //p' "$2"); do
        printf 'next\nsilent\nnoproxy = *\nlocation\noutput = "%s"\nurl = "%s"\n' "$T/read/${key//\//-}" "$url$key"
    done | at_once
    same "$(grep -c '^201 ' "$2")" "$(find "$T/read" -type f | wc -l)" 'values that were read'
    find "$T/read" -type f -print0 | xargs -0 -r -n 1 cmp "$1"
}

limited() { # KIB: an index with so much memory; fails when it doesn't start
    with_limit -v "$1"
    rm -f "$T"/proc/i.*
    hatch i "${AS[@]}" "$MKV" index "$(at v)" --port "$(at i)" --direct "$(at i-direct)" --index "$T/data/i"
    AS=()
    within 10 healthy_or_ended i
    if ! ended i; then
        touch "$T/proc/i.must-exit-0"
        return 0
    fi
    await_end i
    same 1 "$RC" "exit status with $1 KiB"
    same 1 "$(wc -l <"$(log_of i)")" "lines with $1 KiB"
    logged i 'error .*(memory|unavailable)'
    return 1
}

@test "an index with little memory doesn't start, or answers every request and loses nothing" {
    local kib least=0
    [[ -z $ASAN ]] || skip 'a sanitizer takes terabytes of address space'
    head -c 30000 /dev/urandom >"$T/small"
    head -c 200000 /dev/urandom >"$T/large"
    volume v
    for ((kib = 60000; kib < 2000000; kib += least > 0 ? 20000 : 8000)); do
        if ! limited $kib; then
            ((least == 0)) || fail "$kib KiB are too little, $least are not" || return 1
            continue
        fi
        : $((least = least > 0 ? least : kib))
        put_at_once "few-$kib" 64 "$T/small" >"$T/few"
        same 64 "$(grep -Ec '^(201|500|503) ' "$T/few")" answers
        # More than there may be memory for. Some are not even let in.
        put_at_once "many-$kib" 300 "$T/large" >"$T/many"
        same '' "$(grep -Ev '^(201|500|503|000) ' "$T/many")" 'other answers'
        within 5 healthy i
        refute ended i
        read_back "$T/small" "$T/few"
        read_back "$T/large" "$T/many"
        stop i
        ((kib == least)) || break
    done
    ((least > 0))
}

@test "a restore with little memory is refused with one line, and a dump takes little" {
    of_gdbm_alone 'a restore into a database starts no threads'
    [[ -z $ASAN ]] || skip 'a sanitizer takes terabytes of address space'
    printf '%s\n' '{"format":"mkv-dump","version":2}' '{"end":true,"keys":0,"unlinked":0,"orphans":0}' >"$T/dump"
    "$MKV" restore --index "$T/data/i" "$T/dump"
    with_limit -v 60000
    refused 1 'cannot get the [0-9]+ threads' restore --index "$T/data/other" "$T/dump"
    "${AS[@]}" "$MKV" dump --index "$T/data/i" | cmp - "$T/dump"
}
