"""What people see while hosts are gathered: a live table, or lines where there is no terminal."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field
from rich.console import Console
from rich.live import Live
from rich.table import Table

from plugin.gatherer.archive.manifest import human
from plugin.gatherer.collect.host import Host

_ROUGH = {"full": "green", "partial": "yellow", "nothing": "red", "gathering": "cyan"}


def table_of(hosts: Sequence[Host], now: float) -> Table:
    """Give the table as it stands."""
    table = Table(box=None, pad_edge=False)
    for head in ("host", "state", "request"):
        table.add_column(head, overflow="ellipsis", no_wrap=True)
    for head in ("bytes", "elapsed", "alive"):
        table.add_column(head, justify="right", no_wrap=True)
    for host in hosts:
        style = _ROUGH.get(host.state, "dim")
        words = f"[{style}]{host.state}[/{style}]"
        alive = _ago(host, now)
        table.add_row(
            host.name,
            words,
            _escaped(host.current or host.why),
            human(host.content),
            _elapsed(host, now),
            alive,
        )
    return table


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")[:200]


def _elapsed(host: Host, now: float) -> str:
    return f"{(host.ended or now) - host.began:.0f} s" if host.began else ""


def _ago(host: Host, now: float) -> str:
    if not host.began or host.ended or not host.source.last_alive:
        return ""
    return f"{max(0.0, now - host.source.last_alive):.0f} s ago"


@define(eq=False)
class Show:
    """Shows the hosts until it is closed.

    Args:
        console: where.
        hosts: what.
    """

    console: Console
    hosts: Sequence[Host]
    _live: Live | None = None
    _said: dict[str, tuple[str, str]] = field(factory=dict)

    def update(self, now: float) -> None:
        """Show how it stands now, in the clock's seconds."""
        if self.console.is_terminal:
            if self._live is None:
                self._live = Live(console=self.console, auto_refresh=False)
                self._live.start()
            self._live.update(table_of(self.hosts, now), refresh=True)
            return
        for host in self.hosts:
            words = (host.state, host.current if host.state == "gathering" else host.why)
            if self._said.get(host.name) != words and host.state != "waiting":
                self._said[host.name] = words
                self.console.print(
                    f"{host.name}: {words[0]}  {_escaped(words[1])}", highlight=False
                )

    def close(self, now: float) -> None:
        """Show the end."""
        self.update(now)
        if self._live is not None:
            self._live.stop()
            self._live = None
