"""What the tests of mktl share: configurations, values of every type, a daemon in memory."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock

from plugin.mktl.items.store import forget_store
from plugin.mktl.keeping.home import home
from plugin.mktl.net.ports import Ways
from plugin.mktl.serving.daemon import Daemon
from plugin.mktl.wire.message import Bulk, Payload, Request
from plugin.mktl.work.runtime import Runtime

UNIT: dict[str, Any] = {
    "angle": {
        "type": "numeric",
        "format": "%2d:%2.2d:%04.1f",
        "units": {"": "radians", "formatted": "degrees"},
        "initial": 0.018049613347708025,
    },
    "array": {"type": "bulk"},
    "boolean": {"type": "boolean"},
    "enumerated": {"type": "enumerated", "enumerators": {"0": "Zero", "1": "One", "4": "Four"}},
    "hourangle": {
        "type": "numeric",
        "format": "%2d:%2.2d:%04.1f",
        "units": {"": "radians", "formatted": "hours"},
        "initial": 0.2707442002156204,
    },
    "kept": {"type": "numeric", "persist": True},
    "keptlocked": {"type": "numeric", "persist": True, "settable": False},
    "limited": {"type": "numeric", "range": [0, 10]},
    "mask": {"type": "mask", "enumerators": {"None": "none set", "0": "A", "1": "B", "2": "C"}},
    "noyes": {"type": "boolean", "enumerators": {"0": "No", "1": "Yes"}},
    "number": {"type": "numeric", "units": "meaningless units"},
    "numbers": {"type": "numeric array"},
    "readonly": {"type": "numeric", "initial": 13, "settable": False},
    "secret": {"type": "string", "gettable": False},
    "string": {"type": "string"},
    "typeless": {},
}
"""The store that mKTL's own client-facing tests use, and items for what they leave out."""

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
INTEGERS = st.integers(-(10**20), 10**20)
JSON = st.recursive(
    st.none() | st.booleans() | INTEGERS | FLOATS | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@st.composite
def bulks(draw: st.DrawFn) -> Bulk:
    """Arrays of every plain type, empty ones and ones without axes among them."""
    dtype, size = draw(
        st.sampled_from([("uint8", 1), ("int16", 2), ("float32", 4), ("float64", 8), ("<i4", 4)])
    )
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=3)))
    count = size
    for length in shape:
        count *= length
    return Bulk(draw(st.binary(min_size=count, max_size=count)), shape, dtype)


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "array": bulks(),
    "boolean": st.sampled_from([0, 1, True, False, "true", "FALSE", "0", 1.0]),
    "enumerated": st.sampled_from([0, 1, 4, "zero", "ONE", "4", 4.0]),
    "limited": st.floats(0, 10) | st.integers(0, 10) | st.sampled_from(["3", "2.5", True]),
    "mask": st.integers(0, 7) | st.sampled_from(["A", "a, C", "none set", "none", "", "5"]),
    "number": INTEGERS | FLOATS | st.booleans() | INTEGERS.map(str),
    "numbers": st.lists(INTEGERS | FLOATS, max_size=5) | st.tuples(INTEGERS, FLOATS),
    "string": st.text() | INTEGERS,
    "typeless": JSON,
}
"""Values that an item of `UNIT` takes, by its key."""


class Memory:
    """Daemons in memory: a reactor that only remembers, no threads, files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        home(folder)
        self.reactor = MemoryReactorClock()
        self.runtime = Runtime(self.reactor)

    def start(
        self, items: dict[str, Any] | None = None, kind: type[Daemon] = Daemon, **named: Any
    ) -> Daemon:
        """Start a daemon of the store `unittest`."""
        forget_store("unittest")
        return kind(
            "unittest",
            "main",
            items=UNIT if items is None else items,
            ways=Ways(discover=False),
            runtime=self.runtime,
            **named,
        )


def kill(daemon: Daemon) -> None:
    """Let a daemon be gone as after kill -9: nothing is written, nobody is told."""
    daemon.keeper._archive.close()
    for unlock in daemon._ended:
        unlock()
    forget_store("unittest")


def ask(daemon: Daemon, kind: str, key: str, value: Any = None, **members: Any) -> Any:
    """Ask a daemon's desk; gives the payload, or the Deferred of one that is not there yet."""
    payload = Payload(None, bulk=value) if isinstance(value, Bulk) else Payload(value)
    payload.update(members)
    answer = daemon.desk.answer(Request(b"1", kind, f"unittest.{key}", payload), "new")
    return answer.result if isinstance(answer, Deferred) and answer.called else answer


def forget_home() -> None:
    """Let the base directory be what the environment says again."""
    sys.modules["plugin.mktl.keeping.home"]._chosen = None
