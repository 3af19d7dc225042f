# shellcheck shell=bash
# What the .bats files about rebuilding load behind lib.

dump_of() { # INDEX-DIR FILE
    "$MKV" dump --index "$1" >"$2"
}

rebuild() { # INDEX-DIR "VOLUME..." [OPTIONS...]
    local directory=$1 each volumes=()
    for each in $2; do
        volumes+=("$(at "$each")")
    done
    shift 2
    "$MKV" rebuild --index "$directory" ${CLOSED:+--secret-file "$CLOSED/secret"} "$@" "${volumes[@]}" >"$T/rebuilt" 2>"$T/problems"
}

# Keys of every kind on v1, v2 and v3, by index i. With "changes", some of them are unlinked after
# that, and some deleted.
fill() { # COUNT [changes]
    python3 - "$(url i)" "$1" "${2-}" <<'PY'
import http.client, random, sys, threading, urllib.parse

url, count, changes = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "changes"

def key_of(n):
    kind = n % 8
    key = "/plain-%d" % n
    if kind == 1: key = "/nested/%d/a//b/" % n
    if kind == 2: key = "/café \"%d\" ?%%#+" % n
    if kind == 3: key = "/line\n%d" % n
    if kind == 4: key = "/" + "l" * (1019 - n % 300) + "%05d" % n
    raw = key.encode()
    if kind == 5: raw = b"/" + bytes(random.Random(n).choices(range(1, 256), k=1 + n % 40)) + b"%d" % n
    if kind == 6: raw = b"/\xff\xff\xff" * (n % 60 + 1) + b"%d" % n
    return urllib.parse.quote_from_bytes(raw, safe="/")

def ask(c, status, method, n, body=None):
    c.request(method, key_of(n), body)
    r = c.getresponse()
    r.read()
    assert r.status == status, (method, key_of(n), r.status)

def work(first, step):
    c = http.client.HTTPConnection(url.removeprefix("http://"))
    for n in range(first, count, step):
        ask(c, 201, "PUT", n, b"value %d" % n * (1 + n % 50))
        if changes and n % 11 == 1:
            ask(c, 204, "UNLINK", n)
        if changes and n % 13 == 1:
            ask(c, 204, "DELETE", n)
    done.append(first)

done = []
threads = [threading.Thread(target=work, args=(i, 8)) for i in range(8)]
for t in threads: t.start()
for t in threads: t.join()
assert len(done) == 8
PY
}
