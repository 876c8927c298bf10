"""The exchange over XenStore: data/host/<id> holds a request, data/guest/<id> its response.

How it works. A watch tells of every node below the request path; each is read at once, and queued.
The response is written and the request removed in one transaction, so that a crash between the two
loses nothing. When the connection dies it is made again, with a pause that grows; the first event
of the new watch has everything read again that waits in the store.

Invariants: an id is in `_known` from when it was seen until it is removed, so that none runs twice;
a response that could not be written is kept in `_unsent`, and written when the store is back,
instead of the request being run again.
"""

from __future__ import annotations

import errno
import re
import time
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred, succeed
from twisted.internet.task import deferLater
from twisted.logger import Logger
from zope.interface import implementer

from plugin.guest.exchange.waiting import Waiting
from plugin.guest.interfaces import IExchange
from plugin.guest.xenstore.client import StoreClient, connect, standard_place
from plugin.guest.xenstore.wire import XenStoreError, XenStoreLost

_log = Logger()
TOKEN = "guest-requests"  # noqa: S105  # a watch's name
SHORTEST_PAUSE, LONGEST_PAUSE = 0.05, 5.0
EXPIRY = 3600.0
"""Seconds that a response stays that nobody removed."""

MOST_RESPONSES = 200
"""A guest may have 1,000 nodes in all; clients of 2015 never remove a response."""

MOST_CONFLICTS = 50
TOO_LARGE = b'{"message": "The response is too large for XenStore", "returncode": "500"}'
_ID = re.compile(r"[0-9A-Fa-f-]{32,36}")


