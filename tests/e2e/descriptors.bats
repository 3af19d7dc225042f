#!/usr/bin/env bats
# What an index does when it is short of descriptors: the volumes are well, and reads go on.

load ../support/lib

# The statuses of so many GETs of a key, "302x100" when all went well.
gets() { # N PATH
    local n
    for ((n = 0; n < $1; n++)); do
        echo "GET $2"
    done >"$T/gets"
    xargs -a "$T/gets" -n 2 -P 4 sh -c 'curl -q -s --noproxy "*" -m 30 -o /dev/null -w "%{http_code}\n" "$0$2"' "$(url i)" |
        sort | uniq -c | awk '{ print $2 "x" $1 }' | paste -sd' '
}

@test "an index with few descriptors refuses PUTs, serves GETs, and calls no volume down" {
    local n
    for n in v1 v2 v3; do
        volume $n
    done
    AS=(bash -c 'ulimit -n 256 && exec "$0" "$@"')
    index i 'v1 v2 v3' --replicas 3
    AS=()
    put "$(url i)/key" value
    mkfifo "$T/go"
    hatch slow bash -c 'exec python3 "$0" "$1" 120 <"$2"' "$BATS_TEST_DIRNAME/../support/slowputs.py" "$(port i-direct)" "$T/go"
    exec {go}>"$T/go"
    within 20 logged slow '^held'
    same 302x100 "$(gets 100 /key)"
    for n in v1 v2 v3; do
        within 3 sees i $n up
    done
    exec {go}>&-
    await_end slow 30
    same 0 "$RC"
    logged slow '^201x[0-9]+ 503x[0-9]+$' || fail "$(cat "$(log_of slow)")"
    refute logged i 'is down'
    (($(grep -c "can't be connected to" "$(log_of i)") <= 1))
    put "$(url i)/after" value
}
