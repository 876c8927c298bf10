"""Files of `name=value` lines: some values set, every other line where and as it was."""

from __future__ import annotations

from collections.abc import Mapping


def set_variables(text: str, values: Mapping[str, str]) -> str:
    """Give a file with these values, in their places where the names are there, else at its end.

    Args:
        text: the file.
        values: name to value, as it shall stand, quotes included.
    """
    left = dict(values)
    lines = []
    for line in text.splitlines():
        name = variable(line)
        if name not in values:
            lines.append(line)
        elif name in left:  # a second line of that name would win over the first
            lines.append(f"{name}={left.pop(name)}")
    lines += [f"{name}={value}" for name, value in left.items()]
    return "".join(f"{line}\n" for line in lines)


def variable(line: str) -> str:
    """Give the name that a line sets, '' where it sets none."""
    name, equals, _ = line.partition("=")
    return name.strip() if equals else ""
