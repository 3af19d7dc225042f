#!/usr/bin/env python3
"""Watches that blobs which nobody changes always have their copies, whatever is done to move them.

    copies_watch.py PREFIX COPIES INDEX-PORT STOP-FILE PORT=DIR...

They are those of the keys with the PREFIX, which it finds below the DIRs of the volumes. It prints "N keys" then. Until STOP-FILE is there, it looks for
each file below each volume's DIR, whether the volume runs or not, and asks the index, if it answers,
which volumes have the key: each of those must have the file. Prints "WRONG ..." for each key with fewer
copies than COPIES, and "samples N" at the end; exit status 0 when nothing was wrong.
"""
import base64
import glob
import http.client
import os
import sys

PREFIX, COPIES, INDEX, STOP = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
DIRS = dict(pair.split("=", 1) for pair in sys.argv[5:])

samples = answers = wrong = 0
connection = None


def find_keys():
    """The path at the volumes of each key, and the value."""
    keys = {}
    for directory in DIRS.values():
        for file in glob.glob(directory + "/[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]/**", recursive=True):
            path = file[len(directory):]
            if os.path.isfile(file):
                key = base64.b64decode(path[7:].rsplit(".", 1)[0]).decode(errors="replace")
                if key.startswith(PREFIX):
                    keys[key] = path, open(file, "rb").read()
    return keys


def holds(directory, path, value):
    try:
        with open(directory + path, "rb") as file:
            return file.read() == value
    except OSError:
        return False


def volumes_of(key):
    """As the index says; nothing while it doesn't answer."""
    global connection
    try:
        if connection is None:
            connection = http.client.HTTPConnection("127.0.0.1", INDEX, timeout=10)
        connection.request("HEAD", key)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        connection = None
        return []
    volumes = answer.getheader("Key-Volumes")
    return volumes.split(",") if volumes else []


def complain(*what):
    global wrong
    wrong += 1
    print("WRONG", *what, flush=True)


def look_at(key, path, value):
    """A copy that is no more named stays for the grace: there is time to look."""
    global samples, answers
    samples += 1
    found = [port for port, directory in DIRS.items() if holds(directory, path, value)]
    if len(found) < COPIES:
        complain(key, "has only", len(found), "copies:", *found)
    for name in volumes_of(key):
        answers += 1
        if not holds(DIRS[name.split(":")[1]], path, value):
            complain(key, "is not on", name)


watched = find_keys()
print(len(watched), "keys", flush=True)
while not os.path.exists(STOP):
    for name, what in watched.items():
        look_at(name, *what)
print("samples", samples, "places", answers)
sys.exit(wrong > 0)
