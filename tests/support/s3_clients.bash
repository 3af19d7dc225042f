# shellcheck shell=bash
# Stock S3 clients against a cluster with keys. Each test has a home of its own, so that no client
# reads or leaves a config elsewhere.

# Where scripts/deps.sh --test puts what comes from PyPI. (HOME changes below.)
CLIENTS_VENV=${MKV_S3_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/mkv/s3-clients}

# Three volumes with two copies of each value. The client has a key of its own for all it does.
clients_cluster() {
    s3_cluster_with_keys 'v1 v2 v3' 'AKCLIENT secret-of-client rwc:*' --replicas 2 "$@"
}

# Gives a test a home, and names the key and the endpoint as most clients read them.
clients_home() {
    mkdir "$T/home"
    export HOME=$T/home ENDPOINT
    ENDPOINT=$(url i-s3)
    export AWS_ACCESS_KEY_ID=AKCLIENT AWS_SECRET_ACCESS_KEY=secret-of-client
    export AWS_DEFAULT_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true
    export AWS_CONFIG_FILE=$T/home/aws AWS_SHARED_CREDENTIALS_FILE=$T/home/aws-keys
    export no_proxy='*' NO_PROXY='*'
    unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY AWS_PROFILE AWS_ENDPOINT_URL AWS_CA_BUNDLE
}

# Fails when a client isn't there: a test that nobody runs is none.
need_client() { # COMMAND
    command -v "$1" >/dev/null || fail "$1 is missing: scripts/deps.sh --test installs it"
}

# Runs a Python program of this directory, with Debian's libraries or with PyPI's.
debian_python() { # PROGRAM ARGUMENTS...
    local program=$1
    shift
    /usr/bin/python3 "${BASH_SOURCE[0]%/*}/$program" "$@"
}

pypi_python() { # PROGRAM ARGUMENTS...
    local program=$1
    shift
    "$CLIENTS_VENV/bin/python" "${BASH_SOURCE[0]%/*}/$program" "$@"
}

# Makes a tree of files: empty ones, small ones, odd names, and one of so many MiB.
make_tree() { # DIR MIB
    local n
    mkdir -p "$1/deep/er" "$1/with space"
    for n in 1 2 3 4 5; do
        head -c $((n * 1000)) /dev/urandom >"$1/deep/file $n"
        head -c $((n * 70000)) /dev/urandom >"$1/deep/er/a+b=$n%41"
    done
    : >"$1/empty"
    echo 'grün' >"$1/with space/größe.txt"
    head -c $(($2 << 20)) /dev/urandom >"$1/big"
}

same_tree() { # DIR DIR
    diff -r "$1" "$2" || fail "$1 and $2 differ"
}

# Prints the ETag of a file that was uploaded in parts of 5 MiB.
etag_of_parts() { # FILE
    printf '%s-%s' "$(split -b 5M --filter='openssl dgst -md5 -binary' "$1" | md5_of)" \
        $((($(stat -c %s "$1") + 5242879) / 5242880))
}

# All volumes' copies are there and the same: what a client stored is as good as any other key.
verified() {
    "$MKV" verify --deep --index "$(lookup data i)" | grep -q 'all is well' || fail 'verify found something'
}
