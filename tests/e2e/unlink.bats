#!/usr/bin/env bats
# UNLINK: a key that nobody sees any more, and whose blob stays until a DELETE or another PUT.

load ../support/lib

before_each() {
    volume v
    K=$BATS_TEST_NUMBER # part of the keys
}

@test "UNLINK is 204, then 404; GET is 404, and the blob stays" {
    local u key method
    index i v
    for u in "$(url i)" "$(url i-direct)"; do
        key=/$K/${u##*:}
        want 404 UNLINK "$u$key"
        put "$u$key" value
        want 204 UNLINK "$u$key"
        [[ ! -s $T/body ]]
        for method in GET HEAD UNLINK; do
            want 404 "$method" "$u$key"
            same 0 "$(header Content-Length)"
        done
        holds v "$key" value
        want 400 UNLINK "$u/"
        want 404 UNLINK "$u/_mkv/health"
        want 204 DELETE "$u$key"
    done
}

@test "a key that is being written is not there yet for UNLINK and DELETE" {
    index i v
    put_half i-direct "/$K"
    within 5 refute tidy v
    want 404 UNLINK "$(url i)/$K"
    want 404 DELETE "$(url i)/$K"
    put_rest
    same 201 "$STATUS"
    want 204 UNLINK "$(url i)/$K"
    want 204 DELETE "$(url i)/$K"
}

@test "a PUT of an unlinked key replaces value and blob" {
    local u key
    index i v
    for u in "$(url i)" "$(url i-direct)"; do
        key=/$K/${u##*:}
        put "$u$key" 'the old value'
        want 409 PUT "$u$key" --data-binary 'too early'
        want 204 UNLINK "$u$key"
        put "$u$key" new
        got "$u$key" new
        want 302 GET "$u$key"
        same "$(printf new | md5_of)" "$(header Content-Md5)"
        holds v "$key" new
        want 409 PUT "$u$key" --data-binary again
        list "$u$key?unlinked"
        same 0 ${#LISTED[@]}
        want 204 DELETE "$u$key"
    done
    within 15 all_lack v
}

@test "where the replacing PUT goes to another volume, the old blob goes" {
    local n
    volume v1
    volume v2
    index i v1
    for n in {1..12}; do
        put "$(url i)/$K/$n" "old $n"
        want 204 UNLINK "$(url i)/$K/$n"
    done
    stop i
    index i 'v1 v2'
    for n in {1..12}; do
        put "$(url i)/$K/$n" "new $n"
        got "$(url i)/$K/$n" "new $n"
    done
    [[ -n $(blobs v2) ]] || fail 'no key went to the other volume'
    within 15 none_twice
    for n in {1..12}; do
        holds v1 "/$K/$n" "new $n" || holds v2 "/$K/$n" "new $n"
    done
}

none_twice() {
    (($({ blobs v1 && blobs v2; } | wc -l) == 12))
}

@test "DELETE of an unlinked key takes its blob, and the key is gone" {
    index i v
    put "$(url i)/$K" value
    want 204 UNLINK "$(url i)/$K"
    want 204 DELETE "$(url i)/$K"
    within 5 lacks v "/$K"
    want 404 DELETE "$(url i)/$K"
    want 404 UNLINK "$(url i)/$K"
    list "$(url i)/?unlinked"
    same 0 ${#LISTED[@]}
    put "$(url i)/$K" again
    got "$(url i)/$K" again
    want 204 DELETE "$(url i)/$K"
}

@test "--protect refuses to delete what was not unlinked before" {
    local u key
    index i v --protect
    for u in "$(url i)" "$(url i-direct)"; do
        key=/$K/${u##*:}
        want 404 DELETE "$u$key"
        put "$u$key" value
        want 403 DELETE "$u$key"
        grep -q UNLINK "$T/body"
        got "$u$key" value
        want 204 UNLINK "$u$key"
        want 204 DELETE "$u$key"
        within 5 lacks v "$key"
        want 404 DELETE "$u$key"
        # One that is put again is protected again.
        put "$u$key" value
        want 204 UNLINK "$u$key"
        put "$u$key" new
        want 403 DELETE "$u$key"
        got "$u$key" new
    done
}

@test "an unlinked key stays so after kill -9 of the index" {
    index i v
    put "$(url i)/$K" value
    put "$(url i)/$K/replaced" old
    want 204 UNLINK "$(url i)/$K"
    want 204 UNLINK "$(url i)/$K/replaced"
    put "$(url i)/$K/replaced" new
    crash i
    index i v
    want 404 GET "$(url i)/$K"
    list "$(url i)/$K?unlinked"
    same "/$K" "${LISTED[*]}"
    holds v "/$K" value
    got "$(url i)/$K/replaced" new
    want 204 DELETE "$(url i)/$K"
    within 5 lacks v "/$K"
}

# --- A PUT over an unlinked key that fails ---------------------------------------------------------
#
# The key stays unlinked, with its blob.

unlinked() { # KEY
    want 404 GET "$(url i)$1"
    list "$(url i)$1?unlinked"
    same "$1" "${LISTED[*]}"
}

# Waits until all orphans have been removed and forgotten, and the volume has one blob of the key.
reclaimed() { # VOLUME KEY
    within 20 has_orphans i 0
    same 1 "$(paths_of "$1" "$2" | wc -l)" "blobs of $2"
}

@test "a client that vanishes in its PUT leaves an unlinked key as it was" {
    index i v
    put "$(url i)/$K" old
    want 204 UNLINK "$(url i)/$K"
    put_half i "/$K"
    within 5 refute tidy v
    exec 7>&-
    within 10 tidy v
    reclaimed v "/$K"
    unlinked "/$K"
    holds v "/$K" old
}

@test "a PUT that the volume refuses, or with a wrong MD5, leaves an unlinked key as it was" {
    local directory
    index i v
    put "$(url i)/$K" old
    want 204 UNLINK "$(url i)/$K"
    want 400 PUT "$(url i)/$K" --data-binary new -H "Content-MD5: $(printf other | openssl md5 -binary | base64)"
    directory=$(dirname "$(file_of v "/$K")")
    chmod a-w "$directory"
    chown root: "$directory" 2>/dev/null || true
    want 502 PUT "$(url i)/$K" --data-binary new
    chown --reference="$T/data/v" "$directory" 2>/dev/null || true
    chmod u+w "$directory"
    reclaimed v "/$K"
    unlinked "/$K"
    holds v "/$K" old
    put "$(url i)/$K" new
    got "$(url i)/$K" new
}

@test "an index killed in the PUT over an unlinked key leaves the key as it was" {
    index i v
    put "$(url i)/$K" old
    want 204 UNLINK "$(url i)/$K"
    put_half i "/$K"
    within 5 refute tidy v
    crash i
    exec 7>&-
    within 10 tidy v
    index i v
    reclaimed v "/$K"
    unlinked "/$K"
    holds v "/$K" old
}

@test "a client that vanishes in its PUT to another volume leaves an unlinked key as it was" {
    local n
    volume v1
    volume v2
    index i v1
    for n in {1..8}; do
        put "$(url i)/$K/$n" old
        want 204 UNLINK "$(url i)/$K/$n"
    done
    stop i
    index i 'v1 v2'
    for n in {1..8}; do
        put_half i "/$K/$n"
        within 5 refute both_tidy
        exec 7>&-
        within 10 both_tidy
    done
    for n in {1..8}; do
        reclaimed v1 "/$K/$n"
        lacks v2 "/$K/$n"
        unlinked "/$K/$n"
        holds v1 "/$K/$n" old
    done
}

both_tidy() {
    tidy v1 && tidy v2
}

@test "a PUT over an unlinked key whose answer never came does not lose the blob" {
    local old
    fake w answer-201
    index i w
    put "$(url i)/$K" old
    old=$(sed -n 's/^PUT //p' "$(log_of fake-w)")
    same "$(path_of "/$K" "${old: -16}")" "$old"
    want 204 UNLINK "$(url i)/$K"
    stop fake-w
    within 5 sees i w down
    fake w close-before-answer
    within 5 sees i w up
    want '50[0-9]' PUT "$(url i)/$K" --data-binary new
    want '50[0-9]' PUT "$(url i)/$K/never-put" --data-binary new
    within 15 logged fake-w "^DELETE $(path_of "/$K/never-put" "$ANY_GENERATION")\$"
    within 15 logged fake-w "^DELETE $(path_of "/$K" "$ANY_GENERATION")\$"
    within 15 has_orphans i 0
    refute logged fake-w "^DELETE $old\$"
    unlinked "/$K"
}

@test "a PUT over an unlinked key that can't be synced does not lose the blob" {
    plain_volume plain
    index i plain --no-sync
    put "$(url i)/$K" old
    want 204 UNLINK "$(url i)/$K"
    stop i
    index i plain
    want 502 PUT "$(url i)/$K" --data-binary new
    want 502 PUT "$(url i)/$K/never-put" --data-binary new
    reclaimed plain "/$K"
    lacks plain "/$K/never-put"
    unlinked "/$K"
    holds plain "/$K" old
}
