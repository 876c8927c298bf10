"""A registry: knows every daemon's catalog, for clients that know nobody.

What it knows is on disk before it is answered, so a restart forgets nobody; at its start it also
asks who is there. A block is refused if another daemon of the store has one of its keys, or its
alias, and that daemon runs; with `override`, or if the other one does not answer, the new one takes
its place.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger

from plugin.mktl.keeping.home import (
    daemon_uuid,
    forget_registry,
    home,
    listed_registries,
    load_registry,
    save_registry,
)
from plugin.mktl.net import discovery
from plugin.mktl.net.link import Origin, RemoteRefusal, brief_link
from plugin.mktl.net.ports import FIRST_REQUEST, PortFinder, Ways, only_once
from plugin.mktl.net.sockets import Router
from plugin.mktl.serving.desk import Desk
from plugin.mktl.wire.catalog import Block, Catalog, check_block, origin
from plugin.mktl.wire.dialects import Dialect, New, Old
from plugin.mktl.wire.message import Payload, Request
from plugin.mktl.work.runtime import Runtime

STORE = "registry"


class Registry:
    """See the module; in the reactor's thread.

    Args:
        runtime: where it works.
        ways: how it is reached.

    Raises:
        RuntimeError: another process of this home is one already.
    """

    _log = Logger()

    def __init__(self, runtime: Runtime, ways: Ways | None = None) -> None:
        self.ways = ways or Ways()
        self.home: Path = home()
        self.desk = Desk()
        self.desk.announced = self.take
        self._runtime = runtime
        self._listening: list[Any] = []
        uuid = daemon_uuid(self.home, STORE, STORE)
        self._unlock = only_once(self.home, STORE, uuid, STORE)
        for dialect, catalog in self.desk.catalogs.items():
            for block in load_registry(self.home, dialect):
                catalog.add(block)
        self.ports = self._bind(uuid)
        self.desk.open()

    def _bind(self, uuid: str) -> dict[str, int]:
        reactor = self._runtime.reactor
        finder = PortFinder(reactor, self.home, STORE, uuid, self.ways.interface)
        self._listening = finder.listening
        ports = {}
        dialects: list[Dialect] = [New(), Old()] if self.ways.old_dialect else [New()]
        for dialect in dialects:
            prefix = "" if dialect.name == "new" else "old-"
            router = Router(reactor, self.desk.counter(dialect))
            ports[dialect.name] = finder.listen(f"{prefix}req", FIRST_REQUEST, router)
        return ports

    async def begin(self) -> None:
        """Answer UDP, and ask which daemons there are."""
        reactor, interface = self._runtime.reactor, self.ways.discovery_interface
        self._listening += discovery.respond(
            reactor, discovery.REGISTRY_PORT, self.ports, interface, self.ways.interface
        )
        listed = [*self.ways.registries, *listed_registries(self.home)]
        answered = await discovery.search(
            reactor, discovery.DAEMON_PORT, listed, interface, everybody=True
        )
        for one in answered:
            await self._learn(one)

    async def _learn(self, one: discovery.Answered) -> None:
        where = Origin(one.host, one.port, None, one.dialect)
        try:
            async with brief_link(self._runtime.reactor, where) as link:
                payload = await link.ask(Request(b"", "GET", "_hash", Payload.of({})))
                for store in payload.get("value") or {}:
                    request = Request(b"", "GET", f"{store}._catalog", Payload.of({}))
                    blocks = (await link.ask(request)).get("value") or {}
                    for block in blocks.values():
                        await self._take({**block, "override": True}, one.dialect)
        except (RemoteRefusal, TimeoutError, ConnectionError, ValueError, KeyError) as error:
            self._log.warn("{host}:{port}: {error}", host=one.host, port=one.port, error=str(error))

    # -- announcements -----------------------------------------------------------------------------

    def take(self, block: Any, dialect: str) -> Deferred[None]:
        """Take a block that a daemon announces.

        Returns:
            a Deferred that fails with KeyError, RuntimeError or ValueError: why it is refused.
        """
        return Deferred.fromCoroutine(self._take(block, dialect))

    async def _take(self, given: Any, dialect: str) -> None:
        block = check_block(given)
        override = bool(block.pop("override", False))
        catalog = self.desk.catalogs[dialect]
        for former in list(catalog.blocks(block["store"]).values()):
            conflict = _conflict(block, former)
            if not conflict:
                continue
            if await self._runs(former, dialect):
                host, port, _ = origin(former)
                raise KeyError(f"{conflict} of the daemon {former['alias']!r} at {host}:{port}")
            if not override and former["uuid"] != block["uuid"]:
                raise KeyError(
                    f"{conflict} of {former['alias']!r}, which does not run: override it"
                )
            self._forget(catalog, former, dialect)
        catalog.add(block)
        save_registry(self.home, dialect, block)

    def _forget(self, catalog: Catalog, block: Block, dialect: str) -> None:
        self._log.info("forgets {alias} of {store}", alias=block["alias"], store=block["store"])
        catalog.remove(block["store"], block["uuid"])
        forget_registry(self.home, dialect, block["uuid"])

    async def _runs(self, block: Block, dialect: str) -> bool:
        host, port, _ = origin(block)
        request = Request(b"", "GET", f"{block['store']}._hash", Payload.of({}))
        try:
            where = Origin(host, port, None, dialect)
            async with brief_link(self._runtime.reactor, where) as link:
                payload = await link.probe(request)
        except (RemoteRefusal, TimeoutError, ConnectionError):
            return False
        value = payload.get("value") or {}
        return block["uuid"] in value.get(block["store"], value)

    def stop(self) -> Deferred[Any]:
        """Let go of sockets and files."""
        ending = [port.stopListening() for port in self._listening]
        self._unlock()
        return DeferredList([one for one in ending if isinstance(one, Deferred)])


def _conflict(block: Block, former: Block) -> str:
    """Say what keeps two blocks from being there both; '' if nothing does."""
    if former["uuid"] == block["uuid"]:
        same_place = origin(former)[:2] == origin(block)[:2]
        return "" if same_place else "the same uuid is that"
    if former["alias"] == block["alias"]:
        return f"the alias {block['alias']!r} is that"
    shared = sorted(set(block["items"]) & set(former["items"]))
    return f"the key {shared[0]!r} is one" if shared else ""
