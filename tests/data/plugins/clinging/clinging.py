"""One raises when it shall end, one never does."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from co2.api import Co2Plugin


class X_Raising(Co2Plugin):
    """Raises."""

    def __exit__(self):  # noqa: PLE0302  # as in 2003
        raise RuntimeError("it will not end")


class X_Lasting(Co2Plugin):
    """Waits for what never comes."""

    def __exit__(self):  # noqa: PLE0302  # as in 2003
        return Deferred()
