#!/usr/bin/env bats
# Where the parts of an upload, and what is copied, are joined: at the volumes, unless they can't.

load ../support/lib
load ../support/s3
load ../support/s3_multipart
load ../support/admin_jobs
load ../support/rebuild

before_each() {
    B=bucket
    head -c 5242880 /dev/urandom >"$T/five"
    printf end >"$T/end"
    cat "$T/five" "$T/end" >"$T/whole"
}

# Starts volumes that log what they are asked for, and an index.
logging_cluster() { # "VOLUME..." [INDEX-OPTIONS...]
    local each
    for each in $1; do
        volume "$each" --access-log "$T/$each.access"
    done
    index i "$1" --s3 "$(at i-s3)" "${@:2}"
}

# Prints how many requests like this the volumes have had.
count_like() { # REGEX
    cat "$T"/*.access | grep -Ec "\"$1" || true
}

forget_requests() {
    local each
    for each in "$T"/*.access; do
        truncate -s 0 "$each"
    done
}

# A value of an object was sent to a volume.
SENT='PUT (/sv..)?/../../L2J1Y2tldC' # base64 of "/bucket"

has_part() { # VOLUME
    blobs "$1" | grep -q /L19ta3YvczMvcGFydC # base64 of "/_mkv/s3/part"
}

volumes_with_parts() {
    local each
    for each in v1 v2 v3; do
        if has_part $each; then
            echo $each
        fi
    done
}

made() { # KEY
    s3_want 200 GET "/$B/$1"
    cmp "$T/whole" "$T/body"
}

@test "parts lie where their object will, and are joined there" {
    local key
    logging_cluster 'v1 v2 v3' --subvolumes 3
    for key in a b c; do
        create $key -H 'Content-Type: text/x'
        part_file $key 1 "$T/five"
        part_file $key 2 "$T/end"
        same 1 "$(volumes_with_parts | wc -l)" 'volumes with parts'
        forget_requests
        complete $key 1 2
        same '1 0 0' "$(count_like 'POST /_mkv/assemble') $(count_like "$SENT") $(count_like GET.*/L19ta3Yv)" 'requests to volumes'
        made $key
        same text/x "$(header Content-Type)"
        no_parts() { [[ -z $(volumes_with_parts) ]]; }
        within 20 no_parts
    done
}

@test "each of the volumes that are to have the object joins the parts" {
    logging_cluster 'v1 v2 v3' --replicas 2
    make_object k "$T/five" "$T/end"
    same 2 "$(count_like 'POST /_mkv/assemble')"
    made k
    within 20 has_orphans i 0
    same 2 "$(for each in v1 v2 v3; do paths_of $each "/$B/k"; done | wc -l)" blobs
    run_job 'verify?deep=1'
    is_clean
    stop i
    dump_of "$RUN/data/i" "$T/before"
    rebuild "$RUN/data/again" 'v1 v2 v3'
    dump_of "$RUN/data/again" "$T/after"
    diff "$T/before" "$T/after"
}

@test "a copy of an object onto itself, and ranges of it, are made at the volumes" {
    logging_cluster 'v1 v2'
    s3_want 200 PUT "/$B/k" -T "$T/whole"
    forget_requests
    s3_want 200 PUT "/$B/k" -H "x-amz-copy-source: /$B/k" -H 'x-amz-metadata-directive: REPLACE' -H 'Content-Type: text/y'
    same "&quot;$(md5_of <"$T/whole")&quot;" "$(element ETag)"
    made k
    same text/y "$(header Content-Type)"
    create k
    s3_want 200 PUT "/$B/k?uploadId=$ID&partNumber=1" -H "x-amz-copy-source: /$B/k" -H 'x-amz-copy-source-range: bytes=0-5242879'
    same "&quot;$(md5_of <"$T/five")&quot;" "$(element ETag)"
    s3_want 200 PUT "/$B/k?uploadId=$ID&partNumber=2" -H "x-amz-copy-source: /$B/k" -H 'x-amz-copy-source-range: bytes=5242880-5242882'
    same "&quot;$(md5_of <"$T/end")&quot;" "$(element ETag)"
    complete k 1 2
    same '4 0 1' "$(count_like 'POST /_mkv/assemble') $(count_like "$SENT") $(count_like GET.*/L2J1Y2tldC)" 'requests to volumes' # one is of made
    made k
}

@test "volumes that are nginx alone need not join anything" {
    plain_volume v1
    plain_volume v2
    index i 'v1 v2' --s3 "$(at i-s3)" --no-sync
    make_object k "$T/five" "$T/end"
    made k
    logged i 'answered POST /_mkv/assemble with'
}

