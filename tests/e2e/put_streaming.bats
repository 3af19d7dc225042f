#!/usr/bin/env bats
# A PUT streams through the index: large, slow, chunked, cut off, refused or raced by another one.

load ../support/lib

before_all() {
    cluster i v
}

before_each() {
    LARGE=$((ASAN ? 256 << 20 : 1 << 30))
}

after_each() {
    # Gigabytes: gone as early as can be.
    find "$F/data/v" -ignore_readdir_race -path '*/.mkv' -prune -o -type f -size +1M -exec rm -f {} +
}

# Opens descriptor 7 with a PUT that lacks its last 5 bytes, and waits until the volume has a part.
put_most() { # WAY PATH
    put_half "$@"
    within 5 refute tidy v
}

free_again() { # URL
    http PUT "$1" --data-binary 'after'
    [[ $STATUS == 201 ]]
}

# The most memory the process held since the last reset, in KiB.
peak() { # PID
    awk '/^VmHWM/ { print $2 }' "/proc/$1/status"
}

@test "bodies of many sizes, by length and chunked" {
    local size u how
    head -c 3000000 /dev/urandom >"$T/random"
    for size in 1 2 1023 16384 65535 65536 65537 1048576 3000000; do
        head -c "$size" "$T/random" >"$T/blob"
        for u in "$(url i)" "$(url i-direct)"; do
            want 201 PUT "$u/sized/$size/${u##*:}" -T "$T/blob"
            want 201 PUT "$u/chunked/$size/${u##*:}" -T - <"$T/blob"
            for how in sized chunked; do
                want 302 GET "$u/$how/$size/${u##*:}"
                same "$(md5_of <"$T/blob")" "$(header Content-Md5)"
                want 200 GET "$u/$how/$size/${u##*:}" -L
                cmp "$T/blob" "$T/body"
            done
        done
    done
    within 2 tidy v
}

@test "chunks of odd sizes, with extensions and trailers" {
    local p
    for p in i i-direct; do
        printf 'PUT /odd-%s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n1\r\na\r\n0a;ext=1\r\nbcdefghijk\r\n1\r\nl\r\n0\r\nX-Trailer: yes\r\n\r\n' \
            "$p" | talk "$(port "$p")" | head -n 1 | grep -q ' 201 '
        got "$(url i)/odd-$p" abcdefghijkl
    done
}

@test "Expect: 100-continue is answered, and a refusal comes in its place" {
    local p
    for p in i i-direct; do
        exec 7<>"/dev/tcp/127.0.0.1/$(port "$p")"
        printf 'PUT /expect-%s HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n' \
            "$p" >&7
        answer 7
        same 100 "$STATUS"
        printf value >&7
        answer 7
        same 201 "$STATUS"
        exec 7>&-
        got "$(url i)/expect-$p" value
    done
    # Directly nothing of the body is asked for. (nginx says 100 before it asks the index.)
    exec 7<>"/dev/tcp/127.0.0.1/$(port i-direct)"
    printf 'PUT /expect-i HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n' >&7
    answer 7
    same 409 "$STATUS"
    exec 7>&-
}

@test "a key being written is free for others and 404 for readers, then it is there" {
    local way
    for way in i i-direct; do
        put_most "$way" "/race/$way"
        want 404 GET "$(url i)/race/$way"
        want 404 DELETE "$(url i)/race/$way"
        want 404 UNLINK "$(url i)/race/$way"
        put_rest
        same 201 "$STATUS"
        got "$(url i)/race/$way" "$(cat "$T/value")"
    done
}

# The volume has the key's blob with this value, and no other.
has_only() { # KEY VALUE
    [[ $(paths_of v "$1" | wc -l) == 1 ]] && holds v "$1" "$2"
}

@test "a PUT that another one overtakes is 409 at its end, and leaves nothing" {
    local way
    for way in i i-direct; do
        put_most "$way" "/overtaken/$way"
        put "$(url i-direct)/overtaken/$way" other
        put_rest
        same 409 "$STATUS"
        got "$(url i)/overtaken/$way" other
        within 15 has_only "/overtaken/$way" other
        # Nor does it come back after the other one is gone.
        want 204 DELETE "$(url i)/overtaken/$way"
        want 404 GET "$(url i)/overtaken/$way"
        within 15 lacks v "/overtaken/$way"
    done
}

