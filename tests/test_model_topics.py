"""co2.model.topics: dotted words and what patterns take, against a matcher that cannot be wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from co2.model.topics import TopicFilter, check_pattern, check_topic, union

words = st.sampled_from(["a", "b", "lights", "é", "$x", "a+", "(", "[b]", "\\d"])
topics = st.lists(words, min_size=1, max_size=4).map(".".join)
patterns = st.tuples(
    st.lists(st.one_of(words, st.just("*")), max_size=3), st.sampled_from(["", "a", "*", ">"])
).map(lambda two: ".".join([*two[0], two[1]] if two[1] else two[0] or ["*"]))


def takes(pattern: str, topic: str) -> bool:
    """Tell word by word whether a pattern takes a topic."""
    wanted, given_ = pattern.split("."), topic.split(".")
    if wanted[-1] == ">":
        return len(given_) >= len(wanted) and all(
            one in ("*", word) for one, word in zip(wanted[:-1], given_, strict=False)
        )
    return len(wanted) == len(given_) and all(
        one in ("*", word) for one, word in zip(wanted, given_, strict=True)
    )


@given(st.lists(patterns, max_size=5), topics)
def test_a_filter_takes_what_any_of_its_patterns_takes(several, topic):
    """As word by word."""
    expected = any(takes(pattern, topic) for pattern in several)
    assert TopicFilter(several).matches(topic) is expected


@given(st.lists(st.lists(patterns, max_size=3), max_size=3), topics)
def test_a_union_takes_what_any_takes(several, topic):
    """And nothing else; of nothing it takes nothing."""
    filters = [TopicFilter(one) for one in several]
    assert union(filters).matches(topic) is any(one.matches(topic) for one in filters)


def test_without_patterns_everything_is_wanted():
    """Messages without a topic only then."""
    assert TopicFilter(None).matches(None)
    assert TopicFilter(None).takes_everything
    assert not TopicFilter([">"]).matches(None)
    assert not TopicFilter([]).matches("a")
    assert union([TopicFilter(["a"]), TopicFilter(None)]).takes_everything
    assert union([]).patterns == ()


@pytest.mark.parametrize(
    "topic", ["", ".", "a.", ".a", "a..b", "a.*", ">", "a b", "a\n", 5, "x" * 256]
)
def test_what_is_no_topic_is_refused(topic):
    """Nor is a pattern one."""
    with pytest.raises(ValueError, match=r"topic|dotted"):
        check_topic(topic)


@pytest.mark.parametrize("pattern", ["", "a.", "a*", ">.a", "a.>.b", ">>", "a b", None, "x" * 256])
def test_what_is_no_pattern_is_refused(pattern):
    """A star stands for a whole word, and `>` at the end."""
    with pytest.raises(ValueError, match=r"pattern|dotted"):
        check_pattern(pattern)


def test_patterns_are_bounded_in_number():
    """A registration cannot make every message expensive."""
    with pytest.raises(ValueError, match="1000"):
        TopicFilter(f"t{number}" for number in range(1001))
