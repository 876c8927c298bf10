"""Network namespaces with a bad wire between them, which drops, delays, reorders and cuts.

How it works. Each host is a network namespace with one end of a veth pair; the other ends stay with
the test, whose thread reads every frame and decides what becomes of it: it is dropped, or goes to
the host that it is for after a delay of its own, so that later frames overtake. So the same bad
luck can be had on any kernel with namespaces (netem is a module that many do not have), can be
changed in an instant, and is drawn from a seed.

Only this machine is involved: no namespace has a way out.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import os
import random
import select
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

_Value = TypeVar("_Value")

_EVERYTHING = 3  # ETH_P_ALL
_OUTGOING = 4  # PACKET_OUTGOING
_CLONE_NEWNET = 0x40000000
_SIOCETHTOOL = 0x8946
_CHECKSUMS_OFF, _SEGMENTS_OFF = 0x17, 0x1F  # ETHTOOL_STXCSUM, ETHTOOL_STSO
_LIBC = ctypes.CDLL(None, use_errno=True)


class NotAllowed(Exception):
    """This machine lets nobody make namespaces, or not this user; the text says what failed."""


class Wire:
    """Joins hosts; a context manager, at whose end everything is gone again.

    Attributes:
        loss: the part of the frames that is dropped.
        delay: seconds that a frame may take; each draws its own.
        cut: names of the hosts that are cut off.
        dropped, passed: frames so far.
    """

    def __init__(self, names: list[str], randomness: random.Random) -> None:
        self.loss = 0.0
        self.delay = 0.0
        self.cut: set[str] = set()
        self.dropped = 0
        self.passed = 0
        self._randomness = randomness
        self._prefix = f"co2-{os.getpid()}-{next(_NUMBERS)}"
        self._names = names
        self._ends: dict[str, socket.socket] = {}
        self._stop, self._stopped = os.pipe()
        self._thread = threading.Thread(target=self._run, name="wire", daemon=True)

    def __enter__(self) -> Wire:
        try:
            for number, name in enumerate(self._names, 1):
                self._add(number, name)
        except (OSError, subprocess.CalledProcessError) as error:
            self._remove()
            said = getattr(error, "stderr", None) or error
            raise NotAllowed(f"no network namespaces here: {said}") from error
        self._thread.start()
        return self

    def __exit__(self, *error: Any) -> None:
        os.write(self._stopped, b"x")
        self._thread.join(10)
        self._remove()

    def address(self, name: str) -> str:
        """Give a host's address on the wire."""
        return f"10.77.0.{self._names.index(name) + 1}"

    def through(self, name: str) -> list[str]:
        """Give the words before a command that run it on a host."""
        return [_ip(), "netns", "exec", self._namespace(name)]

    def inside(self, name: str, do: Callable[[], _Value]) -> _Value:
        """Do something on a host: connections that it opens begin there."""
        result: Future[_Value] = Future()

        def run() -> None:
            try:
                _enter(self._namespace(name))
                result.set_result(do())
            except BaseException as error:
                result.set_exception(error)

        # A thread of its own, since a thread that has gone into a namespace stays there.
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        return result.result()

    # -- making --------------------------------------------------------------------------------

    def _namespace(self, name: str) -> str:
        return f"{self._prefix}-{name}"

    def _add(self, number: int, name: str) -> None:
        namespace, outer = self._namespace(name), _outer(number)
        _run("netns", "add", namespace)
        _run("link", "add", outer, "type", "veth", "peer", "name", "wire", "netns", namespace)
        inside = ("-n", namespace)
        _run(*inside, "link", "set", "lo", "up")
        _run(*inside, "address", "add", f"10.77.0.{number}/24", "dev", "wire")
        _run(*inside, "link", "set", "wire", "up")
        _run("link", "set", outer, "up")
        self.inside(name, _make_plain)
        end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_EVERYTHING))
        end.bind((outer, _EVERYTHING))
        self._ends[name] = end

    def _remove(self) -> None:
        for number, name in enumerate(self._names, 1):
            for words in (
                ("link", "delete", _outer(number)),
                ("netns", "delete", self._namespace(name)),
            ):
                subprocess.run([_ip(), *words], check=False, capture_output=True)
        for end in self._ends.values():
            end.close()
        self._ends.clear()
        for descriptor in (self._stop, self._stopped):
            os.close(descriptor)

    # -- passing frames on ---------------------------------------------------------------------

    def _run(self) -> None:
        poll = select.poll()
        names = {end.fileno(): name for name, end in self._ends.items()}
        for descriptor in (*names, self._stop):
            poll.register(descriptor, select.POLLIN)
        places: dict[bytes, str] = {}
        queue: list[tuple[float, int, str, str, bytes]] = []
        numbers = count()
        while True:
            wait = None if not queue else max(0.0, (queue[0][0] - time.monotonic()) * 1000)
            for descriptor, _ in poll.poll(wait):
                if descriptor == self._stop:
                    return
                source = names[descriptor]
                frame, origin = self._ends[source].recvfrom(65536)
                if origin[2] == _OUTGOING:
                    continue
                places[frame[6:12]] = source
                known = places.get(frame[:6])
                for target in [known] if known else self._ends.keys() - {source}:
                    due = time.monotonic() + self._randomness.random() * self.delay
                    heapq.heappush(queue, (due, next(numbers), source, target, frame))
            while queue and queue[0][0] <= time.monotonic():
                self._deliver(*heapq.heappop(queue)[2:])

    def _deliver(self, source: str, target: str, frame: bytes) -> None:
        if {source, target} & self.cut or self._randomness.random() < self.loss:
            self.dropped += 1
            return
        self.passed += 1
        self._ends[target].send(frame)


_NUMBERS = count()


def _outer(number: int) -> str:
    # A kernel takes 15 characters.
    return f"c{os.getpid()}x{number}"


def _ip() -> str:
    found = shutil.which("ip", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        raise NotAllowed("the program ip is missing (Debian: iproute2)")
    return found


def _run(*words: str) -> None:
    subprocess.run([_ip(), *words], check=True, capture_output=True, text=True)


def _enter(namespace: str) -> None:
    with Path("/run/netns", namespace).open() as file:
        if _LIBC.setns(file.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")


def _make_plain() -> None:
    """Have whole checksums and frames of one segment: what is read here is written as it is."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for command in (_CHECKSUMS_OFF, _SEGMENTS_OFF):
            value = ctypes.create_string_buffer(struct.pack("II", command, 0), 8)
            request = struct.pack("16sP", b"wire", ctypes.addressof(value))
            fcntl.ioctl(control, _SIOCETHTOOL, request)
