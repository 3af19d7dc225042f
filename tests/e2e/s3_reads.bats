#!/usr/bin/env bats
# Reads of S3 go through the front: volumes that fail, what may be in a header, and who may go by the
# front's own ways. The numbers are those of reports on other servers.

load ../support/lib
load ../support/replicas
load ../support/s3

after_each() {
    thaw_all
}

start() {
    s3_cluster "$VOLUMES" --replicas "$COPIES"
    value blob 100000
    s3_want 200 PUT /bucket/key -T "$T/blob" -H 'x-amz-meta-a: b'
    read -r A B C < <(holders /bucket/key | paste -sd' ')
}

@test "S3 reads step over volumes that fail, or lack the file, and are 503 when all do (minikeyvalue#37)" {
    local n
    start
    rm "$(file_of "$A" /bucket/key)"
    crash "$B"
    for n in 1 2 3 4 5 6; do
        s3_want 200 GET /bucket/key
        cmp "$T/blob" "$T/body"
        same b "$(header x-amz-meta-a)"
        s3_want 206 GET /bucket/key -H 'Range: bytes=10-19'
        cmp <(head -c 20 "$T/blob" | tail -c 10) "$T/body"
        s3_want 200 HEAD /bucket/key
    done
    # The last one: a volume that is away is no reason to say that the object isn't there.
    crash "$C"
    crash "$A"
    for n in "$A" "$B" "$C"; do
        within 10 sees i "$n" down
    done
    s3_want 503 HEAD /bucket/key
    s3_refused 503 ServiceUnavailable GET /bucket/key
    [[ -n $(header Retry-After) ]]
    s3_refused 416 InvalidRange GET /bucket/key -H 'Range: bytes=100000-'
    s3_want 404 HEAD /bucket/other
}

# By hand, or by a power cut with --no-sync.
@test "a file that was cut off is never a short 200, and one that was put back is read" {
    local n files=()
    start
    for n in "$A" "$B" "$C"; do
        files+=("$(file_of "$n" /bucket/key)")
    done
    truncate -s 50000 "${files[0]}"
    for n in 1 2 3 4; do
        s3_want 200 GET /bucket/key
        cmp "$T/blob" "$T/body"
        s3_want 206 GET /bucket/key -H 'Range: bytes=49990-50010'
        cmp <(head -c 50011 "$T/blob" | tail -c 21) "$T/body"
    done
    truncate -s 50000 "${files[@]}"
    s3_refused 503 ServiceUnavailable GET /bucket/key
    s3_refused 503 ServiceUnavailable GET /bucket/key -H 'Range: bytes=49990-50010'
    for n in "${files[@]}"; do
        cat "$T/blob" >"$n"
        touch -d 2001-02-03 "$n"
    done
    for n in 1 2 3 4; do
        s3_want 200 GET /bucket/key
        cmp "$T/blob" "$T/body"
    done
}

# Gets the big object so slowly that there is time to do something, and tells curl's result.
get_slowly() {
    local rc=0
    curl -q -s --noproxy '*' --limit-rate 4M -D "$T/slow.head" -o "$T/slow" "$(url i-s3)/bucket/big" 3>&- || rc=$?
    echo $rc >"$T/slow.rc"
}

is_midway() {
    [[ -e $T/slow && $(stat -c %s "$T/slow") -gt 1000000 ]]
}

@test "a volume that dies in the middle of a value doesn't make the rest of it a whole one (SW#9149)" {
    local n
    start
    value big 60000000
    s3_want 200 PUT /bucket/big -T "$T/big"
    get_slowly &
    within 10 is_midway
    for n in $(holders /bucket/big); do
        crash "$n"
    done
    wait
    same 18 "$(cat "$T/slow.rc")" "curl's result: less came than was announced"
    grep -qi '^content-length: 60000000' "$T/slow.head"
    head -c "$(stat -c %s "$T/slow")" "$T/big" | cmp - "$T/slow"
    for n in $(holders /bucket/big); do
        within 10 sees i "$n" down
    done
    s3_refused 503 ServiceUnavailable GET /bucket/big
}

@test "a signed read is tried again with its signature" {
    local n
    s3_cluster_with_keys "$VOLUMES" '' --replicas "$COPIES"
    as_admin s3_want 200 PUT /bucket
    value blob 1000
    as_admin s3_want 200 PUT /bucket/key -T "$T/blob"
    for n in $(holders /bucket/key | head -n 2); do
        rm "$(file_of "$n" /bucket/key)"
    done
    for n in 1 2 3 4 5; do
        as_admin s3_want 206 GET '/bucket/key?response-content-language=x%20y' -H 'Range: bytes=0-999'
        cmp "$T/blob" "$T/body"
        same 'x y' "$(header Content-Language)"
    done
    s3_refused 403 AccessDenied GET /bucket/key
}