# Has a PUT overtaken by two others, each of which goes again by this method.
overtake() { # WAY KEY METHOD
    put_most "$1" "$2"
    put "$(url i)$2" other
    want 204 "$3" "$(url i-direct)$2"
    put "$(url i-direct)$2" another
    want 204 "$3" "$(url i)$2"
    put_rest
}

@test "a PUT that PUTs and DELETEs overtake is the last" {
    local way
    for way in i i-direct; do
        overtake "$way" "/last/$way" DELETE
        same 201 "$STATUS"
        got "$(url i)/last/$way" "$(cat "$T/value")"
        want 409 PUT "$(url i)/last/$way" --data-binary later
    done
    for way in i i-direct; do
        within 15 has_only "/last/$way" "$(cat "$T/value")"
    done
}

@test "a PUT that PUTs and UNLINKs overtake replaces no later value" {
    local way
    for way in i i-direct; do
        overtake "$way" "/later/$way" UNLINK
        same 409 "$STATUS"
        want 404 GET "$(url i)/later/$way"
        list "$(url i)/later/$way?unlinked"
        same "/later/$way" "${LISTED[*]}"
    done
    for way in i i-direct; do
        within 15 has_only "/later/$way" another
        put "$(url i)/later/$way" new
        got "$(url i)/later/$way" new
    done
}

@test "of two PUTs at once one is 201 and one 409" {
    local n
    for n in 1 2 3 4 5 6 7 8 9 10; do
        curl -q -s --noproxy '*' -m 20 -o /dev/null -w '%{http_code}\n' -X PUT --data-binary one "$(url i)/two/$n" >"$T/1" 3>&- &
        curl -q -s --noproxy '*' -m 20 -o /dev/null -w '%{http_code}\n' -X PUT --data-binary two "$(url i-direct)/two/$n" >"$T/2" 3>&- &
        wait
        same '201 409' "$(sort "$T/1" "$T/2" | paste -sd' ')" "statuses of round $n"
        if [[ $(cat "$T/1") == 201 ]]; then
            got "$(url i)/two/$n" one
        else
            got "$(url i)/two/$n" two
        fi
    done
}

@test "a client that vanishes in its PUT leaves nothing, and the key is free" {
    local way
    for way in i i-direct; do
        put_most "$way" "/vanished/$way"
        exec 7>&-
        within 10 tidy v
        lacks v "/vanished/$way"
        want 404 GET "$(url i)/vanished/$way"
        within 10 free_again "$(url i)/vanished/$way"
        got "$(url i)/vanished/$way" after
    done
}

@test "a client that vanishes before the last chunk leaves nothing, and the key is free" {
    local way
    for way in i i-direct; do
        exec 7<>"/dev/tcp/127.0.0.1/$(port "$way")"
        printf 'PUT /unfinished/%s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n186a0\r\n%0100000d\r\n' "$way" 0 >&7
        within 5 refute tidy v
        exec 7>&-
        within 10 tidy v
        lacks v "/unfinished/$way"
        want 404 GET "$(url i)/unfinished/$way"
        within 10 free_again "$(url i)/unfinished/$way"
    done
}

@test "a client that vanishes in the middle of a large PUT leaves nothing" {
    local u
    for u in "$(url i)" "$(url i-direct)"; do
        curl -q -s --noproxy '*' -m 20 -o /dev/null -X PUT -T - "$u/large-vanished" < <(head -c 30M /dev/zero && sleep 30) 3>&- &
        within 10 refute tidy v
        kill -KILL $!
        wait $! || true
        within 10 tidy v
        within 10 free_again "$u/large-vanished"
        want 204 DELETE "$u/large-vanished"
    done
}

