"""What has come of an object that cannot begin in the archive yet, cleaned on the way if need be.

It does not know when that is: see `archive.packing`.
"""

from __future__ import annotations

from typing import IO

from plugin.gatherer.cleaning.cleaning import Cleaner, CleanStream


class Aside:
    """The content of one object.

    Args:
        file: empty; it is for who made this to close.
        cleaner: cleans the content; None to leave it as it is.
    """

    def __init__(self, file: IO[bytes], cleaner: Cleaner | None = None) -> None:
        self.file = file
        self._stream = None if cleaner is None else CleanStream(cleaner)

    def write(self, piece: bytes | memoryview) -> None:
        """Add a piece."""
        self.file.write(piece if self._stream is None else self._stream.feed(bytes(piece)))

    def finish(self) -> int:
        """Add what cleaning holds back; give the number of bytes in all."""
        if self._stream is not None:
            self.file.write(self._stream.finish())
        return self.file.tell()
