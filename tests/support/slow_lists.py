#!/usr/bin/env python3
"""Begins N DeleteObjects of BUCKET at 127.0.0.1:PORT and holds them, each but for its end; or whole,
one after the other, and reads no more of their answers, six times as long, than the status.

    slow_lists.py PORT BUCKET N ANSWERED [short|whole]

Waits until so many are answered, prints how often each status came, as "503x50", and then "held";
at the end of stdin it goes.
"""
import collections
import select
import socket
import sys

PORT, BUCKET, N, ANSWERED = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
WHOLE = sys.argv[5:] == ["whole"]
SHORT = sys.argv[5:] == ["short"]
END = "</Delete>"
QUOTE = '"'
if WHOLE:
    ENTRIES = f"<Object><Key>{QUOTE * 1000}</Key></Object>" * 1000
else:
    ENTRIES = f"<Object><Key>{'k' * 1000}</Key><ETag>{'e' * 1000}</ETag></Object>" * (1 if SHORT else 500)
LIST = f"<Delete>{ENTRIES}{END if WHOLE else ''}".encode()
LENGTH = len(LIST) if WHOLE else len(LIST) + len(END)


def begin():
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(60)
    client.connect(("127.0.0.1", PORT))
    head = f"POST /{BUCKET}?delete HTTP/1.1\r\nHost: x\r\nContent-Length: {LENGTH}\r\n\r\n"
    try:
        client.sendall(head.encode() + LIST)
    except OSError:
        pass  # refused already; the answer is there all the same
    return client


def status(client):
    try:
        return client.recv(12)[9:].decode()
    except OSError:
        return "000"


counts = collections.Counter()
clients = []
for n in range(N):
    clients.append(begin())
    if WHOLE:
        counts[status(clients[-1])] += 1
waiting = set(clients)
while counts.total() < ANSWERED:
    ready = select.select(list(waiting), [], [])[0]
    counts.update(status(client) for client in ready)
    waiting -= set(ready)
print(*(f"{each}x{n}" for each, n in sorted(counts.items())), "held", flush=True)
sys.stdin.read()
