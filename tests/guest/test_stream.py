"""The stream of QEMU's protocol: in any pieces the same values, and JSON as Python reads it."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from guest.scripts import MALFORMED
from plugin.guest.qga import base64s
from plugin.guest.qga.stream import BadJson, JsonStream
from plugin.guest.qga.text import encode

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(value=st.dictionaries(st.text(max_size=5), VALUES, max_size=4), plain=st.booleans())
def test_json_is_read_as_python_reads_it(value: object, plain: bool) -> None:
    """Escaped or in UTF-8, on one line or over several."""
    text = json.dumps(value, ensure_ascii=plain, indent=None if plain else 1)
    assert JsonStream().feed(text.encode("utf-8", "surrogatepass") + b"\n") == [value]


@given(value=VALUES)
def test_what_is_written_is_read(value: object) -> None:
    """Our own text gives the value again."""
    assert json.loads(encode(value)) == value


@given(st.lists(st.sampled_from(MALFORMED) | st.binary(max_size=12), max_size=6), st.data())
def test_pieces_do_not_matter(lines: list[bytes], data: st.DataObject) -> None:
    """However the bytes come, the values and errors are the same."""
    raw = b"".join(lines)
    whole = JsonStream().feed(raw + b"\xff{}\n")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    pieces = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    stream, found = JsonStream(), []
    for piece in [*pieces, b"\xff{}\n"]:
        found += stream.feed(piece)
    assert repr(found) == repr(whole)


def test_deep_and_large_requests_are_refused() -> None:
    """Ten thousand brackets are one error, and the stream goes on after them."""
    stream = JsonStream()
    found = stream.feed(b"[" * 10_000 + b"\n" + b"]" * 10_000 + b"\n")
    assert found[0] == BadJson("JSON nesting depth limit exceeded")
    assert stream.feed(b'\xff{"a": 1}\n')[-1] == {"a": 1}


@given(st.binary(max_size=40))
def test_base64_comes_back(data: bytes) -> None:
    """What is encoded is decoded."""
    assert base64s.decode(base64s.encode(data)) == data
