#!/usr/bin/env python3
"""Begins N DeleteObjects of BUCKET at 127.0.0.1:PORT and holds them, each but for its end.

    slow_lists.py PORT BUCKET N REFUSED

Waits until so many are refused, prints how often each status came, as "503x50", and then "held";
at the end of stdin it goes.
"""
import collections
import select
import socket
import sys

PORT, BUCKET, N, REFUSED = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
ENTRY = f"<Object><Key>{'k' * 1000}</Key><ETag>{'e' * 1000}</ETag></Object>"
LIST = f"<Delete>{ENTRY * 500}".encode()


def begin():
    client = socket.create_connection(("127.0.0.1", PORT), timeout=60)
    head = f"POST /{BUCKET}?delete HTTP/1.1\r\nHost: x\r\nContent-Length: {len(LIST) + 9}\r\n\r\n"
    try:
        client.sendall(head.encode() + LIST)
    except OSError:
        pass  # refused already; the answer is there all the same
    return client


def status(client):
    try:
        return client.recv(4096)[9:12].decode()
    except OSError:
        return "000"


clients = [begin() for n in range(N)]
counts = collections.Counter()
waiting = set(clients)
while counts.total() < REFUSED:
    ready = select.select(list(waiting), [], [])[0]
    counts.update(status(client) for client in ready)
    waiting -= set(ready)
print(*(f"{each}x{n}" for each, n in sorted(counts.items())), "held", flush=True)
sys.stdin.read()
