"""`co2 send`: one message, and no trace of the host that sent it."""

from __future__ import annotations

import json
import re

import pytest
from cli_room import NOTHING_THERE, Lab

pytestmark = pytest.mark.process


def registered(lab: Lab) -> list[str]:
    """Give the nicks in the roster."""
    return [one["nick"] for one in json.loads(lab.ok("satellites", "--json"))]


def test_it_says_how_many_get_it(lab: Lab):
    """The one satellite gets the message, with the topic, as another host's."""
    said = lab.ok("send", '{"n": 1}', "--topic", "cli.test", "--retain")
    assert re.fullmatch(r"sent [0-9A-Z]{26} to 1 satellite\n", said)
    assert registered(lab) == ["lab"]


def test_the_message_arrives(lab: Lab):
    """A plugin's `receive` has got it when its relay has brought it."""
    sent = json.loads(lab.ok("send", "arrives", "--json"))
    assert sent["recipients"] == 1
    for _ in range(2000):
        last = json.loads(lab.ok("call", "example.example.last", "--json"))
        if last["data"] == "arrives":
            break
    assert last["data"] == "arrives"
    assert "@127.0.0.1:" in last["host_id"]


@pytest.mark.parametrize(
    ("words", "exit_code", "said"),
    [
        ((), 2, "Missing argument"),
        (("99999999999999999999",), 2, "data"),
        (("x", "--topic", "t" * 256), 1, "fault -32602: 'topic'"),
        (("x", "--token", "wrong"), 1, "fault 1000"),
        (("x", "--url", NOTHING_THERE), 3, "co2 satellite"),
    ],
)
def test_failures_leave_nobody_behind(lab: Lab, words: tuple[str, ...], exit_code: int, said: str):
    """Whatever goes wrong, it is told, and the roster is as before."""
    result = lab.co2("send", *words)
    assert result.exit_code == exit_code
    assert said in result.stderr
    assert registered(lab) == ["lab"]
