"""The recordings of the originals, and what counts as equal to them.

Other recordings of the same kind are replayed by `CO2_GUEST_RECORDINGS=<folder>`, in which files
of these names stand in for those below tests/data/guest.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from pathlib import Path
from typing import Any

from guest.logarithm import private_key

OURS = Path(__file__).parent.parent / "data" / "guest"

DOCS = Path(__file__).parent.parent.parent / "docs" / "guest.md"


def load(name: str) -> Any:
    """Give a recording."""
    given = os.environ.get("CO2_GUEST_RECORDINGS")
    place = Path(given, name) if given and Path(given, name).is_file() else OURS / name
    return json.loads(place.read_text("utf-8"))


def private_key_of(public: str) -> int:
    """Give the private key that a recorded public one was made with."""
    known = json.loads((OURS / "private_keys.json").read_text("utf-8"))
    return int(known[public]) if public in known else private_key(int(public))


def same_message(recorded: str, ours: str) -> bool:
    """Tell whether a message is as it was, or in the other words that the docs list for it."""
    return recorded == ours or any(
        then.fullmatch(recorded) and now.fullmatch(ours) for then, now in OTHER_WORDS
    )


def other_words() -> list[tuple[re.Pattern[str], re.Pattern[str]]]:
    """Read the table of messages in docs/guest.md: what was said in 2017, what is said now."""
    _, _, rest = DOCS.read_text("utf-8").partition("| in 2017 | now |\n")
    rows = itertools.takewhile(lambda line: line.strip(), rest.splitlines()[1:])
    return [(pattern(then), pattern(now)) for _, then, now, _ in (row.split("|") for row in rows)]


def pattern(shown: str) -> re.Pattern[str]:
    """Give what a cell of that table matches."""
    return re.compile(".*".join(map(re.escape, shown.strip().split("…"))), re.DOTALL)


OTHER_WORDS = other_words()


def words(text: str | None) -> list[list[str]] | None:
    """Give a file as a set: its lines sorted, and the words of each, as dict order was chance."""
    if text is None:
        return None
    return sorted(sorted(re.split(r"[ ()]+", line)) for line in text.splitlines())


def blocks(text: str) -> list[str]:
    """Give the blocks of a file, sorted: order among interfaces was chance."""
    return sorted(re.split(r"\n(?=\n(?:# Label|config_))", text.rstrip("\n")))
