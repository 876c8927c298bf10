"""The contract of the loop, with a clock that the test moves."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from zope.interface import implementer
from zope.interface.verify import verifyObject

from plugin.guest.command.registry import Commands
from plugin.guest.command.surroundings import Surroundings
from plugin.guest.exchange.device import CharDevice
from plugin.guest.exchange.folder import Directory
from plugin.guest.exchange.messages import Co2Exchange
from plugin.guest.exchange.sockets import TcpLoopback, UnixSocket
from plugin.guest.interfaces import ICommands, IExchange, IParser
from plugin.guest.loop import Pair
from plugin.guest.nova_json import JsonParser
from plugin.guest.qga.parser import QemuParser
from plugin.guest.xenstore.exchange import XSComm

pytestmark = pytest.mark.usefixtures("logged_failures")


@implementer(IExchange)
class Script:
    """Gives what the test has written down, one after the other, then waits."""

    def __init__(self, *steps: Any) -> None:
        self.steps = list(steps)
        self.events: list[Any] = []

    def get_request(self) -> Deferred[Any]:
        """Give the next step, or raise it."""
        self.events.append("get")
        if not self.steps:
            return Deferred()
        step = self.steps.pop(0)
        return fail(step) if isinstance(step, Exception) else succeed(step)

    def put_response(self, request: Any, response: Any) -> Deferred[None]:
        """Write the response down; 'lost' cannot be put."""
        self.events.append(response)
        return fail(OSError("away")) if response == "LOST" else succeed(None)

    def discard_request(self, request: Any) -> Deferred[None]:
        """Write down what was dropped."""
        self.events.append(("discard", request))
        return succeed(None)

    def close(self) -> Deferred[None]:
        """Stop."""
        return succeed(None)


@implementer(IParser)
class Upper:
    """Gives a request in capitals; raises at 'bad', says nothing to 'quiet'."""

    blocking = False

    def parse_request(self, request: Any) -> Any:
        """Answer."""
        if request == "bad":
            raise ValueError("bad")
        return None if request == "quiet" else request.upper()


def events(*steps: Any, seconds: float = 0.0) -> list[Any]:
    """Run a pair for some seconds, and give what happened."""
    clock = Clock()
    exchange = Script(*steps)
    pair = Pair(exchange, Upper())
    pair.start(clock)
    clock.advance(seconds)
    return exchange.events


def test_requests_are_answered_in_order() -> None:
    """One after the other, and then it waits."""
    assert events("a", "b") == ["get", "A", "get", "B", "get"]


@pytest.mark.parametrize("nothing", [None, OSError("away")])
def test_nothing_and_failures_are_followed_by_a_second(nothing: Any, logged_failures: Any) -> None:
    """A request that failed or is None is asked for again after a second, not before."""
    assert events(nothing, "a", seconds=0.99) == ["get"]
    assert events(nothing, "a", seconds=1.0) == ["get", "get", "A", "get"]
    logged_failures.take(OSError)


def test_what_cannot_be_parsed_is_dropped_without_an_answer(logged_failures: Any) -> None:
    """No response and no pause; the exchange forgets the request."""
    assert events("bad", "a") == ["get", ("discard", "bad"), "get", "A", "get"]
    logged_failures.take(ValueError)


def test_no_answer_on_purpose() -> None:
    """None of a parser is no response, and the request is done."""
    assert events("quiet", "a") == ["get", ("discard", "quiet"), "get", "A", "get"]


def test_an_answer_that_cannot_be_put_is_lost_alone(logged_failures: Any) -> None:
    """The next request is answered."""
    assert events("lost", "a") == ["get", "LOST", "get", "A", "get"]
    logged_failures.take(OSError)


def test_the_words_of_the_original() -> None:
    """What lacks a method is refused when it is registered."""
    for exchange, parser, text in (
        (object(), Upper(), "An 'exchange' plugin needs to define a 'get_request' method"),
        (Script(), object(), "A 'parser' plugin needs to define a 'parse_request' method"),
    ):
        with pytest.raises(AttributeError) as caught:
            Pair(exchange, parser)
        assert str(caught.value) == text


def test_everything_of_ours_keeps_its_interface(tmp_path: Any) -> None:
    """Every exchange, both parsers and the commands provide what they say."""
    commands = Commands((), Surroundings())
    for one in (
        XSComm(),
        UnixSocket("/x"),
        TcpLoopback(1),
        CharDevice(),
        Directory(str(tmp_path)),
        Co2Exchange(),
        Script(),
    ):
        assert verifyObject(IExchange, one)
    assert verifyObject(IParser, JsonParser(commands))
    assert verifyObject(IParser, QemuParser())
    assert verifyObject(ICommands, commands)
