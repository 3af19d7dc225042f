# shellcheck shell=bash
# What the tests of jobs share. It comes after lib.

# Keys on v1 and v2, and index i, which knows v3 as well: about a third of them are to be moved. The
# value of /key-N is its name. No job begins by itself.
grown() { # KEYS
    local keys=$1 n
    cluster i 'v1 v2'
    volume v3
    for ((n = 1; n <= keys; n++)); do
        echo "PUT /key-$n"
    done | requests "$(url i)" >"$T/requests"
    same "${keys}x201" "$(cat "$T/requests")"
    stop i
    index i 'v1 v2 v3'
}

# Prints how many of the keys are not where they belong.
unbalanced() { # KEYS
    local n count=0
    for ((n = 1; n <= $1; n++)); do
        http HEAD "$(url i)/key-$n"
        if [[ $(header Key-Balance) == unbalanced ]]; then
            count=$((count + 1))
        fi
    done
    echo "$count"
}

# All keys have their values.
all_there() { # KEYS
    local n
    for ((n = 1; n <= $1; n++)); do
        got "$(url i)/key-$n" "/key-$n" || return 1
    done
}

job() { # JQ-PATH: of the last job that began
    "$MKV" status --json --index "$T/data/i" | jq -r ".jobs[-1]$1"
}

job_is() { # STATE
    [[ $(job .state) == "$1" ]]
}

moves() { # a key was moved
    (($(job .counts.moved) > 0)) 2>/dev/null
}
