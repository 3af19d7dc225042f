#!/usr/bin/env bats
# Who may do what by S3: --keys, signatures by curl, grants, what is told without keys.

load ../support/lib
load ../support/s3

before_each() {
    s3_cluster_with_keys 'v1 v2' 'reader secret-of-reader r:bucket/public/ rw:other
- - r:bucket/public/'
    as_admin s3_want 200 PUT /bucket
    as_admin s3_want 200 PUT /bucket/public/a --data-binary hello
    as_admin s3_want 200 PUT /bucket/private/a --data-binary hello
}

as_reader() { # COMMAND...
    signed reader:secret-of-reader "$@"
}

@test "grants say who may read, write, list and create" {
    as_reader s3_want 200 GET /bucket/public/a
    same hello "$(cat "$T/body")"
    as_reader s3_refused 403 AccessDenied GET /bucket/private/a
    as_reader s3_refused 403 AccessDenied GET /bucket/private/none
    as_reader s3_refused 403 AccessDenied PUT /bucket/public/b --data-binary x
    as_reader s3_refused 403 AccessDenied DELETE /bucket/public/a
    as_reader s3_want 200 GET '/bucket?prefix=public%2F'
    as_reader s3_refused 403 AccessDenied GET '/bucket?prefix=pub'
    as_reader s3_refused 403 AccessDenied GET /bucket
    as_reader s3_refused 403 AccessDenied PUT /new-bucket
    as_reader s3_refused 403 AccessDenied DELETE /bucket
    as_reader s3_want 200 GET /
    same bucket "$(elements Name | paste -sd' ')"
    as_admin s3_want 200 PUT /third
    as_admin s3_want 200 GET /
    same 'bucket third' "$(elements Name | sort | paste -sd' ')"
    as_reader s3_want 200 GET /
    same bucket "$(elements Name | paste -sd' ')"
    as_reader s3_refused 403 AccessDenied POST '/bucket?delete=' --data-binary '<Delete><Object><Key>public/a</Key></Object></Delete>'
    s3_want 200 GET /bucket/public/a # anonymous
    s3_refused 403 AccessDenied GET /bucket/private/a
    s3_refused 403 AccessDenied PUT /bucket/public/b --data-binary x
    s3_refused 403 AccessDenied GET /
    s3_refused 400 InvalidRequest GET '/bucket/public/a?response-content-type=text%2Fhtml'
}

@test "who holds as many lists as it may leaves room for others" {
    s3_keys '- - w:bucket/in/'
    signal i HUP
    within 10 logged i 'the index has 1 keys'
    mkfifo "$T/go"
    hatch slow bash -c 'exec python3 "$0" "$1" bucket 350 60 short <"$2"' "$BATS_TEST_DIRNAME/../support/slow_lists.py" \
        "$(port i-s3)" "$T/go"
    exec {go}>"$T/go"
    within 10 logged slow '^503x[0-9]+ held$'
    as_admin s3_want 200 PUT /new-bucket
    as_admin s3_want 200 POST '/bucket?delete=' --data-binary '<Delete><Object><Key>public/a</Key></Object></Delete>'
    same public/a "$(element Key)"
    exec {go}>&-
    await_end slow
    s3_want 200 POST '/bucket?delete' --data-binary '<Delete><Object><Key>private/a</Key></Object></Delete>'
    same AccessDenied "$(element Code)"
}

@test "a wrong signature, and an unknown key, are refused before anything is read" {
    signed admin:wrong-secret s3_refused 403 SignatureDoesNotMatch GET /bucket/public/a
    signed nobody:secret-of-admin s3_refused 403 InvalidAccessKeyId GET /bucket/public/a
    signed admin:wrong-secret s3_refused 403 SignatureDoesNotMatch PUT /bucket/x --data-binary x
    as_admin s3_refused 403 RequestTimeTooSkewed GET /bucket/public/a -H 'x-amz-date: 20130524T000000Z'
    # On the main port, too.
    want 403 GET "$(url i)/bucket/public/a" -H 'Authorization: AWS a:b'
}

@test "with keys, buckets are there or not" {
    as_admin s3_refused 404 NoSuchBucket PUT /not-there/a --data-binary x
    as_admin s3_refused 404 NoSuchBucket DELETE /not-there/a
    as_admin s3_want 204 DELETE /bucket/not-there
    as_admin s3_refused 409 BucketNotEmpty DELETE /bucket
    put "$(url i)/native/key" x --user admin:secret-of-admin
    as_admin s3_want 200 PUT /native/other --data-binary x
    as_reader s3_refused 404 NoSuchBucket PUT /other/x --data-binary x
}

