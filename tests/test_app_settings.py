"""Tests of `co2.app.settings`: what a user may write, and what they are told when it is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from co2.app.settings import (
    listen_port,
    listens_beyond_loopback,
    parse_url,
    read_settings,
)
from co2.errors import SettingsError
from co2.model.hosts import Address
from co2.model.settings import RelaySetting, Retention, Settings

ROOT = Path(__file__).parent.parent
FIELDS = [field for field in attrs.fields(Settings) if field.name != "role"]


def complaint(text: str, tmp_path: Path, role: str = "satellite") -> str:
    """Give what is said about a configuration file with that text."""
    file = tmp_path / "config.py"
    file.write_text(text)
    with pytest.raises(SettingsError) as raised:
        read_settings(role, file, {})
    return raised.value.text


def read(text: str, tmp_path: Path, **options: Any) -> Settings:
    """Give the settings of a configuration file with that text."""
    file = tmp_path / "config.py"
    file.write_text(text)
    return read_settings("satellite", file, options)


def test_the_shipped_config_holds_the_defaults() -> None:
    """The commented `config.py`, with every line taken in, gives the defaults, and all of them."""
    lines = (ROOT / "config.py").read_text().splitlines()
    taken = [
        line.removeprefix("# ")
        for line in lines
        if line.startswith("# ") and any(line.startswith(f"# {one.name} = ") for one in FIELDS)
    ]
    # What is shown of these is an example: nobody has others by default.
    examples = {"peers", "upstream"}
    variables: dict[str, Any] = {}
    for line in taken:
        name, _, value = line.partition(" = ")
        # The first of several examples is the default.
        if name not in variables and name not in examples:
            variables[name] = eval(value)
    assert set(variables) | examples == {one.name for one in FIELDS}
    given = read_settings("satellite", None, {k: v for k, v in variables.items() if v is not None})
    assert given == read_settings("satellite", None, {})


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: str(field.name))
def test_every_setting_is_documented_as_it_is(field: Any) -> None:
    """The table of docs/settings.md has each setting with its default, unit and reason."""
    rows = [
        line
        for line in (ROOT / "docs/settings.md").read_text().splitlines()
        if line.startswith(f"| `{field.name}` |")
    ]
    assert len(rows) == 1
    _, _, default, unit, why, taken, _ = (cell.strip() for cell in rows[0].split(" | ".strip()))
    written = eval(default.strip("`"))
    assert _plain(written) == _plain(field.default)
    assert unit == field.metadata["unit"]
    assert why == field.metadata["why"]
    assert taken == ("now" if field.metadata["live"] else "at restart")


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Retention):
        return [value.age, value.entries, value.size]
    return str(value) if isinstance(value, Path) else value


def test_options_outrank_the_file(tmp_path: Path) -> None:
    """What the command line says counts more than what the file says."""
    settings = read("nick = 'file'\nlease = 5", tmp_path, nick="option")
    assert (settings.nick, settings.lease) == ("option", 5.0)


def test_folders_are_relative_to_the_file(tmp_path: Path) -> None:
    """A server finds its plugins and state wherever it is started from."""
    settings = read("plugin_dirs = ['mine']\nlisten = 2005", tmp_path)
    assert settings.plugin_dirs == (tmp_path / "mine",)
    assert settings.state_dir == tmp_path / "state" / "satellite-2005"


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    """A user mends a file in one go."""
    text = complaint("lease = 'long'\nmax_sats = 0\nleese = 3\nrelay = 'ftp://x'", tmp_path)
    assert "lease = 'long': a number" in text
    assert "max_sats = 0: a whole number" in text
    assert "leese is no setting; did you mean lease?" in text
    assert "relay = 'ftp://x': 'embedded', None or a URL" in text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("listen = 'carrier pigeon'", "a Twisted endpoint is needed"),
        ("listen = 'tcp:99999:interface=127.0.0.1'", "no number from 0 to 65535"),
        ("listen = ['tcp:1']", "a string is needed"),
        ("relay = 'http://host:0x/'", "'embedded', None or a URL"),
        ("relay = 3", "a string is needed"),
        ("peers = 'http://a/'", "a list of pairs"),
        ("peers = [('http://a/',)]", "no pair of URL and secret"),
        ("peers = [('http://a/', 'short')]", "at least 16 characters"),
        ("plugin_list = 'example'", "a list of names"),
        ("plugin_dirs = 'plugin'", "a list of folders"),
        ("plugin_dirs = ['']", "a folder's path"),
        ("state_dir = 3", "a folder's path"),
        ("insecure = 'yes'", "True or False"),
        ("lease = True", "a number"),
        ("lease = float('nan')", "a number"),
        ("max_body = 12", "at least 1024"),
        ("nick = None", "a string is needed"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_needed(line: str, said: str, tmp_path: Path) -> None:
    """Each setting says what it takes."""
    assert said in complaint(line, tmp_path)


def test_listening_beyond_loopback_needs_a_word(tmp_path: Path) -> None:
    """Nobody opens a machine to the network without saying so."""
    assert "insecure = True" in complaint("listen = 'tcp:2004'", tmp_path)
    assert read("listen = 'tcp:2004'\ninsecure = True", tmp_path).insecure


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lease = (", "line 1"),
        ("import math\nlease = 1 / 0", "line 2: ZeroDivisionError"),
        ("raise SystemError('x')", "line 1: SystemError: x"),
    ],
)
def test_a_file_that_is_no_python_is_told_with_its_line(
    text: str, said: str, tmp_path: Path
) -> None:
    """A mistake in the file names its line, and shows no traceback."""
    told = complaint(text, tmp_path)
    assert said in told
    assert "Traceback" not in told


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """`--config` with a file that is not there names it."""
    with pytest.raises(SettingsError, match="No such file"):
        read_settings("satellite", tmp_path / "none.py", {})


def test_names_of_ones_own_are_left_alone(tmp_path: Path) -> None:
    """Modules, functions, classes and names with an underscore are no settings."""
    text = "import os\n_mine = 3\ndef helper(): pass\nclass Thing: pass\nnick = 'n' * _mine"
    assert read(text, tmp_path).nick == "nnn"


def test_a_relay_has_no_relay_and_no_plugins() -> None:
    """A relay's settings cannot make it a satellite."""
    settings = read_settings("relay", None, {"relay": "embedded"})
    assert (settings.relay, settings.plugin_list, settings.peers) == (None, (), ())


