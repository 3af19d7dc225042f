#!/usr/bin/env bats
# What S3 has stored goes through verify, rebalance, drain and rebuild: objects that were sent, joined
# of parts, copied, or are empty, and uploads that are still going on.

load ../support/lib
load ../support/replicas
load ../support/admin_jobs
load ../support/rebuild
load ../support/s3
load ../support/s3_multipart

COPIES=2

before_each() {
    B=bucket
    I=$T/data/i
    head -c 5242880 /dev/urandom >"$T/five"
    printf end >"$T/end"
    cat "$T/five" "$T/end" >"$T/whole"
}

after_each() {
    local each
    for each in "$T"/data/*; do
        ! mountpoint -q "$each" || umount -l "$each"
    done
}

# Stores of each kind, and leaves an upload of two parts, ID, to the key "later".
store_all() {
    local n
    s3_want 200 PUT "/$B"
    for n in {1..12}; do
        s3_want 200 PUT "/$B/sent/$n" --data-binary "value $n" -H "Content-Type: text/n$n" -H "x-amz-meta-n: $n"
    done
    for n in 1 2; do
        make_object "joined/$n" "$T/five" "$T/end"
        s3_want 200 PUT "/$B/copied/$n" -H "x-amz-copy-source: /$B/joined/$n"
    done
    s3_want 200 PUT "/$B/empty" -T /dev/null
    create later -H 'Content-Type: text/later'
    part_file later 1 "$T/five"
    part_file later 2 "$T/end"
}

all_is_there() {
    local n
    for n in {1..12}; do
        s3_want 200 GET "/$B/sent/$n"
        same "value $n" "$(cat "$T/body")"
        same "text/n$n $n" "$(header Content-Type) $(header x-amz-meta-n)"
    done
    for n in 1 2; do
        s3_want 200 GET "/$B/joined/$n"
        cmp "$T/whole" "$T/body"
        same "$(unquoted "$(etag_of "$T/five" "$T/end")")" "$(header ETag | tr -d '"')"
        s3_want 206 GET "/$B/joined/$n?partNumber=2"
        same end "$(cat "$T/body")"
        s3_want 200 GET "/$B/copied/$n"
        cmp "$T/whole" "$T/body"
    done
    s3_want 200 GET "/$B/empty"
    same 0 "$(stat -c %s "$T/body")"
    s3_want 200 GET "/$B?list-type=2"
    same 17 "$(elements Key | wc -l)" objects
    s3_want 200 GET "/$B?uploads"
    same later "$(elements Key)"
    s3_want 200 GET "/$B/later?uploadId=$ID"
    same '5242880 3' "$(elements Size | xargs)"
}

later_can_be_completed() {
    complete later 1 2
    s3_want 200 GET "/$B/later"
    cmp "$T/whole" "$T/body"
    same text/later "$(header Content-Type)"
    no_parts() { [[ -z $(files_of_parts) ]]; }
    within 20 no_parts
}

@test "rebalance and drain move all of it, uploads too" {
    VOLUMES='v1 v2 v3 v4'
    start_with 'v1 v2 v3' --s3 "$(at i-s3)"
    store_all
    volume v4
    relist "$VOLUMES"
    run_job rebalance
    same 'done true' "$(job '"\(.state) \(.clean)"')"
    (($(job .counts.moved) > 0))
    all_is_there
    run_job "drain?volume=$(at v1)"
    same 'done true' "$(job '"\(.state) \(.clean)"')"
    same '' "$(blobs v1)" 'blobs on it'
    stop v1
    all_is_there
    later_can_be_completed
    VOLUMES='v2 v3 v4'
    within 20 has_orphans i 0
    is_clean
}

@test "verify finds what is wrong with a part and with an object of parts, and mends it" {
    local file
    VOLUMES='v1 v2 v3'
    start_with "$VOLUMES" --s3 "$(at i-s3)"
    store_all
    within 20 has_orphans i 0
    run_job 'verify?deep=1'
    ended_as 'done true'
    rm "$(files_of_parts | head -n 1)"
    file=$(copy_of "/$B/joined/1" 1)
    rm "$file"
    truncate -s -1 "$(copy_of "/$B/joined/2" 1)"
    flip "$(copy_of "/$B/copied/2" 1)"
    run_job 'verify?deep=1'
    same 'done false' "$(job '"\(.state) \(.clean)"')"
    (($(wc -l <"$T/findings") >= 4))
    run_job 'verify?deep=1&repair=1'
    run_job 'verify?deep=1'
    ended_as 'done true'
    [[ -f $file ]]
    all_is_there
    later_can_be_completed
}

@test "a rebuild has all of it, uploads too" {
    VOLUMES='v1 v2 v3'
    start_with "$VOLUMES" --s3 "$(at i-s3)" --backup-every 0
    store_all
    within 20 has_orphans i 0
    stop i
    dump_of "$I" "$T/before"
    "$MKV" verify --repair --index "$I" # which is an index for that time, and keeps uploads as well
    dump_of "$I" "$T/after"
    diff "$T/before" "$T/after"
    rm -r "$I"
    rebuild "$I" "$VOLUMES"
    dump_of "$I" "$T/after"
    diff "$T/before" "$T/after"
    index_of_list "$VOLUMES" --s3 "$(at i-s3)"
    all_is_there
    later_can_be_completed
    within 20 has_orphans i 0
    is_clean
}

@test "where file systems have no extended attributes, a rebuild has all values, and they can be used" {
    local each
    need_root
    VOLUMES='v1 v2'
    for each in $VOLUMES; do
        mkdir "$T/data/$each"
        mount -t ramfs ramfs "$T/data/$each" || skip 'needs ramfs'
    done
    start_with "$VOLUMES" --s3 "$(at i-s3)" --backup-every 0
    logged v1 'warn .* has no extended attributes: a rebuild'
    put "$(url i)/plain" value
    s3_want 200 PUT "/$B/sent" --data-binary value -H 'Content-Type: text/n' -H 'x-amz-meta-n: 1'
    make_object joined "$T/five" "$T/end"
    s3_want 200 PUT "/$B/empty" -T /dev/null
    within 20 has_orphans i 0
    stop i
    rm -r "$I"
    rebuild "$I" "$VOLUMES"
    index_of_list "$VOLUMES" --s3 "$(at i-s3)"
    got "$(url i)/plain" value
    s3_want 200 HEAD "/$B/sent"
    [[ -n $(header ETag) ]]
    refute header x-amz-meta-n
    s3_want 206 GET "/$B/sent" -H 'Range: bytes=1-2'
    same al "$(cat "$T/body")"
    s3_want 200 GET "/$B/joined"
    cmp "$T/whole" "$T/body"
    s3_want 200 GET "/$B?list-type=2"
    same 'empty joined sent' "$(elements Key | xargs)"
    for each in sent joined empty; do
        s3_want 200 PUT "/$B/copy" -H "x-amz-copy-source: /$B/$each"
        s3_want 204 DELETE "/$B/$each"
    done
    run_job 'verify?deep=1'
    same 'done true' "$(job '"\(.state) \(.clean)"')"
}
