#!/usr/bin/env bats
# The index and volumes killed while an upload of S3 is completed: the object is there, whole, or not,
# and who asks again gets it. Nothing of the upload is left.

load ../support/lib
load ../support/s3
load ../support/s3_multipart

before_each() {
    B=bucket
    s3_cluster 'v1 v2 v3' --replicas 2
    head -c 5242880 /dev/urandom >"$T/five"
    printf end >"$T/end"
    cat "$T"/five "$T"/five "$T"/five "$T"/end >"$T/whole"
}

restart() {
    index i 'v1 v2 v3' --s3 "$(at i-s3)" --replicas 2
}

# Creates an upload to a key and begins to complete it.
begin() { # KEY
    local number md5
    create "$1"
    for number in 1 2 3; do
        part_file "$1" $number "$T/five"
    done
    part_file "$1" 4 "$T/end"
    md5=$(md5_of <"$T/five")
    list_of 1 "$md5" 2 "$md5" 3 "$md5" 4 "$(md5_of <"$T/end")" >"$T/list"
    curl -s -o "$T/first" -X POST --data-binary "@$T/list" "$(url i-s3)/$B/$1?uploadId=$ID" 3>&- &
    COMPLETE=$!
}

# One commit makes the object and ends the upload.
is_one_or_the_other() { # KEY
    local codes
    codes=$(curl -s -o /dev/null -w '%{http_code}' -I "$(url i-s3)/$B/$1")
    codes+=" $(curl -s -o /dev/null -w '%{http_code}' "$(url i-s3)/$B/$1?uploadId=$ID")"
    [[ $codes =~ ^('200 404'|'404 200')$ ]] || fail "the object and the upload: $codes"
}

again() { # KEY
    s3_want 200 POST "/$B/$1?uploadId=$ID" --data-binary "@$T/list"
    s3_want 200 GET "/$B/$1"
    cmp "$T/whole" "$T/body"
    s3_refused 404 NoSuchUpload GET "/$B/$1?uploadId=$ID"
    s3_want 200 GET "/$B?uploads"
    same '' "$(elements UploadId)"
}

# The file system knows where a completion is.
is_begun() { # KEY
    ! tidy v1 || ! tidy v2 || ! tidy v3 || is_at_volume "$1"
}

is_at_volume() { # KEY
    blob_of v1 "/$B/$1" || blob_of v2 "/$B/$1" || blob_of v3 "/$B/$1"
}

is_there() { # KEY
    [[ $(curl -s -o /dev/null -w '%{http_code}' -I "$(url i-s3)/$B/$1") == 200 ]]
}

is_answered() {
    ! kill -0 "$COMPLETE"
}

# In the end there are no parts, no orphans, and of each key as many blobs as it has copies.
nothing_is_left() { # KEY...
    local key
    no_parts() { [[ $(F=$T files_of_parts) == '' ]]; }
    within 30 no_parts
    within 30 has_orphans i 0
    for key in "$@"; do
        same 2 "$(for each in v1 v2 v3; do paths_of $each "/$B/$key"; done | wc -l)" "blobs of $key"
    done
}

@test "the index is killed at any moment of a Complete" {
    local moment keys=()
    for moment in is_begun is_at_volume is_there is_answered is_begun is_at_volume; do
        keys+=("$moment-${#keys[@]}")
        begin "${keys[-1]}"
        within 10 $moment "${keys[-1]}"
        crash i
        wait "$COMPLETE" || true
        restart
        is_one_or_the_other "${keys[-1]}"
        again "${keys[-1]}"
    done
    nothing_is_left "${keys[@]}"
}

@test "a volume is killed at any moment of a Complete" {
    local moment volume keys=()
    for moment in is_begun is_at_volume is_begun; do
        for volume in v1 v2; do
            keys+=("$moment-${#keys[@]}")
            begin "${keys[-1]}"
            within 10 $moment "${keys[-1]}"
            crash $volume
            wait "$COMPLETE" || true
            volume $volume
            within 10 sees i $volume up
            again "${keys[-1]}"
        done
    done
}
