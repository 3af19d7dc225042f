#!/usr/bin/env bats
# rclone and s3cmd: trees that go and come back, their big file in parts, with checks of their own.

load ../support/lib
load ../support/s3
load ../support/s3_clients

before_all() {
    clients_cluster
}

before_each() {
    clients_home
    make_tree "$T/tree" 20
    export RCLONE_CONFIG=$T/home/rclone.conf
    cat >"$RCLONE_CONFIG" <<EOF
[mkv]
type = s3
provider = Other
env_auth = true
endpoint = $ENDPOINT
region = us-east-1
chunk_size = 5M
upload_cutoff = 5M
copy_cutoff = 5M
EOF
    cat >"$HOME/.s3cfg" <<EOF
[default]
access_key = $AWS_ACCESS_KEY_ID
secret_key = $AWS_SECRET_ACCESS_KEY
host_base = $(at i-s3)
host_bucket = $(at i-s3)
use_https = False
multipart_chunk_size_mb = 5
multipart_copy_chunk_size_mb = 5
EOF
}

@test "rclone syncs a tree, checks it, and gets it back" {
    need_client rclone
    rclone mkdir mkv:trees
    rclone sync "$T/tree" mkv:trees/one
    rclone check --download "$T/tree" mkv:trees/one
    as_admin s3_want 200 HEAD /trees/one/big
    same "\"$(etag_of_parts "$T/tree/big")\"" "$(header ETag)" ETag
    rclone move mkv:trees/one mkv:trees/two # by CopyObject and UploadPartCopy
    rclone copy mkv:trees/two "$T/back"
    same_tree "$T/tree" "$T/back"
    rclone move mkv:trees/two mkv:trees/one

    rm "$T/tree/deep/file 1"
    echo other >"$T/tree/deep/file 2"
    rclone sync "$T/tree" mkv:trees/one
    rclone check --download "$T/tree" mkv:trees/one
    same "$(find "$T/tree" -type f | wc -l)" "$(rclone lsf -R --files-only mkv:trees/one | wc -l)" 'files listed'
    same "$(stat -c %Y "$T/tree/big")" "$(date -d "$(rclone lsjson mkv:trees/one/big | jq -r '.[0].ModTime')" +%s)" mtime

    rclone cat --offset 1000 --count 500 mkv:trees/one/big | cmp - <(tail -c +1001 "$T/tree/big" | head -c 500)
    verified
    rclone purge mkv:trees
    refute rclone lsf mkv:trees
}

@test "s3cmd syncs a tree, checks it, and gets it back" {
    need_client s3cmd
    s3cmd mb s3://s3cmd
    s3cmd ls | grep -q s3://s3cmd
    s3cmd -q sync "$T/tree/" s3://s3cmd/tree/
    same "$(find "$T/tree" -type f | wc -l)" "$(s3cmd ls -r s3://s3cmd/tree/ | wc -l)" 'objects listed'
    s3cmd info s3://s3cmd/tree/big >"$T/info"
    grep -q "MD5 sum: *$(md5_of <"$T/tree/big")" "$T/info"
    as_admin s3_want 200 HEAD /s3cmd/tree/big
    same "\"$(etag_of_parts "$T/tree/big")\"" "$(header ETag)" ETag
    s3cmd -q cp s3://s3cmd/tree/big s3://s3cmd/copy # by UploadPartCopy
    s3cmd -q get s3://s3cmd/copy "$T/copy"
    cmp "$T/tree/big" "$T/copy"
    mkdir "$T/back"
    s3cmd -q sync s3://s3cmd/tree/ "$T/back/"
    same_tree "$T/tree" "$T/back"

    echo other >"$T/tree/big"
    s3cmd -q put "$T/tree/big" s3://s3cmd/tree/big
    s3cmd -q --force get s3://s3cmd/tree/big "$T/part"
    cmp "$T/tree/big" "$T/part"
    s3cmd info s3://s3cmd/tree/big | grep -q "MD5 sum: *$(md5_of <"$T/tree/big")"
    verified
    s3cmd -q del -r --force s3://s3cmd
    s3cmd rb s3://s3cmd
}
