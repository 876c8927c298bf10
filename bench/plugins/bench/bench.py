"""An echo with a checked signature."""

from __future__ import annotations

from typing import Any

from co2.api import Co2Plugin


class X_Bench(Co2Plugin):
    """Answers with what it was asked."""

    def x_echo(self, message: dict[str, Any]) -> dict[str, Any]:
        """Give the struct back."""
        return message
