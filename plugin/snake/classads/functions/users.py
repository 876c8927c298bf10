"""Functions of the users of this machine. The user database enters here and nowhere else."""

from __future__ import annotations

import pwd
from typing import Any

from plugin.snake.classads.functions.registry import eager
from plugin.snake.classads.values import ERROR, UNDEFINED


@eager("userHome", least=1, most=2, passes_undefined=True)
def user_home(name: Any, default: Any = UNDEFINED) -> Any:
    """The home directory of a user, or the default if that is a string."""
    if type(name) is str:
        try:
            return pwd.getpwnam(name).pw_dir
        except (KeyError, ValueError):
            return default if type(default) is str else UNDEFINED
    if type(default) is str:
        return default
    return UNDEFINED if name is UNDEFINED else ERROR


@eager("userMap", least=2, most=4, passes_undefined=True)
def user_map(name: Any, user: Any, preferred: Any = UNDEFINED, default: Any = UNDEFINED) -> Any:
    """The default: what a user is in a map of the configuration, and there is no map here."""
    return ERROR if name is ERROR or user is ERROR else default
