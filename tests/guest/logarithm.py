"""The private key to a public one of the agent's key exchange, in seconds.

The prime is 2^107 - 1, and 2^107 - 2 has no factor above 2.9e13, so that Pohlig and Hellman's way
with baby and giant steps is quick. It lets recordings be replayed with the keys they were made
with, and shows what docs/guest.md says: that the exchange protects from a look, no more.
"""

from __future__ import annotations

from functools import cache

from plugin.guest.command.secret import BASE, PRIME

FACTORS = (2, 3, 107, 6361, 69431, 20394401, 28059810762433)
BABY_STEPS = 1 << 21


@cache
def order() -> int:
    """Give the order of the base."""
    found = PRIME - 1
    for factor in FACTORS:
        if pow(BASE, found // factor, PRIME) == 1:
            found //= factor
    return found


def private_key(public: int) -> int:
    """Give the smallest private key to a public one."""
    found, modulus = 0, 1
    for factor in FACTORS:
        if order() % factor == 0:
            rest = _in_subgroup(factor, pow(public, order() // factor, PRIME))
            found += modulus * ((rest - found) * pow(modulus, -1, factor) % factor)
            modulus *= factor
    assert pow(BASE, found, PRIME) == public
    return found


def _in_subgroup(factor: int, value: int) -> int:
    steps = min(factor, BABY_STEPS)
    table = _baby_steps(factor, steps)
    giant = pow(pow(BASE, order() // factor, PRIME), -steps, PRIME)
    for turn in range(factor // steps + 2):
        if value in table:
            return turn * steps + table[value]
        value = value * giant % PRIME
    raise ValueError("not in the group")


@cache
def _baby_steps(factor: int, steps: int) -> dict[int, int]:
    base, value, table = pow(BASE, order() // factor, PRIME), 1, {}
    for step in range(steps):
        table[value] = step
        value = value * base % PRIME
    return table
