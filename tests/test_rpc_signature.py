"""What arguments a method takes: reading, binding and showing its signature."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

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


# --- what can be read -----------------------------------------------------------------------------


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


# --- showing --------------------------------------------------------------------------------------


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
