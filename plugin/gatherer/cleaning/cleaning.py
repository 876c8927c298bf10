"""Takes out of texts what would tell who and where: consistently, over all hosts and runs.

How it works. One compiled expression finds candidates; a `Mapping` gives each its stand-in, always
the same one: addresses keep their networks' structure (two hosts of one network stay in one
network), names of hosts, domains and users become numbered ones, keys and fingerprints numbered
tokens. What looks like a secret (passwords, hashes, private keys, tokens) is not mapped but
removed. The mapping is a file of its own, never part of the archive, and can be used again, so that
archives of different days can be compared.

No I/O. Text comes in pieces; a line is cleaned when it is whole, a longer stretch without an end of
line in parts.
"""

from __future__ import annotations

import re
from typing import Final

from plugin.gatherer.cleaning.mapping import Mapping, Names

_MOST_LINE: Final = 1 << 16
REMOVED: Final = b"<removed>"

_V4 = rb"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)"
_MAC = rb"(?<![\w:-])[0-9A-Fa-f]{2}(?:([:-])[0-9A-Fa-f]{2})(?:\1[0-9A-Fa-f]{2}){4}(?![\w:-])"
_V6 = rb"(?<![\w:.-])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:]|\.\d)"
_KEY = rb"\bAAAA[BCE][A-Za-z0-9+/]{32,}={0,3}|\bSHA256:[A-Za-z0-9+/]{43}"

_SECRETS: Final = (
    re.compile(
        rb"(?i)(\b[\w.-]*(?:password|passwd|passphrase|secret|api[_-]?key|auth[_-]?token|"
        rb"access[_-]?token|private[_-]?key|\bpsk|community|credentials?)[\w.-]*[\"']?\s*[=:]\s*)"
        rb"(\"[^\"\r\n]*\"|'[^'\r\n]*'|[^\s,;&]+)"
    ),
    re.compile(rb"(?i)(\b(?:authorization:\s*)?(?:bearer|basic)\s+)([A-Za-z0-9._~+/=-]{8,})"),
    re.compile(rb"(://[^/\s:@]+:)([^/\s@]+)(?=@)"),
    re.compile(rb"()(\$(?:1|2[aby]|5|6|7|y|gy)\$[./A-Za-z0-9$,=]{8,})"),
    re.compile(rb"()(\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}\b)"),
    re.compile(rb"()(\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,})"),
)
_BLOCK_BEGINS = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----")
_BLOCK_ENDS = re.compile(rb"-----END [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----")


class Cleaner:
    """Cleans texts.

    Args:
        mapping: kept between runs.
        names: what has been learnt; `learn` again after adding to it.
    """

    def __init__(self, mapping: Mapping, names: Names | None = None) -> None:
        self.mapping = mapping
        self.names = names or Names()
        self._sorts: dict[str, tuple[str, str]] = {}
        self.learn()

    def learn(self) -> None:
        """Take notice of names that were added."""
        self._sorts = {}
        names = self.names
        for sort, pattern, found in (
            ("word", "word{}", names.words),
            ("user", "user{}", names.users),
            ("host", "host{}", names.hosts),
            ("domain", "domain{}.example", names.domains),
        ):
            for one in sorted(found):
                self._sorts[one.lower()] = (sort, pattern)
        words = sorted(self._sorts, key=lambda one: (-len(one), one))
        listed = b"|".join(re.escape(word.encode()) for word in words)
        named = rb"(?i:(?<![A-Za-z0-9])(?:" + listed + rb")(?![A-Za-z0-9]))" if words else rb"(?!)"
        parts = (rb"(?P<key>" + _KEY + rb")", rb"(?P<name>" + named + rb")")
        # the hardware address's own group keeps its number only in front
        self._expression = re.compile(
            rb"(?P<mac>"
            + _MAC.replace(rb"\1", rb"\2")
            + rb")|"
            + b"|".join(parts)
            + rb"|(?P<v4>"
            + _V4
            + rb")|(?P<v6>"
            + _V6
            + rb")"
        )

    def line(self, data: bytes) -> bytes:
        """Clean a whole line, or any text without a key block in it."""
        for secret in _SECRETS:
            data = secret.sub(rb"\1" + REMOVED, data)
        return self._expression.sub(self._mapped, data)

    def name(self, path: bytes) -> bytes:
        """Clean a path."""
        return self._expression.sub(self._mapped, path)

    def text(self, text: str) -> str:
        """Clean a text for people."""
        return self.line(text.encode(errors="surrogateescape")).decode(errors="surrogateescape")

    def _mapped(self, match: re.Match[bytes]) -> bytes:
        text = match[0].decode("ascii", "replace")
        sort = match.lastgroup
        if sort == "v4":
            return self.mapping.ipv4(text).encode()
        if sort == "v6":
            return self.mapping.ipv6(text).encode()
        if sort == "key":
            return self.mapping.stand_in("key", text, "key{}").encode()
        if sort == "name":
            kind, pattern = self._sorts[text.lower()]
            return self.mapping.stand_in(kind, text.lower(), pattern).encode()
        return self.mapping.mac(text).encode()


class CleanStream:
    """Cleans one content that comes in pieces."""

    def __init__(self, cleaner: Cleaner) -> None:
        self._cleaner = cleaner
        self._rest = b""
        self._in_block = False

    def feed(self, piece: bytes) -> bytes:
        """Take a piece; give what is clean so far."""
        data = self._rest + piece
        end = data.rfind(b"\n") + 1
        if not end and len(data) > _MOST_LINE:
            end = _safe_cut(data)
        self._rest = data[end:]
        return self._lines(data[:end]) if end else b""

    def finish(self) -> bytes:
        """Give the rest."""
        rest, self._rest = self._rest, b""
        return self._lines(rest) if rest else b""

    def _lines(self, data: bytes) -> bytes:
        if not self._in_block and b"PRIVATE KEY" not in data:
            return self._cleaner.line(data)
        out = []
        for line in data.splitlines(keepends=True):
            if self._in_block:
                self._in_block = not _BLOCK_ENDS.search(line)
                continue
            begins = _BLOCK_BEGINS.search(line)
            if begins is None:
                out.append(self._cleaner.line(line))
                continue
            self._in_block = not _BLOCK_ENDS.search(line)
            out.append(self._cleaner.line(line[: begins.start()]) + REMOVED + b"\n")
        return b"".join(out)


def _safe_cut(data: bytes) -> int:
    """Find a place where no name or number can be torn apart."""
    for mark in (b" ", b",", b";", b"}"):
        at = data.rfind(mark, len(data) - 4096)
        if at >= 0:
            return at + 1
    return len(data) - 1024


def looks_binary(data: bytes) -> bool:
    """Say whether a content is no text that could be cleaned."""
    return b"\0" in data[:8192]
