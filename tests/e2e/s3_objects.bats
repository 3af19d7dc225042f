#!/usr/bin/env bats
# Objects of S3 by curl, without keys: PUT, GET, HEAD, DELETE, what each keeps and refuses. The
# numbers are those of reports on other servers.

load ../support/lib
load ../support/s3

before_all() {
    s3_cluster 'v1 v2 v3' --replicas 2
}

HELLO_MD5=5d41402abc4b2a76b9719d911017c592

@test "an object comes back as it was put, with its headers, by GET and by HEAD" {
    local method
    head -c 3000000 /dev/urandom >"$T/big"
    s3_want 200 PUT /bucket/dir/big -T "$T/big" -H 'Content-Type: text/x; charset="q"' \
        -H 'Cache-Control: max-age=3' -H 'Content-Disposition: attachment; filename="a b"' \
        -H 'Content-Encoding: gzip' -H 'Content-Language: de, en' -H 'Expires: Thu, 01 Dec 2033 16:00:00 GMT' \
        -H 'x-amz-meta-Mixed-Case: Value' -H 'x-amz-meta-empty;'
    same "\"$(md5_of <"$T/big")\"" "$(header ETag)" 'ETag of the PUT'
    for method in GET HEAD; do
        s3_want 200 $method /bucket/dir/big
        same 3000000 "$(header Content-Length)"
        same "\"$(md5_of <"$T/big")\"" "$(header ETag)" ETag
        same 'text/x; charset="q"' "$(header Content-Type)"
        same 'max-age=3' "$(header Cache-Control)"
        same 'attachment; filename="a b"' "$(header Content-Disposition)"
        same gzip "$(header Content-Encoding)"
        same 'de, en' "$(header Content-Language)"
        same 'Thu, 01 Dec 2033 16:00:00 GMT' "$(header Expires)"
        same Value "$(header x-amz-meta-mixed-case)"
        same '' "$(header x-amz-meta-empty)"
        same bytes "$(header Accept-Ranges)"
        [[ $(header Last-Modified) == *GMT && -n $(header x-amz-id-2) ]]
        refute header Mkv-Volume-Id
        refute header X-Accel-Redirect
    done
    s3_want 200 GET /bucket/dir/big
    cmp "$T/big" "$T/body"
    want 302 GET "$(url i)/bucket/dir/big" # to the native API it is a key as any
    want 409 PUT "$(url i)/bucket/dir/big" -T "$T/big"
}

@test "an object without bytes needs no volume to be read" {
    s3_want 200 PUT /bucket/empty -T /dev/null
    same '"d41d8cd98f00b204e9800998ecf8427e"' "$(header ETag)"
    s3_want 200 GET /bucket/empty
    same 0 "$(header Content-Length)"
    same 'binary/octet-stream' "$(header Content-Type)"
    s3_want 200 HEAD /bucket/empty
    same 0 "$(header Content-Length)"
    s3_refused 416 InvalidRange GET /bucket/empty -H 'Range: bytes=0-0'
}

@test "an overwrite takes the place of the object, and of its metadata" {
    s3_want 200 PUT /bucket/over --data-binary one -H 'x-amz-meta-a: 1' -H 'Content-Type: text/one'
    s3_want 200 PUT /bucket/over --data-binary hello -H 'x-amz-meta-b: 2' -H 'Content-Type: text/two'
    s3_want 200 GET /bucket/over
    same hello "$(cat "$T/body")"
    same text/two "$(header Content-Type)"
    same 2 "$(header x-amz-meta-b)"
    refute header x-amz-meta-a
    # S3 replaces what the native API wrote, too.
    put "$(url i)/bucket/native" first
    s3_want 200 GET /bucket/native
    same first "$(cat "$T/body")"
    s3_want 200 PUT /bucket/native --data-binary second
    got "$(url i)/bucket/native" second
}

