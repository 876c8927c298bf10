"""Files in, files out: the exchange that needs nothing but a folder.

`requests/<name>` holds a request, `responses/<name>` its answer. Whoever asks writes the file under
another name (with a dot before it) and renames it, and removes the answer; answers that nobody took
are removed after an hour in which this exchange has seen them. An answer is written before its
request is removed, so that a crash between the two asks again instead of losing it. One that cannot
be written waits for room, and its command does not run again.

Ages and pauses are measured by the reactor's clock, which nobody sets; the wall clock is only held
against the modification time of the folder, which is made by it.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from zope.interface import implementer

from plugin.guest.exchange.waiting import Waiting
from plugin.guest.interfaces import IExchange

_log = Logger()
INTERVAL = 0.05
MOST_BYTES = 4 * 1024 * 1024
EXPIRY = 3600.0
AGAIN = 1.0
"""Seconds between tries to write answers for which there was no room."""


@implementer(IExchange)
class Directory:
    """Looks into a folder twenty times a second; only its modification time where nothing came."""

    def __init__(self, folder: str, now: Callable[[], float] = time.time) -> None:
        """Take a folder, which is made with mode 0700 if it is not there.

        Args:
            folder: where.
            now: UNIX seconds, to compare with the folder's modification time.
        """
        self._requests = Path(folder, "requests")
        self._responses = Path(folder, "responses")
        self._now = now
        self._waiting = Waiting()
        self._known: set[str] = set()
        self._seen = -1
        self._looking: LoopingCall | None = None
        self._reactor: Any = None
        self._swept = self._tried = 0.0
        self._answers: dict[str, float] = {}
        self._unsent: dict[str, bytes] = {}

    def start(self, reactor: Any) -> None:
        """Begin to look."""
        for one in (self._requests, self._responses):
            one.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._reactor = reactor
        self._sweep()
        self._looking = LoopingCall(self.look)
        self._looking.clock = reactor
        self._looking.start(INTERVAL)

    def get_request(self) -> Deferred[Any]:
        """Give the next request: {'path': its name, 'data': its text}."""
        return self._waiting.get()

    def put_response(self, request: Any, response: Any) -> Deferred[None]:
        """Write the answer, then remove the request."""
        data = response["data"]
        raw = data if isinstance(data, bytes) else data.encode("utf-8")
        try:
            self._write(request["path"], raw)
        except OSError as error:
            _log.warn("an answer waits, as it cannot be written: {why}", why=error.strerror)
            self._unsent[request["path"]] = raw
            self._tried = self._reactor.seconds()
        return succeed(None)

    def discard_request(self, request: Any) -> Deferred[None]:
        """Remove the request."""
        self._remove(request["path"])
        return succeed(None)

    def close(self) -> Deferred[None]:
        """Stop looking."""
        self._waiting.close()
        if self._looking is not None and self._looking.running:
            self._looking.stop()
        return succeed(None)

    def look(self) -> None:
        """Take what is new, in the order in which it came."""
        try:
            changed = self._requests.stat().st_mtime_ns
            if changed != self._seen:
                # A file that comes within the clock's grain of this look is seen by the next one.
                fresh = self._now() * 1e9 - changed > 1e8
                self._seen = changed if fresh else -1
                self._take()
            if self._reactor.seconds() - self._swept > EXPIRY / 10:
                self._sweep()
        except OSError as error:
            _log.warn("cannot look for requests: {why}", why=error.strerror)
            self._waiting.fail(error)
        if self._unsent and self._reactor.seconds() - self._tried > AGAIN:
            self._try_again()

    def _write(self, name: str, raw: bytes) -> None:
        beside = self._responses / f".{name}.{secrets.token_hex(4)}"
        try:
            beside.write_bytes(raw)
            beside.replace(self._responses / name)
        except OSError:
            beside.unlink(missing_ok=True)
            raise
        self._answers[name] = self._reactor.seconds()
        self._remove(name)

    def _remove(self, name: str) -> None:
        (self._requests / name).unlink(missing_ok=True)
        self._known.discard(name)

    def _try_again(self) -> None:
        self._tried = self._reactor.seconds()
        for name, raw in tuple(self._unsent.items()):
            try:
                self._write(name, raw)
            except OSError:
                return
            del self._unsent[name]

    def _take(self) -> None:
        found = []
        for entry in os.scandir(self._requests):
            ours = not entry.name.startswith(".") and not entry.name.endswith("~")
            if ours and entry.name not in self._known and entry.is_file(follow_symlinks=False):
                found.append((entry.stat().st_mtime_ns, entry.name))
        for _, name in sorted(found):
            self._known.add(name)
            with open(self._requests / name, "rb") as file:
                text = file.read(MOST_BYTES + 1)
            data = text.decode("utf-8", "replace") if len(text) <= MOST_BYTES else ""
            self._waiting.put({"path": name, "data": data})

    def _sweep(self) -> None:
        """Remove the answers that were there an hour ago, and take note of the others."""
        self._swept = now = self._reactor.seconds()
        there = os.listdir(self._responses)
        self._answers = {name: self._answers.get(name, now) for name in there}
        for name, seen in self._answers.items():
            if now - seen > EXPIRY:
                (self._responses / name).unlink(missing_ok=True)
