"""`classads`: the ad as a mapping, the two syntaxes, and the bounds of evaluation."""

import copy
import pickle
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as some

from plugin.snake.cedar.values import MessageReader, MessageWriter
from plugin.snake.classads import face
from plugin.snake.classads.face import ClassAd, ClassAdException, ExprTree, Value

TEXT = some.text(some.characters(exclude_characters="\0", exclude_categories=["Cs"]))
NAMES = some.sampled_from(["a", "b_1", "_", "is", "true", "two words", "it's"])
REALS = some.floats(allow_nan=False, allow_infinity=False)
PLAIN = some.one_of(some.booleans(), some.integers(-(2**63), 2**63 - 1), REALS, TEXT)
VALUES = some.recursive(
    PLAIN,
    lambda inside: some.one_of(
        some.lists(inside, max_size=4),
        some.dictionaries(NAMES, inside, max_size=4),
    ),
    max_leaves=8,
)


def plain(value):
    """Give ads as dicts."""
    if isinstance(value, ClassAd):
        return {name: plain(value[name]) for name in value}
    return [plain(item) for item in value] if isinstance(value, list) else value


@given(VALUES.filter(lambda value: "E+308" not in repr(ClassAd({"v": value}))))
def test_any_value_survives_the_new_syntax(value):
    """What an ad holds is what is read back from its text, reals to 15 digits."""
    ad = ClassAd({"v": value})
    assert repr(ClassAd(repr(ad))) == repr(ad)


def ends_in_a_backslash(value, inner=False):
    """Tell whether a text within a list or an ad does: the old syntax cannot say that."""
    if isinstance(value, str):
        return inner and value.endswith("\\")
    items = value.values() if isinstance(value, dict) else value
    return isinstance(value, dict | list) and any(ends_in_a_backslash(item, True) for item in items)


@given(VALUES.filter(lambda value: not ends_in_a_backslash(value)))
def test_any_value_survives_the_wire(value):
    """What an ad holds is what comes out of a message, exactly."""
    ad = ClassAd({"v": value})
    for sized in (False, True):
        writer = MessageWriter(sized)
        writer.ad(ad.attributes)
        reader = MessageReader(writer.take(), sized)
        found = ClassAd.of(reader.ad())
        reader.end()
        assert plain(found["v"]) == plain(ad["v"])


@given(some.text(max_size=40))
def test_no_text_does_more_than_be_refused(text):
    """Whatever the text, it is read or refused with a ClassAdException."""
    for read in (ExprTree, ClassAd, lambda one: list(face.parseAds(one)), face.unquote):
        try:
            read(text)
        except ClassAdException:
            continue


@pytest.mark.parametrize("text", ["inf", "-inf", "nan"])
def test_reals_that_are_no_numbers_travel_as_expressions(text):
    """As in the original they are calls of `real`, which give them back."""
    writer = MessageWriter()
    writer.ad(ClassAd({"v": float(text)}).attributes)
    found = ClassAd.of(MessageReader(writer.take()).ad())
    assert repr(found.eval("v")) == text


def test_names_are_case_insensitive_and_keep_their_case():
    """The first spelling stays."""
    ad = ClassAd("[A = 1]")
    ad["a"] = 2
    assert (ad["A"], list(ad), "a" in ad, len(ad)) == (2, ["A"], True, 1)
    del ad["a"]
    with pytest.raises(KeyError):
        ad["a"]
    with pytest.raises(TypeError):
        ad[1]


def test_python_values_become_expressions_and_back():
    """None, dicts, lists, times; expressions stay expressions."""
    ad = ClassAd({"n": None, "d": {"x": 1}, "l": [1, (2,)], "e": ExprTree("x + 1")})
    ad["t"] = datetime(2020, 1, 1, tzinfo=UTC)
    assert ad["n"] is Value.Undefined
    assert (plain(ad["d"]), ad["l"]) == ({"x": 1}, [1, [2]])
    assert ad["t"] == datetime(2020, 1, 1, tzinfo=UTC)
    assert str(ad["e"]) == "x + 1"
    assert ad.lookup("n") == ExprTree("undefined")


