"""The door to co2: genera as plugins of a satellite, their commands as methods.

Settings, in `snaked_config.py`: `genera`, names; `config`, the file that configures them. Each
genus has its CEDAR port as under `co2-snaked`, and each command of its table is the method
`snake.<genus>.<COMMAND>`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from functools import partial
from typing import Any

from zope.interface import implementer

from co2.api import ApplicationFailed, Co2Plugin, IProcedureSource, Level, Procedure, level
from plugin.snake.converse import converse
from plugin.snake.daemon.daemon import IListening, SnakeDaemon
from plugin.snake.daemon.logs import DaemonLog
from plugin.snake.daemon.stream import Listener
from plugin.snake.handlers.imports import CodeError
from plugin.snake.language.macros import ConfigError
from plugin.snake.language.table import Entry
from plugin.snake.tool import reader

_LEVELS = {"ALLOW": Level.READ, "READ": Level.READ}
_ADMIN = frozenset({"ADMINISTRATOR", "CONFIG"})


def level_of(permission: str) -> Level:
    """Give the level of co2 that stands for one of HTCondor's."""
    return Level.ADMIN if permission in _ADMIN else _LEVELS.get(permission, Level.CALL)


@implementer(IProcedureSource)
class X_Snake(Co2Plugin):
    """Every genus that the settings name."""

    genera: Iterable[str] = ()
    config: str | None = None
    reactor: Any = None
    listen: Callable[..., IListening] = staticmethod(Listener)

    def __init__(self, var_dict: Mapping[str, Any]) -> None:
        super().__init__(var_dict)
        if self.reactor is None:
            from twisted.internet import reactor

            self.reactor = reactor
        self.daemons: dict[str, SnakeDaemon] = {}
        self.failed: dict[str, list[str]] = {}
        self._missing: list[str] = []
        for genus in dict.fromkeys(self.genera):
            self._start(genus)

    def _start(self, genus: str) -> list[str]:
        """Start a genus; gives complaints, and if there are any it is not there."""
        daemon = SnakeDaemon(
            reader(genus, self.config, {}),
            self.reactor,
            DaemonLog(partial(self.log, self)),
            partial(self._ended, genus),
            self.listen,
            self._renew,
        )
        complaints: list[str] = []
        try:
            daemon.start()
        except (ConfigError, CodeError) as error:
            complaints = error.complaints
        except OSError as error:
            complaints = [error.strerror or str(error)]
        if complaints:
            self.failed[genus] = complaints
        else:
            self.failed.pop(genus, None)
            self.daemons[genus] = daemon
        for complaint in complaints:
            self.log(self, f"{genus} is not there: {complaint}")
        return complaints

    def _ended(self, genus: str) -> None:
        daemon = self.daemons.pop(genus, None)
        if daemon is not None:
            daemon.stop()
            self.failed[genus] = ["it has ended; snake.snaked.reconfigure starts it again"]
            self._renew()

    def _renew(self) -> None:
        """Let the methods follow the tables; HTCondor's clients are served whatever comes of it."""
        self._missing = [f"not a method of XML-RPC: {why}" for why in self.renew_methods()]
        for complaint in self._missing:
            self.log(self, complaint)

    def _daemon(self, genus: str) -> SnakeDaemon:
        daemon = self.daemons.get(genus)
        if daemon is None:
            there = ", ".join(sorted(self.daemons)) or "none"
            raise ApplicationFailed(f"there is no genus {genus[:64]!r}; there are: {there}")
        return daemon

    # --- methods -------------------------------------------------------------------------------

    @level("read")
    def x_genera(self) -> list[dict[str, Any]]:
        """Tell of each genus its address, its commands, and how many handlers are at work."""
        running = [
            {
                "genus": genus,
                "address": daemon.address,
                "commands": [entry.name for entry in daemon.genus.table.values()],
                "live": daemon.live,
                "complaints": list(daemon.genus.warnings),
            }
            for genus, daemon in self.daemons.items()
        ]
        return running + [
            {"genus": genus, "address": "", "commands": [], "live": 0, "complaints": complaints}
            for genus, complaints in self.failed.items()
        ]

    @level("admin")
    def x_reconfigure(self, genus: str) -> list[str]:
        """Load a genus's configuration and code anew; live handlers are closed.

        Answers warnings, commands that cannot be methods among them: they are there for HTCondor's
        clients only. If anything is wrong, the fault says what, and everything stays as it is. A
        genus that could not start, or has ended, is started.
        """
        if genus in self.failed:
            complaints = self._start(genus)
            self._renew()
        else:
            complaints = self._daemon(genus).reconfigure()
        if complaints:
            raise ApplicationFailed(f"{genus} stays as it was: " + "; ".join(complaints)[:2000])
        return [*self.daemons[genus].genus.warnings, *self._missing]

    @level("admin")
    def x_wake(self, genus: str) -> bool:
        """Wake a genus's polling handler, as its signal does under co2-snaked."""
        daemon = self._daemon(genus)
        polling = daemon.genus.polling
        return polling is not None and daemon.wake(polling.signal)

    def procedures(self) -> Iterable[Procedure]:
        """Give a conversation for each command of each genus."""
        for genus, daemon in self.daemons.items():
            for entry in daemon.genus.table.values():
                yield Procedure(
                    f"snake.{genus}.{entry.name}",
                    self._conversation(genus, entry),
                    level_of(entry.level),
                )

    def _conversation(self, genus: str, entry: Entry) -> Callable[[], AsyncGenerator[Any, Any]]:
        async def command() -> AsyncGenerator[Any, Any]:
            daemon = self._daemon(genus)
            if entry.number not in daemon.genus.table:
                raise ApplicationFailed(f"{entry.name} is no longer in the table of {genus}")
            talk = converse(daemon, entry.number, self.reactor)
            try:
                given = None
                while True:
                    given = yield await talk.asend(given)
            except StopAsyncIteration:
                return
            finally:
                await talk.aclose()

        command.__doc__ = (
            f"{entry.name} of {genus}, answered by its function {entry.function}.\n\n"
            "Each reply is the list of the values of one message. The arguments are the values of "
            "the first payload; ClassAds are structs, expressions {'_expression': text}."
        )
        return command

    def __exit__(self, *exc_info: Any) -> None:
        for daemon in self.daemons.values():
            daemon.stop()
        self.daemons = {}
