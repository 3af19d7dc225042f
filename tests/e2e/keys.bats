#!/usr/bin/env bats
# A key is any bytes but NUL: the percent-decoded path. Each spelling here is put, found under the
# path of DESIGN 4.2 on the volume, read back and deleted.

load ../support/lib

before_all() {
    cluster i v
}

before_each() {
    FRONT=$(url i)
    DIRECT=$(url i-direct)
}

after_each() {
    # What a failed test left must not fail the next one.
    find "$F/data/v" -path '*/.mkv' -prune -o -type f -exec rm {} +
}

# Writes through one way, reads through both, deletes through the other.
round_trip() { # RAW-PATH...
    local path key
    for path in "$@"; do
        key=${path//\\/\\\\}
        printf -v key %b "${key//%/\\x}"
        put "$FRONT$path" "front $path"
        got "$FRONT$path" "front $path"
        got "$DIRECT$path" "front $path"
        holds v "$key" "front $path"
        want 409 PUT "$DIRECT$path" --data-binary again
        want 204 DELETE "$DIRECT$path"
        want 404 GET "$FRONT$path"
        put "$DIRECT$path" "direct $path"
        got "$FRONT$path" "direct $path"
        want 204 DELETE "$FRONT$path"
    done
    within 10 all_lack v || fail "$(blobs v)"
}

@test "path_of itself knows the known values" {
    same /5d/41/aGVsbG8= "$(path_of hello)"
    same /fc/5e/aGVsbG93b3JsZA== "$(path_of helloworld)"
    same "/$(printf '\xff\xff\xff' | md5_of | sed 's|^\(..\)\(..\).*|\1/\2|')/-5" "$(path_of $'\xff\xff\xff')"
    same /5d/41/aGVsbG8=.019ab7f0d2bb0000 "$(path_of hello 019ab7f0d2bb0000)"
}

@test "plain keys" {
    round_trip /hello /helloworld /a /A /wehave/some/path /0 /-._~
}

@test "slashes: encoded, double, trailing, many" {
    round_trip /a%2Fb /a//b //a ///// /a/ /a/b/c/d/e/f/ /%2F /%2F%2F
}

@test "dots: . and .. within the key are bytes like others" {
    round_trip /a/../b /a/./b /a/.. /a/. /.hidden /a/.mkv/b /... /a/%2e%2e/b
}

@test "spaces, plus, quotes and what has a meaning elsewhere" {
    round_trip /a%20b /%20 /a+b /a%2Bb /%22quoted%22 "/it's" /a%3Bb '/a;b' '/a&b=c' /a%26b '/$dollar' '/a,b' '/a:b@c' \
        '/(a)' '/*' '/!' /%5Bx%5D /%7Bx%7D '/a|b' /%3Cx%3E /%5C '/^' '/`' /~tilde
}

@test "? and # percent-encoded, at each place of a base64 group" {
    round_trip /%3F /a%3F /ab%3F /abc%3F /%3Fa /a%23b /%23 /%3F%3F%3F /ab%3Fde /a%3Flist
}

@test "percent-encoded percent" {
    round_trip /100%25 /%25 /a%252Fb /%25zz /%2525
}

@test "control characters" {
    round_trip /a%0Ab /%0D%0A /%09 /%01 /%1F /%7F /a%7F /ab%7F /a%0D%0AX-Injected:%20yes
}

@test "UTF-8, encoded and raw, also where base64 has a slash" {
    round_trip /%C3%BCml%C3%A4ut /%E2%82%AC /%F0%9F%98%80 /%E6%97%A5%E6%9C%AC%E8%AA%9E /na%C3%AFve/%C3%BF \
        /%D0%BF%D1%80%D0%B8%D0%B2%D0%B5%D1%82 /a%EF%BB%BF /%EF%BF%BD%EF%BF%BD
    printf value | curl -q -sS --noproxy '*' -m 10 -o /dev/null -w '%{http_code}' -T - "$FRONT/"$'\xc3\xbc' >"$T/code"
    same 201 "$(cat "$T/code")"
    got "$FRONT/%C3%BC" value
    want 204 DELETE "$DIRECT/%c3%bc"
}

@test "bytes 0x80 to 0xff, alone and in all places" {
    local byte high=''
    for byte in 80 81 8f 9f a0 bf c0 c3 ef f0 fb fc fd fe ff; do
        round_trip "/%$byte" "/a%$byte" "/ab%$byte"
    done
    for byte in 8 9 a b c d e f; do
        high+=%${byte}0%${byte}1%${byte}2%${byte}3%${byte}4%${byte}5%${byte}6%${byte}7
        high+=%${byte}8%${byte}9%${byte}a%${byte}b%${byte}c%${byte}d%${byte}e%${byte}f
    done
    round_trip "/$high" /%FF%FF /%FF%FF%FF /%FF%FF%FF%FF /a%FF%FF%FF /ab%FF%FF%FF /%FF%FF%FF%FF%FF%FFa /%FB%FF%BF
}

@test "long keys: 254-byte names, the pieces after it, and 1024 bytes" {
    local length key
    for length in 188 189 190 191 192 379 380 381 382 383 765 1023 1024; do
        printf -v key '%0*d' "$length" 7
        round_trip "/$key"
    done
}

@test "long keys of high bytes" {
    local n key=/ slashes=/
    for ((n = 0; n < 1024; n++)); do
        key+=%A7
        slashes+=%FF
    done
    round_trip "$key" "$slashes" "${slashes:0:601}" "${slashes:0:604}" "${slashes:0:607}"
}

@test "a long key and the keys that look like its pieces live side by side" {
    local long
    printf -v long '%0600d' 7
    put "$FRONT/$long" long
    put "$FRONT/${long:0:189}" piece
    put "$FRONT/${long:0:190}" piece+1
    got "$FRONT/$long" long
    got "$FRONT/${long:0:189}" piece
    want 204 DELETE "$FRONT/$long"
    got "$FRONT/${long:0:190}" piece+1
    want 204 DELETE "$FRONT/${long:0:189}"
    want 204 DELETE "$FRONT/${long:0:190}"
}

@test "spellings of the same bytes are one key" {
    local pair
    for pair in '/a/b /a%2Fb' '/a%2fb /a%2Fb' '/hello /%68%65%6c%6C%6f' '/a+b /a%2Bb' '/~ /%7E' '/a/../b /a%2f%2e%2e%2fb' \
        "/it's /it%27s" '/a%C3%BC /a%c3%bc'; do
        put "$FRONT${pair% *}" "$pair"
        got "$FRONT${pair#* }" "$pair"
        got "$DIRECT${pair#* }" "$pair"
        want 409 PUT "$FRONT${pair#* }" --data-binary other
        want 409 PUT "$DIRECT${pair#* }" --data-binary other
        want 204 DELETE "$DIRECT${pair#* }"
        want 404 GET "$FRONT${pair% *}"
    done
}

@test "different bytes are different keys" {
    local keys=(/a/b /a//b /a/b/ /a/./b /a/x/../b /A/b /a%252Fb /a%2Bb /a%20b /ab /b //a/b /a/b%20 /a%3Fb /a%0Ab) key
    for key in "${keys[@]}"; do
        put "$FRONT$key" "value of $key"
    done
    for key in "${keys[@]}"; do
        got "$FRONT$key" "value of $key"
        got "$DIRECT$key" "value of $key"
    done
    for key in "${keys[@]}"; do
        want 204 DELETE "$FRONT$key"
    done
    within 10 all_lack v
}

@test "a key cannot forge a header or a log line" {
    want 404 GET "$FRONT/x%0D%0ASet-Cookie:%20forged"
    refute header Set-Cookie
    put "$FRONT/y%0D%0ASet-Cookie:%20forged" value
    want 302 GET "$FRONT/y%0D%0ASet-Cookie:%20forged"
    refute header Set-Cookie
    refute grep -q '^Set-Cookie' "$(log_of i)"
    want 204 DELETE "$FRONT/y%0D%0ASet-Cookie:%20forged"
}

@test "the redirect of every key is plain ASCII without spaces" {
    local key
    for key in /%FF%FE /a%20b /a%0Ab /%E2%82%AC /a%22b; do
        put "$FRONT$key" value
        want 302 GET "$FRONT$key"
        [[ $(header Location) =~ ^http://127\.0\.0\.1:[0-9]+/[][A-Za-z0-9/+=%._-]+$ ]] || fail "Location: $(header Location)"
        want 204 DELETE "$FRONT$key"
    done
}
