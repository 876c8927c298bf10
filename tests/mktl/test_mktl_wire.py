"""A real daemon, and pyzmq's DEALER and SUB as its clients: frame for frame, and under load."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e.processes import PATIENCE

from mktl.processes import ROOT, Markd, threads_and_memory
from mktl.samples import UNIT
from mktl.test_mktl_sockets import dial as dial  # a fixture

zmq = pytest.importorskip("zmq", reason="pyzmq is the independent peer: pip install pyzmq")
pytestmark = pytest.mark.process

BURST = """
import threading
from plugin import mktl

class Burst(mktl.Item):
    blocking = False
    def perform_set(self, count):
        for number in range(int(count)):
            self.store['news'].publish(number)

class FromThread(mktl.Item):
    def perform_set(self, count):
        for number in range(int(count)):
            self.store['news'].publish(-number - 1)

class Stuck(mktl.Item):
    go_on = threading.Event()
    def perform_set(self, value):
        self.go_on.wait()

class Release(mktl.Item):
    def perform_set(self, value):
        Stuck.go_on.set()

class Daemon(mktl.Daemon):
    def setup(self):
        self.add_item(Burst, 'burst')
        self.add_item(FromThread, 'thread')
        self.add_item(Stuck, 'stuck')
        self.add_item(Release, 'release')
