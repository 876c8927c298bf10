"""`co2 satellite` and `co2 relay`: a server in the foreground."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from co2.app.run import run_server

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _server_options(function: _Function) -> _Function:
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


@click.command()
@_server_options
@click.option("--relay", "-r", help="'embedded', 'none', or the URL of a relay.")
@click.option("--plugin-dir", "-p", help="Folder with plugin packages, looked into first.")
def satellite(verbose: bool, **options: Any) -> None:
    """Run a satellite in the foreground.

    \b
    For example, beside another one on this machine:
        co2 satellite --listen 2005 --relay http://127.0.0.1:2004/ --nick second
    """
    _serve("satellite", verbose, options)


@click.command()
@_server_options
def relay(verbose: bool, **options: Any) -> None:
    """Run a relay in the foreground: it loads no plugins.

    \b
    For example:
        co2 relay --listen 2004
    """
    _serve("relay", verbose, options)


def _serve(role: str, verbose: bool, options: dict[str, Any]) -> None:
    named = {name.replace("_", "-"): value for name, value in options.items()}
    sys.exit(run_server(role, named, verbose))
