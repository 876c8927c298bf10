"""The door to co2: a satellite serves stores of items, and other hosts see them.

    co2 call mktl.mktl.get bench.volts
    co2 call mktl.mktl.set bench.volts 5
    co2 call mktl.mktl.history bench.volts

New values go out as co2 messages under the topic `store.key`, retained, at most `publish_rate` a
second for each item. `mktl_config.py` says which stores there are; docs/mktl.md explains it.
"""

from __future__ import annotations

import fnmatch
import functools
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, ensureDeferred

from co2.api import ApplicationFailed, Co2Plugin, InvalidParams, UnsupportedValue, level
from plugin.mktl.client import begin
from plugin.mktl.door.mirror import MirrorDaemon, Wishes
from plugin.mktl.door.news import News
from plugin.mktl.door.setting import set_own
from plugin.mktl.door.travelling import as_arrived, as_travels
from plugin.mktl.items.item import Item
from plugin.mktl.keeping.history import Chronicle, History
from plugin.mktl.keeping.home import home, read_configuration
from plugin.mktl.net.ports import Ways
from plugin.mktl.serving.daemon import Daemon, Phase
from plugin.mktl.serving.desk import words
from plugin.mktl.serving.subclass import find_class
from plugin.mktl.wire.message import Payload
from plugin.mktl.work import runtime

_TROUBLE = (RuntimeError, KeyError, ValueError, TypeError, OSError)


