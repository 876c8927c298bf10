"""The door to co2: any host of the network can be gathered from any other.

co2 call gatherer.gatherer.profiles
co2 call gatherer.gatherer.read path=/etc/hostname
co2 gather --hosts all

`collect` is a conversation: open it by `co2.open`, and `co2.next` brings the reports, of at most
1 MiB each, as the host goes on; called plainly it answers with the list of them, where they are
few enough. Every method is `admin`: a gatherer reads files and runs programs. What it may read and
run is for `gatherer_config.py` of the host that is gathered to say.
"""

from __future__ import annotations

import glob
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

from twisted.internet import reactor as twisted_reactor
from twisted.internet.defer import Deferred

from co2.api import Co2Plugin, InvalidParams, SystemFailed, level
from plugin.gatherer.driver.driver import Driver, RequestInterrupted, RequestUnknown, WorkerLost
from plugin.gatherer.driver.gathering import Gathering
from plugin.gatherer.driver.launch import Launch, local_launch
from plugin.gatherer.driver.waiting import Queue
from plugin.gatherer.protocol.records import PIECE, Found, More, decode
from plugin.gatherer.protocol.reports import Finished, Records, Report
from plugin.gatherer.protocol.travelling import as_struct as report_struct
from plugin.gatherer.wanted.policy import Policy
from plugin.gatherer.wanted.profiles import (
    Paths,
    ProfileError,
    Wanted,
    as_struct,
    available,
    in_order,
    load,
    profile_of,
)

SIGN_OF_LIFE = 2.0
"""Seconds of silence after which a conversation says that its worker lives."""

_LIMIT = 30.0
_WAITING = 3
_MOST_WANTED = 10_000


