#!/usr/bin/env bats
# What a volume answers: WebDAV over a plain directory, kept to what an index needs of it.

load ../support/lib

before_all() {
    volume v
}

before_each() {
    U=$(url v)
    D=$F/data/v
}

# A raw request line that curl would not send.
raw_status() { # METHOD PATH
    local reply
    reply=$(printf '%s %s HTTP/1.1\r\nHost: v\r\nConnection: close\r\n\r\n' "$1" "$2" | talk "$(port v)")
    reply=${reply%%$'\r'*}
    reply=${reply#* }
    echo "${reply%% *}"
}

@test "health is 200 and the ready line names the directory and the address" {
    want 200 GET "$U/_mkv/health"
    within 5 logged v "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z info +mkv: volume $D ready on $(at v)$"
}

@test "nothing under /_mkv/ is a file" {
    want 404 GET "$U/_mkv/"
    want 404 GET "$U/_mkv/other"
    want '4..' PUT "$U/_mkv/other" --data-binary x
    want '4..' PUT "$U/_mkv/health" --data-binary x
    want '4..' DELETE "$U/_mkv/health"
    [[ ! -e $D/_mkv ]]
}

@test "PUT, GET, HEAD, overwrite and DELETE a file" {
    want 201 PUT "$U/5d/41/aGVsbG8=" --data-binary 'the value'
    same 'the value' "$(cat "$D/5d/41/aGVsbG8=")"
    want 200 GET "$U/5d/41/aGVsbG8="
    same 'the value' "$(cat "$T/body")"
    want 200 HEAD "$U/5d/41/aGVsbG8="
    same 9 "$(header Content-Length)"
    want 204 PUT "$U/5d/41/aGVsbG8=" --data-binary 'another'
    same 'another' "$(cat "$D/5d/41/aGVsbG8=")"
    want 204 DELETE "$U/5d/41/aGVsbG8="
    want 404 GET "$U/5d/41/aGVsbG8="
    [[ ! -e $D/5d/41/aGVsbG8= ]]
}

@test "PUT takes a chunked body and one larger than nginx's default limit" {
    head -c 5000000 /dev/urandom >"$T/blob"
    want 201 PUT "$U/aa/01/chunked" -T - <"$T/blob"
    want 201 PUT "$U/aa/01/sized" -T "$T/blob"
    cmp "$T/blob" "$D/aa/01/chunked"
    cmp "$T/blob" "$D/aa/01/sized"
    within 2 tidy v
}

@test "Range gives a part, and 416 past the end" {
    want 201 PUT "$U/aa/02/range" --data-binary 0123456789
    want 206 GET "$U/aa/02/range" -r 2-4
    same 234 "$(cat "$T/body")"
    same 'bytes 2-4/10' "$(header Content-Range)"
    want 206 GET "$U/aa/02/range" -r -2
    same 89 "$(cat "$T/body")"
    want 416 GET "$U/aa/02/range" -r 20-30
}

@test "conditional GETs are answered 304" {
    want 201 PUT "$U/aa/03/conditional" --data-binary value
    want 200 GET "$U/aa/03/conditional"
    local etag modified
    etag=$(header ETag)
    modified=$(header Last-Modified)
    want 304 GET "$U/aa/03/conditional" -H "If-None-Match: $etag"
    want 304 GET "$U/aa/03/conditional" -H "If-Modified-Since: $modified"
    want 200 GET "$U/aa/03/conditional" -H 'If-None-Match: "other"'
}

@test "a Date header on the PUT becomes the file's time" {
    want 201 PUT "$U/aa/04/dated" --data-binary value -H 'Date: Sun, 06 Nov 1994 08:49:37 GMT'
    want 200 HEAD "$U/aa/04/dated"
    same 'Sun, 06 Nov 1994 08:49:37 GMT' "$(header Last-Modified)"
}

@test "every answer names the volume, by an identity made once" {
    local id
    want 200 GET "$U/_mkv/health"
    id=$(header Mkv-Volume-Id)
    [[ $id =~ ^[0-9a-f]{32}$ ]]
    grep -q "$id" "$D/.mkv/id"
    want 201 PUT "$U/aa/05/id" --data-binary value
    same "$id" "$(header Mkv-Volume-Id)"
    want 200 GET "$U/aa/05/id"
    same "$id" "$(header Mkv-Volume-Id)"
    want 404 GET "$U/aa/05/none"
    same "$id" "$(header Mkv-Volume-Id)"
    want 403 GET "$U/.mkv/id"
    same "$id" "$(header Mkv-Volume-Id)"
    want 204 DELETE "$U/aa/05/id"
    same "$id" "$(header Mkv-Volume-Id)"
}

@test "the identity and the files survive a restart; another directory has another identity" {
    local id
    volume again
    want 200 GET "$(url again)/_mkv/health"
    id=$(header Mkv-Volume-Id)
    want 201 PUT "$(url again)/aa/06/kept" --data-binary kept
    stop again
    volume again
    want 200 GET "$(url again)/aa/06/kept"
    same kept "$(cat "$T/body")"
    same "$id" "$(header Mkv-Volume-Id)"
    want 200 GET "$U/_mkv/health"
    [[ $id != "$(header Mkv-Volume-Id)" ]]
}

@test "dotfiles are refused, however they are spelled" {
    local path
    mkdir -p "$D/aa/07"
    for path in /.mkv /.mkv/ /.mkv/id /.mkv/lock /.mkv/tmp/ /.hidden /aa/07/.hidden /%2emkv/id /aa/../.mkv/id \
        //.mkv/id /%2E%6Dkv/id; do
        want 403 GET "$U$path"
        want 403 PUT "$U$path" --data-binary x
        want 403 DELETE "$U$path"
    done
    [[ -s $D/.mkv/id && -d $D/.mkv/tmp && ! -e $D/.hidden && ! -e $D/aa/07/.hidden ]]
    refute grep -q x "$D/.mkv/id"
}

@test "directories cannot be deleted, made, moved or copied" {
    local path
    want 201 PUT "$U/bb/01/file" --data-binary value
    for path in /bb/01/ /bb/01 /bb/ /bb /; do
        want '403|405|409' DELETE "$U$path"
        want '403|405|409' DELETE "$U$path" -H 'Depth: infinity'
    done
    want '403|405|409' MKCOL "$U/bb/02/"
    want '403|405|409' MOVE "$U/bb/01/file" -H "Destination: $U/bb/01/moved"
    want '403|405|409' COPY "$U/bb/01/file" -H "Destination: $U/bb/01/copied"
    want '403|405|409' MOVE "$U/bb/01/" -H "Destination: $U/bb/03/"
    same value "$(cat "$D/bb/01/file")"
    same file "$(ls "$D/bb/01")"
    same 01 "$(ls "$D/bb")"
}

@test "a path cannot climb out of the directory" {
    echo secret >"$F/data/secret"
    same 400 "$(raw_status GET /../secret)"
    same 400 "$(raw_status GET /aa/../../secret)"
    same 400 "$(raw_status GET /%2e%2e/secret)"
    same 400 "$(raw_status DELETE /../secret)"
    same secret "$(cat "$F/data/secret")"
}

@test "a directory is listed as JSON" {
    want 201 PUT "$U/cc/01/one" --data-binary 1
    want 201 PUT "$U/cc/01/two" --data-binary 22
    want 200 GET "$U/cc/01/"
    [[ $(header Content-Type) == application/json* ]]
    grep -Eq '"name":"one", *"type":"file"' "$T/body"
    grep -Eq '"name":"two".*"size":2' "$T/body"
    want 200 GET "$U/"
    refute grep -q '\.mkv' "$T/body"
}

@test "a client that vanishes leaves no file, temporary or not" {
    local fd
    exec {fd}<>"/dev/tcp/127.0.0.1/$(port v)"
    printf 'PUT /dd/01/gone HTTP/1.1\r\nHost: v\r\nContent-Length: 1000000\r\n\r\n' >&"$fd"
    head -c 500000 /dev/zero >&"$fd"
    within 5 refute tidy v
    exec {fd}>&-
    within 5 tidy v
    [[ ! -e $D/dd/01/gone ]]
}

@test "temporary files of a crash are swept at the start, others are not" {
    volume swept
    stop swept
    mkdir -p "$T/data/swept/.mkv/tmp/0/01" "$T/data/swept/aa/bb"
    echo torn >"$T/data/swept/.mkv/tmp/0000000001"
    echo torn >"$T/data/swept/.mkv/tmp/0/01/0000000002"
    echo kept >"$T/data/swept/aa/bb/kept"
    chown -R --reference="$T/data/swept" "$T/data/swept"
    volume swept
    tidy swept
    want 200 GET "$(url swept)/aa/bb/kept"
}

@test "it listens on IPv4, [::1], a host name, or a plain port" {
    mkdir "$T/data/"{six,name,plain}
    if has_ipv6; then
        mkv_start six volume "[::1]:$(port six)" "$T/data/six"
        within 10 logged six "ready on \[::1\]:$(port six)$"
        want 200 GET "http://[::1]:$(port six)/_mkv/health"
    fi
    mkv_start name volume "localhost:$(port name)" "$T/data/name"
    await_ready name
    want 200 GET "http://localhost:$(port name)/_mkv/health"
    mkv_start plain volume "$(port plain)" "$T/data/plain"
    await_ready plain
    within 5 logged plain "ready on .*$(port plain)$"
}

@test "a directory's name may hold what a config file would trip over" {
    local name n=0 each
    for name in 'with space' "quote'd" 'double"quoted' 'semi;colon' 'br{a}ces' '#hash' 'back\slash' 'tr\' \
        'ünïcode' '-dash' '@NAME@' '*glob?'; do
        n=$((n + 1))
        mkdir "$T/data/$name"
        mkv_start "odd$n" volume "127.0.0.1:$(port "odd$n")" "$T/data/$name"
    done
    for ((each = 1; each <= n; each++)); do
        await_ready "odd$each"
        want 201 PUT "$(url "odd$each")/aa/bb/file" --data-binary "value $each"
        want 200 GET "$(url "odd$each")/aa/bb/file"
        same "value $each" "$(cat "$T/body")"
    done
    same "$n" "$(find "$T/data" -path '*/aa/bb/file' | wc -l)"
}

@test "a relative directory is meant from where mkv was started" {
    mkdir "$T/data/relative"
    cd "$T/data"
    mkv_start relative volume "$(at relative)" ./relative
    await_ready relative
    within 5 logged relative "volume $T/data/relative ready"
    want 201 PUT "$(url relative)/aa/bb/file" --data-binary value
    [[ -s $T/data/relative/aa/bb/file ]]
}

@test "--workers sets the number of nginx's workers" {
    volume three --workers 3
    same 3 "$(nginx_workers three | wc -l)"
}

@test "--print-config prints the config, --check tests it, and neither leaves anything" {
    mkdir "$T/data/printed"
    "$MKV" volume "$(at printed)" "$T/data/printed" --print-config >"$T/config" 2>"$T/errors"
    grep -qF 'root "..";' "$T/config"
    grep -q dav_methods "$T/config"
    refute grep -q '@[A-Z_]*@' "$T/config"
    [[ ! -s $T/errors ]]
    TMPDIR=$T/tmp "$MKV" volume "$(at printed)" "$T/data/printed" --check >"$T/output" 2>&1
    refute grep -Eq 'warn|error|emerg|alert' "$T/output"
    closed "$(port printed)"
}

@test "--check leaves nothing behind, whatever signal ends it" {
    local name
    printf '#!/bin/sh\nexec sleep 60\n' >"$T/slow"
    chmod 755 "$T/slow"
    running() {
        [[ -n $(find "$T/tmp" -name 'mkv-volume-*' -size +0) ]] && [[ -n $(children "$(pid_of "$name")" sleep) ]]
    }
    for name in HUP TERM INT QUIT; do
        hatch "$name" "$MKV" volume "$(at v)" "$T/data" --check --nginx "$T/slow"
        within 5 running
        signal "$name" "$name"
        await_end "$name" 5
        same 1 "$RC"
        same '' "$(ls -A "$T/tmp")"
    done
    printf '#!/bin/sh\nsleep 0.5\nexit 1\n' >"$T/slow"
    # shellcheck disable=SC2016 # expanded by that bash
    hatch PIPE bash -c '"$@" 2>&1 | :; exit "${PIPESTATUS[0]}"' - "$MKV" volume "$(at v)" "$T/data" --check --nginx "$T/slow"
    await_end PIPE 5
    same 1 "$RC"
    same '' "$(ls -A "$T/tmp")"
}

@test "--template is rendered in place of the built-in one" {
    "$MKV" volume "$(at v)" "$T/data" --print-config >"$T/rendered"
    volume plain # the built-in one, as text
    grep -v '^ *#' "$BATS_TEST_DIRNAME/../../templates/volume.conf.in" |
        sed 's/autoindex_format/add_header X-Templated yes always; autoindex_format/' >"$T/template"
    grep -q X-Templated "$T/template"
    volume templated --template "$T/template"
    want 200 GET "$(url templated)/"
    same yes "$(header X-Templated)"
}

@test "--log, --access-log and --log-level say where lines go, and which" {
    volume logs --log "$T/log" --access-log "$T/access"
    within 5 grep -q 'mkv: .* ready on' "$T/log"
    want 404 GET "$(url logs)/aa/bb/asked-for"
    within 5 grep -q '/aa/bb/asked-for' "$T/access"
    [[ ! -s $(log_of logs) ]]

    volume quiet --log-level error
    want 404 GET "$(url quiet)/aa/bb/asked-for"
    stop quiet
    [[ ! -s $(log_of quiet) ]]

    volume loud --log-level debug
    logged loud '^[^ ]+ debug +(mkv|nginx): '
}

@test "a normal start, request and stop log no line of nginx's" {
    volume calm
    want 404 GET "$(url calm)/aa/bb/none"
    want 201 PUT "$(url calm)/aa/bb/some" --data-binary x
    want 403 GET "$(url calm)/.mkv/id"
    stop calm
    refute logged calm nginx:
    refute logged calm '^[^ ]+ (warn|error) '
}