# Fails if any byte of the last answer's head made a header of its own.
not_split() { # NAMES-WANTED
    same "$1" "$(tr -d '\r' <"$T/head" | sed -n '2,/^$/p' | grep -o '^[^:]*' | tr '[:upper:]' '[:lower:]' |
        grep -vx 'server\|date\|connection\|content-type\|content-length\|etag\|last-modified\|accept-ranges\|x-amz-request-id\|x-amz-id-2' |
        sort | paste -sd' ')" 'headers of the answer'
}

@test "no byte of a key, of metadata or of a query leaves its place in a header" {
    local key value n=0
    start
    for value in 'a%0D%0AEvil: 1' '%0d%0aEvil:1' 'a\r\nEvil: 1' '"; Evil "' 'a"b\"c\\' '$mkv_failed $1 ${host}' \
        'a?b#c&d' '/../' 'x/..' '/../../../../../a' '%01%00' $'tab\tstop' $'caf\303\251' $'\377\376' '%' '%%' '%2' '+ +' '&amp;'; do
        n=$((n + 1))
        if [[ $value == *$'\t'* ]]; then
            s3_refused 400 InvalidArgument PUT "/bucket/m$n" --data-binary x -H "x-amz-meta-v: $value"
            continue
        fi
        s3_want 200 PUT "/bucket/m$n" --data-binary x -H "x-amz-meta-v: $value" -H 'x-amz-meta-z: last'
        for method in GET HEAD; do
            s3_want 200 $method "/bucket/m$n"
            not_split 'x-amz-meta-v x-amz-meta-z' || return 1
            same "$value" "$(header x-amz-meta-v)" "$method" || return 1
            same last "$(header x-amz-meta-z)" || return 1
        done
    done
    # What nginx wouldn't take in a redirect: more than can be told otherwise is counted.
    s3_want 200 PUT /bucket/dots --data-binary x -H "x-amz-meta-v: $(printf '/..%.0s' {1..50})/" -H 'x-amz-meta-z: last'
    s3_want 200 GET /bucket/dots
    not_split 'x-amz-meta-z x-amz-missing-meta'
    same 1 "$(header x-amz-missing-meta)"
    s3_want 200 HEAD /bucket/dots
    not_split 'x-amz-meta-v x-amz-meta-z'
    for key in 'a%0D%0AEvil:%201' '%0D%0A%0D%0A' 'a%22%5C%24b' 'a%01b' '%3Fx' '%23x' '%250D%250A'; do
        s3_want 200 PUT "/bucket/$key" --data-binary "of $key"
        s3_want 200 GET "/bucket/$key"
        same "of $key" "$(cat "$T/body")"
        not_split ''
    done
    s3_want 200 GET '/bucket/key?response-content-language=a%2525%22%5C%24b'
    same 'a%25"\$b' "$(header Content-Language)"
    s3_refused 400 InvalidArgument GET '/bucket/key?response-content-language=a%0D%0AEvil:%201'
    not_split ''
    # 2 KiB of metadata, each byte of which is encoded in the redirect.
    s3_want 200 PUT /bucket/much --data-binary x -H "x-amz-meta-v: $(printf '\303\251%.0s' {1..1000})"
    s3_want 200 GET /bucket/much
    same "$(printf '\303\251%.0s' {1..1000})" "$(header x-amz-meta-v)"
    s3_refused 400 MetadataTooLarge PUT /bucket/much --data-binary x -H "x-amz-meta-v: $(printf '%02050d' 0)"
    # And with a key and response-... of the longest: what a head has no room for is counted.
    key=/bucket/$(printf 'k%.0s' {1..1024})
    s3_want 200 PUT "$key" --data-binary x -H "x-amz-meta-v: $(printf ';%.0s' {1..2000})"
    value=$(printf ';%.0s' {1..1024})
    s3_want 200 GET "$key?response-content-type=$value&response-cache-control=$value&response-content-disposition=$value&response-content-encoding=$value&response-content-language=$value&response-expires=$value"
    same "$value$value" "$(header Content-Language)$(header Expires)"
    same 1 "$(header x-amz-missing-meta)"
}

