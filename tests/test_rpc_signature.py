"""How a method's signature is shown: to a person, to co2, to any XML-RPC client."""

from __future__ import annotations

import enum
from collections.abc import Iterator

from co2.rpc.signature import Signature


class Colour(enum.Enum):
    RED = "red"


def fade(lamp: int, seconds: float = 1.0) -> bool:
    return True


def seed(param_dict):
    return param_dict


def test_the_text_is_what_a_person_would_write():
    """Types without modules, short defaults, and no x_."""

    thing = object()

    def x_play(
        track, volume: float = 0.5, *more: int, mode: Colour = Colour.RED, on=None, at=thing, **k
    ) -> Iterator[str]:
        yield ""

    assert Signature.of(x_play).text == (
        "play(track, volume: float = 0.5, *more: int, mode: Literal['red'] = 'red', on=None,"
        " at=..., **k) -> Iterator[str]"
    )
    assert Signature.of(fade, name="stage.fade").text.startswith("stage.fade(lamp")


def test_the_struct_holds_what_a_form_or_stub_needs():
    """Names, defaults that can travel, what is optional, types and the result."""

    def method(a, b: int = 1, c: str | None = None, *more, d: Colour = Colour.RED, **rest) -> bool:
        return True

    assert Signature.of(method).as_struct() == {
        "args": ["a", "b", "c", "d"],
        "args_d": {"b": 1, "d": "red"},
        "optional": ["b", "c", "d"],
        "args_v": ["more"],
        "args_kw": ["rest"],
        "types": {"a": "any", "b": "int", "c": "str | None", "d": "Literal['red']"},
        "returns": "bool",
    }


def test_the_standard_rows_tell_of_shorter_calls():
    """One row for each number of arguments that a call may have, the longest first."""
    assert Signature.of(fade).as_rows() == [["boolean", "int", "double"], ["boolean", "int"]]
    assert Signature.of(seed).as_rows() == [["any", "any"]]

    def by_name(*, lamp: int) -> None:
        return None

    assert Signature.of(by_name).as_rows() == [["nil", "struct"]]
