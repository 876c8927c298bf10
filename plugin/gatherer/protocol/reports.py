"""What the gathering of a host tells as it goes on: values, and nothing that makes them.

For each thing that is wanted: `Began`, any number of `Records`, `Finished`.
"""

from __future__ import annotations

from enum import Enum

from attrs import frozen


class Outcome(Enum):
    """How a request ended."""

    DONE = "done"
    PARTLY = "partly"
    FAILED = "failed"
    REFUSED = "refused"
    LOST = "lost"
    SKIPPED = "skipped"


@frozen
class Began:
    """A request is begun; `index` is its place in the list."""

    index: int
    label: str


@frozen
class Records:
    """Objects, or pieces of one."""

    body: bytes


@frozen
class Finished:
    """A request has ended.

    Attributes:
        index: its place in the list.
        outcome: how.
        code: 0, an errno, or a command's exit code.
        why: what a person should know, or nothing.
        seconds: it took.
    """

    index: int
    outcome: Outcome
    code: int = 0
    why: str = ""
    seconds: float = 0.0


Report = Began | Records | Finished
