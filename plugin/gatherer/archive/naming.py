"""Names in the archive: whatever a host says, they lead downwards, and links stay within."""

from __future__ import annotations

import re
from collections.abc import Iterable

_STRANGE = re.compile(r"[^A-Za-z0-9._@-]+")


def directory_name(host: str) -> str:
    """Give the directory of a host in the archive."""
    return _STRANGE.sub("_", host).strip(".") or "host"


def safe_parts(path: bytes) -> list[bytes]:
    """Give the components of a path that lead downwards only."""
    return [one for one in path.split(b"/") if one not in (b"", b".", b"..")]


def inner_link(parts: list[bytes], target: bytes) -> bytes:
    """Turn a link's target so that it stays below the host's files.

    What goes up stands in front only: a name before `..` could be a link that leads further up
    than its depth tells.

    Args:
        parts: the components of the link's own path; none of them is a link.
        target: as it was on the host; an absolute one becomes a relative one.
    """
    depth = len(parts) - 1
    up = depth if target.startswith(b"/") else 0
    down: list[bytes] = []
    for one in target.split(b"/"):
        if one == b"..":
            if down:
                down.pop()
            elif up < depth:
                up += 1  # above the root is the root
        elif one not in (b"", b"."):
            down.append(one)
    return b"/".join([b".."] * up + down) or b"."


def files_of(names: Iterable[str]) -> list[str]:
    """Give names that can stand beside each other in one archive, in the order given."""
    taken: set[str] = set()
    given = []
    for name in names:
        plain = directory_name(name)
        while plain in taken:
            plain += "_"
        taken.add(plain)
        given.append(plain)
    return given
