"""Which server a command talks to, and the options that say so."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from co2.app.cli.credential import find_server
from co2.errors import Denied, MethodNotFound, Unreachable
from co2.model.hosts import Address, HostId
from co2.net.client import Client

DEFAULT_URL = "http://127.0.0.1:2004/"
RELAYED_LONGER = 5.0
"""Seconds that the relay may take to say that a satellite did not answer in time."""

_HINT = (
    ". The co2 command shows it by itself in the folder that the server was started in; elsewhere "
    "give --state-dir or --token"
)

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Target:
    """A server, and what is shown to it.

    Args:
        address: where it listens.
        authorization: the value of the Authorization header, or None for none.
        timeout: seconds for one call.
    """

    def __init__(self, address: Address, authorization: bytes | None, timeout: float) -> None:
        self.address = address
        self.authorization = authorization
        self.timeout = timeout
        self._client = Client(address, authorization, timeout)

    def behind(self, host: str | None) -> Target | Through:
        """Give the satellite of that host_id or nick behind this relay; this server for None."""
        if host is None:
            return self
        longer = self.timeout + RELAYED_LONGER
        self._client = Client(self.address, self.authorization, longer)
        return Through(self, host)

    def call(self, method: str, *params: Any) -> Any:
        """Call a method of the server; raises what `Client.call` raises."""
        try:
            return self._client.call(method, *params)
        except Denied as error:
            if self.authorization is not None:
                raise
            raise Denied(error.text + _HINT) from None

    def ask_relay(self, method: str, *params: Any) -> Any:
        """Call a method that only relays have.

        Raises:
            MethodNotFound: this server is none; the text says what to do.
        """
        try:
            return self.call(method, *params)
        except MethodNotFound:
            raise MethodNotFound(
                f"{self.address} is no relay (it has no {method}): give the relay's --url"
            ) from None

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


class Through:
    """A satellite behind a relay, called by `relay.call`.

    Args:
        relay: the relay.
        host: the satellite's host_id or nick.
    """

    def __init__(self, relay: Target, host: str) -> None:
        self._relay = relay
        self._whom = {"host_id" if _is_host_id(host) else "nick": host}
        self._timeout = relay.timeout

    def call(self, method: str, *params: Any) -> Any:
        """Call a method of the satellite."""
        request = {"method": method, "params": list(params), "timeout": self._timeout}
        return self._relay.call("relay.call", {**self._whom, **request})


def no_relay(target: Target, method: str) -> Unreachable:
    """Give the error for an answer that no relay would give."""
    return Unreachable(
        f"{target.address} answers {method} with something else than a relay does: another "
        "program seems to listen there"
    )


def _is_host_id(text: str) -> bool:
    try:
        HostId.parse(text)
    except ValueError:
        return False
    return True


# -- options -----------------------------------------------------------------------------------


def client_options(command: Callable[Concatenate[Target, _P], _R]) -> Callable[..., _R]:
    """Give a command the options that say which server it talks to; it gets a `Target`."""

    @click.option(
        "--url", envvar="CO2_URL", show_envvar=True, default=DEFAULT_URL, show_default=True,
        help="The server; http://name:secret@host:port/ works, too.",
    )  # fmt: skip
    @click.option(
        "--token", envvar="CO2_TOKEN", show_envvar=True, help="A credential; '' shows none."
    )
    @click.option(
        "--state-dir", type=click.Path(path_type=Path),
        help="The server's state folder, to read the admin token from; found by itself in the "
        "folder that the server was started in.",
    )  # fmt: skip
    @click.option(
        "--timeout", type=click.FloatRange(0.001, 3600), default=30.0, show_default=True,
        help="Seconds to wait for an answer.",
    )  # fmt: skip
    @functools.wraps(command)
    def with_target(
        url: str,
        token: str | None,
        state_dir: Path | None,
        timeout: float,
        *args: _P.args,
        **rest: _P.kwargs,
    ) -> _R:
        target = Target(*find_server(url, token, state_dir, Path()), timeout)
        try:
            return command(target, *args, **rest)
        finally:
            target.close()

    return with_target


def host_option(command: Callable[_P, _R]) -> Callable[_P, _R]:
    """Give a command the option that names a satellite behind the relay."""
    return click.option(
        "--host", metavar="HOST_ID|NICK", help="Ask this satellite, through the relay at --url."
    )(command)
