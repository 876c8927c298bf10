"""A relay that joins another one: it registers there, passes on what it has, and takes what comes.

Wiring only. What has passed the other relay already is not sent back; loops and repeats are the
intake's matter. What that relay refuses is in the ledger, for receipts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.logger import Logger

from co2.delivery.backoff import Backoff
from co2.delivery.courier import Courier
from co2.delivery.outcomes import retry_as_told
from co2.errors import Co2Error, MethodNotFound, NotRegistered, Spoofed
from co2.model.messages import LONGEST_DETAIL, Cursor, Entry, Outcome
from co2.model.settings import UpstreamSetting
from co2.relay.joined import JoinedRelay
from co2.satellite.collector import Collector
from co2.satellite.enrolment import Enrolment
from co2.satellite.handed_calls import HandedCalls
from co2.service.foundation import PROPERTIES, Foundation, notify_token
from co2.wire.xmlrpc import encode_members

_LONGEST_WAIT = 10.0


class Uplink:
    """See the module.

    Args:
        base: what this server stands on.
        upstream: the other relay.
        journal: this relay's own, a ledger too.
        take: accepts a message that another relay passes on.
        window: posts in flight.
        batch: messages in one.
    """

    _log = Logger()

    def __init__(
        self,
        base: Foundation,
        upstream: UpstreamSetting,
        journal: Any,
        take: Any,
        window: int,
        batch: int,
    ) -> None:
        self._base = base
        self._journal = journal
        self._take = take
        self._token = notify_token(base.identity, upstream.address)
        self._authorization = b"Bearer " + upstream.secret.encode()
        self._address = upstream.address
        name = f"upstream {upstream.address}"
        began = self._kept = self._began_at(name)
        courier = Courier(
            journal,
            self._peer(),
            base.reactor,
            self._backoff(),
            method="relay.relay",
            settled=self._settled,
            missed=self._missed,
            wants=self._wants,
            retry=self._retry,
            window=window,
            batch=batch,
            timeout=base.settings.send_timeout,
            after=began.seq,
        )
        self._collector = Collector(
            self._peer(),
            base.reactor,
            self._backoff(),
            self._proof,
            self._take,
            HandedCalls(
                self._peer(),
                self._proof,
                self._refuse_call,
                base.settings.send_timeout,
                base.reactor,
                self._backoff,
            ),
            self._register_again,
            base.settings.send_timeout,
        )
        self._enrolment = Enrolment(
            self._peer(),
            base.reactor,
            self._backoff(),
            self._request,
            self._enrolled,
            base.settings.send_timeout,
            stands=self._collector.follow,
        )
        self.joined = JoinedRelay(
            name, upstream.address, began.joined, courier, lambda: self._enrolment.trouble
        )

    def start(self) -> None:
        """Join the other relay, and stay joined."""
        self._base.doors.open(self._token, lambda message, ip, port: self._notified(message))
        self._enrolment.start()

    def stop(self) -> Deferred[Any]:
        """Take leave."""
        return gatherResults(
            [self.joined.courier.close(), self._collector.close(), self._enrolment.stop()]
        )

    def _proof(self) -> dict[str, Any]:
        return self._enrolment.proof()

    def _register_again(self) -> None:
        self._enrolment.register_again()

    def keep_cursor(self) -> None:
        """Write how far the other relay is: also past what it is not to have, which nobody tells.

        Another run of this relay does not know who the other one is until it has asked, and could
        not tell by `hops` that it has those.
        """
        joined = self.joined
        cursor = Cursor(joined.joined, joined.settled)
        if cursor != self._kept:
            self._kept = cursor
            self._journal.keep_cursor(joined.ledger_name, cursor)

    def _began_at(self, name: str) -> Cursor:
        known: Cursor | None = self._journal.cursors().get(name)
        if known is not None:
            return known
        last = int(self._journal.last_seq)
        self._journal.keep_cursor(name, Cursor(last, last))
        return Cursor(last, last)

    def _wants(self, entry: Entry) -> bool:
        return self.joined.wants(entry)

    def _settled(self, entry: Entry, outcome: Any) -> None:
        now = self._base.surroundings.now()
        self.joined.progress.note(entry.seq, now)
        self.keep_cursor()
        if isinstance(outcome, Co2Error):
            kept = Outcome("refused", outcome.text[:LONGEST_DETAIL], now, 0)
            self._journal.keep_outcome(entry.seq, self.joined.ledger_name, kept)
            self._log.warn(
                "the relay {address} refused message {id} of {author}: {why}",
                address=self._address,
                id=entry.message.id,
                author=entry.message.host_id,
                why=outcome.text,
            )

    def _missed(self, count: int) -> None:
        self._log.warn(
            "the relay {address} missed {count} messages that were forgotten before it had them",
            address=self._address,
            count=count,
        )

    def _retry(self, error: Co2Error) -> float | None:
        if isinstance(error, NotRegistered | Spoofed):
            self._enrolment.register_again()
            return 1.0
        return retry_as_told(error)

    def _enrolled(self, answer: dict[str, Any]) -> None:
        self.joined.relay_id = str(answer.get("relay_id", ""))
        proof = {"via": answer["host_id"], "token": answer["token"]}
        self.joined.courier.readdress(encode_members(proof))
        self.joined.courier.resume()

    def _notified(self, message: Mapping[str, Any]) -> Deferred[Any]:
        return maybeDeferred(self._take, message).addCallback(
            lambda answer: {"id": answer["id"], "plugins": {}}
        )

    def _refuse_call(self, call: Mapping[str, Any]) -> Any:
        raise MethodNotFound("a relay that has joined another one runs no methods for it")

    def _request(self) -> dict[str, Any]:
        identity = self._base.identity
        return {
            "port": self._base.address.port,
            "nick": self._base.settings.nick,
            "random": identity.random,
            "secret": identity.secret,
            "roles": ["relay"],
            "notify_token": self._token,
            "properties": PROPERTIES,
        }

    def _peer(self) -> Any:
        return self._base.network.peer(self._address, self._authorization)

    def _backoff(self) -> Backoff:
        return Backoff(self._base.surroundings.draw, longest=_LONGEST_WAIT)
