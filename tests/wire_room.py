"""What the tests of co2/wire share: values, documents spelled in many ways, and their damage."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# A machine that is busy with something else makes no test fail.
unhurriedly = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
thoroughly = settings(unhurriedly, max_examples=500)

SHRUBBERY: dict[str, Any] = {
    "host_id": "124571645@127.0.0.1:2004",
    "data": [1, 2, 3, "shrubbery", {"john": "cleese"}, 0.815],
}

_FORBIDDEN = [chr(code) for code in (*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF)]
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=_FORBIDDEN))
whole_seconds = st.datetimes(
    min_value=datetime(1900, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)
).map(lambda moment: moment.replace(microsecond=0, fold=0))

scalars = (
    st.integers(-(2**63), 2**63 - 1)
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
    | st.binary()
    | whole_seconds
    | st.none()
)


def nested(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Lists and dicts of those leaves."""
    return st.recursive(
        leaves,
        lambda inside: st.lists(inside, max_size=4) | st.dictionaries(texts, inside, max_size=4),
        max_leaves=12,
    )


values = nested(scalars)


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are equal in type too: `1`, `1.0` and `True` differ, as do zeros."""
    return repr(one) == repr(other)


def call(inside: str | bytes, method: str = "notify") -> bytes:
    """A methodCall whose one value is written as `inside`."""
    if isinstance(inside, str):
        inside = inside.encode()
    return (
        b"<methodCall><methodName>" + method.encode() + b"</methodName><params><param>"
        b"<value>" + inside + b"</value></param></params></methodCall>"
    )


def reply(inside: str) -> bytes:
    """A methodResponse whose value is written as `inside`."""
    return (
        f"<methodResponse><params><param><value>{inside}</value></param></params></methodResponse>"
    ).encode()


_spaces = st.sampled_from(["", "", "", "\n", " ", "\r\n", "\t", "\r"])


_TEXT_PIECES = (
    "x é € \U0001f40d \ufffe > ]] ]]> & < &amp; &lt; &gt; &quot; &apos; &#13; &#x20AC; &#65;"
    " &amp;lt; <![CDATA[<&]]> <!--c--> <?p?> &#0; &no; &lt &#xD800;"
)


@st.composite
def _spelled_text(draw: st.DrawFn) -> str:
    pieces = st.sampled_from([*_TEXT_PIECES.split(" "), " ", "\n", "\r", "\r\n", "\x1b", "\x85"])
    return "".join(draw(st.lists(pieces, max_size=5)))


@st.composite
def _spelled_scalar(draw: st.DrawFn) -> str:
    tag = draw(st.sampled_from(["int", "i4", "i8", "i1", "i2", "ex:i8", "double", "boolean"]))
    number = draw(
        st.integers(-(2**33), 2**33).map(str)
        | st.floats().map(repr)
        | st.sampled_from(["0", "1", "-0", "+5", "007", " 3 ", "1.", ".5", "1e999", "", "-", "1_0"])
        | st.sampled_from(["2147483647", "2147483648", "-2147483648", "-2147483649", "٣"])
    )
    return f"<{tag}>{number}</{tag}>"


@st.composite
def _spelled_other(draw: st.DrawFn) -> str:
    coded = base64.b64encode(draw(st.binary(max_size=8))).decode()
    return draw(
        st.sampled_from(
            [
                "<nil/>",
                "<nil></nil>",
                "<ex:nil/>",
                "<string/>",
                "<struct/>",
                "<array><data/></array>",
                f"<base64>{coded}</base64>",
                f"<base64>{coded[:3]}\n{coded[3:]}</base64>",
                "<base64>=AA=</base64>",
                "<dateTime.iso8601>20031117T14:08:55</dateTime.iso8601>",
                "<dateTime.iso8601>20030229T14:08:55</dateTime.iso8601>",
                "<dateTime.iso8601>20031117T14:08:55.000007</dateTime.iso8601>",
                "<dateTime.iso8601>20031117T14:08:55.000000</dateTime.iso8601>",
                "<dateTime.iso8601>20031117T14:08:55.25</dateTime.iso8601>",
                "<dateTime.iso8601>2003-11-17T14:08:55.5+01:00</dateTime.iso8601>",
                "<nope>1</nope>",
            ]
        )
    )


@st.composite
def _spelled_value(draw: st.DrawFn, inside: str) -> str:
    return f"<value>{inside}</value>{draw(_spaces)}"


@st.composite
def _spelled_array(draw: st.DrawFn, items: st.SearchStrategy[str]) -> str:
    space = draw(_spaces)
    return f"<array>{space}<data>{space}{''.join(draw(st.lists(items, max_size=3)))}</data></array>"


@st.composite
def _spelled_struct(draw: st.DrawFn, items: st.SearchStrategy[str]) -> str:
    space = draw(_spaces)
    members = [
        f"<member>{space}<name>{name}</name>{space}{draw(items)}</member>{space}"
        for name in draw(
            st.lists(st.sampled_from(["data", "b", "c", "é", "a&amp;b", ""]), max_size=3)
        )
    ]
    return f"<struct>{space}{''.join(members)}</struct>{space}"


_typed_texts = _spelled_text().map(lambda text: f"<string>{text}</string>")
_spelled = st.recursive(
    (_spelled_scalar() | _spelled_text() | _typed_texts | _spelled_other()).flatmap(_spelled_value),
    lambda inside: (_spelled_array(inside) | _spelled_struct(inside)).flatmap(_spelled_value),
    max_leaves=10,
)


_HEADS = [
    "",
    '<?xml version="1.0"?>',
    "<?xml version='1.0'?>\n",
    '<?xml version="1.0" ?>',
    '<?xml version="1.0" encoding="UTF-8"?>\r\n',
    '<?xml version="1.0" encoding="utf-8" standalone="yes"?>',
    "<!-- c -->",
    "\n",
]


@st.composite
def spelled_calls(draw: st.DrawFn) -> bytes:
    """Documents of every spelling, right and wrong ones, most of them nearly usual."""
    space = draw(_spaces)
    head = draw(st.sampled_from(_HEADS))
    params = [
        f"<param>{space}{draw(_spelled)}</param>{space}" for _ in range(draw(st.integers(0, 2)))
    ]
    tail = draw(st.sampled_from(["", "", "", "\n", "<!-- c -->", "x", "<a/>"]))
    return (
        f"{head}<methodCall>{space}<methodName>relay.relay</methodName>{space}"
        f"<params>{space}{''.join(params)}</params>{space}</methodCall>{tail}"
    ).encode()


_PIECES = [
    b"<value>",
    b"</value>",
    b"<",
    b">",
    b"&",
    b";",
    b"\x00",
    b"\xff",
    b"]]>",
    b"<!DOCTYPE a>",
]
_PIECES += [
    b"<struct>",
    b"</struct>",
    b"<int>",
    b"<nil/>",
    b"\r",
    b" ",
    b"1",
    b"</param>",
    b"<a b='c'/>",
]


@st.composite
def damaged(draw: st.DrawFn, documents: st.SearchStrategy[bytes]) -> bytes:
    """Documents in which a few stretches are cut out, doubled, or replaced."""
    document = draw(documents)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(document)))
        end = draw(st.integers(start, min(len(document), start + 12)))
        piece = draw(
            st.sampled_from([*_PIECES, b"", document[start:end] * 2]) | st.binary(max_size=3)
        )
        document = document[:start] + piece + document[end:]
    return document
