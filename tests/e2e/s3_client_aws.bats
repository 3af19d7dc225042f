#!/usr/bin/env bats
# aws, as Debian has it: a bucket, single objects, a tree that goes and comes back.

load ../support/lib
load ../support/s3
load ../support/s3_clients

before_all() {
    clients_cluster
}

before_each() {
    clients_home
    make_tree "$T/tree" 3
}

# One whole job: make a bucket, fill it, list it, read it back, change it, remove it.
aws_job() { # BUCKET
    local aws=(/usr/bin/aws --endpoint-url "$ENDPOINT") b=$1
    "${aws[@]}" s3 mb "s3://$b"
    "${aws[@]}" s3 ls | grep -q " $b\$"

    "${aws[@]}" s3 cp --quiet --content-type text/x-odd --metadata color=green "$T/tree/deep/file 1" "s3://$b/one"
    "${aws[@]}" s3api head-object --bucket "$b" --key one >"$T/one.json"
    same 'text/x-odd green 1000' "$(jq -r '"\(.ContentType) \(.Metadata.color) \(.ContentLength)"' "$T/one.json")"
    "${aws[@]}" s3 rm --quiet "s3://$b/one"
    refute "${aws[@]}" s3api head-object --bucket "$b" --key one

    "${aws[@]}" s3 sync --quiet "$T/tree" "s3://$b/tree"
    same "$(find "$T/tree" -type f | wc -l)" "$("${aws[@]}" s3 ls --recursive "s3://$b/tree/" | wc -l)" 'objects listed'
    "${aws[@]}" s3 ls "s3://$b/tree/" | grep -q 'PRE deep/'
    same '' "$("${aws[@]}" s3 sync "$T/tree" "s3://$b/tree")" 'what a second sync does'
    "${aws[@]}" s3 sync --quiet "s3://$b/tree" "$T/back"
    same_tree "$T/tree" "$T/back"

    echo new >"$T/tree/empty"
    "${aws[@]}" s3 sync --quiet "$T/tree" "s3://$b/tree"
    "${aws[@]}" s3 cp --quiet "s3://$b/tree/empty" - | cmp "$T/tree/empty"

    same 100-199 "$("${aws[@]}" s3api get-object --bucket "$b" --key tree/big --range bytes=100-199 "$T/part" |
        jq -r .ContentRange | sed -nE 's,bytes (.*)/3145728,\1,p')"
    tail -c +101 "$T/tree/big" | head -c 100 | cmp - "$T/part"

    "${aws[@]}" s3 presign "s3://$b/tree/big" >"$T/presigned"
    curl -q -fsS --noproxy '*' -o "$T/part" "$(cat "$T/presigned")"
    cmp "$T/tree/big" "$T/part"

    refute "${aws[@]}" s3 rb "s3://$b"
    verified
    "${aws[@]}" s3 rb --force "s3://$b" >/dev/null
    refute "${aws[@]}" s3api head-bucket --bucket "$b"
}

@test "Debian's aws" {
    need_client /usr/bin/aws
    aws_job job
}

@test "a key that isn't known, and a secret that is wrong" {
    need_client /usr/bin/aws
    AWS_ACCESS_KEY_ID=nobody refute /usr/bin/aws --endpoint-url "$ENDPOINT" s3 ls 2>"$T/out"
    grep -q InvalidAccessKeyId "$T/out"
    AWS_SECRET_ACCESS_KEY=wrong refute /usr/bin/aws --endpoint-url "$ENDPOINT" s3 ls 2>"$T/out"
    grep -q SignatureDoesNotMatch "$T/out"
}
