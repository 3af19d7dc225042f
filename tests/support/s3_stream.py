#!/usr/bin/env python3
"""PUTs 70,000 bytes in aws-chunked, signed, with one thing wrong: s3_stream.py URL ACCESS:SECRET FORM:FAULT...

A FORM is "signed" (STREAMING-AWS4-HMAC-SHA256-PAYLOAD), "trailer" (the same with -TRAILER) or "unsigned"
(STREAMING-UNSIGNED-PAYLOAD-TRAILER). A FAULT:

    none      nothing is wrong
    seed      the signature of the head is another
    chunk     the signature of the second chunk is another
    byte      a byte of the second chunk is another than was signed
    order     the second chunk comes first
    last      the last chunk, which is empty, doesn't come
    length    one byte more is announced
    trailer   the signature of the trailer is another
    value     the trailer is signed, and no checksum of the value
    missing   the trailer that is announced doesn't come

Prints for each the status, and the code of S3's error if there is one.
"""
import base64
import hashlib
import hmac
import http.client
import re
import sys
import time
import urllib.parse
import zlib

FORMS = {
    "signed": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "trailer": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "unsigned": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
}
VALUE = b"".join(b"%07d " % n for n in range(70000 // 8))
PIECES = [VALUE[:65536], VALUE[65536:], b""]
NOTHING = hashlib.sha256(b"").hexdigest()

URL = urllib.parse.urlsplit(sys.argv[1])
ACCESS, SECRET = sys.argv[2].split(":")
NOW = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
SCOPE = f"{NOW[:8]}/us-east-1/s3/aws4_request"


def sign(kind, *lines):
    key = ("AWS4" + SECRET).encode()
    for word in SCOPE.split("/"):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    text = "\n".join((kind, NOW, SCOPE) + lines)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


class Upload:
    def __init__(self, form, fault):
        self.form, self.fault = form, fault

    def spoiled(self, signature, fault):
        return signature[::-1] if fault == self.fault else signature

    def head(self):
        """The headers, and the signature of them, from which that of the first chunk is made."""
        headers = {
            "host": URL.netloc,
            "x-amz-content-sha256": FORMS[self.form],
            "x-amz-date": NOW,
            "x-amz-decoded-content-length": str(len(VALUE) + (self.fault == "length")),
        }
        if self.form != "signed":
            headers["x-amz-trailer"] = "x-amz-checksum-crc32"
        names = ";".join(sorted(headers))
        lines = [f"{name}:{headers[name]}" for name in sorted(headers)]
        request = "\n".join(["PUT", URL.path, "", *lines, "", names, FORMS[self.form]])
        seed = sign("AWS4-HMAC-SHA256", hashlib.sha256(request.encode()).hexdigest())
        credential = f"Credential={ACCESS}/{SCOPE}, SignedHeaders={names}, Signature={self.spoiled(seed, 'seed')}"
        return {**headers, "Authorization": f"AWS4-HMAC-SHA256 {credential}"}, seed

    def chunks(self, signature):
        """The chunks, framed, and the signature of the last one."""
        framed = []
        for number, piece in enumerate(PIECES):
            extension = b""
            if self.form != "unsigned":
                digest = hashlib.sha256(piece).hexdigest()
                signature = sign("AWS4-HMAC-SHA256-PAYLOAD", signature, NOTHING, digest)
                extension = b";chunk-signature=" + self.spoiled(signature, "chunk" if number == 1 else "").encode()
            if number == 1 and self.fault == "byte":
                piece = b"x" + piece[1:]
            end = b"\r\n" if piece else b""
            framed.append(b"%x%s\r\n%s%s" % (len(piece), extension, piece, end))
        if self.fault == "order":
            framed[:2] = framed[1::-1]
        if self.fault == "last":
            framed.pop()
        return b"".join(framed), signature

    def trailer(self, signature):
        if self.form == "signed" or self.fault == "missing":
            return b""
        value = zlib.crc32(VALUE + (b"x" if self.fault == "value" else b"")).to_bytes(4, "big")
        line = f"x-amz-checksum-crc32:{base64.b64encode(value).decode()}"
        if self.form == "unsigned":
            return f"{line}\r\n".encode()
        own = sign("AWS4-HMAC-SHA256-TRAILER", signature, hashlib.sha256(f"{line}\n".encode()).hexdigest())
        return f"{line}\r\nx-amz-trailer-signature:{self.spoiled(own, 'trailer')}\r\n".encode()

    def send(self):
        headers, seed = self.head()
        body, signature = self.chunks(seed)
        if self.fault != "last":
            body += self.trailer(signature) + b"\r\n"
        connection = http.client.HTTPConnection(URL.netloc, timeout=60)
        try:
            connection.request("PUT", URL.path, body, headers)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before all of it was sent: the answer is there
        answer = connection.getresponse()
        code = re.search(rb"<Code>(.*)</Code>", answer.read())
        connection.close()
        return " ".join([str(answer.status)] + ([code[1].decode()] if code else []))


for case in sys.argv[3:]:
    print(case, Upload(*case.split(":")).send())
