"""What the author of a daemon overrides or calls on an item: GET, SET, refresh, poll, publish.

The seed's names are the ones that are called; the later generations' (`perform_get`, `perform_set`,
`perform_poll`) are called by these. It must not know threads or turns: `owned` decides where and
when these are called.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

from plugin.mktl.values.kinds import check_value, same
from plugin.mktl.wire.message import Bulk, Payload, Request, copy_json, make_bulk
from plugin.mktl.work.runtime import awaited, is_awaited

if TYPE_CHECKING:
    from plugin.mktl.items.board import Board
    from plugin.mktl.values.description import Description


class NotAllowed(PermissionError):
    """The item's description says that it cannot be set, or read."""


class Hooks:
    """See the module; a part of `Item`."""

    _log = Logger()
    publish_on_set: bool
    log_on_set: bool
    key: str
    full_key: str
    about: Description
    pub: Board
    _value: Any
    _time: float | None
    _given: frozenset[str]

    # -- GET ---------------------------------------------------------------------------------------

    def req_get(self, request: Request) -> Any:
        """Answer a GET: the known value, or with `refresh` a fresh one; gives {'value', 'time'}."""
        if request.payload.refresh or (self._time is None and self.refreshes_itself()):
            refreshed = self.perform_poll()
            if is_awaited(refreshed):
                return awaited(refreshed).addCallback(lambda _: self.to_payload())
        return self.to_payload()

    def req_poll(self, *event: Any, repeat: bool = False) -> Any:
        """Refresh, and publish what is new; may be registered as a callback of other items."""
        if len(event) == 1:
            repeat = bool(event[0])
        refreshed = self.req_refresh()
        if is_awaited(refreshed):
            return awaited(refreshed).addCallback(self._publish_refreshed, repeat)
        return self._publish_refreshed(refreshed, repeat)

    def perform_poll(self, *event: Any, repeat: bool = False) -> Any:
        """Do `req_poll`; the name of later generations."""
        return self.req_poll(*event, repeat=repeat)

    def req_refresh(self) -> Any:
        """Acquire the newest value: {'value', 'time'}, or None if there is nothing new."""
        got = self.perform_get()
        if is_awaited(got):
            return awaited(got).addCallback(_as_refreshed)
        return _as_refreshed(got)

    def perform_get(self) -> Any:
        """Acquire the newest value: itself, a `Payload`, or None if there is nothing new."""
        return None

    def reject_get(self, request: Request) -> Any:
        """Answer a GET of an item that is not gettable."""
        raise NotAllowed(f"{self.key} is not a gettable item")

    # -- SET ---------------------------------------------------------------------------------------

    def req_set(self, request: Request) -> Any:
        """Do a SET: check, validate, perform, publish; what it gives goes back to the client.

        Raises:
            anything, which is what the client is told.
        """
        if self.log_on_set:
            who = {name: request.payload[name] for name in request.payload if name[:1] == "_"}
            self._log.info("SET {item} {who}", item=self.full_key, who=who)
        value = self.validate(self._checked(request.payload))
        if is_awaited(value):
            return awaited(value).addCallback(self._set_checked)
        return self._set_checked(value)

    def req_initialize(self, request: Request) -> None:
        """Take the description's `initial`: it is published, and nothing is performed."""
        self.publish(check_value(self.about, self.from_payload(request.payload)))

    def reject_set(self, request: Request) -> Any:
        """Answer a SET of an item that is not settable."""
        raise NotAllowed(f"{self.key} is not a settable item")

    def validate_type(self, value: Any) -> Any:
        """Give the value in the form of the item's type; see `kinds.check_value`."""
        return check_value(self.about, value)

    def validate(self, value: Any) -> Any:
        """Give the value that shall be set, or raise; this one takes it as it is."""
        return value

    def perform_set(self, new_value: Any) -> Any:
        """Bring the new value about; this one has nothing to do."""

    # -- payloads ----------------------------------------------------------------------------------

    def from_payload(self, payload: Payload) -> Any:
        """Take the value out of a request; an array where there is one."""
        return payload.value

    def to_payload(
        self, value: Any = None, timestamp: float | None = None, **others: Any
    ) -> Payload:
        """Give a payload of a value, or without one of the present value and its time."""
        if value is None:
            value, timestamp = self._value, self._time if timestamp is None else timestamp
        when = time.time() if timestamp is None else timestamp
        value = value if type(value) is Bulk else _kept_form(value)
        if type(value) is Bulk:
            return Payload(None, when, value, **others)
        return Payload(value, when, **others)

    # -- publishing --------------------------------------------------------------------------------

    def publish(self, new_value: Any, timestamp: float | None = None, repeat: bool = False) -> None:
        """Make a new value known: to this process at once, to subscribers in order.

        Args:
            new_value: as Python has it.
            timestamp: UNIX seconds; now, if it is not given.
            repeat: publish it even if it is the same as before.

        Raises:
            TypeError: it cannot travel as JSON.
        """
        if type(new_value) not in (int, float, str, bool):
            new_value = _kept_form(new_value)
        board = self.pub
        with board.lock:
            if not repeat and self._time is not None and same(new_value, self._value):
                return
            self._value = new_value
            self._time = time.time() if timestamp is None else timestamp
            board.post(self, self._payload())
        board.wake()

    # -- without a subclass ------------------------------------------------------------------------

    def add_get_performer(self, method: Callable[[], Any]) -> None:
        """Let a function stand for `perform_get`."""
        self.appoint("perform_get", method)

    def add_set_performer(self, method: Callable[[Any], Any]) -> None:
        """Let a function stand for `perform_set`."""
        self.appoint("perform_set", method)

    def add_performer(self, request: str, method: Callable[..., Any]) -> None:
        """Let a function stand for `perform_get` or `perform_set`; `request` is 'get' or 'set'."""
        self.appoint(f"perform_{get_or_set(request)}", method)

    def appoint(self, name: str, method: Callable[..., Any]) -> None:
        """Let a function stand for one of this item's methods.

        Raises:
            TypeError: it cannot be called.
        """
        if not callable(method):
            raise TypeError(f"{self.full_key}: {method!r} cannot be called")
        setattr(self, name, method)
        self._given |= {name}

    def overrides(self, name: str) -> bool:
        """Say whether the author has put something of his own in a method's place."""
        return name in self._given or getattr(type(self), name) is not getattr(Hooks, name)

    def refreshes_itself(self) -> bool:
        """Say whether it knows how to acquire a fresh value."""
        return self.overrides("req_refresh") or self.overrides("perform_get")

    # -- within ------------------------------------------------------------------------------------

    def _payload(self) -> Payload:
        value, when = self._value, self._time
        if type(value) is Bulk:
            return Payload(None, when, value)
        return Payload(value, time.time() if when is None else when)

    def _publish_refreshed(self, refreshed: Any, repeat: bool) -> Any:
        if refreshed is None:
            return None
        if not isinstance(refreshed, dict) or "value" not in refreshed:
            raise TypeError(f"{self.full_key}: req_refresh gives {{'value', 'time'}} or None")
        bulk = getattr(refreshed, "bulk", None)
        value = refreshed["value"] if bulk is None else bulk
        self.publish(value, refreshed.get("time"), repeat)
        return refreshed

    def _checked(self, payload: Payload) -> Any:
        """Give a SET's value, arrays as authors know them; without an author none is needed."""
        if self.overrides("from_payload") or payload.bulk is None:
            return self.validate_type(self.from_payload(payload))
        checked = self.validate_type(payload.bulk)
        authored = self.overrides("validate") or self.overrides("perform_set")
        return checked.as_array() if authored and type(checked) is Bulk else checked

    def _set_checked(self, value: Any) -> Any:
        performed = self.perform_set(value)
        if is_awaited(performed):
            return awaited(performed).addCallback(self._set_performed, value)
        return self._set_performed(performed, value)

    def _set_performed(self, result: Any, value: Any) -> Any:
        if self.publish_on_set:
            self.publish(value)
        return result


def get_or_set(request: str) -> str:
    """Give 'get' or 'set'.

    Raises:
        ValueError: it is neither.
    """
    word = str(request).strip().lower()
    if word not in ("get", "set"):
        raise ValueError(f"a request is 'get' or 'set', not {request!r}")
    return word


def _kept_form(value: Any) -> Any:
    """Copy what its owner could change in place, so that the change is seen as one."""
    if not hasattr(value, "tobytes"):
        return copy_json(value) if isinstance(value, list | tuple | dict) else _travelling(value)
    return value.item() if getattr(value, "shape", None) == () else make_bulk(value)


def _travelling(value: Any) -> Any:
    """Give the value, of which it is sure that it can be told and kept."""
    copy_json(value)
    return value


def _as_refreshed(got: Any) -> dict[str, Any] | None:
    if got is None or isinstance(got, Payload):
        return got
    return {"value": got, "time": time.time()}
