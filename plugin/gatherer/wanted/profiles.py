"""What is to be gathered: profiles, which are data files that people can add to.

A profile is a TOML file. `[[paths]]` has `pattern` and, if wanted, `limit` (bytes, or "25 MiB"),
`exclude` (a list of patterns), `follow` (true: a link that the pattern names brings its file) and
`seconds` (for one step, 60). `[[commands]]` has `run`, `limit`, `seconds` and `name` (what the
output is called). Either may say `slow = true`: slow things come last, so that running out of
time costs least. `description` is shown to people.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from attrs import evolve, frozen

DEFAULT_LIMIT: Final = 25 << 20
"""Bytes of one pattern, and of one command's output."""

DEFAULT_SECONDS: Final = 60.0
_UNITS = {"": 1, "B": 1, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30}
_UNITS |= {"KB": 10**3, "MB": 10**6, "GB": 10**9}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*\Z")
_STRANGE = re.compile(r"[^A-Za-z0-9._+=@,-]+")


class ProfileError(Exception):
    """A profile does not exist, or has mistakes; the text says where and which."""


@frozen
class Paths:
    """Files to bring."""

    pattern: str
    limit: int = DEFAULT_LIMIT
    seconds: float = DEFAULT_SECONDS
    exclude: tuple[str, ...] = ()
    follow: bool = False
    slow: bool = False
    profile: str = ""

    @property
    def label(self) -> str:
        """What people see."""
        return self.pattern


@frozen
class Run:
    """A command whose output is to be brought."""

    run: str
    limit: int = DEFAULT_LIMIT
    seconds: float = DEFAULT_SECONDS
    name: str = ""
    slow: bool = False
    profile: str = ""

    @property
    def label(self) -> str:
        """What people see."""
        return self.run

    @property
    def file(self) -> str:
        """The name of the file for the output: the command, in harmless characters."""
        return _STRANGE.sub("_", self.name or self.run).strip("_.")[:120] or "command"


Wanted = Paths | Run


@frozen
class Profile:
    """A named list of things to gather."""

    name: str
    wanted: tuple[Wanted, ...]
    description: str = ""


def size(value: object) -> int:
    """Read a number of bytes: a whole number, or text such as "25 MiB"; 0 is no limit.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    found = _SIZE.match(value) if isinstance(value, str) else None
    if found is None or found[2].upper() not in _UNITS:
        raise ValueError(f"{value!r} is no size: write a number of bytes, or such as '25 MiB'")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def read_profile(name: str, text: str) -> Profile:
    """Read a profile.

    Raises:
        ProfileError: with every mistake at once.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"profile {name}: {error}") from error
    return profile_of(name, data)


def profile_of(name: str, data: Mapping[str, Any]) -> Profile:
    """Make a profile of what a file, or a call's argument, holds.

    Raises:
        ProfileError: with every mistake at once.
    """
    problems: list[str] = [
        f"{key!r} is not known; known are description, paths and commands"
        for key in data
        if key not in ("description", "paths", "commands")
    ]
    wanted: list[Wanted] = []
    for key, kind in (("paths", Paths), ("commands", Run)):
        for number, entry in enumerate(data.get(key, ()), 1):
            try:
                wanted.append(_entry(kind, entry, name))
            except (TypeError, ValueError) as error:
                problems.append(f"{key} {number}: {error}")
    if problems:
        raise ProfileError(f"profile {name}: " + "; ".join(problems))
    return Profile(name, tuple(wanted), str(data.get("description", "")))


def _entry(kind: type[Paths] | type[Run], entry: object, name: str) -> Wanted:
    main = "pattern" if kind is Paths else "run"
    values: dict[str, Any] = {main: entry} if isinstance(entry, str) else {}
    if isinstance(entry, Mapping):
        values = dict(entry)
    text = values.get(main)
    if not isinstance(text, str) or not text or "\n" in text:
        raise ValueError(f"{main} must be one line of text")
    if kind is Paths and not text.startswith("/"):
        raise ValueError(f"the pattern {text!r} must begin with /")
    if "limit" in values:
        values["limit"] = size(values["limit"])
    if "seconds" in values:
        values["seconds"] = float(values["seconds"])
    if "exclude" in values:
        values["exclude"] = tuple(str(one) for one in values["exclude"])
    return kind(**{**values, "profile": name})


def as_struct(profile: Profile) -> dict[str, Any]:
    """Give a profile as a value that can travel."""
    paths, commands = [], []
    for one in profile.wanted:
        if isinstance(one, Paths):
            values = {"pattern": one.pattern, "exclude": list(one.exclude), "follow": one.follow}
            paths.append({**values, **_common(one)})
        else:
            commands.append({"run": one.run, "name": one.name, **_common(one)})
    return {"description": profile.description, "paths": paths, "commands": commands}


def _common(one: Wanted) -> dict[str, Any]:
    # a limit may be larger than what every XML-RPC number holds
    return {"limit": str(one.limit), "seconds": one.seconds, "slow": one.slow}


def directories(added: Iterable[Path] = ()) -> list[Path]:
    """Give where profiles are looked for, the first find wins."""
    homes = [Path.home() / ".config/co2/gatherer", Path("/etc/co2/gatherer")]
    return [*added, *homes, Path(__file__).with_name("bundled")]


def available(added: Iterable[Path] = ()) -> dict[str, Path]:
    """Give every profile that can be named, and its file."""
    found: dict[str, Path] = {}
    for directory in directories(added):
        for file in sorted(directory.glob("*.toml")):
            found.setdefault(file.stem, file)
    return found


def load(names: Iterable[str], added: Iterable[Path] = ()) -> tuple[Profile, ...]:
    """Load profiles by name, or by the path of a file.

    Raises:
        ProfileError: one does not exist, or has mistakes.
    """
    known = available(added)
    profiles = []
    for name in names:
        file = Path(name) if "/" in name else known.get(name)
        if file is None or not file.is_file():
            raise ProfileError(f"there is no profile {name!r}; there are: {', '.join(known)}")
        profiles.append(read_profile(file.stem, file.read_text(encoding="utf-8")))
    return tuple(profiles)


def in_order(profiles: Iterable[Profile]) -> tuple[Wanted, ...]:
    """Give everything wanted, once, files first, slow things last, file names unique."""
    everything: list[Wanted] = []
    taken: set[str] = set()
    for profile in profiles:
        for one in profile.wanted:
            plain = evolve(one, profile="")
            if any(evolve(other, profile="") == plain for other in everything):
                continue
            if isinstance(one, Run):
                name, number = one.file, 1
                while name in taken:
                    number += 1
                    name = f"{one.file}-{number}"
                taken.add(name)
                one = evolve(one, name=name)
            everything.append(one)
    return tuple(sorted(everything, key=lambda one: (one.slow, isinstance(one, Run))))
