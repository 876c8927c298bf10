"""How co2-mark shows an item: bare, as people write it, with units and time, or as JSON."""

from __future__ import annotations

import argparse
from datetime import datetime

from plugin.mktl.items.item import Item
from plugin.mktl.wire.message import Bulk, encode_json


def line_of(parsed: argparse.Namespace, item: Item) -> str:
    """Give an item's line.

    Args:
        parsed: 'json', 'formatted', 'unformatted', 'terse', 'timestamp' and 'units'.

    Raises:
        ValueError: the units do not fit.
    """
    if parsed.json:
        line = {"key": item.full_key, "value": item._value, "time": item.timestamp}
        line["formatted"] = _text(parsed, item)
        return encode_json(line).decode()
    shown = " => ".join(_shown(parsed, item))
    if parsed.terse:
        return shown
    when = ""
    if parsed.timestamp and item.timestamp is not None:
        when = datetime.fromtimestamp(item.timestamp).astimezone().isoformat() + " "
    return f"{when}{item.full_key}: {shown}"


def _shown(parsed: argparse.Namespace, item: Item) -> list[str]:
    shown = []
    if parsed.unformatted:
        shown.append(_with_units(parsed, _bare(item), item.about.units))
    if parsed.formatted:
        units = parsed.units or item.about.formatted_units
        shown.append(_with_units(parsed, _text(parsed, item), units))
    return shown


def _with_units(parsed: argparse.Namespace, text: str, units: str) -> str:
    return text if parsed.terse or not units or not text else f"{text} {units}"


def _text(parsed: argparse.Namespace, item: Item) -> str:
    if not parsed.units or item._value is None:
        return item.to_format(item._value)
    return str(item.to_quantity(item._value, parsed.units).magnitude)


def _bare(item: Item) -> str:
    value = item._value
    if isinstance(value, Bulk):
        return item.to_format(value)
    return value if isinstance(value, str) else encode_json(value).decode()
