"""`relay.receipt`: who has a message, who has not, and why.

For most satellites nothing is written: whoever's cursor has passed a message that was for it has
got it. Only what went otherwise is in the ledger (refused, raised, timeout, expired), and what is
still ahead of a cursor is queued, or unreachable with the reason of the last failure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from co2.errors import Denied, Gone, InvalidParams
from co2.interfaces import IJournal, ILedger
from co2.model.calls import Caller, Level
from co2.model.hosts import HostState
from co2.model.messages import Entry, Kept
from co2.relay.admission import Admission, parse_host_id
from co2.relay.presence import Presence
from co2.relay.roster import Roster


class Receipts:
    """See the module.

    Args:
        journal: has the messages.
        ledger: has what went otherwise.
        roster: has the satellites.
        admission: knows an author.
        wants: tells whether an entry is for a satellite.
    """

    def __init__(
        self,
        journal: IJournal,
        ledger: ILedger,
        roster: Roster,
        admission: Admission,
        wants: Callable[[Presence, Entry], bool],
    ) -> None:
        self._journal = journal
        self._ledger = ledger
        self._roster = roster
        self._admission = admission
        self._wants = wants

    def receipt(self, request: Mapping[str, Any], caller: Caller) -> list[dict[str, Any]]:
        """Give for each satellite what became of a message.

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
        return [
            self._state(presence, kept, outcomes)
            for presence in self._roster
            if presence.joined < kept.entry.seq and self._wants(presence, kept.entry)
        ]

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

    def _state(self, presence: Presence, kept: Kept, outcomes: Mapping[str, Any]) -> dict[str, Any]:
        seq = kept.entry.seq
        state, detail, time, tries = "queued", "", 0.0, presence.tries
        outcome = outcomes.get(presence.random)
        if outcome is not None:
            state, detail, time, tries = outcome
        elif presence.settled >= seq:
            state, time, tries = "delivered", presence.delivered_at(seq), 0
        elif kept.expired:
            state, detail = "expired", "it left the journal before it could be delivered"
        elif presence.state is HostState.AWAY or presence.trouble:
            state = "unreachable"
            detail = presence.trouble or "it is away: its lease has ended"
        elif presence.state is HostState.POLL:
            detail = "it collects its messages itself, and has not yet"
        return {
            "host_id": str(presence.registration.host_id),
            "nick": presence.registration.nick,
            "state": state,
            "detail": detail,
            "time": time,
            "tries": tries,
        }
