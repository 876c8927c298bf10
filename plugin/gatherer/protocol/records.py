"""Objects on their way from a host to the archive, as a stream of records.

A record is one line of printable fields and then exactly the bytes it announces. The bodies that
`pull` answers, the replies of `gatherer.gatherer.collect` and the commands' outputs are all made
of them, so that nothing between the disk and the archive has to look into the content. A body
always ends at the end of a record.

    o CODE KIND MODE UID GID MTIME TOTAL LEFT SIZE LENPATH LENTEXT LENPIECE
        an object; then its path, its text and the first piece of its content. MODE is octal,
        MTIME in nanoseconds, TOTAL the bytes of content that follow in all, LEFT the bytes left
        out before them (-1: unknown), SIZE the object's whole size.
    + LENPIECE
        the next piece of the object before.
    ! CODE MISSING LENTEXT
        the last MISSING bytes of the object before are zeros that stand for what could not be
        read; then the reason.

KIND is `f l d p s b c` as in `cp`, or `h`: a hard link to the path in the text. The text of a
regular file with holes is its map: offset and length of each stretch of data, in decimal.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

PIECE = 1 << 20
"""Bytes of a body at most; also what one reply of a conversation carries at most."""


class Found(NamedTuple):
    """An object, and what will come of it; `piece` is the beginning of its content."""

    code: int
    kind: str
    mode: int
    uid: int
    gid: int
    mtime: int
    total: int
    left_out: int
    size: int
    path: bytes
    text: bytes
    piece: bytes | memoryview = b""


class More(NamedTuple):
    """The next piece of the object before."""

    piece: bytes | memoryview


class Missing(NamedTuple):
    """The last `zeros` bytes of the object before are zeros, because of `text`."""

    code: int
    zeros: int
    text: bytes


Record = Found | More | Missing


def head_of(found: Found, piece: int) -> bytes:
    """Give what stands before the first piece of an object."""
    return b"o %d %b %o %d %d %d %d %d %d %d %d %d\n%b%b" % (
        found.code,
        found.kind.encode(),
        found.mode,
        found.uid,
        found.gid,
        found.mtime,
        found.total,
        found.left_out,
        found.size,
        len(found.path),
        len(found.text),
        piece,
        found.path,
        found.text,
    )


def encode(record: Record) -> bytes:
    """Give the bytes of a record."""
    if isinstance(record, Found):
        return head_of(record, len(record.piece)) + bytes(record.piece)
    if isinstance(record, More):
        return b"+ %d\n" % len(record.piece) + bytes(record.piece)
    return b"! %d %d %d\n%b" % (record.code, record.zeros, len(record.text), record.text)


def decode(body: bytes) -> Iterator[Record]:
    """Read a whole body; pieces are views of it.

    Raises:
        ValueError: the bytes are no records.
    """
    view, at = memoryview(body), 0
    while at < len(body):
        end = body.index(b"\n", at)
        fields = body[at:end].split(b" ")
        at = end + 1
        record, used = _record(fields, view, at)
        at += used
        if at > len(body):
            raise ValueError("a record is cut short")
        yield record


def _record(fields: list[bytes], view: memoryview, at: int) -> tuple[Record, int]:
    if fields[0] == b"o" and len(fields) == 13:
        path, text, piece = int(fields[10]), int(fields[11]), int(fields[12])
        middle, start = at + path, at + path + text
        mode, uid, gid, mtime = int(fields[3], 8), int(fields[4]), int(fields[5]), int(fields[6])
        found = Found(
            int(fields[1]),
            fields[2].decode("ascii"),
            mode,
            uid,
            gid,
            mtime,
            int(fields[7]),
            int(fields[8]),
            int(fields[9]),
            bytes(view[at:middle]),
            bytes(view[middle:start]),
            view[start : start + piece],
        )
        return found, path + text + piece
    if fields[0] == b"+" and len(fields) == 2:
        return More(view[at : at + int(fields[1])]), int(fields[1])
    if fields[0] == b"!" and len(fields) == 4:
        length = int(fields[3])
        return Missing(int(fields[1]), int(fields[2]), bytes(view[at : at + length])), length
    raise ValueError(f"{fields[0]!r} begins no record")
