"""`end_of_message`: one for ever.

The original makes a new one for every command, so that a handler that is suspended meanwhile no
longer recognises the one it holds, and dies.
"""

from __future__ import annotations

import enum


class EndOfMessage(enum.Enum):
    """The type of the one sentinel."""

    end_of_message = "end_of_message"

    def __repr__(self) -> str:
        return "end_of_message"


end_of_message = EndOfMessage.end_of_message
