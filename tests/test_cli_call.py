"""`co2 call` against a real server."""

from __future__ import annotations

import json

import pytest
from cli_room import NOTHING_THERE, Lab

pytestmark = pytest.mark.process


def test_a_string_is_printed_as_it_is(lab: Lab):
    """Words are arguments, and the result is readable."""
    assert lab.ok("call", "example.example.greet", "world") == "hello, world\n"


def test_arguments_bind_by_name(lab: Lab):
    """`name=value` words make the struct that binds by name."""
    said = lab.ok("call", "example.example.greet", "loud=true", "name=world")
    assert said == "HELLO, WORLD\n"


def test_a_struct_is_an_outline_and_json_for_programs(lab: Lab):
    """The same result in both forms."""
    words = ("call", "example.example.fade", "3", "0.5")
    assert lab.ok(*words) == "lamp: 3\nbrightness: 0.5\n"
    assert json.loads(lab.ok(*words, "--json")) == {"lamp": 3, "brightness": 0.5}


def test_every_type_comes_back(lab: Lab):
    """JSON in, the same JSON out."""
    value = {"a": [1, -2.5, True, None, "ü<&>"], "b": {}}
    assert json.loads(lab.ok("call", "test", json.dumps(value), "--json")) == value


def test_times_are_iso_in_json(lab: Lab):
    """A time from the server is an ISO 8601 string."""
    told = json.loads(lab.ok("call", "system.get_properties", "--json"))
    assert told["start_time"].endswith("+00:00")


def test_a_negative_number_is_no_option(lab: Lab):
    """`-5` needs no quoting, and options may follow it."""
    assert lab.ok("call", "test", "-5", "--json") == "-5\n"


def test_a_mistyped_option_is_no_argument(lab: Lab):
    """`--jsno` is a usage error; after `--` everything is an argument."""
    assert lab.co2("call", "test", "--jsno").exit_code == 2
    assert lab.ok("call", "test", "--", "--jsno") == "--jsno\n"


def test_a_satellite_is_called_through_its_relay(lab: Lab):
    """`--host` takes a nick or a host_id."""
    words = ("call", "example.example.greet", "world", "--host")
    host_id = json.loads(lab.ok("ping", "--json"))["host_id"]
    assert lab.ok(*words, "lab") == "hello, world\n"
    assert lab.ok(*words, host_id) == "hello, world\n"
    result = lab.co2(*words, "nobody")
    assert result.exit_code == 1
    assert "fault 1001: no satellite with the nick 'nobody'" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("no.such.method",), "Error: fault -32601: no method"),
        (("example.example.greet", "3"), "Error: fault -32602: "),
        (("example.example.fade", "9"), "Error: fault -32500: there is no lamp 9"),
        (("example.example.fail",), "Error: fault 1007: "),
        (("hello.hello.forget",), "give --state-dir or --token"),
        (("test", "1", "--token", "wrong"), "Error: fault 1000: test needs read"),
    ],
)
def test_a_fault_is_told_with_its_code(lab: Lab, words: tuple[str, ...], said: str):
    """Code and text go to the error stream, the exit code is 1, and there is no traceback."""
    result = lab.co2("call", *words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("test", "a=1", "2"),
        ("test", "99999999999999999999"),
        ("test", "1", "--url", "gopher://x"),
        ("test", "1", "--timeout", "0"),
        ("test", "1", "--state-dir", "/nonexistent"),
    ],
)
def test_a_mistake_of_the_user_is_a_usage_error(lab: Lab, words: tuple[str, ...]):
    """What was typed wrong has the exit code 2."""
    assert lab.co2("call", *words).exit_code == 2


def test_nobody_there_says_what_to_start(lab: Lab):
    """The exit code is 3, and the text names the command."""
    result = lab.co2("call", "test", "1", "--url", NOTHING_THERE)
    assert result.exit_code == 3
    assert "co2 satellite" in result.stderr


def test_the_admin_token_is_shown(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    """By option, by environment, by URL, by state folder, and by itself where the server runs."""
    words = ("call", "hello.hello.forget")
    with_secret = lab.url.replace("//", f"//anybody:{lab.token}@")
    for more, env in (
        (("--token", lab.token), {}),
        ((), {"CO2_TOKEN": lab.token}),
        (("--url", with_secret), {}),
        (("--state-dir", str(lab.state)), {}),
    ):
        assert lab.ok(*words, *more, **env).strip().isdigit()
    assert lab.co2(*words).exit_code == 1
    by_port = lab.state.parent / f"satellite-{lab.port}"
    by_port.symlink_to(lab.state)  # the server was told port 0
    monkeypatch.chdir(lab.folder)
    assert lab.ok(*words).strip().isdigit()
    assert lab.co2(*words, "--token", "").exit_code == 1
    by_port.unlink()
