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
from typing import Final, NamedTuple

PIECE = 1 << 20
"""Bytes of a body at most; also what one reply of a conversation carries at most."""


_MOST: Final = (1 << 63) - 1
_MOST_MODE: Final = 0o7777


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
        return _found(fields, view, at)
    if fields[0] == b"+" and len(fields) == 2:
        length = _number(fields[1])
        return More(view[at : at + length]), length
    if fields[0] == b"!" and len(fields) == 4:
        code, zeros, length = (_number(one) for one in fields[1:])
        return Missing(code, zeros, bytes(view[at : at + length])), length
    raise ValueError(f"{fields[0][:20]!r} begins no record")


def _found(fields: list[bytes], view: memoryview, at: int) -> tuple[Found, int]:
    path, text, piece = (_number(one) for one in fields[10:])
    middle, start = at + path, at + path + text
    mode, mtime = _number(fields[3], 8), int(fields[6])
    uid, gid, total, size = (_number(fields[n]) for n in (4, 5, 7, 9))
    left_out = -1 if fields[8] == b"-1" else _number(fields[8])
    if len(fields[2]) != 1 or mode > _MOST_MODE or abs(mtime) > _MOST or piece > total:
        raise ValueError("an object is announced that cannot be")
    where, words = bytes(view[at:middle]), bytes(view[middle:start])
    code, kind = _number(fields[1]), fields[2].decode("ascii")
    content = view[start : start + piece]
    return (
        Found(code, kind, mode, uid, gid, mtime, total, left_out, size, where, words, content),
        path + text + piece,
    )


def _number(text: bytes, base: int = 10) -> int:
    if not text.isdigit() or len(text) > 22 or (number := int(text, base)) > _MOST:
        raise ValueError(f"{text[:30]!r} is no number that may stand here")
    return number
