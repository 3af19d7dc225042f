#!/usr/bin/env bats
# Lists of the S3 API: ListObjects, ListObjectsV2, ListObjectVersions. The numbers are those of
# reports on other servers.

load ../support/lib
load ../support/s3_lists

before_all() {
    cluster i v --s3 "$(at i-s3)"
}

before_each() {
    B=bucket-$BATS_TEST_NUMBER # keys of different tests must not meet
    U=$(url i-s3)/$B
}

# Puts keys of the bucket, which are those of the native API; encoded.
fill() { # KEY...
    printf "PUT /$B/%s\n" "$@" >"$T/plan"
    same "$#x201" "$(requests "$(url i)" <"$T/plan")"
}

@test "a list is the same by each port, and natively the bucket's keys are what they were" {
    local u
    fill a b/c b/d e
    for u in "$(url i)" "$(url i-direct)" "$(url i-s3)"; do
        lists "$u/$B?delimiter=/" 'a b/ e'
        lists "$u/$B/?list-type=2&prefix=b/" 'b/c b/d'
    done
    want 404 GET "$(url i)/$B"
    want 200 GET "$(url i)/$B/?list"
    same '{"keys":["/'"$B"'/a","/'"$B"'/b/c","/'"$B"'/b/d","/'"$B"'/e"],"next":""}' "$(cat "$T/body")"
}

@test "a key is told with its ETag, size, time and class" {
    put "$(url i)/$B/k" value
    list "$U?list-type=2"
    want 200 HEAD "$U/k"
    same 5 "$(header Content-Length)"
    list "$U?list-type=2&fetch-owner=true"
    grep -q '<Size>5</Size><StorageClass>STANDARD</StorageClass><Owner><ID>' "$T/body"
    grep -Eq '<LastModified>20..-..-..T..:..:..\.000Z</LastModified>' "$T/body"
    grep -qF "<ETag>&quot;$(printf value | md5sum | cut -c1-32)&quot;</ETag>" "$T/body"
}

@test "an empty list is 200, one of no bucket is 404 (doris#60195)" {
    fill a
    lists "$U?list-type=2&prefix=none" ''
    same 0 "$(said KeyCount)"
    lists "$U?prefix=none" ''
    refuses 404 NoSuchBucket GET "$(url i-s3)/none-of-these"
    refuses 404 NoSuchBucket GET "$(url i-s3)/none-of-these?list-type=2"
}

@test "a page is truncated when an entry follows, and only then (VG#816)" {
    fill asdf boo/bar boo/baz/xyzzy cquux/thud cquux/bla
    lists "$U?delimiter=/&marker=boo/&max-keys=1" cquux/
    lists "$U?delimiter=/&marker=boo/bar&max-keys=1" cquux/
    lists "$U?delimiter=/&max-keys=1" asdf true
    same asdf "$(said NextMarker)"
    lists "$U?delimiter=/&max-keys=2" 'asdf boo/' true
    same boo/ "$(said NextMarker)"
    lists "$U?delimiter=/&max-keys=3" 'asdf boo/ cquux/'
    same '' "$(said NextMarker)"
    lists "$U?max-keys=1" asdf true
    same '' "$(said NextMarker)" 'NextMarker without a delimiter'
    lists "$U?max-keys=0" ''
    lists "$U?list-type=2&max-keys=0" ''
}

@test "pages have each key and each prefix once (localstack#9605, s3-orchestrator#660, SW#8287)" {
    local n query
    for n in {1..20}; do
        echo "a/b$((n % 3))/c$n" "a/d$n" "e$((n % 7))/f$n" "g$n"
    done | tr ' ' '\n' >"$T/keys"
    mapfile -t keys <"$T/keys"
    fill "${keys[@]}"
    sort "$T/keys" >"$T/all"
    sed 's|/.*|/|' "$T/keys" | sort -u >"$T/top"
    grep '^a/' "$T/keys" | sed 's|^a/\([^/]*/\).*|a/\1|' | sort -u >"$T/below"
    for query in '' '&list-type=2'; do
        for n in 1 2 7 1000; do
            pages "$U?max-keys=$n$query" | cmp - "$T/all"
            pages "$U?max-keys=$n$query&delimiter=/" | cmp - "$T/top"
            pages "$U?max-keys=$n$query&delimiter=/&prefix=a/" | cmp - "$T/below"
        done
    done
}

