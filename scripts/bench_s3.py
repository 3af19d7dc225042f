#!/usr/bin/env python3
"""What bench_s3.sh can't do by curl and wrk. Prints numbers for it to judge.

bench_s3.py sign METHOD HOST:PORT PREFIX COUNT   the headers of PREFIX1, PREFIX2, ... for wrk
bench_s3.py dump VOLUME COUNT                    a dump of so many keys, for mkv restore
bench_s3.py list HOST:PORT PATH ELEMENT          ms that a page of 1,000 such elements takes
bench_s3.py complete HOST:PORT PATH FILE PARTS   seconds of a Complete of FILE so many times, or "missing"
"""
import hashlib
import hmac
import http.client
import re
import sys
import time

ACCESS, SECRET = "bench", "secret-of-bench"
PREFIXES = 1000  # of a dump's keys, each with as many of them


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256)


def sign(method, host, prefix, count):
    """Two lines for all (Authorization without the signature; the time), then a signature each.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html"""
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    scope = f"{now[:8]}/us-east-1/s3/aws4_request"
    names = "host;x-amz-content-sha256;x-amz-date"
    key = ("AWS4" + SECRET).encode()
    for part in scope.split("/"):
        key = mac(key, part).digest()
    print(f"AWS4-HMAC-SHA256 Credential={ACCESS}/{scope}, SignedHeaders={names}, Signature=")
    print(now)
    for i in range(1, int(count) + 1):
        request = (f"{method}\n{prefix}{i}\n\nhost:{host}\nx-amz-content-sha256:UNSIGNED-PAYLOAD\n"
                   f"x-amz-date:{now}\n\n{names}\nUNSIGNED-PAYLOAD")
        print(mac(key, f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{sha256(request)}").hexdigest())


def dump(volume, count):
    print('{"format":"mkv-dump","version":2}')
    count = int(count) // PREFIXES * PREFIXES
    for i in range(count):
        prefix, rest = divmod(i, count // PREFIXES)
        print(f'{{"key":"/list/folder-{prefix:06}/object-{rest:06}","size":1024,"time":1763740800123,'
              f'"generation":"019ab7f0d2bb0000","md5":"{i:032x}","volumes":["{volume}"]}}')
    print(f'{{"end":true,"keys":{count},"unlinked":0,"orphans":0}}')


def ask(connection, method, path, body=None):
    connection.request(method, path, body)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def list_page(host, path, element):
    """The median of 21 pages, on a connection that is open."""
    connection = http.client.HTTPConnection(host)
    times = []
    for _ in range(21):
        begun = time.perf_counter()
        status, _, body = ask(connection, "GET", path)
        times.append(time.perf_counter() - begun)
        if status != 200 or body.count(f"<{element}>".encode()) != 1000:
            sys.exit(f"bench_s3.py: GET {path}: {status} {body[:300]}")
    print(f"{sorted(times)[10] * 1000:.2f}")


def complete(host, path, file, parts):
    connection = http.client.HTTPConnection(host)
    with open(file, "rb") as f:
        data = f.read()
    _, _, body = ask(connection, "POST", path + "?uploads")
    upload = re.search(rb"<UploadId>(.*)</UploadId>", body)
    if not upload:
        sys.exit(f"bench_s3.py: no upload: {body[:300]}")
    upload = upload[1].decode()
    wanted = ""
    for n in range(1, int(parts) + 1):
        status, headers, body = ask(connection, "PUT", f"{path}?partNumber={n}&uploadId={upload}", data)
        if status != 200:
            sys.exit(f"bench_s3.py: part {n}: {status} {body[:300]}")
        wanted += f"<Part><PartNumber>{n}</PartNumber><ETag>{headers['ETag']}</ETag></Part>"
    wanted = f"<CompleteMultipartUpload>{wanted}</CompleteMultipartUpload>"
    begun = time.perf_counter()
    status, _, body = ask(connection, "POST", f"{path}?uploadId={upload}", wanted)
    took = time.perf_counter() - begun
    if status == 501:
        print("missing")
    elif status != 200 or b"<ETag>" not in body:
        sys.exit(f"bench_s3.py: Complete: {status} {body[:300]}")
    else:
        print(f"{took:.4f}")


if __name__ == "__main__":
    {"sign": sign, "dump": dump, "list": list_page, "complete": complete}[sys.argv[1]](*sys.argv[2:])
