#!/usr/bin/env bats
# What is made of the parts of multipart uploads of S3, by curl, without keys. The numbers are those
# of reports on other servers.

load ../support/lib
load ../support/s3
load ../support/s3_multipart

MIB=1048576

before_all() {
    s3_cluster 'v1 v2 v3' --replicas 2 --grace 0
    head -c $((5 * MIB)) /dev/urandom >"$F/five"
    head -c $((5 * MIB)) /dev/urandom >"$F/other"
    printf 'the end' >"$F/end"
}

before_each() {
    B=bucket-$BATS_TEST_NUMBER
}

# But those of uploads that other tests have left open.
no_new_parts() {
    [[ $(files_of_parts | grep -vxFf "$T/before") == '' ]]
}

@test "an object is the parts in their order, with the ETag of parts and the upload's headers (s3gw#721, adobe/S3Mock#65)" {
    local etag method
    create k -H 'Content-Type: text/x' -H 'x-amz-meta-A: b' -H 'Cache-Control: no-store'
    part_file k 7 "$F/other"
    part_file k 9 "$F/end"
    part_file k 2 "$F/five"
    complete k 2 7 9
    etag=$(etag_of "$F/five" "$F/other" "$F/end")
    same "$etag" "$(element ETag)" 'ETag of Complete'
    same "$B k" "$(element Bucket) $(element Key)"
    same "$(url i-s3)/$B/k" "$(element Location)"
    cat "$F/five" "$F/other" "$F/end" >"$T/whole"
    for method in GET HEAD; do
        s3_want 200 $method "/$B/k"
        same "$(stat -c %s "$T/whole")" "$(header Content-Length)"
        same "\"$(unquoted "$etag")\"" "$(header ETag)"
        same 'text/x b no-store' "$(header Content-Type) $(header x-amz-meta-a) $(header Cache-Control)"
        refute header x-amz-meta-upload
    done
    s3_want 200 GET "/$B/k"
    cmp "$T/whole" "$T/body"
    s3_want 200 GET "/$B"
    same "$etag" "$(element ETag)" 'ETag in a list'
}

@test "a part can be read by its number (VG#2074, MN#11989)" {
    make_object k "$F/five" "$F/other" "$F/end"
    s3_want 206 GET "/$B/k?partNumber=2"
    cmp "$F/other" "$T/body"
    same "bytes $((5 * MIB))-$((10 * MIB - 1))/$((10 * MIB + 7))" "$(header Content-Range)"
    same 3 "$(header x-amz-mp-parts-count)"
    s3_want 206 HEAD "/$B/k?partNumber=3"
    same 7 "$(header Content-Length)"
    same 3 "$(header x-amz-mp-parts-count)"
    s3_refused 400 InvalidPart GET "/$B/k?partNumber=4"
}

@test "a list is refused that names parts which aren't there, or are others (VG#153, VG#1774)" {
    create k
    part_file k 1 "$F/five"
    part_file k 2 "$F/end"
    s3_refused 400 InvalidPart POST "/$B/k?uploadId=$ID" -d "$(list_of 1 "$(md5_of <"$F/five")" 3 "$(md5_of <"$F/end")")"
    s3_refused 400 InvalidPart POST "/$B/k?uploadId=$ID" -d "$(list_of 1 "$(md5_of <"$F/end")")"
    s3_refused 400 InvalidPart POST "/$B/k?uploadId=$ID" -d "$(list_of 1 nonsense)"
    s3_refused 400 InvalidPartOrder POST "/$B/k?uploadId=$ID" -d "$(list_of 2 "$(md5_of <"$F/end")" 1 "$(md5_of <"$F/five")")"
    complete k 1 2 # the upload is as it was
}

@test "a list is refused that is empty or no XML (VG#152, VG#1544)" {
    create k
    part_file k 1 "$F/five"
    s3_refused 400 MalformedXML POST "/$B/k?uploadId=$ID" -d '<CompleteMultipartUpload></CompleteMultipartUpload>'
    s3_refused 400 MalformedXML POST "/$B/k?uploadId=$ID" -d ''
    s3_refused 400 MalformedXML POST "/$B/k?uploadId=$ID" -d 'x'
    s3_refused 400 MalformedXML POST "/$B/k?uploadId=$ID" -d '<CompleteMultipartUpload><Part><PartNumber>1'
    s3_refused 400 BadDigest POST "/$B/k?uploadId=$ID" -d "$(list_of 1 "$(md5_of <"$F/five")")" -H 'Content-MD5: XUFAKrxLKna5cZ2REBfFkg=='
}

