"""Commands by number and by name, those that any daemon answers itself, and levels.

Source: reference of CEDAR, section 3.5.
"""

from __future__ import annotations

from plugin.snake.cedar.command_names import COLLECTOR, DAEMONS, EVERY_DAEMON, OTHERS

DC_RECONFIG = 60004
DC_OFF_GRACEFUL = 60005
DC_OFF_FAST = 60006
DC_AUTHENTICATE = 60010
DC_NOP = 60011
DC_RECONFIG_FULL = 60012
DC_OFF_PEACEFUL = 60015
DC_OFF_FORCE = 60042
DC_SEC_QUERY = 60040
UPDATE_AD_GENERIC = 58

LEVELS = (
    "ALLOW", "READ", "WRITE", "NEGOTIATOR", "ADMINISTRATOR", "CONFIG", "DAEMON",
    "ADVERTISE_STARTD", "ADVERTISE_SCHEDD", "ADVERTISE_MASTER", "CLIENT",
)  # fmt: skip
_NOP_LEVELS = (
    "READ", "WRITE", "NEGOTIATOR", "ADMINISTRATOR", "OWNER", "CONFIG", "DAEMON",
    "ADVERTISE_STARTD", "ADVERTISE_SCHEDD", "ADVERTISE_MASTER",
)  # fmt: skip
NAMES: dict[int, str] = {**COLLECTOR, **DAEMONS, **EVERY_DAEMON, **OTHERS}
"""Every known number's name."""
_NUMBERS = {name: number for number, name in NAMES.items()}

RECONFIG = frozenset({DC_RECONFIG, DC_RECONFIG_FULL})
OFF = frozenset({DC_OFF_GRACEFUL, DC_OFF_FAST, DC_OFF_PEACEFUL, DC_OFF_FORCE})

NOP_LEVEL: dict[int, str] = {60020 + index: level for index, level in enumerate(_NOP_LEVELS)}
"""Commands that do nothing but ask for a level, as `ping` tests them."""


def number_of(name: str) -> int | None:
    """Give the number of a command's name, in any case; None if there is none."""
    return _NUMBERS.get(name.upper())


def name_of(number: int) -> str:
    """Give a command's name, or its number as text."""
    return NAMES.get(number, str(number))
