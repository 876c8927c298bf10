"""The orders in which qemu-ga goes through members: those of its two hash tables; no I/O.

Nothing may depend on them, but they let answers be compared byte for byte.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from functools import lru_cache

BUCKETS = 512
_SMALLEST = 8
_PRIMES = {8: 7, 16: 13, 32: 31, 64: 61, 128: 127}
"""Of GLib's tables: what a hash is divided by, for each size."""


def in_order(members: Iterable[str]) -> list[str]:
    """Give the names of an object in the order of QEMU's QDict."""
    return sorted(members, key=bucket)


@lru_cache(4096)
def bucket(name: str) -> int:
    """Give the bucket of a name in a QDict: the Trivial Database's hash, modulo their number."""
    raw = name.encode("utf-8", "surrogatepass")
    value = 0x238F13AF * len(raw)
    for place, byte in enumerate(raw):
        value += byte << (place * 5 % 24)
    return (1103515243 * (value & 0xFFFFFFFF) + 12345 & 0xFFFFFFFF) % BUCKETS


def first_unknown(given: Iterable[str], known: Container[str]) -> str:
    """Give the member that is reported where there are some that nobody knows.

    The names wait in one of GLib's tables, open, with quadratic probing, which is gone through
    from its beginning.
    """
    names = in_order(given)
    size = next((one for one in _PRIMES if len(names) < one), max(_PRIMES))
    table: dict[int, str] = {}
    for name in names[: size - 1]:
        place, step = (_hash(name) * 11 & 0xFFFFFFFF) % _PRIMES[size], 0
        while place in table:
            step += 1
            place = (place + step) % size
        table[place] = name
    return next(table[place] for place in sorted(table) if table[place] not in known)


def _hash(name: str) -> int:
    value = 5381
    for byte in name.encode("utf-8", "surrogatepass"):
        signed = byte - 256 if byte > 127 else byte
        value = value * 33 + signed & 0xFFFFFFFF
    return value
