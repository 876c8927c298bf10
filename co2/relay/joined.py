"""A relay that this one has joined, as far as the fan-out and receipts know it.

It has no place in the roster: it is no satellite here, this relay is one there. How it is joined,
and how messages get to it, others know.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

from co2.interfaces import ICourier
from co2.model.hosts import Address
from co2.model.messages import Entry
from co2.relay.progress import Progress


@define(eq=False)
class JoinedRelay:
    """See the module.

    Attributes:
        ledger_name: what its cursor and outcomes are kept under; for people too.
        address: where it is.
        joined: the number of the last message from before it was joined.
        courier: brings it messages.
        absence: tells why this relay is not registered there, empty if it is.
        relay_id: who it is; empty until it has been asked.
        progress: when it had what.
    """

    ledger_name: str
    address: Address
    joined: int
    courier: ICourier
    absence: Callable[[], str]
    relay_id: str = ""
    progress: Progress = field(factory=Progress)

    def wants(self, entry: Entry) -> bool:
        """Tell whether a message is for it: it has not passed it on its way here."""
        return self.relay_id not in entry.message.hops

    @property
    def host_id(self) -> str:
        """Who and where it is; without the random part until it has been asked."""
        return f"{self.relay_id}@{self.address}"

    @property
    def nick(self) -> str:
        """What people may call it: a relay does not tell its own nick."""
        return self.ledger_name

    @property
    def settled(self) -> int:
        """The last message that is settled for it."""
        return int(self.courier.cursor)

    @property
    def tries(self) -> int:
        """How often the next message was tried in vain."""
        return int(self.courier.tries)

    @property
    def obstacle(self) -> str:
        """Why nothing gets to it for now; empty if nothing is in the way."""
        return self.absence() or str(self.courier.trouble)

    @property
    def remark(self) -> str:
        """Nothing is to be said of a message that just waits for it."""
        return ""

    def delivered_at(self, seq: int) -> float:
        """Tell when it had a message; see `Progress.time_of`."""
        return self.progress.time_of(seq)
