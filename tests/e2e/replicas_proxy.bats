#!/usr/bin/env bats
# --reads=proxy: the front's nginx fetches the value from a volume, from another one when that fails.

load ../support/lib
load ../support/replicas

after_each() {
    thaw_all
}

start() { # [INDEX-OPTIONS...]
    cluster i "$VOLUMES" --replicas $COPIES --reads proxy "$@"
    value blob 100000
    want 201 PUT "$(url i)/key" -T "$T/blob"
    read -r A B C < <(holders /key | paste -sd' ')
}

@test "with --reads=proxy the front answers with the value itself" {
    local etag when n
    start
    for n in 1 2 3; do
        want 200 GET "$(url i)/key"
        cmp "$T/blob" "$T/body"
        same 100000 "$(header Content-Length)"
        same "$(md5_of <"$T/blob")" "$(header Content-Md5)"
        same balanced "$(header Key-Balance)"
        [[ $(header Key-Volumes) == *,*,* ]]
        refute header Location
        refute header X-Accel-Redirect
        refute header Mkv-Volume-Id
        etag=$(header ETag) when=$(header Last-Modified)
        [[ -n $etag && -n $when ]]
        if ((n > 1)); then
            same "$etag" "$first_etag" 'ETag of another volume'
            same "$when" "$first_when" 'Last-Modified of another volume'
        fi
        first_etag=$etag first_when=$when
    done
    want 200 HEAD "$(url i)/key"
    same 100000 "$(header Content-Length)"
    for n in 1 2 3; do # from each volume
        want 206 GET "$(url i)/key" -H 'Range: bytes=99990-'
        same 'bytes 99990-99999/100000' "$(header Content-Range)"
        tail -c 10 "$T/blob" | cmp - "$T/body"
        want 416 GET "$(url i)/key" -H 'Range: bytes=100000-'
        want 304 GET "$(url i)/key" -H "If-None-Match: $etag"
        want 304 HEAD "$(url i)/key" -H "If-None-Match: $etag"
        want 304 GET "$(url i)/key" -H "If-Modified-Since: $when"
        want 200 GET "$(url i)/key" -H 'If-None-Match: "other"'
        cmp "$T/blob" "$T/body"
        want 200 GET "$(url i)/key" -H 'If-Modified-Since: Thu, 01 Jan 1970 00:00:01 GMT'
        want 412 GET "$(url i)/key" -H 'If-Match: "other"'
        want 206 GET "$(url i)/key" -H 'Range: bytes=0-9' -H "If-Range: $etag"
        want 200 GET "$(url i)/key" -H 'Range: bytes=0-9' -H 'If-Range: "other"'
    done
    want 404 GET "$(url i)/other"
    want 404 HEAD "$(url i)/other"
    want 204 UNLINK "$(url i)/key"
    want 404 GET "$(url i)/key"
    # Without the front, clients are sent on.
    want 201 PUT "$(url i-direct)/direct" -T "$T/blob"
    want 302 GET "$(url i-direct)/direct"
    got_file "$(url i-direct)/direct" "$T/blob"
    want 200 GET "$(url i)/direct"
    want 409 PUT "$(url i)/direct" -T "$T/blob"
    want 204 DELETE "$(url i)/direct"
    want 404 GET "$(url i)/direct"
    settled
}

