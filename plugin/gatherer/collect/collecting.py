"""Gathers many hosts at once into one archive.

How it works. Every host has a `Source` and a `Packer`; all run at once, up to a number. What a
host does not bring, for whatever reason, is told in its manifest; the archive is always ended
properly, also when everything is stopped. An earlier archive can be taken over first.

The archive's layout: one directory named like the archive; in it `index.txt`, and for each host a
directory with `manifest.json`, `files/…` and `commands/…`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

from attrs import define, field
from twisted.internet.defer import (
    CancelledError,
    Deferred,
    DeferredLock,
    DeferredSemaphore,
    gatherResults,
)
from twisted.internet.interfaces import IDelayedCall

from plugin.gatherer.archive.archive import Archive
from plugin.gatherer.archive.earlier import Earlier
from plugin.gatherer.archive.manifest import Entry, HostManifest, index
from plugin.gatherer.archive.naming import directory_name, files_of
from plugin.gatherer.archive.packing import Packer, Untrue
from plugin.gatherer.archive.placing import Placing
from plugin.gatherer.archive.tarring import Member
from plugin.gatherer.cleaning.cleaning import Cleaner
from plugin.gatherer.cleaning.mapping import learned
from plugin.gatherer.collect import resuming
from plugin.gatherer.collect.host import Host
from plugin.gatherer.driver.sources import HostLost
from plugin.gatherer.protocol.reports import Outcome
from plugin.gatherer.wanted.profiles import Wanted

PATIENCE_AT_STOP: Final = 10.0
"""Seconds that hosts have to bring their present request to its end when all is stopped."""


class Exit(IntEnum):
    """What the command's exit code says."""

    FULL = 0
    PARTIAL = 3
    NOTHING = 4


