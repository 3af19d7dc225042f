# shellcheck shell=bash
# What the .bats files about TLS load behind lib: an authority, certificates, and clusters that have
# them. curl trusts the authority.

declare -gA SPEAKS_TLS=() # names whose url is https://

url() { # NAME
    find_port "$1"
    echo "http${SPEAKS_TLS[$1]:+s}://127.0.0.1:$PORT"
}

# Whatever it answers, and whoever it claims to be.
healthy() { # NAME
    [[ $(curl -q -k -s --noproxy '*' -m 5 -o /dev/null -w '%{http_code}' "$(url "$1")/_mkv/health") != 000 ]]
}

# Makes NAME.crt and NAME.key in $RUN/tls, of an authority.
authority() { # NAME
    mkdir -p "$RUN/tls"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=$1" \
        -keyout "$RUN/tls/$1.key" -out "$RUN/tls/$1.crt" 2>/dev/null
    chmod 600 "$RUN/tls/$1.key"
}

# Makes NAME.crt, with the authority's behind it, and NAME.key. nginx compares an address with the name
# of the subject, where libcurl wants it among the others. PURPOSE: what alone it is good for.
certificate() { # NAME [DAYS [ADDRESS [AUTHORITY]]]
    local base=$RUN/tls/$1 days=${2:-30} address=${3:-127.0.0.1} authority=$RUN/tls/${4:-ca}
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$address" \
        -keyout "$base.key" -out "$base.csr" 2>/dev/null
    openssl x509 -req -in "$base.csr" -CA "$authority.crt" -CAkey "$authority.key" -days "$days" \
        -set_serial "0x$(openssl rand -hex 8)" -extfile <(echo "subjectAltName=IP:$address${PURPOSE:+
extendedKeyUsage=$PURPOSE}") \
        -out "$base.crt" 2>/dev/null
    cat "$authority.crt" >>"$base.crt"
    chmod 600 "$base.key"
    ((UID != 0)) || chown www-data "$base.key" # whom mkv runs as, when root starts it
}

# Makes the authority ca and the certificate good, of 127.0.0.1.
tls_begin() {
    authority ca
    certificate good
    export CURL_CA_BUNDLE=$RUN/tls/ca.crt
}

# Starts a volume with the certificate, or with one of another name.
tls_volume() { # NAME [CERTIFICATE [MKV-OPTIONS...]]
    local name=$1 certificate=${2:-good}
    SPEAKS_TLS[$name]=1
    mkdir -p "$RUN/data/$name"
    chown --reference="$RUN/data" "$RUN/data/$name"
    mkv_start "$name" volume "$(at "$name")" "$RUN/data/$name" --tls-cert "$RUN/tls/$certificate.crt" \
        --tls-key "$RUN/tls/$certificate.key" "${@:3}"
    await_ready "$name"
}

# Starts an index with TLS over such volumes, which trusts the authority ca. Its port of S3 is that of
# NAME-s3.
tls_index() { # NAME "VOLUME..." [MKV-OPTIONS...]
    local name=$1 each names=()
    for each in $2; do
        names+=("https://$(at "$each")")
    done
    SPEAKS_TLS[$name]=1 SPEAKS_TLS[$name-s3]=1
    index "$name" '' "${names[@]}" --s3 "$(at "$name-s3")" --tls-ca "$RUN/tls/ca.crt" \
        --tls-cert "$RUN/tls/good.crt" --tls-key "$RUN/tls/good.key" "${@:3}"
}

# Prints why the index has a volume down.
reason_of() { # INDEX NAME-OF-THE-VOLUME
    "$MKV" status --json --index "$(lookup data "$1")" |
        jq -r --arg name "$2" '.volumes[] | select(.name == $name) | "\(.state): \(.reason)"'
}

says() { # INDEX NAME-OF-THE-VOLUME STATE-AND-REASON
    [[ $(reason_of "$1" "$2") == "$3" ]]
}

# Prints the serial number of the certificate that is served.
serial_of() { # NAME
    openssl s_client -connect "$(at "$1")" </dev/null 2>/dev/null | openssl x509 -noout -serial
}
