"""Notices when the reactor stands still, and says in whose code.

A thread looks a few times a second whether the reactor's heart has beaten. When it has not for a
second, the stack of the reactor's thread shows what it is doing; the innermost frame that belongs
to a plugin is named, with its line. It costs a running reactor nothing but the beats, and finds
timers and callbacks that plugins have set up as well as their methods.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import FrameType

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from zope.interface import implementer

from co2.interfaces import IClockedWork

_BEAT = 0.25
_LIMIT = 1.0


def describe(frame: FrameType | None, plugins: Callable[[str], str | None]) -> tuple[str, str]:
    """Say in whose code a stack stands.

    Args:
        frame: the innermost frame.
        plugins: gives the plugin package that a module belongs to, or None.

    Returns:
        who ('plugin lights', or 'co2') and where (`file:line in function`).
    """
    innermost = frame
    while frame is not None:
        owner = plugins(frame.f_globals.get("__name__", ""))
        if owner is not None:
            return f"plugin {owner}", _place(frame)
        frame = frame.f_back
    return "co2", _place(innermost) if innermost is not None else "nowhere"


def _place(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"


@implementer(IClockedWork)
class StallWatch:
    """See the module.

    Args:
        clock: the reactor's, for its heart beat.
        seconds: a clock for the watching thread (`time.monotonic`).
        plugins: gives the plugin package that a module belongs to, or None.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        seconds: Callable[[], float],
        plugins: Callable[[str], str | None],
    ) -> None:
        self._seconds = seconds
        self._plugins = plugins
        self._beat_at = seconds()
        self._reactor_thread = 0
        self._ended = threading.Event()
        self._told: float | None = None
        self._loop = LoopingCall(self._beat)
        self._loop.clock = clock

    def start(self) -> None:
        """Begin; called in the reactor's thread."""
        self._reactor_thread = threading.get_ident()
        self._loop.start(_BEAT)
        threading.Thread(target=self._watch, name="co2 stall watch", daemon=True).start()

    def stop(self) -> Deferred[None]:
        """End the watching thread."""
        self._ended.set()
        if self._loop.running:
            self._loop.stop()
        return succeed(None)

    def look(self) -> None:
        """See whether the heart has beaten; what the thread does again and again."""
        silent = self._seconds() - self._beat_at
        if silent < _LIMIT or self._told is not None:
            return
        self._told = self._beat_at
        who, where = describe(sys._current_frames().get(self._reactor_thread), self._plugins)
        self._log.error(
            "{who} blocks the reactor for {seconds:.1f} s already, at {where}: return sooner, "
            "or set threaded = True in its class",
            who=who,
            seconds=silent,
            where=where,
        )

    def _watch(self) -> None:
        while not self._ended.wait(_BEAT):
            self.look()

    def _beat(self) -> None:
        now = self._seconds()
        if self._told is not None:
            self._log.warn("the reactor stood still for {seconds:.1f} s", seconds=now - self._told)
            self._told = None
        self._beat_at = now
