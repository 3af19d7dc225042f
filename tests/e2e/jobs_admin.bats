#!/usr/bin/env bats
# Jobs, as the admin socket has them: started, watched, cancelled.

load ../support/lib
load ../support/jobs

# Asks the admin socket of index i: the body goes to $T/ANSWER, the status to $T/ANSWER.status.
ask() { # ANSWER METHOD TARGET
    (
        cd "$T/data/i" || exit # the path may be too long for curl
        curl -q -sS -N -m $((30 * SLOW)) -X "$2" --unix-socket admin.sock -o "$T/$1" -w '%{http_code}' "http://index$3"
    ) >"$T/$1.status"
}

wants() { # STATUS METHOD TARGET
    ask body "$2" "$3"
    same "$1" "$(cat "$T/body.status")" "$2 $3: $(cat "$T/body"): status"
}

# Watches a job, and waits until it is seen to run.
watch() { # TARGET
    ask watched GET "$1" &
    within 5 grep -q running "$T/watched" 2>/dev/null
}

# A field of the answer's last line.
field() { # JQ-PATH
    tail -n 1 "$T/body" | jq -r "$1"
}

@test "a job is started, watched to its end, and remembered" {
    local wrong
    grown 60
    wrong=$(unbalanced 60)
    ((wrong > 5))
    wants 202 POST '/jobs/rebalance?dry_run=1'
    same 'rebalance running true' "$(field '"\(.kind) \(.state) \(.options.dry_run)"')"
    wants 200 GET "/jobs/$(field .job)"
    same "done true $wrong 60" "$(field '"\(.state) \(.clean) \(.counts.to_move) \(.done)"')"
    wants 202 POST '/jobs/rebalance?jobs=2'
    same '2 2' "$(field '"\(.job) \(.options.jobs)"')"
    wants 200 GET /jobs/2
    same "2 done $wrong" "$(field '"\(.job) \(.state) \(.counts.moved)"')"
    same 0 "$(unbalanced 60)"
    wants 200 GET /jobs
    same '1 2' "$(field '[.[].job] | join(" ")')"
    "$MKV" status --json --index "$T/data/i" | jq -e '.jobs | map(.kind) == ["rebalance", "rebalance"]'
}

@test "what is no job, or none with these parameters, is refused" {
    cluster i v1
    wants 404 POST /jobs/dance
    wants 404 POST /jobs/heal # mkv's own
    wants 404 POST /jobs/scrub
    wants 404 GET /jobs/7
    wants 404 DELETE /jobs/7
    wants 404 POST /jobs/
    wants 404 GET /jobsack
    wants 405 GET /jobs/rebalance
    wants 405 POST /jobs
    wants 400 POST '/jobs/rebalance?dry_run=yes'
    wants 400 POST '/jobs/rebalance?depth=1'
    grep -qx 'rebalance is given an unknown parameter' "$T/body"
    wants 400 POST '/jobs/rebalance?deep=1'
    wants 400 POST '/jobs/rebalance?jobs=0'
    wants 400 POST '/jobs/rebalance?jobs=65'
    wants 400 POST '/jobs/rebalance?rate=99999999999999999999'
    wants 400 POST '/jobs/rebalance?rate=1M'
    wants 400 POST "/jobs/rebalance?volume=$(at v1)"
    wants 200 GET /jobs
    same '[]' "$(cat "$T/body")"
}

@test "one job of a kind runs at a time, until it is cancelled" {
    grown 60
    wants 202 POST '/jobs/rebalance?rate=1'
    wants 409 POST '/jobs/rebalance?dry_run=1'
    same '1 running false 1' "$(field '"\(.job) \(.state) \(.options.dry_run) \(.options.rate)"')"
    watch /jobs/1
    wants 202 DELETE /jobs/1
    wait
    same canceled "$(tail -n 1 "$T/watched" | jq -r .state)"
    wants 200 GET /jobs/1
    same 1 "$(wc -l <"$T/body")" lines
    same 'canceled false' "$(field '"\(.state) \(.clean)"')"
    (($(unbalanced 60) > 5))
    wants 202 POST /jobs/rebalance
    wants 200 GET /jobs/2
    same 0 "$(unbalanced 60)"
}

@test "an index that stops ends its jobs, and who watches hears it" {
    grown 60
    wants 202 POST '/jobs/rebalance?rate=1'
    watch /jobs/1
    stop i
    wait
    same canceled "$(tail -n 1 "$T/watched" | jq -r .state)"
}