@test "parts but the last are 5 MiB at least" {
    create k
    part k 1 short
    part k 2 end
    s3_refused 400 EntityTooSmall POST "/$B/k?uploadId=$ID" -d "$(list_of 1 "$(printf short | md5_of)" 2 "$(printf end | md5_of)")"
    s3_want 200 POST "/$B/k?uploadId=$ID" -d "$(list_of 2 "$(printf end | md5_of)")"
    got "$(url i-s3)/$B/k" end
}

@test "parts are read beyond the first thousand, by lists and by Complete (scality/cloudserver#444)" {
    local parts n md5 url
    create k
    url="$(url i-s3)/$B/k?uploadId=$ID"
    md5=$(printf value | md5_of)
    parts=$(printf "%s $md5 " {1..1002})
    for ((n = 1; n <= 1002; n++)); do
        printf 'next\nsilent\noutput = /dev/null\nrequest = PUT\ndata = value\nwrite-out = "%%{http_code}\\n"\n'
        printf 'url = "%s&partNumber=%d"\n' "$url" "$n"
    done | sed 1d >"$T/plan"
    same '1002 200' "$(curl -q -K "$T/plan" --noproxy '*' --parallel --parallel-max 16 | sort | uniq -c | xargs)"
    s3_want 200 GET "/$B/k?uploadId=$ID"
    same '1000 true 1000' "$(elements PartNumber | wc -l) $(element IsTruncated) $(element NextPartNumberMarker)"
    s3_want 200 GET "/$B/k?uploadId=$ID&part-number-marker=1000"
    same '1001 1002 false' "$(elements PartNumber | xargs) $(element IsTruncated)"
    # Of 5 GiB is none made here: test_s3_uploads and volume_assemble have the rest of the way.
    # shellcheck disable=SC2086 # numbers and digests
    list_of $parts >"$T/list"
    s3_refused 400 EntityTooSmall POST "/$B/k?uploadId=$ID" --data-binary "@$T/list"
    # shellcheck disable=SC2086
    list_of $parts 7 "$md5" >"$T/list"
    s3_refused 400 InvalidPartOrder POST "/$B/k?uploadId=$ID" --data-binary "@$T/list"
    s3_want 204 DELETE "/$B/k?uploadId=$ID"
}

@test "an object can have no bytes" {
    create k -H 'x-amz-meta-a: b'
    part k 1 ''
    complete k 1
    s3_want 200 GET "/$B/k"
    same '0 b' "$(header Content-Length) $(header x-amz-meta-a)"
    same "\"$(unquoted "$(etag_of /dev/null)")\"" "$(header ETag)"
}

@test "who asks again gets the same answer as long as the object is there, and the upload is seen no more (MN#17863)" {
    local first
    make_object k "$F/end"
    first=$(sed 's/.*<Bucket>/<Bucket>/' "$T/body")
    complete k 1
    same "$first" "$(sed 's/.*<Bucket>/<Bucket>/' "$T/body")" 'the second answer'
    s3_want 200 PUT "/$B/k" -d 'another object'
    s3_refused 404 NoSuchUpload POST "/$B/k?uploadId=$ID" -d "$(list_of 1 "$(md5_of <"$F/end")")"
    got "$(url i-s3)/$B/k" 'another object'
    s3_refused 404 NoSuchUpload DELETE "/$B/k?uploadId=$ID"
    s3_refused 404 NoSuchUpload GET "/$B/k?uploadId=$ID"
    s3_refused 404 NoSuchUpload PUT "/$B/k?uploadId=$ID&partNumber=1" -d value
    s3_want 200 GET "/$B?uploads"
    same '' "$(elements UploadId)"
}

@test "a completed upload leaves no part's file (VG#626)" {
    files_of_parts >"$T/before" || true
    make_object k "$F/five" "$F/end"
    within 20 no_new_parts
    s3_want 200 GET "/$B/k"
}

@test "two who complete an upload at once, and one who aborts it: it is one or the other (MN#17863, MN#6544)" {
    local round etag codes
    for round in 1 2 3 4 5 6; do
        create k
        part_file k 1 "$F/five"
        part_file k 2 "$F/end"
        list_of 1 "$(md5_of <"$F/five")" 2 "$(md5_of <"$F/end")" >"$T/list"
        curl -s -o "$T/a" -w '%{http_code}' "$(url i-s3)/$B/k?uploadId=$ID" --data-binary "@$T/list" -X POST >"$T/a.code" 3>&- &
        curl -s -o "$T/b" -w '%{http_code}' "$(url i-s3)/$B/k?uploadId=$ID" --data-binary "@$T/list" -X POST >"$T/b.code" 3>&- &
        if ((round % 2)); then
            curl -s -o "$T/c" -w '%{http_code}' "$(url i-s3)/$B/k?uploadId=$ID" -X DELETE >"$T/c.code" 3>&- &
        else
            echo 404 >"$T/c.code"
        fi
        wait
        codes="$(cat "$T/a.code") $(cat "$T/b.code") $(cat "$T/c.code")"
        case $codes in
        '200 200 404')
            s3_want 200 GET "/$B/k"
            cat "$F/five" "$F/end" | cmp - "$T/body"
            same "$(sed 's/.*<Key>//' "$T/a")" "$(sed 's/.*<Key>//' "$T/b")" 'both answers'
            s3_want 204 DELETE "/$B/k"
            ;;
        '404 404 204' | *' 404 204' | '404 '*' 204') s3_want 404 GET "/$B/k" ;;
        *) fail "codes $codes" ;;
        esac
    done
}

