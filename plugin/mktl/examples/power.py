"""A simulated power supply: a set point with a range, an output that follows it, a switch.

    co2-markd bench psu -m plugin.mktl.examples.power
    co2-mark set bench.setpoint=5 bench.output=on
    co2-mark watch bench.volts bench.amps

Its methods return at once and say so (`blocking = False`): no thread is used.
"""

from __future__ import annotations

from typing import Any

from plugin import mktl

LOAD = 8.0
"""Ohms that hang on it."""
SLEW = 2.0
"""Volts that the output moves in one poll."""


class Volts(mktl.Item):
    """The voltage at the output: it moves towards the set point, or to zero when it is off."""

    blocking = False

    def perform_get(self) -> float:
        """Move one step, as a capacitor would."""
        wanted = self.store["setpoint"].value if self.store["output"].value else 0.0
        present = self.value or 0.0
        return float(present + max(-SLEW, min(SLEW, wanted - present)))


class Amps(mktl.Item):
    """The current, whenever the voltage changes."""

    blocking = False

    def perform_get(self) -> float:
        """Give what Ohm says."""
        return float((self.store["volts"].value or 0.0) / LOAD)


class Daemon(mktl.Daemon):
    """Serves the supply."""

    def describe_items(self) -> dict[str, Any]:
        """Describe the items here instead of in a file."""
        return {
            "setpoint": {
                "type": "numeric",
                "units": "V",
                "range": [0, 30],
                "initial": 0,
                "persist": True,
                "description": "The voltage that is wanted; kept over a restart.",
            },
            "output": {
                "type": "boolean",
                "enumerators": {"0": "off", "1": "on"},
                "initial": 0,
                "description": "The switch of the output; off after a restart.",
            },
            "volts": {"type": "numeric", "units": "V", "format": "%.2f", "settable": False},
            "amps": {"type": "numeric", "units": "A", "format": "%.3f", "settable": False},
        }

    def setup(self) -> None:
        """Poll the voltage ten times a second; the current follows it."""
        self.add_item(Volts, "volts").poll(0.1)
        self.add_item(Amps, "amps").watch(self.store["volts"])
