#!/usr/bin/env bats
# What a request asks for besides its method: preconditions hold at what it does, and a write that
# asks for something that mkv can't do is refused. Whatever is refused is not done.

load ../support/lib

before_all() {
    cluster i v
    index proxy v --reads proxy
    index plain v --no-md5
}

before_each() {
    WAYS="$(url i) $(url i-direct)"
    K=$BATS_TEST_NUMBER # keys of different tests must not meet
    OLD='Sun, 06 Nov 1994 08:49:37 GMT'
    FUTURE='Wed, 01 Jan 2098 00:00:00 GMT'
}

etag_of() { # VALUE: the index's
    echo "\"$(printf %s "$1" | md5_of)\""
}

# The request is answered so, with one line that says why.
refuses() { # STATUS METHOD URL [CURL-OPTIONS...]
    want "$@"
    same 1 "$(wc -l <"$T/body")" "lines of text with the $1 of: $*"
}

# No write with these options is done, to a key that is there or to one that isn't.
refuses_writes() { # STATUS URL QUERY CURL-OPTIONS...
    local status=$1 u=$2/$K query=$3 method
    shift 3
    for method in DELETE UNLINK REBALANCE PUT; do
        refuses "$status" "$method" "$u$query" --data-binary other "$@"
    done
    got "$u" value
    refuses "$status" PUT "$u/none$query" --data-binary other "$@"
    want 404 GET "$u/none"
}

# --- What can't be done -----------------------------------------------------------------------------

@test "a PUT of a part of a value is 400" {
    local u
    printf 0123456789 >"$T/file"
    put "$(url i)/$K" value
    for u in $WAYS; do
        refuses 400 PUT "$u/$K/part" -C 4 -T "$T/file"
        want 404 GET "$u/$K/part"
        refuses_writes 400 "$u" '' -H 'Content-Range: bytes 0-4/9'
    done
}

@test "a write with a query is 400, but for an empty one" {
    local u query
    put "$(url i)/$K" value
    for u in $WAYS; do
        for query in '?tagging' '?versionId=' '?partNumber=1&uploadId=z' '?list'; do
            refuses_writes 400 "$u" "$query"
        done
        want 302 GET "$u/$K?versionId="
        put "$u/$K/${u##*:}?" value
        got "$u/$K/${u##*:}" value
        want 204 REBALANCE "$u/$K/${u##*:}?"
        want 204 UNLINK "$u/$K/${u##*:}?"
        want 204 DELETE "$u/$K/${u##*:}?"
    done
}

@test "a write that asks for another coding, method, source or state is refused" {
    local u coding
    put "$(url i)/$K" value
    for u in $WAYS; do
        for coding in gzip 'identity, gzip' aws-chunked; do
            refuses 415 PUT "$u/$K/none" --data-binary other -H "Content-Encoding: $coding"
        done
        refuses 415 PUT "$u/$K" --data-binary other -H 'Content-Encoding: gzip'
        same identity "$(header Accept-Encoding)"
        refuses_writes 415 "$u" '' -H 'Content-Encoding: identity' -H 'Content-Encoding: br'
        refuses_writes 400 "$u" '' -H 'X-HTTP-Method-Override: PATCH'
        refuses_writes 400 "$u" '' -H 'If: (["other"])'
        want 501 PUT "$u/$K/none" -H 'Transfer-Encoding: gzip, chunked' -T - < <(printf value)
        want 404 GET "$u/$K/none"
        put "$u/$K/${u##*:}" value -H 'Content-Encoding: Identity' -H 'Range: bytes=0-0'
        got "$u/$K/${u##*:}" value
        want 204 DELETE "$u/$K/${u##*:}" -H 'Content-Encoding;' -H 'Range: bytes=0-0'
    done
    # The front itself answers what is to be expected.
    refuses_writes 417 "$(url i-direct)" '' -H 'Expect: 200-ok'
}

@test "two headers Content-MD5 are 400" {
    local u good bad
    good=$(printf value | openssl md5 -binary | base64)
    bad=$(printf other | openssl md5 -binary | base64)
    for u in $WAYS; do
        refuses 400 PUT "$u/$K" --data-binary value -H "Content-MD5: $good" -H "Content-MD5: $bad"
        want 404 GET "$u/$K"
    done
}

@test "a 1 GiB upload that is refused for its head gets its answer long before its end" {
    local u sent option
    truncate -s 1G "$T/sparse"
    for u in $WAYS; do
        for option in 'Content-Range: bytes 0-4/9' 'If-Match: *' 'Content-Encoding: gzip'; do
            curl -q -sS --noproxy '*' -m $((30 * SLOW)) -H "$option" -H Expect: -T "$T/sparse" "$u/$K" -o /dev/null \
                -w '%{http_code} %{size_upload}' >"$T/code" 2>"$T/errors" || true
            read -r STATUS sent <"$T/code" || true
            [[ $STATUS =~ ^4(00|12|15)$ ]] || fail "got $STATUS ($option, $u): $(cat "$T/errors")"
            ((sent < 64 << 20)) || fail "$sent bytes were sent ($option, $u)"
        done
        want 404 GET "$u/$K"
    done
}

