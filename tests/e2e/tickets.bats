#!/usr/bin/env bats
# Volumes that obey their index alone: each request needs a ticket, which nginx judges. What is
# refused reads nothing and changes nothing.

load ../support/lib

# Started by root, mkv becomes another user, who is to read the files again.
theirs() { # FILE...
    ((UID != 0)) || chown www-data "$@"
}

before_all() {
    "$MKV" secret "$F/secret"
    "$MKV" secret "$F/other"
    theirs "$F/secret" "$F/other"
    local name
    for name in v w; do
        volume "$name" --secret-file "$F/secret" --access-log "$F/$name.access"
    done
    index i "v w" --secret-file "$F/secret" --replicas 2 --s3 "$(at i-s3)"
    index p "v w" --secret-file "$F/secret" --replicas 2 --reads proxy
}

before_each() {
    U=$(url i)
}

id_of() { # VOLUME
    cat "$(lookup data "$1")/.mkv/id"
}

ticket() { # VOLUME METHOD PATH [SECONDS [SECRET-FILE]]
    "$MKV_E2E_SUPPORT/ticket" "${5:-$F/secret}" "$(id_of "$1")" "$2" "$3" "${4:-60}"
}

# All that is on the volume, and when it was changed.
tree() { # VOLUME
    find "$(lookup data "$1")" -path '*/.mkv*' -prune -o -printf '%p %s %T@ %C@\n' | sort
}

# Requests for one curl, which prints the status of each.
asked() { # METHOD URL HEADER
    printf '%s' "$NEXT"
    NEXT=$'next\n'
    printf 'url = "%s"\nheader = "%s"\nwrite-out = "%%{http_code}\\n"\noutput = "%s"\n' \
        "$2" "$3" /dev/null
    case $1 in
        HEAD) echo head ;;
        P*) printf 'request = %s\ndata-binary = "/00/00/x"\n' "$1" ;;
        *) printf 'request = %s\n' "$1" ;;
    esac
    printf 'noproxy = "*"\nsilent\npath-as-is\n'
}

@test "every endpoint refuses what has no ticket, or one for something else" {
    local blob method path bad before tickets wanted=0
    put "$U/key" value
    blob=$(blob_of v /key)
    before=$(tree v)
    NEXT=
    while read -r method path; do
        tickets=("$(ticket v "$method" "$path" -2)" # expired
            "$(ticket v OPTIONS "$path")"
            "$(ticket v "$method" "$path/x")"
            "$(ticket w "$method" "$path")"
            "$(ticket v "$method" "$path" 60 "$F/other")"
            "$(ticket v "$method" "$path" | sed 's/,.*//')"
            "$(ticket v "$method" "$path")0" # another expiry
            "$(ticket v "$method" "$path" | sed 's/^.*\.//')"
            "$(ticket v "$method" "$path" | tr 'A-Za-z' 'N-ZA-Mn-za-m')"
            none '' ',')
        for bad in "${tickets[@]}"; do
            asked "$method" "$(url v)$path" "Mkv-Ticket: $bad"
            asked "$method" "$(url v)$path?ticket=$bad" 'X-None: x'
            ((wanted += 2))
        done
    done >"$T/asked" <<END
GET $blob
HEAD $blob
PUT $blob
PUT /00/00/new
DELETE $blob
MKCOL /00/00/
GET /
GET /.mkv/id
POST /_mkv/sync
POST /_mkv/attributes
POST /_mkv/hash
POST /_mkv/assemble
GET /_mkv/list
GET /_mkv/space
GET /_mkv/denied
END
    curl -q -sS -g --noproxy '*' -K "$T/asked" >"$T/statuses"
    same "$wanted 403" "$(sort "$T/statuses" | uniq -c | sed 's/^ *//')"
    ((wanted == 15 * 12 * 2))
    same "$before" "$(tree v)"
    # With the right one each does what it is for.
    want 200 GET "$(url v)$blob?ticket=$(ticket v GET "$blob")"
    want 200 HEAD "$(url v)$blob" -H "Mkv-Ticket: $(ticket v HEAD "$blob")"
    want 206 GET "$(url v)$blob" -H "Mkv-Ticket: $(ticket v GET "$blob")" -H 'Range: bytes=1-2'
    same al "$(cat "$T/body")"
    want 204 POST "$(url v)/_mkv/sync" -H "Mkv-Ticket: $(ticket v POST /_mkv/sync)" --data-binary "$blob"
    want 200 GET "$(url v)/_mkv/list" -H "Mkv-Ticket: $(ticket v GET /_mkv/list)"
    want 200 GET "$(url v)/_mkv/health"
    # A ticket in a query is for reading alone.
    want 403 DELETE "$(url v)$blob?ticket=$(ticket v DELETE "$blob")"
    want 403 POST "$(url v)/_mkv/sync?ticket=$(ticket v POST /_mkv/sync)" --data-binary "$blob"
    want 204 DELETE "$U/key"
}

