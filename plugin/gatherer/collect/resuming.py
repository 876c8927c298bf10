"""Going on from an earlier archive: what of it comes into the new one, and what is not asked again.

What this decides: everything whole is taken over, also of hosts that are not gathered again; what
was cleaned and what was not are never mixed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from plugin.gatherer.archive.archive import Archive, ArchiveError
from plugin.gatherer.archive.digests import Digests
from plugin.gatherer.archive.earlier import Earlier, contents
from plugin.gatherer.archive.manifest import Clean, Entry, HostManifest, as_before
from plugin.gatherer.archive.placing import Placing
from plugin.gatherer.wanted.profiles import Paths


def check(earlier: Earlier, *, cleaned: bool) -> None:
    """Make sure that an archive and its continuation are cleaned alike.

    Raises:
        ArchiveError: they are not, or nobody can tell.
    """
    if earlier.cleaned is cleaned or (earlier.cleaned is None and not cleaned):
        return
    if earlier.cleaned:
        raise ArchiveError(f"{earlier.path} was cleaned: go on from it with --clean")
    raise ArchiveError(
        f"{earlier.path} was not cleaned, as far as it tells: what is in it would stay as it is."
        " Gather anew, or without --clean"
    )


def take_over(earlier: Earlier, host: str, entries: Sequence[Entry], clean: Clean) -> None:
    """Fill in what need not be asked of a host again.

    Args:
        earlier: the archive.
        host: its name in there.
        entries: what is wanted of it.
        clean: what the requests' names went through in there.
    """
    done = earlier.done(host)
    structs = earlier.manifests.get(host, {}).get("requests", ())
    for entry in entries:
        kind = "paths" if isinstance(entry.wanted, Paths) else "command"
        key = (kind, clean(entry.wanted.label))
        if key in done:
            entry.take_over(next(one for one in structs if (one["kind"], one["request"]) == key))


async def copy(earlier: Earlier, archive: Archive, top: bytes, placings: Iterable[Placing]) -> None:
    """Copy every member that is worth it into the new archive.

    Args:
        earlier: where from.
        archive: where to.
        top: the first component of the new archive's names.
        placings: of the hosts that are gathered; they take note of what is there.
    """
    by_prefix = {placing.prefix: placing for placing in placings}
    kept = Digests()
    for member, content in contents(earlier, top):
        if member.name in kept:
            continue
        kept.add(member.name)
        archive.begin(member)
        for piece in content():
            archive.data(piece)
            await archive.room()
        archive.end(member)
        placing = by_prefix.get(b"/".join(member.name.split(b"/", 2)[:2]))
        if placing is not None:
            placing.keep(member.name, member.kind)


def not_again(earlier: Earlier, gathered: Iterable[str]) -> list[HostManifest]:
    """Give the manifests of the hosts that only the earlier archive has."""
    again = set(gathered)
    return [as_before(one) for host, one in earlier.manifests.items() if host not in again]
