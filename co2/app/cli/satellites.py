"""`co2 satellites`: who is registered at a relay, and how the relay sees each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from co2.app.cli.output import say, show_json, show_table
from co2.app.cli.target import Target, client_options, no_relay

_HEADS = ("nick", "host_id", "state", "lease", "ping ms", "queued", "version", "trouble")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the records as one line of JSON.")
@client_options
def satellites(target: Target, as_json: bool) -> None:
    """List the satellites of a relay.

    The lease is how long each still counts as there if nothing is heard of it.

    \b
    For example:
        co2 satellites --url http://127.0.0.1:2004/
    """
    records = target.ask_relay("relay.get_satellites")
    if not isinstance(records, list) or not all(isinstance(one, dict) for one in records):
        raise no_relay(target, "relay.get_satellites")
    if as_json:
        show_json(records)
    elif not records:
        say("no satellite is registered")
    else:
        rows = [_row(record) for record in sorted(records, key=_order)]
        width = len(_HEADS) if any(row[-1] for row in rows) else len(_HEADS) - 1
        show_table(_HEADS[:width], [row[:width] for row in rows])


def _order(record: Mapping[str, Any]) -> tuple[str, str]:
    return (str(record.get("nick", "")), str(record.get("host_id", "")))


def _row(record: Mapping[str, Any]) -> list[str]:
    host_id = str(record.get("host_id", ""))
    nick = str(record.get("nick", ""))
    return [
        "-" if nick in ("", host_id) else nick,
        host_id,
        str(record.get("state", "")),
        _lease(record.get("lease", 0)),
        _ping(record.get("ping_current", -1)),
        str(record.get("queued", "")),
        str(record.get("version", "")) or "-",
        str(record.get("trouble", "")),
    ]


def _lease(seconds: Any) -> str:
    return f"{seconds:.0f} s" if isinstance(seconds, int | float) and seconds > 0 else "over"


def _ping(milliseconds: Any) -> str:
    known = isinstance(milliseconds, int | float) and milliseconds >= 0
    return f"{milliseconds:.1f}" if known else "-"
