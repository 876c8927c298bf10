"""What an item is: its description as configuration files and catalogs hold it, checked.

`check_items` looks at a whole configuration and tells every complaint at once. Fields that are not
known are carried through untouched. It must not know values' formats or where items live.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

KINDS = ("boolean", "bulk", "enumerated", "mask", "numeric", "numeric array", "string")
_KEY = re.compile(r"^[a-z0-9_][a-z0-9_:+\-]*$")
_STORE = re.compile(r"^[a-z0-9_][a-z0-9_:+\-]*$")
_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_FALSE_TRUE = {0: "False", 1: "True"}


class ConfigurationRefused(ValueError):
    """A configuration has mistakes.

    Attributes:
        complaints: every one, a sentence each.
    """

    def __init__(self, where: str, complaints: list[str]) -> None:
        super().__init__("\n".join([f"{where} has {len(complaints)} mistake(s):", *complaints]))
        self.complaints = complaints


@frozen
class Description:
    """One item's description, read.

    Attributes:
        key: in lower case.
        kind: one of `KINDS`, or '' for anything.
        enumerators: number to word; for a mask, bit number to word.
        nothing: a mask's word for no bit set.
        lowest, highest: the `range`, or None.
        units: of the value as it travels; `formatted_units` those of its formatted text.
        fields: the description as it was given, keys of enumerators as text.
    """

    key: str
    kind: str = ""
    units: str = ""
    formatted_units: str = ""
    format: str = ""
    enumerators: Mapping[int, str] = field(factory=dict)
    nothing: str = ""
    lowest: float | None = None
    highest: float | None = None
    initial: Any = None
    has_initial: bool = False
    persist: bool = False
    gettable: bool = True
    settable: bool = True
    fields: Mapping[str, Any] = field(factory=dict, repr=False)


def check_store(name: str) -> str:
    """Give a store's name in lower case.

    Raises:
        ValueError: it cannot be one.
    """
    name = str(name).lower()
    if not _STORE.match(name):
        raise ValueError(f"{name!r} is no name of a store: letters, digits and _ : + - only")
    return name


def check_items(items: Any, where: str = "the configuration") -> dict[str, Description]:
    """Read a configuration: a mapping of keys to descriptions.

    Raises:
        ConfigurationRefused: with every complaint.
    """
    if not isinstance(items, Mapping):
        raise ConfigurationRefused(where, ["it is no object of keys and descriptions"])
    complaints: list[str] = []
    found: dict[str, Description] = {}
    for name, fields in items.items():
        reading = _Reading(str(name), fields, complaints)
        description = reading.description()
        if description.key in found:
            reading.complain("there is another of this name; upper and lower case are the same")
        found[description.key] = description
    if complaints:
        raise ConfigurationRefused(where, complaints)
    return found


class _Reading:
    """One item, while it is read; complaints go to a list."""

    def __init__(self, name: str, fields: Any, complaints: list[str]) -> None:
        self._name = name
        self._complaints = complaints
        if not isinstance(fields, Mapping):
            self.complain("its description is no object")
            fields = {}
        self._fields = fields

    def complain(self, what: str) -> None:
        self._complaints.append(f"{self._name}: {what}")

    def description(self) -> Description:
        key = self._name.lower()
        if not _KEY.match(key):
            self.complain("a key is letters, digits and _ : + - only")
        kind = self._text("type")
        if kind and kind not in KINDS:
            self.complain(f"its type {kind!r} is none of {', '.join(KINDS)}")
            kind = ""
        units, formatted_units = self._units()
        enumerators, nothing = self._enumerators(kind)
        lowest, highest = self._range(kind)
        return Description(
            key=key,
            kind=kind,
            units=units,
            formatted_units=formatted_units,
            format=self._format(),
            enumerators=enumerators,
            nothing=nothing,
            lowest=lowest,
            highest=highest,
            initial=self._fields.get("initial"),
            has_initial=self._fields.get("initial") is not None,
            persist=self._switch("persist", False),
            gettable=self._switch("gettable", True),
            settable=self._switch("settable", True),
            fields=self._as_carried(key, kind, enumerators),
        )

    def _text(self, name: str) -> str:
        value = self._fields.get(name, "")
        if value is None:
            return ""
        if not isinstance(value, str):
            self.complain(f"{name} is text, not {value!r}")
            return ""
        return value

    def _switch(self, name: str, default: bool) -> bool:
        value = self._fields.get(name, default)
        if isinstance(value, str):
            value = _WORDS.get(value.lower(), value)
        if not isinstance(value, bool | int) or value not in (0, 1):
            self.complain(f"{name} is true or false, not {value!r}")
            return default
        return bool(value)

    def _units(self) -> tuple[str, str]:
        units = self._fields.get("units")
        if units is None or isinstance(units, str):
            return units or "", units or ""
        if isinstance(units, Mapping) and all(isinstance(one, str) for one in units.values()):
            base = str(units.get("", units.get("base", "")))
            return base, str(units.get("formatted", base))
        self.complain("units are text, or an object with the keys '' and 'formatted'")
        return "", ""

    def _format(self) -> str:
        text = self._text("format")
        if text and ":" not in text:
            try:
                text % (1,)
            except (ValueError, TypeError) as error:
                self.complain(f"its format {text!r} does not take one number: {error}")
        return text

    def _enumerators(self, kind: str) -> tuple[dict[int, str], str]:
        given = self._fields.get("enumerators")
        nothing = ""
        if given is None:
            if kind in ("enumerated", "mask"):
                self.complain(f"a {kind} item needs enumerators")
            return (dict(_FALSE_TRUE), nothing) if kind == "boolean" else ({}, nothing)
        if not isinstance(given, Mapping):
            self.complain("enumerators are an object of numbers and words")
            return {}, nothing
        found: dict[int, str] = {}
        for number, word in given.items():
            if str(number).lower() == "none":
                nothing = str(word)
                continue
            try:
                found[int(number)] = str(word)
            except ValueError:
                self.complain(f"the enumerator {number!r} is no whole number")
        self._check_enumerators(kind, found)
        return found, nothing

    def _check_enumerators(self, kind: str, found: Mapping[int, str]) -> None:
        words = [word.lower() for word in found.values()]
        if len(set(words)) != len(words):
            self.complain("two enumerators have the same word")
        if kind == "boolean" and not set(found) <= {0, 1}:
            self.complain("a boolean item's enumerators are 0 and 1")
        if kind == "mask" and not all(0 <= bit < 64 for bit in found):
            self.complain("a mask's enumerators are bit numbers from 0 to 63")

    def _range(self, kind: str) -> tuple[float | None, float | None]:
        given = self._fields.get("range")
        if given is None:
            return None, None
        if kind not in ("numeric", "numeric array", ""):
            self.complain(f"a {kind} item has no range")
        ends = _ends(given)
        if ends is None:
            self.complain("range is [lowest, highest]; null leaves an end open")
            return None, None
        lowest, highest = ends
        if lowest is not None and highest is not None and lowest > highest:
            self.complain(f"its range ends ({highest}) before it begins ({lowest})")
        return lowest, highest

    def _as_carried(self, key: str, kind: str, enumerators: Mapping[int, str]) -> dict[str, Any]:
        carried = {str(name): value for name, value in self._fields.items()}
        carried["key"] = key
        given = self._fields.get("enumerators")
        if isinstance(given, Mapping):
            carried["enumerators"] = {str(number): word for number, word in given.items()}
        elif enumerators:
            carried["enumerators"] = {str(number): word for number, word in enumerators.items()}
        return carried


def _ends(given: Any) -> tuple[float | None, float | None] | None:
    if isinstance(given, Mapping):
        given = (
            given.get("minimum", given.get("min")),
            given.get("maximum", given.get("max")),
        )
    if not isinstance(given, list | tuple) or len(given) != 2:
        return None
    for end in given:
        if end is None:
            continue
        if isinstance(end, bool) or not isinstance(end, int | float) or not math.isfinite(end):
            return None
    return given[0], given[1]
