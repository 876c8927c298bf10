"""What a host says when it collects: the struct of `relay.collect`, read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve, frozen

from co2.errors import Fault as FaultValue
from co2.errors import InvalidParams, remote_error

_MOST = 1000


@frozen
class CollectRequest:
    """See the module.

    Attributes:
        after: number of the last message that the host has worked off.
        have: number of the last message that it has in hand, which is not to be given again.
        most: messages that it wants at most.
        wait: seconds that it waits for something to come.
        receipts: number of a message to what its plugins said, or the error that it refused it by.
        journal_id: of the journal that these numbers are of; None if it does not say.
        heard: numbers of the calls that it is at work on; None if it says nothing of them.
    """

    after: int
    have: int
    most: int
    wait: float
    receipts: Mapping[int, Any]
    heard: frozenset[str] | None
    journal_id: str | None = None

    def in_journal(self, journal_id: str, last: int, handed: int) -> CollectRequest:
        """Give it as it is to be taken in a journal.

        Numbers of another journal say nothing: relays may have swapped their addresses, or have
        begun a new file. A host that names this one is believed, also after a restart of which it
        has not heard: it would come with the same numbers for ever. Of one that names none only
        what was handed out to it since then counts.

        Args:
            journal_id: of the journal.
            last: number of its last message.
            handed: the last number that was handed out since this relay was started.
        """
        if self.journal_id not in (None, journal_id):
            return evolve(self, after=0, have=0, receipts={})
        bound = handed if self.journal_id is None else last
        after = self.after if self.after <= bound else 0
        have = self.have if self.have <= bound else 0
        return evolve(self, after=after, have=have)


def read_request(request: Mapping[str, Any], longest: float) -> CollectRequest:
    """Read the struct of a `relay.collect`.

    Args:
        request: as it came.
        longest: seconds that it may wait at most.

    Raises:
        InvalidParams: it names the member that is wrong.
    """
    after, most, wait = request.get("after", 0), request.get("max", 100), request.get("wait", 0)
    if isinstance(after, bool) or not isinstance(after, int):
        raise InvalidParams("relay.collect: 'after' is not the number of the last message")
    have = request.get("have", 0)
    if isinstance(have, bool) or not isinstance(have, int):
        raise InvalidParams("relay.collect: 'have' is not the number of a message")
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise InvalidParams("relay.collect: 'max' is not a number of messages above 0")
    if isinstance(wait, bool) or not isinstance(wait, int | float) or not wait >= 0:
        raise InvalidParams("relay.collect: 'wait' is not a number of seconds")
    return CollectRequest(
        after,
        have,
        min(most, _MOST),
        min(float(wait), longest),
        _read_receipts(request.get("receipts")),
        _read_heard(request.get("heard")),
        _read_journal_id(request.get("journal_id")),
    )


def _read_journal_id(said: Any) -> str | None:
    if said is not None and not isinstance(said, str):
        raise InvalidParams("relay.collect: 'journal_id' is not a string")
    return said


def _read_receipts(said: Any) -> dict[int, Any]:
    if said is not None and not isinstance(said, list):
        raise InvalidParams("relay.collect: 'receipts' is not an array of structs")
    return {
        one["seq"]: _read_receipt(one)
        for one in said or ()
        if isinstance(one, Mapping) and isinstance(one.get("seq"), int)
    }


def _read_receipt(one: Mapping[str, Any]) -> Any:
    """Give what `settled` is told: what the plugins said, or why the host refused the message."""
    refused = one.get("refused")
    if isinstance(refused, str) and refused:
        return remote_error(FaultValue(0, refused))
    return {"plugins": one.get("plugins") or {}}


def _read_heard(said: Any) -> frozenset[str] | None:
    if said is None:
        return None
    if not isinstance(said, list) or not all(isinstance(one, str) for one in said):
        raise InvalidParams("relay.collect: 'heard' is not an array of calls' numbers")
    return frozenset(said)
