#!/usr/bin/env bats
# The native HTTP API, through the front and on the direct port.

load ../support/lib

before_all() {
    cluster i 'v1 v2'
}

before_each() {
    WAYS="$(url i) $(url i-direct)"
    K=$BATS_TEST_NUMBER # keys of different tests must not meet
}

volume_of() { # KEY-VOLUMES: the name of the volume with this host:port
    if [[ $1 == "$(at v1)" ]]; then
        echo v1
    else
        same "$(at v2)" "$1" && echo v2
    fi
}

# Prints the statuses of the answers in $T/replies.
statuses() {
    grep -a '^HTTP/1.1 ' "$T/replies" | cut -d' ' -f2 | paste -sd' '
}

@test "health is 200" {
    local u
    for u in $WAYS; do
        want 200 GET "$u/_mkv/health"
    done
}

@test "PUT is 201 with an empty body, and 409 the second time" {
    local u
    for u in $WAYS; do
        want 201 PUT "$u/$K/${u##*:}" --data-binary first
        [[ ! -s $T/body ]]
        same 0 "$(header Content-Length)"
        want 409 PUT "$u/$K/${u##*:}" --data-binary second
        got "$u/$K/${u##*:}" first
    done
}

@test "GET and HEAD redirect to the blob, and tell of it" {
    local u method md5 key=$K/told where
    put "$(url i)/$key" 'the value'
    md5=$(printf 'the value' | md5_of)
    for u in $WAYS; do
        for method in GET HEAD; do
            want 302 "$method" "$u/$key"
            same "$md5" "$(header Content-Md5)"
            same "\"$md5\"" "$(header ETag)"
            same balanced "$(header Key-Balance)"
            same 0 "$(header Content-Length)"
            where=$(header Key-Volumes)
            same "http://$where$(blob_of "$(volume_of "$where")" "/$key")" "$(header Location)"
            [[ ! -s $T/body ]]
            holds "$(volume_of "$where")" "/$key" 'the value'
        done
        got "$u/$key" 'the value'
    done
}

@test "the redirect works for HEAD, Range and conditional requests" {
    local u etag
    put "$(url i)/$K" 0123456789
    for u in $WAYS; do
        want 200 HEAD "$u/$K" -L
        same 10 "$(header Content-Length)"
        want 206 GET "$u/$K" -L -r 2-4
        same 234 "$(cat "$T/body")"
        want 200 GET "$u/$K" -L
        etag=$(header ETag)
        want 304 GET "$u/$K" -L -H "If-None-Match: $etag"
    done
}

@test "a missing key is 404 with an empty body" {
    local u method
    for u in $WAYS; do
        for method in GET HEAD DELETE; do
            want 404 "$method" "$u/$K/none"
            same 0 "$(header Content-Length)"
            [[ ! -s $T/body ]]
        done
    done
}

