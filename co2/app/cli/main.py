"""The command `co2`."""

from __future__ import annotations

import sys
from typing import Any

import click

from co2 import __version__
from co2.app.run import run_server


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="co2")
def main() -> None:
    """A network of small hosts scripted in Python."""


def _server_options(function: Any) -> Any:
    for option in reversed(
        (
            click.option("--config", "-c", help="Configuration file; config.py if there is one."),
            click.option("--listen", "-l", help="Endpoint or port to listen on."),
            click.option("--nick", "-n", help="A name for this host."),
            click.option("--state-dir", help="Folder for identity, admin token and roster."),
            click.option("--verbose", "-v", is_flag=True, help="Log what plugins debug, too."),
        )
    ):
        function = option(function)
    return function


@main.command()
@_server_options
@click.option("--relay", "-r", help="'embedded', 'none', or the URL of a relay.")
@click.option("--plugin-dir", "-p", help="Folder with plugin packages, looked into first.")
def satellite(verbose: bool, **options: Any) -> None:
    """Run a satellite in the foreground."""
    named = {name.replace("_", "-"): value for name, value in options.items()}
    sys.exit(run_server("satellite", named, verbose))


@main.command()
@_server_options
def relay(verbose: bool, **options: Any) -> None:
    """Run a relay in the foreground."""
    named = {name.replace("_", "-"): value for name, value in options.items()}
    sys.exit(run_server("relay", named, verbose))
