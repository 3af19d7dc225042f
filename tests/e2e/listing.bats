#!/usr/bin/env bats
# GET /prefix?list and ?unlinked: which keys, in which order, in pages, and for which clients.

load ../support/lib

before_all() {
    cluster i v
}

before_each() {
    WAYS="$(url i) $(url i-direct)"
    K=$BATS_TEST_NUMBER # keys of different tests must not meet
}

@test "keys that begin with the prefix are listed in byte order, and no others" {
    local u
    same 8x201 "$(requests "$(url i)" <<<"PUT /$K/b
PUT /$K/a
PUT /$K/a/b
PUT /$K/B
PUT /$K/a-b
PUT /$K/%c3%a9
PUT /$K
PUT /${K}x")"
    for u in $WAYS; do
        list "$u/$K/?list"
        same "/$K/B /$K/a /$K/a-b /$K/a/b /$K/b /$K/é" "${LISTED[*]}"
        same '' "$NEXT"
        list "$u/$K?list"
        same "/$K /$K/B /$K/a /$K/a-b /$K/a/b /$K/b /$K/é /${K}x" "${LISTED[*]}"
        list "$u/$K/a?list"
        same "/$K/a /$K/a-b /$K/a/b" "${LISTED[*]}"
        list "$u/%$(printf %02x "'$K")/a/?list"
        same "/$K/a/b" "${LISTED[*]}"
        list "$u/?list"
        same 1 "$(listed | grep -cxF "/$K/a/b")"
    done
}

@test "what is not there is an empty listing" {
    local u
    put "$(url i)/$K/a" value
    for u in $WAYS; do
        for query in '/none?list' "/$K/a?unlinked" "/$K/a?list&start=/$K/b" '/_mkv/?list'; do
            list "$u$query"
            same '{"keys":[],"next":""}' "$(cat "$T/body")" "$query"
        done
    done
}

@test "pages, each begun with the next of the one before, are the whole listing" {
    local u n limit
    for ((n = 0; n < 30; n++)); do
        echo "PUT /$K/$((n * 7919 % 30))"
    done >"$T/plan"
    same 30x201 "$(requests "$(url i-direct)" <"$T/plan")"
    cut -d' ' -f2 "$T/plan" | sort >"$T/wanted"
    for u in $WAYS; do
        list "$u/$K/?list"
        listed | cmp - "$T/wanted"
        for limit in 1 7 29 30 31; do
            pages "$u/$K/?list" "$limit" >"$T/pages"
            cmp "$T/pages" "$T/wanted"
        done
        list "$u/$K/?list&limit=29"
        same "$(tail -n 1 "$T/wanted")" "$NEXT"
        list "$u/$K/?list&limit=30"
        same '' "$NEXT"
    done
}