@define(eq=False)
class Collecting:
    """One collection.

    Args:
        reactor: the clock, and the thread that everything runs in.
        hosts: where from.
        wanted: what.
        path: the archive.
        cleaner: or None.
        earlier: an archive that is gone on from, or None.
        at_once: hosts that are gathered at the same time.
    """

    reactor: Any
    hosts: Sequence[Host]
    wanted: Sequence[Wanted]
    path: Path
    cleaner: Cleaner | None = None
    earlier: Earlier | None = None
    at_once: int = 20
    now: Callable[[], float] = time.time
    stopped: str = ""
    manifests: list[HostManifest] = field(factory=list)
    _cutting: IDelayedCall | None = None

    async def run(self) -> Exit:
        """Gather everything; the archive is there when this returns.

        Raises:
            ArchiveError: it cannot be written.
        """
        if self.earlier is not None:
            resuming.check(self.earlier, cleaned=self.cleaner is not None)
        archive = Archive(self.path, self.reactor.callFromThread)
        try:
            exit_code = await self._all(archive)
            await archive.close()
        except BaseException:
            await archive.abandon()
            raise
        finally:
            if self._cutting is not None and self._cutting.active():
                self._cutting.cancel()
        return exit_code

    async def stop(self, why: str) -> None:
        """Stop all hosts; what has come is kept."""
        self.stopped = self.stopped or why
        for host in self.hosts:
            if host.running is not None:
                await host.source.stop(why)
        if self._cutting is None:
            self._cutting = self.reactor.callLater(PATIENCE_AT_STOP, self.cut_off)

    def cut_off(self) -> None:
        """Wait no longer for hosts that do not come to an end."""
        for host in self.hosts:
            if host.running is not None and not host.ended:
                host.running.cancel()

    async def _all(self, archive: Archive) -> Exit:
        if self.cleaner is not None:
            await self._learn(self.cleaner)
        lock, slots = DeferredLock(), DeferredSemaphore(self.at_once)
        top = self._top()
        shown = [self._shown(host.name) for host in self.hosts]
        clean = None if self.cleaner is None else self.cleaner.text
        for host, given, name in zip(self.hosts, shown, files_of(shown), strict=True):
            manifest = HostManifest(given, self._entries(given), clean)
            self.manifests.append(manifest)
            placing = Placing(top + b"/" + name.encode(), self.cleaner)
            host.packer = Packer(archive, lock, self.reactor, manifest, placing, self.cleaner)
        if self.earlier is not None:
            placings = [host.packer.placing for host in self.hosts if host.packer is not None]
            await resuming.copy(self.earlier, archive, top, placings)
        running = [slots.run(self._start, host) for host in self.hosts]
        await gatherResults(running)
        await self._tell_about(archive, top)
        return self._exit()

    def _top(self) -> bytes:
        name = self.path.name
        for ending in (".tar.gz", ".tgz", ".tar.zst", ".tzst", ".tar"):
            name = name.removesuffix(ending)
        return name.encode(errors="surrogateescape")

    def _shown(self, name: str) -> str:
        return name if self.cleaner is None else self.cleaner.text(name)

    def _entries(self, host: str) -> list[Entry]:
        entries = [Entry(one) for one in self.wanted]
        if self.earlier is not None:
            resuming.take_over(self.earlier, host, entries, self._shown)
        return entries

    # --- before ----------------------------------------------------------------------------

    async def _learn(self, cleaner: Cleaner) -> None:
        for host in self.hosts:
            host.state = "learning names"
            cleaner.names.learn_host(host.name.rpartition(":")[2].rpartition("@")[2])
        slots = DeferredSemaphore(self.at_once)
        await gatherResults([slots.run(self._learn_from, host, cleaner) for host in self.hosts])
        cleaner.learn()

    def _learn_from(self, host: Host, cleaner: Cleaner) -> Deferred[None]:
        async def learn() -> None:
            try:
                learned(cleaner.names, await host.source.learn())
            except HostLost as lost:
                host.why = f"its names could not be learnt: {lost}"

        return Deferred.fromCoroutine(learn())

    # --- a host ----------------------------------------------------------------------------

    def _start(self, host: Host) -> Deferred[None]:
        host.running = Deferred.fromCoroutine(self._gather(host))
        return host.running

    async def _gather(self, host: Host) -> None:
        packer, began = host.packer, self.reactor.seconds()
        assert packer is not None
        manifest = packer.manifest
        manifest.began = datetime.fromtimestamp(self.now(), UTC).isoformat(timespec="seconds")
        host.state, host.began = "gathering", began
        missing = [
            (at, one.wanted) for at, one in enumerate(manifest.entries) if one.outcome is None
        ]
        try:
            if missing and not self.stopped:
                await host.source.run(missing, packer.take)
        except (HostLost, Untrue) as lost:
            host.why = str(lost)
        except CancelledError:
            host.why = "it did not come to an end when everything was stopped"
        await packer.end()
        self._account(host, manifest)
        host.ended = self.reactor.seconds()
        manifest.seconds = round(host.ended - began, 3)
        host.state = manifest.state

    def _account(self, host: Host, manifest: HostManifest) -> None:
        """Tell what was not come to."""
        missing = [entry for entry in manifest.entries if entry.outcome is None]
        why = host.why or self.stopped
        for entry in missing:
            entry.outcome = Outcome.LOST if entry.objects else Outcome.SKIPPED
            entry.why = entry.why or why or "the host ended without a word about it"
        if missing or host.why:
            manifest.why = why

    # --- after -----------------------------------------------------------------------------

    async def _tell_about(self, archive: Archive, top: bytes) -> None:
        stamp = int(self.now()) * 10**9
        for host, manifest in zip(self.hosts, self.manifests, strict=True):
            assert host.packer is not None
            name = host.packer.placing.prefix + b"/manifest.json"
            self._text(archive, name, manifest.as_json(), stamp)
        for manifest in self._only_earlier():
            self.manifests.append(manifest)
            name = b"/".join([top, directory_name(manifest.host).encode(), b"manifest.json"])
            self._text(archive, name, manifest.as_json(), stamp)
        title = f"Gathered on {datetime.fromtimestamp(self.now(), UTC):%Y-%m-%d %H:%M} UTC"
        self._text(archive, top + b"/index.txt", index(self.manifests, title), stamp)

    def _only_earlier(self) -> list[HostManifest]:
        if self.earlier is None:
            return []
        return resuming.not_again(self.earlier, [one.host for one in self.manifests])

    @staticmethod
    def _text(archive: Archive, name: bytes, text: str, stamp: int) -> None:
        content = text.encode(errors="replace")
        archive.whole(Member(name, "f", 0o644, mtime=stamp, size=len(content)), content)

    def _exit(self) -> Exit:
        states = {manifest.state for manifest in self.manifests}
        if states <= {"full"}:
            return Exit.FULL
        return Exit.NOTHING if states == {"nothing"} else Exit.PARTIAL
