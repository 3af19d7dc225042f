#!/usr/bin/env bats
# A Complete that takes long, at a volume behind a slow link.

load ../support/lib
load ../support/s3
load ../support/s3_multipart

before_each() {
    B=bucket
    volume v
    link slow v 2000000
    index i slow --s3 "$(at i-s3)"
    head -c 7000000 /dev/urandom >"$T/seven"
    create k
    part_file k 1 "$T/seven"
}

@test "it begins to answer before it is done" {
    s3_want 200 POST "/$B/k?uploadId=$ID" --data-binary "$(list_of 1 "$(md5_of <"$T/seven")")"
    same application/xml "$(header Content-Type)"
    same chunked "$(header Transfer-Encoding)"
    tr -d '\n' <"$T/body" | grep -Eq '^<\?xml [^>]*\?> *<CompleteMultipartUploadResult .*</CompleteMultipartUploadResult>$'
    same "$(etag_of "$T/seven")" "$(element ETag)"
    s3_want 200 GET "/$B/k"
    cmp "$T/seven" "$T/body"
}

@test "an error that comes later is in the body, and the upload is as it was" {
    local complete list
    has_begun() { grep -q '<?xml' "$T/first"; }
    list=$(list_of 1 "$(md5_of <"$T/seven")")
    curl -q -sS -N --noproxy '*' -o "$T/first" -X POST --data-binary "$list" "$(url i-s3)/$B/k?uploadId=$ID" 3>&- &
    complete=$!
    within 10 has_begun
    crash v
    wait $complete
    grep -q '<Error><Code>[A-Za-z]*</Code>.*</Error>$' "$T/first"
    volume v
    within 20 sees i slow up
    s3_want 404 GET "/$B/k"
    s3_want 200 POST "/$B/k?uploadId=$ID" --data-binary "$list"
    s3_want 200 GET "/$B/k"
    cmp "$T/seven" "$T/body"
}

@test "a client that goes doesn't end it" {
    local complete list
    is_there() { [[ $(curl -q -s --noproxy '*' -o /dev/null -w '%{http_code}' -I "$(url i-s3)/$B/k") == 200 ]]; }
    has_begun() { grep -q '<?xml' "$T/first"; }
    list=$(list_of 1 "$(md5_of <"$T/seven")")
    curl -q -sS -N --noproxy '*' -o "$T/first" -X POST --data-binary "$list" "$(url i-s3)/$B/k?uploadId=$ID" 3>&- &
    complete=$!
    within 10 has_begun
    kill $complete
    wait $complete || true
    within 30 is_there
    s3_want 200 POST "/$B/k?uploadId=$ID" --data-binary "$list"
}
