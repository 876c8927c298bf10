"""Our client against our daemon, both real: what the reference lists of mKTL's own client tests."""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e.processes import eventually

from mktl.processes import Markd, Registry
from mktl.samples import UNIT, forget_home
from plugin import mktl
from plugin.mktl.client import begin
from plugin.mktl.commands import mark
from plugin.mktl.items import asking
from plugin.mktl.items.store import forget_links, forget_store, link_to
from plugin.mktl.keeping.home import home
from plugin.mktl.net import discovery
from plugin.mktl.net.link import Origin
from plugin.mktl.work import runtime

pytestmark = pytest.mark.process


HANGS = """
import threading
from plugin import mktl

class Hangs(mktl.Item):
    def perform_set(self, value):
        threading.Event().wait()

class Daemon(mktl.Daemon):
    def setup(self):
        self.add_item(Hangs, 'hangs')
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[mktl.Store]:
    """A store that is found with an empty cache and no registry."""
    folder = tmp_path_factory.mktemp("client")
    items = {**UNIT, "hangs": {"type": "numeric"}}
    with Markd(folder / "daemon", "unitclient", items, module=HANGS):
        home(folder / "client")
        yield mktl.get("unitclient")
        runtime.current().run(forget_links, runtime.current())
    forget_store("unitclient")
    forget_home()


def item(key: str) -> mktl.Item:
    found = mktl.get("unitclient", key)
    assert isinstance(found, mktl.Item)
    return found


PATIENT = """
from plugin import mktl
from plugin.mktl.serving import announcing

announcing._WAIT = 1.0

class Daemon(mktl.Daemon):
    pass
"""
"""A daemon that gives a registry more than its fifth of a second, which a busy machine may take."""


class Listener:
    """Hears of an item's values; its subscription has arrived, which nobody acknowledges."""

    def __init__(self, one: mktl.Item) -> None:
        self.events: list[tuple[mktl.Item, Any, float]] = []
        self._numbers = itertools.count()
        one.register(self._hear)
        eventually(lambda: self._heard_of(one))

    def _hear(self, one: mktl.Item, value: Any, timestamp: float) -> None:
        self.events.append((one, value, timestamp))

    def _heard_of(self, one: mktl.Item) -> bool:
        one.value = f"is it heard? {next(self._numbers)}"
        return bool(self.events)


def test_the_first_get_on_an_empty_cache_works(store: mktl.Store) -> None:
    """No cache and no registry: the daemon itself is found, and remembered on disk."""
    assert item("number").get() in (None, *range(-1000, 1000))
    assert list((home() / "client/cache/unitclient").glob("*.json"))
    assert mktl.get("UNITCLIENT.Number") is item("number")
    with pytest.raises(ValueError, match="store name"):
        mktl.get(None)
    with pytest.raises(KeyError, match="nothing"):
        mktl.get("unitclient.nothing")


