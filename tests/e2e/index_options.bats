#!/usr/bin/env bats
# What the options of an index change, and what survives its restarts.

load ../support/lib

before_all() {
    volume v
}

@test "--fallback redirects a missing key instead of 404" {
    local u
    index i v --fallback example.test:8080
    put "$(url i)/here" value
    for u in "$(url i)" "$(url i-direct)"; do
        want 302 GET "$u/not%20here/%2Fx?a=b"
        [[ $(header Location) =~ ^http://example\.test:8080/not%20here/%2Fx(\?a=b)?$ ]] || fail "Location: $(header Location)"
        want 302 HEAD "$u/nothing"
        same http://example.test:8080/nothing "$(header Location)"
        want 302 GET "$u/here"
        same "http://$(at v)$(blob_of v /here)" "$(header Location)"
        want 404 DELETE "$u/nothing"
    done
}

@test "--no-md5 keeps no MD5" {
    index i v --no-md5
    put "$(url i)/no-md5" value
    want 302 GET "$(url i)/no-md5"
    refute header Content-Md5
    got "$(url i)/no-md5" value
}

@test "--subvolumes spreads the blobs over directories of the volume" {
    local key score path
    index i v --subvolumes 3
    for key in /sub1 /sub2 /sub3 /sub4 /sub5; do
        put "$(url i)$key" "value of $key"
        score=$(printf %s "$key$(at v)" | md5_of)
        score=$(printf 'sv%02X' $((0x${score:24:8} % 3)))
        want 302 GET "$(url i)$key"
        path=$(header Location)
        path=${path#"http://$(at v)"}
        same "/$score$(path_of "$key" "${path: -16}")" "$path"
        same "$(at v)/$score" "$(header Key-Volumes)"
        same "value of $key" "$(cat "$F/data/v$path")"
        got "$(url i)$key" "value of $key"
        want 204 DELETE "$(url i)$key"
        within 5 test ! -e "$F/data/v$path"
    done
}

@test "keys survive a restart of the index" {
    local n
    index i v
    for n in 1 2 3 4 5 6 7 8 9 10; do
        put "$(url i)/restart/$n" "value $n"
    done
    want 204 DELETE "$(url i)/restart/5"
    stop i
    index i v
    for n in 1 2 3 4 6 7 8 9 10; do
        got "$(url i)/restart/$n" "value $n"
    done
    want 404 GET "$(url i)/restart/5"
    want 409 PUT "$(url i)/restart/1" --data-binary other
    put "$(url i)/restart/5" new
    stop i
    index i v
    got "$(url i)/restart/5" new
}

@test "what was acknowledged survives kill -9 of the index" {
    local n
    index i v
    for n in 1 2 3; do
        put "$(url i)/killed/$n/put" "value $n"
        put "$(url i)/killed/$n/deleted" "value $n"
        want 204 DELETE "$(url i)/killed/$n/deleted"
        crash i
        index i v
        got "$(url i)/killed/$n/put" "value $n"
        want 404 GET "$(url i)/killed/$n/deleted"
    done
    got "$(url i)/killed/1/put" 'value 1'
}

@test "what was acknowledged survives kill -9 under load" {
    local n=0 acknowledged=0
    index i v
    leaves_files
    while ((n < 500)) && want 201 PUT "$(url i)/load/$n" --data-binary "value $n" 2>/dev/null; do
        acknowledged=$n
        n=$((n + 1))
        if ((n == 30)); then
            (signal i KILL) &
        fi
    done
    ((n < 500)) || fail 'it was never killed'
    await_end i
    within 3 gone i
    index i v
    for ((n = 0; n <= acknowledged; n++)); do
        got "$(url i)/load/$n" "value $n"
    done
}

@test "an index listens on IPv4, [::1] or a host name, and takes volumes by name" {
    mkv_start name index "localhost:$(port v)" --port "localhost:$(port name)" --index "$T/data/name"
    await_ready name
    put "$(url name)/by-name" value
    got "$(url name)/by-name" value
    want 302 GET "$(url name)/by-name"
    same "localhost:$(port v)" "$(header Key-Volumes)"
    if has_ipv6; then
        mkdir "$T/data/v6"
        mkv_start v6 volume "[::1]:$(port v6)" "$T/data/v6"
        within 10 logged v6 'ready on'
        mkv_start six index "[::1]:$(port v6)" --port "[::1]:$(port six)" --index "$T/data/six"
        within 10 logged six 'ready on'
        put "http://[::1]:$(port six)/by-six" value
        got "http://[::1]:$(port six)/by-six" value
    fi
}

@test "the ready line names the address" {
    index i v
    within 5 logged i "^[^ ]+Z info +mkv: .*ready on $(at i)"
}

@test "--print-config and --check of an index leave nothing" {
    "$MKV" index "$(at v)" --index "$T/data/none" --port "$(at i)" --print-config >"$T/config" 2>"$T/errors"
    grep -q proxy_pass "$T/config"
    refute grep -q '@[A-Z_]*@' "$T/config"
    [[ ! -s $T/errors ]]
    TMPDIR=$T/tmp "$MKV" index "$(at v)" --index "$T/data/none" --port "$(at i)" --check >"$T/output" 2>&1
    refute grep -Eq 'warn|error|emerg|alert' "$T/output"
    closed "$(port i)"
}

@test "an index can be checked while another runs on the same directory" {
    index i v
    TMPDIR=$T/tmp "$MKV" index "$(at v)" --index "$T/data/i" --port "$(at i)" --check
    healthy i
}

@test "--no-sync works with a volume that is any nginx with WebDAV" {
    plain_volume plain
    index i plain --no-sync
    put "$(url i)/unsynced" value
    got "$(url i)/unsynced" value
    holds plain /unsynced value
    want 204 UNLINK "$(url i)/unsynced"
    put "$(url i)/unsynced" new
    got "$(url i)/unsynced" new
    crash i
    index i plain --no-sync
    got "$(url i)/unsynced" new
    want 204 DELETE "$(url i)/unsynced"
    within $((10 + LEASED)) all_lack plain
    logged i 'info .*everybody who can connect may do everything'
    refute logged i 'warn|error'
}

@test "without --no-sync a volume that can't sync is named, and nothing is stored" {
    local u
    plain_volume plain
    index i plain
    for u in "$(url i)" "$(url i-direct)"; do
        want 502 PUT "$u/synced/${u##*:}" --data-binary value
        grep -Eq "^volume $(at plain) answered 40[45]$" "$T/body"
        want 404 GET "$u/synced/${u##*:}"
    done
    logged i 'error .*POST /_mkv/sync.*--no-sync'
    within $((10 + LEASED)) all_lack plain
    list "$(url i)/?list"
    same 0 ${#LISTED[@]}
}
