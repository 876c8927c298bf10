"""The agent: the pairs that were registered, started and stopped together."""

from __future__ import annotations

from typing import Any

from attrs import define, field
from twisted.logger import Logger

from plugin.guest.command.surroundings import Surroundings
from plugin.guest.interfaces import check_exchange, check_parser
from plugin.guest.loop import Pair

_log = Logger()


@define
class Agent:
    """Pairs, and what their commands act on."""

    surroundings: Surroundings = field(factory=Surroundings)
    _registered: list[tuple[Any, Any]] = field(factory=list)
    _pairs: list[Pair] = field(factory=list)

    @property
    def registered(self) -> int:
        """How many pairs there are."""
        return len(self._registered)

    def register(self, exchange: Any, parser: Any) -> None:
        """Add a pair.

        Raises:
            AttributeError: one of them is none, in the original's words.
        """
        check_exchange(exchange)
        check_parser(parser)
        self._registered.append((exchange, parser))

    def start(self, reactor: Any) -> None:
        """Start every pair."""

        def afterwards() -> None:
            if self.surroundings.afterwards:
                reactor.callInThread(self.surroundings.run_afterwards)

        for exchange, parser in self._registered:
            pair = Pair(exchange, parser, afterwards)
            self._pairs.append(pair)
            pair.start(reactor)

    async def stop(self) -> None:
        """Stop every pair, whatever becomes of the others."""
        while self._pairs:
            try:
                await self._pairs.pop().stop()
            except Exception:
                _log.failure("a pair did not stop as it should")
