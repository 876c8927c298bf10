"""Where a host's reports come from: a worker over pipes, or the gatherer of a co2 host.

Both offer the same four things, so that what collects from many hosts knows no difference.
"""

from __future__ import annotations

import xmlrpc.client
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

from attrs import evolve
from twisted.internet.threads import deferToThreadPool

from plugin.gatherer.driver.driver import Driver, RequestInterrupted, WorkerLost
from plugin.gatherer.driver.gathering import Gathering, Records, Report
from plugin.gatherer.driver.launch import Launch
from plugin.gatherer.protocol.travelling import NoReport, from_struct
from plugin.gatherer.wanted.profiles import Profile, Wanted, as_struct

LEARN_FROM: Final = ("/etc/hostname", "/etc/hosts", "/etc/passwd")
"""Files that tell the names which cleaning looks for."""

WAIT: Final = 5.0
"""Seconds that a host may keep the answer to `co2.next` back; then it says that it lives."""

_LEARN_LIMIT: Final = 10.0
_TRIES: Final = 3
_COLLECT: Final = "gatherer.gatherer.collect"

Tell = Callable[[Report], Awaitable[None]]


class HostLost(Exception):
    """A host cannot be gathered, or not any further; the text says why."""


class Source(Protocol):
    """A host to gather from."""

    @property
    def last_alive(self) -> float:
        """When it last gave a sign of life, in the reactor's seconds."""

    async def learn(self) -> list[tuple[str, str]]:
        """Give (path, text) of the files that tell names."""

    async def run(self, wanted: Sequence[tuple[int, Wanted]], tell: Tell) -> None:
        """Gather; every report goes to `tell`."""

    async def stop(self, why: str) -> None:
        """Gather nothing more."""


class WorkerSource:
    """A host that is reached by starting a worker: this one, or another over ssh."""

    def __init__(self, reactor: Any, launch: Launch) -> None:
        self._reactor = reactor
        self._launch = launch
        self._gathering: Gathering | None = None
        self._stopped = ""
        self._seen = 0.0

    @property
    def last_alive(self) -> float:
        """When the worker last said anything."""
        driver = None if self._gathering is None else self._gathering.driver
        if driver is not None:
            self._seen = driver.last_alive
        return self._seen

    async def learn(self) -> list[tuple[str, str]]:
        """Give the files that tell names."""
        driver = Driver(self._reactor, self._launch)
        found = []
        try:
            await driver.start()
            for path in LEARN_FROM:
                answer = driver.ask(b"read", path.encode(), b"0", b"0", limit=_LEARN_LIMIT)
                try:
                    found.append((path, (await answer)[2].decode(errors="replace")))
                except RequestInterrupted:
                    continue
        except WorkerLost as lost:
            raise HostLost(str(lost)) from lost
        finally:
            await driver.stop()
        return found

    async def run(self, wanted: Sequence[tuple[int, Wanted]], tell: Tell) -> None:
        """Gather with workers, one at a time."""
        asked = [(index, one, "") for index, one in wanted]
        self._gathering = Gathering(self._reactor, self._launch, asked, tell)
        self._gathering.stopped = self._stopped
        await self._gathering.run()
        if self._gathering.stopped and not self._stopped:
            raise HostLost(self._gathering.stopped)

    async def stop(self, why: str) -> None:
        """Gather nothing more."""
        self._stopped = why
        if self._gathering is not None:
            await self._gathering.stop(why)


class _Transport(xmlrpc.client.Transport):
    """A connection with a time limit."""

    def __init__(self, headers: Sequence[tuple[str, str]], timeout: float) -> None:
        super().__init__(use_builtin_types=True, headers=headers)
        self._timeout = timeout

    def make_connection(self, host: Any) -> Any:
        connection = super().make_connection(host)
        connection.timeout = self._timeout
        return connection


class Server:
    """A co2 server that is called: the way into the network.

    Args:
        url: such as http://127.0.0.1:2004/.
        token: a bearer token, or empty.
        timeout: seconds for one call.
    """

    def __init__(self, url: str, token: str = "", timeout: float = 60.0) -> None:
        self._url = url
        self._token = token
        self._timeout = timeout

    def call(self, method: str, *params: Any) -> Any:
        """Call a method; it blocks, so use it in a thread.

        Raises:
            HostLost: it cannot be reached, or answers a fault.
        """
        headers = [("Authorization", f"Bearer {self._token}")] if self._token else []
        transport = _Transport(headers, self._timeout)
        proxy = xmlrpc.client.ServerProxy(
            self._url, transport, allow_none=True, use_builtin_types=True
        )
        try:
            with proxy:
                return getattr(proxy, method)(*params)
        except xmlrpc.client.Fault as fault:
            raise HostLost(f"{method}: {fault.faultString} ({fault.faultCode})") from fault
        except xmlrpc.client.ProtocolError as error:
            raise HostLost(f"{self._url}: {error.errcode} {error.errmsg}") from error
        except (TimeoutError, OSError, xmlrpc.client.Error) as error:
            raise HostLost(f"{self._url}: {error or type(error).__name__}") from error

    def satellites(self) -> list[dict[str, Any]]:
        """Give the records of all satellites."""
        found = self.call("relay.get_satellites")
        return [dict(one) for one in found]


