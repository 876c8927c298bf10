"""A filter wheel on a serial line; a pseudo terminal stands in for the wheel and its line.

    co2-markd bench wheel -m plugin.mktl.examples.wheel
    co2-mark set bench.filter=red
    co2-mark get bench.filter --formatted

`perform_set` blocks until the wheel is there, as simple drivers do: it runs in a thread, its SETs
one after the other, and nobody else waits for it. `-a /dev/ttyUSB0` uses a real line.
"""

from __future__ import annotations

import os
import pty
import select
import threading
import time
import tty
from typing import Any

from plugin import mktl

FILTERS = {0: "open", 1: "red", 2: "green", 3: "blue"}
STEP = 0.02
"""Seconds that the stand-in takes from one filter to the next."""
PATIENCE = 5.0


class Wheel:
    """The stand-in: answers `?` with the position, moves on `G<n>` and says `D` when it is there.

    Attributes:
        path: the terminal to open.
    """

    def __init__(self) -> None:
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self._position = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        rest = b""
        while True:
            try:
                rest += os.read(self._master, 100)
            except OSError:
                return
            *lines, rest = rest.split(b"\n")
            for line in lines:
                os.write(self._master, self._obey(line) + b"\n")

    def _obey(self, line: bytes) -> bytes:
        if line == b"?":
            return b"P%d" % self._position
        if line[:1] == b"G" and line[1:].isdigit() and int(line[1:]) in FILTERS:
            wanted = int(line[1:])
            time.sleep(STEP * abs(wanted - self._position))
            self._position = wanted
            return b"D"
        return b"E"

    def close(self) -> None:
        """Unplug it."""
        os.close(self._slave)
        os.close(self._master)


class Line:
    """One question at a time on a serial line.

    Raises:
        OSError: the line cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_NOCTTY)
        self._lock = threading.Lock()

    def ask(self, question: bytes) -> bytes:
        """Send a line, and give the one that comes back.

        Raises:
            TimeoutError: none comes in time.
        """
        with self._lock:
            os.write(self._file, question + b"\n")
            answer = b""
            while not answer.endswith(b"\n"):
                ready, _, _ = select.select([self._file], [], [], PATIENCE)
                if not ready:
                    raise TimeoutError("the wheel does not answer")
                answer += os.read(self._file, 100)
            return answer.strip()

    def close(self) -> None:
        """Close the line."""
        os.close(self._file)


class Filter(mktl.Item):
    """The filter in the beam."""

    def __init__(self, *args: Any, line: Line, **named: Any) -> None:
        super().__init__(*args, **named)
        self._line = line

    def req_refresh(self) -> dict[str, Any]:
        """Ask the wheel where it is."""
        return {"value": int(self._line.ask(b"?")[1:]), "time": time.time()}

    def perform_set(self, new_value: int) -> None:
        """Turn the wheel, and wait until it is there."""
        if self._line.ask(b"G%d" % new_value) != b"D":
            raise RuntimeError("the wheel refuses to move")


class Daemon(mktl.Daemon):
    """Serves the wheel."""

    def describe_items(self) -> dict[str, Any]:
        """Describe the one item."""
        words = {str(number): word for number, word in FILTERS.items()}
        return {
            "filter": {"type": "enumerated", "enumerators": words, "description": "The filter."}
        }

    def setup(self) -> None:
        """Open the line: the one that `-a` names, or a stand-in's."""
        path = getattr(self.arguments, "appconfig", None)
        self._wheel: Wheel | None = None if path else Wheel()
        self._line = Line(str(path) if self._wheel is None else self._wheel.path)
        self.add_item(Filter, "filter", line=self._line)

    def setup_final(self) -> None:
        """Know where it is before anybody asks."""
        self.store["filter"].req_poll()

    def cleanup(self) -> None:
        """Close the line, if `setup` came so far."""
        for end in (getattr(self, "_line", None), getattr(self, "_wheel", None)):
            if end is not None:
                end.close()
