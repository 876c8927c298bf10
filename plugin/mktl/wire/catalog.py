"""Catalog blocks: what one daemon says that it has, and who says so.

A block is the JSON object of the wire: 'store' (and 'name' for old clients), 'alias', 'uuid',
'hash', 'time', 'provenance' and 'items'. Pure: no files, no sockets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from plugin.mktl.wire.message import encode_json

Block = dict[str, Any]
_HASH_BITS = 53
"""Peers read the hash as a number, and JSON's are whole only up to here in many languages."""


def hash_items(items: Mapping[str, Any]) -> int:
    """Give a number that differs if the items differ."""
    text = encode_json({key: items[key] for key in sorted(items)})
    return int.from_bytes(hashlib.shake_256(text).digest(8), "big") >> (64 - _HASH_BITS)


def make_block(
    store: str,
    alias: str,
    uuid: str,
    items: Mapping[str, Any],
    now: float,
    where: Mapping[str, Any],
) -> Block:
    """Make a daemon's own block.

    Args:
        where: 'hostname', 'rep' and 'pub' of the daemon.
        now: UNIX seconds.
    """
    return {
        "store": store,
        "name": store,
        "alias": alias,
        "uuid": uuid,
        "hash": hash_items(items),
        "time": now,
        "provenance": [{"stratum": 0, **where}],
        "items": dict(items),
    }


def check_block(block: Any) -> Block:
    """Read a block that came from elsewhere.

    Raises:
        ValueError: something that it needs is missing or of the wrong form.
    """
    if not isinstance(block, Mapping):
        raise ValueError("a catalog block is an object")
    store = block.get("store", block.get("name"))
    uuid, items, provenance = block.get("uuid"), block.get("items"), block.get("provenance")
    if not isinstance(store, str) or not store or not isinstance(uuid, str) or not uuid:
        raise ValueError("a catalog block needs 'store' and 'uuid'")
    if "/" in store or "/" in uuid or store.startswith(".") or uuid.startswith("."):
        raise ValueError("'store' and 'uuid' of a catalog block are no paths")
    if not isinstance(items, Mapping) or not all(isinstance(i, Mapping) for i in items.values()):
        raise ValueError("'items' of a catalog block is an object of descriptions")
    found = dict(block)
    found["store"] = found["name"] = store.lower()
    found.setdefault("alias", uuid)
    found.setdefault("hash", hash_items(items))
    found["provenance"] = [_check_stratum(one) for one in _sequence(provenance)]
    if not found["provenance"]:
        raise ValueError("a catalog block needs a 'provenance'")
    found["items"] = {str(key).lower(): dict(item) for key, item in items.items()}
    return found


def _sequence(provenance: Any) -> list[Any]:
    if not isinstance(provenance, list | tuple):
        raise ValueError("'provenance' of a catalog block is a list")
    return list(provenance)


def _check_stratum(one: Any) -> dict[str, Any]:
    if not isinstance(one, Mapping) or not isinstance(one.get("hostname"), str):
        raise ValueError("each of a provenance has 'hostname' and 'rep'")
    found = dict(one)
    rep = found.pop("req", None) if "rep" not in found else found["rep"]
    if not _is_port(rep) or not (found.get("pub") is None or _is_port(found["pub"])):
        raise ValueError("'rep' and 'pub' of a provenance are port numbers")
    found["rep"] = rep
    found.setdefault("stratum", 0)
    return found


def _is_port(value: Any) -> bool:
    return type(value) is int and 0 < value < 65536


def origin(block: Block) -> tuple[str, int, int | None]:
    """Give (hostname, request port, publication port) of the daemon itself."""
    first = min(block["provenance"], key=lambda one: one["stratum"])
    return first["hostname"], first["rep"], first.get("pub")


class Catalog:
    """The blocks that somebody knows, by store and uuid."""

    def __init__(self, blocks: Iterable[Block] = ()) -> None:
        self._stores: dict[str, dict[str, Block]] = {}
        for block in blocks:
            self.add(block)

    def add(self, block: Block) -> None:
        """Take a block in place of the one with its uuid."""
        self._stores.setdefault(block["store"], {})[block["uuid"]] = block

    def remove(self, store: str, uuid: str) -> None:
        """Forget a block; one that is not there is no error."""
        blocks = self._stores.get(store, {})
        blocks.pop(uuid, None)
        if not blocks:
            self._stores.pop(store, None)

    def stores(self) -> list[str]:
        """Give the names of the stores."""
        return sorted(self._stores)

    def blocks(self, store: str) -> dict[str, Block]:
        """Give a store's blocks by uuid; none if it is not known."""
        return dict(self._stores.get(store, {}))

    def all_blocks(self) -> list[Block]:
        """Give every block."""
        return [block for blocks in self._stores.values() for block in blocks.values()]

    def hashes(self, store: str | None = None) -> dict[str, dict[str, Any]]:
        """Give {store: {uuid: hash}}, of one store or of all."""
        stores = [store] if store is not None else self.stores()
        return {
            name: {uuid: block["hash"] for uuid, block in self._stores[name].items()}
            for name in stores
            if name in self._stores
        }
