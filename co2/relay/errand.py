"""What is to be brought to one satellite, and who is told how it went.

The fan-out decides it, for whoever does it: the satellite's courier, or the desk where a satellite
that nobody can connect to asks by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen

from co2.errors import Co2Error
from co2.model.messages import Entry


@frozen
class Errand:
    """See the module.

    Attributes:
        wants: tells whether an entry is for the satellite; others are passed over silently.
        refuses: why an entry that is for it cannot be given to it, or None.
        adds: gives further members of an entry, written.
        settled: told of each entry that was brought or refused, with the answer or the error.
        missed: told how many entries the journal has forgotten before they were settled.
        greeting: gives the last values that the satellite is to have first.
        greeted: told that it has them.
    """

    wants: Callable[[Entry], bool]
    refuses: Callable[[Entry], Co2Error | None]
    adds: Callable[[Entry], bytes]
    settled: Callable[[Entry, Any], None]
    missed: Callable[[int], None]
    greeting: Callable[[], Sequence[Entry]]
    greeted: Callable[[], None]
