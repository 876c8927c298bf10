"""The recordings of the originals, and what counts as equal to them.

Other recordings of the same kind are replayed by `CO2_GUEST_RECORDINGS=<folder>`, in which files
of these names stand in for those below tests/data/guest.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from guest.logarithm import private_key

OURS = Path(__file__).parent.parent / "data" / "guest"

#: Python 2's own words, or its cipher library's: the return code alone is compared.
FOREIGN_WORDS = re.compile(
    r"need more than|too many values|invalid literal for|long\(\) argument|unhashable type"
    r"|must be padded|object has no attribute|must be (a )?(str|unicode|string)|indices must be"
    r"|unpack|\[Errno|codec can't|not subscriptable|takes exactly|Incorrect padding|expected"
    r"|<urlopen error|unknown url type|HTTP Error|iterable"
)


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
    """Tell whether a message is as it was, or one that need not be."""
    return recorded == ours or bool(FOREIGN_WORDS.search(recorded))


def words(text: str | None) -> list[list[str]] | None:
    """Give a file as a set: its lines sorted, and the words of each, as dict order was chance."""
    if text is None:
        return None
    return sorted(sorted(re.split(r"[ ()]+", line)) for line in text.splitlines())


def blocks(text: str) -> list[str]:
    """Give the blocks of a file, sorted: order among interfaces was chance."""
    return sorted(re.split(r"\n(?=\n(?:# Label|config_))", text.rstrip("\n")))
