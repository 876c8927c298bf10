"""What an item does whose daemon is elsewhere: ask, listen, remember.

A value that was heard is trusted as long as the subscription stands; one that was asked for, once
the subscription has had time to arrive (there is no answer to a SUB). After a SET whose publication
has not come yet, the next `get` asks the daemon: what was set is always read back.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from plugin.mktl.wire.message import Bulk, MalformedMessage, Payload, Request, make_bulk

if TYPE_CHECKING:
    from plugin.mktl.items.store import Store
    from plugin.mktl.net.link import Link
    from plugin.mktl.work.strand import Callbacks

JOINED = 0.2
"""Seconds after which a subscription counts as having arrived."""
PATIENCE = 60.0
"""Seconds that a SET may take, for who waits for it."""
_NEWS_WITHIN = 0.1
_HOSTNAME = socket.gethostname()


class Pending:
    """A SET that was sent and not waited for.

    Attributes:
        response: the answer's payload, or None before it is there.
    """

    def __init__(self) -> None:
        self.response: Payload | None = None
        self._failure: Failure | None = None
        self._done = threading.Event()

    def poll(self) -> bool:
        """Say whether it is done."""
        return self._done.is_set()

    def wait(self, timeout: float = PATIENCE) -> Payload | None:
        """Wait until it is done, and give the answer; None if it is not done in time.

        Raises:
            RuntimeError, TimeoutError, ConnectionError: why it failed.
        """
        if not self._done.wait(timeout):
            return None
        if self._failure is not None:
            self._failure.raiseException()
        return self.response

    def wait_ack(self, timeout: float = PATIENCE) -> bool:
        """Wait until the daemon has answered in any way."""
        return self._done.wait(timeout)

    def settle(self, outcome: Any) -> None:
        """Tell the outcome."""
        if isinstance(outcome, Failure):
            self._failure = outcome
        else:
            self.response = outcome
        self._done.set()


class Asking:
    """See the module; a part of `Item`."""

    store: Store
    key: str
    full_key: str
    authoritative: bool
    timeout: float
    _value: Any
    _time: float | None
    _callbacks: Callbacks | None

    def _ask(self, subscribe: bool) -> None:
        self._link: Link = self.store.link(self.key)
        self._subscribed = False
        self._joined: float | None = None
        self._trusted = False
        self._heard = 0
        self._told = 0  # news that callbacks were told of: they are under way by then
        self._telling = threading.Condition()
        if subscribe:
            self.subscribe(prime=False)

    def subscribe(self, prime: bool = True) -> None:
        """Hear of new values from now on.

        Args:
            prime: ask for the present value too, and wait for it where waiting is possible. That
                nobody answers is no error: the subscription stands, and the value comes with it.
        """
        if self.authoritative:
            return
        if not self._subscribed:
            self._subscribed = True
            link = self._link
            self.store.runtime.soon(link.ear.listen, self.full_key, self._news, self._gap)
        if prime:
            self._prime(lambda: None)

    def _prime(self, then: Callable[[], None]) -> None:
        """Ask for the present value; in a thread, wait for it."""

        async def ask() -> None:
            with contextlib.suppress(RuntimeError, TimeoutError, ConnectionError):
                await self._fetch_later(True)
            if in_reactor:
                then()

        runtime = self.store.runtime
        in_reactor = runtime.in_reactor()
        if in_reactor:
            Deferred.fromCoroutine(ask())
        else:
            runtime.run(ask)
            then()

    def get_later(self, refresh: bool = False) -> Deferred[Any]:
        """Give a Deferred of the value, in the reactor's thread; see `get`."""
        if self.authoritative:
            return self.store.runtime.in_thread(self.get, refresh)
        if self._trusted and not refresh:
            known: Deferred[Any] = Deferred()
            known.callback(self._shown())
            return known
        return self._fetch_later(refresh).addCallback(lambda _: self._shown())

    def set_later(self, new_value: Any, formatted: bool = False) -> Deferred[Any]:
        """Give a Deferred that fires when it is set, in the reactor's thread; see `set`."""
        value = self.as_value(new_value, formatted)
        if self.authoritative:
            return self.store.runtime.in_thread(self._set_here, value)
        return self._order_later(value, True)

    # -- within ------------------------------------------------------------------------------------

    def _fetch(self, refresh: bool) -> None:
        if refresh or not self._trusted:
            self.store.runtime.run(self._fetch_later, refresh)

    def _fetch_later(self, refresh: bool) -> Deferred[Any]:
        payload = Payload.of({"refresh": True} if refresh else {})
        heard, asked = self._heard, time.monotonic()
        answer = self._link.ask(
            Request(b"", "GET", self.full_key, payload), done_within=self.timeout
        )
        return answer.addCallback(self._answered, heard, asked)

    def _answered(self, payload: Payload, heard: int, asked: float) -> None:
        if self._heard != heard:
            return  # what was heard meanwhile is newer, or the same
        self._take(payload)
        if self._joined is not None and asked - self._joined > JOINED:
            self._trusted = True

    def _news(self, payload: Payload) -> None:
        self._heard += 1
        self._trusted = True
        self._take(payload)
        self._call_back()
        with self._telling:
            self._told += 1
            self._telling.notify_all()

    def _gap(self, joined: bool) -> None:
        self._trusted = False
        self._joined = time.monotonic() if joined else None

    def _take(self, payload: Payload) -> None:
        self._value = payload.get("value") if payload.bulk is None else payload.bulk
        self._time = payload.get("time")

    def _order(self, value: Any, wait: bool, reply: bool) -> Any:
        runtime = self.store.runtime
        if not wait or not reply:
            pending = Pending()
            runtime.soon(lambda: self._order_later(value, reply).addBoth(pending.settle))
            return pending
        told = self._told
        answer = runtime.run(self._order_later, value, True)
        if self._callbacks:
            self._wait_for_callbacks(told)
        return answer.get("value")

    def _wait_for_callbacks(self, told: int) -> None:
        """Let the callbacks of the value that was set come first, as far as they are on the way."""
        with self._telling:
            heard = self._telling.wait_for(lambda: self._told != told, _NEWS_WITHIN)
        if not heard:
            # This process may have been held up for that long, with the news here and unread.
            self.store.runtime.run(_turn, self.store.runtime.reactor)
        if self._callbacks is not None and threading.current_thread().name == "MainThread":
            self._callbacks.idle.wait(1.0)

    def _order_later(self, value: Any, reply: bool) -> Deferred[Payload]:
        heard = self._heard
        request = Request(b"", "SET", self.full_key, _outgoing(value), reply, reply)
        self._trusted = False

        def answered(payload: Payload) -> Payload:
            self._trusted = self._trusted or (self._heard != heard and self._joined is not None)
            return payload

        return self._link.ask(request, done_within=self.timeout).addCallback(answered)

    def _shown(self) -> Any:
        raise NotImplementedError

    def _call_back(self) -> None:
        raise NotImplementedError

    def _set_here(self, value: Any) -> None:
        raise NotImplementedError

    def get(self, refresh: bool = False) -> Any:
        """See `Item.get`."""
        raise NotImplementedError

    def as_value(self, value: Any, formatted: bool = False, quantity: bool = False) -> Any:
        """See `Item.as_value`."""
        raise NotImplementedError


async def _turn(reactor: Any) -> None:
    """Let the reactor read what is there: between two timed calls it does."""
    for _ in range(2):
        await deferLater(reactor, 0)


def _outgoing(value: Any) -> Payload:
    """Give the payload of a SET, with who asks for it.

    Raises:
        TypeError: the value cannot travel.
    """
    who = {"time": time.time(), "_hostname": _HOSTNAME, "_pid": os.getpid()}
    if isinstance(value, Bulk) or (hasattr(value, "tobytes") and getattr(value, "shape", ()) != ()):
        try:
            return Payload.of(who, make_bulk(value))
        except MalformedMessage as error:
            raise TypeError(str(error)) from None
    return Payload.of({"value": value, **who})
