"""What a command says when it fails, and with which exit code: never a traceback.

1: the server, or the method, answered a fault. 2: the command was given something that cannot be.
3: no server answered.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from co2.errors import Co2Error, LocalError, Unreachable

FAULT = 1
USAGE = 2
UNREACHABLE = 3


class Failed(click.ClickException):
    """The command could not do it."""

    exit_code = FAULT


class Misused(Failed):
    """What the command was given cannot be."""

    exit_code = USAGE


class Unanswered(Failed):
    """There was no answer."""

    exit_code = UNREACHABLE


@contextmanager
def told() -> Iterator[None]:
    """Turn co2's errors into the text and the exit code that a command ends with."""
    try:
        yield
    except Unreachable as error:
        raise Unanswered(error.text) from None
    except LocalError as error:
        raise Misused(error.text) from None
    except Co2Error as error:
        fault = error.as_fault()
        raise Failed(f"fault {fault.code}: {fault.text}") from None
