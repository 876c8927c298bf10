"""Reads an earlier archive, so that a new one need not fetch what is in it.

Everything of it is copied but manifests, index, and what is marked as incomplete; what its
manifests call done is not asked for again.
"""

from __future__ import annotations

import contextlib
import json
import os
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

from attrs import define, field

from plugin.gatherer.archive.archive import ArchiveError
from plugin.gatherer.archive.manifest import done_before
from plugin.gatherer.archive.tarring import Member

_PIECE = 1 << 20
_ZSTD = b"\x28\xb5\x2f\xfd"
_KINDS = {tarfile.REGTYPE: "f", tarfile.AREGTYPE: "f", tarfile.SYMTYPE: "l"}
_KINDS |= {tarfile.DIRTYPE: "d", tarfile.LNKTYPE: "h", tarfile.GNUTYPE_SPARSE: "f"}


@define
class Earlier:
    """What an archive says of itself.

    Attributes:
        path: where it is.
        manifests: by host.
        cut: members that had bytes left out, or are marked as incomplete.
        torn: why it could not be read to its end, or nothing.
    """

    path: Path
    manifests: dict[str, dict[str, Any]] = field(factory=dict)
    cut: set[bytes] = field(factory=set)
    torn: str = ""

    @property
    def cleaned(self) -> bool | None:
        """Whether it was cleaned; None where nothing in it tells."""
        told = [bool(one.get("cleaned")) for one in self.manifests.values()]
        return any(told) if told else None

    def done(self, host: str) -> frozenset[tuple[str, str]]:
        """Give what need not be asked of a host again, as (kind, request)."""
        return done_before(self.manifests.get(host, {}))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    with contextlib.ExitStack() as stack:
        try:
            file: IO[bytes] = stack.enter_context(open(path, "rb"))
            if file.peek(4)[:4] == _ZSTD:  # type: ignore[attr-defined]  # a BufferedReader has it
                import zstandard

                file = stack.enter_context(zstandard.ZstdDecompressor().stream_reader(file))
                tar = tarfile.open(fileobj=file, mode="r|", bufsize=_PIECE)  # noqa: SIM115
            else:
                tar = tarfile.open(fileobj=file, mode="r|*", bufsize=_PIECE)  # noqa: SIM115
        except (OSError, tarfile.TarError, ImportError) as error:
            raise ArchiveError(f"cannot read {path}: {error}") from error
        yield stack.enter_context(tar)


def _members(tar: tarfile.TarFile, torn: Callable[[str], None]) -> Iterator[tarfile.TarInfo]:
    while True:
        try:
            member = tar.next()
        except (OSError, EOFError, tarfile.TarError, ValueError) as error:
            torn(str(error))
            return
        if member is None:
            return
        kept: Any = tar
        kept.members.clear()  # it would keep every member in memory
        yield member


def survey(path: Path) -> Earlier:
    """Read the manifests of an archive, and what in it is not whole.

    Raises:
        ArchiveError: it cannot be read at all.
    """
    earlier = Earlier(path)
    last = b""
    with _opened(path) as tar:
        for member in _members(tar, lambda why: setattr(earlier, "torn", why)):
            last = os.fsencode(member.name)
            if member.name.endswith(".INCOMPLETE"):
                earlier.cut.add(os.fsencode(member.name.removesuffix(".INCOMPLETE")))
            elif member.name.endswith("/manifest.json") and member.name.count("/") == 2:
                with contextlib.suppress(ValueError, OSError):
                    content = tar.extractfile(member)
                    manifest = json.loads(content.read()) if content else {}
                    earlier.manifests[str(manifest["host"])] = manifest
                    earlier.cut.update(_cut(manifest, member.name))
    if earlier.torn:
        earlier.cut.add(last)  # its content may have ended with the file
    return earlier


def _cut(manifest: dict[str, Any], name: str) -> Iterator[bytes]:
    """Give the members that will be fetched again, as they may come more complete."""
    files = os.fsencode(name.removesuffix("/manifest.json") + "/files")
    done = done_before(manifest)
    for request in manifest["requests"]:
        if (request["kind"], request["request"]) not in done:
            yield from (files + os.fsencode(one["path"]) for one in request["problems"])


def contents(
    earlier: Earlier, top: bytes
) -> Iterator[tuple[Member, Callable[[], Iterator[bytes]]]]:
    """Give every member that is worth keeping, and its content, which must be read at once.

    Args:
        earlier: what `survey` found.
        top: the first component of the new archive's names.
    """
    gone: set[bytes] = set()
    with _opened(earlier.path) as tar:
        for info in _members(tar, lambda why: setattr(earlier, "torn", why)):
            name = os.fsencode(info.name)
            kind = _KINDS.get(info.type)
            below = name.partition(b"/")[2]
            own = below in (b"", b"index.txt") or below.endswith(
                (b"/manifest.json", b".INCOMPLETE")
            )
            lost = kind == "h" and os.fsencode(info.linkname) in earlier.cut | gone
            if kind is None or own or lost or name in earlier.cut:
                gone.update([name] if lost else [])
                continue
            yield _member(info, kind, top + b"/" + below, top), partial(_content, tar, info)


def _stretches(info: tarfile.TarInfo) -> tuple[tuple[int, int], ...]:
    pairs: Any = info.sparse or ()
    return tuple((int(offset), int(length)) for offset, length in pairs if length)


def _member(info: tarfile.TarInfo, kind: str, name: bytes, top: bytes) -> Member:
    link = os.fsencode(info.linkname)
    if kind == "h":
        link = top + b"/" + link.partition(b"/")[2]
    stretches = _stretches(info)
    size = sum(length for _, length in stretches) if stretches else info.size
    return Member(
        name,
        kind,
        info.mode,
        info.uid,
        info.gid,
        int(info.mtime) * 10**9,
        size if kind == "f" else 0,
        link if kind in "lh" else b"",
        stretches,
        info.size,
    )


def _content(tar: tarfile.TarFile, info: tarfile.TarInfo) -> Iterator[bytes]:
    file = tar.extractfile(info)
    if file is None:
        return
    pairs = _stretches(info) or ((0, info.size),)
    at = 0
    for offset, length in pairs:
        # a stream cannot be wound forward: the zeros of the hole are read and dropped
        at += _skip(file, offset - at)
        left = length
        while left and (piece := file.read(min(left, _PIECE))):
            left -= len(piece)
            yield piece
        if left:
            yield bytes(left)
        at += length


def _skip(file: IO[bytes], count: int) -> int:
    left = count
    while left and (piece := file.read(min(left, _PIECE))):
        left -= len(piece)
    return count
