"""A host that is gathered through a co2 network: a conversation with the gatherer that it runs.

What this decides: how a co2 server is called, which failures are worth another try, and what a
person is told when a host refuses. It knows nothing of workers: the host has its own.
"""

from __future__ import annotations

import xmlrpc.client
from collections.abc import Sequence
from typing import Any, Final

from attrs import evolve
from twisted.internet.threads import deferToThreadPool

from plugin.gatherer.driver.gathering import Tell
from plugin.gatherer.driver.sources import LEARN_FROM, HostLost
from plugin.gatherer.protocol.reports import Records
from plugin.gatherer.protocol.travelling import NoReport, from_struct
from plugin.gatherer.wanted.profiles import Profile, Wanted, as_struct

WAIT: Final = 5.0
"""Seconds that a host may keep the answer to `co2.next` back; then it says that it lives."""

PASSING: Final = 30.0
"""Seconds that a relay may need to pass a call on; a host that polls may take a while to come."""

_TRIES: Final = 3
_COLLECT: Final = "gatherer.gatherer.collect"

# of docs/protocol.md, "Faults"
_DENIED: Final = 1000
_METHOD_NOT_FOUND: Final = -32601
_WORTH_ANOTHER_TRY: Final = frozenset({0, -32300, 1003, 1004, 1008, 1016})


class Refused(HostLost):
    """A server answered a fault, or could not be reached; `code` is the fault's, or 0."""

    def __init__(self, text: str, code: int = 0) -> None:
        super().__init__(text)
        self.code = code


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

    def __init__(self, url: str, token: str = "", timeout: float = 2 * (WAIT + PASSING)) -> None:
        self._url = url
        self._token = token
        self._timeout = timeout

    def call(self, method: str, *params: Any) -> Any:
        """Call a method; it blocks, so use it in a thread.

        Raises:
            Refused: it cannot be reached, or answers a fault.
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
            raise Refused(f"{method}: {fault.faultString}", fault.faultCode) from fault
        except xmlrpc.client.ProtocolError as error:
            # the URL may hold a password
            raise Refused(f"the server answers HTTP {error.errcode} {error.errmsg}") from error
        except (TimeoutError, OSError, xmlrpc.client.Error) as error:
            raise Refused(f"the server: {error or type(error).__name__}") from error

    def satellites(self) -> list[dict[str, Any]]:
        """Give the records of all satellites.

        Raises:
            Refused: the server has none to give.
        """
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

    def __init__(self, reactor: Any, pool: Any, server: Server, target: dict[str, str]) -> None:
        self._reactor = reactor
        self._pool = pool
        self._server = server
        self._target = target
        self._conversation = ""
        self._stopped = ""
        self.last_alive = reactor.seconds()

    async def _call(self, method: str, argument: dict[str, Any]) -> dict[str, Any]:
        params: tuple[str, Any] = (method, argument)
        if self._target:
            passed = {"method": method, "params": [argument], "timeout": WAIT + PASSING}
            params = ("relay.call", {**self._target, **passed})
        try:
            answer = await deferToThreadPool(self._reactor, self._pool, self._server.call, *params)
        except Refused as refused:
            raise Refused(self._explained(refused), refused.code) from refused
        self.last_alive = self._reactor.seconds()
        if not isinstance(answer, dict):
            raise HostLost(f"{method} answers {type(answer).__name__}, not a struct")
        return answer

    def _explained(self, refused: Refused) -> str:
        """Say what to do about a refusal that people meet."""
        if refused.code == _METHOD_NOT_FOUND:
            return f"{refused}; has this host 'gatherer' in its plugin_list?"
        if refused.code != _DENIED:
            return str(refused)
        if self._target and "trust_relay_admin" in str(refused):
            return (
                "this host does not let its relay's admin gather: set trust_relay_admin = True"
                f" in its config.py ({refused})"
            )
        return f"gathering needs the server's admin token: --token or --state-dir ({refused})"

    async def learn(self) -> list[tuple[str, str]]:
        """Give the files that tell names, as far as the host's policy lets them be read."""
        found = []
        for path in LEARN_FROM:
            answer = await self._call("gatherer.gatherer.read", {"path": path})
            data = answer.get("data", b"")
            found.append((path, data.decode(errors="replace") if isinstance(data, bytes) else ""))
        return found

    async def run(self, wanted: Sequence[tuple[int, Wanted]], tell: Tell) -> None:
        """Gather in a conversation with the host's gatherer."""
        if self._stopped:
            return
        opened = await self._call("co2.open", {"method": _COLLECT, "params": [_asked(wanted)]})
        self._conversation = str(opened.get("conversation", ""))
        try:
            await self._hear(opened, [index for index, _ in wanted], tell)
        finally:
            conversation, self._conversation = self._conversation, ""
            if conversation:
                await self._close(conversation)

    async def _hear(self, answer: dict[str, Any], indices: Sequence[int], tell: Tell) -> None:
        while True:
            step, replies, done = _step(answer)
            for reply in replies:
                await self._tell(reply, indices, tell)
            if done:
                self._conversation = ""
            if done or self._stopped:
                return
            answer = await self._next(step + 1)

    async def _next(self, step: int) -> dict[str, Any]:
        """Ask for the next step; a repeated one is answered the same, so it may be tried again."""
        argument = {"conversation": self._conversation, "step": step, "wait": WAIT}
        for _ in range(_TRIES - 1):
            try:
                return await self._call("co2.next", argument)
            except Refused as refused:
                if refused.code not in _WORTH_ANOTHER_TRY:
                    raise
        return await self._call("co2.next", argument)

    async def _tell(self, reply: Any, indices: Sequence[int], tell: Tell) -> None:
        try:
            report = from_struct(reply, len(indices))
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


def _step(answer: dict[str, Any]) -> tuple[int, list[Any], bool]:
    step, replies, done = answer.get("step"), answer.get("replies"), answer.get("done")
    if not isinstance(step, int) or not isinstance(replies, list) or not isinstance(done, bool):
        raise HostLost("what it answers is no step of a conversation")
    return step, replies, done


def _asked(wanted: Sequence[tuple[int, Wanted]]) -> dict[str, Any]:
    """Give what the host is asked for: in its own order, each as one profile of one thing."""
    return {
        "wanted": [
            {**as_struct(Profile(one.profile, (one,))), "name": one.profile} for _, one in wanted
        ]
    }
