#!/usr/bin/env bats
# What the front passes on: to the next hop goes only what is meant for it.

load ../support/lib
load ../support/s3

# Attacks a key with bodies that a read hasn't, while others read another one (smuggle.py).
attack() { # PORT-NAME KEY OTHER BLOB-PATH
    local served failed answered
    python3 "$BATS_TEST_DIRNAME/../support/smuggle.py" "$(port "$1")" "$2" "$3" "$4" >"$T/smuggled"
    read -r served failed answered <"$T/smuggled"
    same 0 "$failed" 'GETs of others that failed'
    same 270 "$served" 'GETs of others'
    same 90 "$answered" 'attacks that were answered'
}

smuggle() { # [INDEX-OPTIONS...]
    cluster i 'v1 v2' --replicas 2 --workers 1 "$@"
    put "$(url i)/key" value
    put "$(url i)/other" other
    "${BEFORE[@]:-true}"
    attack i key other "$(blob_of v1 /other)"
    holds v1 /other other
    holds v2 /other other
    want 404 GET "$(url i)/missing"
}

@test "a body that a GET has hits nobody else's request" {
    smuggle
}

@test "a body that a GET has hits nobody else's request, with --check-reads" {
    smuggle --check-reads
}

@test "a body that a GET has hits nobody else's request, with --reads proxy" {
    smuggle --reads proxy
}

@test "a body that a GET has hits nobody else's request, with --reads proxy and a replica that is missing" {
    lose_one() {
        rm "$(file_of v1 /key)"
    }
    BEFORE=(lose_one)
    smuggle --reads proxy
}

smuggle_by_s3() {
    s3_cluster 'v1 v2' --replicas 2 --workers 1
    s3_want 200 PUT /bucket/key --data-binary value
    s3_want 200 PUT /bucket/other --data-binary other
    "${BEFORE[@]:-true}"
    attack i-s3 bucket/key bucket/other "$(blob_of v1 /bucket/other)"
    holds v1 /bucket/other other
    holds v2 /bucket/other other
}

@test "a body that a read of S3 has hits nobody else's request" {
    smuggle_by_s3
}

@test "a body that a read of S3 has hits nobody else's request, with a replica that is missing" {
    lose_one() {
        rm "$(file_of v1 /bucket/key)"
    }
    BEFORE=(lose_one)
    smuggle_by_s3
}

@test "a body that a GET of a volume's own pages has hits nobody else's request" {
    volume v --workers 1
    attack v _mkv/space _mkv/list /aa/bb/YQ==
    attack v _mkv/list _mkv/space /aa/bb/YQ==
}

# Sends stdin and half-closes; sets STATUS, and leaves the answer in $T/answer.
half_closed() { # PORT-NAME
    python3 "$BATS_TEST_DIRNAME/../support/halfclose.py" "$(port "$1")" >"$T/answer"
    STATUS=$(sed -n '1s/^HTTP\/1.1 \([0-9]*\).*/\1/p' "$T/answer")
}

@test "a client that closes its sending side at once has its answer" {
    local n
    cluster i 'v1 v2' --replicas 2
    for n in {1..20}; do
        half_closed i < <(printf 'PUT /key%d HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\nvalue' "$n")
        same 201 "$STATUS" "PUT $n"
        got "$(url i)/key$n" value
        half_closed i < <(printf 'GET /key%d HTTP/1.1\r\nHost: x\r\n\r\n' "$n")
        same 302 "$STATUS" "GET $n"
    done
    half_closed i < <(printf 'GET /?list HTTP/1.1\r\nHost: x\r\n\r\n')
    same 200 "$STATUS" list
    grep -q '"/key9"\],"next":""}' "$T/answer"
    half_closed i < <(printf 'DELETE /key1 HTTP/1.1\r\nHost: x\r\n\r\n')
    same 204 "$STATUS" DELETE
    # Half a value is none.
    half_closed i < <(printf 'PUT /half HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\nConnection: close\r\n\r\nvalue')
    refute grep -q ' 201 ' "$T/answer"
    want 404 GET "$(url i)/half"
}

@test "header lines of 16 KB pass wherever a client is sent" {
    local cookie
    printf -v cookie '%016000d' 7
    cluster i 'v1 v2' --replicas 2
    want 201 PUT "$(url i)/key" -d value -H "Cookie: $cookie"
    want 200 GET "$(url i)/key" --location-trusted -H "Cookie: $cookie"
    printf value | cmp - "$T/body"
    stop i
    index i 'v1 v2' --replicas 2 --reads proxy
    want 200 GET "$(url i)/key" -H "Cookie: $cookie"
    printf value | cmp - "$T/body"
}
