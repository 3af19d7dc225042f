#!/usr/bin/env bats
# Multipart uploads of S3 by curl, without keys: created, filled with parts, listed, aborted, left
# alone. What is made of parts: s3_complete.bats. The numbers are those of reports on other servers.

load ../support/lib
load ../support/s3
load ../support/s3_multipart

before_all() {
    s3_cluster 'v1 v2 v3' --replicas 2 --grace 0
}

before_each() {
    B=bucket-$BATS_TEST_NUMBER
}

list_parts() { # KEY [QUERY]
    s3_want 200 GET "/$B/$1?uploadId=$ID${2:-}"
}

list_uploads() { # [QUERY]
    s3_want 200 GET "/$B?uploads${1:-}"
}

@test "an upload is seen at once, with what it was created with" {
    create a/key -H 'x-amz-checksum-algorithm: CRC32C'
    same CRC32C "$(header x-amz-checksum-algorithm)"
    same COMPOSITE "$(header x-amz-checksum-type)"
    list_uploads
    same "a/key $ID" "$(element Key) $(element UploadId)"
    same 'CRC32C COMPOSITE' "$(element ChecksumAlgorithm) $(element ChecksumType)"
    same STANDARD "$(element StorageClass)"
    same false "$(element IsTruncated)"
    list_parts a/key
    same '' "$(elements PartNumber)"
    same 'CRC32C COMPOSITE' "$(element ChecksumAlgorithm) $(element ChecksumType)"
    s3_want 404 GET "/$B/a/key"
}

@test "an upload's checksum is one that can be had" {
    create k -H 'x-amz-checksum-algorithm: CRC64NVME'
    same FULL_OBJECT "$(header x-amz-checksum-type)"
    create k -H 'x-amz-checksum-algorithm: CRC32' -H 'x-amz-checksum-type: FULL_OBJECT'
    same FULL_OBJECT "$(header x-amz-checksum-type)"
    s3_refused 400 InvalidRequest POST "/$B/k?uploads" -H 'x-amz-checksum-algorithm: MD6'
    s3_refused 400 InvalidRequest POST "/$B/k?uploads" -H 'x-amz-checksum-type: FULL_OBJECT'
    s3_refused 400 InvalidRequest POST "/$B/k?uploads" -H 'x-amz-checksum-algorithm: SHA256' \
        -H 'x-amz-checksum-type: FULL_OBJECT'
    s3_refused 400 InvalidRequest POST "/$B/k?uploads" -H 'x-amz-checksum-algorithm: CRC64NVME' \
        -H 'x-amz-checksum-type: COMPOSITE'
    s3_refused 400 InvalidRequest POST "/$B/k?uploads" -H 'x-amz-checksum-algorithm: CRC32' \
        -H 'x-amz-checksum-type: HALF'
}

@test "parts are listed with ETag, size and checksum; one that is sent again replaces the first" {
    create k
    part k 2 two
    part k 10000 last
    part k 1 one
    part k 2 second
    list_parts k
    same '1 2 10000' "$(elements PartNumber | xargs)"
    same '3 6 4' "$(elements Size | xargs)"
    same "&quot;$(printf second | md5_of)&quot;" "$(elements ETag | sed -n 2p)" 'ETag of part 2'
    list_parts k '&max-parts=2'
    same '1 2' "$(elements PartNumber | xargs)"
    same 'true 2 2' "$(element IsTruncated) $(element NextPartNumberMarker) $(element MaxParts)"
    list_parts k '&max-parts=2&part-number-marker=2'
    same '10000 false' "$(elements PartNumber) $(element IsTruncated)"
    list_parts k '&part-number-marker=10000'
    same ' false' "$(elements PartNumber) $(element IsTruncated)"
    s3_refused 400 InvalidArgument GET "/$B/k?uploadId=$ID&max-parts=x"
    s3_refused 400 InvalidArgument GET "/$B/k?uploadId=$ID&part-number-marker=-1"
}

@test "a part's number is from 1 to 10000 (VG#1072)" {
    local number
    create k
    for number in 0 -1 10001 x '' 99999999999; do
        s3_refused 400 InvalidArgument PUT "/$B/k?uploadId=$ID&partNumber=$number" -d value
    done
    s3_refused 400 InvalidArgument PUT "/$B/k?uploadId=$ID&partNumber=0" -H 'x-amz-copy-source: /any/key'
    s3_refused 400 InvalidArgument PUT "/$B/k?uploadId=$ID" -d value
    list_parts k
    same '' "$(elements PartNumber)"
}

