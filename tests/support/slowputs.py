#!/usr/bin/env python3
"""Begins N PUTs at 127.0.0.1:PORT and holds them, each with half of its value sent.

    slowputs.py PORT N

Prints "held" once all are under way or refused; at the end of stdin it sends the other halves,
and prints how often each status came, as "201x40 503x260" ("000": no answer).
"""
import collections
import socket
import sys

PORT, N = int(sys.argv[1]), int(sys.argv[2])
SIZE = 1000


def begin(n):
    client = socket.create_connection(("127.0.0.1", PORT), timeout=60)
    head = f"PUT /slow/{n} HTTP/1.1\r\nHost: x\r\nContent-Length: {SIZE}\r\nConnection: close\r\n\r\n"
    client.sendall(head.encode() + b"x" * (SIZE // 2))
    return client


def end(client):
    try:
        client.sendall(b"x" * (SIZE - SIZE // 2))
    except OSError:
        pass  # refused before, perhaps; the answer is there all the same
    data = b""
    try:
        while chunk := client.recv(4096):
            data += chunk
    except OSError:
        pass
    client.close()
    return data[9:12].decode() if data.startswith(b"HTTP/1.1 ") else "000"


clients = [begin(n) for n in range(N)]
print("held", flush=True)
sys.stdin.read()
counts = collections.Counter(end(client) for client in clients)
print(*(f"{status}x{n}" for status, n in sorted(counts.items())), flush=True)
