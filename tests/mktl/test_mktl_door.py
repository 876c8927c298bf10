"""The door to co2: items over XML-RPC, news at a bounded pace, mirrors both ways, history."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.testing import MemoryReactorClock

from co2.api import ApplicationFailed, InvalidParams
from co2.testing.plugins import plugin_var_dict
from mktl.samples import JSON, bulks, forget_home
from plugin.mktl.door.pace import Pace
from plugin.mktl.door.travelling import as_arrived, as_travels
from plugin.mktl.items.store import forget_store
from plugin.mktl.keeping.history import DAY, Chronicle, History, Value
from plugin.mktl.keeping.home import home
from plugin.mktl.mktl import X_Mktl
from plugin.mktl.work.runtime import Runtime

ITEMS = {
    "volts": {"type": "numeric", "range": [0, 10], "initial": 1, "units": "V"},
    "name": {"type": "string"},
}


class Reactor(MemoryReactorClock):
    """One that runs already."""

    def callWhenRunning(self, function: Callable[..., Any], *args: Any, **named: Any) -> None:
        function(*args, **named)


class Host:
    """A satellite's X_Mktl in memory; what it sends is handed to others by `pass_on`."""

    def __init__(self, folder: Path, reactor: Reactor, name: str = "here", **settings: Any) -> None:
        home(folder)
        self.name = name
        self.sent: list[tuple[dict[str, Any], str | None, bool]] = []
        kind = type("X_Host", (X_Mktl,), {"ways": {"discover": False}, **settings})
        self.plugin = kind(
            plugin_var_dict("mktl.mktl", send=self._send),
            Runtime(reactor),
            lambda: 1000.0 + reactor.seconds(),
        )

    def _send(self, message: dict[str, Any], topic: str | None = None, **named: Any) -> None:
        self.sent.append((message["data"], topic, named.get("retain", False)))

    def pass_on(self, other: Host) -> None:
        sent, self.sent = self.sent, []
        for data, topic, _ in sent:
            other.plugin.receive(
                {"data": data, "topic": topic, "host_id": f"{self.name}@127.0.0.1:1"}
            )


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    yield Reactor()
    forget_home()
    for name in ("bench", "lab"):
        forget_store(name)


@pytest.fixture
def host(tmp_path: Path, reactor: Reactor) -> Iterator[Host]:
    stores = [{"store": "bench", "alias": "main", "items": ITEMS}]
    made = Host(tmp_path, reactor, stores=stores, accept_sets=["there"])
    yield made
    made.plugin.__exit__()


def result(doing: Any) -> Any:
    """Give what a coroutine or Deferred has come to, or raise what it failed with."""
    outcome: list[Any] = []
    waiting = doing if isinstance(doing, Deferred) else ensureDeferred(doing)
    waiting.addBoth(outcome.append)
    if hasattr(outcome[0], "raiseException"):
        outcome[0].raiseException()
    return outcome[0]


def test_items_are_called(host: Host) -> None:
    """get, set, describe, list, status; refusals are faults with the reason."""
    plugin = host.plugin
    assert result(plugin.x_set("Bench.volts", 5)) is True
    got = result(plugin.x_get("bench.volts"))
    assert (got["key"], got["value"], got["formatted"]) == ("bench.volts", 5, "5")
    assert result(plugin.x_describe("bench.volts"))["units"] == "V"
    assert plugin.x_list("bench.[vn]*") == ["bench.name", "bench.volts"]
    served = plugin.x_status()["served"]["bench.main"]
    assert (served["phase"], served["dropped"]) == ("OPEN", 0)
    with pytest.raises(ApplicationFailed, match="OutOfRange"):
        result(plugin.x_set("bench.volts", 11))
    with pytest.raises(InvalidParams, match=r"no store\.key"):
        result(plugin.x_get("bench"))


def test_a_wrong_store_is_told_and_the_others_are_served(tmp_path: Path, reactor: Reactor) -> None:
    """One configuration with mistakes costs only its own store."""
    stores = [
        {"store": "lab", "alias": "a", "items": {"x": {"type": "nonsense"}}},
        {"store": "bench", "alias": "main", "items": ITEMS},
    ]
    plugin = Host(tmp_path, reactor, stores=stores).plugin
    status = plugin.x_status()
    assert "nonsense" in status["failed"]["lab.a"]
    assert list(status["served"]) == ["bench.main"]
    plugin.__exit__()


def test_news_are_few_and_the_last_is_never_lost(host: Host, reactor: Reactor) -> None:
    """A fast item sends ten a second, retained, under its topic, and its last value in the end."""
    host.sent.clear()
    item = host.plugin.daemons["bench.main"].store["volts"]
    for number in range(1000):
        item.publish(number / 100)
        reactor.advance(0.001)
    reactor.advance(1.0)
    news = [data for data, topic, retain in host.sent if topic == "bench.volts" and retain]
    assert len(news) == len(host.sent) <= 12
    assert news[-1] | {"time": 0} == {
        "mktl": "value", "store": "bench", "key": "volts", "value": 9.99, "time": 0,
    }  # fmt: skip


