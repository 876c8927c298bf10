"""`co2 call`: any method, with arguments as they are typed."""

from __future__ import annotations

import re

import click

from co2.app.cli.arguments import read_arguments
from co2.app.cli.output import show, show_json
from co2.app.cli.target import Target, client_options, host_option

_NUMBER = re.compile(r"-[0-9.]")


class _WithNumbers(click.Command):
    """Lets `-5` be an argument, and a mistyped option none."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; what begins with '-' and is neither an option nor a number is refused."""
        ended = "--" in args
        rest = super().parse_args(ctx, args)
        words = ctx.params.get("arguments") or ()
        wrong = [word for word in words if word.startswith("-") and not _NUMBER.match(word)]
        if wrong and not ended:
            raise click.NoSuchOption(wrong[0], ctx=ctx)
        return rest


@click.command(cls=_WithNumbers, context_settings={"ignore_unknown_options": True})
@click.argument("method")
@click.argument("arguments", nargs=-1, metavar="[ARG]...", type=click.UNPROCESSED)
@host_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as one line of JSON.")
@client_options
def call(
    target: Target, method: str, arguments: tuple[str, ...], host: str | None, as_json: bool
) -> None:
    """Call METHOD and print its result.

    An ARG is JSON where it can be read as JSON, else a string; name=value ones bind by name.

    \b
    For example:
        co2 call example.example.greet world
        co2 call example.example.fade lamp=3 seconds=0.5
        co2 call test '{"a": [1, 2.5, true]}' --json
    """
    params = read_arguments(arguments)
    result = target.behind(host).call(method, *params)
    (show_json if as_json else show)(result)
