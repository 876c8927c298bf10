"""`relay.receipt`: who has a message, who has not, and why.

For most satellites nothing is written: whoever's cursor has passed a message that was for it has
got it. Only what went otherwise is in the ledger (refused, raised, timeout, expired), and what is
still ahead of a cursor is queued, or unreachable with the reason of the last failure.

A relay counts as one recipient, whether it is a satellite here or this relay has joined it: that it
has a message is all that is known here, and what became of it there is in that relay's receipts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from co2.errors import Denied, Gone, InvalidParams
from co2.interfaces import IJournal, ILedger
from co2.model.calls import Caller, Level
from co2.model.messages import Entry, Kept, Outcome
from co2.relay.admission import Admission, parse_host_id
from co2.relay.joined import JoinedRelay
from co2.relay.presence import Presence
from co2.relay.roster import Roster


class Recipient(Protocol):
    """Who is to have messages, as a receipt sees it: a satellite, or a relay that was joined."""

    @property
    def ledger_name(self) -> str:
        """What its outcomes are kept under."""

    @property
    def host_id(self) -> str:
        """Who and where it is."""

    @property
    def nick(self) -> str:
        """What people call it."""

    @property
    def settled(self) -> int:
        """The last message that is settled for it."""

    @property
    def tries(self) -> int:
        """How often the next message was tried in vain."""

    @property
    def obstacle(self) -> str:
        """Why nothing gets to it for now; empty if nothing is in the way."""

    @property
    def remark(self) -> str:
        """What is to be said of a message that just waits for it."""

    def delivered_at(self, seq: int) -> float:
        """Tell when it had a message, in UNIX seconds; 0.0 if that is forgotten."""


class Receipts:
    """See the module.

    Args:
        journal: has the messages.
        ledger: has what went otherwise.
        roster: has the satellites.
        admission: knows an author.
        wants: tells whether an entry is for a satellite.
        joined: gives the relays that this one has joined.
    """

    def __init__(
        self,
        journal: IJournal,
        ledger: ILedger,
        roster: Roster,
        admission: Admission,
        wants: Callable[[Presence, Entry], bool],
        joined: Callable[[], Iterable[JoinedRelay]],
    ) -> None:
        self._journal = journal
        self._ledger = ledger
        self._roster = roster
        self._admission = admission
        self._wants = wants
        self._joined = joined

    def receipt(self, request: Mapping[str, Any], caller: Caller) -> list[dict[str, Any]]:
        """Give for each satellite and each joined relay what became of a message.

        Args:
            request: `{'id'}`; the author shows 'host_id' with 'token' or 'secret', an admin may
                name the author by 'host_id' alone.
            caller: who asks.

        Raises:
            Gone: no such message is (any more) in the journal.
            Denied: neither the author nor an admin.
        """
        kept = self._find(request, caller)
        outcomes = self._ledger.outcomes(kept.entry.seq)
        return [_record(one, kept, outcomes) for one in self._recipients(kept.entry)]

    def _recipients(self, entry: Entry) -> Iterator[Recipient]:
        for presence in self._roster:
            if presence.joined < entry.seq and self._wants(presence, entry):
                yield presence
        for relay in self._joined():
            if relay.joined < entry.seq and relay.wants(entry):
                yield relay

    def _find(self, request: Mapping[str, Any], caller: Caller) -> Kept:
        id = request.get("id")
        if not isinstance(id, str):
            raise InvalidParams("relay.receipt: 'id' is missing: the id of the message")
        author = None
        if request.get("host_id") is not None:
            author = parse_host_id(request).random
        if caller.level < Level.ADMIN:
            if author is None:
                raise Denied("relay.receipt is for the author (show 'host_id', 'token') and admins")
            self._admission.owner(request)
        found = [
            kept
            for kept in self._journal.find(id)
            if author is None or kept.entry.message.host_id.random == author
        ]
        if not found:
            raise Gone(f"message {id!r} is not in the journal (any more)")
        return found[0]


def _record(recipient: Recipient, kept: Kept, outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    outcome = outcomes.get(recipient.ledger_name) or _outcome(recipient, kept)
    return {
        "host_id": recipient.host_id,
        "nick": recipient.nick,
        "state": outcome.state,
        "detail": outcome.detail,
        "time": outcome.time,
        "tries": outcome.tries,
    }


def _outcome(recipient: Recipient, kept: Kept) -> Outcome:
    """Say how a message stands of which the ledger has nothing."""
    seq, tries = kept.entry.seq, recipient.tries
    if recipient.settled >= seq:
        return Outcome("delivered", "", recipient.delivered_at(seq), 0)
    if kept.expired:
        return Outcome("expired", "it left the journal before it could be delivered", 0.0, tries)
    if recipient.obstacle:
        return Outcome("unreachable", recipient.obstacle, 0.0, tries)
    return Outcome("queued", recipient.remark, 0.0, tries)