@implementer(IExchange)
class XSComm:
    """XenStore, as a guest or as dom0."""

    def __init__(
        self,
        request_path: str = "data/host",
        response_path: str = "data/guest",
        *,
        place: str | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the paths; a relative one is the caller's own domain's.

        Args:
            request_path: where requests come.
            response_path: where responses go.
            place: xenstored's socket or device; None for the one that is there.
            now: seconds, for the expiry of responses.
        """
        self.request_path = request_path
        self.response_path = response_path
        self.place = place
        self._now = now
        self._waiting = Waiting()
        self._known: set[str] = set()
        self._unsent: dict[str, bytes] = {}
        self._written: dict[str, float] = {}
        self._client: StoreClient | None = None
        self._reactor: Any = None
        self._running: Deferred[None] | None = None
        self._pausing: Deferred[None] | None = None
        self._closed = False
        self._pause = SHORTEST_PAUSE

    def start(self, reactor: Any) -> None:
        """Connect, and stay connected until closed."""
        self._reactor = reactor
        self._running = ensureDeferred(self._stay())

    def get_request(self) -> Deferred[Any]:
        """Give the next request: {'path': ..., 'data': its text}."""
        return self._waiting.get()

    def put_response(self, request: Any, response: Any) -> Deferred[None]:
        """Write the response and remove the request."""
        data = response["data"]
        raw = data if isinstance(data, bytes) else data.encode("utf-8")
        return ensureDeferred(self._put(_name(request["path"]), raw))

    def discard_request(self, request: Any) -> Deferred[None]:
        """Remove the request only."""
        return ensureDeferred(self._discard(_name(request["path"])))

    def close(self) -> Deferred[None]:
        """Close the connection."""
        self._closed = True
        self._waiting.close()
        if self._pausing is not None:
            self._pausing.cancel()
        if self._client is not None:
            self._client.close()
        running, self._running = self._running, None
        return running if running is not None else succeed(None)

    async def _stay(self) -> None:
        while not self._closed:
            try:
                await self._connection()
            except Exception as error:
                place = self.place or standard_place()
                _log.warn("xenstored at {place}: {why}", place=place, why=str(error))
            if not self._closed:
                self._pausing = deferLater(self._reactor, self._pause)
                self._pausing.addErrback(lambda _: None)
                self._pause = min(self._pause * 2, LONGEST_PAUSE)
                await self._pausing
                self._pausing = None

    async def _connection(self) -> None:
        """Connect, watch, and return when the connection is gone."""
        client = await connect(self._reactor, self.place or standard_place())
        self._client = client
        try:
            if self._closed:
                client.close()
            try:
                await client.make(self.request_path)
            except XenStoreError as error:
                _log.warn("mkdir {path}: {why}", path=self.request_path, why=str(error))
            await self._find_old(client)
            await client.watch(self.request_path, TOKEN, self._changed)
            self._pause = SHORTEST_PAUSE
            await client.gone
        finally:
            self._client = None
            client.close()
            # What is queued stays so; whatever else the store still has is read again.
            self._known = {_name(path) for path in self._waiting_paths()} | set(self._unsent)

    def _waiting_paths(self) -> list[str]:
        return [request["path"] for request in self._waiting]

    def _changed(self, path: str) -> None:
        client = self._client
        if client is None:
            return
        if path == self.request_path:
            self._spawn(self._list(client))
        elif path.startswith(self.request_path + "/"):
            self._spawn(self._take(client, path[len(self.request_path) + 1 :].partition("/")[0]))

    def _spawn(self, work: Any) -> None:
        ensureDeferred(work).addErrback(self._failed)

    def _failed(self, failure: Any) -> None:
        if failure.check(XenStoreLost) is None:
            _log.failure("reading a request failed", failure)

    async def _list(self, client: StoreClient) -> None:
        try:
            found = await client.directory(self.request_path)
        except XenStoreError as error:
            if error.code != errno.ENOENT:
                raise
            await client.make(self.request_path)  # somebody removed it
            return
        for name in found:
            self._spawn(self._take(client, name))

    async def _take(self, client: StoreClient, name: str) -> None:
        if name in self._unsent and client is self._client:
            await self._write(client, name, self._unsent[name])
            return
        if name in self._known:
            return
        self._known.add(name)
        path = f"{self.request_path}/{name}"
        try:
            value = await client.read(path)
        except (XenStoreError, XenStoreLost):
            self._known.discard(name)  # gone before it was read, as our own removals are
            return
        self._waiting.put({"path": path, "data": value.decode("utf-8", "replace")})

    async def _put(self, name: str, raw: bytes) -> None:
        self._unsent[name] = raw
        client = self._client
        if client is not None:
            try:
                await self._write(client, name, raw)
            except XenStoreLost:
                _log.info("the store is away: the response to {name} waits", name=name)

    async def _write(self, client: StoreClient, name: str, raw: bytes) -> None:
        """Write a response and remove its request, both or none."""
        response = f"{self.response_path}/{name}"
        for _ in range(MOST_CONFLICTS):
            transaction = await client.begin()
            try:
                try:
                    await client.write(response, raw, transaction)
                except XenStoreError as error:
                    if error.code != errno.E2BIG or raw == TOO_LARGE:
                        raise
                    raw = TOO_LARGE
                    await client.write(response, raw, transaction)
                await _remove(client, f"{self.request_path}/{name}", transaction)
            except XenStoreError:
                await client.end(transaction, commit=False)
                await self._give_up(client, name)
                raise
            try:
                await client.end(transaction)
            except XenStoreError as error:
                if error.code != errno.EAGAIN:
                    raise
                continue
            self._done(name)
            self._written[response] = self._now()
            await self._expire(client)
            return
        await self._give_up(client, name)
        raise XenStoreError("EAGAIN")

    async def _give_up(self, client: StoreClient, name: str) -> None:
        """Drop a request whose response the store does not take: it must not come again."""
        await _remove(client, f"{self.request_path}/{name}", 0)
        self._done(name)

    async def _discard(self, name: str) -> None:
        if self._client is not None:
            await _remove(self._client, f"{self.request_path}/{name}", 0)
        self._done(name)

    def _done(self, name: str) -> None:
        self._unsent.pop(name, None)
        self._known.discard(name)

    async def _find_old(self, client: StoreClient) -> None:
        """Begin to count the age of responses that an agent before this one has left."""
        try:
            found = await client.directory(self.response_path)
        except XenStoreError:
            return
        for name in found:
            if _ID.fullmatch(name):
                self._written.setdefault(f"{self.response_path}/{name}", self._now())

    async def _expire(self, client: StoreClient) -> None:
        old = self._now() - EXPIRY
        while self._written:
            path, written = next(iter(self._written.items()))
            if written > old and len(self._written) <= MOST_RESPONSES:
                return
            del self._written[path]
            await _remove(client, path, 0)


def _name(path: str) -> str:
    return path.rpartition("/")[2]


async def _remove(client: StoreClient, path: str, transaction: int) -> None:
    try:
        await client.remove(path, transaction)
    except XenStoreError as error:
        if error.code != errno.ENOENT:
            raise
