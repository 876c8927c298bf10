"""Which credential is shown to which server."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import click
import pytest

from co2.app.cli.credential import find_server
from co2.model.hosts import Address

LOCAL = "http://127.0.0.1:2004/"


def make_state(folder: Path, role: str = "satellite", port: int = 2004, pid: int | None = None):
    """Write a state folder as a running server has it."""
    state = folder / "state" / f"{role}-{port}"
    state.mkdir(parents=True)
    (state / "admin.token").write_text(f"token-of-{role}\n")
    (state / "pid").write_text(f"{os.getpid() if pid is None else pid}\n")
    return state


def shown(folder: Path, url: str = LOCAL, token: str | None = None, state: Path | None = None):
    """Give the Authorization header."""
    return find_server(url, token, state, folder)[1]


def test_the_folder_of_a_running_server_is_found(tmp_path: Path):
    """In the folder that a server was started in, its admin token is shown to loopback."""
    make_state(tmp_path)
    assert shown(tmp_path) == b"Bearer token-of-satellite"
    assert shown(tmp_path, "http://localhost:2004") == b"Bearer token-of-satellite"


def test_a_server_that_has_ended_shows_nothing(tmp_path: Path):
    """The port may be another program's by now: its state folder is passed over."""
    make_state(tmp_path, pid=2**22 + 1)
    make_state(tmp_path, "relay")
    assert shown(tmp_path) == b"Bearer token-of-relay"


@pytest.mark.parametrize("url", ["http://192.0.2.1:2004/", "http://127.0.0.1:2005/"])
def test_other_servers_are_not_shown_the_token(tmp_path: Path, url: str):
    """Neither another machine nor another port gets the token that was found."""
    make_state(tmp_path)
    assert shown(tmp_path, url) is None


def test_an_unreadable_token_is_passed_over(tmp_path: Path):
    """Where the file is not there or not for us, loopback is level call."""
    (make_state(tmp_path) / "admin.token").unlink()
    assert shown(tmp_path) is None


def test_a_token_outranks_the_url_and_the_url_the_folder(tmp_path: Path):
    """The more explicit one counts; an empty token shows none."""
    state = make_state(tmp_path)
    url = "http://me:s%40crt@127.0.0.1:2004/"
    assert shown(tmp_path, url, "given", state) == b"Bearer given"
    assert shown(tmp_path, url, "", state) is None
    assert shown(tmp_path, url, None, state) == b"Basic " + base64.b64encode(b"me:s@crt")
    assert shown(Path("/nowhere"), LOCAL, None, state) == b"Bearer token-of-satellite"


def test_the_address_comes_from_the_url(tmp_path: Path):
    """Port 2004 is meant where the URL has none."""
    assert find_server("http://[2001:db8::1]", None, None, tmp_path)[0] == Address(
        "2001:db8::1", 2004
    )


@pytest.mark.parametrize("url", ["", "127.0.0.1:2004", "https://x/", "http://x:99999/", "http://["])
def test_a_url_that_is_none_is_a_usage_error(tmp_path: Path, url: str):
    """The text names the option."""
    with pytest.raises(click.BadParameter) as caught:
        shown(tmp_path, url)
    assert caught.value.param_hint == "--url"


@pytest.mark.parametrize("token", ["a b", "tökèn", "a\r\nX: y"])
def test_a_token_that_no_header_can_carry_is_a_usage_error(tmp_path: Path, token: str):
    """And the text does not repeat it."""
    with pytest.raises(click.BadParameter) as caught:
        shown(tmp_path, LOCAL, token)
    assert token not in caught.value.message


def test_a_state_folder_without_token_is_a_usage_error(tmp_path: Path):
    """What was asked for explicitly is not passed over."""
    with pytest.raises(click.BadParameter, match=r"admin\.token"):
        shown(tmp_path, LOCAL, None, tmp_path)
