"""Which plugin packages there are, and where: folders first, then installed ones.

A folder of `plugin_dirs` holds packages (`lights/__init__.py`), which are imported as
`plugin.lights`. Packages from elsewhere announce themselves by the entry point group
`co2.plugins`: its name is the package's name on the wire, its value the module to import.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path

from attrs import frozen

GROUP = "co2.plugins"
RESERVED = frozenset({"sys", "system", "co2", "relay", "web"})
"""Package names that the server keeps for its own methods."""


@frozen
class Found:
    """A plugin package: its name on the wire, what to import, and where it came from."""

    name: str
    module: str
    origin: str
    config_dirs: tuple[Path, ...]


def extend_plugin_path(folders: Sequence[Path]) -> str | None:
    """Let `import plugin.<name>` look into these folders first.

    Returns:
        None, or why that is not possible.
    """
    try:
        package = importlib.import_module("plugin")
    except Exception as error:
        return f"the package 'plugin' cannot be imported: {type(error).__name__}: {error}"
    if not hasattr(package, "Co2Plugin"):
        return (
            f"{package.__file__} hides co2's own package 'plugin': remove that file, the folder "
            "needs none"
        )
    wanted = [str(folder.resolve()) for folder in folders if folder.is_dir()]
    package.__path__ = [*wanted, *(one for one in package.__path__ if one not in wanted)]
    return None


def find_packages(folders: Iterable[Path], entry_points: Iterable[EntryPoint]) -> dict[str, Found]:
    """Give every plugin package by its name; the first one found under a name counts.

    Args:
        folders: `plugin_dirs`.
        entry_points: those of the group `co2.plugins`.
    """
    folders = list(folders)
    found: dict[str, Found] = {}
    for folder in folders:
        for init in sorted(folder.glob("*/__init__.py")):
            name = init.parent.name
            found.setdefault(name, Found(name, f"plugin.{name}", str(folder), (init.parent,)))
    for point in entry_points:
        configs = tuple(folder / point.name for folder in folders)
        found.setdefault(point.name, Found(point.name, point.value, "installed", configs))
    return found
