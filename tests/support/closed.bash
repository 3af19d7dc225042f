# shellcheck shell=bash
# What lib loads at its end where MKV_E2E_CLOSED is set: every volume and index has the same secret and
# certificate, volumes are named https://, and so is what clients ask. http() brings tickets to volumes.
# For .bats files that ask by http(), url() and curl alone.

eval "$(declare -f file_begin | sed '1s/file_begin/open_file_begin/')"
eval "$(declare -f test_begin | sed '1s/test_begin/open_test_begin/')"
eval "$(declare -f http | sed '1s/http/open_http/')"

file_begin() {
    open_file_begin
    closed_begin
}

test_begin() {
    open_test_begin
    if [[ -z ${F-} ]]; then
        closed_begin
    fi
}

# Makes what all that follow share.
closed_begin() {
    CLOSED=$RUN/closed
    mkdir "$CLOSED"
    "$MKV" secret "$CLOSED/secret"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=127.0.0.1 \
        -addext subjectAltName=IP:127.0.0.1 -keyout "$CLOSED/key" -out "$CLOSED/crt" 2>/dev/null
    chmod 600 "$CLOSED/key"
    give_to_mkv "$CLOSED/key" "$CLOSED/secret"
    export CLOSED CURL_CA_BUNDLE=$CLOSED/crt SSL_CERT_FILE=$CLOSED/crt AWS_CA_BUNDLE=$CLOSED/crt \
        REQUESTS_CA_BUNDLE=$CLOSED/crt
}

url() { # NAME
    find_port "$1"
    if find_path port "tls-$PORT"; then
        echo "https://127.0.0.1:$PORT"
    else
        echo "http://127.0.0.1:$PORT"
    fi
}

# From now on the port of NAME speaks TLS; it is that of a volume in DIR.
speaks_tls() { # NAME [DIR]
    find_port "$1"
    echo "${2-}" >"$RUN/port/tls-$PORT"
}

volume() { # NAME [MKV-OPTIONS...]
    local name=$1
    shift
    mkdir -p "$RUN/data/$name"
    find_path data "$name"
    speaks_tls "$name" "$FOUND_AT"
    mkv_start "$name" volume "$(at "$name")" "$(lookup data "$name")" --secret-file "$CLOSED/secret" \
        --tls-cert "$CLOSED/crt" --tls-key "$CLOSED/key" "$@"
    await_ready "$name"
}

index() { # NAME "VOLUME..." [MKV-OPTIONS...]
    local name=$1 volumes=() each
    for each in $2; do
        volumes+=("https://$(at "$each")")
    done
    shift 2
    speaks_tls "$name"
    speaks_tls "$name-s3"
    mkv_start "$name" index "${volumes[@]}" --port "$(at "$name")" --direct "$(at "$name-direct")" \
        --index "$RUN/data/$name" --grace 1 --verify-every 0 --repair-after 0 \
        --secret-file "$CLOSED/secret" --tls-ca "$CLOSED/crt" --tls-cert "$CLOSED/crt" \
        --tls-key "$CLOSED/key" "$@"
    await_ready "$name"
}

http() { # METHOD URL [CURL-OPTIONS...]
    local method=$1 path=${2#https://127.0.0.1:} dir=
    local port=${path%%/*}
    path=/${path#*/}
    path=${path%%\?*}
    if find_path port "tls-$port"; then
        read -r dir <"$FOUND_AT" || true
    fi
    if [[ -n $dir ]]; then
        set -- "$@" -H "Mkv-Ticket: $("$SUPPORT/ticket" "$CLOSED/secret" "$(<"$dir/.mkv/id")" "$method" "$path")"
    fi
    open_http "$@"
}

# Whatever it answers.
healthy() { # NAME
    [[ $(curl -q -s --noproxy '*' -m 5 -o /dev/null -w '%{http_code}' "$(url "$1")/_mkv/health") == 200 ]]
}
