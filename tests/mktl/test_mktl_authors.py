"""What authors of daemons write, in the seed's names and in those of later generations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from mktl.samples import UNIT, Memory, ask, forget_home
from plugin import mktl
from plugin.mktl.serving.daemon import Daemon, Phase
from plugin.mktl.serving.subclass import find_class
from plugin.mktl.wire.message import Bulk, Payload


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    yield Memory(tmp_path)
    forget_home()


class Later(mktl.Item):
    """An item whose class knows store and key only, and arguments of its own."""

    blocking = False

    def __init__(self, store: Any, key: str, factor: int, offset: int = 0) -> None:
        super().__init__(store, key)
        self.factor, self.offset = factor, offset

    def perform_get(self) -> Payload:
        return self.to_payload(self.factor + self.offset, timestamp=1000.5)


def test_an_item_class_needs_no_arguments_of_ours(memory: Memory) -> None:
    """One that hands on store and key only is the daemon's own all the same."""

    class Kind(Daemon):
        def setup(self) -> None:
            self.add_item(Later, "Number", 3, offset=4)

    daemon = memory.start(kind=Kind)
    item = daemon.store["number"]
    assert item.authoritative
    assert dict(ask(daemon, "GET", "number", refresh=True)) == {"value": 7, "time": 1000.5}
    assert dict(item.to_payload()) == {"value": 7, "time": 1000.5}
    assert item.to_payload([1], 2.0, note="x") == {"value": [1], "time": 2.0, "note": "x"}
    daemon.stop()


def test_functions_stand_for_methods(memory: Memory) -> None:
    """Performers acquire and perform, handlers take the whole request; both without a subclass."""
    done: list[Any] = []

    class Kind(Daemon):
        def setup(self) -> None:
            self.add_performers([("number", "get", lambda: 5), ("number", "SET", done.append)])
            self.add_get_performer("string", lambda: "fresh")
            self.add_set_performer("string", done.append)
            self.add_handlers([("typeless", "get", lambda request: Payload(99, 3000.5))])
            self.add_set_handler("typeless", lambda request: done.append(request.payload.value))
            self.add_get_handler("numbers", lambda request: {"value": (1, 2), "time": 4.0})

    daemon = memory.start(kind=Kind)
    assert ask(daemon, "GET", "number", refresh=True)["value"] == 5
    assert ask(daemon, "GET", "string")["value"] == "fresh"
    for key, value in (("number", 6), ("string", "x"), ("typeless", 7)):
        assert ask(daemon, "SET", key, value)["value"] is True
    assert done == [6, "x", 7]
    assert dict(ask(daemon, "GET", "typeless")) == {"value": 99, "time": 3000.5}
    assert dict(ask(daemon, "GET", "numbers")) == {"value": [1, 2], "time": 4.0}
    with pytest.raises(ValueError, match="'get' or 'set'"):
        daemon.add_performer("number", "poll", done.append)
    with pytest.raises(TypeError, match="cannot be called"):
        daemon.add_performer("number", "get", 5)  # type: ignore[arg-type]
    with pytest.raises(KeyError, match="not in the configuration"):
        daemon.add_get_performer("nothing", lambda: 1)
    daemon.stop()


def test_a_get_of_ones_own_is_called_in_any_class(memory: Memory) -> None:
    """Blocking, not blocking, and `async def`: what req_get gives is the answer."""

    class Blocking(mktl.Item):
        def req_get(self, request: Any) -> Any:
            return {"value": 1, "time": 1.0}

    class Quick(Blocking):
        blocking = False

    class Async(mktl.Item):
        async def req_get(self, request: Any) -> Any:
            return Payload(3, 1.0)

    class Kind(Daemon):
        def setup(self) -> None:
            for key, kind in (("number", Blocking), ("limited", Quick), ("typeless", Async)):
                self.add_item(kind, key)

    daemon = memory.start(kind=Kind)
    answers = [ask(daemon, "GET", key)["value"] for key in ("number", "limited", "typeless")]
    assert answers == [1, 1, 3]
    daemon.stop()


def test_options_come_in_either_order(memory: Memory) -> None:
    """`arguments` stands third with the seed, `override` with later generations."""
    seen: list[Any] = []

    class Kind(Daemon):
        def __init__(self, *args: Any, **named: Any) -> None:
            super().__init__("unittest", "main", *args, runtime=memory.runtime, **named)

        def parse_options(self, options: Any) -> None:
            seen.append((options, self.options, self.arguments, self.override, self.phase))

        def describe_items(self) -> Any:
            return UNIT

    class Options:
        override = False
        ways = mktl.Ways(discover=False)

    options = Options()
    for args, override in (((options,), False), ((True, options), True), ((False, options), False)):
        Kind(*args).stop()
        assert seen.pop() == (options, options, options, override, Phase.NEW)


def test_nothing_described_lets_the_file_count(memory: Memory) -> None:
    """A `describe_items` that gives None is one that adds nothing to the configuration's file."""
    path = memory.folder / "daemon/store/unittest/main.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"filed": {"type": "numeric"}}')

    class Kind(Daemon):
        def describe_items(self) -> None:
            return None

    daemon = Kind("unittest", "main", ways=mktl.Ways(discover=False), runtime=memory.runtime)
    assert "filed" in daemon.store
    daemon.stop()


