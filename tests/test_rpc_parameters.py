"""Reading a method's parameters from its function."""

from __future__ import annotations

import enum
from functools import partial
from typing import TYPE_CHECKING

import pytest

from co2.errors import InvalidParams
from co2.model.calls import Caller
from co2.rpc.signature import Signature

if TYPE_CHECKING:
    from nowhere import Absent


class Colour(enum.Enum):
    RED = "red"


def fade(lamp: int, seconds: float = 1.0) -> bool:
    return True


def fitted(function, *params, skip_caller=False):
    """Bind and call, as dispatch does."""
    args, names = Signature.of(function, skip_caller).bind(params)
    return args, names


def refusal(function, *params):
    with pytest.raises(InvalidParams) as caught:
        Signature.of(function).bind(params)
    return caught.value.text


def test_an_annotation_out_of_reach_spoils_no_other():
    """A name imported for type checkers only checks nothing; its neighbours are checked."""

    def method(absent: Absent, lamp: int) -> Absent:
        return absent

    assert fitted(method, object, 1) == ((object, 1), {})
    assert refusal(method, 1, "x").startswith("lamp must be int")
    assert Signature.of(method).text == "method(absent: Absent, lamp: int) -> Absent"


def test_an_annotation_that_is_no_type_checks_nothing():
    """Old code annotates with anything."""

    def method(lamp, name):
        return lamp

    method.__annotations__.update(lamp=[1], name="1/0")
    assert fitted(method, 1, 2) == ((1, 2), {})


def test_methods_partials_and_callable_objects_are_read():
    """A signature is that of what remains to be given."""

    class Lamp:
        def fade(self, seconds: float) -> None:
            return None

        def __call__(self, level: Colour) -> None:
            return None

    assert Signature.of(Lamp().fade).text == "fade(seconds: float) -> None"
    assert Signature.of(Lamp()).text == "Lamp(level: Literal['red']) -> None"
    assert fitted(partial(fade, 1), {"seconds": 2}) == ((2.0,), {})


def test_what_has_no_signature_takes_everything():
    """Some builtins cannot be read; they are called with what came."""
    assert fitted(dict.fromkeys, [1], 2) == (([1], 2), {})
    assert fitted(iter, {"a": 1}) == (({"a": 1},), {})


def test_the_caller_is_not_the_wires_business():
    """A method that gets the Caller shows and binds its other parameters only."""

    def method(caller: Caller, lamp: int) -> None:
        return None

    signature = Signature.of(method, skip_caller=True)
    assert signature.text == "method(lamp: int) -> None"
    assert signature.bind((1,)) == ((1,), {})
