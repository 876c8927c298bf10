"""Fitting the values of a call to a method's parameters."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

import pytest

from co2.errors import InvalidParams
from co2.model.calls import Caller
from co2.rpc.signature import Signature


class Colour(enum.Enum):
    RED = "red"


def fade(lamp: int, seconds: float = 1.0) -> bool:
    return True


def seed(param_dict):
    return param_dict


def fitted(function, *params, skip_caller=False):
    """Bind and call, as dispatch does."""
    args, names = Signature.of(function, skip_caller).bind(params)
    return args, names


def refusal(function, *params):
    with pytest.raises(InvalidParams) as caught:
        Signature.of(function).bind(params)
    return caught.value.text


# --- one argument whole ---------------------------------------------------------------------------


@pytest.mark.parametrize("annotation", [dict, dict[str, int], Mapping[str, Any], Any, object])
def test_a_mapping_typed_parameter_gets_the_struct_whole(annotation):
    """The seed's dict arrives as it is, whatever names are in it."""

    def method(data):
        return data

    method.__annotations__["data"] = annotation
    struct = {"data": 1, "other": 2}
    assert fitted(method, struct) == ((struct,), {})


def test_an_unannotated_parameter_gets_the_argument_whole():
    """A 2003 plugin's one parameter takes the struct, or any other single value."""
    assert fitted(seed, {"a": 1}) == (({"a": 1},), {})
    assert fitted(seed, "name") == (("name",), {})


def test_a_whole_argument_is_one():
    """None at all or two are refused, and the text holds the signature."""
    text = refusal(seed)
    assert text == "one argument is wanted, 0 were given; the signature is seed(param_dict)"
    assert "2 were given" in refusal(seed, 1, 2)


def test_a_whole_argument_with_a_default_may_be_left_out():
    """Then the method runs with its default."""

    def method(options: dict | None = None):
        return options

    assert fitted(method) == ((), {})
    assert fitted(method, None) == ((None,), {})
    assert fitted(method, {"x": 1}) == (({"x": 1},), {})


def test_a_whole_argument_is_checked_inside():
    """The path in the text leads to the value that does not fit."""

    def method(levels: dict[str, list[int]]):
        return levels

    text = refusal(method, {"stage": [1, "x"]})
    assert text.startswith("levels.stage[1] must be int, not str; the signature is method(levels:")


def test_a_single_keyword_only_parameter_takes_the_struct_whole():
    """It is one parameter, and mapping-typed."""

    def method(*, options: dict):
        return options

    assert fitted(method, {"a": 1}) == ((), {"options": {"a": 1}})


# --- in order -------------------------------------------------------------------------------------


def test_values_bind_in_order():
    """Positional values go to the parameters as they stand; defaults stay Python's business."""
    assert fitted(fade, 3) == ((3,), {})
    assert fitted(fade, 3, 2.5) == ((3, 2.5), {})


def test_an_int_is_taken_for_a_float_and_a_bool_for_no_number():
    """What people write for seconds is 2; what they write for lamp is not True."""
    args, _ = fitted(fade, 3, 2)
    assert args == (3, 2.0)
    assert type(args[1]) is float
    assert refusal(fade, True).startswith("lamp must be int, not bool;")


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ((), "lamp is missing"),
        (("x",), "lamp must be int, not str"),
        ((1, 2.0, 3), "at most 2 arguments are wanted, 3 were given"),
        (({"lamp": 1, "secs": 2},), "'secs' is no parameter"),
        (({"secs": 2},), "lamp is missing, 'secs' is no parameter"),
        (({},), "lamp is missing"),
        (({"lamp": 1, "seconds": "x"},), "seconds must be float, not str"),
        ((None,), "lamp must be int, not nil"),
    ],
)
def test_what_does_not_fit_is_told_with_the_signature(params, problem):
    """Unknown, missing and wrong are InvalidParams, naming the parameter."""
    shown = "fade(lamp: int, seconds: float = 1.0) -> bool"
    assert refusal(fade, *params) == f"{problem}; the signature is {shown}"