@test "preconditions are those of the object" {
    create k
    part k 1 value
    s3_want 200 PUT "/$B/k" -d old
    s3_refused 412 PreconditionFailed POST "/$B/k?uploadId=$ID" -d "$(list_of 1 "$(printf value | md5_of)")" -H 'If-None-Match: *'
    s3_refused 412 PreconditionFailed POST "/$B/k?uploadId=$ID" -d "$(list_of 1 "$(printf value | md5_of)")" -H 'If-Match: "x"'
    got "$(url i-s3)/$B/k" old
    s3_want 200 POST "/$B/k?uploadId=$ID" -d "$(list_of 1 "$(printf value | md5_of)")" -H "If-Match: \"$(printf old | md5_of)\""
    got "$(url i-s3)/$B/k" value
}

@test "checksums of the parts make that of the object" {
    local kind wanted
    cat "$F/five" "$F/end" >"$T/whole"
    for kind in CRC32 CRC32C SHA1 SHA256; do
        create k -H "x-amz-checksum-algorithm: $kind"
        part_file k 1 "$F/five"
        part_file k 2 "$F/end"
        complete k 1 2
        [[ $(element "Checksum$kind") == *=-2 ]] || fail "$(cat "$T/body")"
        same COMPOSITE "$(element ChecksumType)"
    done
    create k -H "x-amz-checksum-algorithm: SHA256"
    part_file k 1 "$F/five"
    part_file k 2 "$F/end"
    wanted=$( (sha256 "$F/five" && sha256 "$F/end") | openssl dgst -sha256 -binary | base64)-2
    s3_refused 400 BadDigest POST "/$B/k?uploadId=$ID" -d "$(list_of 1 "$(md5_of <"$F/five")" 2 "$(md5_of <"$F/end")")" \
        -H 'x-amz-checksum-sha256: LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=-2'
    s3_want 200 POST "/$B/k?uploadId=$ID" -d "$(list_of 1 "$(md5_of <"$F/five")" 2 "$(md5_of <"$F/end")")" \
        -H "x-amz-checksum-sha256: $wanted"
    s3_want 200 HEAD "/$B/k" -H 'x-amz-checksum-mode: ENABLED'
    same "$wanted COMPOSITE" "$(header x-amz-checksum-sha256) $(header x-amz-checksum-type)"
    create k -H "x-amz-checksum-algorithm: CRC32" -H 'x-amz-checksum-type: FULL_OBJECT'
    part_file k 1 "$F/five"
    part_file k 2 "$F/end"
    complete k 1 2
    same "$(crc32 "$T/whole") FULL_OBJECT" "$(element ChecksumCRC32) $(element ChecksumType)"
    create k -H "x-amz-checksum-algorithm: CRC32"
    part_file k 1 "$F/end"
    s3_refused 400 InvalidPart POST "/$B/k?uploadId=$ID" \
        -d "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>$(md5_of <"$F/end")</ETag><ChecksumCRC32>NhCmhg==</ChecksumCRC32></Part></CompleteMultipartUpload>"
    s3_refused 400 InvalidRequest POST "/$B/k?uploadId=$ID" -d "$(list_of 1 "$(md5_of <"$F/end")")" -H 'x-amz-mp-object-size: 8'
}

@test "an object with the longest names can be made of parts" {
    local key
    files_of_parts >"$T/before" || true
    B=$(printf 'b%.0s' {1..63})
    key=$(printf '%%C3%%BF%.0s' {1..512})
    s3_want 200 POST "/$B/$key?uploads"
    ID=$(element UploadId)
    part_file "$key" 10000 "$F/end"
    part_file "$key" 1 "$F/five"
    complete "$key" 1 10000
    s3_want 200 GET "/$B/$key"
    cmp <(cat "$F/five" "$F/end") "$T/body"
    within 20 no_new_parts
}