def test_an_item_of_another_host_is_an_item_here(
    host: Host, tmp_path: Path, reactor: Reactor
) -> None:
    """It follows the owner's news; a SET goes to the owner, whose refusal comes back."""
    forget_store("bench")
    mirrors = [{"store": "bench", "items": ITEMS, "host": "here"}]
    there = Host(tmp_path / "there", reactor, "there", mirrors=mirrors)
    host.pass_on(there)
    liar = {"mktl": "value", "store": "bench", "key": "volts", "value": 9, "time": 1.0}
    there.plugin.receive({"data": liar, "host_id": "liar@127.0.0.1:1"})
    assert result(there.plugin.x_get("bench.volts"))["value"] == 1
    there.sent.clear()
    setting = ensureDeferred(there.plugin.x_set("bench.volts", 7))
    done = {"mktl": "done", "id": there.sent[0][0]["id"], "error": "a lie"}
    there.plugin.receive({"data": done, "host_id": "liar@127.0.0.1:1"})
    there.pass_on(host)
    reactor.advance(1.0)
    host.pass_on(there)
    assert result(setting) is True
    assert result(there.plugin.x_get("bench.volts"))["value"] == 7
    assert there.sent == []  # what is mirrored is not told again
    asked = there.plugin.daemons["bench.mirror"].store["name"]
    wish = ensureDeferred(there.plugin.x_set("bench.name", "x"))
    reactor.advance(11)
    with pytest.raises(ApplicationFailed, match="no host has answered"):
        result(wish)
    assert asked.timestamp is None
    there.plugin.__exit__()


@pytest.mark.parametrize(
    ("accept", "value"), [((), 1), (False, 1), (["friend"], 1), (["stranger"], 3), (True, 3)]
)
def test_only_named_hosts_may_set(
    tmp_path: Path, reactor: Reactor, accept: Any, value: int
) -> None:
    """By default no message sets anything, and who tried is told why."""
    stores = [{"store": "bench", "alias": "main", "items": ITEMS}]
    settings = {} if accept == () else {"accept_sets": accept}
    host = Host(tmp_path, reactor, stores=stores, **settings)
    host.sent.clear()
    wish = {"mktl": "set", "id": "1", "store": "bench", "key": "volts", "value": 3}
    host.plugin.receive({"data": wish, "host_id": "stranger@127.0.0.1:1"})
    assert result(host.plugin.x_get("bench.volts"))["value"] == value
    (done,) = [data for data, _, _ in host.sent if data["mktl"] == "done"]
    assert done["id"] == "1"
    assert ("takes no SETs from stranger" in done["error"]) is (value == 1)
    host.plugin.__exit__()


def test_messages_of_others_are_nothing_to_us(host: Host) -> None:
    """News of stores that are not mirrored, strange shapes and unknown answers change nothing."""
    for data in (
        {"mktl": "value", "store": "bench", "key": "volts", "value": 3, "time": 1.0},
        {"mktl": "set", "id": "1", "store": "bench", "key": "nothing", "value": 3},
        {"mktl": ["done"]},
        {"mktl": "done", "id": "unknown"},
        "something else",
    ):
        host.plugin.receive({"data": data})
    assert result(host.plugin.x_get("bench.volts"))["value"] == 1


def test_what_is_held_goes_out_at_the_end(host: Host, reactor: Reactor) -> None:
    """A satellite that stops tells the last value of a burst first."""
    item = host.plugin.daemons["bench.main"].store["volts"]
    reactor.advance(1.0)
    for number in range(10):
        item.publish(number)
    host.plugin.__exit__()
    assert [data["value"] for data, topic, _ in host.sent if topic == "bench.volts"][-1] == 9


def test_history_is_told(host: Host, reactor: Reactor) -> None:
    """Every value, and by step; a daemon's own heartbeats are left out."""
    item = host.plugin.daemons["bench.main"].store["volts"]
    for number in range(10):
        item.publish(number, timestamp=600.0 + number)
    told = result(host.plugin.x_history("bench.volts", since=600, until=700))
    assert told == [[600.0 + number, number] for number in range(10)]
    assert result(host.plugin.x_history("bench.volts", 600, 700, 5)) == [
        [600, 2.0, 0, 4, 5],
        [605, 7.0, 5, 9, 5],
    ]
    assert result(host.plugin.x_history("bench.volts", 600, 700, 60)) == [[600, 4.5, 0, 9, 10]]
    assert result(host.plugin.x_history("bench._mainclk")) == []


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=40))
def test_sums_say_the_same_as_single_values(values: list[tuple[float, float]]) -> None:
    """Counts, extremes and means of minutes and hours agree with what was written."""
    chronicle = Chronicle(":memory:")
    chronicle.add([Value("k", when, value) for when, value in values])
    for step in (60, 3600, 7200):
        told = chronicle.tell("k", 0, 2e6, step, 2e6)
        assert sum(row[4] for row in told) == len(values)
        for begin, mean, low, high, count in told:
            mine = [value for when, value in values if begin <= when < begin + step]
            assert (len(mine), min(mine), max(mine)) == (count, low, high)
            assert mean == pytest.approx(sum(mine) / count, abs=1e-6)
    chronicle.close()


