"""The command as a whole: help, subcommands of other packages, ways to fail."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import click
import pytest
from cli_room import NOTHING_THERE, co2

from co2 import __version__
from co2.app.cli import main as module
from co2.app.cli.failing import FAULT, UNREACHABLE, USAGE
from co2.errors import Denied, RateLimited, Unreachable, UnsupportedValue

OWN = ["init", "satellite", "relay", "ping", "methods", "call", "send", "tail", "satellites"]


@pytest.fixture
def brought(monkeypatch: pytest.MonkeyPatch):
    """Let another package bring subcommands; gives a function that adds one."""
    package, points = ModuleType("a_package_of_others"), []
    monkeypatch.setitem(sys.modules, package.__name__, package)
    monkeypatch.setattr(module, "entry_points", lambda group: points)

    def bring(name: str, value: object) -> None:
        setattr(package, name, value)
        points.append(EntryPoint(name, f"{package.__name__}:{name}", module.GROUP))

    bring.points = points
    return bring


def raising(error: Exception) -> click.Command:
    """Make a command that fails."""

    def fail() -> None:
        raise error

    return click.Command("fail", callback=fail)


@pytest.mark.parametrize("words", [["--help"], *([name, "--help"] for name in OWN)])
def test_every_help_has_an_example(words: list[str]):
    """Each help text shows a line to paste."""
    result = co2(*words)
    assert result.exit_code == 0
    assert f"co2 {words[0] if len(words) > 1 else 'init lab'}" in result.stdout.partition("\n")[2]


def test_help_lists_every_subcommand():
    """All of co2's own are in the list."""
    listed = co2("--help").stdout
    assert all(f"  {name} " in listed for name in OWN)


def test_version_is_told():
    """`--version` names the installed one."""
    assert co2("--version").stdout == f"co2, version {__version__}\n"


def test_other_packages_bring_subcommands(brought):
    """A click command of the entry point group is a subcommand like any other."""
    brought("wave", click.Command("wave", callback=lambda: click.echo("waves")))
    assert "wave" in co2("--help").stdout
    assert co2("wave").stdout == "waves\n"


@pytest.mark.parametrize("value", [3, None])
def test_a_broken_subcommand_is_named_and_hurts_nothing(brought, value: object):
    """The list goes on without it; to ask for it is a usage error that says why."""
    brought("broken", value)
    brought.points.append(EntryPoint("absent", "no.such.module:x", module.GROUP))
    listed = co2("--help")
    assert listed.exit_code == 0
    assert "warning: the subcommand broken" in listed.stderr
    assert "warning: the subcommand absent cannot be loaded: ModuleNotFoundError" in listed.stderr
    assert "satellites" in listed.stdout
    asked = co2("broken")
    assert asked.exit_code == USAGE
    assert "it is no click command" in asked.stderr


def test_own_subcommands_are_not_replaced(brought):
    """A package cannot put its own in the place of co2's."""
    brought("ping", click.Command("ping", callback=lambda: click.echo("mine")))
    assert co2("ping", "--url", NOTHING_THERE).exit_code == UNREACHABLE


@pytest.mark.parametrize(
    ("error", "exit_code", "said"),
    [
        (Denied("not you"), FAULT, "Error: fault 1000: not you\n"),
        (RateLimited("slowly", 2), FAULT, "Error: fault 1003: slowly [retry after 2 s]\n"),
        (UnsupportedValue("x is none"), USAGE, "Error: x is none\n"),
        (Unreachable("nobody"), UNREACHABLE, "Error: nobody\n"),
    ],
)
def test_errors_of_co2_are_told(brought, error: Exception, exit_code: int, said: str):
    """Each kind has its exit code and a text, on the error stream."""
    brought("fail", raising(error))
    result = co2("fail")
    assert (result.exit_code, result.stderr, result.stdout) == (exit_code, said, "")


def test_an_unknown_subcommand_is_a_usage_error():
    """A mistyped name is told."""
    result = co2("satelite")
    assert result.exit_code == USAGE
    assert "satelite" in result.stderr
