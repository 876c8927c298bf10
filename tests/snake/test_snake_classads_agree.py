"""The ClassAds here against the real `classad2`, which answers from another process."""

import json

import pytest
from classad2_process import answer
from expressions import AD, TARGET, drawn
from witness import answers, needs_htcondor

from plugin.snake.classads import face

pytestmark = [pytest.mark.process, needs_htcondor]

VALUES = [
    '"a\\"b"', '"back\\\\slash"', '"ends in \\\\"', '"line\\nfeed"', '"tab\\t"',
    '"caf\u00e9 \u4f60\u597d"',
    "0", "-1", "4611686018427387904", "9223372036854775807", "-9223372036854775808",
    "0.0", "-0.0", "1.5", "2.5", "0.1", "1e300", "1.0e-5", "123456789.123", "100.0", '1e400',
    'real("NaN")', 'real("INF")', '-real("INF")', "true", "false", "undefined", "error",
    "{ 1, 2 }", "{}", '{ "a", { 2.0 }, [ b = 1 ] }', "[ a = 1; b = 2 ]", "[]", "[a=[b=[c={}]]]",
    'absTime("2020-01-01T00:00:00+01:00")', "relTime(3661)", "Memory > 1024 && Arch == \"X86_64\"",
    "a ? b : c", "a ?: b", "my.x + target.y", "'quoted name'", ".x", "f(1)", "a[0].b",
]  # fmt: skip


def compared(questions):
    """Give the questions whose answers differ, with both."""
    mine = [json.loads(json.dumps(answer(face, *question))) for question in questions]
    theirs = answers(questions)
    return [row for row in zip(questions, mine, theirs, strict=True) if row[1] != row[2]]


def test_a_thousand_expressions_mean_the_same():
    """Text and value of 1,000 expressions drawn by chance are those of the real classad2."""
    assert compared([[text, AD, TARGET] for text in drawn(1000)]) == []


def test_every_kind_of_value_means_the_same():
    """Every value that the wire can carry is read, shown and computed as by the real classad2."""
    assert compared([[text, "[x = 1; a = {1}]", "[y = 2]"] for text in VALUES]) == []


def test_what_is_no_expression_is_refused_by_both():
    """A text that the real classad2 refuses is refused here."""
    wrong = ["", "1 2", "a = 1", "(", "{1,}", "f(1", "1_a", "$x", "a b", "[a=1", '"open', "1e+"]
    assert compared([[text, "", ""] for text in wrong]) == []
    assert all(answer(face, text, "", "") is None for text in wrong)
