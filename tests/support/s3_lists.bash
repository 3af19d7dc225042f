# shellcheck shell=bash
# Lists of the S3 API, read.

# Reads the list that was answered last.
read_list() {
    "${BASH_SOURCE[0]%/*}/s3_list.py" <"$T/body" >"$T/list" || fail "no list: $(head -c 1000 "$T/body")"
}

# Prints the names of all pages of a list, one a line.
pages() { # URL
    "${BASH_SOURCE[0]%/*}/s3_list.py" "$1"
}

# Asks for a list, which must be XML. Sets LISTED to its keys, common prefixes or buckets (none of
# which may have line breaks), in its order.
list() { # URL
    want 200 GET "$1" -H 'x-amz-date: any'
    same application/xml "$(header Content-Type)"
    read_list
    mapfile -t LISTED < <(sed -nE 's/^(KEY|PREFIX|BUCKET) //p' "$T/list")
}

# Prints an element that stands once in the last list, or nothing.
said() { # ELEMENT
    sed -n "s/^$1 //p" "$T/list"
}

# Fails unless a list has these names, and is truncated or not.
lists() { # URL NAMES [TRUNCATED]
    list "$1"
    same "$2" "${LISTED[*]}" "names of $1"
    same "${3:-false}" "$(said IsTruncated)" "IsTruncated of $1"
}

# Fails unless the request is refused with this status and this code of S3's errors.
refuses() { # STATUS CODE METHOD URL [CURL-OPTIONS...]
    local status=$1 code=$2
    shift 2
    want "$status" "$@" -H 'x-amz-date: any'
    grep -q "<Code>$code</Code>" "$T/body" || fail "wanted $code, got $(cat "$T/body")"
}
