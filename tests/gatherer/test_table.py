"""What people see while hosts are gathered."""

from __future__ import annotations

import io

from attrs import define
from rich.console import Console

from plugin.gatherer.collect.host import Host
from plugin.gatherer.collect.table import Show


@define
class Quiet:
    """A source that only says when it last lived."""

    last_alive: float = 7.0


@define
class Packed:
    """How far a host is."""

    content: int = 3 << 20
    current: str = "/var/log/[app]"


def shown(terminal, *states):
    hosts = [
        Host(f"host{n}", Quiet(), state, packer=Packed(), began=1.0)
        for n, state in enumerate(states)
    ]
    out = io.StringIO()
    show = Show(Console(file=out, force_terminal=terminal, width=120), hosts)
    show.update(10.0)
    show.close(10.0)
    return out.getvalue()


def test_the_live_table():
    """A terminal sees each host with state, request, bytes, elapsed time and sign of life."""
    text = shown(True, "gathering", "partial")
    for words in ("host0", "gathering", "/var/log/[app]", "3.0 MiB", "9 s", "3 s ago", "partial"):
        assert words in text


def test_lines_where_there_is_no_terminal():
    """Elsewhere there is a line for each change, and none twice."""
    lines = shown(False, "gathering", "waiting").splitlines()
    assert lines == ["host0: gathering  /var/log/[app]"]
