#!/usr/bin/env bats
# mkv verify: blobs that no key names are found, and removed if asked; those that are on their way are
# neither.

load ../support/lib
load ../support/replicas
load ../support/admin_jobs

VOLUMES='v1 v2 v3 v4'
COPIES=2

# Makes a file of that path at the volume, as nginx does, an hour old.
stray() { # VOLUME PATH VALUE
    want 201 PUT "$(url "$1")$2" --data-binary "$3" -H "Date: $(date -u -R -d '1 hour ago' | sed 's/+0000/GMT/')"
}

@test "blobs that no key names are told with their age and size, and go if that is asked" {
    local generation=.019ab7f0d2bb0000 other path
    cluster i "$VOLUMES" --replicas 2 "${BY_HAND[@]}"
    put_keys /k 30
    other=$(for each in $VOLUMES; do lacks "$each" /k/1 && echo "$each" && break; done)
    stray v1 "$(path_of /none "${generation#.}")" 'a stray' # of a key that there is not
    stray v2 "$(path_of /plain)" 'as the originals had'
    stray v3 "$(path_of /k/7 "${generation#.}")" older    # of a key with another value
    stray v4 "$(path_of /k/7)" oldest                     # likewise
    path=$(blob_of "$(holder /k/1 1)" /k/1)
    stray "$other" "$path" /k/1                           # a copy too many
    stray v1 "$(path_of /zzz "${generation#.}")" last     # behind the last key
    # No blob's path, and no key's blob.
    stray v1 "/00/00$(path_of /none "${generation#.}" | cut -c7-)" stranger
    stray v1 "$(path_of noslash)" stranger
    {
        finding 'no key names it' /none v1
        finding 'no key names it' /plain v2
        finding 'no key names it' /k/7 v3
        finding 'no key names it' /k/7 v4
        finding 'no key names it' /k/1 "$other"
        finding 'no key names it' /zzz v1
    } | sort >"$T/wanted"
    run_job 'verify?deep=1&repair=1'
    ended_as 'done false' 'strangers=2 strays=6'
    diff "$T/wanted" "$T/findings"
    same 46 "$(job .counts.stray_bytes)" 'bytes of strays'
    jq -r 'select(.key == "/none") | .detail' "$T/job.lines" | grep -Eqx '7 bytes, 36[0-9][0-9] s old'
    same 68 "$(for each in $VOLUMES; do blobs "$each"; done | wc -l)" files
    run_job 'verify?remove_orphans=1'
    ended_as 'done true' 'removed=6 strangers=2 strays=6'
    diff "$T/wanted" "$T/findings"
    within 15 has_orphans i 0
    same 62 "$(for each in $VOLUMES; do blobs "$each"; done | wc -l)" files
    run_job verify
    ended_as 'done true' 'strangers=2'
    keys_are_right /k 30
}

@test "a copy too many stays while it may be the last good one" {
    local other path
    cluster i "$VOLUMES" --replicas 2 "${BY_HAND[@]}"
    put "$(url i)/key" value
    path=$(blob_of "$(holder /key 1)" /key)
    other=$(for each in $VOLUMES; do lacks "$each" /key && echo "$each" && break; done)
    stray "$other" "$path" value
    flip "$(copy_of_record 1)"
    flip "$(copy_of_record 2)"
    # Though nobody asks to read anything.
    run_job 'verify?remove_orphans=1'
    ended_as 'done false' 'strays=1'
    run_job 'verify?deep=1&remove_orphans=1&repair=1'
    ended_as 'done false' 'failed=1 rotten=2 strays=1'
    within 10 has_orphans i 0
    holds "$other" /key value
    # With that the key is mended, and then it goes.
    cat "$T/data/$other$path" >"$(copy_of_record 1)"
    run_job 'verify?deep=1&repair=1'
    ended_as 'done false' 'repaired=1 rotten=1 strays=1'
    run_job 'verify?deep=1&remove_orphans=1'
    ended_as 'done true' 'removed=1 strays=1'
    within 15 lacks "$other" /key
    is_clean
    settled
}

# Prints the file of a copy of /key that its record names.
copy_of_record() { # NUMBER
    local each
    each=$("$MKV" dump --index "$T/data/i" | jq -r 'select(.key == "/key") | .volumes[]' | cut -d' ' -f1 | sort | sed -n "$1p")
    for volume in $VOLUMES; do
        [[ $(at "$volume") != "$each" ]] || file_of "$volume" /key
    done
}

@test "a value that is on its way is no stray: neither half of it, nor a copy without the other" {
    volume v1
    volume v2
    link slow v2 0 "$T/hold"
    index i 'v1 slow' --replicas 2 "${BY_HAND[@]}"
    within 5 sees i slow up
    put_half i-direct /half
    run_job 'verify?remove_orphans=1'
    ended_as 'done true'
    put_rest
    same 201 "$STATUS"
    touch "$T/hold"
    curl -q -s --noproxy '*' -o /dev/null -w '%{http_code}' --data-binary value -X PUT "$(url i)/held" >"$T/code" &
    within 10 logged slow '^held PUT'
    within 10 holds v1 /held value
    run_job 'verify?remove_orphans=1&deep=1&repair=1'
    ended_as 'done true'
    rm "$T/hold"
    touch "$T/hold.go"
    wait
    same 201 "$(cat "$T/code")"
    got "$(url i)/held" value
    is_clean
    VOLUMES='v1 v2'
    settled
}

@test "values that come and go while it runs are neither reported nor lost" {
    local n=0 load
    [[ -x ${THRASHER:-} ]] || skip "needs THRASHER, the path of the thrasher"
    cluster i "$VOLUMES" --replicas 2 "${BY_HAND[@]}"
    put_keys /k 50
    while ((n < 3)); do
        hatch load$n timeout $((60 * SLOW)) "$THRASHER" --url "$(url i-direct)" --clients 16 --count 6000
        load=load$n
        until ended "$load"; do
            run_job 'verify?deep=1&repair=1&remove_orphans=1'
            ended_as 'done true'
            run_job verify
            ended_as 'done true'
            n=$((n + 1))
        done
        await_end "$load"
        same 0 "$RC" 'exit status of the thrasher'
    done
    settled
    keys_are_right /k 50
    is_clean
}

@test "all copies of a blob that came back go at once" {
    local each path
    cluster i "$VOLUMES" --replicas 3 "${BY_HAND[@]}"
    put_keys /k 20
    put "$(url i)/back" value
    for each in $VOLUMES; do
        if ! lacks "$each" /back; then
            path=$(blob_of "$each" /back)
        fi
    done
    want 204 DELETE "$(url i)/back"
    within 15 has_orphans i 0
    for each in v1 v2 v3; do
        stray "$each" "$path" value
    done
    run_job 'verify?remove_orphans=1'
    ended_as 'done true' 'removed=3 strays=3'
    within 15 has_orphans i 0
    is_clean
}

@test "an index that knows less than half of the files removes none" {
    cluster i "$VOLUMES" --replicas 3 "${BY_HAND[@]}"
    put_keys /k 60
    stop i
    rm -r "$T/data/i"
    index i "$VOLUMES" --replicas 3 "${BY_HAND[@]}"
    all_up
    run_job 'verify?remove_orphans=1'
    ended_as 'failed false'
    [[ $(job .text) == *'hold 180 files'*'nothing is removed'*'mkv rebuild'* ]] || fail "$(job .text)"
}