"""
ITEMS = {
    **UNIT,
    "burst": {"type": "numeric"},
    "news": {"type": "numeric"},
    "release": {"type": "numeric"},
    "stuck": {"type": "numeric"},
    "thread": {"type": "numeric"},
}
Dial = Callable[[int, int], Any]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Markd]:
    with Markd(tmp_path_factory.mktemp("wire"), "wire", ITEMS, module=BURST) as running:
        yield running


def answer(dealer: Any) -> list[bytes]:
    frames = dealer.recv_multipart()
    while frames[2] == b"ACK":
        frames = dealer.recv_multipart()
    return list(frames)


def payload(frames: list[bytes], at: int) -> dict[str, Any]:
    return dict(json.loads(frames[at]))


def subscribed(dial: Dial, daemon: Markd, dialect: str, key: str) -> Any:
    """A SUB whose subscription has arrived: it has heard the last of what was set until then."""
    pub = daemon.ports[dialect][1]
    sub, dealer = dial(zmq.SUB, pub), dial(zmq.DEALER, daemon.ports["new"][0])
    sub.subscribe(f"wire.{key}.".encode())
    for number in range(2000):
        text = b'{"value":%d}' % (100 + number)
        dealer.send_multipart([b"a", b"0", b"SET", f"wire.{key}".encode(), b"", text])
        answer(dealer)
        if sub.poll(5):
            break
    while str(payload(sub.recv_multipart(), 2)["value"]) != str(100 + number):
        continue
    return sub


def test_the_new_dialect_frame_for_frame(daemon: Markd, dial: Dial) -> None:
    """GET, SET, refusal, catalog and publication, as a real client sees them."""
    dealer = dial(zmq.DEALER, daemon.ports["new"][0])
    sub = subscribed(dial, daemon, "new", "number")
    dealer.send_multipart([b"a", b"id7", b"SET", b"wire.Number", b"", b'{"value":5,"_pid":1}'])
    assert answer(dealer) == [b"a", b"id7", b"REP", b"wire.number", b"", b'{"value":true}']
    news = sub.recv_multipart()
    assert news[:2] == [b"wire.number.", b"a"]
    assert (len(news), payload(news, 2)["value"]) == (3, 5)
    dealer.send_multipart([b"a", b"id8", b"GET", b"wire.number", b"", b'{"refresh":true}'])
    frames = answer(dealer)
    assert frames[:5] == [b"a", b"id8", b"REP", b"wire.number", b""]
    assert payload(frames, 5) == payload(news, 2)
    dealer.send_multipart([b"a", b"id9", b"SET", b"wire.limited", b"", b'{"value":99}'])
    assert payload(answer(dealer), 5)["error"]["type"] == "OutOfRange"
    dealer.send_multipart([b"a", b"1", b"GET", b"wire._hash", b"", b""])
    ((uuid, number),) = payload(answer(dealer), 5)["value"]["wire"].items()
    dealer.send_multipart([b"a", b"2", b"GET", b"wire._catalog", b"", b""])
    block = payload(answer(dealer), 5)["value"][uuid]
    rep, pub = daemon.ports["new"]
    assert block["provenance"] == [{"stratum": 0, "hostname": "127.0.0.1", "rep": rep, "pub": pub}]
    assert (block["store"], block["alias"], block["hash"]) == ("wire", "main", number)
    assert block["items"]["mask"]["enumerators"]["None"] == "none set"


def test_the_old_dialect_frame_for_frame(daemon: Markd, dial: Dial) -> None:
    """HASH, CONFIG, GET, SET and publication, on ports of its own."""
    dealer = dial(zmq.DEALER, daemon.ports["old"][0])
    sub = subscribed(dial, daemon, "old", "string")
    dealer.send_multipart([b"a", b"00000000", b"HASH", b"wire", b"", b""])
    ((uuid, number),) = payload(answer(dealer), 4)["value"].items()
    dealer.send_multipart([b"a", b"00000001", b"CONFIG", b"wire", b"", b""])
    block = payload(answer(dealer), 4)["value"][uuid]
    assert (block["name"], block["hash"]) == ("wire", number)
    assert block["provenance"][0]["rep"] == daemon.ports["old"][0]
    dealer.send_multipart([b"a", b"00000002", b"SET", b"wire.string", b'{"value":"x"}', b""])
    assert answer(dealer) == [b"a", b"00000002", b"REP", b"wire.string", b'{"value":true}', b""]
    news = sub.recv_multipart()
    assert (news[:2], news[3]) == ([b"wire.string.", b"a"], b"")
    assert payload(news, 2)["value"] == "x"
    dealer.send_multipart([b"a", b"00000003", b"GET", b"wire.string", b"{}", b""])
    assert payload(answer(dealer), 4)["value"] == "x"


def test_arrays_go_beside_the_payload(daemon: Markd, dial: Dial) -> None:
    """A new client reads an array that another one set, and one that was changed in place."""
    dealer = dial(zmq.DEALER, daemon.ports["new"][0])
    about = b'{"shape":[2],"dtype":"uint8"}'
    for data in (b"\x01\x01", b"\x03\x03"):
        dealer.send_multipart([b"a", b"1", b"SET", b"wire.array", b"", about, data])
        assert payload(answer(dealer), 5) == {"value": True}
        reader = dial(zmq.DEALER, daemon.ports["new"][0])
        reader.send_multipart([b"a", b"2", b"GET", b"wire.array", b"", b'{"refresh":true}'])
        frames = answer(reader)
        assert frames[6] == data
        assert payload(frames, 5)["shape"] == [2]


def test_malformed_requests_are_answered_and_harm_nobody(daemon: Markd, dial: Dial) -> None:
    """A wrong version, no JSON, too few frames: an error each, and the next request works."""
    dealer = dial(zmq.DEALER, daemon.ports["new"][0])
    for frames in (
        [b"b", b"1", b"GET", b"wire.number", b"", b""],
        [b"a", b"1", b"SET", b"wire.number", b"", b"{"],
        [b"a", b"1", b"GET"],
        [b"a", b"1", b"\xff", b"wire.number", b"", b""],
    ):
        dealer.send_multipart(frames)
        assert payload(answer(dealer), 5)["error"]["type"] == "MalformedMessage"
    dealer.send_multipart([b""])
    dealer.send_multipart([b"a", b"1", b"GET", b"wire.readonly", b"", b""])
    assert payload(answer(dealer), 5)["value"] == 13


def test_a_burst_of_50000_requests_is_answered(daemon: Markd, dial: Dial) -> None:
    """No burst wedges it: every SET is answered in order, and another client is served after."""
    dealer = dial(zmq.DEALER, daemon.ports["new"][0])
    for number in range(50_000):
        text = b'{"value":%d}' % number
        dealer.send_multipart([b"a", b"%08x" % number, b"SET", b"wire.number", b"", text])
    got = [answer(dealer)[1] for _ in range(50_000)]
    assert got == [b"%08x" % number for number in range(50_000)]
    other = dial(zmq.DEALER, daemon.ports["new"][0])
    other.send_multipart([b"a", b"1", b"GET", b"wire.number", b"", b""])
    assert payload(answer(other), 5)["value"] == 49_999


@pytest.mark.parametrize(("item", "sign"), [("burst", 1), ("thread", -1)])
def test_30000_publications_arrive_in_order(
    daemon: Markd, dial: Dial, item: str, sign: int
) -> None:
    """All of them, in order, made by the reactor or by a thread; and later ones are not late."""
    sub = subscribed(dial, daemon, "new", "news")
    dealer = dial(zmq.DEALER, daemon.ports["new"][0])
    sub.set(zmq.RCVHWM, 0)
    text = b'{"value":30000}'
    dealer.send_multipart([b"a", b"1", b"SET", f"wire.{item}".encode(), b"", text])
    first = 0 if sign > 0 else -1
    for number in range(30_000):
        assert payload(sub.recv_multipart(), 2)["value"] == first + sign * number
    answer(dealer)
    dealer.send_multipart([b"a", b"2", b"SET", b"wire.news", b"", b'{"value":0.5}'])
    assert payload(sub.recv_multipart(), 2)["value"] == 0.5


def test_a_stuck_item_holds_up_nobody(daemon: Markd, dial: Dial) -> None:
    """A SET that blocks is acknowledged at once, and others are answered meanwhile."""
    stuck, other = (dial(zmq.DEALER, daemon.ports["new"][0]) for _ in range(2))
    stuck.send_multipart([b"a", b"1", b"SET", b"wire.stuck", b"", b'{"value":1}'])
    assert stuck.recv_multipart()[2] == b"ACK"
    for _ in range(100):
        other.send_multipart([b"a", b"2", b"GET", b"wire.number", b"", b""])
        answer(other)
    assert not stuck.poll(0)
    other.send_multipart([b"a", b"3", b"SET", b"wire.release", b"", b'{"value":1}'])
    assert payload(answer(other), 5) == {"value": True}
    assert stuck.recv_multipart()[2] == b"REP"


def test_2000_items_need_no_thread_each(tmp_path: Path, dial: Dial) -> None:
    """Their memory is bounded too: under 5 kB for each that was set and is subscribed to."""
    # What a daemon needs without items is the machine's and the interpreter's affair.
    _, bare = all_set(tmp_path / "one", dial, 1)
    threads, memory = all_set(tmp_path / "many", dial, 2001)
    assert threads < 10
    assert memory - bare < 10
    assert memory < 60  # in all, of which the reactor and what it imports take 45


def all_set(folder: Path, dial: Dial, count: int) -> tuple[int, float]:
    """Set every item of a daemon, subscribed to them all; its threads and its memory then."""
    items = {f"item{number}": {"type": "numeric"} for number in range(count)}
    with Markd(folder, "many", items) as daemon:
        rep, pub = daemon.ports["new"]
        dealer, sub = dial(zmq.DEALER, rep), dial(zmq.SUB, pub)
        for number in range(count):
            sub.subscribe(b"many.item%d." % number)
            target = b"many.item%d" % number
            dealer.send_multipart([b"a", b"1", b"SET", target, b"", b'{"value":1}'])
        for _ in range(count):
            answer(dealer)
        return threads_and_memory(daemon.pid)


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path, dial: Dial) -> None:
    """With standard input closed, as a service manager has it, and killed after the answer."""
    items = {f"kept{number}": {"type": "numeric", "persist": True} for number in range(20)}
    for life in range(3):
        with Markd(tmp_path, "kept", items) as daemon:
            dealer = dial(zmq.DEALER, daemon.ports["new"][0])
            for number in range(20):
                target = b"kept.kept%d" % number
                dealer.send_multipart([b"a", b"1", b"GET", target, b"", b""])
                known = payload(answer(dealer), 5)["value"]
                assert known == (None if life == 0 else life * 100 + number)
            for number in range(20):
                target = b"kept.kept%d" % number
                text = b'{"value":%d}' % ((life + 1) * 100 + number)
                dealer.send_multipart([b"a", b"1", b"SET", target, b"", text])
            for _ in range(20):
                assert payload(answer(dealer), 5) == {"value": True}
            os.kill(daemon.pid, signal.SIGKILL)


STUCK = """
import threading
from plugin import mktl
from plugin.mktl.work import runtime