@test "a value that is refused is not written, not even to a temporary file" {
    local before
    before=$(find "$(lookup data v)" | sort)
    head -c 20000000 /dev/zero >"$T/large"
    want 403 PUT "$(url v)/00/00/large" -T "$T/large" -H 'Expect:'
    same "$before" "$(find "$(lookup data v)" | sort)"
    same 0 "$(find "$(lookup data v)/.mkv/tmp" -type f -size +1k | wc -l)"
}

@test "clients are sent to a volume with a ticket, by GET and HEAD, by the front and without" {
    local url each
    put "$U/sent" value
    for each in "$U" "$(url i-direct)"; do
        got "$each/sent" value
        want 200 HEAD "$each/sent" -L
        want 206 GET "$each/sent" -L -r 1-2
        same al "$(cat "$T/body")"
        want 302 GET "$each/sent"
        url=$(header Location)
        [[ $url == *'?ticket='* ]] || fail "$url"
        want 403 GET "${url%%\?*}"
        want 403 PUT "$url" --data-binary evil
        want 403 DELETE "$url"
        want 403 HEAD "$url"
        want 200 GET "$url"
    done
    # nginx fetches it, and no client sees a ticket.
    put "$(url p)/fetched" value
    want 200 GET "$(url p)/fetched"
    same value "$(cat "$T/body")"
    refute grep -qi ticket "$T/head"
    want 200 HEAD "$(url p)/fetched"
    want 206 GET "$(url p)/fetched" -r 1-2
}

@test "S3 reads and writes, and a client brings no ticket of its own" {
    U=$(url i-s3)
    want 200 PUT "$U/bucket"
    want 200 PUT "$U/bucket/key" --data-binary object
    want 200 GET "$U/bucket/key" -H 'Mkv-Ticket: forged'
    same object "$(cat "$T/body")"
    refute grep -qi ticket "$T/head"
    want 206 GET "$U/bucket/key" -r 0-1
    same ob "$(cat "$T/body")"
    want 200 PUT "$U/bucket/copy" -H 'x-amz-copy-source: /bucket/key'
    want 200 GET "$U/bucket/copy"
    same object "$(cat "$T/body")"
}

@test "a volume whose copy is gone is passed over, with a ticket for the next one" {
    local victim
    U=$(url p)
    for victim in v w; do
        put "$U/lost-$victim" value
        rm "$(file_of "$victim" "/lost-$victim")"
        want 200 GET "$U/lost-$victim"
        want 200 GET "$U/lost-$victim"
        want 204 DELETE "$U/lost-$victim"
    done
}

