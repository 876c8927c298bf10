"""co2-mark: get, set, watch, describe, list items, and discover stores, from a shell."""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from plugin.mktl.client import begin
from plugin.mktl.items.item import Item
from plugin.mktl.keeping.home import home
from plugin.mktl.wire.message import Bulk, encode_json

_EPILOG = """examples:
    co2-mark get rosebud.model 'rosebud.len*'
    co2-mark get -s rosebud model length
    co2-mark set rosebud.speed=50
    co2-mark watch 'rosebud.*' --json
    co2-mark list rosebud
    co2-mark discover 192.168.1.5
"""
_TROUBLE = (RuntimeError, KeyError, ValueError, TypeError, OSError)


def make_parser() -> argparse.ArgumentParser:
    """Give the parser; every option may stand before or after the names."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("-s", "--store", help="the store of all names that follow")
    common.add_argument("--json", action="store_true", help="print JSON, a line for each item")
    common.add_argument("--home", help="base directory; MKTL_HOME, or ~/.mKTL")
    common.add_argument("--formatted", action="store_true", help="values as people write them")
    common.add_argument("--terse", action="store_true", help="print nothing but values")
    common.add_argument("--timestamp", action="store_true", help="print when a value changed")
    common.add_argument("--serial", action="store_true", help="one after the other, stop at errors")
    common.add_argument("--no-wait", action="store_true", help="do not wait for a set to be done")
    common.add_argument("--discovery-interface", help="network whose broadcasts are used")
    parser = argparse.ArgumentParser(
        "co2-mark",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    for kind, function in _COMMANDS.items():
        one = kinds.add_parser(kind, parents=[common], help=function.__doc__)
        one.add_argument("names", nargs="*" if kind in ("discover", "list") else "+")
        if kind == "get":
            one.add_argument("--refresh", action="store_true", help="ask the hardware")
        if kind == "watch":
            one.add_argument("--count", type=int, default=0, help="end after so many values")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; the status says whether all went well."""
    parsed = make_parser().parse_args(arguments)
    if parsed.home:
        home(parsed.home)
    begin.discovery_interface(parsed.discovery_interface)
    try:
        sys.exit(_COMMANDS[parsed.kind](parsed))
    except _TROUBLE as error:
        _complain(error)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _complain(error: BaseException) -> None:
    text = error.args[0] if isinstance(error, KeyError) and error.args else error
    sys.stderr.write(f"co2-mark: {text}\n")


def _items(parsed: argparse.Namespace, names: Sequence[str]) -> list[Item]:
    """Find the items that the names and patterns stand for."""
    found: list[Item] = []
    for name in names:
        full = f"{parsed.store}.{name}" if parsed.store else name
        store, dot, key = full.lower().partition(".")
        if not dot:
            raise ValueError(f"{full!r} is no store.key; -s names the store of all")
        if not any(sign in key for sign in "*?["):
            found.append(begin.get(store, key))
            continue
        keys = fnmatch.filter(begin.get(store).keys(), key)
        if not keys:
            raise KeyError(f"no key of {store!r} matches {key!r}")
        found += [begin.get(store, one) for one in keys]
    return found


def _get(parsed: argparse.Namespace) -> int:
    """Print the values of items; patterns with * and ? are several."""
    failures = 0
    for item in _items(parsed, parsed.names):
        try:
            item.get(refresh=parsed.refresh)
        except _TROUBLE as error:
            _complain(error)
            failures = 1
            if parsed.serial:
                break
            continue
        __say(parsed, item)
    return failures


def _set(parsed: argparse.Namespace) -> int:
    """Set items: store.key=value."""
    pending = []
    for name in parsed.names:
        target, equals, text = name.partition("=")
        if not equals:
            raise ValueError(f"{name!r}: a set is key=value")
        (item,) = _items(parsed, [target])
        value = text if parsed.formatted else _read(item, text)
        asked = item.set(value, wait=parsed.serial, formatted=parsed.formatted)
        if not parsed.serial:
            pending.append((item, asked))
    failures = 0
    for item, asked in pending:
        try:
            if asked.wait(0.5 if parsed.no_wait else 60) is None and not parsed.no_wait:
                raise TimeoutError(f"{item.full_key}: not done in 60 s")
        except _TROUBLE as error:
            _complain(error)
            failures = 1
    return failures


def _read(item: Item, text: str) -> Any:
    """Read a value: JSON where the item is of no type or of lists, else the text as it is."""
    if item.about.kind in ("", "numeric array"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return None if text == "null" else text


def _watch(parsed: argparse.Namespace) -> int:
    """Print new values of items as they come."""
    left = parsed.count

    def told(item: Item, value: Any, when: float) -> None:
        nonlocal left
        __say(parsed, item)
        left -= 1

    items = _items(parsed, parsed.names)
    for item in items:
        item.get()
        item.register(told, prime=True)
    while not parsed.count or left > 0:
        time.sleep(0.02)
    return 0


def _describe(parsed: argparse.Namespace) -> int:
    """Print what items are."""
    for item in _items(parsed, parsed.names):
        fields = dict(item.description)
        if parsed.json:
            _say(encode_json({"key": item.full_key, **fields}).decode())
            continue
        _say(item.full_key)
        for name, value in fields.items():
            _say(f"    {name:12} {value}")
    return 0


def _list(parsed: argparse.Namespace) -> int:
    """List the items of stores, or the stores that registries know."""
    if not parsed.names and not parsed.store:
        return _discover(parsed)
    for name in parsed.names or ["*"]:
        store, _, pattern = (f"{parsed.store}.{name}" if parsed.store else name).partition(".")
        for key in fnmatch.filter(begin.get(store).keys(), (pattern or "*").lower()):
            full = f"{store.lower()}.{key}"
            _say(json.dumps(full) if parsed.json else full)
    return 0


def _discover(parsed: argparse.Namespace) -> int:
    """Ask registries, the named ones too, for all stores."""
    for store in begin.discover(*parsed.names):
        _say(json.dumps(store) if parsed.json else store)
    return 0


def __say(parsed: argparse.Namespace, item: Item) -> None:
    value = item._value
    if parsed.json:
        line = {"key": item.full_key, "value": value, "time": item.timestamp}
        if parsed.formatted:
            line["formatted"] = item.formatted
        _say(encode_json(line).decode())
        return
    if parsed.formatted or isinstance(value, Bulk):
        text = item.formatted
    else:
        text = value if isinstance(value, str) else encode_json(value).decode()
    when = ""
    if parsed.timestamp and item.timestamp is not None:
        when = datetime.fromtimestamp(item.timestamp).astimezone().isoformat() + " "
    _say(text if parsed.terse else f"{when}{item.full_key}: {text}")


_COMMANDS = {
    "get": _get,
    "set": _set,
    "watch": _watch,
    "describe": _describe,
    "list": _list,
    "discover": _discover,
}

if __name__ == "__main__":
    main()
