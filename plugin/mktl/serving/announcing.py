"""Telling registries what a daemon has; one that refuses stops the daemon's start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from twisted.logger import Logger

from plugin.mktl.net import discovery
from plugin.mktl.net.link import Origin, RemoteRefusal, brief_link
from plugin.mktl.wire.catalog import Block
from plugin.mktl.wire.message import Payload, Request
from plugin.mktl.work.runtime import Runtime

_WAIT = 0.2
_log = Logger()


async def announce(
    runtime: Runtime,
    blocks: Mapping[str, Block],
    registries: Iterable[str],
    interface: str | None,
    override: bool,
) -> None:
    """Announce a daemon's block of each dialect to every registry that answers in it.

    Raises:
        RuntimeError: a registry refuses it.
    """
    answered = await discovery.search(
        runtime.reactor, discovery.REGISTRY_PORT, registries, interface, _WAIT, everybody=True
    )
    for one in answered:
        if one.dialect not in blocks:
            continue
        block = dict(blocks[one.dialect])
        if override:
            block["override"] = True
        where = Origin(one.host, one.port, None, one.dialect)
        request = Request(b"", "SET", "_catalog", Payload(block))
        try:
            async with brief_link(runtime.reactor, where) as link:
                await link.ask(request)
        except RemoteRefusal as error:
            raise RuntimeError(
                f"the registry at {one.host} refuses this daemon: {error.kind}: {error.text}"
            ) from None
        except (TimeoutError, ConnectionError) as error:
            _log.warn("the registry at {host}: {error}", host=one.host, error=str(error))
