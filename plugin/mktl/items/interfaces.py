"""The seams of mktl: what a daemon asks of its items, and what a host of daemons asks of a daemon.

The names are the seed's; docs/mktl.md tells what each is for.
"""

from __future__ import annotations

from typing import Any

from zope.interface import Attribute, Interface


class IItem(Interface):
    """A value with an owner and a time, at the owner's and everywhere else."""

    key = Attribute("its name in the store, in lower case, a str")
    full_key = Attribute("`store.key`, a str")
    value = Attribute("the value; it can be set")
    timestamp = Attribute("UNIX seconds of the last change, a float or None")
    authoritative = Attribute("whether this process owns it, a bool")
    timeout = Attribute("seconds for the answer of its owner, a float")

    def get(refresh: bool = False, formatted: bool = False, quantity: bool = False) -> Any:
        """Give the value; may wait, so not in the reactor's thread."""

    def get_later(refresh: bool = False) -> Any:
        """Give a Deferred of the value."""

    def set_later(new_value: Any, formatted: bool = False) -> Any:
        """Give a Deferred that fires when it is set."""

    def register(method: Any, prime: bool = False) -> None:
        """Call `method(item, value, timestamp)` for every new value."""


class IAuthoritativeItem(IItem):
    """What a daemon asks of an item that it owns; authors override the `req_` methods."""

    def take_get(request: Any) -> Any:
        """Answer a GET: a Payload or a Deferred of one; raises what the client is told."""

    def take_set(request: Any) -> Any:
        """Do a SET after all earlier ones: a Payload or a Deferred of one."""

    def req_get(request: Any) -> Any:
        """Answer a GET; may block."""

    def req_refresh() -> Any:
        """Acquire the newest value: {'value', 'time'} or None; may block."""

    def req_set(request: Any) -> Any:
        """Do a SET; may block; raises what the client is told."""

    def validate(value: Any) -> Any:
        """Give the value that shall be set, or raise."""

    def publish(new_value: Any, timestamp: float | None = None, repeat: bool = False) -> None:
        """Make a new value known; in any thread."""

    def poll(period: float | None) -> None:
        """Refresh and publish every `period` seconds."""


class IDaemon(Interface):
    """The owner of items of one store."""

    store = Attribute("the Store that its items are in")
    phase = Attribute("how far it has come, a Phase")
    shutdown = Attribute("a threading.Event, set when it begins to stop")

    def setup() -> None:
        """Add items; nothing is restored yet."""

    def setup_final() -> None:
        """Do what has to be done before anybody is told."""

    def add_item(item_class: Any, key: str, **kwargs: Any) -> Any:
        """Make an item that the daemon owns."""

    def stop() -> None:
        """Stop; what was set is on disk when this returns."""