class NetworkSource:
    """A host that is reached through a co2 network, by a conversation with its gatherer.

    Args:
        reactor: has the clock and its thread's queue.
        pool: threads for the calls.
        server: the way into the network.
        target: {'nick': …} or {'host_id': …} to go through the relay, {} for the server itself.
    """

    def __init__(
        self,
        reactor: Any,
        pool: Any,
        server: Server,
        target: dict[str, str],
    ) -> None:
        self._reactor = reactor
        self._pool = pool
        self._server = server
        self._target = target
        self._conversation = ""
        self._stopped = ""
        self.last_alive = reactor.seconds()

    async def _call(self, method: str, argument: dict[str, Any]) -> Any:
        params: tuple[str, Any] = (method, argument)
        if self._target:
            asked = {
                **self._target,
                "method": method,
                "params": [argument],
                "timeout": 3 * WAIT + 30,
            }
            params = ("relay.call", asked)
        answer = await deferToThreadPool(self._reactor, self._pool, self._server.call, *params)
        self.last_alive = self._reactor.seconds()
        return answer

    async def learn(self) -> list[tuple[str, str]]:
        """Give the files that tell names, as far as the host's policy lets them be read."""
        found = []
        for path in LEARN_FROM:
            answer = await self._call("gatherer.gatherer.read", {"path": path})
            found.append((path, bytes(answer["data"]).decode(errors="replace")))
        return found

    async def run(self, wanted: Sequence[tuple[int, Wanted]], tell: Tell) -> None:
        """Gather in a conversation with the host's gatherer."""
        if self._stopped:
            return
        opened = await self._call("co2.open", {"method": _COLLECT, "params": [_asked(wanted)]})
        self._conversation = opened["conversation"]
        try:
            await self._hear(opened, len(wanted), [index for index, _ in wanted], tell)
        finally:
            conversation, self._conversation = self._conversation, ""
            if conversation:
                await self._close(conversation)

    async def _hear(
        self, answer: dict[str, Any], count: int, indices: Sequence[int], tell: Tell
    ) -> None:
        step = int(answer["step"])
        while True:
            for reply in answer["replies"]:
                await self._tell(reply, count, indices, tell)
            if answer["done"]:
                self._conversation = ""
                return
            if self._stopped:
                return
            step += 1
            answer = await self._next(step)

    async def _next(self, step: int) -> dict[str, Any]:
        """Ask for the next step; a repeated one is answered the same, so it may be tried again."""
        argument = {"conversation": self._conversation, "step": step, "wait": WAIT}
        for _ in range(_TRIES - 1):
            try:
                return dict(await self._call("co2.next", argument))
            except HostLost as lost:
                if "(-" not in str(lost) and "(1" in str(lost):
                    raise
        return dict(await self._call("co2.next", argument))

    async def _tell(self, reply: Any, count: int, indices: Sequence[int], tell: Tell) -> None:
        try:
            report = from_struct(reply, count)
        except NoReport as error:
            raise HostLost(str(error)) from error
        if report is None:
            return
        if not isinstance(report, Records):
            report = evolve(report, index=indices[report.index])
        await tell(report)

    async def _close(self, conversation: str) -> None:
        try:
            await self._call("co2.close", {"conversation": conversation})
        except HostLost:
            return  # it closes by itself when nobody talks to it

    async def stop(self, why: str) -> None:
        """Gather nothing more; the conversation is closed after the present step."""
        self._stopped = why


def _asked(wanted: Sequence[tuple[int, Wanted]]) -> dict[str, Any]:
    """Give what the host is asked for: in its own order, each as one profile of one thing."""
    return {
        "wanted": [
            {**as_struct(Profile(one.profile, (one,))), "name": one.profile} for _, one in wanted
        ]
    }


__all__ = ["HostLost", "NetworkSource", "Server", "Source", "WorkerSource"]