def test_initial_values_are_taken_without_being_performed(memory: Memory) -> None:
    """`req_initialize` publishes `initial`; neither `perform_set` nor `validate` is asked."""
    done: list[Any] = []

    class Kind(Daemon):
        def setup(self) -> None:
            self.add_set_performer("angle", done.append)

    daemon = memory.start(kind=Kind)
    assert daemon.store["angle"].value == UNIT["angle"]["initial"]
    assert done == []
    daemon.stop()


def test_authors_are_given_arrays(memory: Memory) -> None:
    """`validate` and `perform_set` see a numpy array; where nobody looks, none is made."""
    numpy = pytest.importorskip("numpy", reason="numpy makes the arrays: pip install numpy")
    seen: list[Any] = []

    class Kind(Daemon):
        def setup(self) -> None:
            self.add_set_performer("array", seen.append)

    daemon = memory.start(kind=Kind)
    assert ask(daemon, "SET", "array", Bulk(b"\x01\x02", (2,), "uint8"))["value"] is True
    assert isinstance(seen[0], numpy.ndarray)
    assert seen[0].tolist() == [1, 2]
    assert daemon.store["array"].value.tolist() == [1, 2]
    daemon.stop()


def test_what_cannot_travel_is_refused_where_it_is_published(memory: Memory) -> None:
    """It harms neither later values nor what is kept on disk."""
    daemon = memory.start()
    for wrong in (object(), {1, 2}, b"bytes", [object()]):
        with pytest.raises(TypeError, match="no JSON"):
            daemon.store["kept"].publish(wrong)
    assert ask(daemon, "SET", "kept", 5)["value"] is True
    daemon.stop()
    daemon = memory.start()
    assert ask(daemon, "GET", "kept")["value"] == 5
    daemon.stop()


def test_an_observer_that_raises_costs_nobody_a_value(memory: Memory, logged_failures: Any) -> None:
    """Later publications go out, and the publisher is not told of what is no fault of his."""
    daemon = memory.start()
    seen: list[Any] = []

    def observe(item: Any, payload: Payload) -> None:
        seen.append(payload["value"])
        if payload["value"] == 1:
            raise OSError("the observer is broken")

    daemon.pub.observers.append(observe)
    for number in (1, 2):
        daemon.store["number"].publish(number)
    assert seen == [1, 2]
    assert len(logged_failures.take(OSError)) == 1
    daemon.stop()


def test_two_daemons_of_a_store_share_it(memory: Memory) -> None:
    """When one stops, the other's items stay; when both did, the store is forgotten."""
    ways = mktl.Ways(discover=False)
    one, two = (
        Daemon("unittest", name, items={name: {}}, ways=ways, runtime=memory.runtime)
        for name in ("one", "two")
    )
    assert one.store is two.store
    one.stop()
    assert "one" not in two.store
    two.store["two"].publish(2)
    assert mktl.get("unittest.two") is two.store["two"]
    two.stop()
    third = memory.start()
    assert third.store is not two.store
    third.stop()


def test_items_of_one_value_are_two(memory: Memory) -> None:
    """Both of two items that watch a third are polled, though they are equal."""
    polled: list[str] = []

    class Follower(mktl.Item):
        blocking = False

        def req_poll(self, *event: Any, **named: Any) -> None:
            polled.append(self.key)

    class Watching(Daemon):
        def setup(self) -> None:
            self.add_item(mktl.Item, "number")
            for key in ("angle", "limited"):
                self.add_item(Follower, key).watch(self.store["number"])
                self.store[key].watch(self.store["number"])

    items = {key: {"type": "numeric"} for key in ("angle", "limited", "number")}
    daemon = memory.start(items, Watching)
    assert daemon.store["angle"] == daemon.store["limited"]
    daemon.store["number"].publish(1)
    assert polled == ["angle", "limited"]
    daemon.stop()


def test_a_daemon_tells_that_it_has_stopped(memory: Memory) -> None:
    """Its own code may stop it: who runs it hears of it."""
    seen: list[bool] = []

    class Cleaning(Daemon):
        def cleanup(self) -> None:
            seen.append(self.shutdown.wait(0))

    daemon = memory.start(kind=Cleaning)
    assert isinstance(daemon.stopped, Deferred) and not daemon.stopped.called
    assert not daemon.shutdown.is_set()
    daemon.stop()
    assert daemon.stopped.called
    assert seen == [True]  # an author's threads are told before their devices are let go


def test_a_class_may_import_mktl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of an author that says `import mktl` is given this package."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(__import__("sys").modules, "mktl", object())
    (tmp_path / "authors_own.py").write_text("import mktl\nclass Mine(mktl.Daemon): pass\n")
    assert issubclass(find_class("authors_own", "Mine"), Daemon)
    with pytest.raises(TypeError, match="no subclass"):
        find_class("json", "JSONDecoder")
