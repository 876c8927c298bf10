"""Where a server is, and which credential a command shows it.

A credential comes from `--token`, else from the URL (`http://name:secret@host:2004/`), else from
the folder of `--state-dir`, else, where the URL is loopback's, from the state folder that a server
runs from in the folder where the command was given. That last one is used only while the process
that its `pid` names is alive: the port may be another program's by now, and it shall not get it.
"""

from __future__ import annotations

import os
from pathlib import Path

import click

from co2.app.settings import parse_url
from co2.model.hosts import Address, is_loopback

_ROLES = ("satellite", "relay")


def find_server(
    url: str, token: str | None, state_dir: Path | None, folder: Path
) -> tuple[Address, bytes | None]:
    """Say where a server is, and what to show it.

    Args:
        url: as given.
        token: as given; '' shows nothing.
        state_dir: as given.
        folder: where the command was given.

    Raises:
        click.BadParameter: one of them cannot be used.
    """
    try:
        server = parse_url(url)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--url") from None
    if token is not None:
        return server.address, _bearer(token) if token else None
    if server.authorization is not None:
        return server.address, server.authorization
    if state_dir is not None:
        return server.address, _bearer(_read_token(state_dir))
    if is_loopback(server.address.ip):
        return server.address, _find_token(folder, server.address.port)
    return server.address, None


def _bearer(token: str) -> bytes:
    if not token.isascii() or not token.isprintable() or " " in token:
        raise click.BadParameter(
            "a token is made of visible ASCII characters", param_hint="--token"
        )
    return b"Bearer " + token.encode()


def _read_token(state_dir: Path) -> str:
    try:
        return (state_dir / "admin.token").read_text("latin-1").strip()
    except OSError as error:
        raise click.BadParameter(
            f"{state_dir / 'admin.token'}: {error.strerror}", param_hint="--state-dir"
        ) from None


def _find_token(folder: Path, port: int) -> bytes | None:
    for role in _ROLES:
        state = folder / "state" / f"{role}-{port}"
        if _is_held(state):
            try:
                return _bearer(_read_token(state))
            except click.BadParameter:
                continue
    return None


def _is_held(state: Path) -> bool:
    try:
        os.kill(int((state / "pid").read_text()), 0)
    except PermissionError:
        return True
    except (OSError, ValueError, OverflowError):
        return False
    return True
