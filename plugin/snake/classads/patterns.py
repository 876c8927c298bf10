"""Regular expressions of strangers, which must not take for ever.

How it works. Python's matcher tries one way after the other, and has no limit to set. A repeated
group that repeats or chooses inside takes exponential time: such a pattern is none. What is left
takes at most as many steps as there are ways to share the text among its repetitions, which is
estimated before each search.
"""

from __future__ import annotations

import math
import re

_PART = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(|\)|\||[*+]|\{\d*,\d*\}", re.DOTALL)
"""What matters of a pattern: escapes and sets are passed over, groups and repetitions count."""
_MAX_LENGTH = 1000
_MAX_WAYS = 10_000_000
"""Ways to share a text among repetitions that are still tried; about a third of a second."""
_STEP = 100
"""Ways that are a step of an evaluation."""


class Pattern:
    """A pattern whose cost is known.

    Args:
        compiled: the pattern.
        choices: how many numbers are to be chosen in a search: where the match begins, and how
            often each part repeats.
    """

    def __init__(self, compiled: re.Pattern[str], choices: int) -> None:
        self.search = compiled.search
        self._choices = choices

    @classmethod
    def of(cls, text: str, flags: re.RegexFlag) -> Pattern | None:
        """Make one of a text; None where it is no pattern, or one that may run away."""
        repetitions = _repetitions(text) if len(text) <= _MAX_LENGTH else None
        if repetitions is None:
            return None
        try:
            begins_anywhere = not text.startswith("^") or "|" in text
            return cls(re.compile(text, flags), repetitions + begins_anywhere)
        except (re.error, OverflowError, RecursionError):
            return None

    def is_quick(self, text: str) -> bool:
        """Tell whether a search in a text takes a bounded time."""
        return self._ways(text) <= _MAX_WAYS

    def cost(self, text: str) -> int:
        """Give the steps of a search; none where it is not quick, and so not done."""
        ways = self._ways(text)
        return ways // _STEP if ways <= _MAX_WAYS else 0

    def _ways(self, text: str) -> int:
        return math.comb(len(text) + self._choices, self._choices)


def _repetitions(text: str) -> int | None:
    """Count the unbounded repetitions; None if one stands around a choice or another one."""
    count, behind, ended = 0, 0, False
    groups = [False]
    for part in _PART.finditer(text):
        sign = part.group()
        repeats = sign in "*+" or sign.startswith("{")
        if repeats and ended and part.start() == behind:
            return None
        ended = False
        if sign == "(":
            groups.append(False)
        elif sign == ")" and len(groups) > 1:
            ended = groups.pop()
            groups[-1] = groups[-1] or ended
        elif sign == "|" or repeats:
            groups[-1] = True
            count += repeats
        behind = part.end()
    return count