@pytest.mark.parametrize("value", [2**63, "a\0b", object(), {1j}])
def test_what_no_ad_can_hold_is_refused_at_once(value):
    """Too large, with a NUL, or of no type that there is."""
    with pytest.raises((OverflowError, ValueError, TypeError)):
        ClassAd({"v": value})


def test_ads_match_each_other():
    """`matches` asks the other's requirements, `symmetricMatch` both."""
    machine = ClassAd('[Memory = 1024; Requirements = TARGET.Owner == "ann"]')
    job = ClassAd('[Owner = "Ann"; RequestMemory = 512; Requirements = Memory >= RequestMemory]')
    assert machine.matches(job)
    assert machine.symmetricMatch(job)
    job["RequestMemory"] = 4096
    assert not machine.matches(job)
    assert not machine.matches(ClassAd())


def test_references_and_flattening():
    """What an ad has and lacks of an expression, and what is left of it."""
    ad, tree = ClassAd("[a = 2]"), ExprTree("a * 3 + b + target.c")
    assert (ad.internalRefs(tree), ad.externalRefs(tree)) == (["a"], ["b", "target.c"])
    assert str(ad.flatten(ExprTree("(a * 3) + b"))) == "6 + b"
    assert str(ExprTree("a + 1").simplify(ad)) == "3"


def test_old_syntax_of_files():
    """Lines, comments, blank lines between ads; a backslash is an ordinary character."""
    text = '# c\nA = "x\\y"\nB = "say \\"hi\\""\n\nC = "end\\"\n'
    first, second = face.parseAds(text)
    assert (first["A"], first["B"], second["C"]) == ("x\\y", 'say "hi"', "end\\")
    assert face.parseOne(text)["C"] == "end\\"
    assert face.parseNext("[a = 1][b = 2]") == ClassAd("[a = 1]")
    assert first.printOld() == 'A = "x\\y"\nB = "say \\"hi\\""\n'
    assert face.unquote(face.quote('a"\n')) == 'a"\n'
    assert '"A": "x' in first.printJson()


def test_ads_are_copied_and_pickled_by_their_text():
    """`pickle` and `copy` give an equal ad."""
    ad = ClassAd("[a = 1; b = [c = a]]")
    assert pickle.loads(pickle.dumps(ad)) == ad == copy.copy(ad)
    assert ad != ClassAd("[a = 1.0]")


def test_evaluation_is_bounded():
    """Doubling definitions, endless recursion, huge strings and runaway patterns are ERROR."""
    doubling = "; ".join(f"a{n} = a{n + 1} + a{n + 1}" for n in range(60))
    assert ClassAd(f"[{doubling}; a60 = 1]").eval("a0") is Value.Error
    chain = "; ".join(f"a{n} = a{n + 1}" for n in range(5000))
    assert ClassAd(f"[{chain}; a5000 = 1]").eval("a0") is Value.Error
    strings = "; ".join(f"a{n} = strcat(a{n + 1}, a{n + 1})" for n in range(12))
    assert ClassAd(f'[{strings}; a12 = "{"x" * 1000}"]').eval("a0") is Value.Error
    assert ExprTree(f'regexp("(a+)+$", "{"a" * 60}b")').eval() is Value.Error
    assert ExprTree('eval("eval(\\"1\\")")').eval() == 1


def _many(text, count):
    return f"sum({{{','.join([text] * count)}}})"


HOLDING_UP = {
    "long texts are compared": _many("long == longer", 9000),
    "a long list is searched": _many("member(0, numbers)", 9000),
    "a long text is looked for in a list": _many("member(long, words)", 9000),
    "attributes of many operators": _many("sums", 9000),
    "searches": _many('regexp("a.*a.*b", text)', 6000),
    "searches in a list": _many('regexpMember("a.*a.*b", texts)', 6000),
    "an ad is written": _many("strcmp(MY, MY)", 9000),
    "a list that a function made": _many('member("x", split(commas))', 6000),
    "words": _many('stringListMember("x", commas)', 9000),
    "versions": _many("versioncmp(long, long)", 9000),
    "texts that are read": _many("eval(ones)", 9000),
    "a long separator": "size(join(long, numbers))",
    "many references": 'size(regexps("^x+", long, references))',
}


