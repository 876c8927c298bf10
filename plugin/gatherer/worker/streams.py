"""The worker's stdin, stdout and stderr, whatever they are: pipes, files, sockets or a terminal.

What this decides: an answer waits for a slow reader, a missing reader ends the worker, and half a
line that a terminal keeps is forgotten with the request that it belonged to.
"""

from __future__ import annotations

import os
import select
import termios
from typing import Final

_CHUNK: Final = 1 << 16


class Left(Exception):
    """The worker is to end with `code`."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write everything, waiting where the other side is slow.

    Raises:
        Left: nobody reads it.
    """
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            select.select([], [descriptor], [])
        except OSError as error:
            raise Left(1) from error


def read_some(descriptor: int) -> bytes | None:
    """Read what is there: nothing at the end, None when it has to be waited for."""
    try:
        return os.read(descriptor, _CHUNK)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def readable(descriptor: int) -> bool:
    """Say whether there is something to read now."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return any(event & select.POLLIN for _, event in poll.poll(0))


def forget_half_a_line(descriptor: int) -> None:
    """Drop what a terminal keeps of a line that has no end yet."""
    if os.isatty(descriptor):
        termios.tcflush(descriptor, termios.TCIFLUSH)
