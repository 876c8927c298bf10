"""Topics and their patterns: dotted words, `*` for one word, `>` for one or more at the end."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LONGEST = 255
_WORD = re.compile(r"[^.*>\s]+\Z")
_MOST_PATTERNS = 1000


def check_topic(topic: object) -> str | None:
    """Give a message's topic back, or say why it is none.

    Raises:
        ValueError: it is not dotted words, or too long.
    """
    if topic is None:
        return None
    if not isinstance(topic, str) or not 0 < len(topic) <= _LONGEST:
        raise ValueError(f"a topic is a string of 1 to {_LONGEST} characters: dotted words")
    if not all(_WORD.match(word) for word in topic.split(".")):
        raise ValueError(f"{topic!r} is not dotted words (without *, > and white space)")
    return topic


def check_pattern(pattern: object) -> str:
    """Give a pattern back, or say why it is none.

    Raises:
        ValueError: it is not dotted words, `*` for one of them, `>` for the rest.
    """
    if not isinstance(pattern, str) or not 0 < len(pattern) <= _LONGEST:
        raise ValueError(f"a pattern is a string of 1 to {_LONGEST} characters: 'lights.*'")
    words = pattern.split(".")
    for index, word in enumerate(words):
        last = index == len(words) - 1
        if not (_WORD.match(word) or word == "*" or (word == ">" and last)):
            raise ValueError(f"{pattern!r} is not dotted words, with * for one and > at the end")
    return pattern


class TopicFilter:
    """Which topics somebody wants.

    Args:
        patterns: what is wanted; None is everything, messages without a topic included, and an
            empty list nothing.

    Raises:
        ValueError: one is no pattern, or there are too many.
    """

    def __init__(self, patterns: Iterable[str] | None) -> None:
        self.patterns: tuple[str, ...] | None
        self.patterns = None if patterns is None else tuple(check_pattern(one) for one in patterns)
        if self.patterns is not None and len(self.patterns) > _MOST_PATTERNS:
            raise ValueError(f"more than {_MOST_PATTERNS} patterns")
        self._exact = frozenset(
            one for one in self.patterns or () if "*" not in one and ">" not in one
        )
        others = [one for one in self.patterns or () if one not in self._exact]
        self._others = re.compile("|".join(map(_expression, others))) if others else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TopicFilter) and self.patterns == other.patterns

    def __hash__(self) -> int:
        return hash(self.patterns)

    @property
    def takes_everything(self) -> bool:
        """Whether nothing is left out, messages without a topic included."""
        return self.patterns is None

    def matches(self, topic: str | None) -> bool:
        """Tell whether a message of that topic is wanted."""
        if self.patterns is None:
            return True
        if topic is None:
            return False
        if topic in self._exact:
            return True
        return self._others is not None and self._others.fullmatch(topic) is not None


def union(filters: Iterable[TopicFilter]) -> TopicFilter:
    """Give what any of them wants."""
    patterns: list[str] = []
    for one in filters:
        if one.patterns is None:
            return TopicFilter(None)
        patterns.extend(one.patterns)
    return TopicFilter(dict.fromkeys(patterns))


def _expression(pattern: str) -> str:
    words = []
    for word in pattern.split("."):
        if word == "*":
            words.append(r"[^.]+")
        elif word == ">":
            words.append(r".+")
        else:
            words.append(re.escape(word))
    return r"\.".join(words)
