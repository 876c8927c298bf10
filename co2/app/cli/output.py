"""How values are shown: an outline for people, JSON for programs, tables for lists.

What comes from the network is shown without its control characters: a host's name shall not move
somebody's cursor. Colours and lines are for terminals only, and not where `NO_COLOR` is set.
"""

from __future__ import annotations

import base64
import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_WIDTH = 10_000
_SHOWN_BYTES = 32


def clean(text: str) -> str:
    """Write control characters, and those that turn the direction of text, as escapes."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def say(text: str, error: bool = False) -> None:
    """Print a text from wherever."""
    click.echo(clean(text), err=error)


# -- JSON --------------------------------------------------------------------------------------


def to_json(value: Any) -> str:
    """Write a wire value as one line of JSON: bytes as {"base64": …}, times in ISO 8601."""
    # Control characters stand in strings only, where their escapes are JSON's own.
    return clean(json.dumps(value, default=_jsonable, ensure_ascii=False))


def show_json(value: Any) -> None:
    """Print a wire value as one line of JSON."""
    click.echo(to_json(value))


def _jsonable(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


# -- for people --------------------------------------------------------------------------------


def show(value: Any) -> None:
    """Print a wire value: a string as it is, a list or struct as an outline."""
    if isinstance(value, str):
        say(value)
        return
    for line in _outline(value, ""):
        say(line)


def brief(value: Any) -> str:
    """Write a wire value on one line."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(brief(one) for one in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {brief(one)}' for name, one in value.items())}}}"
    return _scalar(value)


def _outline(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for name, one in value.items():
            yield from _item(f"{indent}{name}:", one, f"{indent}  ")
    elif isinstance(value, list | tuple) and value:
        for one in value:
            yield from _item(f"{indent}-", one, f"{indent}  ")
    else:
        yield f"{indent}{brief(value)}"


def _item(mark: str, value: Any, indent: str) -> Iterator[str]:
    if not isinstance(value, dict | list | tuple) or not value:
        yield f"{mark} {brief(value)}"
    elif mark.endswith("-"):
        first, *rest = _outline(value, indent)
        yield f"{mark} {first.lstrip()}"
        yield from rest
    else:
        yield mark
        yield from _outline(value, indent)


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False) if _is_unclear(value) else value
    if isinstance(value, bytes):
        more = "…" if len(value) > _SHOWN_BYTES else ""
        return f"{len(value)} bytes {value[:_SHOWN_BYTES].hex()}{more}".rstrip()
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    return json.dumps(value)


def _is_unclear(text: str) -> bool:
    """Tell whether a string would be taken for something else, or for several."""
    if not text or text != text.strip() or "\n" in text:
        return True
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


# -- tables ------------------------------------------------------------------------------------


def console() -> Console:
    """Give a console that decorates for terminals only."""
    # A line that is too long is the terminal's to break: a host_id in pieces cannot be copied.
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        return Console(width=_WIDTH)
    return Console(width=_WIDTH, color_system=None)


def show_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their heads."""
    to = console()
    decorated = to.color_system is not None
    table = Table(box=SIMPLE_HEAD if decorated else None, pad_edge=False, header_style="bold")
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*(Text(clean(cell)) for cell in row))
    with to.capture() as captured:
        to.print(table)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())