def test_history_forgets_in_time(reactor: Reactor) -> None:
    """Single values go first, then minutes, then hours; words and arrays are kept as JSON."""
    chronicle = Chronicle(":memory:", keep=(1, 2, 3))
    work = Runtime(reactor)
    history = History(chronicle, reactor, work.in_thread, lambda: DAY * 5.0)
    for day in range(4):
        history.add("k", DAY * day, day)
    history.add("k", DAY * 4.9, "words")
    history.add("k", DAY * 4.95, None)
    reactor.advance(1.0)
    told = result(history.tell("k", 0, 0, 0))
    assert told == [[DAY * 3, 3], [DAY * 4.9, "words"], [DAY * 4.95, None]]
    assert [row[1] for row in chronicle.tell("k", 0, DAY * 9, 60, 0)] == [2, 3]
    assert [row[1] for row in chronicle.tell("k", 0, DAY * 9, 3600, 0)] == [1, 2, 3]
    result(history.close())


def test_a_clock_that_jumps_forgets_no_history() -> None:
    """A year ahead costs a day for each that is written there; back again, nothing more."""
    chronicle = Chronicle(":memory:", keep=(7, 7, 7))
    now = 1000 * DAY
    for day in range(30):
        chronicle.add([Value("k", now + day * DAY, day)])
        chronicle.forget(now + day * DAY)
    now += 29 * DAY
    ahead = now + 365 * DAY
    chronicle.forget(ahead)
    assert _days(chronicle) == list(range(22, 30))
    for day in range(3):
        chronicle.add([Value("k", ahead + day * DAY, 100 + day)])
        chronicle.forget(ahead + day * DAY)
    assert _days(chronicle) == [*range(25, 30), 100, 101, 102]
    for day in range(30, 40):
        chronicle.add([Value("k", now + (day - 29) * DAY, day)])
        chronicle.forget(now + (day - 29) * DAY)
    assert _days(chronicle) == [*range(32, 40), 100, 101, 102]
    chronicle.add([Value("k", 0.0, 0)])
    chronicle.forget(0.0)
    assert _days(chronicle) == [0, *range(32, 40), 100, 101, 102]
    chronicle.close()


def test_a_history_of_before_days_were_noted_is_forgotten_too(tmp_path: Path) -> None:
    """Its days are found when it is opened."""
    path = tmp_path / "items.sqlite"
    written = Chronicle(path, keep=(2, 2, 2))
    written.add([Value("k", day * DAY, day) for day in range(5)])
    written.close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("DROP TABLE days")
    opened = Chronicle(path, keep=(2, 2, 2))
    opened.forget(9 * DAY)
    assert _days(opened) == [2, 3, 4]
    opened.close()


def _days(chronicle: Chronicle) -> list[int]:
    """Give what there is: single values, which are the same by the minute and the hour."""
    single, minutes, hours = (chronicle.tell("k", 0, 2e9, step, 0) for step in (0, 60, 3600))
    assert [row[1] for row in single] == [row[1] for row in minutes] == [row[1] for row in hours]
    return [row[1] for row in single]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 0.2)), max_size=60))
def test_the_pace_holds_and_ends_with_the_last(events: list[tuple[str, float]]) -> None:
    """Never two news of a key within a tenth of a second, and the last always goes out."""
    pace: Pace[tuple[str, int]] = Pace(10.0)
    now, sent = 0.0, []
    last: dict[str, tuple[str, int]] = {}
    for number, (key, later) in enumerate(events):
        now += later
        sent += [(now, one) for one in pace.due(now)]
        last[key] = (key, number)
        offered = pace.offer(key, last[key], now)
        sent += [(now, offered)] if offered is not None else []
    while (wait := pace.wait(now)) is not None:
        now += wait + 1e-9
        sent += [(now, one) for one in pace.due(now)]
    for key in last:
        times = [when for when, one in sent if one[0] == key]
        assert all(after - before > 0.0999 for before, after in itertools.pairwise(times))
        assert [one for _, one in sent if one[0] == key][-1] == last[key]


@given(JSON | bulks())
def test_values_travel_over_xml_rpc(value: Any) -> None:
    """Numbers that are too large go as text, arrays as a struct that is read back."""
    travelling = as_travels(value)
    assert as_travels(travelling) == travelling
    if not isinstance(value, list | dict | int):
        assert as_arrived(travelling) == value
