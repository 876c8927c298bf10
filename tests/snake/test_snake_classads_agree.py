"""The ClassAds here against the real `classad2`, which answers from another process."""

import json

import pytest
from classad2_process import ask
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

CALLS = {
    "argsToList": [
        '"a b \'c d\'"', '""', '"a \'b\'\'c\' d"', "1", "undefined", "error", "", '"a  b\\tc"',
        '"\'open"', '"a b",1', '"a \'b c\'",1', '"a b",3', '"a b",0', '"a b",true', '"a","b","c"',
        '"a b",1.5', '"a b",undefined', '"a b","x"', '" a "', '"\'\' x"', '"a\'b c\'d"', '"a\\nb"',
        '"a\\rb\\vc\\fd"', '"\'a\'\'\'"', '"\'\'\'\'"', '"a\'\'b"', '"\\"a b\\""', '"a\\\\ b",1',
    ],
    "listToArgs": [
        '{"a","b c","d\'e","","f\\"g"}', "{}", "{1,2}", '"a"', "undefined", '{"a"},1', '{"a"},2',
        '{"a"},3', '{"a"},true', '{"a"},"x"', "{undefined}", "{error}", '{"a\\tb","c\\\\d"}', "",
        '{"a b"},1', '{""},1', '{"\'"},1', '{"a  b","a\' b","a \' b","a\'\'b"}', '{"a",{"b"}}',
    ],
    "envV1ToV2": [
        '"A=1;B=2"', '""', '"A=1 2;B=\'x\'"', '"A=\\"x y\\""', "1", "undefined", "error", '"A"', "",
        '"A=1;;B=2"', '"A=1","x"', '"B=2;A=1"', '"A=1;A=2"', '" A = 1 ; B=2"', '"=1"', '"A="',
        '"A=\\t1"', '"A=1\\nB=2"', '";"', '"A=1|B=2"', '"\\nA=1\\n;\\nB=1"', '"A=1\\t;B=2"',
    ],
    "mergeEnvironment": [
        '"A=1 B=2","B=3 C=4"', "", '"A=\'1 2\'","B=\'x\'\'y\'"', '"A=1",undefined,"B=2"', "1",
        '"A"',
        '"A=1",error', '"A=1","A="', '"A=\'"', '"=1"', '"\'A=1 2\'"', '"A=\'\'"', "undefined",
        '{"A=1"}', '"Z=1 a=1 aa=1 Y=1"', '"A=1\\nB=2"', '"A=1=2"', '"\\"A=1\\""',
    ],
    "userHome": [
        '"root"', '"nosuchuser"', '"nosuchuser","x"', "1", "undefined", 'undefined,"d"',
        '"root","d"',
        '""', '"nosuchuser",1', '1,"d"', '"root",1', 'error,"d"', '"nosuchuser",error', "{1}",
    ],
    "userMap": [
        '"m","u"', '"m","u","p"', '"m","u","p","d"', "1,2", '"m",undefined', '"m"', "", '"m",error',
        '"m","u",undefined,"d"', '"m","u","p",1', '"m","u","p",undefined', 'error,"u"', '"m",{1}',
        '"m","u",error,"d"', '"m","u","p",error', '"m","u","p","d","e"', '{1},"u"',
    ],
}  # fmt: skip
SHOWN = [
    "[]",
    "[zz=1;a=2;BB=3;aaa=4;AB=5;b_=1;B1=2;'two words'=3]",
    '[a="x\\"y\\n caf\u00e9 \\001\\b\\f\\r\\v /"; u=undefined; e=error; t=true]',
    "[r=0.1; s=1e-10; w=1e22; z=-0.0; p=1e15; q=1e16; n=0.00001; v=5e-324; h=100.0]",
    '[nan=real("NaN"); inf=real("INF"); low=-1.5e300]',
    "[a=[b=1;c={[d=1]}]; e={}; f=[]; l={1,{2,{}},[q=1;r={}]}; x={y,[q=z+1]}]",
    "[x={1}+2; y=f({1},[a=1]); z=(a?{}:[]); w={a,{b}}[0]]",
    "[v=[a=1].a; t={{{}}}; s=-{1}; q={1} ?: {2}]",
    '[at=absTime("2020-01-01T00:00:00+01:00"); n=[deep=[deeper=a+1]]]',
]
PARSED = {
    "Auto": [
        "[a=1]", "a=1\nb=2\n\nc=3", "  [a=1] [b=2]", "/* c */ [a=1]", "// c\n[a=1]", "", "  \n",
        "# c\na=1\n", "\n\na=1\n\n\nb=2\n", "[a=1]\n\n[b=2]\n", "[a=1;]", '[{"a":1}]',
        'a = "x\\"y"\nb = "c\\"',
    ],
    "Old": ["a=1\nb=2\n\nc=3", 'a = "\u2028\x0b"\nb = 1', "A = 1\na = 2"],
    "New": ["[a=1]", "[a=1][b=2]", "a=1", '{"a":1}'],
    "JSON": [
        '{"a": 1}', '{"a":1}{"b":2}', '{"a":1}\n{"b":2}', "", "[]", "  {} "[:0], '{"A":1,"a":2}',
        '{"a":null,"b":true,"c":1.5,"d":"x\\ny\\/","e":[1,{"z":2},null],"f":{}}', '{"a":1e3}',
        '{"a":"\\/Expr(x + 1)\\/"}', '{"a":"/Expr(x + 1)/"}', '{"a":"\\/Expr(\\"q\\")\\/"}',
        '{"two words":1}', '{"a":-5}', '{"a":[]}', '{"a":"x\ty"}', '{"a":"/Expr(x)/ y"}',
    ],
    "XML": [
        '<c><a n="x"><i>1</i></a></c>', '<c><a n="x"> <i> 1 </i> </a></c>',
        '<classads><c><a n="x"><i>1</i></a></c><c><a n="y"><s>q</s></a></c></classads>',
        '<?xml version="1.0"?>\n<!DOCTYPE classads SYSTEM "classads.dtd">\n<classads>\n<c>\n'
        '<a n="A"><i>-1</i></a><a n="R"><r>1.5</r></a><a n="S"><s>a&lt;b &amp; "c" </s></a>'
        '<a n="B"><b v="t"/></a><a n="F"><b v="f"/></a><a n="U"><un/></a><a n="E"><er/></a>'
        '<a n="L"><l><i>1</i><s>x</s></l></a><a n="C"><c><a n="z"><i>2</i></a></c></a>'
        '<a n="X"><e>a + 1 &lt; 2</e></a><a n="AT"><at>2020-01-01T00:00:00+01:00</at></a>'
        '<a n="RT"><rt>01:01:01</rt></a><a n="N"><r>NaN</r></a></c>\n</classads>\n',
        '<c><a n="x"><s></s></a></c>', '<c><a n="x"><s/></a></c>', '<c><a n="x"><r>INF</r></a></c>',
        '<c><a n="x"><s>\u00e9</s></a></c>', '<c><a n="x"><e>1 +</e></a></c>', "",
        '<c><a n="x"><i>1</i></a></c><c><a n="y"><i>2</i></a></c>', '<c><a n="x"><c></c></a></c>',
        '<c><a n="X"><i>1</i></a><a n="x"><i>2</i></a></c>',
        '<c><a n="x"><rt>-1+00:00:10</rt></a></c>',
    ],
}  # fmt: skip


