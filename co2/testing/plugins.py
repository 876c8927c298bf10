"""What stands around a plugin, and a plugin that only remembers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from co2.api import Co2Plugin
from co2.interfaces import IReceiver
from co2.model.sent import Sent
from co2.model.topics import TopicFilter

Send = Callable[..., Sent]


def plugin_var_dict(
    dotted_name: str = "bench.bench",
    send: Send | None = None,
    log: Callable[[Any, Any], None] | None = None,
    debug: Callable[[Any, Any], None] | None = None,
    config_dirs: Sequence[str | Path] = (),
) -> dict[str, Any]:
    """Give what a server hands to a plugin's constructor.

    Args:
        dotted_name: `<package>.<module>`.
        send: takes what the plugin sends; by default it goes nowhere, and is settled at once.
        log, debug: take what the plugin logs.
        config_dirs: folders where `<module>_config.py` is looked for.
    """
    return {
        "relay_method": send or _send_nowhere,
        "log_method": log or _log_nowhere,
        "debug_method": debug or _log_nowhere,
        "dotted_name": dotted_name,
        "config_filename": dotted_name.rpartition(".")[2] + "_config",
        "config_dirs": [str(folder) for folder in config_dirs],
    }


def _send_nowhere(
    message: Mapping[str, Any],
    *,
    topic: str | None = None,
    local: bool = False,
    retain: bool = False,
) -> Sent:
    sent = Sent("0" * 26)
    sent.settle({"id": sent.id, "recipients": 0})
    return sent


def _log_nowhere(caller: Any, msg: Any) -> None:
    pass


class RecordingPlugin(Co2Plugin):
    """A plugin that remembers what happens to it.

    Attributes:
        received: the messages, in the order they came.
        exits: how often `__exit__` was called.
        answer: what `receive` gives back: None, a Deferred, or an exception, which it raises.
    """

    def __init__(self, var_dict: Mapping[str, Any] | None = None) -> None:
        super().__init__(var_dict or plugin_var_dict())
        self.received: list[dict[str, Any]] = []
        self.exits = 0
        self.answer: Any = None

    @property
    def data(self) -> list[Any]:
        """The 'data' of what was received."""
        return [message["data"] for message in self.received]

    def receive(self, data_dict: dict[str, Any]) -> Any:
        """Remember a message."""
        self.received.append(data_dict)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    def __exit__(self, *exc_info: Any) -> None:
        """Count the end."""
        self.exits += 1


@implementer(IReceiver)
class RecordingReceiver:
    """A plugin as the inbox sees it, that remembers.

    Args:
        name: of the plugin class.
        receives: whether it wants messages.

    Attributes:
        received: the messages, in the order they came.
        answer: what `deliver` gives: a str, or a Deferred of one.
    """

    def __init__(self, name: str = "bench.bench.X_Receiver", receives: bool = True) -> None:
        self.name = name
        self.receives = receives
        self.received: list[dict[str, Any]] = []
        self.answer: str | Deferred[str] = "ok"
        self.topics = TopicFilter(None)
        self.newest = False

    def wants(self, topic: str | None, superseded: bool) -> bool:
        """Tell whether it wants a message; see `IReceiver.wants`."""
        return self.topics.matches(topic) and not (superseded and self.newest)

    def deliver(self, struct: dict[str, Any]) -> Any:
        """Remember a message."""
        self.received.append(struct)
        return self.answer
