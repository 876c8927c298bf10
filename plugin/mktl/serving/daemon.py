"""A daemon: the owner of items of one store. Users subclass it, and put their own items into it.

How it starts, in this order; each step is done before the next begins, and a step that fails undoes
what was done and raises:

    DESCRIBED   the configuration is read and checked, the uuid known, no other process runs it
    BOUND       it listens; requests are acknowledged, and wait
    SET_UP      `setup()`: the author's items are there
    FILLED      the built-in items, and a plain caching `Item` for every other key
    RESTORED    `initial` values, then kept ones, through `req_set`
    FINISHED    `setup_final()`
    OPEN        requests are answered, polls begin, UDP is answered, registries have agreed
    STOPPED     nothing of it is left

The constructor does all that and may wait: it is called in a thread, as are `setup` and
`setup_final`. In a process whose reactor runs, call it by `deferToThread`.
"""

from __future__ import annotations

import contextlib
import importlib
import threading
import time
from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger
from zope.interface import implementer

from plugin.mktl.items.board import Board
from plugin.mktl.items.interfaces import IDaemon
from plugin.mktl.items.item import Item
from plugin.mktl.items.store import Store, own_store
from plugin.mktl.keeping.home import daemon_uuid, home, listed_registries, load_configuration
from plugin.mktl.keeping.keeper import Keeper, SqliteArchive
from plugin.mktl.net import discovery
from plugin.mktl.net.ports import FIRST_PUBLICATION, FIRST_REQUEST, PortFinder, Ways, only_once
from plugin.mktl.net.sockets import Publisher, Router
from plugin.mktl.serving.announcing import announce
from plugin.mktl.serving.authored import Authored
from plugin.mktl.serving.builtin import add_builtin, describe_builtin
from plugin.mktl.serving.desk import Desk
from plugin.mktl.values.description import Description, check_items, check_store
from plugin.mktl.wire.catalog import make_block
from plugin.mktl.wire.dialects import Dialect, New, Old
from plugin.mktl.wire.message import Payload, Request
from plugin.mktl.work.runtime import Runtime, current


class Phase(IntEnum):
    """How far a daemon has come; see the module."""

    NEW = 0
    DESCRIBED = 1
    BOUND = 2
    SET_UP = 3
    FILLED = 4
    RESTORED = 5
    FINISHED = 6
    OPEN = 7
    STOPPED = 8


