# shellcheck shell=bash
# What the .bats files about S3 load behind lib: a cluster whose index i has the port of i-s3 for S3.

# Starts the volumes and an index that speaks S3 alone at the port of i-s3.
s3_cluster() { # "VOLUME..." [INDEX-OPTIONS...]
    local volumes=$1
    shift
    cluster i "$volumes" --s3 "$(at i-s3)" "$@"
}

# The same with keys: of admin, who may do all, and those given, a line each.
s3_cluster_with_keys() { # "VOLUME..." "LINE..." [INDEX-OPTIONS...]
    local volumes=$1
    s3_keys "$2"
    shift 2
    s3_cluster "$volumes" --keys "$RUN/keys" "$@"
}

s3_keys() { # "LINE..."
    printf 'admin secret-of-admin rwc:*\n%s\n' "$1" >"$RUN/keys"
    chmod 600 "$RUN/keys"
    give_to_mkv "$RUN/keys"
}

# Makes a request of S3; as http.
s3() { # METHOD /BUCKET/KEY[?QUERY] [CURL-OPTIONS...]
    local method=$1 path=$2
    shift 2
    http "$method" "$(url i-s3)$path" "$@"
}

# The same, and fails unless the status matches the regex; as want.
s3_want() { # STATUS METHOD /BUCKET/KEY[?QUERY] [CURL-OPTIONS...]
    local status=$1 method=$2 path=$3
    shift 3
    want "$status" "$method" "$(url i-s3)$path" "$@" || { head -c 1000 "$T/body" >&2 && return 1; }
    [[ $(header x-amz-request-id) =~ ^[0-9a-f]{32}$ ]] || fail "no x-amz-request-id: $*"
}

# The same of a request that fails, with this code.
s3_refused() { # STATUS CODE METHOD /BUCKET/KEY[?QUERY] [CURL-OPTIONS...]
    local status=$1 code=$2
    shift 2
    s3_want "$status" "$@" || return 1
    same application/xml "$(header Content-Type)" 'type of an error' || return 1
    same "$code" "$(element Code)" 'code of the error' || return 1
    same "$(header x-amz-request-id)" "$(element RequestId)" RequestId
}

# Prints the text of the first such element of the last answer.
element() { # NAME
    sed -n "s/.*<$1>\([^<]*\)<\/$1>.*/\1/p" "$T/body" | head -n 1
}

# Prints the texts of all of them, a line each.
elements() { # NAME
    grep -o "<$1>[^<]*</$1>" "$T/body" | sed "s/<[^>]*>//g"
}

# Signs what follows with a key of the keys file.
signed() { # ACCESS:SECRET COMMAND...
    local user=$1
    shift
    "$@" --aws-sigv4 aws:amz:us-east-1:s3 --user "$user" -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD'
}

as_admin() { # COMMAND...
    signed admin:secret-of-admin "$@"
}
