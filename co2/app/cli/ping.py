"""`co2 ping`: is a server there, who is it, and how long does it take to answer."""

from __future__ import annotations

import time
from typing import Any

import click

from co2.app.cli.output import say, show_json
from co2.app.cli.target import Target, client_options, host_option


@click.command()
@host_option
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
@client_options
def ping(target: Target, host: str | None, as_json: bool) -> None:
    """Ask a server whether it is there.

    \b
    For example:
        co2 ping --url http://127.0.0.1:2004/
    """
    way = target.behind(host)
    way.call("ping")  # opens the connection, so that the next one measures the server
    began = time.perf_counter()
    answer = way.call("ping")
    ms = round((time.perf_counter() - began) * 1000, 3)
    # A foreign satellite may answer whatever it likes.
    told: dict[str, Any] = answer if isinstance(answer, dict) else {}
    if as_json:
        show_json({**told, "ms": ms})
        return
    who = told.get("host_id") or host or target.address
    up = told.get("uptime")
    since = f", up {up:.0f} s" if isinstance(up, int | float) else ""
    say(f"{who} answered in {ms:.1f} ms{since}")
