"""Tar headers, without I/O: POSIX ustar where it is enough, pax records where it is not.

Written here and not taken from `tarfile` because an archive of 100,000 small files is mostly
headers, and because names are bytes that nobody promised to be UTF-8. Holes are written as GNU
sparse 1.0, which GNU tar, libarchive and Python's tarfile read. Sources: POSIX.1-2008 pax, the
GNU tar manual, "PAX Format, Version 1.0".
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

BLOCK: Final = 512
_TYPES: Final = {"f": b"0", "h": b"1", "l": b"2", "d": b"5"}
_MOST_OCTAL_7: Final = 0o7777777
_MOST_OCTAL_11: Final = 0o77777777777
_CHECKSUM_BLANK: Final = 8 * 32


@frozen
class Member:
    """What a header says of a member.

    Attributes:
        name: relative, without a leading slash.
        kind: f, h, l or d.
        size: bytes of content that follow.
        link: the target of a link, or the member that a hard link is.
        stretches: for a file with holes, where its data are; `real_size` is then its whole size.
    """

    name: bytes
    kind: str
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    size: int = 0
    link: bytes = b""
    stretches: tuple[tuple[int, int], ...] = ()
    real_size: int = 0


def padding(size: int) -> bytes:
    """Give the zeros that fill the last block of a content."""
    return bytes(-size % BLOCK)


def sparse_map(member: Member) -> bytes:
    """Give what stands before the data of a file with holes; it counts into the member's size."""
    pairs = list(member.stretches)
    if sum(pairs[-1]) < member.real_size:
        pairs.append((member.real_size, 0))  # GNU tar takes the file's end from here
    rows = [len(pairs), *(one for pair in pairs for one in pair)]
    text = b"".join(b"%d\n" % one for one in rows)
    return text + padding(len(text))


def header(member: Member) -> bytes:
    """Give the header blocks of a member."""
    records: list[tuple[bytes, bytes]] = []
    name, size = member.name, member.size
    if member.stretches:
        records += [
            (b"GNU.sparse.major", b"1"),
            (b"GNU.sparse.minor", b"0"),
            (b"GNU.sparse.name", name),
            (b"GNU.sparse.realsize", b"%d" % member.real_size),
        ]
        size += len(sparse_map(member))
        name = b"GNUSparseFile.0/" + name.rpartition(b"/")[2][:80]
    if member.kind == "d" and not name.endswith(b"/"):
        name += b"/"
    prefix, short = _split(name)
    if short is None:
        records.append((b"path", name))
        prefix, short = b"", name[-100:].lstrip(b"/") or b"_"
    if len(member.link) > 100:
        records.append((b"linkpath", member.link))
    for key, value, most in (
        (b"uid", member.uid, _MOST_OCTAL_7),
        (b"gid", member.gid, _MOST_OCTAL_7),
        (b"size", size, _MOST_OCTAL_11),
    ):
        if value > most:
            records.append((key, b"%d" % value))
    block = _block(member, prefix, short, size, _TYPES[member.kind])
    return _extended(records, member) + block if records else block


def _split(name: bytes) -> tuple[bytes, bytes | None]:
    if len(name) <= 100:
        return b"", name
    at = name.find(b"/", len(name) - 101)
    if 0 < at <= 155 and at < len(name) - 1:
        return name[:at], name[at + 1 :]
    return b"", None


def _extended(records: list[tuple[bytes, bytes]], member: Member) -> bytes:
    if any(not _is_utf8(value) for _, value in records):
        records = [(b"hdrcharset", b"BINARY"), *records]
    body = b"".join(_record(key, value) for key, value in records)
    named = Member(b"pax/header", "f", 0o644, 0, 0, member.mtime)
    return _block(named, b"", named.name, len(body), b"x") + body + padding(len(body))


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _record(key: bytes, value: bytes) -> bytes:
    length = len(key) + len(value) + 3
    total = length + len(str(length))
    total = length + len(str(total))
    return b"%d %b=%b\n" % (total, key, value)


def _octal(value: int, digits: int) -> bytes:
    text = b"%0*o" % (digits, max(0, value))
    return (text if len(text) <= digits else b"7" * digits) + b"\0"


def _block(member: Member, prefix: bytes, name: bytes, size: int, kind: bytes) -> bytes:
    seconds = min(max(0, member.mtime // 10**9), _MOST_OCTAL_11)
    before = name.ljust(100, b"\0") + b"%07o\0%b%b%b%011o\0" % (
        member.mode & 0o7777,
        _octal(member.uid, 7),
        _octal(member.gid, 7),
        _octal(size, 11),
        seconds,
    )
    after = kind + member.link[:100].ljust(100, b"\0") + b"ustar\x0000"
    after += bytes(64 + 16) + prefix.ljust(155, b"\0")
    total = sum(before) + sum(after) + _CHECKSUM_BLANK
    return before + b"%06o\0 " % total + after + bytes(12)


END: Final = bytes(2 * BLOCK)
"""What ends an archive."""