# By the front itself, in S3's way.
is_invalid() { # METHOD PATH [CURL-OPTIONS...]
    local method=$1 path=$2
    shift 2
    s3 "$method" "$path" --path-as-is "$@"
    same '400 application/xml InvalidURI' "$STATUS $(header Content-Type) $(element Code)" "$method $path"
}

@test "what the front refuses by itself is an error of S3, and its own page for the native API" {
    local path
    start
    for path in /../x /bucket/../../x /%2e%2e/x /bucket/%00 /bucket/%zz; do
        is_invalid GET "$path"
        is_invalid PUT "$path" --data-binary x
        http GET "$(url i)$path" --path-as-is
        same '400 text/html' "$STATUS $(header Content-Type)" "$path"
    done
}

@test "no client comes by the front's own ways" {
    local path address method each
    start
    address=$(at "$A")
    path=$(path_of /bucket/key "$(generation_of "$A" /bucket/key)")
    for method in GET HEAD PUT DELETE POST; do
        http $method "$(url i)/_mkv/object/$address$path"
        [[ $STATUS == 404 || $STATUS == 405 ]] || fail "$STATUS: $method"
        s3 $method "/_mkv/object/$address$path%0D%0AEvil:1"
        [[ $STATUS == 40[0345] ]] || fail "$STATUS: $method"
        refute header Evil
        s3 $method "/_mkv/object/$address$path" -H 'Mkv-Failed: x' -H 'Mkv-S3: perhaps'
        [[ $STATUS == 40[0345] ]] || fail "$STATUS: $method"
    done
    for each in "/_mkv/object/$address$path" "/_mkv/blob/$address$path" /_mkv/refused; do
        for path in "$each" "/bucket/..$each" "/bucket/%2e%2e$each"; do
            s3_want '40[04]' GET "$path" --path-as-is
            [[ $(element Code) =~ ^(NoSuchKey|InvalidBucketName)$ ]]
            is_invalid PUT "$path" --data-binary x
            is_invalid DELETE "$path"
            http PUT "$(url i)$path" --path-as-is --data-binary x
            same '404 ' "$STATUS $(element Code)" "by the native API: $path"
        done
    done
    refute logged i 'nginx: .*uninitialized'
    s3_want 200 GET /bucket/key -H "Mkv-Failed: ,$(at "$A"),$(at "$B"),$(at "$C"),a,b,c" -H 'X-Accel-Redirect: /_mkv/object/x/y'
    cmp "$T/blob" "$T/body"
}

@test "with virtual hosts the bucket is in the host's name" {
    s3_cluster "$VOLUMES" --s3-domain s3.lan
    s3_want 200 PUT /a/b.txt --data-binary hello -H 'Host: bucket.s3.lan'
    s3_want 200 GET /bucket/a/b.txt -H "Host: s3.lan:$(port i-s3)"
    same hello "$(cat "$T/body")"
    s3_want 200 GET /a/b.txt -H 'Host: BUCKET.s3.lan:80'
    s3_want 200 GET / -H 'Host: bucket.s3.lan'
    same a/b.txt "$(element Key)"
    s3_want 204 DELETE /a/b.txt -H 'Host: bucket.s3.lan'
    http PUT "$(url i-s3)/_mkv/object/x/y" -H 'Host: bucket.s3.lan' --data-binary evil
    same '400 InvalidURI' "$STATUS $(element Code)"
    s3_refused 404 NoSuchBucket GET /bucket
}

@test "a read has the bytes and headers of one version while the object is overwritten (mountx#20, floci#2874)" {
    local n pid size
    start
    head -c 200000 /dev/zero | tr '\0' a >"$T/a"
    head -c 300000 /dev/zero | tr '\0' b >"$T/b"
    s3_want 200 PUT /bucket/both -T "$T/a" -H 'x-amz-meta-v: a'
    (
        exec 3>&-
        for n in {1..40}; do
            curl -q -s --noproxy '*' -o /dev/null -T "$T/b" -H 'x-amz-meta-v: b' "$(url i-s3)/bucket/both"
            curl -q -s --noproxy '*' -o /dev/null -T "$T/a" -H 'x-amz-meta-v: a' "$(url i-s3)/bucket/both"
        done
    ) &
    pid=$!
    n=0
    while kill -0 $pid 2>/dev/null; do
        s3_want 200 GET /bucket/both
        cmp "$T/$(header x-amz-meta-v)" "$T/body" || return 1
        same "\"$(md5_of <"$T/body")\"" "$(header ETag)" || return 1
        n=$((n + 1))
    done
    wait $pid
    ((n > 3)) || fail "only $n reads"
}
