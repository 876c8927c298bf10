"""Requests beside the recordings: what the agent of 2017 answers, and what is answered today.

The first code of each case is that of `faithful`, found by running the agent of 2017 beside ours.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guest.test_passwords import encrypted, padded
from plugin.guest.command import secret
from plugin.guest.command.registry import Commands
from plugin.guest.command.standard import STANDARD
from plugin.guest.command.surroundings import Surroundings
from plugin.guest.machine import Machine
from plugin.guest.nova_json import JsonParser

SHADOW = "root:$6$abcdefgh$old:19000:0:99999:7:::\n"
Ask = Callable[..., tuple[str, str]]


def agent(root: Path, *, faithful: bool) -> Ask:
    """Give a function that asks an agent for its code and message."""
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc" / "shadow").write_text(SHADOW)
    # Fixed keys: what a wrong key makes of a password looks padded once in fifteen times.
    here = Surroundings(
        Machine(str(root)),
        faithful=faithful,
        unsigned_updates=True,
        random=lambda count: bytes(range(count)),
    )
    parser = JsonParser(Commands(STANDARD, here, {"testmode": True}))

    def ask(name: str, *value: Any) -> tuple[str, str]:
        request = {"name": name, **({"value": value[0]} if value else {})}
        return answered(parser, json.dumps(request))

    return ask


def answered(parser: JsonParser, text: str) -> tuple[str, str]:
    """Give the code and the message of an answer."""
    answer = json.loads(parser.parse_request({"data": text})["data"])
    return answer["returncode"], answer["message"]


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("", "500", "Request is malformed"),
        ("{}", "500", "Request is missing 'name' key"),
        ('{"value": 1}', "500", "Request is missing 'name' key"),
        ('{"NAME": "version"}', "500", "Request is missing 'name' key"),
        ("{'name': 'version'}", "500", "Request is malformed"),
        ('{"name": "version"} x', "500", "Request is malformed"),
        ('{"name": "version"}\0', "500", "Request is malformed"),
        ('{"name": true}', "404", "No such agent command 'True'"),
        ('{"name": 1.5}', "404", "No such agent command '1.5'"),
        ('{"name": ""}', "404", "No such agent command ''"),
        ('{"name": " version"}', "404", "No such agent command ' version'"),
        ('{"name": "Version"}', "404", "No such agent command 'Version'"),
        ('{"name": "__init__"}', "404", "No such agent command '__init__'"),
        ('{"name": "%s{0}"}', "404", "No such agent command '%s{0}'"),
        ('{"name": {}}', "500", "unhashable type: 'dict'"),
        ('{"name": "nosuch", "name": "version"}', "0", "1.39.1"),
        ('{"name": "version", "value": {"a": [1]}, "x": 1}', "0", "1.39.1"),
        ('{"name": "kmsactivate", "value": 5}', "500", "KMS not supported on this OS"),
        ("NaN", "500", "Request is malformed"),
        ("[" * 100_000, "500", "Request is malformed"),
    ],
)
def test_requests(tmp_path: Path, text: str, code: str, message: str) -> None:
    """Malformed, incomplete and unknown ones, in the original's words."""
    parser = JsonParser(Commands(STANDARD, Surroundings(Machine(str(tmp_path)))))
    assert answered(parser, text) == (code, message)


def test_what_is_no_request_object() -> None:
    """A dict without 'data', and what is no dict, as an exchange of somebody else may give it."""
    parser = JsonParser(Commands(STANDARD, Surroundings()))
    for request, message in (({"moo": 1}, "Internal error with request"), (None, "Request is")):
        assert message in parser.parse_request(request)["data"]


class Elsewhere:
    """Commands of somebody else, with an exception of their own for those that are not there."""

    class CommandNotFoundError(Exception):
        """There is none."""

    def command_names(self) -> list[str]:
        """Give none."""
        return []

    def run_command(self, name: str, argument: Any) -> tuple[Any, Any]:
        """Have none."""
        raise self.CommandNotFoundError(name)


def test_commands_of_somebody_else() -> None:
    """Their own exception is a 404 too."""
    assert answered(JsonParser(Elsewhere()), '{"name": "x"}') == ("404", "x")


