"""Reads sos's own lists of extras, so that people can bring theirs.

The facts about the format, seen in sos 4.0 and 4.12: the files of `/etc/sos/extras.d` hold a line
each for a command or, behind a colon, for a path or pattern, which may be followed by a limit in
megabytes (0 for none); blank lines and lines that begin with `#` mean nothing. What cannot be read
is told with its line, not swallowed.
"""

from __future__ import annotations

from pathlib import Path

from attrs import evolve, frozen

from plugin.gatherer.wanted.profiles import DEFAULT_LIMIT, Paths, Profile, Run, Wanted

_MEGABYTE = 1 << 20


@frozen
class Imported:
    """What a list became, and the lines that are not as they should be, each with its reason."""

    profile: Profile
    complaints: tuple[str, ...]


def read_extras(name: str, text: str) -> Imported:
    """Read one list.

    Args:
        name: of the profile that it becomes.
        text: the file's.
    """
    wanted: dict[str, Wanted] = {}
    complaints: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.split() or line.startswith("#"):
            continue
        one, complaint = _line(line.strip(), name)
        if complaint:
            complaints.append(f"line {number}: {complaint}")
        if one is not None:
            wanted[one.label] = _wider(wanted.get(one.label), one)
    description = f"imported from the sos extras list {name}"
    return Imported(Profile(name, tuple(wanted.values()), description), tuple(complaints))


def _line(line: str, name: str) -> tuple[Wanted | None, str]:
    if not line.startswith(":"):
        return Run(line, profile=name), ""
    words = line[1:].split()
    if not words or not words[0].startswith("/"):
        return None, f"{line!r} names no path that begins with /"
    if len(words) == 1:
        return Paths(words[0], profile=name), ""
    if not words[1].isdigit():
        standard = Paths(words[0], profile=name)
        return standard, f"{words[1]!r} is no number of megabytes; the usual limit is used"
    return Paths(words[0], limit=int(words[1]) * _MEGABYTE, profile=name), ""


def _wider(earlier: Wanted | None, one: Wanted) -> Wanted:
    """Of two limits for the same path, the wider one holds; 0 is the widest."""
    if not isinstance(earlier, Paths) or not isinstance(one, Paths):
        return one
    both = (earlier.limit, one.limit)
    return evolve(one, limit=0 if 0 in both else max(both))


def read_directory(directory: Path) -> tuple[Imported, ...]:
    """Read every list below a directory, such as `/etc/sos/extras.d`."""
    files = sorted(one for one in directory.rglob("*") if one.is_file())
    return tuple(read_extras(one.name, one.read_text(encoding="utf-8")) for one in files)


def as_toml(profile: Profile) -> str:
    """Write a profile as a file that `profiles.read_profile` reads."""
    lines = [f"description = {_quoted(profile.description)}"]
    for one in profile.wanted:
        if isinstance(one, Paths):
            lines += ["", "[[paths]]", f"pattern = {_quoted(one.pattern)}"]
        else:
            lines += ["", "[[commands]]", f"run = {_quoted(one.run)}"]
        if one.limit != DEFAULT_LIMIT:
            lines.append(f"limit = {one.limit}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped) + '"'
