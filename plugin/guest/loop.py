"""The contract of the daemon: for each pair of an exchange and a parser, one request at a time.

1. Ask the exchange for a request. Where that fails, or gives None, wait a second.
2. Give it to the parser. Where that fails there is no response; the request is dropped where the
   exchange can do that, and the same one coming twice makes the loop wait too, so that nothing
   spins.
3. Give the response to the exchange. Where that fails it is lost, and logged.

Plugins of the seed's shape block, and are called in a thread that is the pair's own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from plugin.guest.interfaces import IExchange, IParser, check_exchange, check_parser

PAUSE = 1.0
"""Seconds after a request that could not be received."""

_log = Logger()


@define
class Pair:
    """An exchange and a parser that belong together.

    Attributes:
        exchange: gives requests and takes responses.
        parser: makes the one of the other.
        afterwards: called when a response is out.
    """

    exchange: Any
    parser: Any
    afterwards: Callable[[], None] = lambda: None
    _reactor: Any = field(default=None, kw_only=True)
    _threads: ThreadPool | None = None
    _running: Deferred[None] | None = None
    _stopping: bool = False
    _unparsed: Any = None
    _pausing: Deferred[None] | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse what is no exchange or no parser, in the original's words."""
        check_exchange(self.exchange)
        check_parser(self.parser)

    def start(self, reactor: Any) -> None:
        """Begin; the exchange is told how the parser's requests are framed."""
        self._reactor = reactor
        framing = getattr(self.exchange, "use_framing", None)
        if framing is not None and hasattr(self.parser, "framing"):
            framing(self.parser.framing)
        if getattr(self.parser, "immediate", False) and hasattr(self.exchange, "answer_by"):
            self.exchange.answer_by(self.parser.parse_request)
        if IExchange.providedBy(self.exchange) and hasattr(self.exchange, "start"):
            self.exchange.start(reactor)
        self._running = ensureDeferred(self._run())

    async def stop(self) -> None:
        """Stop after the request that is being answered."""
        self._stopping = True
        if self._pausing is not None:
            self._pausing.cancel()
        if IExchange.providedBy(self.exchange):
            await self.exchange.close()
        if self._running is not None:
            waiting, self._running = self._running, None
            if not IExchange.providedBy(self.exchange):
                waiting.addErrback(lambda failure: failure.trap(CancelledError))
                waiting.cancel()  # a thread that blocks cannot be ended; it dies with the process
            else:
                await waiting
        if hasattr(self.parser, "close"):
            self.parser.close()
        if self._threads is not None:
            self._threads.adjustPoolsize(0, 0)

    async def _run(self) -> None:
        while not self._stopping:
            request = await self._receive()
            if request is not None:
                response = await self._parsed(request)
                if response is not None:
                    await self._put(request, response)
                self.afterwards()

    async def _receive(self) -> Any:
        try:
            request = await self._call(self._foreign_exchange, self.exchange.get_request)
        except CancelledError:
            return None
        except Exception:
            _log.failure("Error receiving request")
            request = None
        if request is None and not self._stopping:
            await self._pause()
        return request

    async def _parsed(self, request: Any) -> Any:
        try:
            response = await self._call(self._blocking_parser, self.parser.parse_request, request)
        except Exception:
            _log.failure("Error parsing request")
        else:
            if response is not None:
                return response
            # No response on purpose; whoever asked is not to be asked again.
        await self._discard(request)
        return None

    async def _discard(self, request: Any) -> None:
        if hasattr(self.exchange, "discard_request"):
            try:
                await self._call(self._foreign_exchange, self.exchange.discard_request, request)
            except Exception:
                _log.failure("Error discarding request")
        elif request == self._unparsed:
            await self._pause()
        self._unparsed = request

    async def _put(self, request: Any, response: Any) -> None:
        try:
            put = self.exchange.put_response
            await self._call(self._foreign_exchange, put, request, response)
        except Exception:
            _log.failure("Error putting response")

    @property
    def _foreign_exchange(self) -> bool:
        return not IExchange.providedBy(self.exchange)

    @property
    def _blocking_parser(self) -> bool:
        return not IParser.providedBy(self.parser) or bool(self.parser.blocking)

    async def _call(self, in_thread: bool, function: Callable[..., Any], *arguments: Any) -> Any:
        if in_thread:
            return await deferToThreadPool(self._reactor, self._pool(), function, *arguments)
        result = function(*arguments)
        return await result if isinstance(result, Awaitable) else result

    def _pool(self) -> ThreadPool:
        if self._threads is None:
            self._threads = ThreadPool(0, 1, name=f"guest-{type(self.exchange).__name__}")
            self._threads.start()
            # Threads of the pool are daemons, so that one which blocks does not hold the process.
        return self._threads

    async def _pause(self) -> None:
        clock: IReactorTime = self._reactor
        self._pausing = deferLater(clock, PAUSE)
        try:
            await self._pausing
        except CancelledError:
            return
        finally:
            self._pausing = None