@test "1 GiB is stored whole, and streams through an index that does not grow" {
    local pid before after u md5
    pid=$(pid_of i)
    put "$(url i)/warm" up
    truncate -s "$LARGE" "$T/sparse"
    printf end >>"$T/sparse"
    md5=$(md5_of <"$T/sparse")
    for u in "$(url i)" "$(url i-direct)"; do
        echo 5 >"/proc/$pid/clear_refs"
        before=$(peak "$pid")
        want 201 PUT "$u/large/${u##*:}" -T "$T/sparse" -m $((120 * SLOW))
        after=$(peak "$pid")
        want 302 GET "$u/large/${u##*:}"
        same "$md5" "$(header Content-Md5)"
        same $((LARGE + 3)) "$(stat -c %s "$(file_of v "/large/${u##*:}")")"
        if ((!ASAN && after - before > 16 << 10)); then
            fail "it grew from $before to $after KiB"
        fi
        want 204 DELETE "$u/large/${u##*:}"
    done
}

@test "a chunked upload of 1 GiB does not make the index grow" {
    local pid before after
    pid=$(pid_of i)
    put "$(url i)/warm-chunked" up
    echo 5 >"/proc/$pid/clear_refs"
    before=$(peak "$pid")
    want 201 PUT "$(url i)/large-chunked" -T - -m $((120 * SLOW)) < <(head -c "$LARGE" /dev/zero)
    after=$(peak "$pid")
    same "$LARGE" "$(stat -c %s "$(file_of v /large-chunked)")"
    if ((!ASAN && after - before > 16 << 10)); then
        fail "it grew from $before to $after KiB"
    fi
}

@test "a 1 GiB upload to a key that exists gets its 409 long before its end" {
    local u how sent expect
    put "$(url i)/taken" value
    truncate -s 1G "$T/sparse"
    for u in "$(url i)" "$(url i-direct)"; do
        for expect in 'Expect:' 'Expect: 100-continue'; do
            for how in chunked sized; do
                if [[ $how == sized ]]; then
                    curl -q -sS --noproxy '*' -m 60 -H "$expect" -T "$T/sparse" "$u/taken" -o /dev/null \
                        -w '%{http_code} %{size_upload}' >"$T/code" 2>"$T/errors" || true
                else
                    head -c 1G /dev/zero | curl -q -sS --noproxy '*' -m 60 -H "$expect" -T - "$u/taken" -o /dev/null \
                        -w '%{http_code} %{size_upload}' >"$T/code" 2>"$T/errors" || true
                fi
                read -r STATUS sent <"$T/code" || true
                same 409 "$STATUS" "status ($how, '$expect', $u, $(cat "$T/errors"))"
                ((sent < 64 << 20)) || fail "$sent bytes were sent ($how, '$expect', $u)"
            done
        done
    done
    got "$(url i)/taken" value
}

@test "a client that reads no answer until all is sent still gets its 409" {
    local p
    put "$(url i)/taken-small" value
    for p in i i-direct; do
        ask "$(port "$p")" < <(
            printf 'PUT /taken-small HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\nConnection: close\r\n\r\n'
            head -c 300000 /dev/zero
        )
        same 409 "$STATUS"
    done
}

@test "a connection serves on after a PUT that was refused with its body unread" {
    put "$(url i)/refused" value
    printf 'PUT /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nGET /GET /refused HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' |
        talk "$(port i-direct)" >"$T/replies"
    # Either the body is read and the next request answered, or the connection ends with the 409.
    [[ $(grep -a '^HTTP/1.1 ' "$T/replies" | cut -d' ' -f2 | paste -sd' ') =~ ^409(\ 302)?$ ]]
}

@test "many PUTs at once are all stored" {
    local n
    for n in {1..40}; do
        head -c $((n * 20000)) "/dev/zero" >"$T/$n"
        echo "url = $(url i)/many/$n"
        echo "upload-file = $T/$n"
        echo "output = /dev/null"
    done >"$T/config"
    curl -q -sS --noproxy '*' -m 60 --parallel --parallel-max 40 -K "$T/config" -w '%{http_code}\n' >"$T/codes"
    same 40 "$(grep -c '^201$' "$T/codes")"
    for n in {1..40}; do
        want 200 GET "$(url i)/many/$n" -L
        cmp "$T/$n" "$T/body"
    done
}
