"""The worker's hands: one at a time, asked, heard, and killed when it hangs.

What this decides: when a hand is started, what is kept from one to the next, and what a killed one
leaves behind (nothing: what it was writing is removed, and what it touched is passed over).
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
from collections.abc import Callable
from typing import Final

from attrs import frozen

from plugin.gatherer.protocol.requests import Request
from plugin.gatherer.worker import hand
from plugin.gatherer.worker.board import PARTIAL, TOUCHED, Board, Memory
from plugin.gatherer.worker.processes import PATIENCE

_WALKING: Final = (b"plan", b"pull", b"globcp")


@frozen
class Answer:
    """The last part of an answer, where it lies; `earlier` are the parts before it."""

    earlier: tuple[bytes, ...]
    part: memoryview


@frozen
class Words:
    """What a hand that met the unforeseen has to say on stderr; its end follows."""

    text: bytes


class HandLost(Exception):
    """The hand has ended by itself."""


class Hands:
    """One hand, and the next when it is gone.

    Args:
        root: a directory that all paths are meant in, or empty.
        others: descriptors of the worker that a hand must not hold.
    """

    def __init__(self, root: bytes, others: tuple[int, ...]) -> None:
        self._memory = Memory(root=root)
        self._board = Board()
        self._others = others
        self._hand: tuple[int, socket.socket] | None = None
        self._parts: list[bytes] = []

    @property
    def processes(self) -> tuple[int, ...]:
        """The hand's process id, if there is one."""
        return () if self._hand is None else (self._hand[0],)

    @property
    def descriptor(self) -> int:
        """What to wait for, or -1."""
        return -1 if self._hand is None else self._hand[1].fileno()

    def ask(self, request: Request) -> None:
        """Pass a request on."""
        self._forget_plan(request)
        self._send(request.name, request.params)

    def _send(self, name: bytes, params: tuple[bytes, ...], passed: int = -1) -> None:
        try:
            hand.ask(self._here(), name, params, passed)
        except OSError:
            # it was killed by others while it had nothing to do: another one does it
            self.end()
            hand.ask(self._here(), name, params, passed)

    def _here(self) -> socket.socket:
        if self._hand is None:
            self._hand = hand.start(self._memory, self._board, self._others)
        return self._hand[1]

    def _forget_plan(self, request: Request) -> None:
        # a hand that has to go on with a plan must know how it was made
        if request.name.startswith(b"plan"):
            self._memory.position = 0
            self._memory.excluded = request.params[4:]
        elif request.name.startswith(b"globcp"):
            self._memory.position = 0

    def hear(self) -> Answer | Words | None:
        """Take what the hand says; None for a part that is kept until the last one comes.

        Raises:
            HandLost: it is gone.
        """
        assert self._hand is not None
        wire = self._hand[1]
        reply = hand.hear(wire)
        if len(reply) < hand.REPLY.size:
            raise HandLost
        word, start, count, position = hand.REPLY.unpack(reply)
        part = self._board.area[start : start + count]
        if word == b"X":
            return Words(bytes(part))
        if word == b"P":
            self._parts.append(bytes(part))
            wire.sendall(b"k")
            return None
        self._memory.position = position
        earlier, self._parts = tuple(self._parts), []
        return Answer(earlier, part)

    def store(self, path: bytes, size: int, descriptor: int, wait: Callable[[int], bool]) -> bytes:
        """Write what a command said into a file; give the code.

        Args:
            path: the file.
            size: bytes.
            descriptor: of an unnamed file that holds them.
            wait: waits until a descriptor has something, and says whether to go on.
        """
        self._send(b"store", (path, b"%d" % size), descriptor)
        if not wait(self.descriptor):
            self.lose(b"store")
            return b"4"  # EINTR
        try:
            answer = self.hear()
        except HandLost:
            answer = None
        if not isinstance(answer, Answer):
            self.lose(b"store")
            return b"5"  # EIO
        return bytes(answer.part)

    def lose(self, name: bytes) -> None:
        """Kill the hand, note where it hung, and remove what it was writing.

        Args:
            name: the request that it was at.
        """
        self._parts.clear()
        if self._hand is None:
            return
        if name.removesuffix(b"0") in _WALKING:
            self._memory.stuck.add(self._board.noted(TOUCHED))
        partial = self._board.noted(PARTIAL)
        self.end()
        self._board.note(PARTIAL, b"")
        if partial:
            self._sweep(partial)

    def _sweep(self, partial: bytes) -> None:
        wire = self._here()
        hand.ask(wire, b"sweep", (partial,))
        if not _ready(wire.fileno(), PATIENCE) or not hand.hear(wire):
            self.end()

    def end(self) -> None:
        """Kill the hand; one that not even SIGKILL ends is left behind."""
        if self._hand is None:
            return
        process, wire = self._hand
        self._hand = None
        wire.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        with contextlib.suppress(OSError):
            watch = os.pidfd_open(process)
            _ready(watch, PATIENCE)
            os.close(watch)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process, os.WNOHANG)


def _ready(descriptor: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