@test "no log has a ticket or a signature" {
    put "$U/logged" value
    got "$U/logged" value
    put "$(url p)/logged-too" value
    got "$(url p)/logged-too" value
    # What nginx can't open is in its error log, with the request.
    local file
    for file in "$(file_of v /logged)" "$(file_of w /logged)"; do
        mv "$file" "$file.old"
        mkdir "$file"
    done
    http GET "$U/logged" -L
    http GET "$U/logged?X-Amz-Signature=0123456789abcdef0123456789abcdef&ticket=abcdef"
    grep -q 'GET /.* HTTP' "$F/v.access"
    refute grep -hE 'ticket=[^*]|[0-9a-f]{8}\.[A-Za-z0-9_-]{22},|Signature=[0-9a-f]' \
        "$F/v.access" "$F/w.access" "$(log_of v)" "$(log_of w)" "$(log_of i)" "$(log_of p)"
}

@test "an index without the secret, or with another one, says so and stores nothing" {
    index n v
    within 5 logged n 'v?.* is down: it obeys only who has its secret'
    want 503 PUT "$(url n)/key" --data-binary value
    index o v --secret-file "$F/other"
    within 5 logged o 'is down: it refuses our tickets: another --secret-file'
    want 503 PUT "$(url o)/key" --data-binary value
}

@test "a late request is refused by its expiry" {
    local url
    index t v --secret-file "$F/secret" --ticket-ttl 5
    put "$(url t)/late" value
    want 302 GET "$(url t)/late"
    url=$(header Location)
    want 200 GET "$url"
    expired() {
        want 403 GET "$url" 2>/dev/null && [[ $(cat "$T/body") == *expired* ]]
    }
    within 10 expired
    got "$(url t)/late" value
}

@test "a secret is replaced without a refused request, and the old one then opens nothing" {
    local i old url
    cp -p "$F/secret" "$T/secret"
    cp -p "$F/other" "$T/new"
    volume a --secret-file "$T/secret"
    volume b --secret-file "$T/secret"
    index r "a b" --secret-file "$T/secret" --replicas 2
    put "$(url r)/key" value
    # A nginx that takes a new config closes the connections that are kept to it; a PUT that goes by one just
    # then is 503, and its client asks again. What is refused is in the log.
    asking() {
        local n=0
        while [[ ! -e $T/enough ]]; do
            curl -q -sSf -L --noproxy '*' -o /dev/null "$(url r)/key" || return 1
            curl -q -sSf --noproxy '*' --retry 3 --retry-delay 1 -X PUT -d x "$(url r)/rotated$((n++))" || return 1
        done
        echo "$n" >"$T/asked"
    }
    asking &
    old=$!
    turn() { # LINE-FILE...
        local name
        cat "$@" >"$T/secret"
        for name in a b; do
            signal "$name" HUP
        done
        for name in a b; do
            within 10 turned "$name"
        done
        signal r HUP
        within 10 logged r 'info .*the index has [12] secret'
    }
    # The config that nginx got last knows both, or the one.
    turned() {
        local ticket=
        ticket=$("$MKV_E2E_SUPPORT/ticket" "$T/tried" "$(id_of "$1")" GET /_mkv/space)
        want "$WANTED" GET "$(url "$1")/_mkv/space" -H "Mkv-Ticket: $ticket" 2>/dev/null
    }
    cp -p "$T/new" "$T/tried"
    cp -p "$T/secret" "$T/first"
    WANTED=200 turn "$T/first" "$T/new"
    WANTED=200 turn "$T/new" "$T/first"
    want 302 GET "$(url r)/key"
    url=$(header Location)
    cp -p "$T/first" "$T/tried"
    WANTED=403 turn "$T/new"
    : >"$T/enough"
    wait "$old" || fail "a request was refused"
    refute logged r 'answered 403'
    (($(cat "$T/asked") > 3))
    same 3 "$(grep -c 'the index has' "$(log_of r)")"
    got "$(url r)/key" value
    # What the first signed opens nothing; what the new one signed does.
    want 200 GET "$url"
    want 403 GET "${url%%\?*}" -H "Mkv-Ticket: $("$MKV_E2E_SUPPORT/ticket" "$T/first" "$(id_of a)" GET /x)"
}

