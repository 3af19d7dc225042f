#!/usr/bin/env bats
# aws, as Debian has it: a tree that goes and comes back, its big file in parts. (A start of aws takes
# seconds on a busy machine, so each does much. PyPI has only version 1, which sends what PyPI's boto3
# sends; that is tested.)

load ../support/lib
load ../support/s3
load ../support/s3_clients

before_all() {
    clients_cluster
}

before_each() {
    clients_home
    printf '[default]\ns3 =\n  multipart_threshold = 5MB\n  multipart_chunksize = 5MB\n' >"$AWS_CONFIG_FILE"
}

aws() { # ARGUMENTS...
    /usr/bin/aws --endpoint-url "$ENDPOINT" "$@"
}

@test "a tree goes, is changed, copied and comes back" {
    need_client /usr/bin/aws
    make_tree "$T/tree" 20
    aws s3 mb s3://job
    aws s3 sync --quiet --content-type text/x-odd --metadata color=green "$T/tree" s3://job/tree
    same "$(find "$T/tree" -type f | wc -l)" "$(aws s3 ls --recursive s3://job/tree/ | wc -l)" 'objects listed'
    aws s3api head-object --bucket job --key tree/big >"$T/big.json"
    same "text/x-odd green 20971520 \"$(etag_of_parts "$T/tree/big")\"" \
        "$(jq -r '"\(.ContentType) \(.Metadata.color) \(.ContentLength) \(.ETag)"' "$T/big.json")"

    echo new >"$T/tree/empty"
    aws s3 sync --no-progress "$T/tree" s3://job/tree >"$T/synced"
    same "upload: $(realpath --relative-to . "$T/tree/empty") to s3://job/tree/empty" "$(sed 's/ *$//' "$T/synced")" \
        'what a second sync does'
    aws s3 cp --quiet s3://job/tree/big s3://job/copy # by UploadPartCopy
    aws s3 sync --quiet s3://job "$T/back"
    cmp "$T/tree/big" "$T/back/copy"
    same_tree "$T/tree" "$T/back/tree"

    aws s3 presign s3://job/tree/big >"$T/presigned"
    curl -q -fsS --noproxy '*' -o "$T/part" "$(cat "$T/presigned")"
    cmp "$T/tree/big" "$T/part"
    verified
    aws s3 rb --force s3://job >/dev/null
    as_admin s3_want 404 HEAD /job
}

@test "a key that isn't known, and a secret that is wrong" {
    need_client /usr/bin/aws
    AWS_ACCESS_KEY_ID=nobody refute aws s3 ls 2>"$T/out"
    grep -q InvalidAccessKeyId "$T/out"
    AWS_SECRET_ACCESS_KEY=wrong refute aws s3 ls 2>"$T/out"
    grep -q SignatureDoesNotMatch "$T/out"
}
