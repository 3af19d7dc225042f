#!/usr/bin/env bats
# Hosts that are not like the developer's: without IPv6, with names that move, with logs that nobody
# reads, with few files and little memory.

load ../support/lib
load ../support/replicas
load ../support/s3

# Runs what follows with $T/hosts as /etc/hosts. A test may write to that file, in place.
with_hosts() {
    need_root
    unshare -m true 2>/dev/null || skip 'needs mount namespaces'
    # shellcheck disable=SC2016 # for the shell within
    AS=(unshare -m bash -c 'mount --bind "$1" /etc/hosts && shift && exec "$@"' - "$T/hosts")
}

named() { # VOLUME NAME: starts it there
    mkdir -p "$T/data/$1"
    mkv_start "$1" volume "$2:$(port "$1")" "$T/data/$1"
    within 10 logged "$1" 'ready on'
}

after_each() {
    thaw_all
}

# --- Addresses ------------------------------------------------------------------------------------

@test "without IPv6 in the kernel, localhost and a bare port are served by IPv4" {
    local lines
    with_hosts
    "$SUPPORT/noipv6" true || skip 'needs seccomp'
    AS+=("$SUPPORT/noipv6")
    for lines in '127.0.0.1 localhost\n::1 localhost\n' '::1 localhost\n127.0.0.1 localhost\n'; do
        # shellcheck disable=SC2059 # line ends
        printf "$lines" >"$T/hosts"
        named v localhost
        logged v 'info  mkv: not listening on \[::1\]'
        mkv_start i index "localhost:$(port v)" --port "$(port i)" --direct "localhost:$(port i-direct)" \
            --index "$T/data/i" --reads proxy
        await_ready i
        logged i 'info  mkv: not listening on \[::\]'
        want 201 PUT "$(url i)/key" --data-binary value
        want 200 GET "$(url i)/key"
        want 204 DELETE "$(url i-direct)/key"
        stop i
        stop v
        rm "$T"/proc/*.log
    done
    printf '::1 localhost\n' >"$T/hosts"
    refused 1 'cannot listen on \[::1\].*not supported' volume "localhost:$(port v)" "$T/data/v"
}

@test "a volume whose name gets another address is back at once" {
    local n
    echo '127.0.0.2 disk.test' >"$T/hosts"
    with_hosts
    named v disk.test
    mkv_start i index "disk.test:$(port v)" --port "$(at i)" --index "$T/data/i"
    await_ready i
    put "$(url i)/before" value
    for n in 3 4; do
        stop v
        echo "127.0.0.$n disk.test" >"$T/hosts"
        named v disk.test
        within 5 put "$(url i)/after-$n" value
    done
}

@test "a volume that moves away from a host that is silent is back soon" {
    local before
    echo '127.0.0.2 disk.test' >"$T/hosts"
    with_hosts
    named v disk.test
    mkv_start i index "disk.test:$(port v)" --port "$(at i)" --index "$T/data/i"
    await_ready i
    # Many connections, which are kept.
    same 40x201 "$(for n in {1..40}; do echo "PUT /$n"; done | requests "$(url i)")"
    freeze v
    cp -a "$T/data/v" "$T/data/moved"
    echo '127.0.0.3 disk.test' >"$T/hosts"
    mkv_start moved volume "127.0.0.3:$(port v)" "$T/data/moved"
    within 5 logged moved 'ready on'
    within 8 logged i "volume disk.test:$(port v) is at 127.0.0.3:$(port v) now"
    before=$(now_ms)
    same 40x201 "$(for n in {1..40}; do echo "PUT /again/$n"; done | requests "$(url i)")"
    (($(now_ms) - before < 5000 * SLOW)) || fail "it took $(($(now_ms) - before)) ms"
    thaw v
}

# --- Disks ----------------------------------------------------------------------------------------

@test "a volume whose file system has short names gets no key that is too long for them" {
    local long n
    [[ -e $SUPPORT/libshortnames.so ]] || skip 'no sanitizer lets another library be loaded first'
    printf -v long '%093d' 7
    AS=(env "LD_PRELOAD=$SUPPORT/libshortnames.so")
    volume v1
    AS=()
    logged v1 'names of 143 bytes at most: most keys of more than 92 bytes'
    volume v2
    index both 'v1 v2'
    for n in {1..8}; do
        put "$(url both)/$n$long" value
        got "$(url both)/$n$long" value
    done
    all_lack v1
    stop v2
    within 10 sees both v2 down
    want 503 PUT "$(url both)/$long" --data-binary value # v2 may be back
    index i v1 --s3 "$(at i-s3)"
    want 414 PUT "$(url i)/$long" --data-binary value
    grep -q 'key is too long' "$T/body"
    s3_refused 400 KeyTooLongError PUT "/b/$long" --data-binary value
    # Another key is no worse off for it.
    put "$(url i)/${long:1}" value
    s3_want 200 PUT /b/key --data-binary value
    same '' "$("$MKV" status --json --index "$T/data/i" | jq -r '.volumes[].reason')" 'what is said of the volume'
    refute logged i 'a copy failed'
}

# --- Clocks ---------------------------------------------------------------------------------------

@test "what is PUT before 1970 is dumped, restored, and read" {
    local library each
    library=$(compgen -G '/usr/lib/*/faketime/libfaketime.so.1') || skip 'needs libfaketime'
    [[ -z $ASAN ]] || skip 'no sanitizer lets another library be loaded first'
    AS=(env "LD_PRELOAD=$library" FAKETIME='@1960-01-01 00:00:00' FAKETIME_DONT_FAKE_MONOTONIC=1)
    s3_cluster v
    logged i '^1960-01-01T'
    put "$(url i)/key" value
    put "$(url i)/gone" value
    s3_want 200 PUT /b/key --data-binary old
    s3_want 200 PUT /b/key --data-binary value -H 'x-amz-meta-a: b'
    want 204 DELETE "$(url i)/gone"
    "${AS[@]}" "$MKV" dump --index "$T/data/i" >"$T/running.jsonl"
    stop i
    "${AS[@]}" "$MKV" dump --index "$T/data/i" >"$T/dumped.jsonl"
    mv "$T/data/i" "$T/data/lost"
    "${AS[@]}" "$MKV" restore --index "$T/data/i" "$T/dumped.jsonl" >"$T/restored"
    index i v --s3 "$(at i-s3)"
    got "$(url i)/key" value
    want 404 GET "$(url i)/gone"
    s3_want 200 GET /b/key
    same 'value b' "$(cat "$T/body") $(header x-amz-meta-a)"
    "${AS[@]}" "$MKV" dump --index "$T/data/i" | cmp - "$T/dumped.jsonl"
    put "$(url i)/gone" again
    got "$(url i)/gone" again
}
