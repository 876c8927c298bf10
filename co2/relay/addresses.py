"""Which satellite is at which address, as far as the relay can tell.

Two servers cannot listen on one address, so whoever was there before is not any more. That is said
only of those that were reached there: behind one NAT many hosts listen on the same port, and to the
relay all of them are at one address. Knows no leases, no store and no names.
"""

from __future__ import annotations

from co2.model.hosts import Address, HostState, Registration
from co2.relay.presence import PUSHED, Presence


class Addresses:
    """See the module."""

    def __init__(self) -> None:
        self._there: dict[Address, Presence] = {}

    def at(self, address: Address) -> Presence | None:
        """Give the satellite that was last registered at that address."""
        return self._there.get(address)

    def put(self, presence: Presence) -> None:
        """Note where a satellite is; one that cannot be called takes nobody's place."""
        address = presence.registration.address
        if presence.state is HostState.POLL:
            self._there.setdefault(address, presence)
        else:
            self._there[address] = presence

    def release(self, presence: Presence) -> None:
        """Forget where a satellite is, unless another has come there since."""
        address = presence.registration.address
        if self._there.get(address) is presence:
            del self._there[address]

    def displaced_by(self, registration: Registration) -> Presence | None:
        """Give who cannot be where it was any more once this registration is taken, if anybody."""
        former = self._there.get(registration.address)
        if former is None or former.random == registration.random:
            return None
        if registration.state is HostState.POLL or former.state not in PUSHED:
            return None
        return former

    def is_displaced(self, presence: Presence) -> bool:
        """Tell whether another has registered since at the address that this one had.

        Whoever cannot be connected to has no address that could be taken.
        """
        if presence.state not in PUSHED:
            return False
        return self._there.get(presence.registration.address) is not presence
