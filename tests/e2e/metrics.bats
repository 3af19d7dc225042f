#!/usr/bin/env bats
# /metrics: what it says is what clients have done, and Prometheus can read it.

load ../support/lib

# Prints what the admin port a says, or another, checked by promtool.
scrape() { # [NAME]
    want 200 GET "$(url "${1:-a}")/metrics" || return 1
    same 'text/plain; version=0.0.4; charset=utf-8' "$(header Content-Type)" || return 1
    command -v promtool >/dev/null || fail "promtool is missing: scripts/deps.sh --test installs it" || return 1
    promtool check metrics <"$T/body" || return 1
    cat "$T/body"
}

# Prints "NxCODE OPERATION" for each of the index's counters of requests but that of its own probes,
# sorted, each operation in the words of its API.
counters() { # FILE
    sed -nE 's/^mkv_requests_total\{api="[a-z0-9]*",operation="([A-Za-z]*)",code="([0-9]*)"\} ([0-9]+)$/\3x\2 \1/p' "$1" |
        grep -v ' health$' | sort
}

# Prints the value of a sample, which the regex must match as a whole.
sample() { # FILE REGEX
    grep -E "^$2 [0-9.]+\$" "$1" | awk '{ print $NF }'
}

@test "counters equal what clients have counted" {
    cluster i 'v1 v2' --admin "$(port a)" --s3 "$(at s)" --replicas 2
    local n
    {
        for n in {1..60}; do
            echo "PUT /k$n"
            echo "PUT /k$n"
            echo "HEAD /k$n"
            echo "GET /none$n"
            echo "UNLINK /k$((n * 2))"
            echo "DELETE /k$((n * 3))"
            echo 'GET /?list&limit=0'
            echo 'POST /a'
        done
    } | replay "$(url i-direct)" --parallel --parallel-max 8 >"$T/native"
    {
        for n in {1..30}; do
            echo "PUT /b/o$n"
            echo "GET /b/none$n"
            echo "DELETE /b/o$((n / 2))"
            echo 'GET /b?list-type=2'
            echo 'GET /none?location'
            echo 'GET /b?lifecycle'
            echo 'PUT /b/x?partNumber=1&uploadId=none'
        done
    } | replay "$(url s)" >"$T/s3"
    {
        sed -E 's,GET http://[^/]*/\?.*,list,; s,POST .*,other,; s,([A-Z]+) http:.*,\L\1,' "$T/native"
        sed -E 's,PUT .*uploadId.*,UploadPart,; s,GET .*list-type.*,ListObjects,; s,GET .*location,GetBucketProperty,
            s,GET .*lifecycle,other,; s,PUT .*,PutObject,; s,GET .*,GetObject,; s,DELETE .*,DeleteObject,' "$T/s3"
    } | sort | uniq -c | awk '{ print $1 "x" $2, $3 }' | sort >"$T/wanted"
    same 690 "$(cat "$T/native" "$T/s3" | wc -l)" 'answers'
    scrape >"$T/metrics"
    counters "$T/metrics" >"$T/got"
    diff "$T/wanted" "$T/got"
    # As many were timed.
    same "$(awk -Fx '{ n += $1 } END { print n }' "$T/got")" \
        "$(sample "$T/metrics" 'mkv_request_seconds_count\{api="(native|s3)".*' | awk '{ n += $1 } END { print n }')" 'what was timed'
}

