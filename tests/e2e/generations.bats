#!/usr/bin/env bats
# A blob's name is used once: KEY-PATH.GENERATION. What comes late hits nothing newer, keys whose paths
# nest live side by side, a new value has other validators, readers who were sent to an old value have
# it for a while, and blobs in the originals' form, which have no generation, are as good as any.

load ../support/lib
load ../support/replicas

VOLUMES='v1 v2 v3'
COPIES=2

before_each() {
    K=$BATS_TEST_NUMBER # part of the keys
}

@test "names that are cut at their last dot are the originals' layout" {
    local key keys=(/hello /wehave /a//b/ '/~~~' /dir/file.tar.gz "/$(printf %0170d 7)")
    cluster i v
    for key in "${keys[@]}"; do
        put "$(url i)$key" "value of $key"
        [[ $(blob_of v "$key") =~ \.[0-9a-f]{16}$ ]]
    done
    for key in "${keys[@]}"; do
        path_of "$key"
    done | sort >"$T/wanted"
    blobs v | sed 's/\.[^.]*$//' | sort | diff "$T/wanted" -
}

@test "keys of which one's path is a directory of the other's are both stored" {
    local outer=/nb inner=$'/nb\xfcgp' u
    cluster i v
    same /c4/0b/L25i "$(path_of "$outer")"
    same /c4/0b/L25i/Gdw "$(path_of "$inner")"
    for u in "$(url i)" "$(url i-direct)"; do
        put "$u/nb" outer
        put "$u/nb%FCgp" inner
        got "$u/nb" outer
        got "$u/nb%FCgp" inner
        want 204 DELETE "$u/nb"
        got "$u/nb%FCgp" inner
        within 10 lacks v "$outer"
        put "$u/nb" again # its directory is still there
        got "$u/nb" again
        want 204 DELETE "$u/nb%FCgp"
        got "$u/nb" again
        want 204 DELETE "$u/nb"
        within 10 all_lack v
    done
}

# --- Validators -----------------------------------------------------------------------------------

# Replaces a value by another one of its length, and sees that nothing takes the one for the other.
# (Through the front the index has --reads proxy; directly it redirects.) Sets QUICK when both values are
# of one second.
replace() { # KEY METHOD
    local u url etag index_etag begun ended
    begun=$(date +%s)
    put "$(url i)$1" 'value one'
    want 302 GET "$(url i-direct)$1"
    url=$(header Location) index_etag=$(header ETag)
    want 200 GET "$url"
    etag=$(header ETag)
    want 204 "$2" "$(url i)$1"
    put "$(url i)$1" 'value two'
    ended=$(date +%s)
    [[ $begun != "$ended" ]] || QUICK=yes
    want 302 GET "$(url i-direct)$1" -H "If-None-Match: $index_etag"
    refute test "$url" == "$(header Location)"
    url=$(header Location)
    for u in "$url" "$(url i)$1"; do
        want 200 GET "$u" -H "If-None-Match: $etag"
        same 'value two' "$(cat "$T/body")"
        refute test "$etag" == "$(header ETag)"
        want 206 GET "$u" -H "If-Range: $(header ETag)" -r 0-3
        want 200 GET "$u" -H "If-Range: $etag" -r 0-3
        same 'value two' "$(cat "$T/body")"
        want 412 GET "$u" -H "If-Match: $etag"
    done
    want 200 GET "$(url i)$1" -H "If-None-Match: $index_etag"
    same 'value two' "$(cat "$T/body")"
}

@test "a value that is replaced by one of its length within a second has another ETag" {
    local n method
    volume v
    index i v --reads proxy
    for method in UNLINK DELETE; do
        QUICK=no
        for n in {1..20}; do
            [[ $QUICK == no ]] || break
            replace "/$K/$method/$n" $method
        done
        same yes $QUICK "quick enough ($method)"
    done
}

modified() { # URL: seconds since 1970
    want 200 GET "$1"
    date -d "$(header Last-Modified)" +%s
}

# The value of a new key has a time and a generation that are the clock's.
other_is_of_now() { # KEY
    local began time generation
    began=$(now_ms)
    put "$(url i)$1" value
    time=$(modified "$(url i)$1")
    generation=$(blob_of v "$1")
    generation=$((16#${generation: -16} >> 16))
    ((time >= began / 1000 - 1 && time * 1000 <= $(now_ms) + 1000)) || fail "it is of $time, at $began ms"
    ((generation >= began - 1000 && generation <= $(now_ms) + 1000)) || fail "its generation is of $generation, at $began"
}

@test "the times of a value that is replaced on and on run ahead, and no others" {
    local began n time
    volume v
    mkv_start i index "$(at v)" --port "$(at i)" --direct "$(at i-direct)" --index "$T/data/i" --reads proxy
    await_ready i
    began=$(date +%s)
    for n in {1..200}; do
        printf '%s\n' "PUT /$K/hot" "DELETE /$K/hot"
    done | replay "$(url i)" >"$T/answers"
    same '200 201 200 204' "$(cut -d' ' -f1 "$T/answers" | sort | uniq -c | awk '{ print $1, $2 }' | paste -sd' ')"
    other_is_of_now "/$K/one"
    put "$(url i)/$K/hot" value
    time=$(modified "$(url i)/$K/hot")
    ((time >= began + 200)) || fail "it is of $time, $((time - began)) seconds from the first one"
    # The same after a crash, of a key whose last blob is gone.
    want 204 DELETE "$(url i)/$K/hot"
    within 10 lacks v "/$K/hot"
    crash i
    mkv_start i index "$(at v)" --port "$(at i)" --direct "$(at i-direct)" --index "$T/data/i" --reads proxy
    await_ready i
    within 5 sees i v up
    other_is_of_now "/$K/two"
    put "$(url i)/$K/hot" value
    same $((time + 1)) "$(modified "$(url i)/$K/hot")"
    other_is_of_now "/$K/three"
}

# --- Readers --------------------------------------------------------------------------------------

is_missing() { # URL
    http GET "$1"
    [[ $STATUS == 404 ]]
}

@test "a reader who was sent to a value before it was replaced has it for --grace seconds" {
    local old start_ms
    volume v
    index i v --grace 6 # longer than from round to round of the reclaimer
    put "$(url i)/$K" old
    want 302 GET "$(url i)/$K"
    old=$(header Location)
    want 204 UNLINK "$(url i)/$K"
    start_ms=$(now_ms)
    put "$(url i)/$K" new
    want 200 GET "$old"
    same old "$(cat "$T/body")"
    got "$(url i)/$K" new
    within 20 is_missing "$old"
    (($(now_ms) - start_ms >= 6000)) || fail "it was gone after $(($(now_ms) - start_ms)) ms"
    got "$(url i)/$K" new
    same 1 "$(blobs v | wc -l)" blobs
}

@test "what is replaced stays for a minute by default, and over a restart" {
    local old until
    volume v
    mkv_start i index "$(at v)" --port "$(at i)" --direct "$(at i-direct)" --index "$T/data/i"
    await_ready i
    put "$(url i)/$K" old
    want 302 GET "$(url i)/$K"
    old=$(header Location)
    want 204 UNLINK "$(url i)/$K"
    put "$(url i)/$K" new
    until=$("$MKV" dump --index "$T/data/i" | jq -r "select(.orphan == \"/$K\" and .generation == \"${old: -16}\") | .until")
    ((until > $(now_ms) + 50000 && until <= $(now_ms) + 60000)) || fail "it stays until $until, now is $(now_ms)"
    crash i
    mkv_start i index "$(at v)" --port "$(at i)" --direct "$(at i-direct)" --index "$T/data/i"
    await_ready i
    within 5 sees i v up
    put "$(url i)/$K/other" value
    want 204 DELETE "$(url i)/$K/other"
    within 15 has_orphans i 1 # the reclaimer has been there
    want 200 GET "$old"
    same old "$(cat "$T/body")"
}

# --- What comes late ------------------------------------------------------------------------------

held() { # COUNT
    (($(grep -c '^held ' "$(log_of slow)") == $1))
}

# Each blob that the volume has of a key is the key's, or an orphan.
all_named() { # KEY
    local path
    "$MKV" dump --index "$T/data/i" | jq -r ".generation? // empty" >"$T/generations"
    for path in $(paths_of v "$1"); do
        grep -qx "${path: -16}" "$T/generations" || return 1
    done
}

has_one() { # KEY
    [[ $(paths_of v "$1" | wc -l) == 1 ]]
}

has_two() { # KEY
    [[ $(paths_of v "$1" | wc -l) == 2 ]]
}

@test "a PUT and a DELETE that a volume carries out when others have been there harm nothing" {
    local pid
    volume v
    link slow v 0 "$T/hold"
    index i slow --grace $((4 * SLOW)) # the late PUT comes before its orphan is given up
    within 5 sees i slow up
    put "$(url i)/$K/deleted" old
    put "$(url i)/$K/unlinked" old
    touch "$T/hold"
    # Both wait at the volume, and mkv gives them up in a while.
    want 204 DELETE "$(url i)/$K/deleted"
    curl -q -s --noproxy '*' -m $((30 * SLOW)) -o /dev/null -w '%{http_code}' -T - "$(url i)/$K/put" <<<late >"$T/late" 3>&- &
    pid=$!
    within 5 held 2
    grep -q "^held DELETE $(blob_of v "/$K/deleted") " "$(log_of slow)"
    rm "$T/hold"
    # Others overtake them.
    put "$(url i)/$K/deleted" new
    put "$(url i)/$K/put" new
    got "$(url i)/$K/deleted" new
    got "$(url i)/$K/put" new
    wait $pid
    [[ $(cat "$T/late") =~ ^(409|50[0-9])$ ]] || fail "the late PUT: $(cat "$T/late")"
    has_one "/$K/put"
    touch "$T/hold.go"
    within 3 has_two "/$K/put"
    got "$(url i)/$K/deleted" new
    got "$(url i)/$K/put" new
    all_named "/$K/put"
    within 25 has_orphans i 0
    has_one "/$K/put"
    has_one "/$K/deleted"
    got "$(url i)/$K/deleted" new
    got "$(url i)/$K/put" new
}

# --- The originals' blobs -------------------------------------------------------------------------

# Writes a blob in the originals' form, as they or an older mkv had it.
lay() { # VOLUME KEY VALUE
    local file
    file=$T/data/$1$(path_of "$2")
    mkdir -p "$(dirname "$file")"
    printf %s "$3" >"$file"
    chown -R --reference="$T/data/$1" "$T/data/$1"/[0-9a-f][0-9a-f]
}

# A line of an old dump, of a value at v1 and v2.
line() { # key-or-orphan KEY
    printf '{"%s":"%s","size":%d,"time":1763740800123,"volumes":["%s","%s"]}\n' "$1" "$2" $((${#2} + 9)) "$(at v1)" "$(at v2)"
}

@test "blobs in the originals' form, and a dump of before there were generations, are taken over" {
    local n each
    for each in $VOLUMES; do
        volume "$each"
        for n in 1 2 3 4 5 6; do
            [[ $each == v3 ]] || lay "$each" "/old/$n" "value of /old/$n"
        done
    done
    for each in v1 v2; do
        lay $each /orphan 'an orphan'
        lay $each /both 'value of /both'
    done
    {
        echo '{"format":"mkv-dump","version":1}'
        line key /both
        for n in 1 2 3 4 5; do
            line key "/old/$n"
        done
        line key /old/6 | sed 's/"volumes"/"unlinked":true,&/'
        line orphan /both # as a dump of a running index may have it
        line orphan /orphan
        echo '{"end":true,"keys":6,"unlinked":1,"orphans":2}'
    } >"$T/dump"
    "$MKV" restore --index "$T/data/i" "$T/dump"
    index i 'v1 v2 v3' --replicas 2
    all_up
    for n in 1 2 3 4 5; do
        got "$(url i)/old/$n" "value of /old/$n"
    done
    same "$(path_of /old/1)" "$(want 302 GET "$(url i)/old/1" && header Location | sed 's|http://[^/]*||')"
    # An orphan goes, what a key names stays.
    within 15 has_orphans i 0
    lacks v1 /orphan
    lacks v2 /orphan
    got "$(url i)/both" 'value of /both'
    # Deleted, replaced, moved.
    want 204 DELETE "$(url i)/old/1"
    want 404 GET "$(url i)/old/1"
    want 204 UNLINK "$(url i)/old/2"
    put "$(url i)/old/2" new
    got "$(url i)/old/2" new
    put "$(url i)/old/6" new
    got "$(url i)/old/6" new
    want 409 PUT "$(url i)/old/3" --data-binary new
    stop i
    index i 'v1 v3' --replicas 2
    VOLUMES='v1 v3' all_up
    for n in 3 4 5; do
        want 204 REBALANCE "$(url i)/old/$n"
        got "$(url i)/old/$n" "value of /old/$n"
    done
    within 20 has_orphans i 0
    lacks v1 /old/1
    lacks v2 /old/1
    for n in 2 6; do
        for each in $(holders "/old/$n"); do
            refute test -e "$T/data/$each$(path_of "/old/$n")"
            holds "$each" "/old/$n" new
        done
    done
    for n in 3 4 5; do
        same 'v1 v3' "$(holders "/old/$n" | paste -sd' ')" "volumes with /old/$n"
        same "$(path_of "/old/$n")" "$(blob_of v3 "/old/$n")"
        holds v3 "/old/$n" "value of /old/$n"
    done
    # Put anew after its removal, it has a generation.
    put "$(url i)/old/1" anew
    got "$(url i)/old/1" anew
    [[ $(blob_of v1 /old/1) =~ \.[0-9a-f]{16}$ ]]
    # And a dump of that comes back.
    stop i
    "$MKV" dump --index "$T/data/i" >"$T/now"
    "$MKV" restore --index "$T/data/copy" "$T/now"
    "$MKV" dump --index "$T/data/copy" | cmp "$T/now" -
}
