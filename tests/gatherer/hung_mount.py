"""A file system that hangs: run as a program, it mounts itself with FUSE and never answers a read.

    python hung_mount.py DIRECTORY

`DIRECTORY/hung` is a file that can be looked at and opened, and whose reads wait for ever, as those
of a dead NFS server do: at no signal but SIGKILL they end. `DIRECTORY/dead` is a directory whose
listing does the same. To make a file in it waits as well, until a signal comes. Says "ready" on
stdout; ends, and unmounts, at the end of stdin.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
import threading

LOOKUP, GETATTR, OPEN, READ, STATFS, RELEASE, INIT = 1, 3, 14, 15, 17, 18, 26
OPENDIR, READDIR, RELEASEDIR, ACCESS, INTERRUPT, FORGET = 27, 28, 29, 34, 36, 2
MKNOD, CREATE = 8, 35
NODES = {b"hung": 2, b"dead": 3}


def attributes(node: int) -> bytes:
    mode = 0o100644 if node == 2 else 0o40755
    size = 100 if node == 2 else 0
    return struct.pack(
        "<QQQQQQIIIIIIIIII", node, size, 1, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0
    )


def listing() -> bytes:
    out = b""
    for name, node in ((b".", 1), (b"..", 1), (b"hung", 2), (b"dead", 3)):
        entry = struct.pack("<QQII", node, len(out) + 1, len(name), 8 if node == 2 else 4) + name
        out += entry + bytes(-len(entry) % 8)
    return out


def answer(code: int, node: int, body: bytes) -> bytes | int | None:
    """Give the answer, a negative errno, or None for silence."""
    if code == INIT:
        return struct.pack("<IIIIHHIIHHI28x", 7, 31, 65536, 0, 12, 10, 65536, 1, 0, 0, 0)
    if code == GETATTR:
        return struct.pack("<QII", 0, 0, 0) + attributes(node)
    if code == LOOKUP:
        found = NODES.get(body.rstrip(b"\0"))
        if found is None or node != 1:
            return -2
        return struct.pack("<QQQQII", found, 0, 0, 0, 0, 0) + attributes(found)
    if code in (OPEN, OPENDIR):
        return struct.pack("<QII", node, 0, 0)
    if code == READDIR and node == 1:
        offset, size = struct.unpack_from("<QQI", body, 8)[0], struct.unpack_from("<I", body, 16)[0]
        return listing()[:size] if offset == 0 else b""
    if code in (READ, READDIR, MKNOD, CREATE, INTERRUPT, FORGET):
        return None
    if code in (RELEASE, RELEASEDIR, ACCESS):
        return b""
    return -38


def serve(device: int) -> None:
    making: set[int] = set()
    while True:
        try:
            request = os.read(device, 1 << 17)
        except OSError:
            return
        _, code, unique, node = struct.unpack_from("<IIQQ", request)
        given = answer(code, node, request[40:])
        if code in (MKNOD, CREATE):
            making.add(unique)
        elif code == INTERRUPT and (waiting := struct.unpack_from("<Q", request, 40)[0]) in making:
            making.discard(waiting)
            given, unique = -errno.EINTR, waiting
        if given is None:
            continue
        error, body = (given, b"") if isinstance(given, int) else (0, given)
        try:
            os.write(device, struct.pack("<IiQ", 16 + len(body), error, unique) + body)
        except OSError:
            continue


def main() -> None:
    where = sys.argv[1].encode()
    libc = ctypes.CDLL(None, use_errno=True)
    device = os.open("/dev/fuse", os.O_RDWR)
    options = b"fd=%d,rootmode=40000,user_id=0,group_id=0" % device
    if libc.mount(b"hung", where, b"fuse", 0, options):
        sys.exit(os.strerror(ctypes.get_errno()))
    threading.Thread(target=serve, args=(device,), daemon=True).start()
    os.write(1, b"ready\n")
    sys.stdin.read()
    libc.umount2(where, 2)
    os._exit(0)


if __name__ == "__main__":
    main()
