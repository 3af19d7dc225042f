#!/usr/bin/env bats
# The native API with --keys: who may do what, by each kind of credentials, and what nobody else learns.

load ../support/lib

before_all() {
    keys_are 'reader secret-of-reader r:docs r:/one
writer secret-of-writer w:docs w:/one
other secret-of-other rw:elsewhere
- - r:docs/public/'
    cluster i v --keys "$F/keys"
}

before_each() {
    K=$BATS_TEST_NUMBER # keys of different tests must not meet
}

keys_are() { # LINES
    printf 'admin secret-of-admin rwc:*\n%s\n' "$1" >"$RUN/keys"
    chmod 600 "$RUN/keys"
    give_to_mkv "$RUN/keys"
}

# --- Credentials: each makes the request that follows ----------------------------------------------

by_signature() { # ACCESS:SECRET COMMAND...
    local user=$1
    shift
    "$@" --aws-sigv4 aws:amz:us-east-1:mkv --user "$user" -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD'
}

by_basic() { # ACCESS:SECRET COMMAND...
    local user=$1
    shift
    "$@" --user "$user"
}

by_bearer() { # ACCESS:SECRET COMMAND...
    local user=$1
    shift
    "$@" -H "Authorization: Bearer $user"
}

admin() { # COMMAND...
    by_basic admin:secret-of-admin "$@"
}

# As got, with options.
gets() { # VALUE URL [CURL-OPTIONS...]
    local value=$1
    shift
    want 200 GET "$@" -L
    same "$value" "$(cat "$T/body")"
}

# Prints a URL that is signed in its query, for so many seconds from a moment on.
presigned() { # ACCESS:SECRET METHOD URL [SECONDS [MOMENT]]
    python3 - "$@" <<'EOF'
import hashlib, hmac, sys, time
from urllib.parse import quote, urlsplit
access, secret = sys.argv[1].split(':')
method, url = sys.argv[2:4]
seconds = sys.argv[4] if len(sys.argv) > 4 else '60'
moment = time.gmtime(int(sys.argv[5]) if len(sys.argv) > 5 else None)
when = time.strftime('%Y%m%dT%H%M%SZ', moment)
parts = urlsplit(url)
scope = when[:8] + '/us-east-1/mkv/aws4_request'
query = [(n, '') for n in parts.query.split('&') if n] + [
    ('X-Amz-Algorithm', 'AWS4-HMAC-SHA256'), ('X-Amz-Credential', access + '/' + scope), ('X-Amz-Date', when),
    ('X-Amz-Expires', seconds), ('X-Amz-SignedHeaders', 'host')]
text = '&'.join(quote(n, '') + '=' + quote(v, '') for n, v in sorted(query))
canonical = '\n'.join([method, parts.path, text, 'host:' + parts.netloc, '', 'host', 'UNSIGNED-PAYLOAD'])
key = ('AWS4' + secret).encode()
for word in scope.split('/'):
    key = hmac.new(key, word.encode(), hashlib.sha256).digest()
text += '&X-Amz-Signature=' + hmac.new(key, '\n'.join(['AWS4-HMAC-SHA256', when, scope, hashlib.sha256(
    canonical.encode()).hexdigest()]).encode(), hashlib.sha256).hexdigest()
print(parts.scheme + '://' + parts.netloc + parts.path + '?' + text)
EOF
}

# --- Who may what ----------------------------------------------------------------------------------

@test "each method is allowed by its right, whatever the credentials and the door" {
    local how door url
    for how in by_signature by_basic by_bearer; do
        for door in i i-direct; do
            url=$(url $door)/docs/$K-$how-$door
            $how writer:secret-of-writer want 201 PUT "$url" --data-binary value
            $how reader:secret-of-reader want 302 GET "$url"
            $how reader:secret-of-reader want 302 HEAD "$url"
            $how reader:secret-of-reader want 200 GET "$url?list="
            $how reader:secret-of-reader want 200 GET "$url?unlinked="
            $how writer:secret-of-writer want 403 GET "$url"
            $how writer:secret-of-writer want 403 HEAD "$url"
            $how writer:secret-of-writer want 403 GET "$url?list="
            $how reader:secret-of-reader want 403 PUT "$url" --data-binary other
            $how reader:secret-of-reader want 403 DELETE "$url"
            $how reader:secret-of-reader want 403 UNLINK "$url"
            $how reader:secret-of-reader want 403 REBALANCE "$url"
            $how writer:secret-of-writer want 409 PUT "$url" --data-binary other
            $how writer:secret-of-writer want 204 REBALANCE "$url"
            $how writer:secret-of-writer want 204 UNLINK "$url"
            $how writer:secret-of-writer want 204 DELETE "$url"
            $how reader:secret-of-reader want 404 GET "$url"
        done
    done
}

