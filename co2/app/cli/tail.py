"""`co2 tail`: every message as it comes, until Ctrl-C."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

import click
from twisted.internet.error import CannotListenError
from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
    globalLogBeginner,
)

from co2.app.cli.failing import Failed
from co2.app.cli.listening import Listening
from co2.app.cli.output import brief, clean, say, show_json
from co2.app.cli.target import Target, client_options
from co2.model.clocks import keep_steady
from co2.model.hosts import is_loopback

_LOOPBACK = "127.0.0.1"


@click.command()
@click.option("--topic", metavar="PATTERN", help="Only topics that match, like 'lights.*'.")
@click.option("--count", type=click.IntRange(1), help="End after so many messages.")
@click.option(
    "--listen", metavar="IP", default=_LOOPBACK, show_default=True,
    help="This machine's address that the relay can reach.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON for each message.")
@client_options
def tail(target: Target, topic: str | None, count: int | None, listen: str, as_json: bool) -> None:
    """Print messages as they come; Ctrl-C ends it.

    \b
    For example:
        co2 tail --topic 'lights.*'
        co2 tail --json | jq .data
    """
    if is_loopback(listen) and not is_loopback(target.address.ip):
        raise click.UsageError(
            f"the relay {target.address} is another machine and cannot reach {listen} here: "
            "give --listen with an address of this machine that it can"
        )
    target.ask_relay("relay.get_num_satellites")  # now one can still be told why not
    Tail(target, listen, topic, count, as_json).run()


class Tail:
    """Prints messages until it is stopped."""

    def __init__(
        self, relay: Target, interface: str, topic: str | None, count: int | None, as_json: bool
    ) -> None:
        from twisted.internet import reactor

        keep_steady(reactor)
        self._reactor: Any = reactor
        self._interface = interface
        self._topic = topic
        self._left = count
        self._as_json = as_json
        self._listening = Listening(relay, reactor, interface, self.take, self._registered)

    def run(self) -> None:
        """Print until Ctrl-C, `count`, or a reader that has gone.

        Raises:
            Failed: it is not possible to listen.
        """
        _log_to_terminal()
        try:
            self._listening.start()
        except CannotListenError as error:
            raise Failed(f"cannot listen on {self._interface}: {error.socketError}") from None
        self._reactor.addSystemEventTrigger("before", "shutdown", self._listening.stop)
        self._reactor.run()

    def take(self, struct: dict[str, Any]) -> None:
        """Print a message, if it is one of those that are wanted."""
        if self._left == 0 or not self._wants(struct.get("topic")):
            return
        try:
            show_json(struct) if self._as_json else say(line(struct))
        except OSError:
            self._stop_writing()
            return
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                self._end()

    def _wants(self, topic: Any) -> bool:
        return self._topic is None or fnmatchcase(str(topic or ""), self._topic)

    def _registered(self, host_id: str) -> None:
        say(f"listening as {host_id}; Ctrl-C ends it", error=True)

    def _stop_writing(self) -> None:
        # The reader (`head`) has gone; what is still buffered must not fail once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        self._left = 0
        self._end()

    def _end(self) -> None:
        # In the reactor's next turn: the relay gets its answer for this message first.
        self._reactor.callLater(0, self._reactor.stop)


def line(struct: Mapping[str, Any]) -> str:
    """Write a message on one line: when, what about, who, what."""
    topic = struct.get("topic") or "-"
    return (
        f"{_clock(struct.get('time'))}  {topic}  {struct.get('host_id')}  {brief(struct['data'])}"
    )


def _clock(seconds: Any) -> str:
    try:
        return datetime.fromtimestamp(seconds).strftime("%H:%M:%S")
    except (TypeError, ValueError, OverflowError, OSError):
        return "--:--:--"


def _log_to_terminal() -> None:
    warnings = LogLevelFilterPredicate(defaultLogLevel=LogLevel.warn)
    observer = FilteringLogObserver(FileLogObserver(sys.stderr, _written), [warnings])
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)


def _written(event: LogEvent) -> str:
    return f"co2 tail: {clean(formatEvent(event))}\n"