@test "with --reads=proxy values of all sizes, names and lengths come whole" {
    local n key
    start --subvolumes 7
    value big 30000000
    want 201 PUT "$(url i)/big" -T "$T/big"
    want 200 GET "$(url i)/big"
    cmp "$T/big" "$T/body"
    # A client that takes it slowly gets it all.
    curl -q -s --noproxy '*' -m 60 --limit-rate 15M "$(url i)/big" | cmp - "$T/big"
    printf -v n '%01000d' 7
    for key in 'caf%C3%A9%20%22%3F' '%FF%FE' 'a//b/' 'x%25y+z' "$n" '%09%0d%7f'; do
        put "$(url i)/$key" "of $key"
        want 200 GET "$(url i)/$key"
        printf %s "of $key" | cmp - "$T/body"
        want 200 GET "$(url i)/$key?version=1"
        printf %s "of $key" | cmp - "$T/body"
    done
    list "$(url i)/?list"
    same 8 ${#LISTED[@]}
}

# Prints what the workers of the front have open below their directory for temporary files, also what
# is deleted already.
front_spools() {
    local pid
    for pid in $(nginx_workers i); do
        find "/proc/$pid/fd" -lname "$T/data/i/nginx/tmp/*" -printf '%l\n' 2>/dev/null || true
    done
    find "$T/data/i/nginx/tmp" -mindepth 2 -type f
}

# So many clients have so much of their bodies, and are far from the end.
are_midway() { # CLIENTS BYTES
    local n size
    for ((n = 1; n <= $1; n++)); do
        size=$(stat -c %s "$T/slow-$n" 2>/dev/null) || return 1
        ((size >= $2)) || return 1
    done
}

@test "with --reads=proxy the front keeps nothing of a value on its disk, however slow the client" {
    local n pids spools
    start
    value big 60000000
    want 201 PUT "$(url i)/big" -T "$T/big"
    # Two of three lack it: GETs begin with each in turn, so some come to it by a second try.
    for n in $(holders /big | head -n 2); do
        rm "$(file_of "$n" /big)"
    done
    for n in 1 2 3 4; do
        curl -q -s --noproxy '*' --limit-rate 2M -o "$T/slow-$n" "$(url i)/big" 3>&- &
        pids+=" $!"
    done
    within 20 are_midway 4 3000000
    spools=$(front_spools)
    # shellcheck disable=SC2086 # a list
    kill $pids
    wait
    same '' "$spools" 'what the front keeps'
    for n in 1 2 3 4; do
        refute cmp -s "$T/big" "$T/slow-$n" # none was over before we looked
        head -c "$(stat -c %s "$T/slow-$n")" "$T/big" | cmp - "$T/slow-$n"
    done
}

@test "with --reads=proxy a volume that fails, or lacks the file, is stepped over" {
    local n
    start
    rm "$(file_of "$B" /key)"
    for n in {1..9}; do
        want 200 GET "$(url i)/key"
        cmp "$T/blob" "$T/body"
    done
    crash "$C"
    for n in {1..6}; do # from the first second on
        want 200 GET "$(url i)/key"
        cmp "$T/blob" "$T/body"
        want 200 HEAD "$(url i)/key"
    done
    volume "$C"
    within 5 sees i "$C" up
    freeze "$C"
    for n in {1..3}; do
        want 200 GET "$(url i)/key"
        cmp "$T/blob" "$T/body"
    done
    rm "$(file_of "$A" /key)"
    within 10 sees i "$C" down
    want 503 GET "$(url i)/key"
    same 1 "$(header Retry-After)"
    thaw "$C"
    within 5 sees i "$C" up
    want 200 GET "$(url i)/key"
    cmp "$T/blob" "$T/body"
    # All volumes away.
    for n in $VOLUMES; do
        crash "$n"
    done
    want 503 GET "$(url i)/key"
    want 404 GET "$(url i)/other"
}

@test "with --reads=proxy a volume can't send the front elsewhere" {
    local n
    start
    sed "s|^ *server {|&\nadd_header X-Accel-Redirect /_mkv/blob/$(at "$A")/_mkv/space always;|" \
        "$BATS_TEST_DIRNAME/../../templates/volume.conf.in" >"$T/sly.conf"
    stop "$B"
    volume "$B" --template "$T/sly.conf"
    within 5 sees i "$B" up
    curl -q -s --noproxy '*' -o /dev/null -D - "$(url "$B")$(blob_of "$B" /key)" | grep -qi '^X-Accel-Redirect'
    for n in 1 2 3; do
        want 200 GET "$(url i)/key"
        cmp "$T/blob" "$T/body"
    done
}

@test "with --reads=proxy no client comes by the front's own ways" {
    local path name
    start
    name=$(at "$A")
    path=/_mkv/blob/$name$(blob_of "$A" /key)
    for n in i i-direct; do
        want 404 GET "$(url $n)$path"
        want 404 GET "$(url $n)//_mkv/blob/$name$(blob_of "$A" /key)"
        want 404 GET "$(url $n)/%5fmkv/blob/$name$(blob_of "$A" /key)"
        want '40[0-9]' DELETE "$(url $n)$path"
        want '40[0-9]' PUT "$(url $n)$path" --data-binary x
        want 404 GET "$(url $n)/_mkv/blob/x/y"
    done
    # Nor does a client's own header have a say.
    want 200 GET "$(url i)/key" -H "Mkv-Failed: $name,$(at "$B"),$(at "$C")"
    want 200 GET "$(url i)/key" -H 'Mkv-Reads: redirect'
    on_copies /key "$T/blob"
}

@test "with --reads=proxy six copies that lack the file are stepped over, and all that fail are a 503" {
    local each n
    VOLUMES='v1 v2 v3 v4 v5 v6' COPIES=6
    # Where a flag is, a volume has the value as long as nobody wants it.
    sed "s|dav_methods PUT DELETE;|set \$get \$request_method; if (-f $T/flag) { set \$get \"\${get}s fail\"; } \
        if (\$get = 'GETs fail') { return 500; } &|" "$BATS_TEST_DIRNAME/../../templates/volume.conf.in" >"$T/template"
    chmod a+rx "$T"
    for each in $VOLUMES; do
        volume "$each" --template "$T/template"
    done
    index i "$VOLUMES" --replicas $COPIES --reads proxy
    value blob 1000
    want 201 PUT "$(url i)/key" -T "$T/blob"
    touch "$T/flag"
    for n in {1..3}; do
        want 503 GET "$(url i)/key"
        same 'no volume that has the value can be read' "$(<"$T/body")"
        same 1 "$(header Retry-After)"
        want 200 HEAD "$(url i)/key"
    done
    rm "$T/flag"
    want 200 GET "$(url i)/key"
    for each in v1 v2 v3 v4 v5; do
        rm "$(file_of "$each" /key)"
    done
    for n in {1..18}; do
        want 200 GET "$(url i)/key"
        cmp "$T/blob" "$T/body"
    done
    rm "$(file_of v6 /key)"
    want 503 GET "$(url i)/key"
    same 'no volume that has the value can be read' "$(<"$T/body")"
}

# --- Volumes that the front knows nothing of --------------------------------------------------------

@test "with --reads=proxy a volume whose name can't be resolved is said once, and keeps nothing from starting" {
    local each n
    for each in $VOLUMES; do
        volume "$each"
    done
    # shellcheck disable=SC2046 # a list
    mkv_start i index $(for each in $VOLUMES; do at "$each"; done) no-such-host.invalid:3001 --port "$(at i)" \
        --direct "$(at i-direct)" --index "$T/data/i" --replicas $COPIES --reads proxy
    await_ready i
    same 1 "$(grep -c "volume no-such-host.invalid:3001 can't be resolved" "$(log_of i)")" 'lines about it'
    for n in {1..9}; do
        put "$(url i)/$n" "value $n"
        want 200 GET "$(url i)/$n"
        same "value $n" "$(<"$T/body")"
    done
    signal i HUP
    within 5 logged i 'nginx takes its new config'
    want 200 GET "$(url i)/1"
}

@test "with --reads=proxy a volume whose name is resolved only later is read from, without a HUP" {
    need_root
    unshare -m true 2>/dev/null || skip 'needs mount namespaces'
    echo '127.0.0.1 localhost' >"$T/hosts"
    volume v1
    # shellcheck disable=SC2016 # for the shell within
    AS=(unshare -m bash -c 'mount --bind "$1" /etc/hosts && shift && exec "$@"' - "$T/hosts")
    mkv_start i index "later.invalid:$(port v1)" --port "$(at i)" --index "$T/data/i" --reads proxy
    await_ready i
    logged i "volume later.invalid:$(port v1) can't be resolved"
    want 503 PUT "$(url i)/key" --data-binary value
    echo '127.0.0.1 later.invalid' >>"$T/hosts"
    within 10 put "$(url i)/key" value
    want 200 GET "$(url i)/key"
    same value "$(<"$T/body")"
}

# Every GET is the value itself, whichever volume has it.
all_read() {
    local n
    for n in {1..20}; do
        want 200 GET "$(url i)/$n"
        same "value $n" "$(<"$T/body")"
    done
}

@test "with --reads=proxy volumes that come and go with HUP are read from, also when nginx refuses its config" {
    local each n
    VOLUMES='v1 v2 v3'
    cp "$BATS_TEST_DIRNAME/../../templates/index.conf.in" "$T/template"
    for each in $VOLUMES; do
        volume "$each"
    done
    at v1 >"$T/volumes"
    index i '' --volumes-file "$T/volumes" --template "$T/template" --reads proxy
    # nginx keeps the config of the start.
    echo nonsense >>"$T/template"
    at v2 >>"$T/volumes"
    signal i HUP
    within 5 logged i 'nginx keeps its old config'
    within 5 sees i v2 up
    for n in {1..20}; do
        put "$(url i)/$n" "value $n"
    done
    [[ -n $(blobs v1) && -n $(blobs v2) ]]
    all_read
    # It takes a new one.
    sed -i '$d' "$T/template"
    at v3 >"$T/volumes"
    signal i HUP
    within 5 logged i 'nginx takes its new config'
    within 5 sees i v3 up
    all_read
    # One that isn't listed any more is read by way of the front, too.
    for n in {1..20}; do
        want 302 GET "$(url i-direct)/$n"
        [[ $(header Location) != http://$(at v3)/* ]]
    done
    refute logged i 'no resolver'
}

# --- Connections ------------------------------------------------------------------------------------

@test "with --reads=proxy connections to volumes are kept, whichever way their addresses are written" {
    local n three
    has_ipv6 || skip 'needs IPv6'
    sed 's|add_header Mkv-Volume-Id .*|& add_header Came-By "$server_port $connection" always;|' \
        "$BATS_TEST_DIRNAME/../../templates/volume.conf.in" >"$T/template"
    three="$(at v1) localhost:$(port v2) [::1]:$(port v3)"
    volume v1 --template "$T/template" --workers 1
    volume v2 --template "$T/template" --workers 1
    mkdir "$T/data/v3"
    chown --reference="$T/data" "$T/data/v3"
    mkv_start v3 volume "[::1]:$(port v3)" "$T/data/v3" --template "$T/template" --workers 1
    # shellcheck disable=SC2086 # a list
    mkv_start i index $three --port "$(at i)" --index "$T/data/i" --replicas 3 --reads proxy --workers 1
    await_ready i
    within 10 put "$(url i)/key" value
    for n in {1..12}; do
        want 200 GET "$(url i)/key"
        header Came-By >>"$T/came-by"
    done
    same 3 "$(sort -u "$T/came-by" | wc -l)" 'connections for 12 GETs of 3 volumes'
}
