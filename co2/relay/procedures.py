"""The `relay.*` methods (PROTOCOL section 4): from structs to the rooms that decide, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from co2.errors import Denied, InvalidParams
from co2.interfaces import IJournal, IProcedureSource
from co2.model.calls import Caller, Encoded, Level
from co2.model.procedure import Procedure
from co2.relay.admission import Admission, check_request
from co2.relay.calling import Calling
from co2.relay.fanout import Fanout
from co2.relay.intake import Intake
from co2.relay.presence import Presence
from co2.relay.receipts import Receipts
from co2.relay.roster import Roster

_LONGEST_STRETCH = 1000


@implementer(IProcedureSource)
class RelayProcedures:
    """See the module.

    Args:
        relay_id: who this relay is.
    """

    def __init__(
        self,
        relay_id: str,
        roster: Roster,
        journal: IJournal,
        admission: Admission,
        intake: Intake,
        fanout: Fanout,
        receipts: Receipts,
        calling: Calling,
        clock: IReactorTime,
        now: Callable[[], float],
    ) -> None:
        self._relay_id = relay_id
        self._roster = roster
        self._journal = journal
        self._admission = admission
        self._intake = intake
        self._fanout = fanout
        self._receipts = receipts
        self._calling = calling
        self._clock = clock
        self._now = now

    def procedures(self) -> Iterable[Procedure]:
        """Give the methods of a relay."""
        # What concerns one host asks for that host's token, whoever shows it.
        own = partial(Procedure, level=Level.OPEN, passes_caller=True)
        read = partial(Procedure, level=Level.READ)
        return (
            Procedure("relay.register", self.register, Level.CALL, passes_caller=True),
            own("relay.renew", self.renew),
            own("relay.unregister", self.unregister),
            own("relay.relay", self.relay),
            own("relay.collect", self.collect),
            own("relay.answer", self.answer),
            own("relay.receipt", self.receipt),
            Procedure("relay.get_history", self.get_history, Level.ADMIN),
            read("relay.call", self.call, passes_caller=True),
            read("relay.get_satellites", self.get_satellites, aliases=_also("get_satellites")),
            read(
                "relay.get_num_satellites",
                self.get_num_satellites,
                aliases=_also("get_num_satellites"),
            ),
        )

    async def register(self, caller: Caller, request: Mapping[str, Any]) -> dict[str, Any]:
        """Register a satellite, or renew and move a registration.

        Args:
            request: `{'port'}`, and optionally `nick`, `secret` with `random` (a co2 host's own
                identity), `token` with `random` (the one this relay gave), `roles`, `callback`
                (False: do not try to call back), `notify_token` (shown with every notify),
                `journal_id` with `after` (both as this relay gave them: what you have already, if
                the relay should remember less), `topics` (patterns of what you want; all if
                absent), `backlog` ('newest': of what came meanwhile the newest of each author and
                topic), `properties` (of them, `capabilities` is an array of what a host that
                cannot be asked has: 'nil' if it reads nil, 'co2' if it judges callers by itself).

        Returns:
            `{'host_id', 'relay_id', 'journal_id', 'lease', 'epoch', 'token', 'after', 'state'}`;
            `lease` in seconds.
        """
        check_request(request)
        if "relay" in (request.get("roles") or ()) and caller.level < Level.ADMIN:
            raise Denied(
                "roles: ['relay'] lets a host pass on messages of others, which needs admin; "
                f"you are {caller.who} with {caller.level.word}"
            )
        registration = self._admission.admit(request, caller.ip, self._now())
        former = self._roster.get(registration.random)
        cursor = former.cursor if former is not None else self._journal.last_seq
        presence = self._roster.enter(registration, self._clock.seconds(), cursor)
        after = request.get("after")
        if former is not None and after and request.get("journal_id") == self._journal.journal_id:
            # Of a host that was not known before nothing is believed: with another's number it
            # could read what was never for it.
            self._fanout.move_on(presence, after)
        state, kept = presence.state.value, presence.kept
        if kept is not None:
            presence.kept = None
            await kept
        return {
            "host_id": str(registration.host_id),
            "relay_id": self._relay_id,
            "journal_id": self._journal.journal_id,
            "lease": self._roster.lease,
            "epoch": registration.epoch,
            "token": self._admission.token(registration),
            "after": presence.cursor,
            "state": state,
        }

    def renew(self, caller: Caller, request: Mapping[str, Any]) -> dict[str, Any]:
        """Renew a lease: `{'host_id', 'token'}` gives `{'lease', 'epoch', 'state'}`.

        With `'leaving': True` the lease ends at once: the host stops, and is expected back.
        """
        presence = self._admission.sender(request, caller.ip)
        if request.get("leaving") is True:
            self._roster.leave(presence, self._clock.seconds())
        else:
            self._roster.hear(presence, self._clock.seconds())
        return {
            "lease": self._roster.lease,
            "epoch": presence.registration.epoch,
            "state": presence.state.value,
        }

    def unregister(self, caller: Caller, request: Mapping[str, Any]) -> bool:
        """Take a satellite out of the roster: `{'host_id', 'token'}`."""
        self._roster.remove(self._admission.owner(request))
        return True

    def relay(
        self, caller: Caller, message: Mapping[str, Any]
    ) -> dict[str, Any] | Deferred[dict[str, Any]]:
        """Pass a message on to every other satellite.

        Args:
            message: `{'host_id', 'data'}`, with `token` (or `secret`), and optionally `id`,
                `time`, `topic`, `retain`.

        Returns:
            `{'id', 'seq', 'recipients'}`.
        """
        presence, answer = self._intake.take(message, caller.ip)
        self._roster.hear(presence, self._clock.seconds())
        return answer

    async def collect(self, caller: Caller, request: Mapping[str, Any]) -> dict[str, Any]:
        """Give what has come for a host that nobody can connect to; waits if nothing has.

        Args:
            request: `{'host_id', 'token', 'after'}` (the number of the last message that you have)
                and optionally `max` messages, `wait` seconds, `receipts`, an array of
                `{'seq', 'plugins'}`, and `heard`, an array of the calls that you are at work on:
                all others that were handed out come again. Leave it out in your first request.

        Returns:
            `{'messages', 'calls', 'after', 'journal_id'}`; show `after` next time, and
            `journal_id`, which says whose number it is.
        """
        presence = self._admission.sender(request, caller.ip)
        self._roster.hear(presence, self._clock.seconds(), collects=True)
        # Who waits says nothing meanwhile, and shall not be taken for away.
        longest = self._roster.lease / 2
        return await self._fanout.collect(presence, request, longest)

    def answer(self, caller: Caller, request: Mapping[str, Any]) -> bool:
        """Answer a call that relay.collect gave.

        Args:
            request: `{'host_id', 'token', 'call', 'result' | 'fault'}`, where `fault` is a struct
                of faultCode and faultString.
        """
        presence = self._admission.sender(request, caller.ip)
        return self._fanout.collecting.answer(presence, request)

    def receipt(self, caller: Caller, request: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Tell who has a message, who has not, and why.

        Args:
            request: `{'id'}`, and the author's `host_id` with its `token` or `secret`; an admin
                needs none.

        Returns:
            for each satellite `{'host_id', 'nick', 'state', 'detail', 'time', 'tries'}`; `state` is
            one of delivered, queued, refused, raised, timeout, unreachable, expired.
        """
        return self._receipts.receipt(request, caller)

    def get_history(self, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Give messages of the journal, oldest first: `{'after'?, 'max'?}`.

        Returns:
            `{'messages', 'after', 'journal_id'}`; show `after` to go on from there.
        """
        after, most = _read_stretch(options or {})
        entries = self._journal.read(after, most)
        return {
            "messages": [
                Encoded(b"<value><struct>" + entry.xml + b"</struct></value>", None)
                for entry in entries
            ],
            "after": entries[-1].seq if entries else after,
            "journal_id": self._journal.journal_id,
        }

    async def call(self, caller: Caller, request: Mapping[str, Any]) -> Any:
        """Call a method of a satellite: `{'host_id' | 'nick', 'method', 'params'?, 'timeout'?}`.

        Your own level travels along, and the satellite applies it. `timeout` is in seconds.
        """
        return await self._calling.call(request, caller)

    def get_satellites(self, options: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """List the registered satellites, with the relay's view of each; takes no options."""
        return [self._record(presence) for presence in self._roster]

    def get_num_satellites(self, options: Mapping[str, Any] | None = None) -> int:
        """Tell how many satellites are registered; takes no options."""
        return len(self._roster)

    def _record(self, presence: Presence) -> dict[str, Any]:
        registration = presence.registration
        cursor = presence.settled
        return {
            "addr": [registration.address.ip, registration.address.port],
            "host_id": str(registration.host_id),
            "nick": registration.nick,
            "ctime": datetime.fromtimestamp(int(registration.created), UTC),
            **presence.pings.as_struct(),
            "state": presence.state.value,
            "lease": max(0.0, presence.lease_until - self._clock.seconds()),
            "queued": max(0, self._journal.last_seq - cursor),
            "delivered_seq": cursor,
            "missed": presence.missed,
            "refused": presence.refused,
            "trouble": presence.trouble,
            "topics": list(registration.topics or (">",)),
            "version": str(registration.properties.get("version", "")),
        }


def _read_stretch(options: Mapping[str, Any]) -> tuple[int, int]:
    after, most = options.get("after", 0), options.get("max", 100)
    if type(after) is not int or type(most) is not int or most < 1:
        raise InvalidParams("relay.get_history: 'after' and 'max' are numbers, 'max' above 0")
    return after, min(most, _LONGEST_STRETCH)


def _also(name: str) -> tuple[str, str]:
    return (f"co2.{name}", f"web.{name}")