@pytest.mark.parametrize(
    ("value", "then", "now"),
    [
        ("12", "D0", "D0"),
        ("  12\n", "D0", "D0"),
        ("+7", "D0", "D0"),
        ("12L", "D0", "D0"),
        ("-5", "D0", "D0"),
        (1.5, "D0", "500"),
        (True, "D0", "500"),
        ("0", "D0", "500"),
        (0, "D0", "500"),
        (-1, "D0", "500"),
        ("9" * 40, "D0", "D0"),
        ("0x10", "500", "500"),
        ("1e5", "500", "500"),
        ("1_0", "500", "500"),
        ("12 13", "500", "500"),
        ({}, "500", "500"),
        ("", "500", "500"),
        (float("inf"), "500", "500"),
    ],
)
def test_public_keys(tmp_path: Path, value: Any, then: str, now: str) -> None:
    """What Python 2 takes for a number is one; keys that hide nothing are refused today."""
    for faithful, code in ((True, then), (False, now)):
        assert agent(tmp_path, faithful=faithful)("keyinit", value)[0] == code


PLAIN = {
    "a word": (padded(b"word"), "md5", "0", "0"),
    "nothing": (padded(b""), "md5", "0", "0"),
    "a block": (padded(b"x" * 16), "md5", "0", "0"),
    "new lines": (padded(b"word\n\n"), "md5", "0", "0"),
    "UTF-8": (padded("wörd".encode()), "md5", "0", "0"),
    "no UTF-8": (padded(b"\xff\xfe"), "md5", "0", "500"),
    "a NUL": (padded(b"a\0b"), "md5", "0", "500"),
    "no padding": (b"x" * 15 + b"\0", "md5", "0", "500"),
    "padding of which the end is right": (b"x" * 14 + b"\3\2", "md5", "0", "500"),
    "too much padding": (b"x" * 15 + b"\x11", "md5", "500", "500"),
    "today's OpenSSL": (padded(b"word"), "sha256", "500", "0"),
    "long": (padded(b"p" * 1000), "md5", "0", "0"),
}


@pytest.mark.parametrize("case", PLAIN)
def test_passwords(tmp_path: Path, case: str) -> None:
    """The original looks at the last byte alone, and knows MD5 alone."""
    plain, digest, then, now = PLAIN[case]
    for faithful, code in ((True, then), (False, now)):
        ask = agent(tmp_path, faithful=faithful)
        _, public = ask("keyinit", str(secret.public_key(987654321)))
        shared = secret.shared_secret(987654321, int(public))
        value = base64.b64encode(encrypted(plain, shared, digest)).decode()
        assert ask("password", value)[0] == code


@pytest.mark.parametrize("value", [None, 5, [], {}, "a", "abc", "é"])
def test_what_is_no_base64(tmp_path: Path, value: Any) -> None:
    """Each command has its own words for it, and the password's come before 'no key'."""
    ask = agent(tmp_path, faithful=True)
    assert ask("password", value) == ("500", "Couldn't decode base64 data")
    assert ask("injectfile", value) == ("500", "Error doing base64 decoding of data")


@pytest.mark.parametrize("value", ["", "a,b", "noslash.tar,x", "http://x,y", "/,x", "file:///no,x"])
def test_urls_without_a_file(tmp_path: Path, value: str) -> None:
    """A URL ends with the name of a file that has a dot."""
    code, message = agent(tmp_path, faithful=True)("agentupdate", value)
    assert (code, message.startswith("Invalid")) == ("500", True)


def test_binary_and_large_files(tmp_path: Path) -> None:
    """Every byte comes through, commas too, and an empty file is one."""
    ask = agent(tmp_path, faithful=False)
    for content in (bytes(range(256)) * 4096, b",,", b""):
        value = base64.b64encode(b"/deep/er/file," + content).decode()
        assert ask("injectfile", value) == ("0", "")
        assert (tmp_path / "deep" / "er" / "file").read_bytes() == content


def test_a_folder_stays_where_a_file_of_its_name_comes(tmp_path: Path) -> None:
    """The original moved it away, with all that is in it."""
    (tmp_path / "etc" / "folder").mkdir(parents=True)
    value = base64.b64encode(b"/etc/folder,x").decode()
    assert agent(tmp_path, faithful=True)("injectfile", value)[0] == "500"
    assert (tmp_path / "etc" / "folder").is_dir()
