#!/usr/bin/env bats
# What a volume shows on the port of --admin.

load ../support/lib
load ../support/tls

scrape() { # to $T/body
    want 200 GET "$(url_of_admin)/metrics"
    command -v promtool >/dev/null || fail "promtool is missing: scripts/deps.sh --test installs it" || return 1
    promtool check metrics <"$T/body" || return 1
}

# Not by TLS, which is the volume's own port's.
url_of_admin() {
    echo "http://127.0.0.1:$(port a)"
}

sample() { # REGEX
    grep -E "^$1 [0-9.]+\$" "$T/body" | awk '{ print $NF }'
}

answers() {
    http GET "$(url_of_admin)/readyz"
    [[ $STATUS == 200 ]]
}

expires() { # SECONDS
    scrape
    [[ $(sample mkv_certificate_expiry_timestamp_seconds) == "$1" ]]
}

# When the certificate ends, in seconds since 1970.
end_of() { # NAME
    date -d "$(openssl x509 -in "$RUN/tls/$1.crt" -noout -enddate | cut -d= -f2)" +%s
}

@test "a volume shows what its own server does and how its disk is" {
    volume v --admin "$(port a)"
    index i v
    local n server method target
    for n in {1..5}; do
        put "$(url i)/k$n" value
    done
    want 200 GET "$(url_of_admin)/healthz"
    want 200 GET "$(url_of_admin)/readyz"
    scrape
    same 1 "$(sample mkv_disk_writable)"
    same "$(df -B1 --output=size "$T/data/v" | tail -n 1 | tr -d ' ')" "$(sample mkv_disk_size_bytes)"
    # Syncs that came at once share a request.
    (($(sample 'mkv_server_requests_total\{operation="sync",code="204"\}') >= 1))
    (($(sample 'mkv_server_request_seconds_count\{operation="space"\}') >= 1))
    (($(sample mkv_memory_anonymous_bytes) > 0))
    same '' "$(sample mkv_certificate_expiry_timestamp_seconds)"
    for target in / /status /_mkv/space /_mkv/list /k1 /sync.sock; do
        want 404 GET "$(url_of_admin)$target"
    done
    for method in POST PUT DELETE; do
        want 405 "$method" "$(url_of_admin)/metrics"
    done
    want 403 GET "$(url_of_admin)/metrics" -H 'Host: evil.example'
    same "127.0.0.1:$(port a)" "$(ss -Hltn "sport = :$(port a)" | awk '{ print $4 }')"
    for target in /metrics /healthz; do # on the volume's own port they are files that aren't there
        want 404 GET "$(url v)$target"
    done
    # The port is mkv's: it is there when the server is started again.
    server=$(server_of v)
    kill -9 "$server"
    within 10 answers
    refute same "$server" "$(server_of v)"
    scrape
}

@test "a volume shows when its certificate expires, of the new one after a HUP, too" {
    tls_begin
    tls_volume v good --admin "$(port a)"
    expires "$(end_of good)"
    certificate later 400
    cp "$RUN/tls/later.crt" "$RUN/tls/good.crt"
    cp "$RUN/tls/later.key" "$RUN/tls/good.key"
    give_to_mkv "$RUN/tls/good.key"
    signal v HUP
    within 10 expires "$(end_of later)"
    kill -9 "$(server_of v)"
    within 10 answers
    expires "$(end_of later)"
}