@test "a prefix that ends inside a name loses nothing (SW#10656)" {
    fill data/a data/a/x data/ab data/ac/y data/b
    pages "$U?list-type=2&prefix=data/a&max-keys=1&delimiter=/" >"$T/pages"
    same 'data/a data/a/ data/ab data/ac/' "$(paste -sd' ' "$T/pages")"
}

@test "foo and foo/bar can both be there, in either order (SW#10912, MN#20167, VG#137)" {
    fill foo/bar
    fill foo
    lists "$U?list-type=2&delimiter=/" 'foo foo/'
    lists "$U?list-type=2&prefix=foo/" foo/bar
    want 204 DELETE "$(url i)/$B/foo/bar"
    lists "$U?list-type=2&delimiter=/" foo
}

@test "a prefix whose keys are all unlinked isn't listed (SW#10416)" {
    fill gone/a gone/b some/a some/b z
    want 204 UNLINK "$(url i)/$B/gone/a"
    want 204 UNLINK "$(url i)/$B/gone/b"
    want 204 UNLINK "$(url i)/$B/some/a"
    lists "$U?list-type=2&delimiter=/" 'some/ z'
    lists "$U?list-type=2&prefix=some/" some/b
    want 204 DELETE "$(url i)/$B/some/b"
    lists "$U?list-type=2&delimiter=/&prefix=g" ''
    lists "$U?list-type=2&prefix=some/" ''
}

@test "names of any bytes, encoded and not" {
    fill 'a%20b%2Bc' '%C3%A4' '%26%3C%3E' 'x%FF' 'y%0Az'
    list "$U?list-type=2&encoding-type=url"
    same '%26%3C%3E a%20b%2Bc x%FF y%0Az %C3%A4' "${LISTED[*]}"
    same url "$(said EncodingType)"
    list "$U?list-type=2&encoding-type=url&prefix=a%20&delimiter=%2B"
    same 'a%20b%2B' "${LISTED[*]}"
    same 'a%20' "$(said Prefix)"
    same '%2B' "$(said Delimiter)"
    want 200 GET "$U?list-type=2"
    refute grep -q '<Key>x' "$T/body" # not UTF-8
    grep -q '<Key>y&#xA;z</Key>' "$T/body"
    grep -q '<Key>ä</Key>' "$T/body"
    grep -q '<Key>&amp;&lt;&gt;</Key>' "$T/body"
    grep -q '<Key>a b+c</Key>' "$T/body"
}

@test "what a list can't be asked for is refused" {
    fill a
    refuses 400 InvalidArgument GET "$U?max-keys=blah"
    refuses 400 InvalidArgument GET "$U?max-keys=-1"
    refuses 400 InvalidArgument GET "$U?list-type=3"
    refuses 400 InvalidArgument GET "$U?encoding-type=xml"
    refuses 400 InvalidArgument GET "$U?list-type=2&continuation-token=abc"
    refuses 400 InvalidArgument GET "$U?prefix=$(printf 'x%.0s' {1..1025})"
}

@test "each object is its only version" {
    fill a b/c d
    lists "$U?versions&delimiter=/" 'a b/ d'
    same 2 "$(grep -o '<VersionId>null</VersionId><IsLatest>true</IsLatest>' "$T/body" | wc -l)"
    lists "$U?versions&max-keys=1" a true
    same a "$(said NextKeyMarker)"
    same null "$(said NextVersionIdMarker)"
    lists "$U?versions&key-marker=a&version-id-marker=null" 'b/c d'
}

@test "a thousand long keys, and a crowd that lists them, get whole pages" {
    local n long
    printf -v long '%%01%.0s' {1..900}
    for ((n = 1000; n < 2001; n++)); do
        echo "PUT /$B/$n$long"
    done >"$T/plan"
    same 1001x201 "$(requests "$(url i-direct)" <"$T/plan")"
    want 200 GET "$U?list-type=2&encoding-type=url"
    (($(wc -c <"$T/body") > 2700000))
    read_list
    same 1000 "$(said KeyCount)"
    same true "$(said IsTruncated)"
    for ((n = 0; n < 200; n++)); do
        printf 'next\nsilent\noutput = /dev/null\nmax-time = %d\n' $((60 * SLOW))
        printf 'write-out = "%%{http_code} %%{size_download}\\n"\nurl = "%s?list-type=2&encoding-type=url"\n' "$U"
    done | sed 1d >"$T/crowd"
    curl -q -K "$T/crowd" --noproxy '*' --parallel --parallel-max 200 | sort | uniq -c >"$T/said"
    same 1 "$(wc -l <"$T/said")" "$(cat "$T/said")"
    grep -q '^ *200 200 2[0-9]*$' "$T/said"
}