@test "keys of any bytes come back as they were (chimera#702, minio-dart#115)" {
    local key
    for key in 'a%20b+c' '%25%2B' 'caf%C3%A9/%F0%9F%98%80' 'a//b/' '../x' '%22%27%3C%26' "$(printf '%01024d' 7)"; do
        s3_want 200 PUT "/bucket-of-keys/$key" --data-binary "of $key"
        s3_want 200 GET "/bucket-of-keys/$key"
        same "of $key" "$(cat "$T/body")"
        s3_want 204 DELETE "/bucket-of-keys/$key"
        s3_refused 404 NoSuchBucket GET "/bucket-of-keys/$key"
    done
    s3_refused 400 KeyTooLongError PUT "/bucket/$(printf '%01025d' 7)" --data-binary x
    s3_refused 400 InvalidURI PUT /bucket/%FF --data-binary x
    want 400 PUT "$(url i-s3)/bucket/a%00b" --data-binary x # nginx's own
    want 400 PUT "$(url i-direct)/bucket/a%00b" --data-binary x -H 'x-amz-date: x'
    same InvalidURI "$(element Code)"
    s3_refused 400 InvalidBucketName PUT /_mkv/s3 --data-binary x
}

@test "Range: parts, suffixes, and what is none (VG#591, VG#1258, VG#1120, VG#2052, noobaa#9889, lakeFS#6100)" {
    printf 0123456789 | s3_want 200 PUT /bucket/ten -T -
    local each range wanted
    for each in '2-5=2345' '5-15=56789' '9-=9' '-3=789' '-20=0123456789'; do
        range=${each%=*} wanted=${each#*=}
        s3_want 206 GET /bucket/ten -H "Range: bytes=$range"
        same "$wanted" "$(cat "$T/body")" "$range"
        same ${#wanted} "$(header Content-Length)"
        [[ $(header Content-Range) == bytes\ *-*/10 ]]
        s3_want 206 HEAD /bucket/ten -H "Range: bytes=$range"
        same ${#wanted} "$(header Content-Length)" "$range by HEAD"
    done
    for range in '33-10' 'x' '1-2,4-5' '' '5'; do
        s3_want 200 GET /bucket/ten -H "Range: bytes=$range"
        same 0123456789 "$(cat "$T/body")" "$range"
    done
    s3_refused 416 InvalidRange GET /bucket/ten -H 'Range: bytes=10-'
    same 'bytes */10' "$(header Content-Range)"
    s3_want 206 GET /bucket/ten -H 'Range: bytes=0-1' -H 'If-Range: "781e5e245d69b566979b86e28d23f2c7"'
    s3_want 200 GET /bucket/ten -H 'Range: bytes=0-1' -H 'If-Range: "other"'
    s3_want 206 GET '/bucket/ten?partNumber=1'
    same 'bytes 0-9/10' "$(header Content-Range)"
    s3_refused 400 InvalidPart GET '/bucket/ten?partNumber=2'
    s3_refused 400 InvalidArgument GET '/bucket/ten?partNumber=0'
    s3_refused 400 InvalidRequest GET '/bucket/ten?partNumber=1' -H 'Range: bytes=0-1'
}

@test "conditions of GET and HEAD" {
    local etag=\"$HELLO_MD5\" when method
    s3_want 200 PUT /bucket/cond --data-binary hello
    s3_want 200 HEAD /bucket/cond
    when=$(header Last-Modified)
    for method in GET HEAD; do
        s3_want 304 $method /bucket/cond -H "If-None-Match: $etag"
        same "$etag" "$(header ETag)"
        s3_want 304 $method /bucket/cond -H "If-None-Match: $HELLO_MD5"
        s3_want 304 $method /bucket/cond -H "If-Modified-Since: $when"
        s3_want 200 $method /bucket/cond -H 'If-None-Match: "other"' -H "If-Modified-Since: $when"
        s3_want 200 $method /bucket/cond -H "If-Match: $etag" -H 'If-Unmodified-Since: Thu, 01 Jan 1970 00:00:01 GMT'
        s3_want 200 $method /bucket/cond -H "If-Match: $HELLO_MD5"
        s3_want 412 $method /bucket/cond -H 'If-Match: "other"'
        s3_want 412 $method /bucket/cond -H 'If-Unmodified-Since: Thu, 01 Jan 1970 00:00:01 GMT'
    done
    s3_refused 412 PreconditionFailed GET /bucket/cond -H 'If-Match: "other"'
}

@test "conditions of PUT and DELETE, with quotes and without (litestream#1509)" {
    s3_refused 404 NoSuchKey PUT /bucket/if -H 'If-Match: "x"' --data-binary x
    s3_want 200 PUT /bucket/if -H 'If-None-Match: *' --data-binary hello
    s3_refused 412 PreconditionFailed PUT /bucket/if -H 'If-None-Match: *' --data-binary other
    s3_refused 412 PreconditionFailed PUT /bucket/if -H 'If-Match: "other"' --data-binary other
    s3_want 200 PUT /bucket/if -H "If-Match: \"$HELLO_MD5\"" --data-binary hello
    s3_want 200 PUT /bucket/if -H "If-Match: $HELLO_MD5" --data-binary hello
    s3_refused 412 PreconditionFailed PUT /bucket/if -H 'If-Match: other' --data-binary other
    s3_refused 412 PreconditionFailed DELETE /bucket/if -H 'If-Match: other'
    s3_refused 412 PreconditionFailed DELETE /bucket/if -H 'If-Match: "other"'
    s3_want 200 GET /bucket/if
    s3_want 204 DELETE /bucket/if -H "If-Match: $HELLO_MD5"
    s3_refused 404 NoSuchKey GET /bucket/if
    s3_want 200 PUT /bucket/if --data-binary hello
    s3_want 204 DELETE /bucket/if -H "If-Match: \"$HELLO_MD5\""
    s3_refused 404 NoSuchKey GET /bucket/if
}

@test "a DELETE of nothing is 204 (SW#1776)" {
    s3_want 200 PUT /bucket/there --data-binary x
    s3_want 204 DELETE /bucket/never-there
    s3_want 204 DELETE /bucket/there/below
    s3_want 204 DELETE /bucket/there
    s3_want 204 DELETE /bucket/there
}

@test "of three that create an object at once, one does (SW#8800, incus#3651)" {
    local n pids=()
    for n in 1 2 3; do
        curl -q -s --noproxy '*' -o /dev/null -w '%{http_code}\n' -H 'If-None-Match: *' --data-binary "of $n" \
            -X PUT "$(url i-s3)/bucket/lock" >"$T/race-$n" &
        pids+=($!)
    done
    wait "${pids[@]}"
    same '200 412 412' "$(cat "$T"/race-* | sort | paste -sd' ')"
}

@test "digests and checksums are verified, kept and given back" {
    local sha256=LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=
    s3_refused 400 BadDigest PUT /bucket/sum --data-binary hello -H 'Content-MD5: AAAAAAAAAAAAAAAAAAAAAA=='
    s3_refused 400 InvalidDigest PUT /bucket/sum --data-binary hello -H 'Content-MD5: hello'
    s3_refused 400 BadDigest PUT /bucket/sum --data-binary other -H "x-amz-checksum-sha256: $sha256"
    s3_refused 400 InvalidRequest PUT /bucket/sum --data-binary hello -H 'x-amz-checksum-sha256: x'
    s3_refused 400 InvalidRequest PUT /bucket/sum --data-binary hello -H "x-amz-checksum-sha256: $sha256" -H 'x-amz-checksum-crc32: NhCmhg=='
    s3_refused 400 InvalidRequest PUT /bucket/sum --data-binary hello -H 'x-amz-sdk-checksum-algorithm: CRC32'
    s3_refused 404 NoSuchKey GET /bucket/sum
    s3_want 200 PUT /bucket/sum --data-binary hello -H 'Content-MD5: XUFAKrxLKna5cZ2REBfFkg==' \
        -H "x-amz-checksum-sha256: $sha256" -H 'x-amz-sdk-checksum-algorithm: SHA256'
    same $sha256 "$(header x-amz-checksum-sha256)"
    s3_want 200 GET /bucket/sum -H 'x-amz-checksum-mode: ENABLED'
    same $sha256 "$(header x-amz-checksum-sha256)"
    same FULL_OBJECT "$(header x-amz-checksum-type)"
    s3_want 200 GET /bucket/sum
    refute header x-amz-checksum-sha256
    s3_want 200 PUT /bucket/sum --data-binary hello -H 'x-amz-checksum-crc64nvme: M3eFcAZSQlc='
    s3_want 200 HEAD /bucket/sum -H 'x-amz-checksum-mode: ENABLED'
    same M3eFcAZSQlc= "$(header x-amz-checksum-crc64nvme)"
}

@test "a checksum in the query of a presigned PUT, where SDKs put that of no bytes, announces nothing (SW#11031)" {
    s3_want 200 PUT '/bucket/presigned?x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32' --data-binary hello
    same "\"$HELLO_MD5\"" "$(header ETag)"
    refute header x-amz-checksum-crc32
    s3_want 200 PUT '/bucket/presigned?x-amz-sdk-checksum-algorithm=CRC32' --data-binary hello
    s3_want 200 PUT '/bucket/presigned?x-amz-trailer=x-amz-checksum-crc32' --data-binary hello
    s3_want 200 GET /bucket/presigned -H 'x-amz-checksum-mode: ENABLED'
    same hello "$(cat "$T/body")"
    refute header x-amz-checksum-crc32
    # In a header it is announced, and must come.
    s3_refused 400 InvalidRequest PUT '/bucket/presigned?x=1' --data-binary hello -H 'x-amz-sdk-checksum-algorithm: CRC32'
}

@test "an ETag is the MD5 of the bytes, however many, and however they come (SW#7768)" {
    local size
    for size in 65537 9000000 20000000; do
        head -c $size /dev/zero | tr '\0' "${size:0:1}" >"$T/sized"
        s3_want 200 PUT /bucket/etag -T "$T/sized"
        same "\"$(md5_of <"$T/sized")\"" "$(header ETag)" "ETag of $size bytes"
    done
    s3_want 200 HEAD /bucket/etag
    same "\"$(md5_of <"$T/sized")\"" "$(header ETag)"
    s3_want 200 PUT /bucket/etag -T - -H 'Transfer-Encoding: chunked' -H 'Expect:' <"$T/sized"
    same "\"$(md5_of <"$T/sized")\"" "$(header ETag)" 'ETag without a length'
    rm "$T/sized"
}

# PUTs "hello" in a chunk with a trailer.
chunked() { # STATUS CODE TRAILER-LINES [CURL-OPTIONS...]
    local status=$1 code=$2
    printf '5\r\nhello\r\n0\r\n%b\r\n' "$3" >"$T/chunked"
    shift 3
    set -- PUT /bucket/chunked --data-binary "@$T/chunked" -H 'x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER' \
        -H 'x-amz-decoded-content-length: 5' -H 'Content-Encoding: aws-chunked' "$@"
    if [[ $status == 200 ]]; then
        s3_want 200 "$@"
    else
        s3_refused "$status" "$code" "$@"
    fi
}

@test "aws-chunked: a trailer is verified, and its algorithm given back (VG#1607, VG#1652, VG#1653)" {
    local each name value
    for each in crc32=NhCmhg== crc32c=mnG7TA== crc64nvme=M3eFcAZSQlc= sha1=qvTGHdzF6KLavt4PO0gs2a6pQ00= \
        sha256=LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=; do
        name=x-amz-checksum-${each%%=*} value=${each#*=}
        chunked 200 '' "$name:$value\r\n" -H "x-amz-trailer: $name"
        same "$value" "$(header "$name")"
        same "$name" "$(grep -io '^x-amz-checksum-[a-z0-9]*' "$T/head" | grep -v type)"
        s3_want 200 HEAD /bucket/chunked -H 'x-amz-checksum-mode: ENABLED'
        same "$value" "$(header "$name")"
        s3_want 204 DELETE /bucket/chunked
        chunked 400 InvalidRequest "$name:${value}b\r\n" -H "x-amz-trailer: $name"
        chunked 400 InvalidRequest "$name:x\r\n" -H "x-amz-trailer: $name"
        chunked 400 BadDigest "$name:A${value:1}\r\n" -H "x-amz-trailer: $name"
    done
    s3_refused 404 NoSuchKey GET /bucket/chunked
}

@test "aws-chunked: a trailer is there when it is announced, alone, and of the algorithm (VG#1600, VG#1632, VG#1657, VG#1659)" {
    local crc=x-amz-checksum-crc32:NhCmhg==
    chunked 400 MalformedTrailerError '' -H 'x-amz-trailer: x-amz-checksum-crc64nvme'
    chunked 400 MalformedTrailerError ":NhCmhg==\r\n" -H 'x-amz-trailer: x-amz-checksum-crc32'
    chunked 400 MalformedTrailerError "$crc\r\n" -H 'x-amz-trailer: x-amz-checksum-crc64nvme'
    chunked 400 MalformedTrailerError "$crc\r\n"
    chunked 400 InvalidRequest "$crc\r\n" -H 'x-amz-trailer: x-amz-checksum-crc32' -H 'x-amz-checksum-crc32: NhCmhg=='
    chunked 400 InvalidRequest "$crc\r\n" -H 'x-amz-trailer: x-amz-checksum-crc32' -H 'x-amz-checksum-crc32c: mnG7TA=='
    chunked 400 InvalidRequest "$crc\r\n" -H 'x-amz-trailer: x-amz-checksum-crc32' -H 'x-amz-sdk-checksum-algorithm: SHA1'
    chunked 400 InvalidRequest '' -H 'x-amz-trailer: x-amz-foo'
    s3_refused 404 NoSuchKey GET /bucket/chunked
    chunked 200 '' "$crc\r\n" -H 'x-amz-trailer: x-amz-checksum-crc32' -H 'x-amz-sdk-checksum-algorithm: CRC32'
    chunked 200 '' ''
    refute header x-amz-checksum-crc32
}

@test "aws-chunked: the framing is never stored, whatever says that it is there (mojatter/s2#45)" {
    local sign id
    is_hello() {
        s3_want 200 GET "/bucket/$1"
        same hello "$(cat "$T/body")" "$sign"
        same gzip "$(header Content-Encoding)" "$sign"
    }
    printf '5\r\nhello\r\n0\r\n\r\n' >"$T/unsigned"
    printf '5;chunk-signature=%064d\r\nhello\r\n0;chunk-signature=%064d\r\n\r\n' 1 2 >"$T/signed"
    for sign in 'Content-Encoding: gzip,aws-chunked' 'x-amz-decoded-content-length: 5' 'x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER' \
        'x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD'; do
        set -- --data-binary "@$T/$([[ $sign == *HMAC* ]] && echo signed || echo unsigned)" -H "$sign"
        if [[ $sign != Content-Encoding* ]]; then
            set -- "$@" -H 'Content-Encoding: gzip' -H 'x-amz-decoded-content-length: 5'
        fi
        s3_want 200 PUT /bucket/unframed "$@"
        same "\"$HELLO_MD5\"" "$(header ETag)" "$sign"
        is_hello unframed
        # In HTTP's own chunks, as JavaScript streams.
        s3_want 200 PUT /bucket/twice "$@" -H 'Transfer-Encoding: chunked' -H 'Expect:'
        is_hello twice
        s3_want 200 POST '/bucket/of-parts?uploads' -H 'Content-Encoding: gzip'
        id=$(element UploadId)
        s3_want 200 PUT "/bucket/of-parts?partNumber=1&uploadId=$id" "$@"
        same "\"$HELLO_MD5\"" "$(header ETag)" "$sign"
        s3_want 200 POST "/bucket/of-parts?uploadId=$id" --data-binary \
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>$HELLO_MD5</ETag></Part></CompleteMultipartUpload>"
        is_hello of-parts
    done
    printf '0\r\nx-amz-checksum-crc32c:AAAAAA==\r\n\r\n' >"$T/none" # as mountpoint-s3 creates a file
    s3_want 200 PUT /bucket/unframed --data-binary "@$T/none" -H 'x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER' \
        -H 'x-amz-decoded-content-length: 0' -H 'x-amz-trailer: x-amz-checksum-crc32c'
    same AAAAAA== "$(header x-amz-checksum-crc32c)"
    s3_want 200 HEAD /bucket/unframed
    same 0 "$(header Content-Length)"
}

@test "a streaming form of a payload is for uploads alone (VG#1679)" {
    local request id
    s3_want 200 PUT /bucket/streamed --data-binary hello
    s3_want 200 POST '/bucket/upload?uploads'
    id=$(element UploadId)
    printf '0\r\n\r\n' >"$T/chunked"
    set -- -H 'x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER' -H 'x-amz-decoded-content-length: 0'
    for request in 'GET /' 'GET /bucket' 'PUT /other-bucket' 'PUT /bucket?acl' 'POST /bucket?delete' \
        'DELETE /bucket/streamed' 'POST /bucket/upload?uploads' "POST /bucket/upload?uploadId=$id" \
        "DELETE /bucket/upload?uploadId=$id"; do
        # shellcheck disable=SC2086 # a method and a path
        s3_refused 400 InvalidRequest $request --data-binary "@$T/chunked" "$@"
    done
    s3_want 400 HEAD /bucket/streamed "$@"
    s3_refused 400 InvalidRequest PUT /bucket/copy -H 'x-amz-copy-source: /bucket/streamed' "$@"
    s3_refused 400 InvalidRequest GET /bucket/streamed -H 'x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD'
    s3_want 200 GET /bucket/streamed
    s3_want 404 HEAD /other-bucket
}

@test "a body without a length is taken" {
    printf hello | s3_want 200 PUT /bucket/nolength -T - -H 'Transfer-Encoding: chunked' -H 'Expect:'
    s3_want 200 GET /bucket/nolength
    same hello "$(cat "$T/body")"
}

@test "response-... takes the place of headers" {
    s3_want 200 PUT /bucket/response --data-binary hello -H 'Content-Type: text/one' -H 'Cache-Control: no-cache'
    s3_want 200 GET '/bucket/response?response-content-type=text%2Ftwo&response-cache-control=x&response-content-disposition=bla&response-content-encoding=aaa&response-content-language=esperanto&response-expires=123'
    same text/two "$(header Content-Type)"
    same x "$(header Cache-Control)"
    same bla "$(header Content-Disposition)"
    same aaa "$(header Content-Encoding)"
    same esperanto "$(header Content-Language)"
    same 123 "$(header Expires)"
    s3_refused 400 InvalidArgument GET '/bucket/response?response-content-type=a%0D%0Ab'
    s3_refused 400 InvalidArgument GET '/bucket/response?response-content-language=a%0Ab'
}

@test "DeleteObjects says how each went" {
    s3_want 200 PUT /many/a --data-binary hello
    s3_want 200 PUT /many/b --data-binary hello
    s3_want 200 PUT /many/c --data-binary hello
    s3_want 200 POST '/many?delete' --data-binary "<Delete><Object><Key>a</Key></Object><Object><Key>none</Key></Object>
        <Object><Key>b</Key><ETag>other</ETag></Object><Object><Key>c</Key><VersionId>x</VersionId></Object></Delete>"
    same 'a none' "$(grep -o '<Deleted><Key>[^<]*' "$T/body" | cut -c15- | sort | paste -sd' ')"
    same 'NoSuchVersion PreconditionFailed' "$(elements Code | sort | paste -sd' ')"
    s3_want 200 GET /many/b
    s3_want 200 POST '/many?delete' --data-binary '<Delete><Quiet>true</Quiet><Object><Key>b</Key></Object><Object><Key>c</Key></Object></Delete>'
    refute grep -q Deleted "$T/body"
    s3_refused 404 NoSuchBucket GET /many/b
    s3_refused 400 MalformedXML POST '/many?delete' --data-binary '<Delete></Delete>'
    s3_refused 400 BadDigest POST '/many?delete' --data-binary '<Delete><Object><Key>a</Key></Object></Delete>' -H 'Content-MD5: AAAAAAAAAAAAAAAAAAAAAA=='
    { # more than are removed at once
        printf '<Delete>'
        printf '<Object><Key>k%d</Key></Object>' {1..1000}
        printf '</Delete>'
    } >"$T/thousand"
    s3_want 200 PUT /many/k500 --data-binary hello
    s3_want 200 POST '/many?delete' --data-binary "@$T/thousand"
    same 1000 "$(elements Key | wc -l)"
    s3_refused 404 NoSuchBucket GET /many/k500
}

# Runs slow_lists.py against a bucket, and holds what it holds while there is memory enough.
hold_lists() { # WANTED-REGEX ARGUMENTS...
    local wanted=$1 rss
    shift
    mkfifo "$T/go"
    hatch slow bash -c 'exec python3 "$@" <"$0"' "$T/go" "$BATS_TEST_DIRNAME/../support/slow_lists.py" "$(port i-s3)" bucket "$@"
    exec {go}>"$T/go"
    within 20 logged slow 'held$'
    logged slow "$wanted" || fail "$(cat "$(log_of slow)")"
    rss=$(awk '/^RssAnon/ { print $2 }' "/proc/$(pid_of i)/status")
    [[ -n $ASAN ]] || ((rss < 48 * 1024)) || fail "$rss KB"
    exec {go}>&-
    await_end slow
}

# 1 MB each, of 6 that are kept for one sender.
@test "however many lists come, and however slowly, memory is bounded" {
    s3_want 200 PUT /bucket/kept --data-binary x
    hold_lists '^503x[0-9]+ held$' 60 55
    s3_want 200 POST '/bucket?delete' --data-binary '<Delete><Object><Key>kept</Key></Object></Delete>'
    same kept "$(element Key)"
}

# 6 MB each, of lists of 1 MB.
@test "however many answers to lists nobody reads, memory is bounded" {
    hold_lists '^200x[0-9]+ 503x[0-9]+ held$' 30 30 whole
    s3_want 200 POST '/bucket?delete' --data-binary '<Delete><Object><Key>none</Key></Object></Delete>'
    same none "$(element Key)"
}

@test "what isn't done is refused, and not ignored" {
    local each
    s3_want 200 PUT /bucket/plain --data-binary x -H 'x-amz-acl: private' -H 'x-amz-storage-class: STANDARD'
    for each in 'x-amz-acl: public-read' 'x-amz-grant-read: id=1' 'x-amz-server-side-encryption: AES256' \
        'x-amz-server-side-encryption-customer-algorithm: AES256' 'x-amz-object-lock-mode: GOVERNANCE' \
        'x-amz-tagging: a=b' 'x-amz-website-redirect-location: /'; do
        s3_refused 501 NotImplemented PUT /bucket/refused --data-binary x -H "$each"
    done
    s3_refused 400 InvalidStorageClass PUT /bucket/refused --data-binary x -H 'x-amz-storage-class: GLACIER'
    # Clients that presign make parameters of headers.
    s3_want 200 PUT '/bucket/plain?x-amz-acl=private&x-amz-checksum-crc32=AAAAAA%3D%3D' --data-binary x
    s3_want 200 PUT '/bucket/hoisted?x-amz-meta-a=b%20c&X-Amz-Meta-D=e' --data-binary x -H 'x-amz-meta-f: g'
    s3_want 200 GET /bucket/hoisted
    same 'b c e g' "$(header x-amz-meta-a) $(header x-amz-meta-d) $(header x-amz-meta-f)"
    for each in x-amz-copy-source=%2Fbucket%2Fplain X-Amz-Copy-Source=bucket/plain \
        x-amz-server-side-encryption=AES256 x%2Damz-acl=public-read x-amz-tagging=a%3Db; do
        s3_refused 501 NotImplemented PUT "/bucket/refused?$each" --data-binary x
    done
    s3_refused 501 NotImplemented PUT '/bucket/plain?x-amz-copy-source=bucket/other' --data-binary ''
    s3_want 200 GET /bucket/plain
    same x "$(cat "$T/body")" 'an object onto which nothing was copied'
    for each in tagging retention legal-hold torrent restore select; do
        s3_refused 501 NotImplemented PUT "/bucket/plain?$each" --data-binary x
        s3_refused 501 NotImplemented DELETE "/bucket/plain?$each"
    done
    s3_refused 400 InvalidArgument DELETE '/bucket/plain?versionId='
    s3_refused 404 NoSuchVersion DELETE '/bucket/plain?versionId=1'
    for each in lifecycle object-lock encryption website replication logging notification policy cors versioning; do
        s3_refused 501 NotImplemented PUT "/bucket?$each" --data-binary x
    done
    s3_refused 405 MethodNotAllowed PATCH /bucket/plain
    s3_refused 404 NoSuchVersion GET '/bucket/plain?versionId=1'
    s3_want 200 GET '/bucket/plain?versionId=null'
    s3_refused 404 NoSuchKey GET /bucket/refused
}

@test "what there is one answer to" {
    local list
    s3_want 200 PUT /bucket/stub --data-binary x
    s3_want 200 GET '/bucket?acl'
    same FULL_CONTROL "$(element Permission)"
    s3_want 200 GET '/bucket/stub?acl'
    s3_want 200 PUT '/bucket/stub?acl' -H 'x-amz-acl: private' -H 'Content-Length: 0'
    s3_want 200 GET '/bucket/stub?acl' # as it is, it may be put back
    cp "$T/body" "$T/acl"
    s3_want 200 PUT '/bucket/stub?acl' --data-binary "@$T/acl"
    s3_want 200 PUT '/bucket?acl' --data-binary "@$T/acl"
    sed -i 's/FULL_CONTROL/READ/' "$T/acl"
    s3_refused 501 NotImplemented PUT '/bucket/stub?acl' --data-binary "@$T/acl"
    s3_refused 501 NotImplemented PUT '/bucket?acl' --data-binary \
        '<AccessControlPolicy><AccessControlList><Grant><Grantee><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee><Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>'
    for list in '' '<AccessControlList/>' '<AccessControlList><Grant/></AccessControlList>'; do
        s3_refused 501 NotImplemented PUT '/bucket?acl' --data-binary "<AccessControlPolicy>$list</AccessControlPolicy>"
    done
    s3_refused 400 MalformedXML PUT '/bucket?acl' --data-binary '<Delete/>'
    s3_refused 404 NoSuchKey PUT '/bucket/none?acl' --data-binary "@$T/acl"
    s3_want 200 GET '/bucket?versioning'
    s3_want 200 GET '/bucket?location'
    s3_want 200 GET '/bucket/?location=' # minio-go's
    s3_want 200 GET '/bucket/stub?x-id=GetObject' # JavaScript's
    s3_want 200 GET '/bucket/stub?tagging'
    s3_refused 404 NoSuchBucketPolicy GET '/bucket?policy'
    s3_refused 404 NoSuchCORSConfiguration GET '/bucket?cors'
    s3_refused 404 NoSuchBucket GET '/not-there?acl'
    s3_refused 404 NoSuchKey GET '/bucket/not-there?acl'
    s3_want 200 HEAD /bucket
    s3_want 404 HEAD /not-there
}

@test "on the main port S3 is known by what only S3 has" {
    local each
    s3_want 200 PUT /bucket/known --data-binary hello
    want 302 GET "$(url i)/bucket/known"
    want 302 GET "$(url i)/bucket/known?x=1"
    for each in 'x-amz-date: 1' 'X-Amz-Foo: 1' 'amz-sdk-request: 1' 'Authorization: AWS a:b' 'Authorization: AWS4-HMAC-SHA256 x'; do
        want 200 GET "$(url i)/bucket/known" -H "$each"
        same hello "$(cat "$T/body")" "$each"
    done
    want 302 GET "$(url i)/bucket/known" -H 'Authorization: Basic YTpi'
    want 200 GET "$(url i)/bucket/known?X-Amz-Signature=1"
    want 200 GET "$(url i)/bucket/known?AWSAccessKeyId=a&Signature=b"
    want 302 GET "$(url i)/bucket/known?Signature=b"
    # A client can't say by which port it came.
    want 302 GET "$(url i)/bucket/known" -H 'Mkv-S3: always'
    s3_want 200 GET /bucket/known -H 'Mkv-S3: perhaps'
    # Without the front a client is sent to the volume.
    want 307 GET "$(url i-direct)/bucket/known" -H 'x-amz-date: 1'
}
