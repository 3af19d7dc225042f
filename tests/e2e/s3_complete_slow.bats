#!/usr/bin/env bats
# A Complete, and parts, that take long at a volume which is asked late.

load ../support/lib
load ../support/s3
load ../support/s3_multipart

before_each() {
    B=bucket
    volume v1
    link slow v1 0 "$T/hold"
    index i slow --s3 "$(at i-s3)"
    s3_want 200 PUT "/$B"
    head -c 7000000 /dev/urandom >"$T/seven"
    create k
    part_file k 1 "$T/seven"
    touch "$T/hold"
}

# Begins to complete the upload, in COMPLETE, and waits until the volume is about to be asked.
start() {
    LIST=$(list_of 1 "$(md5_of <"$T/seven")")
    curl -q -sS -N --noproxy '*' -D "$T/head" -o "$T/first" -X POST --data-binary "$LIST" "$(url i-s3)/$B/k?uploadId=$ID" 3>&- &
    COMPLETE=$!
    within 5 logged slow '^held POST /_mkv/assemble '
}

# The same, and until there is the beginning of an answer.
begin() {
    local has_begun
    has_begun() { grep -q '<?xml' "$T/first"; }
    start
    within 10 has_begun
}

let_go() {
    rm "$T/hold"
    touch "$T/hold.go"
}

again() {
    s3_want 200 POST "/$B/k?uploadId=$ID" --data-binary "$LIST"
    s3_want 200 GET "/$B/k"
    cmp "$T/seven" "$T/body"
}

@test "it begins to answer before it is done" {
    begin
    let_go
    wait $COMPLETE
    cp "$T/first" "$T/body"
    grep -q '^HTTP/1.1 200 ' "$T/head"
    same application/xml "$(header Content-Type)"
    same chunked "$(header Transfer-Encoding)"
    tr -d '\n' <"$T/body" | grep -Eq '^<\?xml [^>]*\?> *<CompleteMultipartUploadResult .*</CompleteMultipartUploadResult>$'
    same "$(etag_of "$T/seven")" "$(element ETag)"
    s3_want 200 GET "/$B/k"
    cmp "$T/seven" "$T/body"
}

@test "an error that comes later is in the body, and the upload is as it was" {
    begin
    crash v1
    let_go
    wait $COMPLETE
    grep -q '<Error><Code>[A-Za-z]*</Code>.*</Error>$' "$T/first"
    volume v1
    within 20 sees i slow up
    s3_want 404 GET "/$B/k"
    again
}

@test "a client that goes doesn't end it" {
    is_there() { [[ $(curl -q -s --noproxy '*' -o /dev/null -w '%{http_code}' -I "$(url i-s3)/$B/k") == 200 ]]; }
    begin
    kill $COMPLETE
    wait $COMPLETE || true
    let_go
    within 30 is_there
    again
}

@test "a PUT overtakes it: it is stored last, and its upload is gone" {
    start
    rm "$T/hold"
    s3_want 200 PUT "/$B/k" -d later
    touch "$T/hold.go"
    wait $COMPLETE
    s3_want 200 GET "/$B/k"
    cmp "$T/seven" "$T/body"
    s3_want 200 GET "/$B?uploads"
    same '' "$(elements UploadId)"
    again
    s3_want 200 PUT "/$B/k" -d last
    s3_refused 404 NoSuchUpload POST "/$B/k?uploadId=$ID" --data-binary "$LIST"
    got "$(url i-s3)/$B/k" last
}

@test "a bucket isn't deleted under it" {
    local waits
    waits() { grep -q 'DELETE' "$T/delete.sent"; }
    start
    curl -q -sv --noproxy '*' -o "$T/delete" -w '%{http_code}' -X DELETE "$(url i-s3)/$B" >"$T/code" 2>"$T/delete.sent" 3>&- &
    DELETE=$!
    within 5 waits
    s3_refused 404 NoSuchKey GET "/$B/other" # the index has had its turn
    let_go
    wait $COMPLETE
    wait $DELETE
    cp "$T/first" "$T/body"
    same "$(etag_of "$T/seven")" "$(element ETag)"
    same 409 "$(cat "$T/code")"
    grep -q '<Code>BucketNotEmpty</Code>' "$T/delete"
    s3_want 200 GET "/$B/k"
    cmp "$T/seven" "$T/body"
}

# Begins to store a part, of which the volume hears only later; its client goes, the upload is
# aborted, and the volume goes on. The client has not read all there was, so that its connection is
# reset: one that it only closes might be half of one that still waits for the answer.
store_too_late() { # HELD BODY [HEADER...]
    local held=$1 body=$2
    shift 2
    exec 7<>"/dev/tcp/127.0.0.1/$(port i-direct)"
    printf 'GET /none HTTP/1.1\r\nHost: x\r\n\r\n' >&7
    within 5 read -t 0 -u 7
    printf 'PUT /%s/k?uploadId=%s&partNumber=2 HTTP/1.1\r\nHost: x\r\n' "$B" "$ID" >&7
    printf '%s\r\n' "x-amz-acl: private" "Content-Length: ${#body}" "$@" "" >&7
    printf %s "$body" >&7
    within 5 logged slow "^held $held"
    exec 7>&-
    s3_want 204 DELETE "/$B/k?uploadId=$ID"
    let_go
}

no_parts() {
    [[ $(files_of_parts) == '' ]]
}

nothing_is_left() {
    within 20 has_orphans i 0
    within 5 no_parts
}

@test "a part that is stored when its upload and its client are gone goes as well" {
    store_too_late 'PUT ' value
    nothing_is_left
}

@test "so does one that is copied" {
    rm "$T/hold"
    s3_want 200 PUT "/$B/source" -d value
    touch "$T/hold"
    store_too_late 'POST /_mkv/assemble ' '' "x-amz-copy-source: /$B/source"
    nothing_is_left
}