def test_a_long_strange_name_is_shown_short_and_escaped():
    """A name from the wire cannot flood or garble the text."""
    text = refusal(fade, {"lamp": 1, "\n" + "x" * 500: 1})
    assert "\n" not in text
    assert len(text) < 200


def test_extra_values_go_to_the_rest():
    """*args takes what is left, checked by its annotation."""

    def method(first: str, *rest: int):
        return first, rest

    assert fitted(method, "a", 1, 2) == (("a", 1, 2), {})
    assert refusal(method, "a", 1, "x").startswith("rest[1] must be int, not str")
    assert fitted(method, {"first": "a"}) == (("a",), {})


def test_a_method_of_nothing_but_rest_takes_structs_as_values():
    """There is no name that a struct could bind to."""

    def method(*values):
        return values

    assert fitted(method, {"a": 1}) == (({"a": 1},), {})
    assert fitted(method) == ((), {})


def test_no_parameters_take_nothing_or_an_empty_struct():
    """A 2003 client sends a struct to everything."""

    def method():
        return None

    assert fitted(method) == ((), {})
    assert fitted(method, {}) == ((), {})
    assert refusal(method, {"a": 1}).startswith("'a' is no parameter; the signature is method()")
    assert refusal(method, 1).startswith("at most 0 arguments")


# --- by name --------------------------------------------------------------------------------------


def test_a_single_struct_binds_by_name():
    """In any order, with defaults where a name is left out."""
    assert fitted(fade, {"seconds": 2, "lamp": 1}) == ((1, 2.0), {})
    assert fitted(fade, {"lamp": 1}) == ((1, 1.0), {})


def test_keyword_only_parameters_are_given_by_name():
    """They cannot bind in order, and the text says how they can."""

    def method(lamp: int, *, colour: Colour, dim: bool = False):
        return lamp

    assert fitted(method, {"lamp": 1, "colour": "red"}) == (
        (1,),
        {"colour": Colour.RED, "dim": False},
    )
    assert refusal(method, 1).startswith("colour is missing (it is given by name")
    assert refusal(method, {"lamp": 1}).startswith("colour is missing;")


def test_positional_only_parameters_have_names_on_the_wire():
    """What Python binds in order only, a struct may still name."""

    def method(lamp: int, seconds: float = 1.0, /) -> None:
        return None

    assert fitted(method, {"lamp": 1, "seconds": 2.0}) == ((1, 2.0), {})


def test_other_names_go_to_kwargs_but_not_the_servers_own():
    """**kwargs takes any name except those that the server fills."""

    def method(caller: Caller, lamp: int, **others: float) -> None:
        return None

    assert fitted(method, {"lamp": 1, "a": 2}, skip_caller=True) == ((1,), {"a": 2.0})
    for name in ("caller", "self"):
        with pytest.raises(InvalidParams, match=f"'{name}' is no parameter"):
            Signature.of(method, skip_caller=True).bind(({"lamp": 1, name: 2},))
    with pytest.raises(InvalidParams, match=r"others\['a'\] must be float, not str"):
        Signature.of(method, skip_caller=True).bind(({"lamp": 1, "a": "x"},))


def test_nil_is_taken_where_it_is_the_default():
    """`lamp: int = None` may be called with the None that it has anyway."""

    def method(name: str, lamp: int = None):  # noqa: RUF013  # what people write
        return lamp

    assert fitted(method, "a", None) == (("a", None), {})


def test_what_needs_no_converting_is_the_calls_own_tuple():
    """The quick way makes nothing anew, and the slow way gives the same."""
    params = (3, 2.5)
    args, _ = fitted(fade, *params)
    assert Signature.of(fade).bind(params)[0] is params
    assert args == fitted(fade, {"lamp": 3, "seconds": 2.5})[0]
