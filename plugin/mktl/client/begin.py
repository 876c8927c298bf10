"""Finding stores: in this process, in the cache on disk, by a registry, by the daemons themselves.

`get` is for threads and waits; `get_later` gives a Deferred, in the reactor's thread. Whoever asks
twice is given the same object. A block from the cache is believed only while its daemon says that
its hash is still the same, or while nobody answers at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from plugin.mktl.items.item import Item
from plugin.mktl.items.store import Store, known_store, own_store
from plugin.mktl.keeping.home import (
    forget_cached_block,
    home,
    listed_registries,
    load_cached_blocks,
    save_cached_block,
    write_whole,
)
from plugin.mktl.net import discovery
from plugin.mktl.net.link import Link, Origin, RemoteRefusal, brief_link
from plugin.mktl.values.description import check_store
from plugin.mktl.wire.catalog import Block, check_block
from plugin.mktl.wire.message import Payload, Request
from plugin.mktl.work.runtime import Runtime, current

LATE = 2.0
"""Seconds that daemons have the second time: one of a busy machine, or a busy asker, is late."""
_TROUBLE = (RemoteRefusal, TimeoutError, ConnectionError, ValueError)


def get(store: str, key: str | None = None) -> Any:
    """Give a `Store`, or with a key (or 'store.key') an `Item`; in a thread.

    Raises:
        ValueError: the name of the store is missing.
        RuntimeError: nobody knows the store.
        KeyError: the store has no such key.
    """
    name, key = _names(store, key)
    known = _known(name, key)
    return known if known is not None else current().run(_find, current(), name, key)


def get_later(store: str, key: str | None = None, runtime: Runtime | None = None) -> Deferred[Any]:
    """Do what `get` does, as a Deferred, in the reactor's thread."""
    name, key = _names(store, key)
    return Deferred.fromCoroutine(_get_later(runtime or current(), name, key))


async def _get_later(runtime: Runtime, name: str, key: str | None) -> Any:
    known = _known(name, key)
    return known if known is not None else await _find(runtime, name, key)


def discover(*addresses: str) -> list[str]:
    """Ask registries, the given ones too, for all stores; keep their catalogs; name the stores.

    Raises:
        RuntimeError: no registry answers.
    """
    runtime = current()
    return list(runtime.run(_discover, runtime, addresses))


def _names(store: str, key: str | None) -> tuple[str, str | None]:
    if store is None:
        raise ValueError("the store name must be specified")
    name = str(store).lower()
    if key is None and "." in name:
        name, key = name.split(".", 1)
    return check_store(name), None if key is None else str(key).lower()


def _known(name: str, key: str | None) -> Any:
    store = known_store(name)
    if store is None or (key is not None and key not in store):
        return None
    if key is None:
        return store if len(store) else None
    # An item's truth is that of its value, which its daemon would be asked for.
    return store[key] if store.present(key) is not None or key not in store.own else None


async def _find(runtime: Runtime, name: str, key: str | None) -> Store | Item:
    blocks = await find_blocks(runtime, name)
    if not blocks and known_store(name) is None:
        raise RuntimeError(f"no catalog available for {name!r}: no registry or daemon knows it")
    store = own_store(name, runtime)
    for block in blocks:
        store.learn(block)
    if key is not None and key not in store:  # a daemon of it that the cache does not know yet
        for block in await _search_blocks(runtime, home(), name):
            store.learn(block)
    return store if key is None else store[key]


async def find_blocks(runtime: Runtime, store: str) -> list[Block]:
    """Give the blocks of a store: those of the cache that still hold, or what the network knows."""
    base = home()
    cached = [await _checked(runtime, base, one) for one in load_cached_blocks(base, store)]
    found = [block for block in cached if block is not None]
    return found or await _search_blocks(runtime, base, store)


async def _checked(runtime: Runtime, base: Path, block: Block) -> Block | None:
    """Ask the daemon, and those who passed its block on, whether the block still holds."""
    store, uuid = block["store"], block["uuid"]
    for stratum in sorted(block["provenance"], key=lambda one: one["stratum"]):
        where = Origin(stratum["hostname"], stratum["rep"], None, block.get("dialect", "new"))
        try:
            async with brief_link(runtime.reactor, where) as link:
                hashes = (await _ask(link, f"{store}._hash")).get(store, {})
                if uuid not in hashes:
                    forget_cached_block(base, block)
                    continue
                if hashes[uuid] == block["hash"]:
                    return block
                blocks = await _ask_blocks(link, store)
        except _TROUBLE:
            continue
        _keep(base, blocks)
        return next((one for one in blocks if one["uuid"] == uuid), None)
    return None


async def _search_blocks(runtime: Runtime, base: Path, store: str) -> list[Block]:
    """Ask registries, then daemons; where none of them knows the store, daemons once more."""
    rounds = (
        (discovery.REGISTRY_PORT, listed_registries(base), 0.5, False),
        (discovery.DAEMON_PORT, (), 0.3, True),
        (discovery.DAEMON_PORT, (), LATE, True),
    )
    for port, addresses, wait, everybody in rounds:
        answered = await discovery.search(
            runtime.reactor, port, addresses, discovery_interface(), wait, everybody
        )
        found: dict[str, Block] = {}
        for one in answered:
            where = Origin(one.host, one.port, None, one.dialect)
            try:
                async with brief_link(runtime.reactor, where) as link:
                    for block in await _ask_blocks(link, store):
                        found.setdefault(block["uuid"], block)
            except _TROUBLE:
                continue
        if found:
            _keep(base, found.values())
            return list(found.values())
    return []


async def _discover(runtime: Runtime, addresses: Iterable[str]) -> list[str]:
    base = home()
    listed = [*addresses, *listed_registries(base)]
    answered = await discovery.search(
        runtime.reactor, discovery.REGISTRY_PORT, listed, discovery_interface(), everybody=True
    )
    if not answered:
        raise RuntimeError("no registries available")
    stores: set[str] = set()
    for one in answered:
        where = Origin(one.host, one.port, None, one.dialect)
        try:
            async with brief_link(runtime.reactor, where) as link:
                for store in await _ask(link, "_hash"):
                    _keep(base, await _ask_blocks(link, store))
                    stores.add(store)
        except _TROUBLE:
            continue
    lines = ["# This file is written by co2-mark.", *sorted({one.host for one in answered})]
    write_whole(base / "client" / "registries.cache", "\n".join(lines) + "\n")
    return sorted(stores)


def _keep(base: Path, blocks: Iterable[Block]) -> None:
    for block in blocks:
        save_cached_block(base, block)


async def _ask(link: Link, target: str) -> dict[str, Any]:
    """Ask for a catalog's hashes, in one form whatever the dialect."""
    payload = await link.probe(Request(b"", "GET", target, Payload.of({})))
    value = payload.get("value") or {}
    store = target.rpartition(".")[0]
    if link.dialect.name == "old" and store and store not in value:
        return {store: value}
    return dict(value)


async def _ask_blocks(link: Link, store: str) -> list[Block]:
    payload = await link.probe(Request(b"", "GET", f"{store}._catalog", Payload.of({})))
    blocks = []
    for block in (payload.get("value") or {}).values():
        checked = check_block(block)
        if checked["store"] == store:
            checked["dialect"] = link.dialect.name
            blocks.append(checked)
    return blocks


def discovery_interface(interface: str | None = None) -> str | None:
    """Give the network whose broadcasts this process uses, or choose one."""
    global _interface  # noqa: PLW0603  # one a process
    if interface is not None:
        _interface = interface
    return _interface


_interface: str | None = None
