"""`co2 methods`: what can be called on a server, as it tells of itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

import click
from attrs import frozen
from rich.text import Text

from co2.app.cli.failing import FAULT
from co2.app.cli.output import brief, clean, console, say, show_json
from co2.app.cli.target import Target, Through, client_options, host_option

_AT_ONCE = 200
"""Methods that are asked about in one multicall; a server may take as few as 1,000 calls."""


@frozen
class Told:
    """What a server tells of one method."""

    name: str
    signature: Mapping[str, Any]
    help: str

    @property
    def line(self) -> str:
        """The call as one would write it."""
        if not self.signature:
            return ""
        returns = self.signature.get("returns", "any")
        return f"({', '.join(self._parameters())})" + ("" if returns == "any" else f" -> {returns}")

    def _parameters(self) -> Iterator[str]:
        signature = self.signature
        types, defaults = signature.get("types", {}), signature.get("args_d", {})
        for name in signature.get("args", ()):
            kind = types.get(name, "any")
            text = name if kind == "any" else f"{name}: {kind}"
            equals = "=" if kind == "any" else " = "
            if name in defaults:
                text += f"{equals}{brief(defaults[name])}"
            elif name in signature.get("optional", ()):
                text += f"{equals}…"
            yield text
        yield from (f"*{name}" for name in signature.get("args_v", ()))
        yield from (f"**{name}" for name in signature.get("args_kw", ()))

    def as_struct(self) -> dict[str, Any]:
        """Give what `--json` prints."""
        return {
            "name": self.name,
            "text": self.name + self.line,
            "signature": dict(self.signature),
            "help": self.help,
        }


@click.command()
@click.argument("pattern", default="*")
@host_option
@click.option("--verbose", "-v", is_flag=True, help="Print the whole help of each, and its level.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
@client_options
def methods(target: Target, pattern: str, host: str | None, verbose: bool, as_json: bool) -> None:
    """List the methods that match PATTERN, with signature and purpose.

    \b
    For example:
        co2 methods 'example.*'
        co2 methods -v relay.register
    """
    found = ask(target.behind(host), pattern)
    if as_json:
        show_json([one.as_struct() for one in found])
    else:
        for one in found:
            _show(one, verbose)
    if not found:
        say(f"no method matches {pattern!r}", error=True)
        raise SystemExit(FAULT)


def ask(server: Target | Through, pattern: str) -> list[Told]:
    """Ask a server about its methods whose names match a glob pattern."""
    listed = server.call("system.listMethods")
    names = [str(name) for name in listed] if isinstance(listed, list) else []
    names = [name for name in names if fnmatchcase(name, pattern)]
    told: list[Told] = []
    for start in range(0, len(names), _AT_ONCE):
        told.extend(_ask_about(server, names[start : start + _AT_ONCE]))
    return told


def _ask_about(server: Target | Through, names: list[str]) -> Iterator[Told]:
    asked = [
        {"methodName": method, "params": [name]}
        for name in names
        for method in ("co2.get_method_signature", "co2.get_method_help")
    ]
    answers = server.call("system.multicall", asked)
    if not isinstance(answers, list) or len(answers) != len(asked):
        answers = [None] * len(asked)
    for name, signature, text in zip(names, answers[::2], answers[1::2], strict=True):
        # A fault comes as a struct, an answer in a list. Servers of others tell no signatures.
        yield Told(name, _told(signature, {}), _told(text, ""))


def _told(answer: Any, otherwise: Any) -> Any:
    found = isinstance(answer, list) and answer and isinstance(answer[0], type(otherwise))
    return answer[0] if found else otherwise


def _show(told: Told, verbose: bool) -> None:
    to = console()
    name = Text(clean(told.name), style="bold").append(clean(told.line), style="not bold")
    with to.capture() as captured:
        to.print(name, soft_wrap=True)
    click.echo(captured.get(), nl=False)
    lines = told.help.splitlines()
    if verbose:
        lines.append(f"(level {told.signature.get('level', 'unknown')})")
    for line in lines if verbose else lines[:1]:
        say(f"    {line}".rstrip())