@test "DELETE is 204, then 404, and takes the file with it" {
    local u key
    for u in $WAYS; do
        key=$K/${u##*:}
        put "$u/$key" value
        same 1 "$({ paths_of v1 "/$key" && paths_of v2 "/$key"; } | wc -l)" blobs
        want 204 DELETE "$u/$key"
        [[ ! -s $T/body ]]
        want 404 DELETE "$u/$key"
        want 404 GET "$u/$key"
        within 5 lacks v1 "/$key"
        within 5 lacks v2 "/$key"
        put "$u/$key" again
        got "$u/$key" again
    done
}

@test "an empty value is 411" {
    local u
    for u in $WAYS; do
        want 411 PUT "$u/$K/empty" --data-binary ''
        want 411 PUT "$u/$K/empty" -H 'Transfer-Encoding: chunked' -T - </dev/null
        want 411 PUT "$u/$K/empty"
        want 404 GET "$u/$K/empty"
        put "$u/$K/empty/${u##*:}" 'now with a value'
        want 411 PUT "$u/$K/empty/${u##*:}" --data-binary '' # not 409: the store isn't asked
    done
}

@test "other methods are 405 with Allow, and a body they bring does not confuse the connection" {
    local u method
    put "$(url i)/$K" value
    for u in $WAYS; do
        for method in POST OPTIONS PATCH PROPFIND MKCOL LOCK FROBNICATE; do
            want 405 "$method" "$u/$K"
            same 'GET, HEAD, PUT, DELETE, UNLINK, REBALANCE' "$(header Allow)" "Allow for $method"
        done
        printf 'POST /%s HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nsome bodyGET /%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' \
            "$K" "$K" | talk "${u##*:}" >"$T/replies"
        [[ $(statuses) =~ ^405(\ 302)?$ ]] || fail "after a POST with a body: $(statuses)"
        want '405|400' TRACE "$u/$K"
        got "$u/$K" value
    done
}

@test "the empty key is 400" {
    local u method
    for u in $WAYS; do
        for method in GET HEAD DELETE; do
            want 400 "$method" "$u/"
        done
        want 400 PUT "$u/" --data-binary value
    done
}

@test "a key has at most 1024 bytes" {
    local u long
    printf -v long '%01024d' 7
    for u in $WAYS; do
        want 400 PUT "$u/${long}x" --data-binary value
        want 400 GET "$u/${long}x"
        want 400 DELETE "$u/${long}x"
        want 404 GET "$u/$long"
        printf -v long '%09000d' 7
        want '400|414|431' PUT "$u/$long" --data-binary value
        printf -v long '%0100000d' 7
        want '400|414|431' PUT "$u/$long" --data-binary value
        printf -v long '%01024d' 7
    done
}

@test "a NUL and a bad escape are 400" {
    local u path
    for u in $WAYS; do
        for path in /a%00b /%00 /a%zz /a% /a%4 '/%%41'; do
            want 400 GET "$u$path"
            want 400 PUT "$u$path" --data-binary value
            want 400 DELETE "$u$path"
        done
    done
}

@test "a path that climbs above the root is refused" {
    want 400 GET "$(url i)/../x"
    want 400 PUT "$(url i)/../x" --data-binary value
    want 400 PUT "$(url i)/a/../../x" --data-binary value
    want 400 PUT "$(url i)/%2e%2e/x" --data-binary value
    want 404 GET "$(url i)/x"
}

@test "/_mkv/ is never a key" {
    local u path
    blobs v1 >"$T/before"
    blobs v2 >>"$T/before"
    for u in $WAYS; do
        for path in /_mkv/ /_mkv/health /_mkv/key /_mkv/sync /%5fmkv/key /_mkv%2fkey; do
            want '4..' PUT "$u$path" --data-binary value
            want '4..' DELETE "$u$path"
        done
        want 404 GET "$u/_mkv/key"
        want 404 GET "$u/_mkv/"
    done
    blobs v1 >"$T/after"
    blobs v2 >>"$T/after"
    cmp "$T/before" "$T/after"
}

@test "Content-MD5 is checked" {
    local u good bad
    good=$(printf value | openssl md5 -binary | base64)
    bad=$(printf other | openssl md5 -binary | base64)
    for u in $WAYS; do
        want 400 PUT "$u/$K/bad/${u##*:}" --data-binary value -H "Content-MD5: $bad"
        want 404 GET "$u/$K/bad/${u##*:}"
        want 400 PUT "$u/$K/bad/${u##*:}" -H "Content-MD5: $bad" -T - < <(printf value)
        want 404 GET "$u/$K/bad/${u##*:}"
        lacks v1 "/$K/bad/${u##*:}"
        lacks v2 "/$K/bad/${u##*:}"
        put "$u/$K/bad/${u##*:}" value -H "Content-MD5: $good"
        got "$u/$K/bad/${u##*:}" value
        for bad in nonsense "${good%==}" "$good$good" "$(printf value | md5_of)" '' '===='; do
            want 400 PUT "$u/$K/malformed" --data-binary value -H "Content-MD5${bad:+: $bad}${bad:-;}"
            want 404 GET "$u/$K/malformed"
        done
        bad=$(printf other | openssl md5 -binary | base64)
    done
}

@test "the volume is the one that rendezvous hashing gives" {
    local n key v score best name
    for n in 1 2 3 4 5 6 7 8 9 10 11 12; do
        key=/$K/hashed-$n
        put "$(url i)$key" "$n"
        want 302 GET "$(url i)$key"
        best='' name=''
        for v in v1 v2; do
            score=$(printf %s "$key$(at "$v")" | md5_of)
            if [[ $score > $best ]]; then
                best=$score name=$v
            fi
        done
        same "$(at "$name")" "$(header Key-Volumes)" "volume of $key"
    done
}

@test "a query is not part of the key" {
    put "$(url i)/$K/q" value
    want 302 GET "$(url i)/$K/q?some=query"
    want 302 GET "$(url i-direct)/$K/q?some=query"
}

@test "malformed requests are 400" {
    local p line
    for p in i i-direct; do
        for line in 'GET' 'GET x HTTP/1.1' 'GET /x HTTP/9.9' 'G@T /x HTTP/1.1' $'\x16\x03\x01\x02'; do
            ask "$(port "$p")" < <(printf '%s\r\nHost: x\r\n\r\n' "$line")
            # 405 and 505 will do as well; silence and a redirect will not.
            [[ $STATUS == 40[05] || $STATUS == 505 ]] || fail "'$line' to $p: $STATUS"
        done
        for line in $'Content-Length: 3\r\nTransfer-Encoding: chunked' 'Content-Length: -3' 'Content-Length: 3x' \
            $'Content-Length: 3\r\nContent-Length: 4' 'Transfer-Encoding: chunked' 'Content-Length: 99999999999999999999' \
            'No colon'; do
            ask "$(port "$p")" < <(printf 'PUT /%s/bad HTTP/1.1\r\nHost: x\r\n%s\r\n\r\nzz\r\nabc\r\n0\r\n\r\n' "$K" "$line")
            [[ $STATUS == 400 ]] || [[ $line$STATUS == 'No colon411' ]] || fail "'$line' to $p: $STATUS"
        done
        want 404 GET "$(url i)/$K/bad"
    done
}

@test "a connection that is refused ends for its client at once" {
    local p start
    for p in i i-direct; do
        start=$(now_ms)
        printf 'G@T /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' | talk "$(port "$p")" >"$T/reply"
        (($(now_ms) - start < 3000 * SLOW)) || fail "$p: it took $(($(now_ms) - start)) ms"
    done
}

@test "a header block that is too large is refused" {
    local value
    printf -v value '%0100000d' 7
    want 431 GET "$(url i-direct)/x" -H "X-Large: $value"
    want '400|431' GET "$(url i)/x" -H "X-Large: $value"
    want 404 GET "$(url i-direct)/$K/none"
}

@test "requests written at once are answered in order" {
    local p
    put "$(url i)/$K" value
    for p in i i-direct; do
        printf 'GET /%s HTTP/1.1\r\nHost: x\r\n\r\nGET /none-%s HTTP/1.1\r\nHost: x\r\n\r\nHEAD /%s HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' \
            "$K" "$K" "$K" | talk "$(port "$p")" >"$T/replies"
        same '302 404 302 400' "$(statuses)"
    done
}

@test "changes of one key written at once on one connection come one after the other" {
    printf 'PUT /%s HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\naDELETE /%s HTTP/1.1\r\nHost: x\r\n\r\nPUT /%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\nb' \
        "$K" "$K" "$K" | talk "$(port i-direct)" >"$T/replies"
    same '201 204 201' "$(statuses)"
    got "$(url i)/$K" b
}

@test "PUTs with bodies written at once on one connection are each stored" {
    local p
    for p in i i-direct; do
        printf 'PUT /%s/a-%s HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\noneGET /%s/a-%s HTTP/1.1\r\nHost: x\r\n\r\nPUT /%s/b-%s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\nDELETE /%s/a-%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' \
            "$K" "$p" "$K" "$p" "$K" "$p" "$K" "$p" | talk "$(port "$p")" >"$T/replies"
        same '201 302 201 204' "$(statuses)"
        got "$(url i)/$K/b-$p" two
    done
}

@test "a connection is kept alive, and closed when the client says so" {
    local n
    exec 7<>"/dev/tcp/127.0.0.1/$(port i-direct)"
    for n in 1 2 3; do
        printf 'GET /%s/none HTTP/1.1\r\nHost: x\r\n\r\n' "$K" >&7
        answer 7
        same 404 "$STATUS"
    done
    printf 'GET /%s/none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' "$K" >&7
    answer 7
    same 404 "$STATUS"
    same '' "$(timeout $((5 * SLOW)) cat <&7)"
    exec 7>&-
    # HTTP/1.0 has no keep-alive unless asked for.
    printf 'GET /%s/none HTTP/1.0\r\n\r\n' "$K" | talk "$(port i-direct)" | head -n 1 | grep -q ' 404 '
    printf 'GET /%s/none HTTP/1.0\r\n\r\n' "$K" | talk "$(port i)" | head -n 1 | grep -q ' 404 '
}

@test "a request that comes byte by byte is answered" {
    local text='GET /none HTTP/1.1|Host: x||' n
    exec 7<>"/dev/tcp/127.0.0.1/$(port i-direct)"
    for ((n = 0; n < ${#text}; n++)); do
        if [[ ${text:n:1} == '|' ]]; then
            printf '\r\n' >&7
        else
            printf %s "${text:n:1}" >&7
        fi
    done
    answer 7
    same 404 "$STATUS"
    exec 7>&-
}

@test "it answers while hundreds of connections are open and silent" {
    local n fd fds=()
    for ((n = 0; n < 200; n++)); do
        exec {fd}<>"/dev/tcp/127.0.0.1/$(port i-direct)"
        fds+=("$fd")
    done
    want 404 GET "$(url i-direct)/$K/none"
    for fd in "${fds[@]}"; do
        exec {fd}>&-
    done
}
