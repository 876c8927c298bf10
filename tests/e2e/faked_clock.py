"""A process whose wall clock the test sets while it runs; its steady clock is the machine's own."""

from __future__ import annotations

from pathlib import Path

from e2e.programs import miss

YEAR = 365 * 86400


class FakedClock:
    """Debian's libfaketime, told by a file how far off the wall clock is.

    Args:
        file: where that stands.

    Attributes:
        through: words before a command, which run it with this clock.
    """

    def __init__(self, file: Path) -> None:
        libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        if not libraries:
            miss("libfaketime is in the Debian package faketime")
        self._file = file
        self.set(0)
        self.through = (
            "env",
            f"LD_PRELOAD={libraries[0]}",
            f"FAKETIME_TIMESTAMP_FILE={file}",
            "FAKETIME_NO_CACHE=1",
            "DONT_FAKE_MONOTONIC=1",
        )

    def set(self, ahead: int) -> None:
        """Set the clock so many seconds ahead of the machine's."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{ahead:+d}s\n")
        fresh.replace(self._file)