@test "grants are of prefixes, of the native API's keys and of S3's alike" {
    local url
    url=$(url i)
    admin put "$url/one" 1
    admin put "$url/one-more" 2
    admin put "$url/docsy/a" 3
    by_basic reader:secret-of-reader gets 1 "$url/one"
    by_basic reader:secret-of-reader gets 2 "$url/one-more"
    by_basic reader:secret-of-reader want 403 GET "$url/on"
    by_basic reader:secret-of-reader want 403 GET "$url/docsy/a"
    by_basic reader:secret-of-reader want 403 GET "$url/docs"
    by_basic reader:secret-of-reader want 403 GET "$url/%64ocs%79/a"
    by_basic reader:secret-of-reader want 404 GET "$url/%64ocs/%61"
    # A listing needs the right to all that it may list.
    by_basic reader:secret-of-reader want 403 GET "$url/?list"
    by_basic reader:secret-of-reader want 403 GET "$url/docs?list"
    by_basic reader:secret-of-reader want 403 GET "$url/o?list&start=/one"
    by_basic reader:secret-of-reader want 200 GET "$url/docs/?list&start=/a"
    refute grep -q docsy "$T/body"
    by_basic reader:secret-of-reader want 200 GET "$url/one?list"
    same '{"keys":["/one","/one-more"],"next":""}' "$(cat "$T/body")"
    admin want 200 GET "$url/?list"
}

@test "nobody in particular has the anonymous grants, which a browser follows" {
    local door
    admin put "$(url i)/docs/public/$K" hello
    for door in i i-direct; do
        got "$(url $door)/docs/public/$K" hello
        want 200 GET "$(url $door)/docs/public/?list"
        want 404 GET "$(url $door)/docs/public/none-$K"
        want 200 GET "$(url $door)/_mkv/health"
        want 404 GET "$(url $door)/_mkv/other"
        want 401 PUT "$(url $door)/docs/public/$K" --data-binary x
        grep -q '^WWW-Authenticate: Basic realm="mkv", charset="UTF-8"' "$T/head"
        grep -q '^WWW-Authenticate: Bearer' "$T/head"
        grep -q '^WWW-Authenticate: AWS4-HMAC-SHA256' "$T/head"
        want 401 GET "$(url $door)/docs/private"
        want 401 GET "$(url $door)/?list"
        want 405 POST "$(url $door)/docs/private"
    done
}

# --- Who isn't who they say ------------------------------------------------------------------------

@test "wrong credentials are refused, also where nobody needs any" {
    local how url
    url=$(url i)/docs/public/$K
    admin put "$url" hello
    for how in by_signature by_basic by_bearer; do
        $how reader:secret-of-writer want 401 GET "$url"
        header WWW-Authenticate >/dev/null
        $how nobody:secret-of-reader want 401 GET "$url"
        $how reader:secret-of-writer want 401 PUT "$url-new" --data-binary x
    done
    by_signature reader:secret-of-reader want 401 GET "$url" -H 'x-amz-date: 20130524T000000Z'
    want 401 GET "$url" -H 'Authorization: Digest username=reader'
    want 400 GET "$url" -H 'Authorization: Basic reader:secret-of-reader'
    want 400 GET "$url" -H 'Authorization: Bearer reader'
    want 400 GET "$url" -H 'Authorization: AWS4-HMAC-SHA256 Credential=reader/20130524/x/mkv/aws4_request'
    want 400 GET "$url?X-Amz-Credential=reader%2F20130524%2Fx%2Fmkv%2Faws4_request"
    # A signature is for one API.
    want 403 GET "$url" --aws-sigv4 aws:amz:us-east-1:s3 --user reader:secret-of-writer
    grep -q '<Code>SignatureDoesNotMatch' "$T/body"
    admin want 404 GET "$url-new"
    refute logged i secret-of
}

@test "two kinds of credentials in one request are one too many" {
    local url
    command -v python3 >/dev/null || skip 'needs python3'
    url=$(url i-direct)/docs/$K
    admin put "$url" x
    admin want 400 GET "$(presigned reader:secret-of-reader GET "$url")"
    want 400 GET "$url" -H 'Authorization: Bearer reader:secret-of-reader' -H 'Authorization: Bearer reader:secret-of-reader'
}

# Prints the last answer, but for what each request has of its own.
answer_as_told() {
    sed '/^Date:/d; /^X-Request-Id:/d' "$T/head"
    cat "$T/body"
}

