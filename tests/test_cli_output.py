"""How values look to people and to programs."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from co2.app.cli.output import brief, clean, console, show, show_table, to_json

WHEN = datetime(2026, 11, 22, 3, 4, 5, tzinfo=UTC)


def shown(value: object, capsys: pytest.CaptureFixture[str]) -> str:
    """Give what `show` prints."""
    show(value)
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("two\nlines", "two\nlines\n"),
        (3, "3\n"),
        (True, "true\n"),
        (None, "null\n"),
        ([], "[]\n"),
        ({}, "{}\n"),
        (b"\x00\x01", "2 bytes 0001\n"),
        (bytes(40), f"40 bytes {'00' * 32}…\n"),
        (WHEN, "2026-11-22 03:04:05+00:00\n"),
        (["a", "3", 3, ""], '- a\n- "3"\n- 3\n- ""\n'),
        ({"a": 1, "b": {"c": [1.5]}, "d": []}, "a: 1\nb:\n  c:\n    - 1.5\nd: []\n"),
        ([{"a": 1, "b": 2}, [3, 4]], "- a: 1\n  b: 2\n- - 3\n  - 4\n"),
    ],
)
def test_values_are_outlined(value: object, text: str, capsys: pytest.CaptureFixture[str]):
    """An outline shows every value, and tells strings from what they look like."""
    assert shown(value, capsys) == text


def test_json_is_one_line_with_bytes_and_times():
    """Programs get bytes as base64 and times in ISO 8601."""
    text = to_json({"b": b"\xff\x00", "t": WHEN, "s": "ü\n"})
    assert "\n" not in text
    assert json.loads(text) == {"b": {"base64": "/wA="}, "t": WHEN.isoformat(), "s": "ü\n"}


def test_control_characters_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]):
    """A string from the network cannot move the cursor; as JSON it still is the same string."""
    evil = "a\x9b2J\x7f\u202eb\x1b[2J"
    assert shown(evil, capsys) == "a\\u009b2J\\u007f\\u202eb\\u001b[2J\n"
    assert json.loads(to_json(evil)) == evil
    assert "\x9b" not in to_json(evil)


def test_brief_is_one_line():
    """A message's data take one line, whatever they are."""
    assert brief({"a": ["x\ny", 1], "b": {}}) == '{a: ["x\\ny", 1], b: {}}'


def test_tables_without_a_terminal_are_bare(capsys: pytest.CaptureFixture[str]):
    """No lines, no colours, no cut: columns that a program can split."""
    show_table(("name", "x"), [("n" * 200, "1"), ("b", "\x1b[1m")])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["name", "x"],
        ["n" * 200, "1"],
        ["b", "\\u001b[1m"],
    ]
    assert clean("".join(lines)) == "".join(lines)


def test_no_color_is_obeyed_on_a_terminal(monkeypatch: pytest.MonkeyPatch):
    """With NO_COLOR a terminal gets no escape sequences at all; an empty one means nothing."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    assert console().color_system is None
    monkeypatch.setenv("NO_COLOR", "")
    assert console().is_terminal
