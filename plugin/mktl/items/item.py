"""An item: a key and its value, at the daemon that owns it and at everybody else's.

One class for both sides, as its users know it: `Owned` is what an authoritative item does, `Hooks`
what its author overrides there, `Asking` what one does that another daemon owns. Here is what both
share: the value and its time, formats, callbacks, and the operators.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from zope.interface import implementer

from plugin.mktl.items.asking import Asking
from plugin.mktl.items.interfaces import IAuthoritativeItem
from plugin.mktl.items.owned import Owned
from plugin.mktl.net.link import DONE_WITHIN
from plugin.mktl.values.description import Description
from plugin.mktl.values.formats import (
    convert_quantity,
    format_value,
    make_quantity,
    read_formatted,
    read_quantity,
)
from plugin.mktl.values.operators import ValueLike
from plugin.mktl.wire.message import Bulk
from plugin.mktl.work.strand import Callbacks

if TYPE_CHECKING:
    from plugin.mktl.items.board import Board
    from plugin.mktl.items.store import Store


@implementer(IAuthoritativeItem)
class Item(Owned, Asking, ValueLike):
    """See the module; a daemon's items are subclasses that override a few methods of it.

    Args:
        store: the `Store` that it belongs to.
        key: its name in there, any case.
        subscribe: hear of new values from now on; for one that another daemon owns.
        authoritative: this process owns it.
        pub: where it publishes, a daemon's `Board`. A subclass need not hand these two on: while a
            daemon makes an item, the store knows that it does.

    Raises:
        KeyError: the store has no such key.
    """

    blocking: bool = True
    """False in a class whose methods return soon or give Deferreds: they are called in the
    reactor's thread then. `async def` methods always are."""

    publish_on_set: bool = True
    """Whether a SET publishes the new value by itself."""

    timeout: float = DONE_WITHIN
    """Seconds for the answer to a GET or SET; what does not even say in 5 that it has heard, or
    does not answer in so many, is a TimeoutError. Of an item or of a class."""

    log_on_set: bool = False
    """Whether the log tells of every SET, with what the client says of itself."""

    def __init__(
        self,
        store: Store,
        key: str,
        subscribe: bool = True,
        authoritative: bool = False,
        pub: Board | None = None,
    ) -> None:
        self.store = store
        self.key = str(key).lower()
        self.full_key = f"{store.name}.{self.key}"
        self.topic = f"{self.full_key}.".encode()
        claimed = store.claimed_by(self.key)
        pub = pub if claimed is None else claimed
        self.authoritative = authoritative or pub is not None
        self.about: Description = store.describe(self.key)
        self._value: Any = None
        self._time: float | None = None
        self._callbacks: Callbacks | None = None
        if pub is not None:
            self._own(pub)
        elif authoritative:
            raise ValueError(f"{self.full_key}: an authoritative item needs a daemon's 'pub'")
        else:
            self._ask(subscribe)

    @property
    def description(self) -> Mapping[str, Any]:
        """The item's description, as its daemon's configuration has it."""
        return self.about.fields

    config = description

    @property
    def timestamp(self) -> float | None:
        """When the value was last known to change, in UNIX seconds; None before there is one."""
        return self._time

    @property
    def value(self) -> Any:
        """The value; setting it publishes it where the item is owned, and asks its owner else."""
        if not self.authoritative:
            return self.get()
        return self._shown()

    @value.setter
    def value(self, new_value: Any) -> None:
        self.set(new_value)

    @property
    def formatted(self) -> str:
        """The value as text; text that is set is read the same way."""
        value = self.value
        return self.to_format(self._value if isinstance(self._value, Bulk) else value)

    @formatted.setter
    def formatted(self, text: str) -> None:
        self.set(text, formatted=True)

    @property
    def quantity(self) -> Any:
        """The value as a `pint.Quantity`; any that converts to the item's units can be set."""
        return self.to_quantity(self.value)

    @quantity.setter
    def quantity(self, quantity: Any) -> None:
        self.set(quantity, quantity=True)

    def get(self, refresh: bool = False, formatted: bool = False, quantity: bool = False) -> Any:
        """Give the value; in a thread that may wait.

        Args:
            refresh: ask the daemon, and let it ask its hardware, even if a value is known.
            formatted: as text.
            quantity: as a `pint.Quantity`; with `formatted` in the units of the text.

        Raises:
            RuntimeError: the daemon refused.
            TimeoutError, ConnectionError: it does not answer, or is gone.
        """
        if self.authoritative:
            self._refresh_here(refresh)
        else:
            self._fetch(refresh)
        value = self._shown()
        if quantity:
            return self.to_quantity(value, self.about.formatted_units if formatted else None)
        return self.to_format(self._value) if formatted else value

    def set(
        self,
        new_value: Any,
        wait: bool = True,
        reply: bool = True,
        formatted: bool = False,
        quantity: bool = False,
    ) -> Any:
        """Set the value: publish it where the item is owned, ask its owner everywhere else.

        Args:
            wait: until the daemon has done it; otherwise what comes back can be waited for.
            reply: whether the daemon shall answer at all.
            formatted, quantity: what `new_value` is.

        Raises:
            RuntimeError: the daemon refused.
            TimeoutError, ConnectionError: it does not answer, or is gone.
            KeyError, ValueError: the text or quantity cannot be read.
        """
        new_value = self.as_value(new_value, formatted, quantity)
        if self.authoritative:
            return self._set_here(new_value)
        return self._order(new_value, wait, reply)

    def as_value(self, value: Any, formatted: bool = False, quantity: bool = False) -> Any:
        """Give the bare value of a text or a quantity; of another item its value."""
        if isinstance(value, ValueLike):
            value = value.value
        if quantity:
            return self.from_quantity(value)
        return self.from_format(value) if formatted else value

    def to_format(self, value: Any) -> str:
        """Give the text of a value."""
        return format_value(self.about, value)

    def from_format(self, text: Any) -> Any:
        """Read a value's text.

        Raises:
            KeyError, ValueError: it cannot be read.
        """
        return read_formatted(self.about, text)

    def to_quantity(self, value: Any, units: Any = None) -> Any:
        """Give a value as a `pint.Quantity`, converted to `units` if they are given.

        Raises:
            ValueError: they are not known, or do not fit; pint is not installed.
        """
        quantity = make_quantity(value, self.about.units)
        return quantity if units is None else convert_quantity(quantity, units)

    def from_quantity(self, quantity: Any) -> float:
        """Give a quantity's number in the item's units.

        Raises:
            ValueError: it does not convert to them.
        """
        return read_quantity(self.about, quantity)

    def register(self, method: Callable[..., Any], prime: bool = False) -> None:
        """Call `method(item, value, timestamp)` for every new value, one after the other.

        It is kept by a weak reference: somebody else has to hold it. A coroutine function, and a
        method of an item that does not block, is called in the reactor's thread.

        Args:
            prime: call it with the present value too: before this returns, or in the reactor's
                thread as soon as the value is known.
        """
        if self._callbacks is None:
            self._callbacks = Callbacks(self.store.runtime)
        owner = getattr(method, "__self__", None)
        inline = inspect.iscoroutinefunction(method) or (
            isinstance(owner, Item) and owner.authoritative and owner.answers_at_once("poll")
        )
        self._callbacks.add(method, inline)
        if not self.authoritative:
            self.subscribe(prime=False)
            if prime:
                self._prime(lambda: self._first_call(method))
        elif prime:
            self._first_call(method)

    def _first_call(self, method: Callable[..., Any]) -> None:
        if self._time is not None:
            method(self, self._shown(), self._time)

    def watch(self, other: Item) -> None:
        """Poll this item whenever another one has a new value."""
        other.register(self.perform_poll)

    def _shown(self) -> Any:
        value = self._value
        return value.as_array() if type(value) is Bulk else value

    def _call_back(self) -> None:
        if self._callbacks:
            self._callbacks.tell(self, self._shown(), self._time)

    def __str__(self) -> str:
        return self.formatted

    def __repr__(self) -> str:
        return f"<Item {self.full_key}: {self._value!r}>"
