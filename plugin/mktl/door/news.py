"""New values of items as co2 messages: under the topic `store.key`, retained, at a bounded pace.

The last value of a burst always gets through. It must not know which stores there are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.logger import Logger

from plugin.mktl.door.pace import Pace
from plugin.mktl.door.travelling import as_travels
from plugin.mktl.items.item import Item
from plugin.mktl.wire.message import Payload


class News:
    """See the module; in the reactor's thread.

    Args:
        clock: an IReactorTime.
        rate: news a second, for each item.
        send: sends a message's data under a topic, retained; raises ValueError if it cannot travel.
    """

    _log = Logger()

    def __init__(
        self,
        clock: Any,
        rate: float,
        send: Callable[[dict[str, Any], str], Any],
    ) -> None:
        self._clock = clock
        self._send = send
        self._pace: Pace[tuple[Item, Payload]] = Pace(rate)
        self._timer: Any = None

    def offer(self, item: Item, payload: Payload) -> None:
        """Tell of a new value, now or when its time has come."""
        offered = self._pace.offer(item.full_key, (item, payload), self._clock.seconds())
        if offered is not None:
            self._tell(*offered)
        else:
            self._wait()

    def stop(self) -> None:
        """Tell what is held, and nothing more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for item, payload in self._pace.rest():
            self._tell(item, payload)

    def _wait(self) -> None:
        wait = self._pace.wait(self._clock.seconds())
        if self._timer is None and wait is not None:
            self._timer = self._clock.callLater(wait, self._tell_due)

    def _tell_due(self) -> None:
        self._timer = None
        for item, payload in self._pace.due(self._clock.seconds()):
            self._tell(item, payload)
        self._wait()

    def _tell(self, item: Item, payload: Payload) -> None:
        value = payload["value"] if payload.bulk is None else payload.bulk
        data = {
            "mktl": "value",
            "store": item.store.name,
            "key": item.key,
            "value": as_travels(value),
            "time": payload["time"],
        }
        try:
            self._send(data, item.full_key.replace(":", "_"))
        except ValueError as error:
            self._log.debug("{item} cannot travel: {error}", item=item.full_key, error=str(error))
