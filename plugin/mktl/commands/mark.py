"""co2-mark: get, set, watch, describe, list items, and discover stores, from a shell."""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
import threading
from collections.abc import Sequence
from typing import Any

from plugin.mktl.client import begin
from plugin.mktl.commands.showing import line_of
from plugin.mktl.items.item import Item
from plugin.mktl.keeping.home import home
from plugin.mktl.values.formats import make_quantity
from plugin.mktl.wire.message import encode_json

_EPILOG = """examples:
    co2-mark get rosebud.model 'rosebud.len*'
    co2-mark get -s rosebud model length
    co2-mark set rosebud.speed=50
    co2-mark set rosebud.speed=50 -u mph
    co2-mark watch 'rosebud.*' --json
    co2-mark list rosebud
    co2-mark discover 192.168.1.5
"""
_TROUBLE = (RuntimeError, KeyError, ValueError, TypeError, OSError)


def make_parser() -> argparse.ArgumentParser:
    """Give the parser; every option may stand before, between and after the names."""
    parser = argparse.ArgumentParser(
        "co2-mark",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    switch = argparse.BooleanOptionalAction
    add = parser.add_argument
    add("kind", choices=_COMMANDS, type=str.lower, help="what to do")
    add("names", nargs="*", help="store.key, patterns or stores; key=value; registries")
    add("-s", "--store", help="the store of all names")
    add("--formatted", action="store_true", help="values as people write them: the default")
    add("--unformatted", action="store_true", help="bare values; with --formatted, both")
    add("-u", "--units", help="units of what is shown or set")
    add("--json", action="store_true", help="print JSON, a line for each item")
    add("--terse", action="store_true", help="print nothing but values")
    add("--timestamp", action=switch, help="print when a value changed; the default for watch")
    add("--serial", action=switch, default=False, help="one after the other, stop at errors")
    add("--wait", action=switch, default=True, help="wait until a set is done")
    add("--refresh", action="store_true", help="get: ask the hardware")
    add("--count", type=int, default=0, help="watch: end after so many values")
    add("--home", help="base directory; MKTL_HOME, or ~/.mKTL")
    add("--discovery-interface", help="network whose broadcasts are used")
    return parser


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the arguments; what cannot be meant ends the program with a usage error."""
    parser = make_parser()
    parsed = parser.parse_intermixed_args(arguments)
    if parsed.serial and not parsed.wait:
        parser.error("--serial waits for each: it does not go with --no-wait")
    if parsed.units and parsed.unformatted:
        parser.error("--units are of formatted values: they do not go with --unformatted")
    if parsed.kind == "set" and parsed.formatted and parsed.unformatted:
        parser.error("a value is set --formatted or --unformatted, not both")
    if not parsed.names and not parsed.store and parsed.kind not in ("list", "discover"):
        parser.error(f"{parsed.kind} what? names are missing")
    parsed.formatted = parsed.formatted or not parsed.unformatted
    if parsed.timestamp is None:
        parsed.timestamp = parsed.kind == "watch"
    return parsed


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; the status says whether all went well."""
    parsed = parse(arguments)
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


def _items(parsed: argparse.Namespace) -> list[Item]:
    """Find the items that the names and patterns stand for; a bare store is all of it."""
    found: list[Item] = []
    for name in parsed.names or ["*"]:
        full = f"{parsed.store}.{name}" if parsed.store else name
        store, dot, key = full.lower().partition(".")
        if dot and not any(sign in key for sign in "*?["):
            found.append(begin.get(store, key))
            continue
        keys = fnmatch.filter(begin.get(store).keys(), key or "*")
        if not keys:
            raise KeyError(f"no key of {store!r} matches {key!r}")
        found += [begin.get(store, one) for one in keys]
    return found


def _get(parsed: argparse.Namespace) -> int:
    """Print the values of items; patterns with * and ? are several."""
    failures = 0
    for item in _items(parsed):
        try:
            item.get(refresh=parsed.refresh)
            _say(line_of(parsed, item))
        except _TROUBLE as error:
            _complain(error)
            failures = 1
            if parsed.serial:
                break
    return failures


def _set(parsed: argparse.Namespace) -> int:
    """Set items: store.key=value. Nothing is set if one of them is not there or cannot be read."""
    wanted = [_wanted(parsed, name) for name in parsed.names]
    pending = [(item, item.set(value, wait=parsed.serial)) for item, value in wanted]
    failures = 0
    for item, asked in () if parsed.serial else pending:
        try:
            if asked.wait(60 if parsed.wait else 0.5) is None and parsed.wait:
                raise TimeoutError(f"{item.full_key}: not done in 60 s")
        except _TROUBLE as error:
            _complain(error)
            failures = 1
    return failures


def _wanted(parsed: argparse.Namespace, name: str) -> tuple[Item, Any]:
    target, equals, text = name.partition("=")
    if not equals:
        raise ValueError(f"{name!r}: a set is key=value")
    full = f"{parsed.store}.{target}" if parsed.store else target
    item = begin.get(full)
    if not isinstance(item, Item):
        raise ValueError(f"{full!r} is no store.key")
    return item, _read(parsed, item, text)


def _read(parsed: argparse.Namespace, item: Item, text: str) -> Any:
    """Read a value: of the units that are given, as people write it, or bare."""
    if parsed.units:
        return item.from_quantity(make_quantity(float(text), parsed.units))
    kind = item.about.kind
    if kind == "" or (kind == "numeric array" and text.startswith("[")):
        try:
            return json.loads(text)
        except ValueError:
            return text
    if text == "null":
        return None
    return item.from_format(text) if parsed.formatted else text


def _watch(parsed: argparse.Namespace) -> int:
    """Print new values of items as they come."""
    left = parsed.count
    over = threading.Event()

    def told(item: Item, value: Any, when: float) -> None:
        nonlocal left
        _say(line_of(parsed, item))
        left -= 1
        if left == 0:
            over.set()

    for item in _items(parsed):
        item.register(told, prime=True)
    over.wait()
    return 0


def _describe(parsed: argparse.Namespace) -> int:
    """Print what items are."""
    for item in _items(parsed):
        fields = dict(item.description)
        if parsed.json:
            _say(encode_json({"key": item.full_key, **fields}).decode())
            continue
        _say(item.full_key)
        for name, value in fields.items():
            _say(f"    {name:12} {value}")
    return 0


def _list(parsed: argparse.Namespace) -> int:
    """List the items of stores with type and rights, or the stores that registries know."""
    if not parsed.names and not parsed.store:
        return _discover(parsed)
    for name in parsed.names or ["*"]:
        full = f"{parsed.store}.{name}" if parsed.store else name
        store, _, pattern = full.lower().partition(".")
        found = begin.get(store)
        for key in fnmatch.filter(found.keys(), pattern or "*"):
            about, target = found.describe(key), f"{store}.{key}"
            rights = ("r" if about.gettable else "-") + ("w" if about.settable else "-")
            line = target if parsed.terse else f"{target:30} {about.kind or '-':13} {rights}"
            _say(json.dumps(target) if parsed.json else line)
    return 0


def _discover(parsed: argparse.Namespace) -> int:
    """Ask registries, the named ones too, for all stores."""
    for store in begin.discover(*parsed.names):
        _say(json.dumps(store) if parsed.json else store)
    return 0


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
