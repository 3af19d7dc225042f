#!/usr/bin/env bats
# mkv verify: copies that are gone, short or rotten are found, and made anew of good ones; blobs that
# no key names are found, and removed if asked.

load ../support/lib
load ../support/replicas
load ../support/admin_jobs

VOLUMES='v1 v2 v3 v4'
COPIES=2

after_each() {
    thaw_all
}

# --- Bad copies ----------------------------------------------------------------------------------

@test "where all is well nothing is found: values of all sizes, none, unlinked keys" {
    start_with_values "${BY_HAND[@]}"
    put_keys /k 60
    want 201 PUT "$(url i)/large" -T "$T/large"
    want 201 PUT "$(url i)/middle" -T "$T/middle"
    want 201 PUT "$(url i)/a%0a" --data-binary value
    want 204 UNLINK "$(url i)/k/1"
    run_job verify
    ended_as 'done true'
    same '63 63' "$(job '"\(.done) \(.total)"')"
    is_clean
    same 63 "$(job .done)"
    (($(job .bytes) > 2 * 3100000))
    run_job 'verify?deep=1&repair=1&remove_orphans=1'
    ended_as 'done true'
    keys_are_right /k 60 2>/dev/null && fail 'an unlinked key is there'
    settled
}

@test "copies that are removed, cut or grown are found without reading, and made anew" {
    cluster i "$VOLUMES" --replicas 2 "${BY_HAND[@]}"
    put_keys /k 40
    finding missing /k/1 "$(holder /k/1 1)" >"$T/wanted"
    rm "$(copy_of /k/1 1)"
    finding missing /k/2 "$(holder /k/2 2)" >>"$T/wanted"
    rm "$(copy_of /k/2 2)"
    finding 'of another size' /k/3 "$(holder /k/3 1)" >>"$T/wanted"
    truncate -s 2 "$(copy_of /k/3 1)"
    finding 'of another size' /k/4 "$(holder /k/4 2)" >>"$T/wanted"
    truncate -s 0 "$(copy_of /k/4 2)"
    finding 'of another size' /k/5 "$(holder /k/5 1)" >>"$T/wanted"
    printf x >>"$(copy_of /k/5 1)"
    want 204 UNLINK "$(url i)/k/2"
    sort -o "$T/wanted" "$T/wanted"
    run_job verify
    ended_as 'done false' 'missing=2 short=3'
    diff "$T/wanted" "$T/findings"
    run_job 'verify?deep=1'
    ended_as 'done false' 'missing=2 short=3'
    diff "$T/wanted" "$T/findings"
    run_job 'verify?repair=1'
    ended_as 'done true' 'missing=2 repaired=5 short=3'
    diff "$T/wanted" "$T/findings"
    run_job verify
    ended_as 'done true'
    put "$(url i)/k/2" /k/2 # which takes it out of the unlinked ones
    settled
    is_clean
    keys_are_right /k 40
}

@test "copies with other bytes of the same size and time are found by reading, and made anew" {
    local n
    cluster i "$VOLUMES" --replicas 2 "${BY_HAND[@]}"
    value whole 3000000
    want 201 PUT "$(url i)/whole" -T "$T/whole"
    for n in 11 12 13 14; do
        put "$(url i)/$n" "value $n"
    done
    put_until_both_on v1
    : >"$T/wanted"
    for n in 11 12; do
        finding damaged /$n "$(holder /$n 1)" >>"$T/wanted"
        flip "$(copy_of /$n 1)"
    done
    finding damaged /whole "$(holder /whole 2)" >>"$T/wanted"
    flip "$(copy_of /whole 2)"
    finding damaged "${BOTH[0]}" v1 >>"$T/wanted"
    finding damaged "${BOTH[1]}" v1 >>"$T/wanted"
    swap "$(file_of v1 "${BOTH[0]}")" "$(file_of v1 "${BOTH[1]}")"
    sort -o "$T/wanted" "$T/wanted"
    run_job verify
    ended_as 'done true'
    run_job 'verify?deep=1'
    ended_as 'done false' 'rotten=5'
    diff "$T/wanted" "$T/findings"
    run_job 'verify?deep=1&repair=1'
    ended_as 'done true' 'repaired=5 rotten=5'
    diff "$T/wanted" "$T/findings"
    is_clean
    on_copies /whole "$T/whole"
    for n in 11 12 13 14; do
        printf 'value %d' $n >"$T/wanted"
        on_copies /$n "$T/wanted"
    done
    settled
}