@test "start may be any bytes, within the listing or not" {
    local u
    same 3x201 "$(requests "$(url i)" <<<"PUT /$K/b
PUT /$K/d
PUT /$K/f")"
    for u in $WAYS; do
        list "$u/$K/?list&start="
        same "/$K/b /$K/d /$K/f" "${LISTED[*]}"
        list "$u/$K/?start=/$K/d&list"
        same "/$K/d /$K/f" "${LISTED[*]}"
        list "$u/$K/?list&start=%2f$K%2Fc"
        same "/$K/d /$K/f" "${LISTED[*]}"
        list "$u/$K/?list&start=!"
        same "/$K/b /$K/d /$K/f" "${LISTED[*]}"
        list "$u/$K/?list&start=%00%ff"
        same "/$K/b /$K/d /$K/f" "${LISTED[*]}"
        list "$u/$K/?list&start=/$K/g"
        same 0 ${#LISTED[@]}
        list "$u/$K/?list&start=%ff"
        same 0 ${#LISTED[@]}
    done
}

@test "odd keys are JSON that says their bytes, and next says them too" {
    # In the order of their bytes.
    local u n key wanted keys=(%01%1f%7f %09 %0a %20 %22 %23 %25 %26 %27 %2b %3c%3e %3d %3f %5c %61 %80 %c0%af %c3%a9
        %e2%82%ac %ed%a0%80 %f0%9f%90%98 %f4%90%80%80 %ff%fe)
    for key in "${keys[@]}"; do
        echo "PUT /$K/$key"
    done | tac >"$T/plan"
    same ${#keys[@]}x201 "$(requests "$(url i)" <"$T/plan")"
    for key in '\u0001\u001f\u007f' '\u0009' '\u000a' ' ' '\"' '#' % '&' "'" + '<>' = '?' '\\' a %80 %C0%AF é \
        € %ED%A0%80 🐘 %F4%90%80%80 %FF%FE; do
        if [[ $key == %?* ]]; then
            echo "{\"percent\":\"/$K/$key\"}"
        else
            echo "\"/$K/$key\""
        fi
    done >"$T/wanted"
    mapfile -t wanted < <(jq -c . "$T/wanted" && echo '""')
    for u in $WAYS; do
        list "$u/$K/?list"
        sed 's/^{"keys":\[//; s/\],"next":""}$//; s/",/"\n/g; s/},/}\n/g' "$T/body" >"$T/got"
        cmp "$T/wanted" "$T/got"
        # Each key as the next of the page before.
        START=''
        for ((n = 1; n <= ${#keys[@]}; n++)); do
            list "$u/$K/?list&limit=1&start=$START"
            same "[[${wanted[n - 1]}],${wanted[n]}]" "$(jq -c '[.keys, .next]' "$T/body")"
        done
    done
}

@test "a client that encodes next as a form gets all pages, whatever the keys" {
    command -v python3 >/dev/null || skip "needs python3"
    local u
    cat >"$T/pages.py" <<'EOF'
import json, sys, urllib.parse, urllib.request

def plain(key):
    return urllib.parse.unquote_to_bytes(key['percent']) if isinstance(key, dict) else key.encode()

base, prefix = sys.argv[1:3]
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
keys = [b'a b', b'a+b', b'a%20b', b'a%2Bb', b'%', b'a&b=c', b'a?b', b'a#b', b'a/b c', b'\n', b'a\nb', b'\xff',
        b'a\xfe+ b', '\u00e9 \u20ac'.encode(), b' ', b'+', b'++', b'"\\', b'start=x']
wanted = sorted(prefix.encode() + key for key in keys)
if sys.argv[3:] == ['put']:
    for key in wanted:
        url = base + urllib.parse.quote(key)
        opener.open(urllib.request.Request(url, method='PUT', data=b'value')).read()
for limit in 1, 2, 3:
    got, start = [], b''
    while len(got) <= len(wanted):
        query = urllib.parse.urlencode({'start': start, 'limit': limit})
        page = json.load(opener.open(base + urllib.parse.quote(prefix) + '?list&' + query))
        got += map(plain, page['keys'])
        start = plain(page['next'])
        if not start:
            break
    if got != wanted:
        sys.exit(f'limit {limit}: wanted {wanted}, got {got}')
EOF
    python3 "$T/pages.py" "$(url i)" "/$K/ +%/" put
    for u in $WAYS; do
        python3 "$T/pages.py" "$u" "/$K/ +%/"
    done
}

@test "a bad limit, start or prefix is 400" {
    local u query
    put "$(url i)/$K" value
    for u in $WAYS; do
        for query in limit limit= limit=0 limit=-1 limit=+1 limit=1e3 limit=x limit=1x 'limit=%201' limit=0x10 \
            limit=1.5 limit=9999999999999999999 limit=99999999999999999999 limit=%zz limit=1%; do
            want 400 GET "$u/$K?list&$query"
            want 400 GET "$u/$K?unlinked&$query"
            grep -q limit "$T/body"
        done
        want 400 GET "$u/$K?list&start=%zz"
        want 400 GET "$u/$K?list&start=/$(printf '%01025d' 7)"
        want 200 GET "$u/?list&limit=1&start=/$(printf '%01140d' 7)" # S3 has keys of such a length
        want 400 GET "$u/?list&limit=1&start=/$(printf '%01141d' 7)"
        want 400 GET "$u/$K%zz?list"
        want 400 GET "$u/$K%00?list"
        want 400 GET "$u/$(printf '%01025d' 7)?list"
        list "$u/$K?list&limit=999999999999999999"
        same "/$K" "${LISTED[*]}"
        list "$u/$K?list&limit=007&start=/$(printf '%01024d' 0)"
        same "/$K" "${LISTED[*]}"
    done
}

@test "a listing takes no other parameter, and those alone ask for no listing" {
    local u query
    put "$(url i)/$K" value
    for u in $WAYS; do
        for query in 'list=yes' 'list=%zz' 'list&list' '&&list&' '%6cist' 'list&st%61rt='; do
            list "$u/$K?$query"
            same "/$K" "${LISTED[*]}" "$query"
        done
        for query in 'list&x' 'x=1&list' 'list&x=%zz' 'list&limits=0' 'list&strat=/a' 'unlinked&=' 'list&%zz' 'list&Start=/a'; do
            want 400 GET "$u/$K?$query"
            grep -q 'no other parameter' "$T/body"
        done
        for query in '' listing 'x=list' LIST 'x=%zz' '%zz' '%' 'x&limit=0' 'start=%zz'; do
            want 302 GET "$u/$K?$query"
            want 302 HEAD "$u/$K?$query"
        done
        # A listing is a GET: other methods know no query.
        want 400 PUT "$u/$K?list" --data-binary value
        want 400 DELETE "$u/$K/none?list"
    done
}

@test "a HEAD of a listing has no body, and the connection serves on" {
    local u
    put "$(url i)/$K" value
    for u in $WAYS; do
        want 200 HEAD "$u/$K?list"
        same application/json "$(header Content-Type)"
        want 400 HEAD "$u/$K?list&limit=0"
        printf 'HEAD /%s?list HTTP/1.1\r\nHost: x\r\n\r\nGET /%s/none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' "$K" "$K" |
            talk "${u##*:}" >"$T/replies"
        same '200 404' "$(grep -a '^HTTP/1.1 ' "$T/replies" | cut -d' ' -f2 | paste -sd' ')"
        refute grep -q keys "$T/replies"
    done
}

@test "a listing for a client of HTTP/1.0 ends with its connection" {
    local p
    put "$(url i)/$K" value
    for p in i i-direct; do
        printf 'GET /%s?list HTTP/1.0\r\n\r\n' "$K" | talk "$(port "$p")" >"$T/reply"
        same "{\"keys\":[\"/$K\"],\"next\":\"\"}" "$(tail -n 1 "$T/reply")"
        refute grep -qi '^Transfer-Encoding' "$T/reply"
    done
}

@test "?list has the keys, ?unlinked the unlinked ones, and pages count what they list" {
    local u n
    for n in {10..29}; do
        echo "PUT /$K/$n"
    done >"$T/plan"
    same 20x201 "$(requests "$(url i)" <"$T/plan")"
    for n in {10..28..2}; do
        echo "UNLINK /$K/$n"
    done >"$T/plan"
    same 10x204 "$(requests "$(url i)" <"$T/plan")"
    same '1x201 2x204' "$(requests "$(url i)" <<<"PUT /$K/12
DELETE /$K/14
DELETE /$K/15")"
    for u in $WAYS; do
        for n in 1 3 50; do
            same '11 12 13 17 19 21 23 25 27 29' "$(pages "$u/$K/?list" $n | sed 's,.*/,,' | paste -sd' ')"
            same '10 16 18 20 22 24 26 28' "$(pages "$u/$K/?unlinked" $n | sed 's,.*/,,' | paste -sd' ')"
        done
        list "$u/$K/?list&unlinked"
        same 8 ${#LISTED[@]}
    done
}
