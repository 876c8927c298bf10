"""The numbers of commands, by their names, and the levels that guard them.

Source: reference of CEDAR, section 3.5; collector commands are looked up first.
"""

from __future__ import annotations

DC_BASE = 60000
DC_RECONFIG = 60004
DC_OFF_GRACEFUL = 60005
DC_OFF_FAST = 60006
DC_AUTHENTICATE = 60010
DC_NOP = 60011
DC_SEC_QUERY = 60040
UPDATE_AD_GENERIC = 58

_COLLECTOR = {
    0: "UPDATE_STARTD_AD", 1: "UPDATE_SCHEDD_AD", 2: "UPDATE_MASTER_AD",
    5: "QUERY_STARTD_ADS", 6: "QUERY_SCHEDD_ADS", 7: "QUERY_MASTER_ADS",
    10: "QUERY_STARTD_PVT_ADS", 11: "UPDATE_SUBMITTOR_AD", 12: "QUERY_SUBMITTOR_ADS",
    13: "INVALIDATE_STARTD_ADS", 14: "INVALIDATE_SCHEDD_ADS", 15: "INVALIDATE_MASTER_ADS",
    18: "INVALIDATE_SUBMITTOR_ADS", 19: "UPDATE_COLLECTOR_AD", 20: "QUERY_COLLECTOR_ADS",
    21: "INVALIDATE_COLLECTOR_ADS",
    42: "UPDATE_LICENSE_AD", 43: "QUERY_LICENSE_ADS", 44: "INVALIDATE_LICENSE_ADS",
    45: "UPDATE_STORAGE_AD", 46: "QUERY_STORAGE_ADS", 47: "INVALIDATE_STORAGE_ADS",
    48: "QUERY_ANY_ADS",
    49: "UPDATE_NEGOTIATOR_AD", 50: "QUERY_NEGOTIATOR_ADS", 51: "INVALIDATE_NEGOTIATOR_ADS",
    53: "QUERY_MULTIPLE_ADS", 54: "QUERY_MULTIPLE_PVT_ADS",
    55: "UPDATE_HAD_AD", 56: "QUERY_HAD_ADS", 57: "INVALIDATE_HAD_ADS",
    58: "UPDATE_AD_GENERIC", 59: "INVALIDATE_ADS_GENERIC", 74: "QUERY_GENERIC_ADS",
    70: "UPDATE_GRID_AD", 71: "QUERY_GRID_ADS", 72: "INVALIDATE_GRID_ADS",
    77: "UPDATE_ACCOUNTING_AD", 78: "QUERY_ACCOUNTING_ADS", 79: "INVALIDATE_ACCOUNTING_ADS",
}  # fmt: skip
_SCHEDD = {
    421: "RESCHEDULE", 478: "ACT_ON_JOBS", 512: "DRAIN_JOBS", 515: "QUERY_SCHEDD_HISTORY",
    516: "QUERY_JOB_ADS",
}  # fmt: skip
LEVELS = (
    "ALLOW", "READ", "WRITE", "NEGOTIATOR", "ADMINISTRATOR", "CONFIG", "DAEMON",
    "ADVERTISE_STARTD", "ADVERTISE_SCHEDD", "ADVERTISE_MASTER", "CLIENT",
)  # fmt: skip
_NOP_LEVELS = (
    "READ", "WRITE", "NEGOTIATOR", "ADMINISTRATOR", "OWNER", "CONFIG", "DAEMON",
    "ADVERTISE_STARTD", "ADVERTISE_SCHEDD", "ADVERTISE_MASTER",
)  # fmt: skip
_DAEMON = {
    DC_RECONFIG: "DC_RECONFIG", DC_OFF_GRACEFUL: "DC_OFF_GRACEFUL", DC_OFF_FAST: "DC_OFF_FAST",
    60007: "DC_CONFIG_VAL", 60008: "DC_CHILDALIVE", DC_AUTHENTICATE: "DC_AUTHENTICATE",
    DC_NOP: "DC_NOP", 60013: "DC_FETCH_LOG", DC_SEC_QUERY: "DC_SEC_QUERY",
    60043: "DC_SET_READY", 60045: "DC_QUERY_INSTANCE",
} | {60020 + index: f"DC_NOP_{level}" for index, level in enumerate(_NOP_LEVELS)}  # fmt: skip

NAMES: dict[int, str] = {**_DAEMON, **_SCHEDD, **_COLLECTOR}
"""Every known number's name."""
_NUMBERS = {name: number for number, name in NAMES.items()}

NOP_LEVEL: dict[int, str] = {60020 + index: level for index, level in enumerate(_NOP_LEVELS)}
"""Commands that do nothing but ask for a level, as `ping` tests them."""


def number_of(name: str) -> int | None:
    """Give the number of a command's name, in any case; None if there is none."""
    return _NUMBERS.get(name.upper())


def name_of(number: int) -> str:
    """Give a command's name, or its number as text."""
    return NAMES.get(number, str(number))