def test_a_url_gives_address_and_credential() -> None:
    """What stands before the @ is shown to the relay, decoded."""
    assert parse_url("http://localhost/") == RelaySetting(Address("127.0.0.1", 2004), None)
    with_name = parse_url("http://me:p%40ss@192.168.1.5:99/")
    assert with_name.address == Address("192.168.1.5", 99)
    assert with_name.authorization == b"Basic bWU6cEBzcw=="
    assert "cEBzcw" not in repr(with_name)


@pytest.mark.parametrize(
    ("endpoint", "port", "beyond"),
    [
        ("tcp:2004:interface=127.0.0.1", 2004, False),
        ("tcp:port=2004:interface=127.0.0.9", 2004, False),
        ("tcp:2004", 2004, True),
        ("tcp6:2004:interface=\\:\\:1", 2004, False),
        ("tcp6:2004:interface=\\:\\:", 2004, True),
        ("tcp:0:interface=0.0.0.0", 0, True),
        ("unix:/run/co2", 0, False),
        ("systemd:domain=INET:name=co2", 0, False),
    ],
)
def test_endpoints_are_understood(endpoint: str, port: int, beyond: bool) -> None:
    """The port names the state folder, and reachability decides what is allowed."""
    assert listen_port(endpoint) == port
    assert listens_beyond_loopback(endpoint) is beyond
