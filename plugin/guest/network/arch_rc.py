"""Arch Linux's old /etc/rc.conf: its arrays INTERFACES, ROUTES, NETWORKS and DAEMONS.

An array names variables that stand in the same file. What these said of the network is replaced
(`in_rc_conf`) or commented out (`for_profiles`); every other line stays in its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from plugin.guest.network.variables import variable

Variables = Sequence[tuple[str, str]]
"""What an array names, in order: name and value."""


def in_rc_conf(old: str, interfaces: Variables, routes: Variables, *, faithful: bool) -> str:
    """Give rc.conf with addresses and routes in it, and netcfg's NETWORKS commented out."""
    lines = [line.strip() for line in old.splitlines()]
    named = _named(lines, "INTERFACES") | _named(lines, "ROUTES")
    new = {"INTERFACES": _array("INTERFACES", interfaces), "ROUTES": _array("ROUTES", routes)}
    found = []
    for line in _commented(lines, ("NETWORKS",), faithful):
        name = variable(line)
        if name in ("INTERFACES", "ROUTES"):
            found += new.pop(name, [])
        elif name not in named:
            found.append(_daemons(line, "!network", "network") if name == "DAEMONS" else line)
    return _text([*found, *(line for rest in new.values() for line in rest)])


def for_profiles(old: str, names: Iterable[str], *, faithful: bool) -> str:
    """Give rc.conf that starts netcfg's profiles, with INTERFACES and ROUTES commented out."""
    lines = [line.strip() for line in old.splitlines()]
    networks = f"NETWORKS=({' '.join(names)})"
    found = []
    for line in _commented(lines, ("INTERFACES", "ROUTES"), faithful):
        name = variable(line)
        if name == "NETWORKS":
            line, networks = networks, ""
        found.append(_daemons(line, "network", "!network") if name == "DAEMONS" else line)
    return _text([*found, *([networks] if networks else [])])


def _named(lines: Iterable[str], array: str) -> set[str]:
    return {word.lstrip("!") for line in lines if variable(line) == array for word in _words(line)}


def _words(line: str) -> list[str]:
    return line.partition("=")[2].strip().removeprefix("(").removesuffix(")").split()


def _commented(lines: Sequence[str], arrays: Iterable[str], faithful: bool) -> list[str]:
    """Comment out arrays and what they name.

    The original put the array's line where the variables were, and so their values were lost.
    """
    instead = dict(enumerate(lines))
    for array in arrays:
        named = _named(lines, array)
        line = next((one for one in lines if variable(one) == array), "")
        for place, one in enumerate(lines):
            if variable(one) == array or variable(one) in named:
                instead[place] = f"#{line if faithful else one}"
    return list(instead.values())


def _daemons(line: str, old: str, new: str) -> str:
    """Turn the daemon of the one way off and the other's on, where the old way's is found."""
    words = _words(line)
    if old not in words:
        return line
    place = words.index(old)
    words[place] = new
    if new == "network":
        words = [word for word in words if word != "@net-profiles"]
    elif "@net-profiles" not in words:
        words.insert(place + 1, "@net-profiles")
    return f"DAEMONS=({' '.join(words)})"


def _array(name: str, variables: Variables) -> list[str]:
    lines = [f'{one}="{value}"' for one, value in variables]
    return [*lines, f"{name}=({' '.join(one for one, _ in variables)})"]


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