# --- Preconditions of writes --------------------------------------------------------------------------

# No write with these options is done to the key, which has this value. (Without a body, PUT is 411.)
fails_each() { # URL CURL-OPTIONS...
    local u=$1 method
    shift
    for method in DELETE UNLINK REBALANCE PUT; do
        refuses 412 "$method" "$u" --data-binary other "$@"
    done
    got "$u" value
}

@test "a write whose preconditions don't hold is 412" {
    local u good
    good=$(etag_of value)
    put "$(url i)/$K" value
    for u in $WAYS; do
        fails_each "$u/$K" -H "If-Match: $(etag_of other)"
        fails_each "$u/$K" -H "If-None-Match: \"other\", W/$good"
        fails_each "$u/$K" -H "If-Unmodified-Since: $OLD"
        refuses_writes 400 "$u" '' -H "If-None-Match: ${good//\"/}"
    done
    fails_each "$u/$K" -H "If-Match: W/$good"
    fails_each "$u/$K" -H 'If-Match: "6a6e9f01-5"'
    fails_each "$u/$K" -H 'If-None-Match: *'
    fails_each "$u/$K" -H "If-Match: $good" -H "If-None-Match: $good"
}

@test "two lines of a precondition are one list" {
    local key good
    key=$(url i-direct)/$K # (the front refuses two)
    good=$(etag_of value)
    put "$key" value
    fails_each "$key" -H "If-Match: $(etag_of other)" -H 'If-Match: "more"'
    fails_each "$key" -H 'If-None-Match: "other"' -H "If-None-Match: $good"
    refuses_writes 400 "$(url i-direct)" '' -H 'If-None-Match: *' -H 'If-None-Match: "other"'
    want 304 GET "$key" -H 'If-None-Match: "other"' -H "If-None-Match: $good"
    want 204 DELETE "$key" -H 'If-Match: "other"' -H "If-Match: $good"
}