@test "a part whose volume was away lies elsewhere, and the object is whole" {
    local away
    logging_cluster 'v1 v2 v3'
    create k
    part_file k 1 "$T/five"
    away=$(volumes_with_parts)
    crash "$away"
    within 10 sees i "$away" down
    part_file k 2 "$T/end"
    volume "$away" --access-log "$T/$away.access"
    within 10 sees i "$away" up
    same 2 "$(volumes_with_parts | wc -l)" 'volumes with parts'
    complete k 1 2
    made k
    within 20 has_orphans i 0
}

@test "what a volume makes when it was given up long ago is removed" {
    local complete
    volume v
    link slow v 0 "$T/hold"
    index i slow --s3 "$(at i-s3)"
    create k
    part_file k 1 "$T/five"
    part_file k 2 "$T/end"
    touch "$T/hold"
    list_of 1 "$(md5_of <"$T/five")" 2 "$(md5_of <"$T/end")" >"$T/list"
    curl -q -s --noproxy '*' -o /dev/null -X POST --data-binary "@$T/list" "$(url i-s3)/$B/k?uploadId=$ID" 3>&- &
    complete=$!
    within 10 logged slow '^held POST /_mkv/assemble '
    crash i
    wait $complete || true
    rm "$T/hold"
    index i slow --s3 "$(at i-s3)"
    within 10 sees i slow up
    lacks v "/$B/k"
    touch "$T/hold.go"
    is_late() { blob_of v "/$B/k"; }
    within 10 is_late
    s3_want 404 GET "/$B/k"
    within 30 lacks v "/$B/k"
    s3_want 200 POST "/$B/k?uploadId=$ID" --data-binary "@$T/list"
    made k
    within 20 has_orphans i 0
    same 1 "$(paths_of v "/$B/k" | wc -l)" blobs
}

# Copies an object over a volume that makes nothing itself; and before that says so, runs the command, by which what was to
# be copied isn't what it was. Sets STATUS.
copy_while() { # KEY COMMAND...
    local key=$1 copy n
    shift
    n=$(grep -c '^held POST /_mkv/assemble ' "$(log_of slow)" || true)
    is_held() { (($(grep -c '^held POST /_mkv/assemble ' "$(log_of slow)") > n)); }
    touch "$T/hold"
    curl -q -s --noproxy '*' -o "$T/copied" -w '%{http_code}' -X PUT -H "x-amz-copy-source: /$B/$key" "$(url i-s3)/$B/copy" >"$T/status" 3>&- &
    copy=$!
    within 10 is_held
    rm "$T/hold"
    "$@"
    touch "$T/hold.go"
    wait $copy
    rm "$T/hold.go"
    STATUS=$(cat "$T/status")
}

put_value() { # KEY VALUE
    s3_want 200 PUT "/$B/$1" -d "$2"
}

@test "a copy has what the source was at its beginning, if that is still there" {
    local file
    plain_volume v
    link slow v 0 "$T/hold"
    index i slow --s3 "$(at i-s3)" --no-sync --grace 60
    put_value k old
    copy_while k put_value k new
    same 200 "$STATUS"
    got "$(url i-s3)/$B/copy" old
    got "$(url i-s3)/$B/k" new
    stop i
    index i slow --s3 "$(at i-s3)" --no-sync --grace 0
    replace() {
        file=$(file_of v "/$B/k")
        put_value k newer
        within 10 test ! -e "$file"
    }
    copy_while k replace
    [[ $STATUS == @(200|503) ]] # the first once it has taken some seconds
    same ServiceUnavailable "$(sed -n 's/.*<Code>\(.*\)<\/Code>.*/\1/p' "$T/copied")"
    remove() {
        file=$(file_of v "/$B/k")
        s3_want 204 DELETE "/$B/k"
        within 10 test ! -e "$file"
    }
    copy_while k remove
    same '404 NoSuchKey' "$STATUS $(sed -n 's/.*<Code>\(.*\)<\/Code>.*/\1/p' "$T/copied")"
    got "$(url i-s3)/$B/copy" old
}

@test "a copy that has rotted is not copied" {
    local key each
    plain_volume v1
    plain_volume v2
    index i 'v1 v2' --s3 "$(at i-s3)" --no-sync --replicas 2
    for key in 1 2 both; do
        put_value $key value
        for each in 1 2; do
            if [[ $key != "$((3 - each))" ]]; then
                printf VALUE >"$(file_of v$each "/$B/$key")"
            fi
        done
    done
    for key in 1 2; do
        s3_want 200 PUT "/$B/copy-of-$key" -H "x-amz-copy-source: /$B/$key"
        got "$(url i-s3)/$B/copy-of-$key" value
    done
    s3_refused 500 InternalError PUT "/$B/copy-of-both" -H "x-amz-copy-source: /$B/both"
    s3_want 404 GET "/$B/copy-of-both"
    logged i 'what was read of volume .* is not the value'
}