@test "HUP reads the keys anew, and keeps them where the file is bad" {
    s3_keys 'second secret-of-second r:*'
    signal i HUP
    within 10 logged i 'the index has 2 keys'
    signed second:secret-of-second s3_want 200 GET /bucket/private/a
    as_reader s3_refused 403 InvalidAccessKeyId GET /bucket/public/a
    echo 'nonsense' >>"$T/keys"
    signal i HUP
    within 10 logged i 'the keys stay as they are: .*keys:3'
    signed second:secret-of-second s3_want 200 GET /bucket/private/a
    s3_keys ''
    chmod 644 "$T/keys"
    signal i HUP
    within 10 logged i 'the keys stay as they are: .*0644'
    signed second:secret-of-second s3_want 200 GET /bucket/private/a
    refute logged i 'secret-of'
}

@test "a keys file that others can read keeps the index from starting" {
    s3_keys ''
    chmod 640 "$T/keys"
    refused 1 'keys: .*0640' index "$(at v1)" --index "$T/data/j" --port "$(at j)" --keys "$T/keys"
    refused 1 'none: No such file' index "$(at v1)" --index "$T/data/j" --port "$(at j)" --keys "$T/none"
    refused 2 'another port' index "$(at v1)" --index "$T/data/j" --port "$(at j)" --s3 "$(port j)"
    refused 2 'name of a host' index "$(at v1)" --index "$T/data/j" --port "$(at j)" --s3-domain a_b
}

@test "with --protect nothing is overwritten or deleted by S3" {
    stop i
    index i 'v1 v2' --s3 "$(at i-s3)" --protect
    within 5 logged i 'warn .*everybody who can connect may do everything'
    s3_refused 403 AccessDenied PUT /bucket/public/a --data-binary other
    s3_refused 403 AccessDenied DELETE /bucket/public/a
    s3_want 200 POST '/bucket?delete' --data-binary '<Delete><Object><Key>public/a</Key></Object></Delete>'
    same AccessDenied "$(element Code)"
    s3_want 200 PUT /bucket/public/new --data-binary x
    want 204 UNLINK "$(url i)/bucket/public/a"
    s3_refused 404 NoSuchKey GET /bucket/public/a
    s3_want 200 PUT /bucket/public/a --data-binary again
    s3_want 200 GET /bucket/public/a
    same again "$(cat "$T/body")"
}

@test "a copy needs to read its source, and an upload to write its key, at each step" {
    local id request
    as_admin s3_want 200 PUT /other
    as_reader s3_want 200 PUT /other/a --data-binary mine
    as_reader s3_want 200 PUT /other/copy -H 'x-amz-copy-source: bucket/public/a'
    as_reader s3_refused 403 AccessDenied PUT /other/copy -H 'x-amz-copy-source: bucket/private/a'
    as_reader s3_refused 403 AccessDenied PUT /other/copy -H 'x-amz-copy-source: bucket/private/none'
    as_reader s3_refused 403 AccessDenied PUT /bucket/public/b -H 'x-amz-copy-source: other/a'
    as_reader s3_want 200 POST '/other/k?uploads='
    id=$(element UploadId)
    as_reader s3_want 200 PUT "/other/k?partNumber=1&uploadId=$id" -H 'x-amz-copy-source: bucket/public/a'
    as_reader s3_refused 403 AccessDenied PUT "/other/k?partNumber=1&uploadId=$id" -H 'x-amz-copy-source: bucket/private/a'
    for request in PUT GET POST DELETE; do
        s3_refused 403 AccessDenied $request "/other/k?partNumber=1&uploadId=$id" --data-binary x
    done
    s3_refused 403 AccessDenied GET '/other?uploads'
    as_reader s3_refused 403 AccessDenied POST '/bucket/public/k?uploads='
    as_reader s3_want 200 POST "/other/k?uploadId=$id" \
        --data-binary '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>5d41402abc4b2a76b9719d911017c592</ETag></Part></CompleteMultipartUpload>'
    as_reader s3_want 200 GET /other/k
    same hello "$(cat "$T/body")"
}

