"""Plugins of 2003, and plugins that offend: who notices, and what the log says."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from e2e.network import PLUGINS, Network, Server
from e2e.processes import eventually
from e2e.test_e2e_messages import data_of

pytestmark = pytest.mark.process

PLUGINS_2003 = PLUGINS.parent / "plugins2003"


# -- 2003 --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def spam(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    """A satellite with the plugin of 2003, and one with the probe."""
    with Network(tmp_path_factory.mktemp("spam")) as network:
        spam = network.satellite("spam", plugin_list=["spam"], plugin_dirs=[str(PLUGINS_2003)])
        probe = network.satellite("probe", relay=spam.url)
        spam.sees("spam", "probe")
        yield spam, probe


def spam_log(spam: Server) -> str:
    file = spam.folder / "spam.log"
    return file.read_text() if file.exists() else ""


def test_2003_plugin_is_loaded(spam: tuple[Server, Server]) -> None:
    """Loaded are the modules of __all__, and in them the X_ subclasses; nothing else."""
    names = spam[0].call("co2.get_method_names")
    assert [n for n in names if n.startswith("spam.")] == ["spam.ham.call_me", "spam.ham.received"]
    plugins = spam[0].call("system.get_properties")["plugins"]
    running = {(one["name"], one["class"]) for one in plugins if one["state"] == "running"}
    assert running == {("spam.ham", "X_Ham"), ("spam.eggs", "X_Eggs")}
    assert "initialized with a nice one" in spam_log(spam[0])


def test_2003_plugin_is_called(spam: tuple[Server, Server]) -> None:
    """Its method gets the one dict whole, and what it sends arrives; a help text is there."""
    answer = spam[0].call("spam.ham.call_me", {"john": "cleese", "n": 3})
    assert answer == {"called_with": {"john": "cleese", "n": 3}, "name": "spam.ham"}
    eventually(lambda: data_of(spam[1]), lambda data: [1, 2, 3, "shrubbery"] in data and 2 in data)
    assert spam[0].call("system.methodHelp", "spam.ham.call_me") == "callable as spam.ham.call_me"
    assert spam[0].call("co2.get_method_signature", "spam.ham.call_me")["args"] == ["param_dict"]


def test_2003_plugin_receives(spam: tuple[Server, Server]) -> None:
    """It gets the dict of the text; its tuple arrives as a list; it logs where it wants to."""
    spam[1].probe("send", "say ni")
    tuple_sent = [{"john": "cleese", "terry": "gilliam"}, "nih!", 0.815]
    eventually(lambda: data_of(spam[1]), lambda data: tuple_sent in data)
    assert spam[0].call("spam.ham.received") >= 1
    log = spam_log(spam[0])
    assert f"<the ham plugin>: host_id {spam[1].host_id}" in log
    assert re.search(r"<the ham plugin>: client_address 127\.0\.0\.1 \d+", log)
    assert "address is a tuple: True" in log
    spam[0].wait_for(r"spam\.eggs\.X_Eggs: eggs got 'say ni'")


def test_2003_plugin_says_goodbye(network: Network) -> None:
    """Its __exit__, which takes no arguments, is called, and its last words are delivered."""
    spam = network.satellite("spam", plugin_list=["spam"], plugin_dirs=[str(PLUGINS_2003)])
    probe = network.satellite("probe", relay=spam.url)
    spam.sees("spam", "probe")
    assert spam.stop() == 0
    assert data_of(probe) == ["goodbye from <the ham plugin>"]
    assert spam_log(spam).endswith("<the ham plugin>: exit\n")


# -- offenders ---------------------------------------------------------------------------------


class Offended(NamedTuple):
    """A network in which one satellite has plugins that offend."""

    relay: Server
    bad: Server
    one: Server
    two: Server


@pytest.fixture(scope="module")
def offended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Offended]:
    with Network(tmp_path_factory.mktemp("offended")) as network:
        network.expecting_tracebacks = True
        relay = network.relay()
        one = network.satellite("one", relay=relay.url)
        two = network.satellite("two", relay=relay.url)
        relay.sees("one", "two")
        plugins = {"plugin_list": ["offenders", "probe"], "receive_timeout": 1.0}
        bad = network.satellite("bad", relay=relay.url, **plugins)
        relay.sees("one", "two", "bad")
        yield Offended(relay, bad, one, two)


@pytest.mark.parametrize(
    ("module", "class_name", "error"),
    [
        ("breaks_at_import", "", "import raised RuntimeError: broken at import"),
        ("exits", "", "import raised SystemExit: out of here"),
        ("is_not_there", "", "import raised ModuleNotFoundError"),
        ("breaks_in_init", "X_Init", "__init__ raised RuntimeError: broken in __init__"),
        ("forgets_init", "X_Forgets", "does not call plugin.Co2Plugin.__init__(self, var_dict)"),
    ],
)
def test_what_is_not_loaded_is_told(
    offended: Offended, module: str, class_name: str, error: str
) -> None:
    """What breaks while it is loaded is shown with its reason, and named in the log."""
    plugins = offended.bad.call("system.get_properties")["plugins"]
    records = [one for one in plugins if one["name"] == f"offenders.{module}"]
    assert [(one["class"], one["state"]) for one in records] == [(class_name, "failed")]
    assert error in records[0]["error"]
    offended.bad.wait_for(rf"offenders\.{module}\b")


def test_second_claim_on_a_name(offended: Offended) -> None:
    """The first claim on a name keeps it; the second is refused and told."""
    assert offended.bad.call("offenders.claims.mine") == "first"
    offended.bad.wait_for(r"not loaded: offenders\.claims\.mine .*X_Second")


def test_raising_in_receive(offended: Offended) -> None:
    """However a receive raises: the other plugins get the message, the log names the plugin."""
    offended.one.probe("send", "to be raised at")
    for server in (offended.two, offended.bad):
        eventually(lambda server=server: "to be raised at" in data_of(server))
    for name in ("Raises", "RaisesLater", "RaisesInThread", "RaisesTheUnspeakable", "Leaves"):
        offended.bad.wait_for(rf"offenders\.breaks_in_receive\.X_{name}\.receive raised")
    assert offended.relay.states()["bad"] == "online"


@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("raise", "RuntimeError: broken in a method"),
        ("raise_later", "RuntimeError: broken in an async method"),
        ("leave", "SystemExit"),
        ("recurse", "RecursionError"),
        ("return_the_unsendable", "result.here"),
        ("return_a_big_number", "result[1]: an int that does not fit into 64 bits"),
    ],
)
def test_raising_in_a_method(offended: Offended, method: str, text: str) -> None:
    """The caller gets a fault with neither traceback nor path; the log names the method."""
    fault = offended.bad.refused(f"offenders.breaks_in_methods.{method}")
    assert text in fault.faultString or "incident" in fault.faultString
    assert "Traceback" not in fault.faultString and "/" not in fault.faultString
    offended.bad.wait_for(rf"offenders\.breaks_in_methods\.{method}\b")
    assert offended.bad.call("ping")


def test_sending_what_cannot_travel(offended: Offended) -> None:
    """send() refuses in the plugin's own hands, naming the path; nothing travels."""
    fault = offended.bad.refused("offenders.sends.send_the_unsendable")
    assert "data.here[0]" in fault.faultString or "here" in fault.faultString
    assert "{'data'" in offended.bad.refused("offenders.sends.send_nothing").faultString