# Their families don't go into one piece of the answer.
@test "hundreds of volumes are all there, once in each family" {
    local n
    volume v
    for n in {1..300}; do
        echo "127.0.0.2:$n" # where nobody listens
    done >"$T/volumes"
    index i v --admin "$(port a)" --volumes-file "$T/volumes"
    scrape >"$T/metrics"
    for n in up state state_since_timestamp_seconds used errors_total; do
        same 301 "$(grep -o "^mkv_volume_$n{volume=\"[0-9.:]*\"" "$T/metrics" | sort -u | wc -l)" "$n"
        same 301 "$(grep -c "^mkv_volume_$n{" "$T/metrics")" "$n"
    done
    same '' "$(awk '/^# (HELP|TYPE) / { print $2, $3 }' "$T/metrics" | sort | uniq -d)" 'heads that come twice'
    within 10 sees i v up
    scrape >"$T/metrics"
    same 1 "$(grep -c '^mkv_volume_up{.*} 1$' "$T/metrics")"
}

@test "what it says of keys, volumes and jobs is what status says" {
    cluster i 'v1 v2' --admin "$(port a)" --replicas 2
    local n v
    for n in {1..5}; do
        put "$(url i)/k$n" value
    done
    want 204 UNLINK "$(url i)/k1"
    want 204 DELETE "$(url i)/k2"
    scrape >"$T/metrics"
    same 25 "$(sample "$T/metrics" 'mkv_received_bytes_total\{api="native",operation="put"\}')"
    same 3 "$(sample "$T/metrics" mkv_keys)"
    same 1 "$(sample "$T/metrics" mkv_unlinked_keys)"
    same 1 "$(sample "$T/metrics" mkv_ready)"
    for v in v1 v2; do
        same 1 "$(sample "$T/metrics" "mkv_volume_up\\{volume=\"$(at $v)\"\\}")"
        same 1 "$(sample "$T/metrics" "mkv_volume_state\\{volume=\"$(at $v)\",state=\"up\",zone=\"127.0.0.1\"\\}")"
    done
    (($(sample "$T/metrics" mkv_store_commits_total) >= 7))
    crash v2
    rm "$(file_of v1 /k3)"
    within 10 sees i v2 down
    "$MKV" verify --index "$T/data/i" --repair >/dev/null || true
    scrape >"$T/metrics"
    same 0 "$(sample "$T/metrics" "mkv_volume_up\\{volume=\"$(at v2)\"\\}")"
    same 1 "$(sample "$T/metrics" 'mkv_jobs_ended_total\{kind="verify",result="done"\}')"
    same 1 "$(sample "$T/metrics" 'mkv_job_results_total\{kind="verify",result="missing"\}')"
    same 1 "$(sample "$T/metrics" 'mkv_last_job_results\{kind="verify",result="missing"\}')"
    same 4 "$(sample "$T/metrics" 'mkv_last_job_results\{kind="verify",result="away"\}')"
}

# Puts and lists until $T/enough is there; the answers go to $T/load.
put_and_list() {
    local round=0
    while [[ ! -e $T/enough ]]; do
        for n in {1..25}; do
            printf 'PUT /k%d.%d\nGET /k%d.%d\nGET /?list\n' "$round" "$n" "$round" "$n"
        done | replay "$(url i-direct)" --parallel --parallel-max 8
        round=$((round + 1))
    done >"$T/load"
}

@test "promtool reads both ends under load" {
    local load round
    volume v1
    volume v2 --admin "$(port b)"
    index i 'v1 v2' --admin "$(port a)" --replicas 2
    put_and_list &
    load=$!
    within 10 grep -qs '^201 PUT' "$T/load"
    for round in 1 2 3; do
        scrape a >"$T/metrics.$round"
        scrape b >"$T/volume.$round"
    done
    : >"$T/enough"
    wait $load
    scrape a >"$T/metrics"
    same "$(grep -c '^201 PUT' "$T/load")" \
        "$(sample "$T/metrics" 'mkv_requests_total\{api="native",operation="put",code="201"\}')"
    same "$(grep -c '^200 GET .*list' "$T/load")" \
        "$(sample "$T/metrics" 'mkv_requests_total\{api="native",operation="list",code="200"\}')"
    scrape b >"$T/volume"
    (($(sample "$T/volume" 'mkv_server_requests_total\{operation="sync",code="204"\}') > 0))
}