# As mkv-s3(7) says it: what speaks TLS passes Host on as it came.
tls_front() { # NAME
    local dir=$T/$1
    mkdir "$dir"
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$dir/key" -out "$dir/cert" -days 2 -subj /CN=localhost 2>/dev/null
    cat >"$dir/conf" <<EOF
daemon off;
pid $dir/pid;
error_log stderr error;
$( ((UID != 0)) || echo 'user root;')
events {
}
http {
    access_log off;
    client_max_body_size 0;
    client_body_temp_path $dir/body;
    proxy_temp_path $dir/proxy;
    fastcgi_temp_path $dir/fastcgi;
    uwsgi_temp_path $dir/uwsgi;
    scgi_temp_path $dir/scgi;
    server {
        listen $(at "$1") ssl;
        ssl_certificate $dir/cert;
        ssl_certificate_key $dir/key;
        location / {
            proxy_pass $(url i-s3);
            proxy_set_header Host \$http_host;
            proxy_request_buffering off;
        }
    }
}
EOF
    PATH=$PATH:/usr/local/sbin:/usr/sbin hatch "$1" nginx -e stderr -c "$dir/conf" -p "$dir"
    within 10 curl -q -sk --noproxy '*' -o /dev/null "https://$(at "$1")/"
}

@test "clients come through a front that speaks TLS" {
    local asks
    tls_front tls
    asks=(curl -q -sSk --noproxy '*' --fail-with-body -m 20 --aws-sigv4 aws:amz:us-east-1:s3 --user admin:secret-of-admin)
    "${asks[@]}" -X PUT --data-binary secret -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "https://$(at tls)/bucket/by%20tls"
    same secret "$("${asks[@]}" "https://$(at tls)/bucket/by%20tls")"
    same '<Key>by%20tls' "$("${asks[@]}" "https://$(at tls)/bucket?encoding-type=url&list-type=2&prefix=by" | grep -o '<Key>[^<]*')"
    refute curl -q -sSk --noproxy '*' --fail -o /dev/null "https://$(at tls)/bucket/by%20tls"
}

# PUTs a value in signed chunks, each time with one fault.
streamed() { # FORM:FAULT...
    "$BATS_TEST_DIRNAME/../support/s3_stream.py" "$(url i-s3)/bucket/streamed" admin:secret-of-admin "$@"
}

@test "chunks: each one's signature is verified, the last one is needed, and the length (VG#1056, appwrite#13515, MN#2621)" {
    local form
    # What each is answered.
    cat >"$T/wanted" <<'END'
signed:seed 403 SignatureDoesNotMatch
signed:chunk 403 SignatureDoesNotMatch
signed:byte 403 SignatureDoesNotMatch
signed:order 403 SignatureDoesNotMatch
signed:last 400 IncompleteBody
signed:length 400 IncompleteBody
trailer:seed 403 SignatureDoesNotMatch
trailer:chunk 403 SignatureDoesNotMatch
trailer:byte 403 SignatureDoesNotMatch
trailer:order 403 SignatureDoesNotMatch
trailer:last 400 IncompleteBody
trailer:length 400 IncompleteBody
trailer:trailer 403 SignatureDoesNotMatch
trailer:value 400 BadDigest
trailer:missing 400 MalformedTrailerError
unsigned:seed 403 SignatureDoesNotMatch
unsigned:byte 400 BadDigest
unsigned:last 400 IncompleteBody
unsigned:length 400 IncompleteBody
unsigned:value 400 BadDigest
unsigned:missing 400 MalformedTrailerError
END
    mapfile -t cases < <(cut -d' ' -f1 "$T/wanted")
    streamed "${cases[@]}" | diff "$T/wanted" -
    as_admin s3_refused 404 NoSuchKey GET /bucket/streamed
    for form in signed trailer unsigned; do
        same "$form:none 200" "$(streamed $form:none)"
        as_admin s3_want 200 GET /bucket/streamed
        printf '%07d ' {0..8749} | cmp - "$T/body"
        as_admin s3_want 204 DELETE /bucket/streamed
    done
}

@test "a DELETE of nothing is 204, also for who may only write (SW#1776)" {
    s3_keys 'writer secret-of-writer w:bucket'
    signal i HUP
    within 10 logged i 'the index has 2 keys'
    signed writer:secret-of-writer s3_want 204 DELETE /bucket/never-there
    signed writer:secret-of-writer s3_want 204 DELETE /bucket/public/a
    signed writer:secret-of-writer s3_want 204 DELETE /bucket/public/a
}
