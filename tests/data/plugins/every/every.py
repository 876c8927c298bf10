"""One value of every type: given, taken back and compared, and faults."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from co2.api import ApplicationFailed, Co2Plugin

EVERY: dict[str, Any] = {
    "int": 42,
    "negative": -2147483648,
    "zero": 0,
    "true": True,
    "false": False,
    "double": 0.815,
    "minus": -1234.5,
    "string": "<shrubbery> & ]]> 'nih' \"!\" \u00e9 \u2603 \U0001f600",
    "ascii": "spam & <eggs>",
    "empty": "",
    "lines": "one\ntwo\n\tthree",
    "bytes": b"\x00\x01\xfe\xff",
    "date": datetime(2003, 8, 28, 12, 34, 56, tzinfo=UTC),
    "array": [1, "two", [3.5, True]],
    "nothing": [],
    "struct": {"john": "cleese", "terry": {"gilliam": [1, 2]}},
    "hollow": {},
}


class X_Every(Co2Plugin):
    """See the module."""

    def x_every(self) -> dict[str, Any]:
        """Give a value of every type, by name."""
        return EVERY

    def x_give(self, name: str) -> Any:
        """Give the value of that name."""
        return EVERY[name]

    def x_check(self, name: str, value: Any) -> str:
        """Compare a value with the one of that name: 'ok', or what it was."""
        wanted = EVERY[name]
        same = type(value) is type(wanted) and value == wanted
        return "ok" if same else f"{type(value).__name__} {value!r}"

    def x_echo(self, value):  # as a plugin of 2003 has it
        """Give the value back."""
        return value

    def x_big(self) -> int:
        """Give a number that needs 64 bits."""
        return 2**40

    def x_nothing(self) -> None:
        """Give nil."""
        return

    def x_add(self, a: int, b: int = 2) -> int:
        """Add two numbers."""
        return a + b

    def x_raise(self) -> None:
        """Raise what nobody foresaw."""
        raise RuntimeError("nobody foresaw this")

    def x_refuse(self, why: str) -> None:
        """Refuse, for a reason of its own."""
        raise ApplicationFailed(f"refused: {why} \u2603")
