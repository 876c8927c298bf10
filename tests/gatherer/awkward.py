"""An awkward tree, and what becomes of it: the written table of results."""

from __future__ import annotations

import os
import socket
from pathlib import Path

BIG = 50_000_000


def make(top: Path) -> None:
    """Make one of everything that has ever troubled a collector."""
    d = top / "d"
    (d / "sub").mkdir(parents=True)
    (d / "a.txt").write_text("a" * 100)
    (d / "sub/b.txt").write_text("b" * 100)
    (d / ".hidden").write_text("hidden")
    (d / ".config").mkdir()
    (d / ".config/rc").write_text("rc")
    (d / "sp ace.txt").write_text("space")
    (d / "new\nline.txt").write_text("newline")
    Path(os.fsdecode(os.fsencode(d) + b"/latin-\xe9.txt")).write_text("latin")
    (d / "blank ").write_text("blank at the end")
    (d / "empty").touch()
    os.link(d / "a.txt", d / "hard.txt")
    for name, target in (
        ("filelink", "a.txt"),
        ("dirlink", "sub"),
        ("abslink", str(d / "a.txt")),
        ("outlink", "/etc/hostname"),
        ("dangling", "nowhere"),
        ("selflink", "selflink"),
        ("loop1", "loop2"),
        ("loop2", "loop1"),
        ("uplink", ".."),
    ):
        (d / name).symlink_to(target)
    os.mkfifo(d / "fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.getcwd()
        os.chdir(d)  # the address of a socket is short
        listening.bind("socket")
        os.chdir(here)
    if os.geteuid() == 0:
        os.mknod(d / "null", 0o20666, os.makedev(1, 3))
    with open(d / "sparse", "wb") as file:
        file.truncate(BIG)
        file.seek(BIG // 2)
        file.write(b"in the middle")
    (d / "mode0").write_text("unreadable")
    os.chmod(d / "mode0", 0)
    (d / "setuid").write_text("x")
    os.chmod(d / "setuid", 0o4750)
    for one in ("a.txt", ".hidden", "sub/b.txt"):
        os.utime(d / one, (1_000_000_000, 1_000_000_000))


TABLE: dict[str, tuple[int, str, int, int, str]] = {
    # path: code, kind, bytes written, bytes left out, text
    "": (0, "d", 0, 0, ""),
    ".config": (0, "d", 0, 0, ""),
    ".config/rc": (0, "f", 2, 0, ""),
    ".hidden": (0, "f", 6, 0, ""),
    "a.txt": (0, "f", 100, 0, ""),
    "abslink": (0, "l", 0, 0, "{d}/a.txt"),
    "blank ": (0, "f", 16, 0, ""),
    "dangling": (0, "l", 0, 0, "nowhere"),
    "dirlink": (0, "l", 0, 0, "sub"),
    "empty": (0, "f", 0, 0, ""),
    "fifo": (0, "p", 0, 0, ""),
    "filelink": (0, "l", 0, 0, "a.txt"),
    "hard.txt": (0, "f", 100, 0, ""),
    "latin-\udce9.txt": (0, "f", 5, 0, ""),
    "loop1": (0, "l", 0, 0, "loop2"),
    "loop2": (0, "l", 0, 0, "loop1"),
    "mode0": (0, "f", 10, 0, ""),
    "new\nline.txt": (0, "f", 7, 0, ""),
    "null": (0, "c", 0, 0, ""),
    "outlink": (0, "l", 0, 0, "/etc/hostname"),
    "selflink": (0, "l", 0, 0, "selflink"),
    "setuid": (0, "f", 1, 0, ""),
    "socket": (0, "s", 0, 0, ""),
    "sp ace.txt": (0, "f", 5, 0, ""),
    "sparse": (0, "f", 4096, 0, ""),
    "sub": (0, "d", 0, 0, ""),
    "sub/b.txt": (0, "f", 100, 0, ""),
    "uplink": (0, "l", 0, 0, ".."),
}
"""What `globcp` says of each object below d, run as root and without a limit."""