def compared(questions):
    """Give the questions whose answers differ, with both."""
    mine = [json.loads(json.dumps(ask(face, *question))) for question in questions]
    theirs = answers(questions)
    return [row for row in zip(questions, mine, theirs, strict=True) if row[1] != row[2]]


def test_a_thousand_expressions_mean_the_same():
    """Text and value of 1,000 expressions drawn by chance are those of the real classad2."""
    assert compared([["answer", text, AD, TARGET] for text in drawn(1000)]) == []


def test_every_kind_of_value_means_the_same():
    """Every value that the wire can carry is read, shown and computed as by the real classad2."""
    assert compared([["answer", text, "[x = 1; a = {1}]", "[y = 2]"] for text in VALUES]) == []


def test_what_is_no_expression_is_refused_by_both():
    """A text that the real classad2 refuses is refused here."""
    wrong = ["", "1 2", "a = 1", "(", "{1,}", "f(1", "1_a", "$x", "a b", "[a=1", '"open', "1e+"]
    assert compared([["answer", text, "", ""] for text in wrong]) == []
    assert all(ask(face, "answer", text, "", "") is None for text in wrong)


@pytest.mark.parametrize("call", CALLS)
def test_functions_of_command_lines_environments_and_users_mean_the_same(call):
    """Every corner of quoting, of wrong types and of wrong counts of arguments."""
    arguments = CALLS[call]
    assert compared([["answer", f"{call}({given})", "", ""] for given in arguments]) == []


