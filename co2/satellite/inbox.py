"""What arrives by `notify`: from whom, whether for the first time, and to which plugins.

Only the relay, or a listed peer, may notify: each shows a token that no other host knows. What
has been here before is answered as it was then, and runs nothing.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from co2.errors import ConflictingDuplicate, InvalidParams, ShuttingDown, Spoofed
from co2.interfaces import IReceiver
from co2.model.calls import Encoded
from co2.model.hosts import HostId, canonical_ip
from co2.model.messages import copied
from co2.model.recent import Recent

_REMEMBERED = 20_000
_HIDDEN = ("token", "secret")

Answer = dict[str, Any]


class Inbox:
    """See the module.

    Args:
        receivers: gives the plugins, as they are now.
        make_id: makes an id for a message that has none (a 2003 sender's).
    """

    def __init__(
        self, receivers: Callable[[], Iterable[IReceiver]], make_id: Callable[[], str]
    ) -> None:
        self._receivers = receivers
        self._make_id = make_id
        self._relay_token: str | None = None
        self._peer_secrets: list[str] = []
        self._seen: Recent[tuple[str, str], tuple[int, Answer | Deferred[Answer]]]
        self._seen = Recent(_REMEMBERED)
        self._closed = False

    def expect_relay(self, token: str) -> None:
        """Take messages that show this token: the relay was given it at registration."""
        self._relay_token = token

    def expect_peer(self, secret: str) -> None:
        """Take messages of a listed peer, that show the secret that is shared with it."""
        self._peer_secrets.append(secret)

    def close(self) -> None:
        """Take nothing more."""
        self._closed = True

    def take(self, struct: Mapping[str, Any], ip: str, port: int) -> Answer | Deferred[Answer]:
        """Hand a message to every plugin.

        Args:
            struct: as it came; 'data' may be `Encoded`.
            ip, port: the request's source, which becomes 'client_address'.

        Returns:
            `{'id', 'plugins': {name: outcome}}`, or a Deferred of it.

        Raises:
            InvalidParams, Spoofed, ConflictingDuplicate, ShuttingDown.
        """
        if self._closed:
            raise ShuttingDown("this satellite is stopping", retry_after=2.0)
        host_id = self._read_author(struct)
        self._check_source(struct, host_id, ip)
        message = {name: value for name, value in struct.items() if name not in _HIDDEN}
        digest = _digest(message)
        key = self._key(message, host_id)
        former = self._seen.get(key)
        if former is not None:
            return self._repeat(former, digest, key)
        message["client_address"] = (ip, port)
        answer = self.deliver(message)
        self._seen.put(key, (digest, answer))
        if isinstance(answer, Deferred):
            return self._later(answer, key, digest)
        return answer

    def deliver(self, message: dict[str, Any]) -> Answer | Deferred[Answer]:
        """Hand a struct to every plugin, and gather what each says."""
        outcomes: dict[str, Any] = {}
        waiting: list[Deferred[None]] = []
        answer = {"id": message.get("id", ""), "plugins": outcomes}
        taking = []
        for receiver in self._receivers():
            if receiver.receives:
                taking.append(receiver)
            else:
                outcomes[receiver.name] = "skipped"
        last = len(taking) - 1
        for index, receiver in enumerate(taking):
            # Plugins may change what they get: each has a copy, the last one the original.
            outcome = receiver.deliver(message if index == last else copied(message))
            outcomes[receiver.name] = outcome
            if isinstance(outcome, Deferred):
                waiting.append(outcome.addCallback(_note, outcomes, receiver.name))
        if not waiting:
            return answer
        return gatherResults(waiting).addCallback(lambda _: answer)

    # -- who and what --------------------------------------------------------------------------

    def _read_author(self, struct: Mapping[str, Any]) -> HostId:
        if "data" not in struct:
            raise InvalidParams("notify: a message needs 'data'")
        try:
            return HostId.parse(struct.get("host_id"))
        except ValueError as error:
            raise InvalidParams(f"notify: 'host_id': {error}") from None

    def _check_source(self, struct: Mapping[str, Any], host_id: HostId, ip: str) -> None:
        token = struct.get("token")
        if not isinstance(token, str):
            raise Spoofed("notify is for the relay and for listed peers: show 'token'")
        if self._relay_token is not None and _equal(token, self._relay_token):
            return
        for secret in self._peer_secrets:
            if _equal(token, secret):
                self._check_peer(host_id, ip)
                return
        raise Spoofed("the token shown is neither the relay's nor a listed peer's")

    def _check_peer(self, host_id: HostId, ip: str) -> None:
        if canonical_ip(host_id.address.ip) != ip:
            raise Spoofed(f"the host_id says {host_id.address.ip}, the request comes from {ip}")

    def _key(self, message: dict[str, Any], host_id: HostId) -> tuple[str, str]:
        id = message.get("id")
        if id is None:
            id = message["id"] = self._make_id()
        if not isinstance(id, str):
            raise InvalidParams("notify: 'id' is not a string")
        return (host_id.random, id)

    # -- duplicates ------------------------------------------------------------------------------

    def _repeat(
        self, former: tuple[int, Answer | Deferred[Answer]], digest: int, key: tuple[str, str]
    ) -> Answer | Deferred[Answer]:
        if former[0] != digest:
            raise ConflictingDuplicate(
                f"another message of {key[0]!r} has the id {key[1]!r}: ids are made once"
            )
        answer = former[1]
        return _fork(answer) if isinstance(answer, Deferred) else answer

    def _later(
        self, answer: Deferred[Answer], key: tuple[str, str], digest: int
    ) -> Deferred[Answer]:
        def done(result: Answer) -> Answer:
            self._seen.put(key, (digest, result))
            return result

        return _fork(answer.addCallback(done))


def _digest(message: dict[str, Any]) -> int:
    """Tell two contents apart, and leave the plain value in the message."""
    data = message["data"]
    if isinstance(data, Encoded):
        message["data"] = data.value
        return hash((data.xml, message.get("topic")))
    return hash((repr(data), message.get("topic")))


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _note(outcome: str, outcomes: dict[str, Any], name: str) -> None:
    outcomes[name] = outcome


def _fork(answer: Deferred[Answer]) -> Deferred[Answer]:
    """Give a Deferred of the same result, so that cancelling one does not harm the other."""
    forked: Deferred[Answer] = Deferred()

    def tell(result: Answer) -> Answer:
        if not forked.called:
            forked.callback(result)
        return result

    answer.addCallback(tell)
    return forked
