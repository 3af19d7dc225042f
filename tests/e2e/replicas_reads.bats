#!/usr/bin/env bats
# Where GETs go with three copies of each value: evenly to those volumes that are up and have it,
# whatever happens to the others.

load ../support/lib
load ../support/replicas

after_each() {
    thaw_all
}

start() { # [INDEX-OPTIONS...]
    cluster i "$VOLUMES" --replicas $COPIES "$@"
    value blob 100000
    want 201 PUT "$(url i)/key" -T "$T/blob"
    read -r A B C < <(holders /key | paste -sd' ')
}

# Asks for a key so many times. Prints "COUNT HOST:PORT" of each volume that it was sent to, and
# whatever else it got.
spread() { # URL TIMES
    curl -q -s --noproxy '*' -o /dev/null -w '%{http_code} %{redirect_url}\n' "$1?[1-$2]" |
        sed -E 's|^302 http://([^/]*)/.*|\1|' | sort | uniq -c | awk '{ $1 = $1; print }'
}

# It is sent to each of these about as often.
spreads_over() { # URL VOLUME...
    local count where url=$1 times=300
    shift
    spread "$url" $times >"$T/spread"
    same "$(for each in "$@"; do at "$each"; done | sort)" "$(cut -d' ' -f2 "$T/spread" | sort)" 'where GETs go' || return 1
    while read -r count where; do
        ((count > times / $# * 8 / 10 && count < times / $# * 12 / 10)) || fail "not even: $(cat "$T/spread")" || return 1
    done <"$T/spread"
}

# The same, but for how often: who takes over from the one that lacks it isn't even.
goes_only_to() { # URL VOLUME...
    local url=$1
    shift
    spread "$url" 100 >"$T/spread"
    same "$(for each in "$@"; do at "$each"; done | sort)" "$(cut -d' ' -f2 "$T/spread" | sort)" 'where GETs go'
}

# Gets keys over and over, each line of $T/load-N "BEGUN-AT-MS STATUS SAME", until $T/stop is there.
load_of_gets() { # URL [CURL-OPTIONS...]
    local n url=$1
    shift
    for n in 1 2 3; do
        {
            while [[ ! -e $T/stop ]]; do
                begun=$(now_ms)
                status=$(curl -q -s --noproxy '*' -m 30 -L -o "$T/loaded-$n" -w '%{http_code}' "$@" "$url") || true
                echo "$begun $status $(cmp -s "$T/loaded-$n" "$T/blob" && echo same || echo cut)"
            done
        } >"$T/load-$n" 2>/dev/null 3>&- &
    done
    within 5 loaded 20
}

loaded() { # COUNT: of GETs that have ended
    (($(cat "$T"/load-* | wc -l) >= $1))
}

# Lets so many more GETs end, and ends the load.
load_end() { # COUNT
    local more=$(($(cat "$T"/load-* | wc -l) + $1))
    within 30 loaded $more
    touch "$T/stop"
    wait
}

# Prints the lines of GETs that failed and began later than at a time.
failed_after() { # MS
    awk -v from="$1" '$1 > from && ($2 != 200 || $3 != "same")' "$T"/load-*
}

@test "GETs are spread evenly over the volumes that have the value, and HEADs too" {
    start
    spreads_over "$(url i)/key" "$A" "$B" "$C"
    spreads_over "$(url i-direct)/key" "$A" "$B" "$C"
    for each in {1..30}; do
        got_file "$(url i)/key" "$T/blob"
    done
}

@test "a volume that is down gets none, a full one does" {
    local how
    start
    for how in killed stopped; do
        break_volume $how "$B"
        within 5 sees i "$B" down
        spreads_over "$(url i)/key" "$A" "$C"
        spreads_over "$(url i-direct)/key" "$A" "$C"
        mend_volume $how "$B"
        within 5 sees i "$B" up
        spreads_over "$(url i)/key" "$A" "$B" "$C"
    done
    break_volume killed "$A"
    break_volume killed "$B"
    within 5 sees i "$A" down
    within 5 sees i "$B" down
    spreads_over "$(url i)/key" "$C"
    got_file "$(url i)/key" "$T/blob"
}

@test "a volume killed under GETs: none fails that begins a second later" {
    local killed
    start
    load_of_gets "$(url i)/key"
    break_volume killed "$B"
    killed=$(now_ms)
    within 3 sees i "$B" down
    (($(now_ms) - killed < 2500 * SLOW)) || fail "seen to be down only after $(($(now_ms) - killed)) ms"
    load_end 200
    same '' "$(failed_after $((killed + 1500 * SLOW)))" 'GETs that failed'
    loaded 200
}

@test "volumes killed and back under GETs with --reads=proxy: no GET fails" {
    local each more
    start --reads proxy
    load_of_gets "$(url i)/key"
    for each in "$B" "$C" "$A"; do
        break_volume killed "$each"
        within 3 sees i "$each" down
        more=$(($(cat "$T"/load-* | wc -l) + 60))
        within 30 loaded $more
        mend_volume killed "$each"
        within 5 sees i "$each" up
    done
    load_end 60
    # A kill can cut a body that has begun: nothing can be said to its client any more.
    same '' "$(failed_after 0 | grep -v ' 200 cut$')" 'GETs that failed'
    (($(failed_after 0 | wc -l) <= 9)) || fail "more bodies cut than kills can: $(failed_after 0)"
}

# --- Identities -----------------------------------------------------------------------------------

@test "another disk behind a volume's port is told once, and read from again when the first is back" {
    local n
    start
    for n in {1..30}; do
        put "$(url i)/old/$n" "old $n"
    done
    crash "$B"
    mv "$T/data/$B" "$T/data/first"
    volume "$B"
    within 5 logged i "volume $(at "$B") has another disk: [0-9a-f]{32} was there, and now [0-9a-f]{32} is"
    within 5 sees i "$B" up
    spreads_over "$(url i)/key" "$A" "$C"
    for n in {1..30}; do
        got "$(url i)/old/$n" "old $n"
    done
    # New keys go there.
    for n in {1..30}; do
        put "$(url i)/new/$n" "new $n"
    done
    [[ -n $(blobs "$B") ]]
    for n in {1..30}; do
        got "$(url i)/new/$n" "new $n"
    done
    # What is deleted is not deleted there by mistake: put there anew, it stays.
    want 204 DELETE "$(url i)/key"
    want 201 PUT "$(url i)/key" -T "$T/blob"
    got_file "$(url i)/key" "$T/blob"
    same 1 "$(grep -c 'has another disk' "$(log_of i)")" 'lines about it'
    # Back to the first.
    crash "$B"
    mv "$T/data/$B" "$T/data/second"
    mv "$T/data/first" "$T/data/$B"
    volume "$B"
    twice() { (($(grep -c 'has another disk' "$(log_of i)") == 2)); }
    within 5 twice
    within 5 sees i "$B" up
    for n in {1..30}; do
        got "$(url i)/old/$n" "old $n"
        got "$(url i)/new/$n" "new $n"
    done
    for n in {1..30}; do
        if holds "$B" "/old/$n" "old $n" 2>/dev/null; then
            # shellcheck disable=SC2046 # a list
            spreads_over "$(url i)/old/$n" $(holders "/old/$n")
            break
        fi
    done
    # The same over a restart of the index.
    stop i
    index i "$VOLUMES" --replicas $COPIES
    all_up
    for n in {1..30}; do
        got "$(url i)/old/$n" "old $n"
        got "$(url i)/new/$n" "new $n"
    done
}

@test "a disk swapped while the index is away is told apart" {
    local n
    start
    stop i
    stop "$B"
    mv "$T/data/$B" "$T/data/first"
    volume "$B"
    index i "$VOLUMES" --replicas $COPIES
    all_up
    spreads_over "$(url i)/key" "$A" "$C"
    want 204 DELETE "$(url i)/key"
    want 404 GET "$(url i)/key"
    # Its blob on the disk that is away goes when that is back.
    crash "$B"
    rm -r "$T/data/$B"
    mv "$T/data/first" "$T/data/$B"
    volume "$B"
    within 5 sees i "$B" up
    settled
}

# --- --check-reads --------------------------------------------------------------------------------

@test "with --check-reads no client is sent to a volume that lacks the file" {
    start --check-reads
    spreads_over "$(url i)/key" "$A" "$B" "$C"
    rm "$(file_of "$B" /key)"
    goes_only_to "$(url i)/key" "$A" "$C"
    logged i "a copy is missing: volume $(at "$B") answered 404"
    rm "$(file_of "$A" /key)"
    spreads_over "$(url i-direct)/key" "$C"
    got_file "$(url i)/key" "$T/blob"
    want 302 HEAD "$(url i)/key"
    rm "$(file_of "$C" /key)"
    want 503 GET "$(url i)/key"
    want 404 GET "$(url i)/other"
    want 204 DELETE "$(url i)/key"
    settled
}

@test "with --check-reads a volume that dies or stops costs no client its GET" {
    local n
    start --check-reads
    crash "$B"
    for n in {1..12}; do
        got_file "$(url i)/key" "$T/blob" # also in the first second
    done
    volume "$B"
    within 5 sees i "$B" up
    freeze "$B"
    for n in {1..6}; do
        got_file "$(url i)/key" "$T/blob"
    done
}

@test "with --check-reads no client is sent to another disk, though it has such a file" {
    local identity path
    start --check-reads
    identity=$("$MKV" status --json --index "$T/data/i" | jq -r --arg name "$(at "$B")" '.volumes[] | select(.name == $name) | .identity')
    [[ $identity =~ ^[0-9a-f]{32}$ ]]
    # The index must not find it out in another way: asked how it is, it says that it is the first disk.
    sed "s|location = /_mkv/space {|&\nadd_header Mkv-Volume-Id $identity always;|" \
        "$BATS_TEST_DIRNAME/../../templates/volume.conf.in" >"$T/double.conf"
    crash "$B"
    within 5 sees i "$B" down
    path=$(file_of "$B" /key)
    mv "$T/data/$B" "$T/data/first"
    volume "$B" --template "$T/double.conf"
    mkdir -p "$(dirname "$path")"
    tr '\0-\377' x <"$T/blob" >"$path"
    within 5 sees i "$B" up
    refute logged i 'has another disk'
    goes_only_to "$(url i)/key" "$A" "$C"
    goes_only_to "$(url i-direct)/key" "$A" "$C"
    logged i "a copy is missing: volume $(at "$B") has another disk now"
    got_file "$(url i)/key" "$T/blob"
    crash "$A"
    crash "$C"
    want 503 GET "$(url i)/key"
    same 1 "$(header Retry-After)"
}

# A GET that goes to B, whose HEAD is held until B is down: then it answers all the same.
get_while_going_down() { # ROUND
    local n pids=()
    signal hold STOP
    for n in 1 2; do # one of them is to be asked of A
        curl -q -s --noproxy '*' -m 20 -o /dev/null -w '%{redirect_url}\n' "$(url i)/key" >"$T/went-$1-$n" 3>&- &
        pids+=($!)
    done
    touch "$T/gone"
    within 5 sees i B down
    signal hold CONT
    wait "${pids[@]}"
    rm "$T/gone"
    within 5 sees i B up
    for n in 1 2; do
        same "$(url A)$(blob_of A /key)" "$(cat "$T/went-$1-$n")" "where GET $n of round $1 was sent"
    done
}

@test "with --check-reads no client is sent to a volume that went down while it was asked" {
    local round
    value blob 100000
    # B has its HEADs answered by A, over a link; and says that it is not well while $T/gone is there.
    volume A
    link hold A
    sed "s|location / {|&\nif (\$request_method = HEAD) { proxy_pass http://$(at hold); }\nproxy_hide_header Mkv-Volume-Id;|
        s|location = /_mkv/space {|&\nif (-f $T/gone) { return 500; }|" \
        "$BATS_TEST_DIRNAME/../../templates/volume.conf.in" >"$T/held.conf"
    volume B --template "$T/held.conf"
    index i 'A B' --replicas 2 --check-reads
    want 201 PUT "$(url i)/key" -T "$T/blob"
    for round in 1 2 3 4; do
        get_while_going_down $round
    done
}

# --- Key-Balance ----------------------------------------------------------------------------------

@test "Key-Balance is right while a volume hasn't answered yet, as just behind the index's start" {
    local how n each
    for each in v1 v2 v3 v4 v5; do
        volume $each
    done
    index i 'v1 v2 v3 v4' --replicas $COPIES
    VOLUMES='v1 v2 v3 v4' all_up
    for n in {1..20}; do
        put "$(url i)/$n" value
    done
    stop i
    index i "$VOLUMES" --replicas $COPIES
    all_up
    balances >"$T/all-up"
    grep -q ' balanced$' "$T/all-up"
    grep -q ' unbalanced$' "$T/all-up"
    for how in stopped killed; do # unknown for two seconds, and down from the first on
        for each in v1 v5; do
            stop i
            break_volume $how $each
            index i "$VOLUMES" --replicas $COPIES
            others_up $each
            balances >"$T/without"
            if [[ $how == stopped ]]; then
                sees i $each 'unknown|down'
            fi
            diff "$T/all-up" "$T/without"
            mend_volume $how $each
        done
    done
}

# Prints "KEY balanced|unbalanced" of each key.
balances() {
    local n
    for n in {1..20}; do
        want 302 GET "$(url i)/$n"
        echo "$n $(header Key-Balance)"
    done
}

others_up() { # VOLUME
    local each
    for each in $VOLUMES; do
        [[ $each == "$1" ]] || within 5 sees i "$each" up
    done
}
