#!/usr/bin/env bats
# TLS: of clients, and between an index and its volumes.

load ../support/lib
load ../support/tls

before_each() {
    tls_begin
}

# s_client against the port of NAME; what it prints is in $T/said.
handshake() { # NAME [OPTIONS...]
    local name=$1
    shift
    openssl s_client -connect "$(at "$name")" -CAfile "$RUN/tls/ca.crt" "$@" </dev/null >"$T/said" 2>&1
}

# No line of level warn or error is about TLS.
quiet() { # NAME
    refute grep -Ei '^[^ ]* (warn|error) .*(ssl|tls|certificate|plain http|handshake|listen)' "$(log_of "$1")"
}

@test "values go by TLS to closed volumes and clients, by redirect and by proxy, HTTP/2 and HTTP/1.1" {
    local reads how
    "$MKV" secret "$RUN/secret"
    tls_volume v1 good --secret-file "$RUN/secret"
    tls_volume v2 good --secret-file "$RUN/secret"
    for reads in redirect proxy; do
        tls_index i 'v1 v2' --replicas 2 --reads "$reads" --secret-file "$RUN/secret"
        for how in --http2 --http1.1; do
            put "$(url i)/key" value "$how"
            want '200|302' GET "$(url i)/key" "$how"
            [[ $how != --http2 || $(head -n 1 "$T/head") == HTTP/2* ]]
            [[ $(header Key-Volumes) == https://*,https://* ]]
            [[ $reads == proxy || $(header Location) == https://* ]]
            got "$(url i)/key" value
            want 200 PUT "$(url i-s3)/bucket" "$how"
            want 200 PUT "$(url i-s3)/bucket/key" --data-binary value "$how"
            want 200 GET "$(url i-s3)/bucket/key" "$how"
            same value "$(<"$T/body")"
            want 204 DELETE "$(url i)/key" "$how"
            want 404 GET "$(url i)/key" "$how"
        done
        quiet i
        stop i
    done
    quiet v1
    stop v1
    stop v2
    same '' "$(ls -A "$RUN/tmp")" 'what is in TMPDIR'
}

# Prints where those to NAME come from.
connections() { # NAME
    ss -Htn state established "( sport = :$(port "$1") )" | awk '{ print $4 }' | sort
}

@test "connections to volumes are kept, the index's and the front's" {
    local before
    tls_volume v1
    tls_index i v1 --reads proxy --workers 1
    put "$(url i)/key" value
    got "$(url i)/key" value
    before=$(connections v1)
    for _ in 1 2 3 4 5 6 7 8; do
        got "$(url i)/key" value
    done
    same "$before" "$(connections v1)"
}

@test "S3 has its headers by HTTP/2, too" {
    local how
    tls_volume v1
    tls_index i v1
    want 200 PUT "$(url i-s3)/bucket"
    want 200 PUT "$(url i-s3)/bucket/key" --data-binary value -H 'x-amz-meta-a: b c' -H 'Content-Type: text/x'
    for how in --http2 --http1.1; do
        want 200 GET "$(url i-s3)/bucket/key" "$how"
        same value "$(<"$T/body")"
        same 'b c' "$(header x-amz-meta-a)"
        same text/x "$(header Content-Type)"
        want 206 GET "$(url i-s3)/bucket/key" "$how" -H 'Range: bytes=1-2'
        same al "$(<"$T/body")"
        same 'b c' "$(header x-amz-meta-a)"
        want 304 GET "$(url i-s3)/bucket/key" "$how" -H "If-None-Match: $(header ETag)"
        want 404 GET "$(url i-s3)/bucket/other" "$how"
        grep -q NoSuchKey "$T/body"
        want 404 GET "$(url i)/_mkv/again_1_1" "$how"
    done
    quiet i
    # What the front asks itself is no request of the client's.
    stop i
    tls_index i v1 --limit-conn 1
    want 200 GET "$(url i-s3)/bucket/key" --http2
    same value "$(<"$T/body")"
}

@test "TLS is 1.2 or 1.3, with a chain, sessions that are resumed, HTTP/2, and no renegotiation" {
    local old name
    tls_volume v1
    tls_index i v1
    for name in v1 i i-s3; do
        for old in -tls1 -tls1_1; do
            refute handshake "$name" $old -cipher 'ALL:@SECLEVEL=0'
        done
        handshake "$name" -tls1_2 -verify_return_error
        handshake "$name" -tls1_3 -verify_return_error -showcerts
        same 2 "$(grep -c 'BEGIN CERTIFICATE' "$T/said")" 'certificates'
        refute handshake "$name" -tls1_2 -cipher 'AES128-SHA:AES256-SHA:ECDHE-ECDSA-AES128-SHA256'
        handshake "$name" -alpn h2,http/1.1
        grep -q 'ALPN protocol: h2' "$T/said"
        handshake "$name" -alpn http/1.1
        grep -q 'ALPN protocol: http/1.1' "$T/said"
        handshake "$name" -tls1_2 -sess_out "$T/session"
        handshake "$name" -tls1_2 -sess_in "$T/session"
        grep -q '^Reused, TLSv1.2' "$T/said"
        # A session of 1.3 comes with the first answer.
        printf 'HEAD /_mkv/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' |
            openssl s_client -connect "$(at "$name")" -tls1_3 -ign_eof -sess_out "$T/session" >/dev/null 2>&1
        handshake "$name" -tls1_3 -sess_in "$T/session"
        grep -q '^Reused, TLSv1.3' "$T/said"
        echo R | openssl s_client -connect "$(at "$name")" -tls1_2 >"$T/said" 2>&1 || true
        grep -q 'no renegotiation' "$T/said"
    done
    quiet v1
    quiet i
}

@test "a handshake that fails is named in the volume's state" {
    local name
    authority other
    certificate strange 30 127.0.0.1 other
    certificate elsewhere 30 127.0.0.2
    certificate expired -1
    for name in strange elsewhere expired; do
        tls_volume "$name" "$name"
    done
    tls_volume plainly
    volume bare
    tls_volume v1
    tls_index i 'v1 strange elsewhere expired bare' "$(at plainly)"
    put "$(url i)/key" value
    says i "https://$(at v1)" 'up: '
    says i "https://$(at strange)" "down: its certificate isn't trusted (--tls-ca)"
    says i "https://$(at elsewhere)" 'down: its certificate is of another host'
    says i "https://$(at expired)" 'down: its certificate has expired'
    says i "https://$(at bare)" 'down: it speaks no TLS, or broke the handshake off'
    says i "$(at plainly)" 'down: it may speak TLS alone: name it https://HOST:PORT'
    logged i "volume https://$(at elsewhere) is down: its certificate is of another host"
}

@test "volumes demand the index's certificate, which nobody else has" {
    PURPOSE=serverAuth certificate disk1
    tls_volume v1 disk1 --tls-client-ca "$RUN/tls/ca.crt"
    tls_index i v1 --reads proxy
    put "$(url i)/key" value
    got "$(url i)/key" value
    want 200 PUT "$(url i-s3)/bucket"
    want 200 PUT "$(url i-s3)/bucket/key" --data-binary value
    want 200 GET "$(url i-s3)/bucket/key"
    want 400 GET "$(url v1)/_mkv/health"
    want 400 PUT "$(url v1)/aa/bb/cc" --data-binary value
    want 200 GET "$(url v1)/_mkv/health" --cert "$RUN/tls/good.crt" --key "$RUN/tls/good.key"
    # A volume's own certificate, as mkv-operations(7) has it made, opens no other volume.
    want 400 GET "$(url v1)/_mkv/health" --cert "$RUN/tls/disk1.crt" --key "$RUN/tls/disk1.key"
    authority other
    certificate strange 30 127.0.0.1 other
    want 400 GET "$(url v1)/_mkv/health" --cert "$RUN/tls/strange.crt" --key "$RUN/tls/strange.key"
    stop i
    index j '' "https://$(at v1)" --tls-ca "$RUN/tls/ca.crt"
    says j "https://$(at v1)" 'down: it demands another certificate of this index (--tls-cert)'
    quiet v1
}

# Many requests on each of a few connections; writes a line for each that isn't answered with 200. By
# HTTP/1.1: curl 7.88 doesn't ask again when nginx says goodbye by HTTP/2.
read_on() { # FILE
    local n
    for n in {1..400}; do
        echo "url = $(url i)/key?$n"
        echo "output = /dev/null"
    done >"$T/urls"
    while [[ ! -e $T/enough ]]; do
        curl -q -sS --http1.1 --noproxy '*' -K "$T/urls" -w '%{http_code}\n' 2>&1 | grep -v '^200$' || true
    done >"$1"
}

@test "a renewed certificate is served after a HUP, and no request fails meanwhile" {
    local was n readers=()
    tls_volume v1
    tls_index i v1 --reads proxy
    put "$(url i)/key" value
    for n in 1 2 3; do
        read_on "$T/failed.$n" &
        readers+=($!)
    done
    for n in 1 2 3; do
        was=$(serial_of i)
        certificate good
        signal v1 HUP
        signal i HUP
        within 5 eval '[[ $(serial_of i) != "$was" && $(serial_of v1) == "$(serial_of i)" ]]'
        same "$(openssl x509 -in "$RUN/tls/good.crt" -noout -serial)" "$(serial_of i)"
    done
    touch "$T/enough"
    wait "${readers[@]}"
    same '' "$(cat "$T"/failed.*)"
    # A bad one changes nothing.
    certificate other
    cp "$RUN/tls/other.key" "$RUN/tls/good.key"
    signal i HUP
    within 5 logged i "good.key: it isn't the key of the first certificate in .*good.crt"
    signal v1 HUP
    within 5 logged v1 "good.key: it isn't the key of the first certificate in .*good.crt"
    got "$(url i)/key" value
}

@test "authorities are read anew by a HUP" {
    authority other
    certificate strange 30 127.0.0.1 other
    tls_volume v1 strange
    cp "$RUN/tls/ca.crt" "$RUN/tls/trusted"
    tls_index i v1 --tls-ca "$RUN/tls/trusted" --reads proxy
    says i "https://$(at v1)" "down: its certificate isn't trusted (--tls-ca)"
    cat "$RUN/tls/other.crt" >>"$RUN/tls/trusted"
    signal i HUP
    within 5 says i "https://$(at v1)" 'up: '
    within 5 logged i 'nginx takes its new config'
    put "$(url i)/key" value
    got "$(url i)/key" value
}

@test "bad files and options of TLS are refused, each with a line" {
    local good=(--tls-cert "$RUN/tls/good.crt" --tls-key "$RUN/tls/good.key") with
    certificate other
    openssl pkey -in "$RUN/tls/good.key" -aes128 -passout pass:word -out "$RUN/tls/locked.key"
    for with in "volume $(at v1) $RUN/data/v1" "index $(at v1) --index $RUN/data/i --port $(at i)"; do
        read -ra with <<<"$with"
        refused 2 '--tls-cert needs --tls-key' "${with[@]}" "${good[@]:0:2}"
        refused 2 '--tls-key needs --tls-cert' "${with[@]}" "${good[@]:2}"
        refused 1 'none.crt: No such file' "${with[@]}" --tls-cert "$RUN/none.crt" "${good[@]:2}"
        refused 1 "other.key: it isn't the key of the first certificate in .*good.crt" \
            "${with[@]}" "${good[@]}" --tls-key "$RUN/tls/other.key"
        refused 1 "other.key: it isn't the key of the first certificate in .*good.crt" \
            "${with[@]}" "${good[@]}" --tls-key "$RUN/tls/other.key" --check
        refused 1 'locked.key: its key has a passphrase' "${with[@]}" "${good[@]}" --tls-key "$RUN/tls/locked.key" --check
        chmod 640 "$RUN/tls/good.key"
        refused 1 'good.key: its group or others may use it .*chmod 600' "${with[@]}" "${good[@]}"
        chmod 600 "$RUN/tls/good.key"
    done
    refused 2 '--tls-client-ca needs --tls-cert' volume "$(at v1)" "$RUN/data/v1" --tls-client-ca "$RUN/tls/ca.crt"
    refused 1 'none.crt: No such file' index "https://$(at v1)" --index "$RUN/data/i" --port "$(at i)" --tls-ca "$RUN/none.crt"
    refused 2 "is given twice" index "https://$(at v1)" "$(at v1)" --index "$RUN/data/i"
    refused 2 "the volume 'http://$(at v1)' is no HOST:PORT" index "http://$(at v1)" --index "$RUN/data/i"
}

@test "a certificate that is about to expire is warned of, in the log and in the status" {
    certificate good 5
    tls_volume v1
    tls_index i v1
    within 5 logged i 'warn  mkv: the certificate .*/good.crt expires in [45] days: renew it and send HUP'
    within 5 logged v1 'warn  mkv: the certificate .*/good.crt expires in [45] days: renew it and send HUP'
    "$MKV" status --index "$RUN/data/i" >"$T/said"
    grep -E '^certificate .*/good.crt, valid until .*, for [45] days \(renew it, and send HUP\)$' "$T/said"
    certificate good 30
    signal i HUP
    within 5 eval '"$MKV" status --index "$RUN/data/i" | grep -E "^certificate .*, for (29|30) days$"'
    "$MKV" status --json --index "$RUN/data/i" | jq -e '.certificate.expires_ms > 1e12 and (.certificate.file | endswith("/good.crt"))'
}

@test "a volume that takes up TLS keeps its keys" {
    local n name
    for name in v1 v2 v3; do
        volume "$name"
        at "$name"
    done >"$RUN/volumes"
    index i '' --volumes-file "$RUN/volumes" --replicas 2 --subvolumes 4 --tls-ca "$RUN/tls/ca.crt"
    for n in {1..6}; do
        put "$(url i)/key$n" "value $n"
    done
    for name in v1 v2 v3; do
        stop "$name"
        tls_volume "$name"
    done
    sed -i 's|^|https://|' "$RUN/volumes"
    signal i HUP
    for name in v1 v2 v3; do
        within 5 says i "https://$(at "$name")" 'up: '
    done
    for _ in running restarted; do
        for n in {1..6}; do
            got "$(url i)/key$n" "value $n"
            want 302 GET "$(url i)/key$n"
            same balanced "$(header Key-Balance)"
            [[ $(header Key-Volumes) == https://*,https://* ]]
        done
        same 3 "$("$MKV" status --json --index "$RUN/data/i" | jq '.volumes | length')" volumes
        "$MKV" rebalance --dry-run --index "$RUN/data/i" >"$T/said" 2>&1
        "$MKV" verify --index "$RUN/data/i" | grep 'all is well'
        stop i
        index i '' --volumes-file "$RUN/volumes" --replicas 2 --subvolumes 4 --tls-ca "$RUN/tls/ca.crt"
    done
    want 204 DELETE "$(url i)/key1"
}

@test "jobs without an index, and a rebuild, ask volumes by TLS" {
    local name names=()
    for name in v1 v2; do
        tls_volume "$name" good --tls-client-ca "$RUN/tls/ca.crt"
        names+=("https://$(at "$name")")
    done
    tls_index i 'v1 v2' --replicas 2
    put "$(url i)/key" value
    "$MKV" verify --deep --index "$RUN/data/i" | grep 'all is well'
    stop i
    "$MKV" verify --deep --index "$RUN/data/i" | grep 'all is well'
    "$MKV" rebuild "${names[@]}" --index "$RUN/data/again" --tls-ca "$RUN/tls/ca.crt" \
        --tls-cert "$RUN/tls/good.crt" --tls-key "$RUN/tls/good.key" | grep 'rebuilt 1 keys with 2 copies'
    "$MKV" dump --index "$RUN/data/again" | grep "\"volumes\":\[\"https://"
    run "$MKV" rebuild "${names[@]}" --index "$RUN/data/other" --tls-ca "$RUN/tls/ca.crt"
    same 1 "$status"
}

@test "nginx gets copies of certificates and keys, for its user alone and as long as it runs" {
    tls_volume v1
    same 600 "$(find "$RUN/tmp" -name '*.key' -exec stat -c %a {} +)"
    same "$(stat -c %U "$RUN/data/v1")" "$(find "$RUN/tmp" -name '*.key' -exec stat -c %U {} +)"
    tls_index i v1
    put "$(url i)/key" value
    got "$(url i)/key" value
    stop i
    stop v1
    same '' "$(ls -A "$RUN/tmp")" 'what is in TMPDIR'
}
