"""What a caller is told of a failure, and what only the log gets."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from co2.errors import (
    Denied,
    Fault,
    Gone,
    InternalError,
    PluginRaised,
    SystemFailed,
    UnknownFault,
)
from co2.rpc.incidents import LONGEST_MESSAGE, Incidents, quote_message


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("nor this")


class Recorder:
    def __init__(self) -> None:
        self.events: list[dict] = []
        log = Logger("test", observer=self.events.append)
        self.incidents = Incidents(log, iter(["id1", "id2"]).__next__)

    def error_for(self, error, owner="lab.bench"):
        return self.incidents.error_for(error, "lab.bench.go", owner)


def test_a_co2_error_is_meant_and_goes_as_it_is():
    """It keeps its code and text, and is no incident."""
    recorder = Recorder()
    for error in (Denied("no"), UnknownFault(Fault(77, "theirs"))):
        assert recorder.error_for(error) is error
    assert recorder.events == []


def test_a_plugins_exception_is_quoted_with_an_incident_id():
    """Its class and message help the caller; the log names plugin and method under the id."""
    recorder = Recorder()
    error = recorder.error_for(ValueError("lamp 9 is not there"))
    assert isinstance(error, PluginRaised)
    assert error.text == "lab.bench.go raised ValueError: lamp 9 is not there (incident id1)"
    (event,) = recorder.events
    assert (event["incident"], event["plugin"], event["method"]) == (
        "id1", "lab.bench", "lab.bench.go",
    )  # fmt: skip
    assert isinstance(event["log_failure"].value, ValueError)


def test_the_servers_own_exception_is_not_quoted():
    """Who calls can do nothing with it; the id finds it in the log."""
    recorder = Recorder()
    error = recorder.error_for(KeyError("internal detail"), owner="")
    assert isinstance(error, InternalError)
    assert error.text == "lab.bench.go failed in the server; its log has incident id1"
    assert len(recorder.events) == 1


def test_a_plugins_os_error_says_what_but_not_which_file():
    """The system's words travel, the path stays in the log."""
    error = Recorder().error_for(FileNotFoundError(2, "No such file or directory", "/home/x/key"))
    assert isinstance(error, SystemFailed)
    assert error.text == (
        "lab.bench.go: FileNotFoundError: No such file or directory (incident id1)"
    )
    assert "no more is known" in Recorder().error_for(OSError("/etc/passwd")).text


def test_a_cancelled_call_is_gone_and_no_incident():
    """Nobody failed: the caller left."""
    recorder = Recorder()
    assert isinstance(recorder.error_for(CancelledError()), Gone)
    assert recorder.events == []


def test_an_exception_whose_message_raises_is_told_all_the_same():
    """A plugin's __str__ is a plugin's code."""
    error = Recorder().error_for(Unspeakable())
    assert error.text == (
        "lab.bench.go raised Unspeakable: (its message cannot be read) (incident id1)"
    )


@pytest.mark.parametrize(
    ("message", "quoted"),
    [
        ("two\nlines\tand \x00\x1b", "two lines and"),
        ("cannot read /home/ada/keys/admin.token now", "cannot read (a path) now"),
        ("in '/var/lib/x/y.db'", "in '(a path)'"),
        ("see ~/keys/mine", "see (a path)"),
        (r"see C:\Users\ada\key.txt", "see (a path)"),
        ("3 km/h, and/or https://lab.example/a/b", "3 km/h, and/or https://lab.example/a/b"),
        ("grün \ud800", "grün"),
        ("", ""),
    ],
)
def test_a_quoted_message_is_one_clean_line(message, quoted):
    """No control characters, no lone surrogates, no paths."""
    assert quote_message(ValueError(message)) == quoted


def test_a_long_message_is_cut():
    """A fault is no place for a dump."""
    assert len(quote_message(ValueError("x" * 10**6))) == LONGEST_MESSAGE