def test_a_daemon_that_was_not_heard_is_asked_again(
    store: mktl.Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store is unknown when the second, longer question finds nobody: the first may be late."""
    search, asked = discovery.search, []

    async def held_up(reactor: Any, port: int, *args: Any) -> list[discovery.Answered]:
        asked.append(port)
        return await search(reactor, port, *args) if len(asked) > 2 else []

    monkeypatch.setattr(discovery, "search", held_up)
    monkeypatch.setattr(begin, "LATE", 0.3)
    work = runtime.current()
    (block,) = eventually(lambda: work.run(begin._search_blocks, work, tmp_path, "unitclient"))
    assert (block["store"], len(asked) >= 3) == ("unitclient", True)


def test_a_store_is_a_read_only_mapping(store: mktl.Store) -> None:
    """Look-up by any case and by item; nothing can be assigned."""
    assert store.has_key("angle") and "ANGLE" in store and item("angle") in store
    assert store["number"] is store["NUMBER"] is store[item("number")]
    assert len(store) == len(store.keys()) == len(list(store.values()))
    assert all(isinstance(one, mktl.Item) for one in store)
    assert set(store.catalog) == set(store.keys())
    for attempt in (
        lambda: store.__setitem__("angle", 1),
        lambda: store.__delitem__("angle"),
        store.clear,
        store.copy,
        store.update,
    ):
        with pytest.raises(NotImplementedError):
            attempt()
    with pytest.raises(KeyError):
        store["nothing"]
    assert "unitclient" in repr(store)


def test_an_item_that_cannot_be_read_is_found_again(store: mktl.Store) -> None:
    """To look it up asks nobody for its value, the second time neither."""
    assert mktl.get("unitclient.secret") is item("secret") is store["secret"]
    with pytest.raises(RuntimeError, match=r"GET of unitclient\.secret failed: NotAllowed"):
        item("secret").get()


def test_what_was_set_is_read_back(store: mktl.Store) -> None:
    """By get, by value, and by comparing the item."""
    number, string = item("number"), item("string")
    for value in (-1, 23, 44):
        number.set(value)
        assert number.get() == value
    assert number.value == 44 and number == 44
    string.value = "testing"
    assert string == "testing"
    with pytest.raises(RuntimeError, match=r"SET of unitclient\.readonly failed: NotAllowed"):
        item("readonly").set(44)
    with pytest.raises(RuntimeError, match="OutOfRange"):
        item("limited").set(11)


def test_words_and_masks(store: mktl.Store) -> None:
    """Booleans, enumerations and masks, as numbers and as words of any case."""
    for key, words in {
        "boolean": {0: "fALSE", 1: "True"},
        "noyes": {0: "nO", 1: "YES"},
        "enumerated": {0: "zERO", 1: "oNE"},
        "mask": {0: "none set", 2: "b", 6: "B, C"},
    }.items():
        one = item(key)
        for number, word in words.items():
            one.value = number
            assert one == number
            assert one.formatted.lower() == word.lower()
            one.formatted = word
            assert one == number
        with pytest.raises(KeyError):
            one.formatted = "invalid"
        with pytest.raises(RuntimeError):
            one.value = 234
        with pytest.raises(RuntimeError):
            one.value = "invalid"
    with pytest.raises(KeyError):
        item("noyes").formatted = "False"


def test_an_item_is_its_value(store: mktl.Store) -> None:
    """Arithmetic, bits, truth, comparison, reflected and in place."""
    number = item("number")
    number.value = 25
    assert ~number == ~25 and number | 6 == 31 and 1 & number == 1 and number ^ 1 == 24
    for value in (50, 50.1):
        number.value = value
        assert number <= value < number + 1 and number != value - 1
        assert -number == -value and +number == value
        assert number * 2 == value * 2 and 2 / number == 2 / value and number**2 == value**2
        assert 100 % number == 100 % value and 1 - number == 1 - value
        number += 1
        assert isinstance(number, mktl.Item) and number == value + 1
        number /= 2
        assert number == (value + 1) / 2
    number.value = 0
    assert not number
    string = item("string")
    string.value = "test"
    assert string and string + "z" == "testz" and 2 * string == "testtest" and string < "testz"
    for wrong in (
        lambda: ~string,
        lambda: string - 1,
        lambda: +string,
        lambda: string**2,
        lambda: string % 2,
    ):
        with pytest.raises(TypeError):
            wrong()
    with pytest.raises(ValueError, match="float"):
        string / 2
    string += "z"
    assert string == "testz"
    assert len({number, string}) == 2


def test_angles_and_quantities(store: mktl.Store) -> None:
    """Sexagesimal texts and units."""
    angle, hours = item("angle"), item("hourangle")
    for one in (angle, hours):
        one.formatted = "1:2:3"
        assert one.formatted == " 1:02:03.0"
        one *= 400
        assert one.formatted == "413:40:00.0"
    assert angle.value == pytest.approx(7.21984533908321)
    assert hours.value == pytest.approx(108.29768008624816)
    pytest.importorskip("pint", reason="quantities need pint: pip install pint")
    angle.value = 0.5
    angle.quantity = angle.quantity.to("microradians") * 10
    assert angle.value == pytest.approx(5)


def test_values_without_a_type(store: mktl.Store) -> None:
    """Anything that JSON carries; what changes its form does so as JSON does."""
    typeless = item("typeless")
    for value, back in [
        (24, 24),
        (True, True),
        ("x", "x"),
        ({"1": [2]}, {"1": [2]}),
        ((1, 2), [1, 2]),
        (None, None),
    ]:
        typeless.value = value
        assert typeless.value == back
        assert isinstance(typeless.formatted, str)


def test_arrays(store: mktl.Store) -> None:
    """A numpy array goes there and back, changed in place too; what does not fit is refused."""
    numpy = pytest.importorskip("numpy", reason="numpy makes the arrays: pip install numpy")
    array, sent = item("array"), numpy.array([[1.0, 1.0], [1.0, 1.0]])
    for value in (1.0, 3.0):
        sent[:] = value
        array.set(sent)
        assert numpy.array_equal(array.value, sent)
        assert numpy.array_equal(array.get(refresh=True), sent)
    array.set(numpy.arange(200_000))
    assert array.value.sum() == sum(range(200_000))


def test_callbacks_come_before_a_set_returns(store: mktl.Store) -> None:
    """With the item, its value and its time; the newest ones of two clients of one process."""
    string = item("string")
    listener = Listener(string)
    before = time.time()
    text = f"callback {before}"
    string.value = text
    (found,) = [event for event in listener.events if event[1] == text]
    assert found[0] is string
    assert found[2] >= before


def test_a_set_is_told_of_its_callbacks(store: mktl.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for them without looking again and again: each of 300 has come when it returns."""
    string = item("string")
    listener = Listener(string)

    def sleep(seconds: float) -> None:
        pytest.fail("it looks again and again")

    monkeypatch.setattr(time, "sleep", sleep)
    for number in range(300):
        string.value = str(number)
        assert listener.events[-1][1] == str(number)


def test_news_that_were_not_read_in_time_are_callbacks_too(
    store: mktl.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a SET's time for its news is over and they are here unread, they are read first."""
    string, work = item("string"), runtime.current()
    listener, link = Listener(string), string._link
    news, received = link.ear._peer.transport, link.received

    def answered(frames: list[bytes]) -> None:
        received(frames)
        work.reactor.callLater(0, news.resumeProducing)

    monkeypatch.setattr(link, "received", answered)
    monkeypatch.setattr(asking, "_NEWS_WITHIN", 0.0)
    for number in range(20):
        work.run(news.pauseProducing)
        string.value = f"late {number}"
        assert listener.events[-1][1] == f"late {number}"


def test_sets_without_waiting(store: mktl.Store) -> None:
    """A thousand at once, each with its outcome; some that nobody answers."""
    number = item("number")
    pending = [number.set(value, wait=False) for value in range(1000)]
    assert all(one.wait(20) is not None for one in pending)
    assert number.get(refresh=True) == 999
    refused = item("limited").set(99, wait=False)
    with pytest.raises(RuntimeError, match="OutOfRange"):
        refused.wait(20)
    number.set(5, reply=False)
    eventually(lambda: number.get(refresh=True), lambda value: value == 5)


def test_an_item_has_its_own_patience(store: mktl.Store) -> None:
    """What was heard and is not done in `timeout` seconds fails; other items keep theirs."""
    hangs = item("hangs")
    assert hangs.timeout == item("number").timeout == 120
    hangs.timeout = 0.2
    try:
        with pytest.raises(TimeoutError, match=r"SET @ 127\.0\.0\.1:\d+: no answer in time"):
            hangs.set(1)
    finally:
        hangs.timeout = 120
    assert hangs.get(refresh=True) is None
    assert item("number").timeout == 120


def test_the_old_dialect_serves_our_client_too(store: mktl.Store) -> None:
    """HASH, CONFIG, GET and SET by our own link in the old dialect."""
    work = runtime.current()
    # A search ends shortly after the first answer; the other dialect's may come later than that.
    found = eventually(
        lambda: work.run(discovery.search, work.reactor, discovery.DAEMON_PORT),
        lambda found: {one.dialect for one in found} >= {"new", "old"},
    )
    port = next(one.port for one in found if one.dialect == "old")
    link = link_to(work, Origin("127.0.0.1", port, None, "old"))
    request = mktl.Request(b"", "GET", "unitclient.readonly", mktl.Payload.of({}))
    assert work.run(link.ask, request)["value"] == 13
    assert "unitclient" in work.run(begin._ask, link, "unitclient._hash")


def test_the_command_gets_sets_and_lists(store: mktl.Store, capsys: Any) -> None:
    """By names, by patterns, as JSON; the status says whether it went well."""
    for arguments, status in [
        (["set", "unitclient.number=12", "unitclient.enumerated=one"], 0),
        (["get", "-s", "unitclient", "number", "enum*", "--json", "--formatted"], 0),
        (["describe", "unitclient.mask"], 0),
        (["list", "unitclient.*angle"], 0),
        (["watch", "unitclient.number", "--count", "1", "--terse"], 0),
        (["set", "unitclient.readonly=1"], 1),
        (["get", "unitclient.nothing"], 1),
    ]:
        with pytest.raises(SystemExit) as ended:
            mark.main(arguments)
        assert ended.value.code == status, arguments
    said = capsys.readouterr()
    first, second = (json.loads(line) for line in said.out.splitlines()[:2])
    assert (first["key"], first["value"]) == ("unitclient.number", 12)
    assert second["formatted"] == "One"
    assert "unitclient.hourangle" in said.out and "none set" in said.out
    assert "not a settable" in said.err and "Traceback" not in said.err


def test_the_commands_options(store: mktl.Store, capsys: Any) -> None:
    """Those of both generations, before and after the names."""

    def mark_(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            mark.main(words)
        said = capsys.readouterr()
        return int(str(ended.value.code)), said.out, said.err

    angle = 0.018049613347708025
    item("angle").set(angle)
    item("enumerated").set(1)
    assert mark_("-s", "unitclient", "get", "angle", "enumerated") == (
        0,
        "unitclient.angle:  1:02:03.0 degrees\nunitclient.enumerated: One\n",
        "",
    )
    assert mark_("get", "-s", "unitclient", "angle", "--unformatted")[1] == (
        f"unitclient.angle: {angle} radians\n"
    )
    both = mark_("get", "unitclient.angle", "--formatted", "--unformatted", "--terse")
    assert both[1] == f"{angle} =>  1:02:03.0\n"
    assert mark_("set", "unitclient.angle=90", "-u", "degrees", "--serial")[0] == 0
    assert float(mark_("get", "unitclient.angle", "--units", "arcminute", "--terse")[1]) == (
        pytest.approx(5400)
    )
    assert mark_("set", "unitclient.angle=1:30:00", "--no-wait")[0] == 0
    assert mark_("--unformatted", "set", "unitclient.noyes=1")[0] == 0
    told = mark_("get", "unitclient.noyes", "--timestamp")[1]
    assert told.startswith("20") and told.endswith("unitclient.noyes: Yes\n")
    watched = mark_("watch", "unitclient.noyes", "--count", "1", "--no-timestamp")
    assert watched[1] == "unitclient.noyes: Yes\n"
    assert "rw" in mark_("list", "unitclient.noyes")[1]
    status, told, said = mark_("get", "unitclient")
    shown = {line.partition(":")[0] for line in told.splitlines()}
    assert {f"unitclient.{key}" for key in UNIT} - shown == {"unitclient.secret"}, said
    assert (status, said.count("\n"), "unitclient.secret" in said) == (1, 1, True)
    for wrong, why in (
        (("set", "unitclient.number=1", "--serial", "--no-wait"), "--no-wait"),
        (("get", "unitclient.angle", "-u", "degrees", "--unformatted"), "--unformatted"),
        (("set", "unitclient.number=1", "--formatted", "--unformatted"), "not both"),
        (("get",), "missing"),
    ):
        status, _, said = mark_(*wrong)
        assert (status, why in said) == (2, True), said
    before = mark_("get", "unitclient.number", "--terse", "--refresh")
    status, _, said = mark_("set", "unitclient.number=77", "unitclient.noyes=maybe")
    assert (status, "No, Yes" in said) == (1, True)
    assert mark_("get", "unitclient.number", "--terse", "--refresh") == before


def test_a_registry_keeps_what_it_knows_over_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed and started again, it still names the daemon; one with a taken key is refused."""
    monkeypatch.setattr(sys.modules[home.__module__], "_chosen", tmp_path / "home")
    items = {"key": {"type": "numeric"}}
    (tmp_path / "a/home/client").mkdir(parents=True)
    with Markd(tmp_path / "a", "unitreg", items) as first:
        for life in range(2):
            with Registry(tmp_path / "r") as registry:
                if life == 0:
                    eventually(known_stores, lambda known: "unitreg" in known)
                    registry.kill()
                    continue
                assert "unitreg" in eventually(known_stores)
                with (
                    pytest.raises(AssertionError, match="refuses this daemon: KeyError"),
                    Markd(tmp_path / "b", "unitreg", items, module=PATIENT),
                ):
                    pass
                first.kill()
                with Markd(tmp_path / "b", "unitreg", items, ["--override"]):
                    assert mktl.get("unitreg.key").get() is None
                    runtime.current().run(forget_links, runtime.current())
    forget_store("unitreg")


def known_stores() -> list[str]:
    """Ask the registry; none where it, or we, were held up for as long as it has."""
    try:
        return begin.discover("127.0.0.1")
    except RuntimeError:
        return []
