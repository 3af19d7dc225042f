#!/usr/bin/env bats
# Buckets of the S3 API: those that are created, and those that keys make.

load ../support/lib
load ../support/s3_lists

before_all() {
    cluster i v --s3 "$(at i-s3)"
}

before_each() {
    B=bucket-$BATS_TEST_NUMBER # keys of different tests must not meet
    S=$(url i-s3)
    U=$S/$B
}

has_bucket() { # NAME
    list "$S/"
    [[ " ${LISTED[*]} " == *" $1 "* ]]
}

@test "a bucket is created, listed and deleted" {
    refuses 404 NoSuchBucket GET "$U?location"
    want 404 HEAD "$U"
    refuses 404 NoSuchBucket DELETE "$U"
    refute has_bucket "$B"
    want 200 PUT "$U"
    same "/$B" "$(header Location)"
    want 200 HEAD "$U"
    same us-east-1 "$(header x-amz-bucket-region)"
    has_bucket "$B"
    grep -Eq "<Bucket><Name>$B</Name><CreationDate>20[^<]*Z</CreationDate></Bucket>" "$T/body"
    want 200 GET "$U?location"
    grep -q '<LocationConstraint xmlns="[^"]*"></LocationConstraint>' "$T/body"
    lists "$U?list-type=2" ''
    want 200 PUT "$U" # it is theirs
    want 204 DELETE "$U"
    want 404 HEAD "$U"
    refute has_bucket "$B"
}

@test "a bucket may be created with a location, and with nothing else" {
    want 200 PUT "$U" --data '<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>'
    want 200 GET "$U?location"
    grep -q '<LocationConstraint xmlns="[^"]*">eu-west-1</LocationConstraint>' "$T/body"
    refuses 400 MalformedXML PUT "$U-2" --data '<CreateBucketConfiguration>'
    want 404 HEAD "$U-2"
}

@test "names that no bucket may have are refused" {
    local name
    for name in a ab Upper under_score -a a- a..b 192.168.0.1 "$(printf 'x%.0s' {1..64})"; do
        refuses 400 InvalidBucketName PUT "$S/$name"
    done
    want 200 PUT "$S/$(printf 'y%.0s' {1..63})"
    refuses '40[0-9]' '[A-Za-z]*' GET "$S/_mkv?list-type=2"
    refuses '40[0-9]' '[A-Za-z]*' DELETE "$S/_mkv"
}

@test "a bucket with keys can't be deleted" {
    want 200 PUT "$U"
    put "$(url i)/$B/a/b" value
    refuses 409 BucketNotEmpty DELETE "$U"
    got "$(url i)/$B/a/b" value
    want 204 UNLINK "$(url i)/$B/a/b" # absent to S3
    want 204 DELETE "$U"
}

@test "the first component of a key is a bucket as long as the key is there" {
    put "$(url i)/$B/a/b" value
    want 200 HEAD "$U"
    has_bucket "$B"
    refuses 409 BucketNotEmpty DELETE "$U"
    want 200 PUT "$U" # and then it stays
    same 1 "$(grep -o "<Name>$B</Name>" <(has_bucket "$B" && cat "$T/body") | wc -l)"
    want 204 DELETE "$(url i)/$B/a/b"
    want 200 HEAD "$U"
    put "$(url i)/$B-2/k" value
    has_bucket "$B-2"
    want 204 DELETE "$(url i)/$B-2/k"
    refute has_bucket "$B-2"
}

@test "buckets are listed in pages, by prefix, and no key of mkv's own is one" {
    local n token=''
    for n in 1 2 3; do
        want 200 PUT "$U-$n"
        put "$(url i)/$B-k$n/key" value
    done
    list "$S/?prefix=$B-"
    same "$B-1 $B-2 $B-3 $B-k1 $B-k2 $B-k3" "${LISTED[*]}"
    for n in 1 2 3 k1 k2 k3; do
        list "$S/?prefix=$B-&max-buckets=1$token"
        same "$B-$n" "${LISTED[*]}"
        token="&continuation-token=$(said ContinuationToken)"
    done
    same '' "$(said ContinuationToken)"
    refuses 400 InvalidArgument GET "$S/?max-buckets=0"
    list "$S/"
    refute grep -q _mkv "$T/body"
}

@test "buckets survive a restart, and a kill" {
    cluster j w --s3 "$(at j-s3)"
    U=$(url j-s3)/$B
    want 200 PUT "$U"
    put "$(url j)/$B/k" value
    crash j
    index j w --s3 "$(at j-s3)"
    want 200 HEAD "$U"
    refuses 409 BucketNotEmpty DELETE "$U"
    want 204 DELETE "$(url j)/$B/k"
    want 204 DELETE "$U"
    stop j
    index j w --s3 "$(at j-s3)"
    want 404 HEAD "$U"
}

@test "a bucket can't be created while no volume takes values, and isn't there then" {
    cluster j w --s3 "$(at j-s3)"
    U=$(url j-s3)/$B
    stop w
    within 10 sees j w down
    refuses 503 '[A-Za-z]*' PUT "$U"
    volume w
    within 10 sees j w up
    want 404 HEAD "$U"
    want 200 PUT "$U"
}
