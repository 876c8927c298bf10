"""The hand: the process that touches the file system, and that can be killed.

How it works. A read from a dead NFS server or a broken FUSE mount ends at no signal but SIGKILL,
so the worker keeps its own hands off files and lets a child do it. The two share a `Board`: the
child notes which path it touches and which file it is writing before it does so. When it has to
be killed, the worker starts another one with the same `Memory`, and the request after goes on.

Over the socket between them go a request (its length, then its values as `pack` joins them), and
back `P`, a part of the answer that must be taken before the next one, or `D`, the last part; `X`
comes before the end of a hand that met what nobody foresaw, with the words for stderr.

Invariants. The hand writes to no descriptor that it inherited but the socket and the two unnamed
files. It dies with the worker. It holds no state that a next hand could not do without.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import traceback
from collections.abc import Callable
from typing import Final, NoReturn

from plugin.gatherer.files.paths import Barred, shipped_table
from plugin.gatherer.files.tree import Tree, open_files_here, open_scratch
from plugin.gatherer.worker import looking
from plugin.gatherer.worker.board import Board, Memory, Reach, pack, unpack
from plugin.gatherer.worker.copies import Copies
from plugin.gatherer.worker.processes import die_with_parent
from plugin.gatherer.worker.pulling import Pulling

REPLY: Final = struct.Struct("<cIIq")
"""What comes back: P, D or X, where in the area, how many bytes, the position in the plan."""

_LENGTH: Final = struct.Struct("<I")


class Hand:
    """Carries out requests that come over a socket, one after the other."""

    def __init__(self, memory: Memory, board: Board, wire: socket.socket) -> None:
        # what lies outside of the root must be at hand before it is out of reach
        barred, files, scratch = Barred(shipped_table()), open_files_here(), open_scratch()
        if memory.root:
            os.chroot(memory.root)
            os.chdir("/")
        tree = Tree(barred, files, scratch)
        self._wire = wire
        self._reach = Reach(memory, board, self._part, tree)
        self._copies = Copies(self._reach)
        self._pulling = Pulling(self._reach)

    def work(self) -> None:
        """Carry out requests until the worker ends."""
        while head := self._wire.recv(4, socket.MSG_WAITALL):
            body, passed = self._body(_LENGTH.unpack(head)[0])
            name, *params = unpack(body)
            # no path holds a NUL; an empty one is found nowhere
            params = [b"" if b"\0" in one else one for one in params]
            self._reach.used, self._pulling.start = 0, 0
            self._action(name)(params + [b"%d" % one for one in passed])
            self._reply(b"D", self._pulling.start, self._reach.used)

    def _body(self, length: int) -> tuple[bytes, list[int]]:
        body, passed = b"", []
        while len(body) < length:
            more, files, _, _ = socket.recv_fds(self._wire, length - len(body), 1)
            if not more:
                raise EOFError
            body += more
            passed += files
        return body, passed

    def _action(self, name: bytes) -> Callable[[list[bytes]], None]:
        return {
            b"glob": lambda params: looking.glob_lines(self._reach, params),
            b"glob0": lambda params: looking.glob_framed(self._reach, params),
            b"stat": lambda params: looking.stat(self._reach, params),
            b"read": lambda params: looking.read(self._reach, params),
            b"cp": self._copies.cp,
            b"globcp": self._copies.globcp,
            b"store": self._copies.store,
            b"plan": self._pulling.plan,
            b"pull": self._pulling.pull,
            b"sweep": self._sweep,
        }[name if name == b"glob0" else name.removesuffix(b"0")]

    def _sweep(self, params: list[bytes]) -> None:
        """Remove what a killed hand was writing."""
        with contextlib.suppress(OSError):
            os.unlink(params[0])

    def _part(self, count: int) -> None:
        self._reply(b"P", 0, count)
        if not self._wire.recv(1):
            raise EOFError

    def _reply(self, word: bytes, start: int, count: int) -> None:
        self._wire.sendall(REPLY.pack(word, start, count, self._pulling.position))


def ask(wire: socket.socket, name: bytes, params: tuple[bytes, ...], passed: int = -1) -> None:
    """Send a hand a request, with a descriptor when one is given."""
    body = pack((name, *params))
    wire.sendall(_LENGTH.pack(len(body)))
    if passed >= 0:
        sent = socket.send_fds(wire, [body], [passed])
        body = body[sent:]
    wire.sendall(body)


def hear(wire: socket.socket) -> bytes:
    """Take the head of a hand's answer; less than `REPLY.size` bytes when it is gone."""
    try:
        return wire.recv(REPLY.size, socket.MSG_WAITALL)
    except OSError:
        return b""


def start(memory: Memory, board: Board, close: tuple[int, ...] = ()) -> tuple[int, socket.socket]:
    """Start a hand; give its process id and the worker's end of the socket.

    Args:
        memory: what it goes on from.
        board: where it answers.
        close: descriptors of the worker that are none of its business.
    """
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        _be_hand(memory, board, ours, theirs, close)
    theirs.close()
    return child, ours


def _be_hand(
    memory: Memory, board: Board, ours: socket.socket, theirs: socket.socket, close: tuple[int, ...]
) -> NoReturn:
    try:
        die_with_parent()
        os.setsid()
        for one in (signal.SIGINT, signal.SIGUSR1, signal.SIGTERM, signal.SIGHUP):
            signal.signal(one, signal.SIG_IGN)
        signal.set_wakeup_fd(-1)
        ours.close()
        _let_go(close)
        Hand(memory, board, theirs).work()
    except (EOFError, ConnectionError):
        pass
    except BaseException:
        text = traceback.format_exc().encode(errors="replace")[-4096:]
        board.area[: len(text)] = text
        with contextlib.suppress(OSError):
            theirs.sendall(REPLY.pack(b"X", 0, len(text), 0))
    finally:
        os._exit(0)


def _let_go(close: tuple[int, ...]) -> None:
    """Hold nothing that others wait for the end of: a hand may hang for ever."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in close:
        with contextlib.suppress(OSError):
            os.dup2(nothing, descriptor, inheritable=False)
    os.close(nothing)
