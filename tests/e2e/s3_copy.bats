#!/usr/bin/env bats
# CopyObject and UploadPartCopy of S3 by curl, without keys. The numbers are those of reports on
# other servers.

load ../support/lib
load ../support/s3
load ../support/s3_multipart

before_all() {
    s3_cluster 'v1 v2 v3' --replicas 2
}

before_each() {
    B=bucket-$BATS_TEST_NUMBER
}

copy() { # SOURCE KEY [CURL-OPTIONS...]
    local source=$1 key=$2
    shift 2
    s3_want 200 PUT "/$B/$key" -H "x-amz-copy-source: $source" "$@"
}

refuses() { # STATUS CODE SOURCE KEY [CURL-OPTIONS...]
    local status=$1 code=$2 source=$3 key=$4
    shift 4
    s3_refused "$status" "$code" PUT "/$B/$key" -H "x-amz-copy-source: $source" "$@"
}

ETAG_OF_VALUE='"2063c1608d6e0baf80249c42e2be5804"'

put_source() {
    s3_want 200 PUT "/$B/source" -d value -H 'Content-Type: text/x' -H 'x-amz-meta-a: 1' \
        -H 'Cache-Control: no-store'
    same "$ETAG_OF_VALUE" "$(header ETag)"
}

@test "a copy has the bytes, the ETag and the metadata" {
    put_source
    copy "/$B/source" copy
    same '&quot;2063c1608d6e0baf80249c42e2be5804&quot;' "$(element ETag)"
    [[ $(element LastModified) == 20??-??-??T??:??:??.000Z ]]
    s3_want 200 GET "/$B/copy"
    same value "$(cat "$T/body")"
    same "$ETAG_OF_VALUE" "$(header ETag)"
    same 'text/x 1 no-store' "$(header Content-Type) $(header x-amz-meta-a) $(header Cache-Control)"
    s3_want 204 DELETE "/$B/source"
    got "$(url i-s3)/$B/copy" value
    copy "$B/copy" ../up # without a slash in front, to any key
    got "$(url i-s3)/$B/..%2Fup" value
}

@test "REPLACE replaces all of the metadata (VG#998, SW#9721)" {
    put_source
    copy "/$B/source" copy -H 'x-amz-metadata-directive: REPLACE' -H 'Content-Type: text/y' -H 'x-amz-meta-b: 2'
    s3_want 200 HEAD "/$B/copy"
    same 'text/y 2' "$(header Content-Type) $(header x-amz-meta-b)"
    refute header x-amz-meta-a
    refute header Cache-Control
    copy "/$B/source" copy -H 'x-amz-metadata-directive: COPY' -H 'Content-Type: text/y' -H 'x-amz-meta-b: 2'
    s3_want 200 HEAD "/$B/copy"
    same 'text/x 1' "$(header Content-Type) $(header x-amz-meta-a)"
    refuses 400 InvalidArgument "/$B/source" copy -H 'x-amz-metadata-directive: MOVE'
}

@test "a copy onto itself changes metadata, or is refused (lakeFS#8070)" {
    put_source
    refuses 400 InvalidRequest "/$B/source" source
    copy "/$B/source" source -H 'x-amz-metadata-directive: REPLACE' -H 'x-amz-meta-b: 2'
    s3_want 200 GET "/$B/source"
    same 'value 2' "$(cat "$T/body") $(header x-amz-meta-b)"
    refute header x-amz-meta-a
}

@test "a source that isn't there, or isn't named" {
    put_source
    refuses 404 NoSuchKey "/$B/none" copy
    refuses 404 NoSuchBucket "/none-of-these/none" copy
    refuses 400 InvalidArgument "$B" copy
    refuses 400 InvalidArgument "/$B/%zz" copy
    s3_want 404 GET "/$B/copy"
}

@test "conditions on the source" {
    put_source
    refuses 412 PreconditionFailed "/$B/source" copy -H 'x-amz-copy-source-if-match: "x"'
    refuses 412 PreconditionFailed "/$B/source" copy -H "x-amz-copy-source-if-none-match: $ETAG_OF_VALUE"
    refuses 412 PreconditionFailed "/$B/source" copy -H 'x-amz-copy-source-if-unmodified-since: Thu, 01 Dec 1994 16:00:00 GMT'
    s3_want 200 HEAD "/$B/source"
    refuses 412 PreconditionFailed "/$B/source" copy -H "x-amz-copy-source-if-modified-since: $(header Last-Modified)"
    copy "/$B/source" copy -H "x-amz-copy-source-if-match: $ETAG_OF_VALUE"
    copy "/$B/source" copy -H 'x-amz-copy-source-if-none-match: "x"'
    copy "/$B/source" copy -H 'x-amz-copy-source-if-modified-since: Thu, 01 Dec 1994 16:00:00 GMT'
}

