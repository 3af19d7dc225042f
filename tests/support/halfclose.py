#!/usr/bin/env python3
"""Sends stdin to 127.0.0.1:PORT, shuts its sending side down at once, as `nc -N` does, and prints
what comes back.

    halfclose.py PORT
"""
import socket
import sys

client = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=60)
client.sendall(sys.stdin.buffer.read())
client.shutdown(socket.SHUT_WR)
while chunk := client.recv(65536):
    sys.stdout.buffer.write(chunk)
