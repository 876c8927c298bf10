"""Processes pinned to cores, rounds in turn, medians and ratios, tables in docs/performance.md.

The machine may be shared and noisy, so a figure on its own says little. Candidates alternate within
every round, the order turns round from one to the next, and only ratios inside one run are claimed.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
REPORT = ROOT / "docs" / "performance.md"

Measure = Callable[[], float]
"""Runs one candidate once; gives something a second."""


@contextmanager
def process(core: int, *arguments: str, cwd: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """Run a Python program on one core, and end it afterwards."""
    child = subprocess.Popen(
        [sys.executable, "-u", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    os.sched_setaffinity(child.pid, {core % (os.cpu_count() or 1)})
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()


def line(child: subprocess.Popen[str], starts: str) -> str:
    """Wait for a line of output that begins so; give the rest of it."""
    assert child.stdout is not None
    for text in child.stdout:
        if text.startswith(starts):
            return text.removeprefix(starts).strip()
    raise RuntimeError(f"{child.args!r} ended without {starts!r}")


def alternate(candidates: Mapping[str, Measure], rounds: int) -> dict[str, list[float]]:
    """Run every candidate once a round, in an order that turns round each time."""
    figures: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(rounds):
        names = list(candidates)
        for name in names if number % 2 == 0 else reversed(names):
            figures[name].append(candidates[name]())
            print(f"  round {number + 1}: {name}: {figures[name][-1]:,.0f}/s", flush=True)
    return figures


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """Give the median of the ratios round by round, and their spread."""
    each = [one / other for one, other in zip(ours, theirs, strict=True)]
    return f"{_few(statistics.median(each))} × ({_few(min(each))}–{_few(max(each))})"


def _few(ratio: float) -> str:
    return f"{ratio:.1f}" if ratio >= 1 else f"{ratio:.2f}"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def report(name: str, text: str) -> None:
    """Put a text between its two marks in the report."""
    page = REPORT.read_text()
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    head, _, rest = page.partition(begin)
    _, _, tail = rest.partition(end)
    REPORT.write_text(head + begin + text + end + tail)


def machine() -> str:
    """Say in a line what this was measured on."""
    cores = os.cpu_count()
    version = sys.version.split()[0]
    return f"{cores} cores, Linux {os.uname().release.split('-')[0]}, Python {version}."