def test_ads_are_shown_alike():
    """`repr`, `str`, `printOld`, `printJson` and the order of names are those of the real one."""
    assert compared([["shown", text] for text in SHOWN]) == []


@pytest.mark.parametrize("syntax", PARSED)
def test_texts_are_parsed_alike(syntax):
    """Every syntax, several ads in a text, comments, merging; what is none is refused by both."""
    assert compared([["parsed", text, syntax] for text in PARSED[syntax]]) == []


def test_string_literals_are_unquoted_alike():
    """Escapes, literals side by side, and what is no string literal."""
    texts = ['"a"', '"\\n\\""', '""', ' "a" "b" ', "1", "a", '"a', '"a" + "b"', '"\\303\\251"']
    assert compared([["unquoted", text] for text in texts]) == []


# Differences that are meant, see docs/snake.md: what the original drops or garbles without a word.
@pytest.mark.parametrize(
    ("syntax", "text"),
    [
        ("JSON", '{"a" 1}'), ("JSON", '{"a": x}'), ("JSON", '{"a": 12345678901234567890}'),
        ("JSON", '{"a": "\\/Expr(1 +)\\/"}'), ("JSON", '{"a": 1'), ("JSON", "[1]"),
        ("JSON", '{"a": NaN}'), ("JSON", '{"a": "\\u0000"}'), ("JSON", "[" * 50_000),
        ("XML", '<c><a n="x"><i>z</i></a></c>'), ("XML", "<c><q>1</q></c>"), ("XML", "text<c>"),
        ("XML", '<c><a n="x"><i>1</i>'), ("XML", "<c><a><i>1</i></a></c>"), ("XML", "<d/>"),
        ("XML", '<!DOCTYPE c [<!ENTITY e "x">]><c><a n="x"><s>&e;</s></a></c>'),
        ("XML", "<c>" * 5000), ("New", "[a = 1"), ("New", "junk"),
    ],
)  # fmt: skip
def test_what_is_malformed_is_refused_here(syntax, text):
    """A text that is no ad raises, and is never dropped without a word."""
    with pytest.raises(face.ClassAdException):
        list(face.parseAds(text, face.ParserType[syntax]))


def test_json_and_xml_mean_what_they_say():
    """Where the original garbles, the standard decides."""
    (ad,) = face.parseAds('{"a": "\\u00e9\\ud83d\\ude00"}', face.ParserType.JSON)
    assert ad["a"] == "\u00e9\U0001f600"
    (ad,) = face.parseAds("<c><a n='x'><s>&quot;&#233;</s></a><!-- c --></c>", face.ParserType.XML)
    assert ad["x"] == '"\u00e9'
    assert face.parseNext("<c><a n='x'><l/></a></c>", face.ParserType.XML)["x"] == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('{"a": 1}', ["a"]), ('[{"a": 1}, {"b": 1}]', ["a", "b"]), ("[]", []),
        ('<c><a n="a"><i>1</i></a></c>', ["a"]), ("[a = 1] [b = 1]", ["a", "b"]),
        ("a = 1\n\nb = 1\n", ["a", "b"]), ("", []),
    ],
)  # fmt: skip
def test_the_syntax_of_a_file_is_found_out(text, names):
    """FileAuto tells all four syntaxes apart."""
    found = face.parseAds(text, face.ParserType.FileAuto)
    assert [name for ad in found for name in ad] == names


def test_a_file_is_read_ad_by_ad(tmp_path):
    """`parseNext` leaves a file behind the ad that it gave, as often as it is called."""
    for syntax, text in (
        ("Old", "a = 1\nb = 2\n\nc = \u00e9\n\n" * 2),
        ("New", "[a=1]\n [b=2][c=3]\n"),
    ):
        (tmp_path / syntax).write_text(text.replace("\u00e9", '"\u00e9"'))
        with (tmp_path / syntax).open() as file:
            found = []
            while (ad := face.parseNext(file)) is not None:
                found.append(list(ad))
        assert found == ([["a", "b"], ["c"]] * 2 if syntax == "Old" else [["a"], ["b"], ["c"]])
    with pytest.raises(TypeError):
        face.parseNext(["a = 1"])