@test "a secret that can't be used is named, at the start and by a HUP that changes nothing" {
    local file=$T/secret
    refused 1 "$file: No such file" volume "$(at x)" "$T/x" --secret-file "$file"
    echo short >"$file"
    chmod 600 "$file"
    refused 1 "$file:1: a secret has 32 characters" volume "$(at x)" "$T/x" --secret-file "$file"
    refused 1 "$file:1: a secret has 32 characters" index "$(at v)" --index "$T/x" --secret-file "$file"
    "$MKV" secret >"$file"
    theirs "$file"
    chmod 644 "$file"
    refused 1 "chmod 600" volume "$(at x)" "$T/x" --secret-file "$file"
    refused 1 "chmod 600" index "$(at v)" --index "$T/x" --secret-file "$file"
    chmod 600 "$file"
    volume x --secret-file "$file"
    want 403 GET "$(url x)/_mkv/space"
    cp "$file" "$T/good"
    echo short >"$file"
    signal x HUP
    within 5 logged x 'error .*32 characters'
    cp "$T/good" "$file"
    chmod 600 "$file"
    want 200 GET "$(url x)/_mkv/space" -H "Mkv-Ticket: $(ticket x GET /_mkv/space 60 "$file")"
    # A template that can't ask for tickets is none for this volume.
    sed 's/@TICKETS@//' "$BATS_TEST_DIRNAME/../../templates/volume.conf.in" >"$T/template"
    refused 1 '@TICKETS@' volume "$(at y)" "$T/y" --secret-file "$file" --template "$T/template"
    # Configs for people hide it.
    run_new "$MKV" volume "$(at y)" "$T/y" --secret-file "$file" --print-config
    refute grep -qE '[0-9a-f]{64}' "$T/stdout"
}

@test "mkv secret makes a file that nobody else can read, and overwrites none" {
    "$MKV" secret "$T/made"
    same 600 "$(stat -c %a "$T/made")"
    same 44 "$(stat -c %s "$T/made")"
    refused 1 'File exists' secret "$T/made"
    [[ $("$MKV" secret) != "$("$MKV" secret)" ]]
}

@test "verify, rebuild and jobs without an index have tickets, too" {
    local out=$T/out dir=$T/data/k
    volume x --secret-file "$F/secret"
    volume y --secret-file "$F/secret"
    index k "x y" --secret-file "$F/secret" --replicas 2
    put "$(url k)/kept" value
    "$MKV" verify --deep --index "$dir" | grep 'all is well'
    rm "$(file_of x /kept)"
    "$MKV" verify --repair --index "$dir" | grep '1 key repaired'
    stop k
    "$MKV" verify --deep --index "$dir" | grep 'all is well'
    "$MKV" rebalance --index "$dir" | grep 'is done'
    refused 1 'give the .-secret-file' rebuild --index "$T/rebuilt" "$(at x)" "$(at y)"
    "$MKV" rebuild --index "$T/rebuilt" --secret-file "$F/secret" "$(at x)" "$(at y)" | grep '^rebuilt 1 keys'
    "$MKV" dump --index "$T/rebuilt" | grep '"key":"/kept"'
}

@test "a volume that everybody can connect to says so, unless it has a secret" {
    volume near
    refute logged near 'warn .*--secret-file'
    ((UID == 0)) && unshare -n true 2>/dev/null || skip 'needs network namespaces'
    # shellcheck disable=SC2016 # for the shell in there
    local AS=(unshare -n sh -c 'ip link set lo up; exec "$@"' -) # on every address of a host that nobody else reaches
    mkv_start open volume "$(port open)" "$T/open"
    mkv_start closed volume "$(port closed)" "$T/closed" --secret-file "$F/secret"
    within 10 logged open 'ready on'
    within 10 logged closed 'ready on'
    logged open 'warn .*--secret-file FILE'
    refute logged closed 'warn .*--secret-file'
}