@test "who may not learns nothing: a key that is there and one that isn't get the same answer" {
    local who method door there
    admin put "$(url i)/docs/there-$K" value
    admin put "$(url i)/docs/gone-$K" value
    admin want 204 UNLINK "$(url i)/docs/gone-$K"
    for who in '' other:secret-of-other reader:wrong; do
        for door in i i-direct; do
            for method in GET PUT DELETE; do
                there=''
                for key in there gone none0; do
                    http "$method" "$(url $door)/docs/$key-$K" ${who:+-H "Authorization: Bearer $who"} \
                        -H 'If-Match: "x"' -H 'Content-MD5: x'
                    [[ $STATUS == 40[13] ]] || fail "$method by '$who': $STATUS" || return 1
                    : "${there:=$(answer_as_told)}"
                    same "$there" "$(answer_as_told)" "$method of $key by '$who'"
                done
            done
            http GET "$(url $door)/docs/there-$K?list" ${who:+-H "Authorization: Bearer $who"}
            there=$(answer_as_told)
            http GET "$(url $door)/docs/nonee-$K?list" ${who:+-H "Authorization: Bearer $who"}
            same "$there" "$(answer_as_told)" "a listing by '$who'"
        done
    done
}

# --- Signatures ------------------------------------------------------------------------------------

@test "a presigned URL lets its holder do one thing for its time, and follows to the volume" {
    local door url signed now
    command -v python3 >/dev/null || skip 'needs python3'
    now=$(date +%s)
    for door in i i-direct; do
        url=$(url $door)/docs/$K-$door
        want 201 PUT "$(presigned writer:secret-of-writer PUT "$url")" --data-binary hello
        signed=$(presigned reader:secret-of-reader GET "$url")
        got "$signed" hello
        want 302 GET "$signed"
        refute grep -qi 'amz' "$T/head"
    done
    want 401 DELETE "$signed"
    want 401 GET "${signed/"$url"/"$url-other"}"
    want 401 GET "$signed&list"
    want 200 GET "$(presigned reader:secret-of-reader GET "$url?list")"
    want 403 GET "$(presigned reader:secret-of-reader GET "$url" 60 $((now - 100)))"
    grep -q expired "$T/body"
    refute header WWW-Authenticate
    want 403 GET "$(presigned reader:secret-of-reader GET "$url" 60 $((now + 10000)))"
    want 403 GET "$(presigned writer:secret-of-writer GET "$url")"
    want 400 DELETE "$url?versionId=1" --user writer:secret-of-writer
}

@test "a body that isn't the one that was signed is never a value" {
    local door url hash
    hash=$(printf hello | sha256sum | cut -c1-64)
    signed() {
        "$@" --aws-sigv4 aws:amz:us-east-1:mkv --user writer:secret-of-writer
    }
    for door in i i-direct; do
        url=$(url $door)/docs/$K-$door
        signed want 400 PUT "$url" --data-binary hellp -H "x-amz-content-sha256: $hash"
        signed want 400 PUT "$url" --data-binary hello, -H "x-amz-content-sha256: $hash"
        signed want '40[01]' PUT "$url" --data-binary hello
        grep -q 'x-amz-content-sha256' "$T/body"
        printf hello >"$T/hello"
        signed want '40[01]' PUT "$url" -T "$T/hello"
        grep -q 'x-amz-content-sha256' "$T/body"
        signed want 501 PUT "$url" --data-binary hello -H 'x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER' \
            -H 'x-amz-decoded-content-length: 5'
        signed want '40[01]' PUT "$url" --data-binary hello -H 'x-amz-content-sha256: nonsense'
        admin want 404 GET "$url"
        signed want 201 PUT "$url" --data-binary hello -H "x-amz-content-sha256: $hash"
        admin gets hello "$url"
        admin want 204 DELETE "$url"
    done
    within 10 has_orphans i 0
}

# --- Where from ------------------------------------------------------------------------------------

# Sets HOST to an address of this machine that isn't loopback; j and j-direct are there.
own_address() {
    HOST=$(hostname -I 2>/dev/null | tr ' ' '\n' | grep -E '^[0-9.]+$' | head -n 1) || true
    [[ -n $HOST ]] || skip 'needs an address of its own'
    at() {
        find_port "$1"
        if [[ $1 == j* ]]; then
            echo "$HOST:$PORT"
        else
            echo "127.0.0.1:$PORT"
        fi
    }
}

