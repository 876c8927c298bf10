"""`co2 methods` against a real server, and how a signature is written."""

from __future__ import annotations

import json

import pytest
from cli_room import NOTHING_THERE, Lab

from co2.app.cli.methods import Told


@pytest.mark.parametrize(
    ("signature", "text"),
    [
        ({}, ""),
        ({"args": []}, "()"),
        ({"args": ["a"], "types": {"a": "any"}}, "(a)"),
        (
            {"args": ["a", "b"], "optional": ["b"], "args_d": {"b": True}, "types": {"b": "bool"}},
            "(a, b: bool = true)",
        ),
        ({"args": ["a"], "optional": ["a"], "returns": "int"}, "(a=…) -> int"),
        ({"args_v": ["rest"], "args_kw": ["more"], "returns": "any"}, "(*rest, **more)"),
    ],
)
def test_a_signature_is_written_as_one_would_call_it(signature: dict[str, object], text: str):
    """Types, defaults, and defaults that cannot travel."""
    assert Told("x", signature, "").line == text


@pytest.mark.process
class TestMethods:
    """With a server."""

    def test_each_has_its_signature_and_first_line(self, lab: Lab):
        """Two lines a method, without decoration."""
        assert lab.ok("methods", "example.example.greet") == (
            "example.example.greet(name: str, loud: bool = false) -> str\n    Greet somebody.\n"
        )

    def test_all_are_listed(self, lab: Lab):
        """Without a pattern every name that the server has is there."""
        names = json.loads(lab.ok("call", "system.listMethods", "--json"))
        listed = json.loads(lab.ok("methods", "--json"))
        assert [one["name"] for one in listed] == names
        greet = next(one for one in listed if one["name"] == "example.example.greet")
        assert greet["signature"]["types"] == {"name": "str", "loud": "bool"}
        assert greet["help"].startswith("Greet somebody.\n")

    def test_verbose_prints_the_whole_help_and_the_level(self, lab: Lab):
        """The docstring's other lines, and what a caller needs."""
        said = lab.ok("methods", "-v", "hello.hello.forget")
        assert "administrator only.\n\n    The co2 command" in said
        assert said.endswith("    (level admin)\n")

    def test_a_pattern_without_match_is_told(self, lab: Lab):
        """Exit code 1; programs still get a list."""
        result = lab.co2("methods", "nothing.*", "--json")
        assert (result.exit_code, result.stdout) == (1, "[]\n")
        assert "no method matches 'nothing.*'" in result.stderr

    def test_a_satellite_is_asked_through_its_relay(self, lab: Lab):
        """`--host` lists what another host has."""
        said = lab.ok("methods", "hello.*", "--host", "lab")
        assert "hello.hello.greet(name: str, times: int = 1) -> str" in said

    def test_failures_have_their_exit_codes(self, lab: Lab):
        """Denied is 1, nobody there is 3."""
        assert lab.co2("methods", "--token", "wrong").exit_code == 1
        assert lab.co2("methods", "--url", NOTHING_THERE).exit_code == 3
