"""Every call that is read gets a reply or a fault."""

from typing import Any

import pytest
from http_ends import Methods, Server
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from co2.errors import Co2Error, InternalError, MethodNotFound, NotWellFormed
from co2.interfaces import ICalls
from co2.model.calls import Call, Caller, Level
from co2.net.answering import Answering
from co2.wire.xmlrpc import DEFAULT_LIMITS, decode_reply, encode_call

CALLER = Caller(Level.CALL, "127.0.0.1", 1, "loopback")


@implementer(ICalls)
class BrokenCalls:
    """A dispatcher with a mistake in it."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def call(self, call: Call, caller: Caller) -> Any:
        raise self.error


class AnsweringTests(SynchronousTestCase):
    """`Answering` over the real codec and dispatcher."""

    def setUp(self) -> None:
        self.server = Server()
        self.methods: Methods = self.server.methods
        self.answering = Answering(self.server.dispatcher, DEFAULT_LIMITS, {})

    def answer(self, method: str, *params: Any) -> Any:
        return self.answering.answer(encode_call(method, params), CALLER)

    def test_synchronous(self) -> None:
        """A method that returns at once is answered at once, without a Deferred."""
        reply = self.answer("echo", {"a": [1, "two", 3.0]})
        self.assertIsInstance(reply, bytes)
        self.assertEqual(decode_reply(reply), {"a": [1, "two", 3.0]})

    def test_waits(self) -> None:
        """A method that returns a Deferred is answered when that fires."""
        reply = self.answer("wait")
        self.assertNoResult(reply)
        self.methods.waiting[0].callback([1])
        self.assertEqual(decode_reply(self.successResultOf(reply)), [1])

    def test_late_failure(self) -> None:
        """A Deferred that fails becomes the fault of its error."""
        reply = self.answer("wait")
        self.methods.waiting[0].errback(MethodNotFound("gone meanwhile"))
        with pytest.raises(MethodNotFound, match="gone meanwhile"):
            decode_reply(self.successResultOf(reply))

    def test_cancel(self) -> None:
        """Cancelling the answer cancels the call."""
        reply = self.answer("wait")
        reply.cancel()
        self.assertEqual(self.methods.cancelled, 1)
        self.successResultOf(reply)

    def test_not_a_call(self) -> None:
        """Bytes that are no document are answered with the fault that says so."""
        with pytest.raises(NotWellFormed):
            decode_reply(self.answering.answer(b"<methodCall>", CALLER))

    def test_unknown_method(self) -> None:
        """A call of a method that is not there is answered with MethodNotFound."""
        with pytest.raises(MethodNotFound):
            decode_reply(self.answer("nothing"))

    def test_result_cannot_travel(self) -> None:
        """A result that XML-RPC cannot carry is an internal error that names method and path."""
        with pytest.raises(InternalError, match=r"odd returned .*list\[1\]"):
            decode_reply(self.answer("odd"))

    def test_late_result_cannot_travel(self) -> None:
        """The same holds for a result that comes later."""
        reply = self.answer("wait")
        self.methods.waiting[0].callback({"x": object()})
        with pytest.raises(InternalError, match=r"wait returned .*x"):
            decode_reply(self.successResultOf(reply))

    def test_unforeseen(self) -> None:
        """A mistake in the server itself is answered, tells nothing, and is logged."""
        answering = Answering(BrokenCalls(KeyError("a secret")), DEFAULT_LIMITS, {})
        reply = answering.answer(encode_call("echo", (1,)), CALLER)
        self.assertIsInstance(reply, bytes)
        with pytest.raises(InternalError) as caught:
            decode_reply(reply)  # type: ignore[arg-type]
        self.assertNotIn("secret", caught.value.text)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    def test_cancelled_below(self) -> None:
        """A cancellation that no method has turned into an error stays one."""

        @implementer(ICalls)
        class Cancelling:
            def call(self, call: Call, caller: Caller) -> Any:
                return Deferred()

        reply = Answering(Cancelling(), DEFAULT_LIMITS, {}).answer(
            encode_call("echo", (1,)), CALLER
        )
        reply.cancel()  # type: ignore[union-attr]
        self.failureResultOf(reply, CancelledError)  # type: ignore[arg-type]

    def test_any_error(self) -> None:
        """Every error of co2 travels with its own code."""
        for error in (Co2Error("a"), MethodNotFound("b")):
            reply = Answering(BrokenCalls(error), DEFAULT_LIMITS, {}).answer(
                encode_call("echo", (1,)), CALLER
            )
            with pytest.raises(Co2Error) as caught:
                decode_reply(reply)  # type: ignore[arg-type]
            self.assertEqual(caught.value.as_fault().code, error.code)
