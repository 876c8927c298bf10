"""Raw talk with agents of QEMU's kind, ours and the real one."""

from __future__ import annotations

import re
import socket

from e2e.processes import PATIENCE, eventually

BLOCKED = (
    "guest-shutdown,guest-suspend-disk,guest-suspend-ram,guest-suspend-hybrid,"
    "guest-fsfreeze-freeze,guest-fsfreeze-freeze-list,guest-set-time,guest-set-user-password,"
    "guest-set-vcpus,guest-set-memory-blocks,guest-fstrim"
)
CONFIG = """
import agentlib, plugins
agentlib.register(
    plugins.UnixSocket({path!r}),
    plugins.QemuParser(state_dir={folder!r}, block={block!r}.split(",")),
)
"""
END = b'\xff{"execute":"guest-sync","arguments":{"id":424242}}\n'
RESET = b'{"error": {"class": "GenericError", "desc": "JSON parse error, stray \'\\uFFFD\'"}}\n'


class Talk:
    """A raw connection; to an agent that has just been started, as soon as it listens."""

    def __init__(self, path: str) -> None:
        self._socket = eventually(lambda: _connected(path))
        self._socket.settimeout(PATIENCE)

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()

    def line(self, data: bytes) -> bytes:
        """Send bytes, and give the line that answers."""
        self._socket.sendall(data)
        got = b""
        while not got.endswith(b"\n"):
            piece = self._socket.recv(1 << 16)
            assert piece, got
            got += piece
        return got

    def ask(self, data: bytes) -> bytes:
        """Send bytes, then a reset and a sync, and give what came before the sync's answer."""
        self._socket.sendall(data)
        self._socket.sendall(END)
        got = b""
        while b'{"return": 424242}\n' not in got:
            piece = self._socket.recv(1 << 16)
            assert piece, got
            got += piece
        return got.partition(b'{"return": 424242}\n')[0].replace(RESET, b"", 1)


def _connected(path: str) -> socket.socket | None:
    """Connect; a socket's name is there a moment before somebody listens."""
    connection = socket.socket(socket.AF_UNIX)
    if connection.connect_ex(path) == 0:
        return connection
    connection.close()
    return None


def masked(answer: bytes) -> bytes:
    """Hide what differs from run to run."""
    answer = re.sub(rb'"pid": \d+', b'"pid": P', answer)
    return re.sub(rb'"version": "[^"]*", "supported', b'"version": "V", "supported', answer)
