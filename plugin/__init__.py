"""The package that every plugin package lives in, wherever its folder is.

A satellite extends `__path__` by the folders of its setting `plugin_dirs`, so that
`plugin/lights/` in a working directory is imported as `plugin.lights`.
"""

from co2.api import Co2Plugin

__all__ = ["Co2Plugin"]
