"""Where requests arrive: each is read, given to its item, and answered by the rules of the wire.

An answer that is there at once goes out as a REP alone, which counts as ACK and REP. One that takes
time is acknowledged first, so that no client gives up. Whatever goes wrong is an answer too, with
the error's type and text and nothing of the program's insides. Requests that come before the
daemon is ready are acknowledged and wait.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from plugin.mktl.items.owned import Owned
from plugin.mktl.net.peer import Peer
from plugin.mktl.wire.catalog import Block, Catalog
from plugin.mktl.wire.dialects import Dialect
from plugin.mktl.wire.message import MalformedMessage, Payload, Request

_TEXT = 500
_EXPECTED = (KeyError, ValueError, TypeError, PermissionError, OSError, RuntimeError)
Announced = Callable[[Any, str], Any]


def error_payload(error: BaseException) -> Payload:
    """Give what a client is told of an error."""
    return Payload(None, error={"type": type(error).__name__, "text": words(error)})


def words(error: BaseException) -> str:
    """Give an error's text; KeyError's own has quotes around it."""
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    return text[:_TEXT]


def _nothing() -> None:
    """Do nothing."""


class Desk:
    """See the module.

    Attributes:
        items: authoritative items by `store.key`.
        catalogs: what is told of catalogs, by dialect.
        first: called before a late answer is sent: a SET's news come before it.
        announced: takes blocks that others announce, with the dialect; None refuses them.
    """

    _log = Logger()

    def __init__(self) -> None:
        self.items: dict[str, Owned] = {}
        self.catalogs: Mapping[str, Catalog] = {"new": Catalog(), "old": Catalog()}
        self.announced: Announced | None = None
        self.answered = 0
        self.first: Callable[[], None] = _nothing
        self._early: list[Callable[[], None]] | None = []

    def open(self) -> None:
        """Begin to answer, what has waited first."""
        early, self._early = self._early, None
        for go_on in early or ():
            go_on()

    # -- the wire ----------------------------------------------------------------------------------

    def counter(self, dialect: Dialect) -> Callable[[Peer, list[bytes]], None]:
        """Give what takes a ROUTER's messages of that dialect."""

        def asked(peer: Peer, frames: list[bytes]) -> None:
            try:
                request = dialect.read_request(frames)
            except MalformedMessage as error:
                self._malformed(peer, dialect, frames, error)
                return
            answer = self.answer(request, dialect.name)
            if not isinstance(answer, Deferred):
                if request.reply:
                    self._reply(answer, peer, dialect, request)
                elif request.ack:
                    peer.send(dialect.acknowledge(request))
                return
            if request.ack:
                peer.send(dialect.acknowledge(request))
            peer.begun()
            answer.addCallback(self._send, peer, dialect, request)

        return asked

    def _send(self, payload: Payload, peer: Peer, dialect: Dialect, request: Request) -> None:
        if not peer.open:
            return
        peer.ended()
        self.first()
        if request.reply:
            self._reply(payload, peer, dialect, request)

    @staticmethod
    def _reply(payload: Payload, peer: Peer, dialect: Dialect, request: Request) -> None:
        """Send a REP; what an author's code gave may be no JSON, and then that is the answer."""
        try:
            data = dialect.reply(request, payload)
        except (TypeError, ValueError) as error:
            data = dialect.reply(request, error_payload(error))
        peer.send(data)

    def _malformed(
        self, peer: Peer, dialect: Dialect, frames: list[bytes], error: MalformedMessage
    ) -> None:
        """Tell who can be told; a message without an id has no answer."""
        self._log.debug("a malformed request: {error}", error=str(error))
        if len(frames) > 1 and len(frames[1]) < 256:
            peer.send(dialect.reply(Request(frames[1], "GET", ""), error_payload(error)))

    # -- the answer --------------------------------------------------------------------------------

    def answer(self, request: Request, dialect: str) -> Payload | Deferred[Payload]:
        """Give the answer to a request, or a Deferred of it that never fails."""
        if self._early is not None:
            later: Deferred[Payload] = Deferred()
            self._early.append(lambda: self._answer_early(request, dialect, later))
            return later
        self.answered += 1
        item = self.items.get(request.target)
        try:
            if item is None:
                result = self._about(request, dialect)
            elif request.type == "SET":
                result = item.take_set(request)
            else:
                result = item.take_get(request)
        except Exception as error:
            return self._refused(error, request)
        if isinstance(result, Deferred):
            return result.addErrback(self._failed, request)
        return result  # type: ignore[no-any-return]  # a Payload, by the contract of items

    def _answer_early(self, request: Request, dialect: str, later: Deferred[Payload]) -> None:
        answer = self.answer(request, dialect)
        if isinstance(answer, Deferred):
            answer.chainDeferred(later)
        else:
            later.callback(answer)

    def _failed(self, failure: Failure, request: Request) -> Payload:
        return self._refused(failure.value or RuntimeError(), request, failure)

    def _refused(
        self, error: BaseException, request: Request, failure: Failure | None = None
    ) -> Payload:
        if not isinstance(error, _EXPECTED):
            self._log.failure(
                "{type} of {target} failed",
                failure or Failure(error),
                type=request.type,
                target=request.target,
            )
        return error_payload(error)

    def _about(self, request: Request, dialect: str) -> Any:
        store, _, name = request.target.rpartition(".")
        catalog = self.catalogs[dialect]
        if name == "_hash" and request.type == "GET":
            hashes = catalog.hashes(store or None)
            is_old = store and request.payload.get("old")
            return Payload(hashes.get(store, {}) if is_old else hashes)
        if name == "_catalog" and request.type == "GET":
            return Payload(self._blocks(catalog, store))
        if name == "_catalog" and self.announced is not None:
            accepted = self.announced(request.payload.get("value"), dialect)
            if isinstance(accepted, Deferred):
                return accepted.addCallback(lambda _: Payload(True))
            return Payload(True)
        raise KeyError(f"there is no item {request.target!r} here")

    @staticmethod
    def _blocks(catalog: Catalog, store: str) -> dict[str, Block]:
        stores = [store] if store else catalog.stores()
        return {uuid: block for one in stores for uuid, block in catalog.blocks(one).items()}
