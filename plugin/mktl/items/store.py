"""A store: a read-only mapping of keys to items, whichever daemons own them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, ValuesView
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from attrs import evolve

from plugin.mktl.items.item import Item
from plugin.mktl.net.link import Link, Origin
from plugin.mktl.values.description import ConfigurationRefused, Description, check_items
from plugin.mktl.wire.catalog import Block, origin
from plugin.mktl.work.runtime import Runtime

if TYPE_CHECKING:
    from plugin.mktl.items.board import Board

_READ_ONLY = "a store is read-only: set the value of one of its items"


class Store:
    """See the module. The key of a look-up may be an item.

    Args:
        name: in lower case.
        runtime: where its items work.

    Attributes:
        catalog: each key's description.
    """

    def __init__(self, name: str, runtime: Runtime) -> None:
        self.name = name
        self.runtime = runtime
        self.catalog: dict[str, Mapping[str, Any]] = {}
        self._descriptions: dict[str, Description] = {}
        self._origins: dict[str, Origin] = {}
        self._items: dict[str, Item] = {}
        self._claims: dict[str, Board] = {}
        self._lock = threading.RLock()
        self.own: set[str] = set()

    # -- what there is -----------------------------------------------------------------------------

    def describe(self, key: str) -> Description:
        """Give a key's description.

        Raises:
            KeyError: there is no such key.
        """
        try:
            return self._descriptions[key]
        except KeyError:
            raise KeyError(f"{self.name!r} does not contain the key {key!r}") from None

    def declare(self, descriptions: Mapping[str, Description]) -> None:
        """Enter the items that this process owns."""
        with self._lock:
            self.own.update(descriptions)
            self._descriptions.update(descriptions)
            self.catalog.update({key: one.fields for key, one in descriptions.items()})

    def release(self, keys: Iterable[str]) -> None:
        """Forget items that this process owned; the store itself, once it owns none."""
        with self._lock:
            for key in keys:
                self.own.discard(key)
                self._descriptions.pop(key, None)
                self.catalog.pop(key, None)
                self._items.pop(key, None)
        if not self.own:
            forget_store(self.name)

    def learn(self, block: Block) -> None:
        """Enter what another daemon owns; descriptions that are not understood lose their rules."""
        where = Origin(*origin(block), block.get("dialect", "new"))
        with self._lock:
            for key, fields in block["items"].items():
                if key in self.own:
                    continue
                try:
                    description = check_items({key: fields})[key]
                except (ConfigurationRefused, KeyError):
                    description = Description(key, fields=fields)
                self._descriptions[key] = evolve(description, lowest=None, highest=None)
                self.catalog[key] = description.fields
                self._origins[key] = where

    def claimed_by(self, key: str) -> Board | None:
        """Give where an item of this key publishes, while a daemon makes it."""
        return self._claims.get(key)

    @contextmanager
    def claim(self, key: str, pub: Board) -> Iterator[None]:
        """Let the item of this key that is made meanwhile be a daemon's own."""
        self._claims[key] = pub
        try:
            yield
        finally:
            del self._claims[key]

    def link(self, key: str) -> Link:
        """Give the way to the daemon that owns the key."""
        return link_to(self.runtime, self._origins[key])

    def enter(self, item: Item) -> None:
        """Take an item in, an authoritative one in place of another."""
        with self._lock:
            self._items[item.key] = item

    def present(self, key: str) -> Item | None:
        """Give the item of a key if it was made already."""
        return self._items.get(key)

    # -- a read-only mapping -----------------------------------------------------------------------

    def __getitem__(self, key: str | Item) -> Item:
        key = key.key if isinstance(key, Item) else str(key).lower()
        item = self._items.get(key)
        if item is None:
            with self._lock:
                item = self._items.get(key)
                if item is None:
                    self.describe(key)
                    if key not in self._origins:
                        raise KeyError(f"{self.name}.{key} is not there yet")
                    item = self._items[key] = Item(self, key)
        return item

    def __contains__(self, key: object) -> bool:
        name = key.key if isinstance(key, Item) else str(key).lower()
        return name in self._descriptions

    has_key = __contains__

    def __len__(self) -> int:
        return len(self._descriptions)

    def __iter__(self) -> Iterator[Item]:
        return iter([self[key] for key in self.keys()])

    def keys(self) -> list[str]:
        """Give the keys in order."""
        return sorted(self._descriptions)

    def values(self) -> list[Item] | ValuesView[Item]:
        """Give every item."""
        return list(self)

    def items(self) -> list[tuple[str, Item]]:
        """Give every key with its item."""
        return [(key, self[key]) for key in self.keys()]

    def get(self, key: str, default: Any = None) -> Any:
        """Give an item, or the default where there is no such key."""
        try:
            return self[key]
        except KeyError:
            return default

    def __setitem__(self, key: str, value: Any) -> NoReturn:
        raise NotImplementedError(_READ_ONLY)

    def __delitem__(self, key: str) -> NoReturn:
        raise NotImplementedError(_READ_ONLY)

    def clear(self) -> NoReturn:
        """Refuse."""
        raise NotImplementedError(_READ_ONLY)

    def copy(self) -> NoReturn:
        """Refuse."""
        raise NotImplementedError(_READ_ONLY)

    def update(self, *others: Any, **named: Any) -> NoReturn:
        """Refuse."""
        raise NotImplementedError(_READ_ONLY)

    pop = popitem = setdefault = update

    def __repr__(self) -> str:
        return f"<Store {self.name}: {len(self)} items>"


_stores: dict[str, Store] = {}
_stores_lock = threading.Lock()


def known_store(name: str) -> Store | None:
    """Give this process's store of that name, if there is one."""
    return _stores.get(name)


def own_store(name: str, runtime: Runtime) -> Store:
    """Give this process's one store of that name, made if it is new."""
    with _stores_lock:
        return _stores.setdefault(name, Store(name, runtime))


def forget_store(name: str) -> None:
    """Let the next `get` begin anew."""
    with _stores_lock:
        _stores.pop(name, None)


_links: dict[tuple[int, Origin], Link] = {}
_links_lock = threading.Lock()


def link_to(runtime: Runtime, where: Origin) -> Link:
    """Give this process's one link to a daemon."""
    with _links_lock:
        link = _links.get((id(runtime), where))
        if link is None:
            link = _links[(id(runtime), where)] = Link(runtime.reactor, where)
        return link


def forget_links(runtime: Runtime) -> None:
    """Close every link of a runtime, in its reactor's thread."""
    with _links_lock:
        gone = [key for key in _links if key[0] == id(runtime)]
        links = [_links.pop(key) for key in gone]
    for link in links:
        link.close()