@test "a part's checksum is verified, kept, and of the upload's algorithm" {
    create k -H 'x-amz-checksum-algorithm: CRC32'
    part k 1 hello -H 'x-amz-checksum-crc32: NhCmhg=='
    same NhCmhg== "$(header x-amz-checksum-crc32)"
    part k 2 hello # computed where it isn't sent
    same NhCmhg== "$(header x-amz-checksum-crc32)"
    s3_refused 400 BadDigest PUT "/$B/k?uploadId=$ID&partNumber=3" -d value \
        -H 'x-amz-checksum-crc32: NhCmhg=='
    s3_refused 400 InvalidRequest PUT "/$B/k?uploadId=$ID&partNumber=3" -d hello \
        -H 'x-amz-checksum-crc32c: mnG7TA=='
    s3_refused 400 BadDigest PUT "/$B/k?uploadId=$ID&partNumber=3" -d value \
        -H 'Content-MD5: XUFAKrxLKna5cZ2REBfFkg=='
    list_parts k
    same '1 2' "$(elements PartNumber | xargs)"
    same 'NhCmhg== NhCmhg==' "$(elements ChecksumCRC32 | xargs)"
}

@test "what isn't an upload is none: of another key, of no form, aborted" {
    local id
    create k
    for id in 0123456789abcdef0123456789abcdef ABC '' x%00 "$ID%20" "${ID^^}"; do
        s3_refused 404 NoSuchUpload PUT "/$B/k?uploadId=$id&partNumber=1" -d value
        s3_refused 404 NoSuchUpload GET "/$B/k?uploadId=$id"
        s3_refused 404 NoSuchUpload DELETE "/$B/k?uploadId=$id"
    done
    s3_refused 404 NoSuchUpload PUT "/$B/other?uploadId=$ID&partNumber=1" -d value
    s3_refused 404 NoSuchUpload GET "/$B/other?uploadId=$ID"
    part k 1 value
    s3_want 204 DELETE "/$B/k?uploadId=$ID"
    s3_refused 404 NoSuchUpload DELETE "/$B/k?uploadId=$ID"
    s3_refused 404 NoSuchUpload PUT "/$B/k?uploadId=$ID&partNumber=1" -d value
    s3_refused 404 NoSuchUpload GET "/$B/k?uploadId=$ID"
    list_uploads
    same '' "$(elements Key)"
}

@test "uploads are listed by key, and then by age; with a delimiter, by common prefix" {
    local key ids=()
    for key in b 'a/2' a 'a!' 'a/1' a; do
        create "$key"
        ids+=("$ID")
    done
    list_uploads
    same 'a a a! a/1 a/2 b' "$(elements Key | xargs)"
    same "${ids[2]} ${ids[5]}" "$(elements UploadId | head -n 2 | xargs)"
    list_uploads '&delimiter=/'
    same 'a a a! b' "$(elements Key | xargs)"
    same 'a/' "$(grep -o '<CommonPrefixes>.*</CommonPrefixes>' "$T/body" | sed 's/<[^>]*>//g')"
    list_uploads '&prefix=a/'
    same 'a/1 a/2' "$(elements Key | xargs)"
    list_uploads '&prefix=a/&delimiter=1'
    same 'a/2' "$(elements Key | xargs)"
    # Digits and letters of an id are no part of a key.
    list_uploads '&delimiter=0'
    same 'a a a! a/1 a/2 b' "$(elements Key | xargs)"
    list_uploads '&delimiter=2&max-uploads=1000'
    same 'a a a! a/1 b' "$(elements Key | xargs)"
}

@test "pages of uploads go on where the last one ended (DD)" {
    local key query='' keys='' pages=0
    for key in a a a! a/1 a/2 b %C3%A4; do
        create "$key"
    done
    while
        list_uploads "&max-uploads=2&encoding-type=url$query"
        keys+="$(elements Key | xargs) "
        ((++pages))
        [[ $(element IsTruncated) == true ]]
    do
        query="&key-marker=$(element NextKeyMarker)&upload-id-marker=$(element NextUploadIdMarker)"
    done
    same 'a a a%21 a/1 a/2 b %C3%A4 ' "$keys"
    same 4 $pages
    list_uploads '&max-uploads=2&delimiter=/&key-marker=a!'
    same b "$(elements Key | head -n 1)"
    list_uploads '&max-uploads=1&delimiter=/&key-marker=a!'
    same 'true a/ ' "$(element IsTruncated) $(element NextKeyMarker) $(element NextUploadIdMarker)"
    list_uploads '&key-marker=a'
    same 'a!' "$(elements Key | head -n 1)"
    list_uploads "&delimiter=/&key-marker=a/"
    same b "$(elements Key | head -n 1)"
    s3_refused 400 InvalidArgument GET "/$B?uploads&max-uploads=-1"
}

@test "an abort leaves no part's file" {
    new_files() { files_of_parts | grep -vxFf "$T/before"; }
    no_files() { [[ $(new_files) == '' ]]; }
    files_of_parts >"$T/before"
    create k
    part k 1 value
    part k 2 value
    same 4 "$(new_files | wc -l)" 'files of two parts'
    s3_want 204 DELETE "/$B/k?uploadId=$ID"
    within 10 no_files
}

@test "a bucket goes with its uploads" {
    s3_want 200 PUT "/$B"
    create k
    part k 1 value
    s3_want 204 DELETE "/$B"
    s3_refused 404 NoSuchUpload GET "/$B/k?uploadId=$ID"
}