runtime.THREADS_END_WITHIN = 0.1  # all of the five seconds is for the rest

class Stuck(mktl.Item):
    def perform_get(self):
        print('blocks', flush=True)
        threading.Event().wait()

class Daemon(mktl.Daemon):
    def setup(self):
        self.add_item(Stuck, 'stuck').poll(1.0)
"""
STUCK_CLEANUP = (
    STUCK
    + """
    def cleanup(self):
        threading.Event().wait()
"""
)


def test_code_that_blocks_keeps_no_daemon_alive(tmp_path: Path, dial: Dial) -> None:
    """One signal ends it: in order while a method blocks, and in time while `cleanup` does."""
    items = {"stuck": {"type": "numeric"}, "kept": {"type": "numeric", "persist": True}}
    for module, status in ((STUCK, 0), (STUCK_CLEANUP, 1)):
        for known in (None, 5):
            with Markd(tmp_path / str(status), "stuck", items, module=module) as daemon:
                daemon.wait_for("blocks")
                dealer = dial(zmq.DEALER, daemon.ports["new"][0])
                dealer.send_multipart([b"a", b"1", b"GET", b"stuck.kept", b"", b""])
                assert payload(answer(dealer), 5)["value"] == known
                if known:
                    continue
                dealer.send_multipart([b"a", b"1", b"SET", b"stuck.kept", b"", b'{"value":5}'])
                assert payload(answer(dealer), 5) == {"value": True}
                assert daemon.stop() == status
                assert ("not stopped after" in daemon.log) == bool(status)


def test_busy_clients_keep_no_daemon_alive(tmp_path: Path, dial: Dial) -> None:
    """It ends in order while one asks without end, and another does not read its news."""
    with Markd(tmp_path, "busy", {"text": {"type": "string"}}) as daemon:
        rep, pub = daemon.ports["new"]
        asking, stuck = dial(zmq.DEALER, rep), dial(zmq.SUB, pub)
        stuck.set(zmq.RCVHWM, 1)
        stuck.subscribe(b"busy.")
        value = json.dumps({"value": "x" * 100_000}).encode()
        for number in range(100):
            text = value.replace(b"x", b"%d" % (number % 10), 1)
            asking.send_multipart([b"a", b"1", b"SET", b"busy.text", b"", text])
            answer(asking)
        for _ in range(20_000):
            asking.send_multipart([b"a", b"1", b"GET", b"busy._mainpid", b"", b""])
        assert daemon.stop() == 0
        assert "not stopped after" not in daemon.log


@pytest.mark.parametrize("begin", ["work = runtime.current()", "work = runtime.use(reactor)"])
def test_a_thread_that_blocks_keeps_no_program_alive(begin: str) -> None:
    """Neither a script, whose reactor has a thread of its own, nor one that runs its reactor."""
    program = f"""
import threading
from twisted.internet import reactor
from plugin.mktl.work import runtime
runtime.THREADS_END_WITHIN = 0.1
{begin}
blocks = threading.Event()
def block():
    blocks.set()
    threading.Event().wait()
work.reactor.callFromThread(work.in_thread, block)
if work.reactor is reactor:
    reactor.callWhenRunning(work.reactor.callInThread, lambda: (
        blocks.wait(), reactor.callFromThread(reactor.stop)
    ))
    reactor.run()
assert blocks.wait(20)
"""
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", program], env=variables, timeout=PATIENCE, check=True)
