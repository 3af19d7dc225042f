# shellcheck shell=bash
# What the .bats files about zones load after replicas: many keys at once, and what the index says of
# zones.

put_some() { # PREFIX COUNT
    same "$2x201" "$(for n in $(seq "$2"); do echo "PUT $1/$n"; done | requests "$(url i)")"
}

get_some() { # PREFIX COUNT
    same "$2x200" "$(for n in $(seq "$2"); do echo "GET $1/$n"; done | requests "$(url i)")"
}

sharing() { # COUNT: of keys, as the index has counted them
    same "$1" "$("$MKV" status --json --index "$T/data/i" | jq .zones.keys_sharing)" 'keys that share a zone' 2>/dev/null
}

zones_line() {
    "$MKV" status --index "$T/data/i" | grep '^zones'
}

# REBALANCEs those keys, and sets UNBALANCED to how many had to be.
rebalance_some() { # PREFIX COUNT
    local n
    UNBALANCED=$(($2 - $(balanced "$1" "$2")))
    same "$2x204" "$(for n in $(seq "$2"); do echo "REBALANCE $1/$n"; done | requests "$(url i)")"
    same "$2" "$(balanced "$1" "$2")" 'balanced keys'
}

balanced() { # PREFIX COUNT: prints how many are
    curl -q -s --noproxy '*' -m $((30 * SLOW)) -I "$(url i)$1/[1-$2]" | tr -d '\r' | grep -ic '^Key-Balance: balanced$' || true
}
