"""Where an object of a host lies in the archive, and whether it may come there.

What this decides: names, links, and what is stored already. Nothing that a host says is trusted:
names lose `..` and leading slashes, links are turned so that they stay within the host's own
files, nothing lies below what is no directory, a hard link leads to a file that is there, and an
object is stored once. So whoever unpacks the archive, with whatever, gets nothing outside of its
folder.
"""

from __future__ import annotations

from typing import Final

from plugin.gatherer.archive.digests import Digests
from plugin.gatherer.archive.naming import inner_link, safe_parts
from plugin.gatherer.archive.tarring import Member
from plugin.gatherer.cleaning.cleaning import Cleaner
from plugin.gatherer.protocol.records import Found

STORED: Final = "stored before"
"""Why an object does not come that the archive has already: nothing is missing."""

_NO_HOLES: Final[tuple[tuple[int, int], ...]] = ()


class Placing:
    """One host's part of the archive.

    Args:
        prefix: the host's directory in the archive.
        cleaner: cleans names; None to leave them as they are.
    """

    def __init__(self, prefix: bytes, cleaner: Cleaner | None = None) -> None:
        self.prefix = prefix
        self._cleaner = cleaner
        self._whole = Digests()
        self._links = Digests()
        self._folders = Digests()
        self._cut: dict[bytes, int] = {}

    def name(self, path: bytes) -> bytes:
        """Give the name of an object in the archive."""
        below = [b"files"] if path.startswith(b"/") else []
        return b"/".join([self.prefix, *below, *safe_parts(self._clean(path))])

    def refuses(self, found: Found) -> str:
        """Say why an object does not come, or nothing when it may."""
        parts = safe_parts(found.path)
        if not parts or not (found.path.startswith(b"/") or parts[0] == b"commands"):
            return "no place in the archive is meant for it"
        name = self.name(found.path)
        if self._has(name, found):
            return STORED
        if self._below_other(name):
            return "it is said to lie below what is no directory"
        if found.kind != "d" and name in self._folders:
            return "it is said to be no directory, and something lies below it"
        if found.kind == "h" and not self._is_file(self.name(found.text)):
            return "the file that it is another name of is not in the archive"
        return ""

    def keep(self, name: bytes, kind: str, left_out: int = 0, total: int = 0) -> None:
        """Take note of a member that the archive has, or is about to have."""
        above = name.rpartition(b"/")[0]
        while len(above) > len(self.prefix) and above not in self._folders:
            self._folders.add(above)
            above = above.rpartition(b"/")[0]
        if left_out:
            self._cut[name] = total
            return
        self._whole.add(name)
        self._cut.pop(name, None)
        if kind == "l":
            self._links.add(name)
        elif kind == "d":
            self._folders.add(name)

    def member(self, found: Found, size: int | None = None) -> Member:
        """Give the member that an object becomes.

        Args:
            found: the object.
            size: bytes of its content, where they are not what was announced.
        """
        link, stretches = b"", _NO_HOLES
        if found.kind == "l":
            link = self._clean(inner_link(safe_parts(found.path), found.text))
        elif found.kind == "h":
            link = self.name(found.text)
        elif found.kind == "f" and found.text and self._cleaner is None:
            stretches = _stretches(found.text, found.total)
        return Member(
            self.name(found.path),
            found.kind,
            found.mode,
            found.uid,
            found.gid,
            found.mtime,
            found.total if size is None else size,
            link,
            stretches,
            found.size,
        )

    def _clean(self, path: bytes) -> bytes:
        return path if self._cleaner is None else self._cleaner.name(path)

    def _has(self, name: bytes, found: Found) -> bool:
        if name in self._whole:
            return True
        return bool(found.left_out) and self._cut.get(name, -1) >= found.total

    def _below_other(self, name: bytes) -> bool:
        at = name.find(b"/", len(self.prefix) + 1)
        while at >= 0:
            above = name[:at]
            if (above in self._whole or above in self._cut) and above not in self._folders:
                return True
            at = name.find(b"/", at + 1)
        return False

    def _is_file(self, name: bytes) -> bool:
        return name in self._whole and name not in self._links


def _stretches(text: bytes, total: int) -> tuple[tuple[int, int], ...]:
    """Read the map of a file with holes; one that does not fit its content is no map."""
    numbers = text.split()
    if len(numbers) % 2 or not all(one.isdigit() for one in numbers):
        return ()
    pairs = tuple((int(numbers[at]), int(numbers[at + 1])) for at in range(0, len(numbers), 2))
    return pairs if sum(length for _, length in pairs) == total else ()
