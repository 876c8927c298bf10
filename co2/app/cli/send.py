"""`co2 send`: one message to every satellite of a relay."""

from __future__ import annotations

import time
from typing import Any

import click

from co2.app.cli.arguments import read_value
from co2.app.cli.output import say, show_json
from co2.app.cli.target import Target, client_options, no_relay
from co2.app.cli.visiting import visiting


@click.command()
@click.argument("data")
@click.option("--topic", help="Dotted words that say what it is about.")
@click.option("--retain", is_flag=True, help="Let the network keep it for who comes later.")
@click.option("--json", "as_json", is_flag=True, help="Print the relay's answer as JSON.")
@client_options
def send(target: Target, data: str, topic: str | None, retain: bool, as_json: bool) -> None:
    """Send DATA to every satellite, and say how many that are.

    DATA is JSON where it can be read as JSON, else a string.

    \b
    For example:
        co2 send '{"lamp": 3}' --topic lights.stage
    """
    message: dict[str, Any] = {"data": read_value(data), "time": time.time()}
    if topic is not None:
        message["topic"] = topic
    if retain:
        message["retain"] = True
    with visiting(target, "co2 send") as proof:
        answer = target.call("relay.relay", {**message, **proof})
    if not isinstance(answer, dict):
        raise no_relay(target, "relay.relay")
    if as_json:
        show_json(answer)
        return
    count = answer.get("recipients")
    say(f"sent {answer.get('id')} to {count} satellite{'' if count == 1 else 's'}")
