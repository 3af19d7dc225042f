#!/usr/bin/env bats
# Blobs that no key names: after a DELETE whose volume was away, a PUT that was cut off, or a crash
# of the index between the volume and its own record. They are remembered, and go in the end.

load ../support/lib

before_each() {
    cluster i v
}

# Opens descriptor 7 with a PUT through the index whose value reaches the volume while the volume
# can't bring it to disk: the blob is there, and the index waits.
put_unsynced() { # PATH [PROCESS-TO-STOP]
    STOPPED=$(if [[ -n ${2-} ]]; then pid_of "$2"; else server_of v; fi)
    kill -STOP "$STOPPED"
    exec 7<>"/dev/tcp/127.0.0.1/$(port i-direct)"
    printf 'PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\nvalue' "$1" >&7
    within 5 holds v "$1" value
}

@test "a DELETE while its volume is down is 204, and the blob goes once the volume is back" {
    local n
    for n in {1..40}; do
        put "$(url i)/gone/$n" value
    done
    put "$(url i)/kept" value
    stop v
    for n in {1..40}; do
        want 204 DELETE "$(url i)/gone/$n"
        want 404 GET "$(url i)/gone/$n"
        want 404 DELETE "$(url i)/gone/$n"
    done
    same 41 "$(blobs v | wc -l)"
    volume v
    within 20 only v /kept
    got "$(url i)/kept" value
}

# The volume has one blob of this key, and no other.
only() { # VOLUME [KEY]
    [[ $(blobs "$1") == "${2+$(blob_of "$1" "$2")}" ]]
}

@test "what was deleted while its volume was down goes also after a crash and restarts of the index" {
    put "$(url i)/gone" value
    stop v
    want 204 DELETE "$(url i)/gone"
    crash i
    index i v
    want 404 GET "$(url i)/gone"
    stop i
    index i v
    volume v
    within 20 only v
}

@test "a key that is put again while its old blob waits to go keeps the new one" {
    put "$(url i)/again" old
    put "$(url i)/sentinel" value
    stop v
    want 204 DELETE "$(url i)/again"
    want 204 DELETE "$(url i)/sentinel"
    crash i
    volume v
    index i v
    # Now, or before, or after the reclaimer: the key has its new blob.
    put "$(url i)/again" new
    within 20 only v /again
    got "$(url i)/again" new
}

@test "the reclaimer leaves a blob alone that is being put" {
    local n=0 at_v='' at_w=''
    # A gate before what brings files to disk, and nothing else.
    link gate "$T/data/v/.mkv/sync.sock"
    sed "s|http://mkv_sync/_mkv/sync|http://$(at gate)/_mkv/sync|" \
        "$BATS_TEST_DIRNAME/../../templates/volume.conf.in" >"$T/gated.conf"
    stop v
    volume v --template "$T/gated.conf"
    volume w
    stop i
    index i 'v w' --grace 0 # then the reclaimer wouldn't have to wait
    while [[ -z $at_v || -z $at_w ]]; do
        n=$((n + 1))
        put "$(url i)/$n" value
        if lacks v "/$n"; then
            at_w=/$n
        else
            at_v=/$n
        fi
    done
    want 204 DELETE "$(url i)$at_v"
    within 10 lacks v "$at_v"
    stop w
    want 204 DELETE "$(url i)$at_w"
    put_unsynced "$at_v" gate
    volume w
    within 20 lacks w "$at_w" # by a round that has seen all orphans
    signal gate CONT
    answer 7
    exec 7>&-
    same 201 "$STATUS"
    got "$(url i)$at_v" value
}

@test "a volume that is down does not keep others from being cleaned" {
    local n
    volume w
    stop i
    index i 'v w'
    for n in {1..30}; do
        put "$(url i)/gone/$n" value
    done
    [[ -n $(blobs v) && -n $(blobs w) ]]
    stop v
    stop w
    for n in {1..30}; do
        want 204 DELETE "$(url i)/gone/$n"
    done
    volume w
    within 20 only w
    [[ -n $(blobs v) ]]
    volume v
    within 20 only v
}

@test "an index killed in mid-PUT leaves neither key nor blob" {
    local way
    for way in i i-direct; do
        put_half "$way" "/half/$way"
        within 5 refute tidy v
        crash i
        exec 7>&-
        index i v
        want 404 GET "$(url i)/half/$way"
        within 20 tidy v
        same '' "$(blobs v)"
        put "$(url i)/half/$way" whole
        got "$(url i)/half/$way" whole
        want 204 DELETE "$(url i)/half/$way"
    done
}

@test "an index killed between the volume's 201 and its own record leaves neither key nor blob" {
    put_unsynced /unrecorded
    crash i
    kill -CONT "$STOPPED"
    exec 7>&-
    holds v /unrecorded value # nobody else would ever delete it
    index i v
    want 404 GET "$(url i)/unrecorded"
    within 20 only v
    put "$(url i)/unrecorded" again
    got "$(url i)/unrecorded" again
}

@test "a volume killed before it has synced: the PUT fails, and its blob goes" {
    put_unsynced /unsynced
    signal v KILL
    leaves_files
    answer 7
    exec 7>&-
    [[ $STATUS == 50[23] ]]
    want 404 GET "$(url i)/unsynced"
    await_end v
    within 3 gone v
    volume v
    within 20 only v
    put "$(url i)/unsynced" again
    got "$(url i)/unsynced" again
}

@test "a client that is gone before its value is recorded has put it all the same" {
    put_unsynced /unheard
    exec 7>&-
    kill -CONT "$STOPPED"
    stored() {
        http GET "$(url i)/unheard"
        [[ $STATUS == 302 ]]
    }
    within 5 stored
    got "$(url i)/unheard" value
}

@test "PUTs cut off anywhere leave nothing" {
    local n length
    for n in {1..60}; do
        # After the first byte, in the middle, before the last.
        length=$((n % 3 == 0 ? 1 : n % 3 == 1 ? n * 400 : 29999))
        exec 7<>"/dev/tcp/127.0.0.1/$(port "$( ((n % 2)) && echo i || echo i-direct)")"
        printf 'PUT /cut/%d HTTP/1.1\r\nHost: x\r\nContent-Length: 30000\r\n\r\n%0*d' "$n" "$length" 0 >&7
        exec 7>&-
    done
    put "$(url i)/whole" value
    within 10 only v /whole
    within 10 tidy v
    list "$(url i)/?list"
    same /whole "${LISTED[*]}"
    # Nor is anything held or remembered that keeps the keys from being put.
    for n in {1..60}; do
        put "$(url i)/cut/$n" value
    done
}
