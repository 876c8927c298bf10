"""What arguments a method takes and what it gives: bound by, and shown in three forms.

Reads the function once (`parameters`), compiles the function that every call is bound by
(`binding`), and renders itself for a person, for co2 and for XML-RPC clients of any kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

from co2.errors import InvalidParams
from co2.rpc.binding import Bind, binder_of
from co2.rpc.parameters import EMPTY, Parameters, read_parameters
from co2.rpc.typenames import describe, wire_type


class Signature:
    """A method's parameters and result.

    Args:
        name: as it stands in the texts.
        parameters: of the method.
        returns: the resolved annotation of the result.

    Attributes:
        bind: gives `(args, kwargs)` for a call's positional values, a tuple; raises InvalidParams
            with the signature in the text where they do not fit.
    """

    def __init__(self, name: str, parameters: Parameters, returns: Any = EMPTY) -> None:
        self.name = name
        self.parameters = parameters
        self.returns = returns
        self.bind: Bind = binder_of(parameters, self.refuse)

    @classmethod
    def of(
        cls, function: Callable[..., Any], skip_caller: bool = False, name: str = ""
    ) -> Signature:
        """Read the signature of a function.

        Args:
            function: anything callable; of what has no readable signature every value is taken.
            skip_caller: the first parameter is the `Caller`, which is not the wire's business.
            name: how texts call it; else the function's own name, without the `x_`.
        """
        own = getattr(function, "__name__", type(function).__name__)
        return cls(name or own.removeprefix("x_"), *read_parameters(function, skip_caller))

    @cached_property
    def text(self) -> str:
        """The signature for a person: `fade(lamp: int, seconds: float = 1.0) -> bool`."""
        result = "" if self.returns is EMPTY else f" -> {describe(self.returns)}"
        return f"{self.name}({', '.join(self._written())}){result}"

    def __str__(self) -> str:
        return self.text

    def _written(self) -> Iterator[str]:
        parameters = self.parameters
        yield from map(str, parameters.positional)
        if parameters.rest is not None:
            yield f"*{parameters.rest}"
        elif parameters.keyword:
            yield "*"
        yield from map(str, parameters.keyword)
        if parameters.others is not None:
            yield f"**{parameters.others}"

    def as_struct(self) -> dict[str, Any]:
        """Give the struct that `co2.get_method_signature` answers, without `level`."""
        named, rest, others = self.parameters.named, self.parameters.rest, self.parameters.others
        defaults = {one.name: one.wire_default for one in named if one.optional}
        return {
            "args": [one.name for one in named],
            "args_d": {name: value for name, value in defaults.items() if value is not EMPTY},
            "optional": list(defaults),
            "args_v": [] if rest is None else [rest.name],
            "args_kw": [] if others is None else [others.name],
            "types": {one.name: one.type for one in named},
            "returns": describe(self.returns),
        }

    def as_rows(self) -> list[list[str]]:
        """Give the rows of `system.methodSignature`: `[result, parameter…]`, longest first."""
        result = wire_type(self.returns)
        if any(not one.optional for one in self.parameters.keyword):
            return [[result, "struct"]]
        positional = self.parameters.positional
        types = [wire_type(one.annotation) for one in positional]
        fewest = sum(not one.optional for one in positional)
        return [[result, *types[:count]] for count in range(len(types), fewest - 1, -1)]

    def refuse(self, problem: str) -> InvalidParams:
        """Give the fault for a call that does not fit."""
        return InvalidParams(f"{problem}; the signature is {self.text}")
