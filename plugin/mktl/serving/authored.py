"""What the author of a daemon overrides, and what he calls there.

It must not know how a daemon starts or is reached: `daemon` does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from plugin.mktl.items.board import Board
from plugin.mktl.items.hooks import get_or_set
from plugin.mktl.items.item import Item
from plugin.mktl.items.store import Store
from plugin.mktl.serving.desk import Desk
from plugin.mktl.values.description import Description
from plugin.mktl.wire.message import Request


class Authored:
    """See the module; a part of `Daemon`.

    Attributes:
        store: where its items are.
        described: what it owns, by key.
        logger: for authors' own words, as later generations have it.
    """

    logger = logging.getLogger("mktl")
    name: str
    alias: str
    store: Store
    described: dict[str, Description]
    desk: Desk
    pub: Board
    _given: Mapping[str, Any] | None

    # -- to be overridden --------------------------------------------------------------------------

    def setup(self) -> None:
        """Add items, open what they need; nothing is restored yet."""

    def setup_final(self) -> None:
        """Do what has to be done when all items are there, before anybody is told."""

    def describe_items(self) -> Mapping[str, Any] | None:
        """Give the configuration; None lets its file in the home count."""
        return self._given

    def parse_options(self, options: Any) -> None:
        """Look at `options`, which are `self.options`, before anything else is done."""

    def cleanup(self) -> None:
        """Let go of what `setup` has taken; called once, when it stops."""

    # -- to be called ------------------------------------------------------------------------------

    def add_item(self, item_class: type[Item], key: str, *args: Any, **kwargs: Any) -> Item:
        """Make an item that this daemon owns; `args` and `kwargs` go to its class.

        Raises:
            KeyError: the configuration has no such key.
            RuntimeError: it was added already.
        """
        key = str(key).lower()
        if key not in self.described:
            raise KeyError(f"{key!r} is not in the configuration {self.alias!r} of {self.name!r}")
        if f"{self.name}.{key}" in self.desk.items:
            raise RuntimeError(f"{self.name}.{key} was added already")
        with self.store.claim(key, self.pub):
            item = item_class(self.store, key, *args, **kwargs)
        former = self.store.present(key)
        if former is not None and item._callbacks is None:
            item._callbacks = former._callbacks
        self.store.enter(item)
        self.desk.items[item.full_key] = item
        return item

    def add_missing(self, item_class: type[Item], key: str, **kwargs: Any) -> None:
        """Add an item, unless there is one of that key."""
        if f"{self.name}.{key}" not in self.desk.items:
            self.add_item(item_class, key, **kwargs)

    def add_performer(self, key: str, request: str, method: Callable[..., Any]) -> None:
        """Let a function stand for an item's `perform_get` or `perform_set`; see `Item`."""
        self._item(key).add_performer(request, method)

    def add_get_performer(self, key: str, method: Callable[[], Any]) -> None:
        """Let a function stand for an item's `perform_get`."""
        self.add_performer(key, "get", method)

    def add_set_performer(self, key: str, method: Callable[[Any], Any]) -> None:
        """Let a function stand for an item's `perform_set`."""
        self.add_performer(key, "set", method)

    def add_performers(self, performers: Iterable[tuple[str, str, Callable[..., Any]]]) -> None:
        """Add several: (key, 'get' or 'set', function)."""
        for performer in performers:
            self.add_performer(*performer)

    def add_handler(self, key: str, request: str, method: Callable[[Request], Any]) -> None:
        """Let a function stand for an item's `req_get` or `req_set`: all of what a request does."""
        self._item(key).appoint(f"req_{get_or_set(request)}", method)

    def add_get_handler(self, key: str, method: Callable[[Request], Any]) -> None:
        """Let a function stand for an item's `req_get`."""
        self.add_handler(key, "get", method)

    def add_set_handler(self, key: str, method: Callable[[Request], Any]) -> None:
        """Let a function stand for an item's `req_set`."""
        self.add_handler(key, "set", method)

    def add_handlers(self, handlers: Iterable[tuple[str, str, Callable[..., Any]]]) -> None:
        """Add several: (key, 'get' or 'set', function)."""
        for handler in handlers:
            self.add_handler(*handler)

    def _item(self, key: str) -> Item:
        key = str(key).strip().lower()
        self.add_missing(Item, key)
        return self.store[key]

    @property
    def own_items(self) -> list[Item]:
        """Every item that it owns."""
        return [self.store[key] for key in self.described]
