"""The package that every plugin package lives in, wherever its folder is.

A satellite extends `__path__` by the folders of its setting `plugin_dirs`, so that
`plugin/lights/` in a working directory is imported as `plugin.lights`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from co2.api import Co2Plugin

__all__ = ["Co2Plugin"]


def __getattr__(name: str) -> Any:
    """Give `Co2Plugin` to who asks: programs of plugin packages may need nothing of co2."""
    if name == "Co2Plugin":
        from co2.api import Co2Plugin

        return Co2Plugin
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