@implementer(IDaemon)
class Daemon(Authored):
    """See the module.

    Args:
        store: the name of the store that it provides items for.
        configuration: the name of its configuration in there, and its alias.
        arguments: anything with attributes, for subclasses (`arguments.appconfig`). Later
            generations have `override` in this place, and then `options`: a bool is understood so.
        override: let it take the place of a daemon of the same keys that no longer runs.
        options: the same as `arguments`, as later generations call it.
        ways: how it is reached; loopback by default.
        runtime: where it works; by default this process's.

    Raises:
        ConfigurationRefused: with every mistake in it.
        RuntimeError: it runs already, or a registry refuses it.

    Attributes:
        stopped: fires in the reactor's thread when it has stopped.
        shutdown: set when it begins to stop, for an author's own threads; `stop` does that.
    """

    _log = Logger()

    def __init__(
        self,
        store: str,
        configuration: str | None = None,
        arguments: Any = None,
        override: Any = False,
        options: Any = None,
        *,
        alias: str | None = None,
        ways: Ways | None = None,
        runtime: Runtime | None = None,
        items: Mapping[str, Any] | None = None,
    ) -> None:
        self.phase = Phase.NEW
        if isinstance(arguments, bool):
            arguments, override, options = None, arguments, options or override or None
        self.arguments = self.options = arguments if arguments is not None else options
        self.alias = str(configuration or alias or store).lower()
        self.ways = ways or getattr(self.arguments, "ways", None) or Ways()
        self.override = bool(override or getattr(self.arguments, "override", False))
        self.stopped: Deferred[None] = Deferred()
        self.shutdown = threading.Event()
        self.runtime = runtime or current()
        self.home: Path = home()
        self.name = check_store(store)
        self._given = items
        self._ended: list[Any] = []
        self._listening: list[Any] = []
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    # -- the start ---------------------------------------------------------------------------------

    def _start(self) -> None:
        self._describe()
        self.runtime.run(self._bind)
        self.phase = Phase.BOUND
        self.setup()
        self.phase = Phase.SET_UP
        add_builtin(self)
        for key in self.described:
            self.add_missing(Item, key)
        self.phase = Phase.FILLED
        self._restore()
        self.phase = Phase.RESTORED
        self.setup_final()
        self.phase = Phase.FINISHED
        self.runtime.run(self._open)
        self.phase = Phase.OPEN

    def _describe(self) -> None:
        self.parse_options(self.options)
        items = self.describe_items()
        if items is None:
            items = load_configuration(self.home, self.name, self.alias)
        where = f"the configuration {self.alias!r} of {self.name!r}"
        if items is None:
            raise FileNotFoundError(
                f"{where} is missing: write daemon/store/{self.name}/{self.alias}.json "
                "in MKTL_HOME, or name a file with -c"
            )
        builtin = check_items(describe_builtin(self.alias))
        self.described: dict[str, Description] = {**builtin, **check_items(items, where)}
        if any(about.kind == "bulk" for about in self.described.values()):
            with contextlib.suppress(ImportError):  # here, where it holds up no reactor
                importlib.import_module("numpy")
        self.uuid = daemon_uuid(self.home, self.name, self.alias)
        self._ended.append(only_once(self.home, self.name, self.uuid, self.alias))
        self.pub = Board(self.runtime)
        self.desk = Desk()
        self.desk.first = self.pub.flush
        self.store: Store = own_store(self.name, self.runtime)
        self.store.declare(self.described)
        persist = self.home / "daemon" / "persist" / f"{self.uuid}.sqlite"
        self.keeper = Keeper(SqliteArchive(persist), self.runtime.in_thread)
        self.phase = Phase.DESCRIBED

    def _bind(self) -> None:
        reactor = self.runtime.reactor
        finder = PortFinder(reactor, self.home, self.name, self.uuid, self.ways.interface)
        self._listening = finder.listening
        self.where: dict[str, dict[str, Any]] = {}
        self._sockets: list[Any] = []
        dialects: list[Dialect] = [New(), Old()] if self.ways.old_dialect else [New()]
        for dialect in dialects:
            prefix = "" if dialect.name == "new" else "old-"
            router = Router(reactor, self.desk.counter(dialect), self.pub.flush)
            publisher = Publisher(reactor, self.ways.most_news)
            self._sockets += [router, publisher]
            self.pub.outlets.append((dialect, publisher))
            self.where[dialect.name] = {
                "hostname": self.ways.told_hostname(),
                "rep": finder.listen(f"{prefix}req", FIRST_REQUEST, router),
                "pub": finder.listen(f"{prefix}pub", FIRST_PUBLICATION, publisher),
            }

    def _restore(self) -> None:
        """Begin with what was kept; where nothing was, with `initial`."""
        kept = self.keeper.load()
        for key, about in self.described.items():
            item = self.store[key]
            if about.persist and key in kept:
                self._restore_one(item, kept[key])
            elif about.has_initial and item.timestamp is None:
                initial = Payload.of({"value": about.initial})
                item.req_initialize(Request(b"", "SET", item.full_key, initial))
            if about.persist:
                item.keeper = self.keeper

    def _restore_one(self, item: Item, payload: Payload) -> None:
        try:
            self.runtime.run(item.restore, payload)
        except Exception:
            self._log.failure("{item}: its kept value was refused", item=item.full_key)

    def _open(self) -> Deferred[None]:
        items = {key: about.fields for key, about in self.described.items()}
        for dialect, where in self.where.items():
            block = make_block(self.name, self.alias, self.uuid, items, time.time(), where)
            self.desk.catalogs[dialect].add(block)
        self.desk.open()
        for item in self.own_items:
            item.begin()
        return Deferred.fromCoroutine(self._tell())

    async def _tell(self) -> None:
        if not self.ways.discover:
            return
        reactor, interface = self.runtime.reactor, self.ways.discovery_interface
        ports = {dialect: where["rep"] for dialect, where in self.where.items()}
        registries = [*self.ways.registries, *listed_registries(self.home)]
        blocks = {name: self.desk.catalogs[name].blocks(self.name)[self.uuid] for name in ports}
        await announce(self.runtime, blocks, registries, interface, self.override)
        self._listening += discovery.respond(
            reactor, discovery.DAEMON_PORT, ports, interface, self.ways.interface
        )

    # -- the end -----------------------------------------------------------------------------------

    def stop(self) -> None:
        """Stop; what was set is on disk when this returns. In a thread."""
        if self.phase is Phase.STOPPED:
            return
        begun, self.phase = self.phase, Phase.STOPPED
        self.shutdown.set()
        if begun >= Phase.DESCRIBED:
            if begun >= Phase.BOUND:
                self.cleanup()
            self.runtime.run(self.stop_later)
        for end in self._ended:
            end()
        self.runtime.soon(self.stopped.callback, None)

    def stop_later(self) -> Deferred[Any]:
        """Let go of sockets and files, in the reactor's thread."""
        for item in self.desk.items.values():
            item.end()
        self.store.release(self.described)
        ending = [port.stopListening() for port in self._listening]
        for socket in getattr(self, "_sockets", ()):
            socket.close()
        waiting = [one for one in ending if isinstance(one, Deferred)]
        return DeferredList([*waiting, self.keeper.close()], consumeErrors=True)