class X_Gatherer(Co2Plugin):
    """See the module; `gatherer_config.py` has the rules."""

    readable: Iterable[str] = Policy().paths
    never: Iterable[str] = Policy().never
    commands: Iterable[str] = Policy().commands
    only_profiles: bool = False
    profile_dirs: Iterable[str] = ()
    most: int = 0
    seconds: float = 600.0
    root: str = ""

    def __init__(
        self,
        var_dict: dict[str, Any],
        reactor: Any = twisted_reactor,
        launch: Launch | None = None,
    ) -> None:
        super().__init__(var_dict)
        self._reactor = reactor
        self._launch = launch or local_launch(self.root)
        self._folders = tuple(Path(one) for one in self.profile_dirs)
        self._running: set[Gathering] = set()

    @property
    def policy(self) -> Policy:
        """The rules of this host."""
        return Policy(
            tuple(self.readable),
            tuple(self.never),
            tuple(self.commands),
            self.only_profiles,
            self.most,
            self.seconds,
        )

    async def __exit__(self, *exc_info: Any) -> None:
        """End what is being gathered, with its workers."""
        for one in list(self._running):
            await one.stop("the satellite stops")

    # --- what is there ---------------------------------------------------------------------

    @level("admin")
    def x_profiles(self) -> dict[str, dict[str, Any]]:
        """Give the profiles of this host: by name, what each has."""
        return {name: as_struct(self._profile(name)) for name in available(self._folders)}

    @level("admin")
    async def x_read(self, path: str, most: int = PIECE) -> dict[str, Any]:
        """Read a file, or its last bytes; a link to a file is followed.

        Args:
            path: absolute.
            most: bytes, at most 1 MiB; a longer file gives its last ones.

        Returns:
            `{'size': bytes of the whole file, 'data': what was read}`.
        """
        self._allowed(path)
        wanted = Paths(glob.escape(path), max(1, min(most, PIECE)), _LIMIT, follow=True)
        judged, refused = self.policy.judge(wanted)
        reports: list[Report] = []
        gathering = Gathering(self._reactor, self._launch, [(0, judged, refused)], _keep(reports))
        await gathering.run()
        return _content(path, reports)

    @level("admin")
    async def x_stat(self, path: str) -> dict[str, Any]:
        """Look at an object, without following it.

        Args:
            path: absolute.

        Returns:
            `{'kind', 'mode', 'uid', 'gid', 'size', 'mtime', 'text'}`; kind is one of f l d p s b
            c, text a link's target.
        """
        answer = await self._ask(b"stat0", self._allowed(path))
        code, kind, mode, uid, gid, size, mtime, text = (
            one.decode(errors="replace") for one in answer
        )
        if int(code):
            raise SystemFailed(f"{path}: {text} ({int(code)})")
        return {
            "kind": kind,
            "mode": int(mode, 8),
            "uid": int(uid),
            "gid": int(gid),
            "size": int(size),
            "mtime": float(mtime),
            "text": text,
        }

    # --- gathering -------------------------------------------------------------------------

    @level("admin")
    async def x_collect(
        self, profiles: list[str] | None = None, wanted: list[dict[str, Any]] | None = None
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Gather this host: a conversation.

        Args:
            profiles: names of profiles of this host.
            wanted: things to gather, each a struct with `paths` or `commands` as in a profile,
                and `name`; they are numbered in the order in which they come, after the profiles'.

        Replies:
            structs with 'event': 'began' (index, label), 'records' (body: objects, see
            `protocol/records.py`), 'finished' (index, outcome, code, why, seconds), 'alive'.
        """
        asked = self._asked(profiles or [], wanted or [])
        known = [one for name in available(self._folders) for one in self._profile(name).wanted]
        policy = self.policy
        judged = [(at, *policy.judge(one, known)) for at, one in enumerate(asked)]
        reports: Queue[Report] = Queue(_WAITING)
        gathering = Gathering(self._reactor, self._launch, judged, reports.give)
        self._running.add(gathering)
        running = Deferred.fromCoroutine(gathering.run())
        running.addBoth(self._ended, reports)
        try:
            while True:
                report = await self._next(reports)
                if report is None:
                    break
                yield report
            await running
        finally:
            reports.close()
            await gathering.stop("the conversation was closed")
            await running
            self._running.discard(gathering)

    @staticmethod
    def _ended(result: Any, reports: Queue[Report]) -> Any:
        reports.end()
        return result

    async def _next(self, reports: Queue[Report]) -> dict[str, Any] | None:
        if not await reports.ready(self._reactor, SIGN_OF_LIFE):
            return {"event": "alive"}
        report = await reports.take()
        return None if report is None else report_struct(report)

    # --- inside ----------------------------------------------------------------------------

    def _profile(self, name: str) -> Any:
        try:
            return load([name], self._folders)[0]
        except ProfileError as error:
            raise InvalidParams(str(error)) from error

    def _asked(self, profiles: list[str], wanted: list[dict[str, Any]]) -> list[Wanted]:
        asked = list(in_order(self._profile(name) for name in profiles))
        try:
            for struct in wanted:
                rest = {key: value for key, value in struct.items() if key != "name"}
                asked += profile_of(str(struct.get("name", "")), rest).wanted
        except (ProfileError, AttributeError) as error:
            raise InvalidParams(f"wanted: {error}") from error
        if not asked or len(asked) > _MOST_WANTED:
            raise InvalidParams(f"between 1 and {_MOST_WANTED} things can be gathered at once")
        return asked

    def _allowed(self, path: str) -> bytes:
        if not path.startswith("/") or "\0" in path:
            raise InvalidParams(f"path {path!r} is not absolute")
        _, refused = self.policy.judge(Paths(path))
        if refused:
            raise SystemFailed(f"{path}: {refused}")
        return path.encode(errors="surrogateescape")

    async def _ask(self, name: bytes, *params: bytes) -> tuple[bytes, ...]:
        driver = Driver(self._reactor, self._launch)
        try:
            await driver.start()
            return await driver.ask(name, *params, limit=min(_LIMIT, self.seconds))
        except (WorkerLost, RequestInterrupted, RequestUnknown) as error:
            raise SystemFailed(f"the gatherer's worker: {error}") from error
        finally:
            await driver.stop()


def _keep(reports: list[Report]) -> Callable[[Report], Awaitable[None]]:
    async def keep(report: Report) -> None:
        reports.append(report)

    return keep


def _content(path: str, reports: list[Report]) -> dict[str, Any]:
    found: Found | None = None
    pieces: list[bytes] = []
    why = "there is no such file"
    for report in reports:
        if isinstance(report, Finished) and report.why:
            why = report.why
        for record in decode(report.body) if isinstance(report, Records) else ():
            if isinstance(record, Found):
                found, pieces = record, [bytes(record.piece)]
            elif isinstance(record, More):
                pieces.append(bytes(record.piece))
    if found is not None and found.code:
        why = found.text.decode(errors="replace")
    elif found is not None and found.kind != "f":
        why = f"it is of kind {found.kind}, no file"
    if found is None or found.code or found.kind != "f":
        raise SystemFailed(f"{path}: {why}")
    return {"size": found.size, "data": b"".join(pieces)}
