"""From words of a command line to wire values: JSON where it is JSON, else a string."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import click

_PAIR = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]*)=(.*)\Z", re.DOTALL)


def read_value(word: str) -> Any:
    """Read one word: `3`, `true`, `'{"a": 1}'`, `'"3"'`; `world` is the string."""
    try:
        return json.loads(word, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return word


def read_arguments(words: Sequence[str]) -> list[Any]:
    """Read a call's arguments; `name=value` words make the one struct that binds by name.

    Raises:
        click.UsageError: both kinds are there, or a name twice.
    """
    pairs = [_PAIR.match(word) for word in words]
    named = {pair[1]: read_value(pair[2]) for pair in pairs if pair is not None}
    if not named:
        return [read_value(word) for word in words]
    if None in pairs:
        plain = next(word for word, pair in zip(words, pairs, strict=True) if pair is None)
        pair = next(word for word, pair in zip(words, pairs, strict=True) if pair is not None)
        raise click.UsageError(
            f"{pair!r} names its parameter and {plain!r} does not: name all, or none (a string "
            f"with '=' in it is written as JSON: '{json.dumps(pair)}')"
        )
    if len(named) < len(words):
        raise click.UsageError("a parameter is named twice")
    return [named]


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")