@test "conditions on the copy" {
    put_source
    copy "/$B/source" copy -H 'If-None-Match: *'
    refuses 412 PreconditionFailed "/$B/source" copy -H 'If-None-Match: *'
    refuses 412 PreconditionFailed "/$B/source" copy -H 'If-Match: "x"'
    copy "/$B/source" copy -H "If-Match: $ETAG_OF_VALUE"
}

@test "the name of a source is decoded once (chimera#702)" {
    s3_want 200 PUT "/$B/a%2520b%2Bc+%C3%A4" -d odd # the key is "a%20b+c+ä"
    copy "/$B/a%2520b%2Bc+%C3%A4" copy
    got "$(url i-s3)/$B/copy" odd
    refuses 404 NoSuchKey "/$B/a%20b%2Bc+%C3%A4" copy
}

@test "an object without bytes, and one that was made of parts" {
    s3_want 200 PUT "/$B/empty" -T /dev/null -H 'x-amz-meta-a: 1'
    copy "/$B/empty" copy
    s3_want 200 HEAD "/$B/copy"
    same '"d41d8cd98f00b204e9800998ecf8427e" 0 1' "$(header ETag) $(header Content-Length) $(header x-amz-meta-a)"
    head -c 5242880 /dev/urandom >"$T/five"
    printf end >"$T/end"
    make_object parts "$T/five" "$T/end"
    copy "/$B/parts" copy
    s3_want 200 GET "/$B/copy"
    cat "$T/five" "$T/end" | cmp - "$T/body"
    same "\"$(md5_of <"$T/body")\"" "$(header ETag)" 'ETag of bytes'
    refute header x-amz-mp-parts-count
    s3_want 206 GET "/$B/copy?partNumber=1"
    same 5242883 "$(header Content-Length)"
}

@test "a checksum of all bytes is the copy's too" {
    s3_want 200 PUT "/$B/hello" -d hello -H 'x-amz-checksum-crc32: NhCmhg=='
    copy "/$B/hello" copy -H 'x-amz-checksum-algorithm: CRC32'
    same NhCmhg== "$(element ChecksumCRC32)"
    s3_want 200 HEAD "/$B/copy" -H 'x-amz-checksum-mode: ENABLED'
    same NhCmhg== "$(header x-amz-checksum-crc32)"
    # Another one isn't computed, and nobody is to believe that it was.
    refuses 501 NotImplemented "/$B/hello" other -H 'x-amz-checksum-algorithm: SHA256'
    refuses 400 InvalidRequest "/$B/hello" other -H 'x-amz-checksum-algorithm: MD6'
    s3_want 404 HEAD "/$B/other"
}

@test "parts are copied from ranges of objects (scality/cloudserver#407)" {
    local size=$((5242880 + 10))
    head -c $size /dev/urandom >"$T/source"
    s3_want 200 PUT "/$B/source" -T "$T/source"
    create k
    copy_part() { # NUMBER RANGE [CURL-OPTIONS...]
        local number=$1 range=$2
        shift 2
        s3_want 200 PUT "/$B/k?uploadId=$ID&partNumber=$number" -H "x-amz-copy-source: /$B/source" \
            ${range:+-H "x-amz-copy-source-range: bytes=$range"} "$@"
    }
    copy_part 1 ''
    same "&quot;$(md5_of <"$T/source")&quot;" "$(element ETag)"
    copy_part 2 0-5242879
    same "&quot;$(head -c 5242880 "$T/source" | md5_of)&quot;" "$(element ETag)"
    copy_part 3 "5242880-$((size - 1))"
    same "&quot;$(tail -c 10 "$T/source" | md5_of)&quot;" "$(element ETag)"
    for range in "5242880-$size" "$size-$size"; do
        s3_refused 416 InvalidRange PUT "/$B/k?uploadId=$ID&partNumber=4" -H "x-amz-copy-source: /$B/source" \
            -H "x-amz-copy-source-range: bytes=$range"
    done
    for range in 'bytes=5-3' 'bytes=1-' 'bytes=-3' '1-2' 'bytes=0-1,3-4'; do
        s3_refused 400 InvalidArgument PUT "/$B/k?uploadId=$ID&partNumber=4" -H "x-amz-copy-source: /$B/source" \
            -H "x-amz-copy-source-range: $range"
    done
    s3_refused 404 NoSuchKey PUT "/$B/k?uploadId=$ID&partNumber=4" -H "x-amz-copy-source: /$B/none"
    complete k 1 2 3
    same "$(url i-s3)/$B/k" "$(element Location)" # by TLS where the cluster is closed
    s3_want 200 GET "/$B/k"
    cat "$T/source" "$T/source" | cmp - "$T/body"
}