@test "a write whose preconditions hold is done" {
    local u key good
    good=$(etag_of value)
    for u in $WAYS; do
        key=$u/$K/${u##*:}
        put "$key" value -H 'If-None-Match: *'
        want 204 REBALANCE "$key" -H "If-Match: $good"
        want 204 DELETE "$key" -H "If-Match: \"other\", $good"
        put "$key" value -H 'If-None-Match: "other"' -H "If-Unmodified-Since: $OLD"
        want 204 DELETE "$key" -H "If-Match: $good"
        put "$key" value -H 'If-Unmodified-Since: yesterday' -H "If-Modified-Since: $FUTURE"
        want 204 UNLINK "$key" -H "If-Unmodified-Since: $FUTURE" -H "If-Modified-Since: $FUTURE"
        want 204 DELETE "$key" -H 'If-Match: *' -H "If-Unmodified-Since: $OLD"
    done
}

@test "If-Unmodified-Since means the second of the volume's Last-Modified" {
    local modified
    put "$(url i)/$K" value
    want 200 HEAD "$(url i)/$K" -L
    modified=$(header Last-Modified)
    refuses 412 DELETE "$(url i)/$K" -H "If-Unmodified-Since: $(TZ=GMT date -d "$modified - 1 second" '+%a, %d %b %Y %T GMT')"
    want 204 DELETE "$(url i)/$K" -H "If-Unmodified-Since: $modified"
}

@test "a PUT of a key that exists is 409 when its preconditions hold, and of a missing one 412 when they don't" {
    local u
    put "$(url i)/$K" value
    for u in $WAYS; do
        refuses 409 PUT "$u/$K" --data-binary other -H "If-Match: $(etag_of value)"
        refuses 409 PUT "$u/$K" --data-binary other -H 'If-Match: *'
        refuses 409 PUT "$u/$K" --data-binary other -H 'If-None-Match: "other"'
        refuses 412 PUT "$u/$K/none" --data-binary other -H 'If-Match: *'
        refuses 412 PUT "$u/$K/none" --data-binary other -H "If-Match: $(etag_of other)"
        got "$u/$K" value
        want 404 GET "$u/$K/none"
    done
}

@test "an unlinked key is missing for PUT and UNLINK, and there for DELETE" {
    local u key
    for u in $WAYS; do
        key=$u/$K/${u##*:}
        put "$key" value
        want 204 UNLINK "$key"
        refuses 412 PUT "$key" --data-binary other -H 'If-Match: *'
        want 404 UNLINK "$key" -H 'If-Match: *'
        refuses 412 DELETE "$key" -H "If-Match: $(etag_of other)"
        put "$key" new -H 'If-None-Match: *'
        want 204 UNLINK "$key"
        want 204 DELETE "$key" -H "If-Match: $(etag_of new)"
        want 404 DELETE "$key" -H 'If-Match: *'
    done
}

@test "a key that is being written is not there for a precondition, and of two PUTs the second is refused" {
    put_half i-direct "/$K"
    refuses 412 PUT "$(url i)/$K" --data-binary other -H 'If-Match: *'
    want 404 DELETE "$(url i)/$K" -H 'If-Match: *'
    put "$(url i)/$K" other -H 'If-None-Match: *'
    put_rest
    same 409 "$STATUS"
    refuses 412 PUT "$(url i)/$K" --data-binary third -H 'If-None-Match: *'
    got "$(url i)/$K" other
    # The other way round.
    want 204 DELETE "$(url i)/$K"
    put_half i-direct "/$K"
    put_rest
    same 201 "$STATUS"
    refuses 412 PUT "$(url i)/$K" --data-binary other -H 'If-None-Match: *'
    got "$(url i)/$K" "$(cat "$T/value")"
}

# --- Preconditions of reads -----------------------------------------------------------------------------

@test "a GET of what the client has is 304, with the index's ETag and nothing else" {
    local u method good
    good=$(etag_of value)
    for u in $WAYS "$(url proxy)"; do
        put "$u/$K/${u##*:}" value
        for method in GET HEAD; do
            want 304 "$method" "$u/$K/${u##*:}" -H "If-None-Match: $good"
            same "$good" "$(header ETag)"
            refute header Content-Length
            refute header Location
            [[ ! -s $T/body ]]
            want 304 "$method" "$u/$K/${u##*:}" -H "If-None-Match: \"other\", W/$good"
            want 304 "$method" "$u/$K/${u##*:}" -H 'If-None-Match: *'
            want 404 "$method" "$u/$K/none" -H 'If-None-Match: *'
            want 404 "$method" "$u/$K/none" -H 'If-Match: *'
        done
        want '200|302' GET "$u/$K/${u##*:}" -H 'If-None-Match: "other"'
        want '200|302' GET "$u/$K/${u##*:}" -H "If-None-Match: ${good//\"/}"
    done
}

@test "a connection serves on after a 304" {
    put "$(url i)/$K" value
    printf 'GET /%s HTTP/1.1\r\nHost: x\r\nIf-None-Match: *\r\n\r\nGET /%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' \
        "$K" "$K" | talk "$(port i-direct)" >"$T/replies"
    same '304 302' "$(grep -a '^HTTP/1.1 ' "$T/replies" | cut -d' ' -f2 | paste -sd' ')"
}

@test "a GET of another value than the client wants is 412" {
    local u method good
    good=$(etag_of value)
    for u in $WAYS "$(url proxy)"; do
        put "$u/$K/${u##*:}" value
        for method in GET HEAD; do
            want 412 "$method" "$u/$K/${u##*:}" -H 'If-Match: "other"'
            want 412 "$method" "$u/$K/${u##*:}" -H "If-Match: W/$good"
        done
        refuses 412 GET "$u/$K/${u##*:}" -H "If-Match: $(etag_of other)"
    done
    for u in $WAYS; do
        want 302 GET "$u/$K/${u##*:}" -H "If-Match: $good"
        want 302 GET "$u/$K/${u##*:}" -H 'If-Match: *'
    done
}

@test "the volume judges its own ETag, and dates" {
    local u tag modified
    put "$(url i)/$K" value
    put "$(url proxy)/$K/proxy" value
    for u in "$(url i)/$K" "$(url i-direct)/$K" "$(url proxy)/$K/proxy"; do
        want 200 GET "$u" -L
        tag=$(header ETag) modified=$(header Last-Modified)
        want 200 GET "$u" -L -H "If-Match: $tag"
        want 412 GET "$u" -L -H 'If-Match: "1-2"'
        want 304 GET "$u" -L -H "If-None-Match: $tag"
        want 304 GET "$u" -L -H "If-Modified-Since: $modified"
        want 412 GET "$u" -L -H "If-Unmodified-Since: $OLD"
    done
}

@test "without MD5s the ETag that a GET shows counts" {
    local u tag
    u=$(url plain)/$K
    put "$u" value
    want 302 GET "$u"
    tag=$(header ETag)
    want 304 GET "$u" -H "If-None-Match: $tag"
    want 302 GET "$u" -H "If-Match: $tag"
    fails_each "$u" -H 'If-Match: "1-2"'
    fails_each "$u" -H "If-Match: $(etag_of value)"
    fails_each "$u" -H "If-None-Match: $tag"
    fails_each "$u" -H 'If-None-Match: *'
    want 204 UNLINK "$u" -H "If-Match: $tag"
}