class X_Mktl(Co2Plugin):
    """See the module; these are the settings of `mktl_config.py`."""

    home: str = ""
    stores: list[dict[str, Any]] = []
    mirrors: list[dict[str, Any]] = []
    ways: dict[str, Any] = {}
    publish_rate: float = 10.0
    accept_sets: bool | Sequence[str] = ()
    keep_history: bool = True
    history_days: tuple[float, float, float] = (7, 90, 3650)

    def __init__(
        self,
        var_dict: Mapping[str, Any],
        work: runtime.Runtime | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(var_dict)
        if work is None:
            from twisted.internet import reactor

            work = runtime.use(reactor)
        if self.home:
            home(self.home)
        self.daemons: dict[str, Daemon] = {}
        self.failed: dict[str, str] = {}
        self._now = now
        self._work = work
        self._news = News(work.reactor, self.publish_rate, self._send_news)
        self._history: History | None = None
        self._wishes = Wishes(work.reactor, self._tell, lambda: uuid.uuid4().hex)
        work.reactor.callWhenRunning(self._begin)

    # -- stores ------------------------------------------------------------------------------------

    def _begin(self) -> None:
        if self.keep_history:
            chronicle = Chronicle(home() / "history" / "items.sqlite", self.history_days)
            self._history = History(chronicle, self._work.reactor, self._work.in_thread, self._now)
        for setting in self.stores:
            self._start(setting, functools.partial(self._make, setting))
        for setting in self.mirrors:
            self._start(setting, functools.partial(self._make_mirror, setting))

    def _start(self, setting: Mapping[str, Any], make: Callable[[], Daemon]) -> None:
        name = f"{setting.get('store')}.{setting.get('alias', 'mirror')}"

        def failed(failure: Any) -> None:
            self.failed[name] = failure.getErrorMessage()
            self.log(self, f"{name} is not served: {failure.getErrorMessage()}")

        self._work.in_thread(make).addCallback(self._started, name).addErrback(failed)

    def _make(self, setting: Mapping[str, Any]) -> Daemon:
        kind = find_class(setting.get("module", ""), setting.get("subclass", "Daemon"))
        items = setting.get("items")
        if isinstance(items, str):
            items = read_configuration(home() / items)
        others: dict[str, Any] = {} if items is None else {"items": items}
        return kind(
            setting["store"],
            setting.get("alias", "main"),
            _Arguments(setting),
            override=bool(setting.get("override", False)),
            ways=Ways(**self.ways),
            runtime=self._work,
            **others,
        )

    def _make_mirror(self, setting: Mapping[str, Any]) -> Daemon:
        return MirrorDaemon(
            setting["store"],
            setting["items"],
            self._wishes,
            owner=str(setting.get("host", "")),
            ways=Ways(**self.ways),
            runtime=self._work,
        )

    def _started(self, daemon: Daemon, name: str) -> None:
        self.daemons[name] = daemon
        for item in daemon.own_items:
            if item.timestamp is not None:
                self._observe(item, item._payload())
        daemon.pub.observers.append(self._observe)
        self.log(self, f"{name} is served: {daemon.where}")

    # -- news --------------------------------------------------------------------------------------

    def _observe(self, item: Item, payload: Payload) -> None:
        if item.key.startswith("_"):  # a daemon's own heartbeats are no news
            return
        value = payload["value"] if payload.bulk is None else payload.bulk
        if self._history is not None:
            self._history.add(item.full_key, payload["time"], value)
        if self._mirror(item.store.name) is None:
            self._news.offer(item, payload)

    def _send_news(self, data: dict[str, Any], topic: str) -> None:
        try:
            self.send({"data": data}, topic=topic, retain=True)
        except UnsupportedValue as error:
            raise ValueError(str(error)) from None

    def _tell(self, data: dict[str, Any]) -> None:
        self.send({"data": data}, topic="mktl.sets")

    # -- other hosts -------------------------------------------------------------------------------

    def receive(self, data_dict: dict[str, Any]) -> None:
        """Take other hosts' news, wishes and answers."""
        data = data_dict.get("data")
        if not isinstance(data, dict):
            return
        what = data.get("mktl")
        author = str(data_dict.get("host_id", "")).partition("@")[0]
        if what == "value":
            self._follow(data, author)
        elif what == "set":
            self._fulfil(data, author)
        elif what == "done":
            self._wishes.done(str(data.get("id")), str(data.get("error", "")), author)

    def _mirror(self, store: str) -> MirrorDaemon | None:
        for daemon in self.daemons.values():
            if isinstance(daemon, MirrorDaemon) and daemon.name == store:
                return daemon
        return None

    def _follow(self, data: Mapping[str, Any], author: str) -> None:
        mirror = self._mirror(str(data.get("store")))
        if mirror is None or mirror.owner not in ("", author):
            return
        try:
            mirror.follow(str(data.get("key")), as_arrived(data.get("value")), data.get("time"))
        except (ValueError, TypeError) as error:
            self.debug(self, f"news that do not fit: {error}")

    def _fulfil(self, data: Mapping[str, Any], author: str) -> None:
        """Set an own item for another host; an item that is not ours is somebody else's."""
        daemon = self._owner(f"{data.get('store')}.{data.get('key')}")
        if daemon is None or isinstance(daemon, MirrorDaemon):
            return
        id = str(data.get("id"))
        if not self._accepts(author):
            error = f"the owner takes no SETs from {author}: accept_sets in its mktl_config.py"
            self._tell({"mktl": "done", "id": id, "error": error})
            return
        target = f"{data.get('store')}.{data.get('key')}"
        doing = ensureDeferred(set_own(daemon, target, data.get("value")))
        doing.addCallbacks(lambda _: "", lambda failure: words(failure.value))
        doing.addCallback(lambda error: self._tell({"mktl": "done", "id": id, "error": error}))

    def _accepts(self, author: str) -> bool:
        """Say whether another host may set items here by message: only who is named may."""
        allowed = self.accept_sets
        return allowed if isinstance(allowed, bool) else author in allowed

    def _owner(self, full_key: str) -> Daemon | None:
        for daemon in self.daemons.values():
            if full_key in daemon.desk.items:
                return daemon
        return None

    # -- methods -----------------------------------------------------------------------------------

    @level("read")
    async def x_get(self, key: str, refresh: bool = False) -> dict[str, Any]:
        """Give an item: 'key', 'value', 'time' (UNIX seconds, 0 before there is one), 'formatted'.

        `key` is `store.key` of this host, or of any daemon that can be found from here.
        """
        item = await self._item(key)
        await _or_fault(item.get_later(refresh))
        return {
            "key": item.full_key,
            "value": as_travels(item._value),
            "time": item.timestamp or 0.0,
            "formatted": item.formatted if item.authoritative else str(item._value),
        }

    async def x_set(self, key: str, value: Any) -> bool:
        """Set an item; the fault says why it was refused."""
        daemon = self._owner(key.lower())
        if daemon is not None:
            await _or_fault(ensureDeferred(set_own(daemon, key.lower(), value)))
        else:
            await _or_fault((await self._item(key)).set_later(as_arrived(value)))
        return True

    @level("read")
    async def x_describe(self, key: str) -> dict[str, Any]:
        """Give an item's description, as its configuration has it."""
        item = await self._item(key)
        described: dict[str, Any] = as_travels(dict(item.description))
        return {name: value for name, value in described.items() if value is not None}

    @level("read")
    def x_list(self, pattern: str = "*") -> list[str]:
        """List this host's items whose `store.key` matches a pattern with * and ?."""
        names = (name for daemon in self.daemons.values() for name in daemon.desk.items)
        return sorted(name for name in names if fnmatch.fnmatch(name, pattern.lower()))

    @level("read")
    def x_history(
        self, key: str, since: float = 0.0, until: float = 0.0, step: float = 0.0
    ) -> Deferred[list[list[Any]]]:
        """Give an item's history, oldest first; times in UNIX seconds, `until` 0 is now.

        Without a step [time, value]; with one (seconds) [time, mean, lowest, highest, count].
        """
        if self._history is None:
            raise ApplicationFailed("no history is kept here: keep_history in mktl_config.py")
        told = self._history.tell(key.lower(), since, until, step)
        return told.addCallback(as_travels)

    @level("read")
    def x_status(self) -> dict[str, Any]:
        """Tell of each store: phase, ports, items, requests, subscribers and what they missed."""
        served = {
            name: {
                "phase": Phase(daemon.phase).name,
                "where": daemon.where,
                "items": len(daemon.desk.items),
                "answered": daemon.desk.answered,
                "dropped": daemon.pub.dropped(),
                "subscribers": list(daemon.pub.subscribers()),
            }
            for name, daemon in self.daemons.items()
        }
        return {"served": served, "failed": dict(self.failed)}

    async def _item(self, key: str) -> Item:
        if "." not in key:
            raise InvalidParams(f"{key!r} is no store.key")
        daemon = self._owner(key.lower())
        if daemon is not None:
            return daemon.store[key.lower().partition(".")[2]]
        found = await _or_fault(begin.get_later(key, runtime=self._work))
        if not isinstance(found, Item):
            raise InvalidParams(f"{key!r} is no store.key")
        return found

    # -- the end -----------------------------------------------------------------------------------

    def __exit__(self, *exc_info: Any) -> Deferred[Any]:
        """Stop every daemon; what was set is on disk then."""
        self._news.stop()
        ending = [self._work.in_thread(daemon.stop) for daemon in self.daemons.values()]
        if self._history is not None:
            ending.append(self._history.close())
        return DeferredList(ending, consumeErrors=True)


class _Arguments:
    """What a daemon's class may look at: the setting's entries as attributes."""

    def __init__(self, setting: Mapping[str, Any]) -> None:
        self.__dict__.update(setting)
        self.__dict__.pop("ways", None)


async def _or_fault(doing: Deferred[Any]) -> Any:
    """Wait, and turn mKTL's errors into a fault that says them."""
    try:
        return await doing
    except _TROUBLE as error:
        raise ApplicationFailed(f"{type(error).__name__}: {words(error)}") from None
