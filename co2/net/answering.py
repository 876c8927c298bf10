"""From the bytes of a call to the bytes of its answer, whatever brought them here.

Decides that every call that was read gets a reply or a fault, and which fault stands for a result
that cannot travel. Knows no HTTP and no sockets. A method that answers at once is answered at once:
nothing here makes a synchronous call wait for the reactor.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from co2.errors import Co2Error, InternalError, UnsupportedValue
from co2.interfaces import ICalls
from co2.model.calls import Caller
from co2.wire.limits import Limits
from co2.wire.xmlrpc import decode_call, encode_fault, encode_reply


class Answering:
    """Answers calls.

    Args:
        calls: where a call goes once it is read.
        limits: of a document.
        keep: method name to the member of its struct that keeps its bytes, as `decode_call` has it.
    """

    _log = Logger()

    def __init__(self, calls: ICalls, limits: Limits, keep: Mapping[str, str]) -> None:
        self._calls = calls
        self._limits = limits
        self._keep = keep

    def answer(self, body: bytes, caller: Caller) -> bytes | Deferred[bytes]:
        """Give the document that answers a document.

        Args:
            body: a methodCall document; anything else is answered with a fault.
            caller: who asks.

        Returns:
            a methodResponse document, or a Deferred of it that fails only if it is cancelled,
            which cancels the call.
        """
        try:
            call = decode_call(body, self._limits, self._keep)
            result = self._calls.call(call, caller)
        except Exception as error:
            return self._fault(error)
        if isinstance(result, Deferred):
            answered: Deferred[bytes] = result.addCallbacks(
                self._reply, self._failed, callbackArgs=(call.method,)
            )
            return answered
        return self._reply(result, call.method)

    def _reply(self, result: Any, method: str) -> bytes:
        try:
            return encode_reply(result)
        except UnsupportedValue as error:
            text = f"{method} returned what XML-RPC cannot carry: {error.text}"
            self._log.error("{text}", text=text)
            return encode_fault(InternalError(text).as_fault())
        except Exception as error:
            return self._fault(error)

    def _failed(self, failure: Failure) -> bytes | Failure:
        error = failure.value
        return failure if isinstance(error, CancelledError) else self._fault(error)

    def _fault(self, error: BaseException | None) -> bytes:
        if not isinstance(error, Co2Error):
            # The dispatcher lets nothing else out: this is a mistake in co2 itself.
            self._log.failure("a call failed outside of its method", Failure(error))
            error = InternalError("The server failed to answer; its log says why.")
        return encode_fault(error.as_fault())