# Sets BOTH to two keys with a copy on the volume, of one size.
put_until_both_on() { # VOLUME
    local n
    BOTH=()
    for ((n = 100; ${#BOTH[@]} < 2; n++)); do
        put "$(url i)/both/$n" "/both/$n"
        lacks "$1" "/both/$n" || BOTH+=("/both/$n")
    done
}

@test "a key of which no copy is good is told as it is, and none of its bytes goes" {
    local each bad
    cluster i "$VOLUMES" --replicas 2 "${BY_HAND[@]}"
    put "$(url i)/rotten" 'some value'
    put "$(url i)/gone" 'some value'
    put "$(url i)/mixed" 'some value'
    for each in 1 2; do
        flip "$(copy_of /rotten $each)"
        cp "$(copy_of /rotten $each)" "$T/rotten.$each"
    done
    for each in $(holders /gone); do
        rm "$(file_of "$each" /gone)"
    done
    truncate -s 4 "$(copy_of /mixed 1)"
    flip "$(copy_of /mixed 2)"
    bad='missing=2 '
    run_job 'verify?deep=1'
    ended_as 'done false' "${bad}rotten=3 short=1"
    run_job 'verify?deep=1&repair=1&remove_orphans=1'
    ended_as 'done false' "failed=3 ${bad}rotten=3 short=1"
    same 6 "$(jq -r 'select(.finding) | .detail' "$T/job.lines" | grep -cx 'there is no good copy to make it of')" 'lines that say why'
    within 10 has_orphans i 0
    same "$(holders /rotten | wc -l) $(holders /mixed | wc -l)" '2 2' copies
    for each in 1 2; do
        cmp "$T/rotten.$each" "$(copy_of /rotten $each)"
    done
    run_job 'verify?deep=1'
    ended_as 'done false' "${bad}rotten=3 short=1"
}

@test "one good copy of three is enough, and never a rotten one the source" {
    local n
    COPIES=3
    cluster i "$VOLUMES" --replicas 3 "${BY_HAND[@]}"
    put_keys /k 12
    for ((n = 1; n <= 12; n++)); do
        # Whichever two, the first ones of the record among them.
        flip "$(copy_of /k/$n $((n % 3 + 1)))"
        if ((n % 2)); then
            flip "$(copy_of /k/$n $(((n + 1) % 3 + 1)))"
        else
            rm "$(copy_of /k/$n $(((n + 1) % 3 + 1)))"
        fi
    done
    run_job 'verify?deep=1&repair=1'
    ended_as 'done true' 'missing=6 repaired=12 rotten=18'
    is_clean
    for ((n = 1; n <= 12; n++)); do
        printf '/k/%d' $n >"$T/wanted"
        on_copies /k/$n "$T/wanted"
    done
    settled
}

# --- Without an MD5 ------------------------------------------------------------------------------

@test "without an MD5 the copies vote: what two of three say is right, and of two nobody knows" {
    COPIES=3
    cluster i "$VOLUMES" --replicas 3 "${BY_HAND[@]}" --no-md5
    put "$(url i)/voted" 'some value'
    put "$(url i)/two" 'some value'
    put "$(url i)/short" 'some value'
    put "$(url i)/all" 'some value'
    flip "$(copy_of /voted 2)"
    rm "$(copy_of /two 1)"
    flip "$(copy_of /two 1)"
    truncate -s 3 "$(copy_of /short 3)"
    flip "$(copy_of /all 1)"
    printf 'other value' | head -c 10 >"$(copy_of /all 2)"
    run_job 'verify?deep=1'
    ended_as 'done false' 'doubted=5 missing=1 rotten=1 short=1'
    # Nor is one of these copied where nobody has asked to read them.
    run_job 'verify?repair=1'
    ended_as 'done false' 'doubted=2 failed=1 missing=1 repaired=1 short=1'
    same 2 "$(holders /two | wc -l)" 'copies of the key in doubt'
    run_job 'verify?deep=1&repair=1'
    ended_as 'done false' 'doubted=5 failed=1 missing=1 repaired=1 rotten=1'
    refute cmp -s "$(copy_of /two 1)" "$(copy_of /two 2)"
    printf 'some value' >"$T/wanted"
    on_copies /voted "$T/wanted"
    on_copies /short "$T/wanted"
    same 2 "$(holders /two | wc -l)" 'copies of the key in doubt'
}

# --- Volumes that are away -----------------------------------------------------------------------

@test "copies on a volume that is away are counted, and made anew only where they are lost" {
    local n on_it lost
    cluster i "$VOLUMES" --replicas 2 "${BY_HAND[@]}"
    put_keys /k 40
    on_it=$(blobs v1 | wc -l)
    ((on_it > 5))
    lost=$(for ((n = 1; n <= 40; n++)); do lacks v1 /k/$n && echo /k/$n && break; done)
    rm "$(copy_of "$lost" 1)"
    stop v1
    within 5 sees i v1 down
    run_job verify
    ended_as 'done false' "away=$on_it missing=1"
    run_job 'verify?deep=1'
    ended_as 'done false' "away=$on_it missing=1"
    run_job 'verify?repair=1'
    ended_as 'done false' "away=$on_it missing=1 repaired=1"
    volume v1
    within 10 sees i v1 up
    same "$on_it" "$(blobs v1 | wc -l)" 'blobs on it'
    is_clean
    settled
}

@test "a key whose one copy is lost and whose other one is away is told, and waits" {
    local away
    cluster i "$VOLUMES" --replicas 2 "${BY_HAND[@]}"
    put "$(url i)/key" value
    away=$(holder /key 2)
    rm "$(copy_of /key 1)"
    stop "$away"
    within 5 sees i "$away" down
    run_job 'verify?repair=1'
    ended_as 'done false' 'away=1 failed=1 missing=1'
    restart_ended
    run_job 'verify?repair=1'
    ended_as 'done true' 'missing=1 repaired=1'
    is_clean
    settled
    got "$(url i)/key" value
}

# --- Other volumes -------------------------------------------------------------------------------

@test "subvolumes: copies and strays are found in each" {
    local n path
    cluster i "$VOLUMES" --replicas 2 "${BY_HAND[@]}" --subvolumes 3
    for n in {1..12}; do
        put "$(url i)/s/$n" "value $n"
    done
    is_clean
    path=$(blobs v1 | head -n 1)
    [[ $path == /sv0* ]]
    flip "$T/data/v1$path"
    # The same name in another subvolume is a blob that no key names.
    cp -a "$T/data/v1${path:0:5}" "$T/data/v1/sv77"
    find "$T/data/v1/sv77" -type f ! -path "*${path:5}" -delete
    run_job 'verify?deep=1&repair=1'
    ended_as 'done false' 'repaired=1 rotten=1 strays=1'
    grep -q "^no key names it.*$(at v1)/sv77$" "$T/findings"
    run_job 'verify?remove_orphans=1'
    ended_as 'done true' 'removed=1 strays=1'
    within 15 [ ! -e "$T/data/v1/sv77/${path#/sv??/}" ]
    is_clean
}

@test "a volume that is nothing but nginx: its copies are asked for one by one, and it is told" {
    local n on_it keys
    volume v1
    volume v2
    plain_volume plain
    index i 'v1 v2 plain' --replicas 2 "${BY_HAND[@]}" --no-sync
    VOLUMES='v1 v2 plain'
    within 5 sees i plain up
    put_keys /k 30
    on_it=$(blobs plain | wc -l)
    ((on_it > 5))
    run_job verify
    ended_as 'done true' 'unlisted=1'
    mapfile -t keys < <(for ((n = 1; n <= 30; n++)); do lacks plain /k/$n || echo /k/$n; done)
    rm "$(file_of plain "${keys[0]}")"
    run_job 'verify?repair=1'
    ended_as 'done true' 'missing=1 repaired=1 unlisted=1'
    # It reads no blob itself: they are fetched.
    flip "$(file_of plain "${keys[1]}")"
    truncate -s 1 "$(file_of plain "${keys[2]}")"
    run_job 'verify?deep=1&repair=1'
    ended_as 'done true' 'repaired=2 rotten=1 short=1 unlisted=1'
    run_job 'verify?deep=1'
    ended_as 'done true' 'unlisted=1'
    keys_are_right /k 30
    settled
}
