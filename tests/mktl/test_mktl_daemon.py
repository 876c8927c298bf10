"""A daemon in memory: its start, its items, and what survives when it is killed at any point."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from mktl.samples import UNIT, Memory, ask, forget_home, kill
from mktl.test_mktl_sockets import Tap
from plugin.mktl.items.interfaces import IAuthoritativeItem, IDaemon
from plugin.mktl.items.item import Item
from plugin.mktl.keeping.keeper import Keeper
from plugin.mktl.net.sockets import Publisher, Router
from plugin.mktl.serving.daemon import Daemon, Phase
from plugin.mktl.values.description import ConfigurationRefused
from plugin.mktl.wire.message import Bulk, Payload
from plugin.mktl.wire.zmtp import GREETING, encode_message, encode_ready


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    yield Memory(tmp_path)
    forget_home()


def test_requests_are_answered_by_the_rules(memory: Memory) -> None:
    """A GET holds value and time, a SET is true, refusals have a type and a text."""
    daemon = memory.start()
    assert ask(daemon, "SET", "number", "5")["value"] is True
    answer = ask(daemon, "GET", "number")
    assert answer["value"] == 5
    assert answer["time"] > 0
    for kind, key, value, error in [
        ("SET", "readonly", 1, "NotAllowed"),
        ("GET", "secret", None, "NotAllowed"),
        ("SET", "limited", 99, "OutOfRange"),
        ("SET", "number", "x", "ValueError"),
        ("SET", "number", [1], "TypeError"),
        ("GET", "nothing", None, "KeyError"),
    ]:
        refused = ask(daemon, kind, key, value)
        assert refused["value"] is None
        assert refused.error["type"] == error
        assert "Traceback" not in refused.error["text"]
    assert ask(daemon, "GET", "readonly")["value"] == 13
    daemon.stop()


def test_what_is_published_is_what_was_changed_in_place(memory: Memory) -> None:
    """An array or list that its owner changes and publishes again is news."""
    numpy = pytest.importorskip("numpy", reason="numpy makes the arrays: pip install numpy")
    daemon = memory.start()
    seen: list[Any] = []
    daemon.pub.observers.append(lambda item, payload: seen.append(payload))
    array = numpy.array([1.0, 1.0])
    for value in (1.0, 3.0, 3.0):
        array[:] = value
        daemon.store["array"].publish(array)
    assert [one.bulk.as_array().tolist() for one in seen] == [[1.0, 1.0], [3.0, 3.0]]
    answer = ask(daemon, "GET", "array", refresh=True)
    assert (answer.bulk.shape, answer.bulk.dtype) == ((2,), "float64")
    numbers = [1]
    daemon.store["numbers"].publish(numbers)
    numbers.append(2)
    daemon.store["numbers"].publish(numbers)
    assert [one["value"] for one in seen[2:]] == [[1], [1, 2]]
    daemon.stop()


class Slow(Item):
    blocking = False

    def perform_set(self, value: Any) -> Deferred[None]:
        self.begun = [*getattr(self, "begun", []), value]
        self.doing: Deferred[None] = Deferred()
        return self.doing


class Fresh(Item):
    def req_refresh(self) -> dict[str, Any]:
        self.count = getattr(self, "count", 0) + 1
        return {"value": self.count, "time": 1000.0 + self.count}

    def validate(self, value: Any) -> Any:
        return value * 2


class Custom(Daemon):
    def setup(self) -> None:
        assert self.phase is Phase.BOUND
        self.add_item(Slow, "NUMBER")
        self.add_item(Fresh, "limited")

    def setup_final(self) -> None:
        assert self.phase is Phase.RESTORED
        self.follower = self.store["numbers"]


def test_sets_of_an_item_are_done_in_order(memory: Memory) -> None:
    """The second begins when the first has ended, whatever happens to it."""
    daemon = memory.start(kind=Custom)
    slow = daemon.store["number"]
    answers = [ask(daemon, "SET", "number", value) for value in (1, 2, 3)]
    assert slow.begun == [1]
    slow.doing.callback(None)
    assert slow.begun == [1, 2]
    slow.doing.errback(RuntimeError("it jams"))
    assert slow.begun == [1, 2, 3]
    slow.doing.callback(None)
    results = [answer.result for answer in answers]
    assert [one["value"] for one in results] == [True, None, True]
    assert results[1].error == {"type": "RuntimeError", "text": "it jams"}
    assert slow.value == 3
    daemon.stop()


def test_the_seeds_hooks_are_called(memory: Memory) -> None:
    """validate translates, req_refresh acquires, poll repeats it, a watch follows."""
    daemon = memory.start(kind=Custom)
    fresh = daemon.store["limited"]
    assert ask(daemon, "GET", "limited")["value"] == 1  # nothing was known: it was acquired
    assert ask(daemon, "SET", "limited", 4)["value"] is True
    assert ask(daemon, "GET", "limited")["value"] == 8
    assert dict(ask(daemon, "GET", "limited", refresh=True)) == {"value": 2, "time": 1002.0}
    fresh.poll(1.0)
    memory.reactor.pump([1.0, 1.0])
    assert fresh.value == 5
    fresh.poll(None)
    memory.reactor.pump([1.0, 1.0])
    assert fresh.value == 5
    fresh.watch(daemon.store["string"])
    daemon.store["string"].value = "x"
    assert fresh.value == 6
    daemon.stop()


def test_a_wrong_use_is_refused(memory: Memory) -> None:
    """Unknown keys, second items and second daemons are errors with words."""
    daemon = memory.start(kind=Custom)
    with pytest.raises(KeyError, match="not in the configuration"):
        daemon.add_item(Item, "nothing")
    with pytest.raises(RuntimeError, match="added already"):
        daemon.add_item(Item, "number")
    with pytest.raises(RuntimeError, match="running already"):
        memory.start()
    daemon.stop()
    with pytest.raises(ConfigurationRefused, match="nonsense"):
        memory.start({"a": {"type": "nonsense"}})
    memory.start().stop()


class Failing(Daemon):
    def setup(self) -> None:
        raise OSError("the device is away")


def test_a_failing_start_leaves_nothing_behind(memory: Memory) -> None:
    """What was bound and locked is free again."""
    with pytest.raises(OSError, match="away"):
        memory.start(kind=Failing)
    memory.start().stop()


def test_early_requests_wait(memory: Memory) -> None:
    """A request that comes while `setup` runs is answered when the daemon is ready."""
    early: list[Any] = []

    class Early(Daemon):
        def setup(self) -> None:
            early.append(ask(self, "GET", "readonly"))
            assert not early[0].called

    daemon = memory.start(kind=Early)
    assert early[0].result["value"] == 13
    daemon.stop()


def test_a_stuck_subscriber_costs_only_itself(memory: Memory) -> None:
    """30,000 values reach the quick one; what the stuck one misses is counted and told."""
    daemon = memory.start()
    _, publisher = daemon.pub.outlets[0]
    assert isinstance(publisher, Publisher)
    publisher._most_news = 100_000
    taps = []
    for _ in range(2):
        peer, tap = publisher.buildProtocol(None), Tap()
        peer.makeConnection(tap)
        peer.dataReceived(GREETING + encode_ready(b"SUB") + b"\x00\x01\x01")
        tap.clear()
        taps.append((peer, tap))
    taps[0][0].outlet.pauseProducing()
    for number in range(30_000):
        daemon.store["number"].publish(number)
    memory.reactor.advance(0)
    assert taps[1][1].value().count(b"unittest.number.") == 30_000
    assert taps[0][0].outlet.held <= 100_000
    memory.reactor.advance(1.0)
    missed = ask(daemon, "GET", "_maindrop")["value"]
    assert 25_000 < missed <= daemon.pub.dropped()
    assert daemon.pub.dropped() == sum(one["dropped"] for one in daemon.pub.subscribers())
    daemon.stop()


def test_a_failing_disk_fails_the_set(memory: Memory) -> None:
    """A SET that could not be kept is no success, and is kept with the next."""

    class Broken:
        kept: dict[str, Payload] = {}
        broken = True

        def load(self) -> dict[str, Payload]:
            return {}

        def commit(self, lot: dict[str, Payload]) -> None:
            if self.broken:
                raise OSError("no space")
            self.kept |= lot

        def close(self) -> None:
            pass

    archive = Broken()
    keeper = Keeper(archive, memory.runtime.in_thread)
    keeper.keep("a", Payload(1))
    waiting = keeper.settled()
    assert "no space" in str(waiting.result.value)
    waiting.addErrback(lambda _: None)
    archive.broken = False
    keeper.keep("b", Payload(2))
    assert keeper.settled() is None
    assert set(archive.kept) == {"a", "b"}


class ManualThread:
    """Runs commits when the test says so, or never: as a process that was killed meanwhile."""

    def __init__(self) -> None:
        self.jobs: list[Any] = []

    def __call__(self, function: Any, *arguments: Any) -> Deferred[Any]:
        later: Deferred[Any] = Deferred()
        self.jobs.append((later, function, arguments))
        return later

    def run(self) -> None:
        later, function, arguments = self.jobs.pop(0)
        later.callback(function(*arguments))


class Survival(RuleBasedStateMachine):
    """Whatever was acknowledged is there after any number of kills and restarts."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.memory = Memory(self.folder)
        self.sure: dict[str, list[Any]] = {}
        self.open: list[tuple[str, Any, Any]] = []
        self.start()

    def start(self) -> None:
        self.thread = ManualThread()
        self.daemon = self.memory.start()
        self.daemon.keeper._in_thread = self.thread
        for key in ("kept", "_maindev"):
            allowed = self.sure.get(key, ["" if key == "_maindev" else None])
            assert ask(self.daemon, "GET", key)["value"] in allowed
            self.sure[key] = [ask(self.daemon, "GET", key)["value"]]
        assert self.daemon.phase is Phase.OPEN
        assert ask(self.daemon, "GET", "readonly")["value"] == 13

    @initialize()
    def begin(self) -> None:
        assert ask(self.daemon, "GET", "kept")["value"] is None

    @rule(value=st.integers(), key=st.just("kept"))
    def set(self, key: str, value: Any) -> None:
        answer = ask(self.daemon, "SET", key, value)
        if isinstance(answer, Deferred):
            self.open.append((key, value, answer))
        else:
            self.sure[key] = [value]  # the same as before, which is on disk
        self.note()

    @rule(value=st.text(max_size=5))
    def remark(self, value: str) -> None:
        self.set("_maindev", value)

    @rule()
    def commit(self) -> None:
        if self.thread.jobs:
            self.thread.run()
        self.note()

    def note(self) -> None:
        """The last value that was acknowledged counts; those after it may or may not survive."""
        for key in ("kept", "_maindev"):
            mine = [one for one in self.open if one[0] == key]
            others = [one for one in self.open if one[0] != key]
            while mine and any(answer.called for _, _, answer in mine):
                _, value, answer = mine.pop(0)
                assert answer.called, "a later SET was answered before an earlier one"
                assert answer.result["value"] is True
                self.sure[key] = [value]
            self.open = others + mine
            for _, value, _ in mine:
                if value not in self.sure[key]:
                    self.sure[key].append(value)

    @rule(late=st.booleans())
    def kill(self, late: bool) -> None:
        if late and self.thread.jobs:  # the transaction ended, the answer did not go out
            _, function, arguments = self.thread.jobs.pop(0)
            function(*arguments)
        kill(self.daemon)
        self.open.clear()
        self.start()

    @rule()
    def stop(self) -> None:
        self.daemon.keeper._in_thread = self.memory.runtime.in_thread
        while self.thread.jobs:
            self.thread.run()
        self.note()
        last = {key: ask(self.daemon, "GET", key)["value"] for key in ("kept", "_maindev")}
        self.daemon.stop()
        self.open.clear()
        self.sure = {key: [value] for key, value in last.items()}
        self.start()

    @invariant()
    def phases_hold(self) -> None:
        assert self.daemon.phase is Phase.OPEN

    def teardown(self) -> None:
        kill(self.daemon)
        forget_home()
        shutil.rmtree(self.folder)


