"""What arrives by `notify`: whether for the first time, and to which plugins.

What has been here before is answered as it was then, and runs nothing. What had been begun when
this host died is run once more, and marked `redelivered`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger
from twisted.python.failure import Failure

from co2.errors import ConflictingDuplicate, InvalidParams, ShuttingDown, Spoofed
from co2.interfaces import IReceiver, ITaken
from co2.model.calls import Encoded
from co2.model.hosts import HostId, canonical_ip
from co2.model.messages import copied, digest_of_data

_HIDDEN = ("token", "secret", "hops", "after")
"""Members that are between servers."""

Answer = dict[str, Any]
Key = tuple[str, str]


class Inbox:
    """See the module.

    Args:
        receivers: gives the plugins, as they are now.
        make_id: makes an id for a message that has none (a 2003 sender's).
        taken: knows what was here.
    """

    _log = Logger()

    def __init__(
        self,
        receivers: Callable[[], Iterable[IReceiver]],
        make_id: Callable[[], str],
        taken: ITaken,
    ) -> None:
        self._receivers = receivers
        self._make_id = make_id
        self._taken = taken
        self._running: dict[Key, Deferred[Answer]] = {}
        self._closed = False

    def close(self) -> None:
        """Take nothing more."""
        self._closed = True

    def take_from_peer(
        self, struct: Mapping[str, Any], ip: str, port: int
    ) -> Answer | Deferred[Answer]:
        """Take a message from its author, with no relay between; see `take`.

        Raises:
            Spoofed: the author is at another address than the request comes from.
        """
        author = self._read_author(struct).address.ip
        if canonical_ip(author) != ip:
            raise Spoofed(f"the host_id says {author}, the request comes from {ip}")
        return self.take(struct, ip, port)

    def take(self, struct: Mapping[str, Any], ip: str, port: int) -> Answer | Deferred[Answer]:
        """Hand a message to every plugin.

        Args:
            struct: as it came, from somebody who may; 'data' may be `Encoded`.
            ip, port: the request's source, which becomes 'client_address'.

        Returns:
            `{'id', 'plugins': {name: outcome}}`, or a Deferred of it.

        Raises:
            InvalidParams, ConflictingDuplicate, ShuttingDown.
        """
        if self._closed:
            raise ShuttingDown("this satellite is stopping", retry_after=2.0)
        host_id = self._read_author(struct)
        message = {name: value for name, value in struct.items() if name not in _HIDDEN}
        if isinstance(message["data"], Encoded):
            message["data"] = message["data"].value
        key = self._key(message, host_id)
        digest = digest_of_data(message["data"], message.get("topic"), message.get("retain"))
        former = self._former(message, key, digest)
        if former is not None:
            return former
        message["client_address"] = (ip, port)
        return self._begin(message, key, digest)

    # -- once, whatever happens ----------------------------------------------------------------

    def _former(
        self, message: dict[str, Any], key: Key, digest: bytes
    ) -> Answer | Deferred[Answer] | None:
        """Give the answer of a message that was here, or None and what plugins should know."""
        known = self._taken.known(key)
        if known is None:
            if self._taken.outlives:
                # The sender cannot know whether it was here; this host does.
                message.pop("redelivered", None)
            return None
        if known.digest != digest:
            raise ConflictingDuplicate(
                f"another message of {key[0]!r} has the id {key[1]!r}: ids are made once"
            )
        if known.answer is not None:
            return known.answer
        if key in self._running:
            return _fork(self._running[key])
        message["redelivered"] = True
        return None

    def _begin(self, message: dict[str, Any], key: Key, digest: bytes) -> Answer | Deferred[Answer]:
        begun = self._taken.begin(key, digest)
        if begun is None:
            answer = self._run(message, key)
            if not isinstance(answer, Deferred):
                return answer
        else:
            answer = begun.addCallback(lambda _: self._run(message, key))
        self._running[key] = answer
        answer.addBoth(self._ran, key)
        return _fork(answer)

    def _run(self, message: dict[str, Any], key: Key) -> Answer | Deferred[Answer]:
        answer = self.deliver(message)
        if isinstance(answer, Deferred):
            return answer.addCallback(self._finish, key)
        return self._finish(answer, key)

    def _finish(self, answer: Answer, key: Key) -> Answer | Deferred[Answer]:
        finished = self._taken.finish(key, answer)
        if finished is None:
            return answer
        return finished.addErrback(self._unfinished).addCallback(lambda _: answer)

    def _unfinished(self, failure: Failure) -> None:
        # The plugins have it all the same; if it comes again, it will be marked.
        self._log.warn("that a message was taken is not written: {why}", why=str(failure.value))

    def _ran(self, result: Any, key: Key) -> Any:
        self._running.pop(key, None)
        return result

    def deliver(self, message: dict[str, Any]) -> Answer | Deferred[Answer]:
        """Hand a struct to every plugin, and gather what each says."""
        outcomes: dict[str, Any] = {}
        waiting: list[Deferred[None]] = []
        answer = {"id": message.get("id", ""), "plugins": outcomes}
        topic, superseded = message.get("topic"), message.pop("superseded", False) is True
        taking = []
        for receiver in self._receivers():
            if receiver.receives and receiver.wants(topic, superseded):
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

    def _key(self, message: dict[str, Any], host_id: HostId) -> tuple[str, str]:
        id = message.get("id")
        if id is None:
            id = message["id"] = self._make_id()
        if not isinstance(id, str):
            raise InvalidParams("notify: 'id' is not a string")
        return (host_id.random, id)


def _note(outcome: str, outcomes: dict[str, Any], name: str) -> None:
    outcomes[name] = outcome


def _fork(answer: Deferred[Answer]) -> Deferred[Answer]:
    """Give a Deferred of the same result, so that cancelling one does not harm the other."""
    forked: Deferred[Answer] = Deferred()

    def tell(result: Any) -> Any:
        if not forked.called:
            forked.callback(result)
        return None if isinstance(result, Failure) else result

    answer.addBoth(tell)
    return forked
