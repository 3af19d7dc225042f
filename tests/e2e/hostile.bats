#!/usr/bin/env bats
# A volume that is hostile, or somebody between it and its index. What it does to its own values can't
# be undone; it makes nobody read, write or keep anything elsewhere, and it doesn't take the index down.

load ../support/lib

before_all() {
    "$MKV" secret "$F/secret"
    volume v --secret-file "$F/secret"
    volume w --secret-file "$F/secret"
    echo honest >"$F/mode"
    hatch h python3 "$BATS_TEST_DIRNAME/../support/hostile.py" "$(port h)" "$(port v)" "$F/mode"
    within 10 listening "$(port h)"
    index i "h w" --secret-file "$F/secret" --replicas 2 --reads proxy --s3 "$(at i-s3)"
    within 10 sees i h up
    local n
    for n in 1 2 3 4 5 6; do
        put "$(url i)/kept/$n" "value $n"
    done
    want 200 PUT "$(url i-s3)/bucket"
    want 200 PUT "$(url i-s3)/bucket/object" --data-binary object
}

before_each() {
    U=$(url i)
}

after_each() {
    echo honest >"$F/mode"
    within 15 sees i h up
    refute ended i
}

hostile() { # MODE [VICTIM]
    echo "$*" >"$F/new"
    mv "$F/new" "$F/mode"
}

anonymous_memory() { # kB of the index
    awk '/RssAnon/ { print $2 }' "/proc/$(pid_of i)/status"
}

# Nobody reads another value than the one that was put; nobody waits for ever.
reads_are_right() {
    local n
    for n in 1 2 3 4 5 6; do
        http GET "$U/kept/$n"
        [[ $STATUS != 200 || $(cat "$T/body") == "value $n" ]] || fail "$n: $(cat "$T/body")"
        refute grep -qiE '^(Set-Cookie|Mkv-|WWW-Auth|X-Accel|NEL)|^(Content-Md5|Key-Volumes): forged' "$T/head"
        [[ $STATUS != 3* ]] || fail "sent away: $(cat "$T/head")"
    done
    http GET "$(url i-s3)/bucket/object"
    [[ $STATUS != 200 || $(cat "$T/body") == object ]] || fail "$(cat "$T/body")"
    refute grep -qiE '^(Set-Cookie|Mkv-|WWW-Auth|X-Accel|NEL|Content-Encoding)|forged' "$T/head"
    [[ $STATUS != 3* ]] || fail "sent away: $(cat "$T/head")"
}

@test "it sends nobody elsewhere" {
    hostile redirect "http://$(at w)/_mkv/health"
    reads_are_right
    want 200 GET "$U/kept/1" # from the other copy
    want '201|502|503' PUT "$U/redirected" --data-binary value
    [[ $STATUS != 201 ]] || got "$U/redirected" value
}

@test "headers of its answers are not obeyed, and reach no client" {
    hostile split "$(at w)"
    reads_are_right
    want 200 GET "$U/kept/1"
    put "$U/split" value
    got "$U/split" value
}

@test "it gets no client's connection for itself" {
    local n
    hostile upgrade
    for n in 1 2 3 4 5 6; do
        want 400 GET "$U/kept/$n" -H 'Connection: upgrade' -H 'Upgrade: websocket'
    done
    hostile honest
    # What curl --http2 sends is answered all the same, by HTTP/1.1.
    want 200 GET "$U/kept/1" -H 'Connection: Upgrade, HTTP2-Settings' -H 'Upgrade: h2c' -H 'HTTP2-Settings: AAMAAABk'
}

@test "answers without an end cost bounded memory and time" {
    local mode before after start
    before=$(anonymous_memory)
    for mode in endless endless-head interim; do
        hostile "$mode"
        start=$(now_ms)
        want '201|502|503' PUT "$U/put-$mode" --data-binary value
        (($(now_ms) - start < 60000 * SLOW))
        "$MKV" verify --deep --index "$F/data/i" --json >"$T/verified" 2>&1 &
        within 60 ended_job $!
        after=$(anonymous_memory)
        ((ASAN || after - before < 32000)) || fail "$mode: from $before to $after kB"
    done
    hostile honest
}

ended_job() { # PID
    ! kill -0 "$1" 2>/dev/null
}

@test "wrong lengths are found where mkv copies" {
    hostile long
    reads_are_right
    hostile short
    # The copy at w is lost, and the one that is left lies about its length: it is not taken.
    rm "$(file_of w /kept/6)"
    "$MKV" verify --repair --index "$F/data/i" >"$T/verified" || true
    refute holds w /kept/6 'value '
    hostile honest
    "$MKV" verify --repair --index "$F/data/i" >"$T/verified" || true
    within 10 holds w /kept/6 'value 6'
}

@test "it can't take the place of another volume" {
    local id
    id=$(cat "$(lookup data w)/.mkv/id")
    hostile identity "$id"
    within 10 sees i h down
    logged i 'is volume .* by another name'
    within 10 sees i w up
    reads_are_right
    want 200 GET "$U/kept/1"
    # No ticket for w goes there, either: what it is asked is signed for what it was before.
    hostile space-identity "$id"
    reads_are_right
}

@test "it can't lock another volume out, neither while that restarts nor while the index does" {
    local id options=(--secret-file "$T/secret" --replicas 2 --reads proxy)
    "$MKV" secret "$T/secret"
    give_to_mkv "$T/secret"
    volume a --secret-file "$T/secret"
    volume b --secret-file "$T/secret"
    id=$(cat "$T/data/b/.mkv/id")
    echo honest >"$T/mode"
    hatch x python3 "$BATS_TEST_DIRNAME/../support/hostile.py" "$(port x)" "$(port a)" "$T/mode"
    within 10 listening "$(port x)"
    index own 'x b' "${options[@]}"
    within 10 sees own x up
    put "$(url own)/key" value
    stop b
    within 15 sees own b down
    echo "identity $id" >"$T/mode"
    within 10 logged own "volume $(at x) shows the disk of $(at b)"
    within 10 sees own x down
    volume b --secret-file "$T/secret"
    within 10 sees own b up
    got "$(url own)/key" value
    # Who stands in for one is refused also by an index that has asked nobody else yet.
    stop own
    index own 'x b' "${options[@]}"
    within 10 sees own b up
    within 10 sees own x down
    got "$(url own)/key" value
    echo honest >"$T/mode"
    within 15 sees own x up
}
