"""hostile.py PORT VOLUME-PORT MODE-FILE: stands before a volume on 127.0.0.1:PORT, and passes on what
an index or a client asks of it, as the word in MODE-FILE says at each request:

    honest        all is passed on
    redirect      every answer sends elsewhere: to VICTIM (the second word)
    split         the volume's answer has headers on top that nobody should obey
    endless       the body of an answer has no end
    endless-head  the head of an answer has no end
    short         the answer has a byte less than the volume's, and says so
    long          the answer has more bytes than it says
    identity      the answer says that it comes from the volume VICTIM
    interim       no end of "100 Continue"

What the index asks every second, /_mkv/space, and /_mkv/health are lied to only by `identity`, and by
the word `space-` before a mode."""
import re
import socket
import sys
import threading

port, volume, mode_file = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]


def read_head(file):
    lines = []
    while True:
        line = file.readline(65536)
        if not line:
            return None
        lines.append(line)
        if line == b"\r\n":
            return lines


def read_body(lines, file):
    head = b"".join(lines).lower()
    length = re.search(rb"\ncontent-length: *(\d+)", head)
    if b"\ntransfer-encoding: chunked" in head:
        body = b""
        while True:
            size = int(file.readline(), 16)
            body += file.read(size)
            file.readline()
            if size == 0:
                return body
    return file.read(int(length.group(1))) if length else b""


def ask(lines, body):
    """The volume's answer: its head's lines without those about length, and its body."""
    method = lines[0].split()[0]
    kept = [l for l in lines[:-1] if not re.match(rb"(?i)(connection|transfer-encoding|content-length):", l)]
    with socket.create_connection(("127.0.0.1", volume)) as up:
        up.sendall(b"".join(kept) + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body
                   if body or method in (b"PUT", b"POST") else b"".join(kept) + b"Connection: close\r\n\r\n")
        file = up.makefile("rb")
        head = read_head(file)
        got = b"" if method == b"HEAD" else (read_body(head, file) if b"ength" in b"".join(head) or
                                             b"chunked" in b"".join(head) else file.read())
    announced = re.search(rb"(?i)\ncontent-length: *(\d+)", b"".join(head))
    head = [l for l in head[:-1] if not re.match(rb"(?i)(connection|transfer-encoding|content-length):", l)]
    return head, got, int(announced.group(1)) if announced else len(got)


def forever(client, text):
    while True:
        client.sendall(text)


def answer(client, lines, body):
    words = open(mode_file).read().split()
    mode, victim = words[0], (words + [""])[1]
    asked = lines[0].split()[1].split(b"?")[0]
    beat = asked in (b"/_mkv/space", b"/_mkv/health")
    if mode.startswith("space-"):
        mode = mode[6:]
    elif beat and mode != "identity":
        mode = "honest"
    head, got, length = ask(lines, body)
    if mode == "redirect":
        client.sendall(b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n" % victim.encode() +
                       b"".join(l for l in head if l.startswith(b"Mkv-")) + b"\r\n")
    elif mode == "upgrade":
        client.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
                       b"Set-Cookie: a=b\r\n")
        client.shutdown(socket.SHUT_RDWR)
    elif mode == "endless-head":
        client.sendall(head[0])
        forever(client, b"X-Filler: " + b"x" * 1000 + b"\r\n")
    elif mode == "interim":
        forever(client, b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
    elif mode == "endless":
        client.sendall(b"".join(head) + b"Transfer-Encoding: chunked\r\n\r\n")
        forever(client, b"8000\r\n" + b"x" * 0x8000 + b"\r\n")
    else:
        extra = b""
        if mode == "split":
            extra = (b"X-Accel-Redirect: /_mkv/blob/127.0.0.1:%s/none\r\nX-Accel-Limit-Rate: 1\r\n"
                     b"Set-Cookie: a=b\r\nMkv-Ticket: stolen\r\nLocation: http://127.0.0.1/\r\n"
                     b"WWW-Authenticate: Basic\r\nContent-Md5: forged\r\nKey-Volumes: forged\r\n"
                     b"X-Amz-Checksum-Sha256: forged\r\nContent-Encoding: gzip\r\nNEL: {}\r\n" % victim.encode())
        if mode == "identity":
            head = [b"Mkv-Volume-Id: %s\r\n" % victim.encode() if l.startswith(b"Mkv-Volume-Id") else l
                    for l in head]
        if mode == "short" and got:
            got, length = got[:-1], length - 1
        if mode == "long":
            got += b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
        client.sendall(b"".join(head) + extra + b"Content-Length: %d\r\n\r\n" % length + got)


def serve(client):
    file = client.makefile("rb")
    try:
        while True:
            lines = read_head(file)
            if lines is None:
                return
            body = read_body(lines, file)
            answer(client, lines, body)
    except (OSError, ValueError, IndexError):
        pass
    finally:
        client.close()


server = socket.create_server(("127.0.0.1", port))
while True:
    accepted, _ = server.accept()
    threading.Thread(target=serve, args=(accepted,), daemon=True).start()
