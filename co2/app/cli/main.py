"""The command `co2`: puts its subcommands together, its own and those that other packages bring.

A subcommand is an entry point of the group `co2.commands`, its name to a click command, and is
imported when it is wanted. A broken one is named in a warning, and hurts nothing else.
"""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, entry_points
from io import TextIOWrapper
from typing import Any

import click

from co2 import __version__
from co2.app.cli.failing import told

GROUP = "co2.commands"

_OWN = {
    name: EntryPoint(name, f"co2.app.cli.{module}:{name}", GROUP)
    for name, module in (
        ("init", "init"),
        ("satellite", "serve"),
        ("relay", "serve"),
        ("ping", "ping"),
        ("methods", "methods"),
        ("call", "call"),
        ("send", "send"),
        ("tail", "tail"),
        ("satellites", "satellites"),
    )
}


class Commands(click.Group):
    """Finds subcommands by their entry points, and tells their errors."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the names: co2's own in the order that one meets them, then the others'."""
        return [*_OWN, *sorted(_foreign())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a subcommand; None if there is none, or if it is broken."""
        point = _OWN.get(cmd_name) or _foreign().get(cmd_name)
        return _load(point) if point is not None else None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand."""
        with told():
            return super().invoke(ctx)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="co2")
def main() -> None:
    """A network of small hosts scripted in Python.

    \b
    Begin with:
        co2 init lab
    """
    for stream in (sys.stdout, sys.stderr):
        # What the terminal's encoding cannot write shall not end a command.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _foreign() -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        if point.name not in _OWN:
            found.setdefault(point.name, point)
    return found


def _load(point: EntryPoint) -> click.Command | None:
    try:
        command = point.load()
    except (Exception, SystemExit) as error:
        _warn(point, f"{type(error).__name__}: {error}")
        return None
    if not isinstance(command, click.Command):
        _warn(point, "it is no click command")
        return None
    return command


def _warn(point: EntryPoint, why: str) -> None:
    source = f" of {point.dist.name}" if point.dist is not None else ""
    text = f"co2: warning: the subcommand {point.name}{source} cannot be loaded: {why}"
    click.echo(text, err=True)
