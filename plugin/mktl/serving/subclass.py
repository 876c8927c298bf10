"""Where a user's Daemon subclass is found."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from plugin.mktl.serving.daemon import Daemon


def find_class(module: str, name: str) -> type[Daemon]:
    """Import the subclass; a module that says `import mktl` is given this package.

    Raises:
        ImportError, AttributeError, TypeError: it is not there, or no subclass.
    """
    if not module:
        return Daemon
    sys.path.insert(0, str(Path.cwd()))
    sys.modules["mktl"] = sys.modules["plugin.mktl"]
    found = getattr(importlib.import_module(module), name)
    if not (isinstance(found, type) and issubclass(found, Daemon)):
        raise TypeError(f"{module}.{name} is no subclass of Daemon")
    return found