def test_sending_early_and_from_threads(offended: Offended) -> None:
    """What is sent in __init__ and from many threads arrives, each message once."""
    eventually(
        lambda: set(map(str, data_of(offended.two))),
        lambda data: {"sent in __init__", "sent in a thread"} <= data,
    )
    offended.bad.call("offenders.sends.send_in_threads", 20)
    threads = [f"thread {number}" for number in range(20)]
    eventually(
        lambda: sorted(d for d in data_of(offended.two) if str(d).startswith("thread ")),
        lambda data: data == sorted(threads),
    )


def test_blocking_plugin(offended: Offended) -> None:
    """A plugin that blocks hurts its own host only, and the log says where it stands."""
    mark, relay, bad = offended.bad.length, offended.relay, offended.bad
    offended.one.probe("send", "block")
    said = bad.wait_for(
        r"plugin offenders blocks the reactor for .* at (\S+blocks\.py):(\d+) in receive", mark
    )
    line = (PLUGINS / "offenders" / "blocks.py").read_text().splitlines()[int(said[2]) - 1]
    assert "RELEASE" in line or "the loop that the log names" in line
    count = len(data_of(offended.two))
    for _ in range(20):
        offended.one.probe("send", "meanwhile")
        count += 1
        offended.two.hears(count)
        assert relay.call("relay.get_num_satellites") == 3
    assert "the reactor stood still for" not in "\n".join(bad.log.splitlines()[mark:])
    (bad.folder / "release").touch()
    bad.wait_for("the reactor stood still for", mark)
    eventually(lambda: data_of(bad).count("meanwhile") == data_of(offended.two).count("meanwhile"))


def test_threaded_plugin_that_blocks(offended: Offended) -> None:
    """A receive and a method that hang in their plugin's thread leave their host free."""
    bad, one = offended.bad, offended.one
    answers: list[Any] = []
    waiting = threading.Thread(
        target=lambda: answers.append(bad.call("offenders.blocks_in_thread.wait"))
    )
    one.probe("send", "hang")
    waiting.start()
    bad.wait_for(r"offenders\.blocks_in_thread\.X_Waits\.receive has not returned within 1\.0 s")
    assert bad.call("offenders.blocks_in_thread.ping") == "pong"
    one.probe("send", "past the thread", False, 50)
    eventually(lambda: data_of(bad).count("past the thread") == 50)
    assert not answers
    assert bad.call("offenders.blocks_in_thread.release")
    waiting.join(20)
    assert answers == [True]


def test_hanging_plugin(offended: Offended) -> None:
    """A receive that hangs again and again costs the plugins beside it one timeout in all."""
    bad, one, count = offended.bad, offended.one, 200
    one.probe("send", "wait for ever", False, count)
    # Within a fraction of the seconds that it would take to wait for each of them.
    eventually(lambda: data_of(bad).count("wait for ever") == count, patience=count / 4)
    bad.wait_for(r"offenders\.hangs\.X_Hangs\.receive has not returned within 1\.0 s")


def test_the_rest_does_not_notice(offended: Offended) -> None:
    """After all that, deliveries and calls between the others go on, and nobody was lost."""
    offended.one.probe("send", "after all")
    eventually(lambda: "after all" in data_of(offended.two))
    assert offended.relay.sees("one", "two", "bad")
    for server in (offended.relay, offended.one, offended.two):
        assert "Traceback" not in server.log
        assert "offenders" not in server.log


def test_raising_at_the_end(network: Network) -> None:
    """An __exit__ that raises is named, the other plugins end, and the exit code is 0."""
    network.expecting_tracebacks = True
    bad = network.satellite("bad", plugin_list=["offenders", "probe"], stop_timeout=2.0)
    assert bad.stop() == 0
    assert "offenders.breaks_in_methods.X_Methods.__exit__ failed" in bad.log
    assert "the probe ends" in bad.log
    assert "the waiting plugin ends" in bad.log
