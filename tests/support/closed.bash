# shellcheck shell=bash
# What lib loads at its end where MKV_E2E_CLOSED is set. "secret": every volume and index has the same
# secret. "tls": and the same certificate, volumes are named https://, and so is what clients ask, who must
# be curl then. http() brings tickets to volumes.

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

# From now on the port of NAME is that of a volume in DIR, or of a front.
is_closed() { # NAME [DIR]
    find_port "$1"
    echo "${2-}" >"$RUN/port/closed-$PORT"
    if [[ $MKV_E2E_CLOSED == tls ]]; then
        : >"$RUN/port/tls-$PORT"
    fi
}

# Sets OPTIONS to what volumes and indexes share.
closed_options() {
    OPTIONS=(--secret-file "$CLOSED/secret")
    if [[ $MKV_E2E_CLOSED == tls ]]; then
        OPTIONS+=(--tls-cert "$CLOSED/crt" --tls-key "$CLOSED/key")
    fi
}

volume() { # NAME [MKV-OPTIONS...]
    local name=$1 OPTIONS
    shift
    if ! find_path data "$name"; then
        mkdir "$RUN/data/$name"
        chown --reference="$RUN/data" "$RUN/data/$name"
        find_path data "$name"
    fi
    is_closed "$name" "$FOUND_AT"
    closed_options
    mkv_start "$name" volume "$(at "$name")" "$(lookup data "$name")" "${OPTIONS[@]}" "$@"
    await_ready "$name"
}

index() { # NAME "VOLUME..." [MKV-OPTIONS...]
    local name=$1 volumes=() each OPTIONS
    closed_options
    if [[ $MKV_E2E_CLOSED == tls ]]; then
        OPTIONS+=(--tls-ca "$CLOSED/crt")
    fi
    for each in $2; do
        each=$(at "$each")
        [[ $MKV_E2E_CLOSED != tls ]] || each=https://$each
        volumes+=("$each")
    done
    shift 2
    is_closed "$name"
    is_closed "$name-s3"
    mkv_start "$name" index "${volumes[@]}" --port "$(at "$name")" --direct "$(at "$name-direct")" \
        --index "$RUN/data/$name" --grace 1 --verify-every 0 --repair-after 0 "${OPTIONS[@]}" "$@"
    await_ready "$name"
}

http() { # METHOD URL [CURL-OPTIONS...]
    local method=$1 path=${2#http*://127.0.0.1:} dir='' port
    port=${path%%/*}
    path=/${path#*/}
    path=${path%%\?*}
    if find_path port "closed-$port"; then
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
