"""Items of other co2 hosts, as items here: they follow the owner's news, and a SET goes to it.

What travels are co2 messages whose data has the key 'mktl': 'value' (news, retained by the network
under the topic `store.key`), 'set' (a wish, with an id) and 'done' (the owner's answer to it).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred

from plugin.mktl.door.travelling import as_travels
from plugin.mktl.items.item import Item
from plugin.mktl.serving.daemon import Daemon
from plugin.mktl.wire.message import Request

PATIENCE = 10.0
"""Seconds for the owner's answer to a SET."""


class Wishes:
    """SETs that were sent to other hosts, until they answer.

    Args:
        clock: times them.
        send: sends a message's data.
        make_id: makes an id that nobody else makes.
    """

    def __init__(
        self, clock: Any, send: Callable[[dict[str, Any]], Any], make_id: Callable[[], str]
    ) -> None:
        self._clock = clock
        self._send = send
        self._make_id = make_id
        self._open: dict[str, tuple[str, Deferred[None]]] = {}

    def make(self, store: str, key: str, value: Any, owner: str = "") -> Deferred[None]:
        """Ask the owner of an item to set it.

        Args:
            owner: the random part of the host whose answer counts; '' takes anybody's.

        Returns:
            a Deferred that fails with RuntimeError (the owner's words) or TimeoutError.
        """
        id = self._make_id()
        wish: Deferred[None] = Deferred()
        self._open[id] = (owner, wish)
        timer = self._clock.callLater(PATIENCE, self._late, id, f"{store}.{key}")

        def settled(result: Any) -> Any:
            if timer.active():
                timer.cancel()
            return result

        wish.addBoth(settled)
        self._send({"mktl": "set", "id": id, "store": store, "key": key, "value": value})
        return wish

    def done(self, id: str, error: str, author: str) -> None:
        """Take an answer; one to a wish of another host is not for us."""
        owner, wish = self._open.get(id, ("", None))
        if wish is None or owner not in ("", author):
            return
        del self._open[id]
        if error:
            wish.errback(RuntimeError(error))
        else:
            wish.callback(None)

    def _late(self, id: str, target: str) -> None:
        _, wish = self._open.pop(id)
        wish.errback(TimeoutError(f"no host has answered the SET of {target}"))


class MirrorItem(Item):
    """An item whose owner is another co2 host."""

    publish_on_set = False

    def __init__(self, *args: Any, wishes: Wishes, owner: str, **named: Any) -> None:
        super().__init__(*args, **named)
        self._wishes = wishes
        self._owner = owner

    async def req_set(self, request: Request) -> None:
        """Check the value, and let the owner set it; its news will say that it did."""
        value = self.validate_type(self.from_payload(request.payload))
        await self._wishes.make(self.store.name, self.key, as_travels(value), self._owner)


class MirrorDaemon(Daemon):
    """Serves a store of another co2 host to mKTL's clients here.

    Args:
        owner: the random part of that host's id; '' follows whoever sends news of the store.
    """

    def __init__(
        self,
        store: str,
        items: Mapping[str, Any],
        wishes: Wishes,
        owner: str = "",
        **named: Any,
    ) -> None:
        self._wishes = wishes
        self.owner = owner
        self._wanted = list(items)
        super().__init__(store, f"{store}-mirror", items=items, **named)

    def setup(self) -> None:
        """Make every item one that follows its owner."""
        for key in self._wanted:
            self.add_item(MirrorItem, key, wishes=self._wishes, owner=self.owner)

    def follow(self, key: str, value: Any, when: Any) -> None:
        """Take the owner's news; values that do not fit the item's type are left."""
        item = self.store.present(key)
        if isinstance(item, MirrorItem):
            timestamp = float(when) if isinstance(when, int | float) else None
            item.publish(item.validate_type(value), timestamp)
