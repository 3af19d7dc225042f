#!/usr/bin/python3
"""as_unit.py UNIT WRITABLE... -- COMMAND...

Runs COMMAND under the limits that a systemd unit sets, where no systemd runs: its user's rights, its
system calls, its file system. It becomes the user and group $AS_UNIT_UID and $AS_UNIT_GID. WRITABLE
are directories that it may write. A call that the unit refuses ends the process with SIGSYS instead of
failing, so that a test sees it. Needs root.
"""
import ctypes
import errno
import os
import re
import socket
import subprocess
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
SECCOMP = ctypes.CDLL("libseccomp.so.2")
KILL_PROCESS, ALLOW, FAIL = 0x80000000, 0x7FFF0000, 0x50000
EQUAL, MASKED_EQUAL = 4, 7
CLONE_NEWNS = 0x20000
NAMESPACES = 0x7E020080
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38


class Comparison(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


SECCOMP.seccomp_init.restype = ctypes.c_void_p
SECCOMP.seccomp_load.argtypes = [ctypes.c_void_p]
SECCOMP.seccomp_rule_add_array.argtypes = [
    ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(Comparison)]


def check(rc, what):
    if rc < 0:
        sys.exit(f"as_unit.py: {what}: {os.strerror(ctypes.get_errno() or -rc)}")


def read_unit(path):
    """The assignments, each a list of all its values."""
    found = {}
    with open(path, encoding="utf-8") as unit:
        for line in unit:
            name, is_set, value = line.strip().partition("=")
            if is_set and not line.startswith(("#", ";")):
                found.setdefault(name, []).append(value)
    return found


def expand(names):
    """Groups become the calls in them, by what systemd itself says."""
    calls, todo = set(), list(names)
    while todo:
        name = todo.pop()
        if not name.startswith("@"):
            calls.add(name)
            continue
        text = subprocess.run(["systemd-analyze", "--no-pager", "syscall-filter", name],
                              check=True, capture_output=True, text=True).stdout
        todo += re.findall(r"^ +(@?[\w-]+)$", text, re.MULTILINE)
    return calls


def allowed_calls(unit):
    calls = set()
    for value in unit["SystemCallFilter"]:
        if value.startswith("~"):
            calls -= expand(value[1:].split())
        else:
            calls |= expand(value.split())
    return calls


def lock_calls(calls, families):
    context = SECCOMP.seccomp_init(KILL_PROCESS)

    def allow(call, *comparisons, action=ALLOW):
        number = SECCOMP.seccomp_syscall_resolve_name(call.encode())
        if number >= 0:
            array = (Comparison * len(comparisons))(*comparisons)
            check(SECCOMP.seccomp_rule_add_array(context, action, number, len(comparisons), array), call)

    write_and_exec = 2 | 4
    special = {"socket", "mmap", "mprotect", "pkey_mprotect", "clone", "clone3", "unshare", "setns"}
    for call in calls - special:
        allow(call)
    for family in families:
        allow("socket", Comparison(0, EQUAL, getattr(socket, family), 0))
    # MemoryDenyWriteExecute= and RestrictNamespaces=, of which the last can't look into clone3.
    allow("clone3", action=FAIL | errno.ENOSYS)
    for bits in (0, 2, 4):
        allow("mmap", Comparison(2, MASKED_EQUAL, write_and_exec, bits))
    allow("mprotect", Comparison(2, MASKED_EQUAL, 4, 0))
    allow("clone", Comparison(0, MASKED_EQUAL, NAMESPACES, 0))
    check(SECCOMP.seccomp_load(context), "seccomp_load")


def lock_files(writable):
    check(LIBC.unshare(CLONE_NEWNS), "unshare")
    check(LIBC.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "mount")
    for path in writable:
        check(LIBC.mount(path.encode(), path.encode(), None, MS_BIND | MS_REC, None), path)
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        points = [line.split()[1] for line in mounts]
    for point in points:
        if point not in writable and not point.startswith(("/proc", "/sys", "/dev")):
            LIBC.mount(None, point.encode(), None, MS_BIND | MS_REMOUNT | MS_RDONLY, None)


def main():
    end = sys.argv.index("--")
    unit, command = read_unit(sys.argv[1]), sys.argv[end + 1:]
    uid, gid = os.environ["AS_UNIT_UID"], os.environ["AS_UNIT_GID"]
    calls = allowed_calls(unit)
    lock_files([os.path.realpath(path) for path in sys.argv[2:end]])
    if unit["CapabilityBoundingSet"] == [""]:
        for capability in range(64):
            LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.setgroups([])
    os.setgid(int(gid))
    os.setuid(int(uid))
    os.umask(int(unit["UMask"][0], 8))
    check(LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    lock_calls(calls, unit["RestrictAddressFamilies"][0].split())
    os.execv(command[0], command)


main()