TestSurvival = Survival.TestCase
TestSurvival.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)


def test_kept_values_of_every_kind_come_back(memory: Memory) -> None:
    """Arrays, read-only items and custom set code are restored, through `req_set`."""
    items = {**UNIT, "array": {"type": "bulk", "persist": True}}
    seen: list[Any] = []

    class Noting(Item):
        blocking = False

        def perform_set(self, value: Any) -> None:
            seen.append(value)

    class Kind(Daemon):
        def setup(self) -> None:
            self.add_item(Noting, "kept")

    daemon = memory.start(items, Kind)
    bulk = Bulk(b"\x01\x02", (2,), "uint8")
    ask(daemon, "SET", "array", bulk)
    ask(daemon, "SET", "kept", 5)
    daemon.store["keptlocked"].publish(8)
    kill(daemon)
    daemon = memory.start(items, Kind)
    assert ask(daemon, "GET", "array").bulk == bulk
    assert ask(daemon, "GET", "keptlocked")["value"] == 8
    assert seen == [5, 5]
    daemon.stop()


def test_news_come_before_the_answer(memory: Memory) -> None:
    """When a SET is answered, its publication has been sent: clients wait for it only briefly."""
    daemon = memory.start(kind=Custom)
    dialect, publisher = daemon.pub.outlets[0]
    router = Router(memory.reactor, daemon.desk.counter(dialect), daemon.pub.flush)
    order: list[str] = []

    class Noting(Tap):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def write(self, data: bytes) -> None:
            super().write(data)
            order.append(self.name)

    for socket, kind in ((publisher, b"SUB"), (router, b"DEALER")):
        peer = socket.buildProtocol(None)
        peer.makeConnection(Noting(kind.decode()))
        peer.dataReceived(GREETING + encode_ready(kind))
        if kind == b"SUB":
            peer.dataReceived(b"\x00\x01\x01")
    order.clear()
    for key, value in (("string", b'"x"'), ("number", b"5")):  # answered at once, and later
        target = f"unittest.{key}".encode()
        text = b'{"value":' + value + b"}"
        peer.dataReceived(encode_message([b"a", b"1", b"SET", target, b"", text]))
    daemon.store["number"].doing.callback(None)
    rep = ack = "DEALER"
    assert order == ["SUB", rep, ack, "SUB", rep]
    daemon.stop()


def test_what_is_promised_is_there(memory: Memory) -> None:
    """Daemons and items, built-in ones and authors' own, provide their interfaces."""
    daemon = memory.start(kind=Custom)
    assert verifyObject(IDaemon, daemon)
    for key in ("number", "limited", "string", "_mainclk"):
        assert verifyObject(IAuthoritativeItem, daemon.store[key])
    daemon.stop()