@test "a secret isn't taken where others can read it" {
    local HOST door how
    own_address
    keys_are '- - r:public'
    index j v --keys "$T/keys"
    for door in j j-direct; do
        for how in by_basic by_bearer; do
            $how admin:secret-of-admin want 403 GET "$(url $door)/docs/a"
            grep -q TLS "$T/body"
            $how admin:wrong want 403 GET "$(url $door)/docs/a"
            $how admin:secret-of-admin want 403 PUT "$(url $door)/docs/a" --data-binary x
        done
        want 401 GET "$(url $door)/docs/a"
        same AWS4-HMAC-SHA256 "$(header WWW-Authenticate)"
        refute grep -q '^WWW-Authenticate: B' "$T/head"
        want 404 GET "$(url $door)/public/a"
        by_signature admin:secret-of-admin want 404 GET "$(url $door)/docs/a"
    done
    # A client of the front can't say where it is.
    by_basic admin:secret-of-admin want 403 GET "$(url j)/docs/a" -H 'Mkv-Client: 127.0.0.1' -H 'Mkv-Tls: on'
}

@test "over TLS a secret is taken from anywhere" {
    local HOST how
    own_address
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=mkv \
        -addext "subjectAltName=IP:$HOST" -keyout "$T/key" -out "$T/cert" 2>/dev/null
    give_to_mkv "$T/key"
    keys_are '- - r:public'
    mkv_start j index "$(at v)" --port "$(at j)" --direct "$(at j-direct)" --index "$T/data/j" --keys "$T/keys" \
        --tls-cert "$T/cert" --tls-key "$T/key"
    within 10 logged j 'index ready'
    for how in by_basic by_bearer by_signature; do
        $how admin:secret-of-admin want 404 GET "https://$(at j)/docs/a" --cacert "$T/cert"
        $how admin:wrong want 401 GET "https://$(at j)/docs/a" --cacert "$T/cert"
    done
    grep -qi '^WWW-Authenticate: Basic' "$T/head"
    by_signature admin:secret-of-admin want 201 PUT "https://$(at j)/docs/$K" --cacert "$T/cert" --data-binary hello
    by_basic admin:secret-of-admin gets hello "https://$(at j)/docs/$K" --cacert "$T/cert"
    by_basic admin:secret-of-admin want 403 GET "$(url j-direct)/docs/a"
}

@test "a secret isn't taken from a front that doesn't say where its client is" {
    grep -v 'Mkv-Client' "$BATS_TEST_DIRNAME/../../templates/index.conf.in" >"$T/own.conf"
    keys_are '- - r:public'
    index j v --keys "$T/keys" --template "$T/own.conf"
    admin want 403 GET "$(url j)/docs/a"
    admin want 404 GET "$(url j-direct)/docs/a"
}

# --- Beside that -----------------------------------------------------------------------------------

@test "HUP rereads the keys while requests run" {
    local n
    keys_are 'key0 secret-of-0 r:docs
- - w:docs/hup-'
    index j v --keys "$T/keys"
    for n in 1 2 3 4; do
        keys_are "key$n secret-of-$n r:docs
- - w:docs/hup-"
        signal j HUP
        replay "$(url j)" >"$T/replies" \
            < <(for m in {1..30}; do echo "PUT /docs/hup-$n-$m"; done)
        same 30 "$(grep -c '^201 ' "$T/replies")" 'PUTs during a reload'
        within 5 asked 404 "key$n:secret-of-$n" || return 1
        asked 401 "key$((n - 1)):secret-of-$((n - 1))"
    done
}

asked() { # STATUS ACCESS:SECRET
    http GET "$(url j)/docs/none" --user "$2"
    [[ $STATUS == "$1" ]]
}

@test "with --reads proxy a read by credentials fails over to another replica, and no volume gets them" {
    local how n
    sed 's|^ *server {|&\nset $leak "$http_authorization$http_cookie$http_x_amz_date"; if ($leak) { return 444; }|' \
        "$BATS_TEST_DIRNAME/../../templates/volume.conf.in" >"$T/strict.conf"
    volume w --template "$T/strict.conf"
    want 000 GET "$(url w)/" -H 'Cookie: a=b'
    keys_are 'reader secret-of-reader r:docs'
    index j 'v w' --keys "$T/keys" --reads proxy --replicas 2
    admin put "$(url j)/docs/two" value
    rm "$(file_of v /docs/two)"
    for how in by_signature by_basic by_bearer; do
        for n in 1 2 3; do # one of two begins at the volume that lacks it
            $how reader:secret-of-reader want 200 GET "$(url j)/docs/two" -H 'X-Other: signed, too' -H 'Cookie: a=b'
            same value "$(cat "$T/body")"
            $how reader:secret-of-writer want 401 GET "$(url j)/docs/two"
        done
    done
    if command -v python3 >/dev/null; then
        for n in 1 2 3; do
            want 200 GET "$(presigned reader:secret-of-reader GET "$(url j)/docs/two")"
        done
    fi
}
