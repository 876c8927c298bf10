"""Where a user's Daemon subclass is found."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

from plugin.mktl.serving.daemon import Daemon


def find_class(module: str, name: str) -> type[Daemon]:
    """Import the subclass; its module may `import mktl`, and is given this package by that name.

    Raises:
        ImportError, AttributeError, TypeError: it is not there, or no subclass.
    """
    if not module:
        return Daemon
    sys.path.insert(0, str(Path.cwd()))
    if importlib.util.find_spec("mktl") is None:
        sys.modules["mktl"] = sys.modules["plugin.mktl"]
    found = getattr(importlib.import_module(module), name)
    if not (isinstance(found, type) and issubclass(found, Daemon)):
        raise TypeError(f"{module}.{name} is no subclass of Daemon")
    return found