@pytest.fixture(scope="module")
def large():
    """An ad whose attributes are large."""
    long = "x" * 500_000
    attributes = {"long": long, "longer": long + "y", "numbers": list(range(1, 20_000))}
    attributes |= {"words": ["y"] * 20_000, "text": "a" * 300, "texts": ["a" * 100] * 200}
    attributes |= {"commas": "a," * 200_000, "ones": "1+1," * 9000}
    attributes |= {"sums": ExprTree(_many("1+1", 9000)), "references": "\\0" * 200_000}
    return ClassAd(attributes)


@pytest.mark.parametrize("expression", HOLDING_UP.values(), ids=HOLDING_UP)
def test_work_is_bounded_however_large_the_data(large, expression):
    """What took minutes, or all memory, is ERROR after a part of a second."""
    tree = ExprTree(expression)
    start = time.process_time()
    assert tree.eval(large) is Value.Error
    assert time.process_time() - start < 10


def test_work_that_is_large_and_not_too_large_is_done(large):
    """Once over a long list, a long text, and some thousand operators."""
    assert ExprTree("member(19999, numbers)").eval(large) is True
    assert ExprTree("size(long) + size(strcat(text, text))").eval(large) == 500_600
    assert ExprTree("long == longer").eval(large) is False
    assert ExprTree(_many("2 * 3 + 1", 9000)).eval() == 63_000
    assert ExprTree('regexp("^(.*)a(.*)$", text)').eval(large) is True
    assert ExprTree('size(split(strcat("a,", "b,", "c")))').eval() == 3


def test_depth_is_bounded():
    """A text nested too deep is refused, not a crash."""
    for opening, closing in ("()", "{}"):
        with pytest.raises(ClassAdException, match="deeper"):
            ExprTree(opening * 5000 + "1" + closing * 5000)
    with pytest.raises(ClassAdException):
        ExprTree("-" * 5000 + "1")


def test_integers_that_do_not_fit_are_refused():
    """The original reads them as 0; here nothing is made up."""
    assert ExprTree("-9223372036854775808").eval() == -(2**63)
    for text in ("9223372036854775808", "-9223372036854775809", "9" * 9000):
        with pytest.raises(ClassAdException, match="64 bits"):
            ExprTree(text)


def test_an_expression_is_bounded_in_words():
    """Operators that would hold everybody up are refused; a long text is one word."""
    with pytest.raises(ClassAdException, match="longer than"):
        ExprTree("1+" * 60_000 + "1")
    assert len(ExprTree('"' + "x\\n" * 500_000 + '"').eval()) == 1_000_000


def test_ads_one_after_the_other_are_read_in_linear_time():
    """Each is read up to its end, and what stands behind it is not looked at."""
    start = time.process_time()
    assert sum(1 for _ in face.parseAds("[a = 1; b = 2]\n" * 20_000)) == 20_000
    assert time.process_time() - start < 60
    assert repr(face.parseNext("[a = 1] $")) == "[ a = 1 ]"


RUNAWAY = ("((a+)b?)+$", "(a|a)*$", "(a*)*", "(?:a+,?){2,}", "((a|b))+x")


@pytest.mark.parametrize("pattern", RUNAWAY)
def test_patterns_that_may_run_away_are_errors(pattern):
    """A repeated group that repeats or chooses inside, however deep."""
    assert ExprTree(f'regexp("{pattern}", "aaa")').eval() is Value.Error


def test_searches_that_would_take_too_long_are_errors():
    """Many repetitions over a long text; the same pattern is fine for a short one."""
    for function in ('regexp("{}", "{}")', 'regexps("{}", "{}", "x")'):
        assert ExprTree(function.format(".*.*.*.*b", "a" * 5000)).eval() is Value.Error
    assert ExprTree('stringList_regexpMember(".*.*.*b", "{}")'.format("a" * 5000)).eval() is (
        Value.Error
    )
    assert ExprTree('regexpMember(".*.*.*b", {{"b", "{}"}})'.format("a" * 5000)).eval() is True
    assert ExprTree('regexp("^(.*)@(.*)[.](.*)[.](.*)$", "slot1@node17.cs.example.org")').eval()
    assert ExprTree('regexp("[(+*]+(x|y)\\\\(", "((x(")').eval()
