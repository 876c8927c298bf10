"""From `config.py` and options to checked, frozen `Settings`.

`config.py` is run by its path, in a namespace of its own, and is never imported. Every mistake is
collected, so that a user mends them all at once; a name that is no setting is one too, since it is
most likely misspelt. Names that begin with an underscore, modules, functions and classes are the
user's own business.
"""

from __future__ import annotations

import base64
import difflib
import re
import runpy
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any
from urllib.parse import unquote, urlsplit

import attrs

from co2.errors import SettingsError
from co2.model.hosts import Address, canonical_ip, is_loopback
from co2.model.settings import PeerSetting, RelaySetting, Retention, Settings, UpstreamSetting

DEFAULT_PORT = 2004
_FIELDS = {field.name: field for field in attrs.fields(Settings) if field.name != "role"}
_COLON = re.compile(r"(?<!\\):")

Check = Callable[[Any], Any]
"""Gives the value as `Settings` holds it, or raises ValueError with what it should be."""


def read_settings(role: str, path: Path | None, options: Mapping[str, Any]) -> Settings:
    """Read the settings of a server.

    Args:
        role: 'satellite' or 'relay'.
        path: the configuration file, or None for defaults.
        options: settings from the command line, which outrank the file.

    Raises:
        SettingsError: the text lists every mistake.
    """
    written = {**_run(path), **options}
    complaints: list[str] = []
    values: dict[str, Any] = {"role": role}
    for name, value in written.items():
        if name not in _FIELDS:
            complaints.append(_unknown(name))
            continue
        try:
            values[name] = _CHECKS[name](value)
        except ValueError as error:
            complaints.append(f"{name} = {value!r}: {error}")
    settings = _with_defaults(Settings(**values), written, path)
    complaints.extend(_contradictions(settings))
    if complaints:
        source = str(path) if path is not None else "the settings"
        raise SettingsError(f"{source}: " + "\n  ".join(["", *complaints]).lstrip())
    return settings


def listen_port(endpoint: str) -> int:
    """Give the port of an endpoint string; 0 if it has none of its own (unix, systemd)."""
    words = _COLON.split(endpoint)
    if words[0] in ("tcp", "tcp6", "ssl", "tls") and len(words) > 1:
        text = next((word[5:] for word in words if word.startswith("port=")), words[1])
        return int(text) if text.isdigit() else 0
    return 0


def listens_beyond_loopback(endpoint: str) -> bool:
    """Tell whether other machines could connect to an endpoint string."""
    words = _COLON.split(endpoint)
    if words[0] in ("unix", "systemd"):
        return False
    interface = next((word[10:] for word in words if word.startswith("interface=")), "")
    return not is_loopback(canonical_ip(interface.replace("\\", "")))


def parse_url(url: str) -> RelaySetting:
    """Read `http://name:secret@host:2004/`.

    Raises:
        ValueError: it is none.
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError("a URL like 'http://192.168.1.5:2004/' is needed")
    try:
        port = parts.port or DEFAULT_PORT
    except ValueError:
        raise ValueError("the port is no number from 1 to 65535") from None
    authorization = None
    if parts.username is not None or parts.password is not None:
        pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        authorization = b"Basic " + base64.b64encode(pair.encode())
    return RelaySetting(Address(canonical_ip(parts.hostname), port), authorization)


# -- reading -----------------------------------------------------------------------------------


def _run(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        variables = runpy.run_path(str(path))
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    except SyntaxError as error:
        raise SettingsError(f"{path}, line {error.lineno}: {error.msg}") from error
    except Exception as error:
        line = _line_in(error, str(path))
        raise SettingsError(f"{path}, line {line}: {type(error).__name__}: {error}") from error
    return {name: value for name, value in variables.items() if _is_setting(name, value)}


def _is_setting(name: str, value: Any) -> bool:
    own = name.startswith("_") or isinstance(value, ModuleType | FunctionType | type)
    return not own


def _line_in(error: BaseException, path: str) -> int:
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(name, _FIELDS, 1)
    meant = f"; did you mean {close[0]}?" if close else ""
    return f"{name} is no setting{meant} (a name of your own begins with an underscore)"


def _with_defaults(settings: Settings, written: Mapping[str, Any], path: Path | None) -> Settings:
    base = path.parent if path is not None else Path()
    changes: dict[str, Any] = {}
    if settings.role == "relay":
        changes.update(relay=None, plugin_list=(), peers=())
    if settings.state_dir is None:
        port = listen_port(settings.listen)
        changes["state_dir"] = base / "state" / f"{settings.role}-{port}"
    elif "state_dir" in written:
        changes["state_dir"] = base / settings.state_dir
    changes["plugin_dirs"] = tuple(base / folder for folder in settings.plugin_dirs)
    return settings.evolve(**changes)


def _contradictions(settings: Settings) -> list[str]:
    found = []
    if listens_beyond_loopback(settings.listen) and not settings.insecure:
        found.append(
            f"listen = {settings.listen!r} can be reached from other machines, and no credentials "
            "are configured: set insecure = True to give strangers the level call, or listen on "
            "interface=127.0.0.1"
        )
    if settings.listen.startswith("unix:") and settings.relay == "embedded":
        found.append(
            f"listen = {settings.listen!r} has no port at which its own relay could be reached: "
            "set relay = None or a URL, or listen on tcp"
        )
    return found


# -- checks ------------------------------------------------------------------------------------


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("a string is needed")
    return value


def _yes_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("True or False is needed")
    return value


def _number(least: float) -> Check:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= least:
            raise ValueError(f"a number of at least {least:g} is needed")
        return float(value)

    return check


def _count(least: int) -> Check:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"a whole number of at least {least} is needed")
        return value

    return check


def _words(value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, list | tuple):
        raise ValueError("a list of names is needed: ['one', 'two']")
    return tuple(_text(one) for one in value)


def _folder(value: Any) -> Path:
    if not isinstance(value, str | Path) or not str(value):
        raise ValueError("a folder's path is needed")
    return Path(value).expanduser()


def _folders(value: Any) -> tuple[Path, ...]:
    if isinstance(value, str | Path) or not isinstance(value, list | tuple):
        raise ValueError("a list of folders is needed: ['plugin']")
    return tuple(_folder(one) for one in value)


def _endpoint(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    text = _text(value)
    if text.isdigit():
        text = f"tcp:{text}:interface=127.0.0.1"
    kind = _COLON.split(text)[0]
    if kind not in ("tcp", "tcp6", "unix", "systemd"):
        raise ValueError(
            "a Twisted endpoint is needed, like 'tcp:2004:interface=127.0.0.1' or 'unix:/run/co2'"
        )
    if kind in ("tcp", "tcp6") and not 0 <= listen_port(text) <= 65535:
        raise ValueError("the port is no number from 0 to 65535")
    return text


def _relay(value: Any) -> str | RelaySetting | None:
    if value is None or value == "embedded":
        return value  # type: ignore[no-any-return]  # just tested
    if value in ("none", "None", ""):
        return None
    try:
        return parse_url(_text(value))
    except ValueError as error:
        raise ValueError(f"'embedded', None or a URL is needed: {error}") from None


def _peers(value: Any) -> tuple[PeerSetting, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError("a list of pairs is needed: [('http://host:2004/', 'secret')]")
    found = []
    for one in value:
        if not isinstance(one, list | tuple) or len(one) != 2:
            raise ValueError(f"{one!r} is no pair of URL and secret")
        secret = _text(one[1])
        if len(secret) < 16:
            raise ValueError("a peer's secret has at least 16 characters: draw it at random")
        found.append(PeerSetting(parse_url(_text(one[0])).address, secret))
    return tuple(found)


def _upstream(value: Any) -> tuple[UpstreamSetting, ...]:
    return tuple(UpstreamSetting(one.address, one.secret) for one in _peers(value))


def _retention(value: Any) -> Retention:
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise ValueError("three numbers are needed: (seconds, messages, bytes)")
    age, entries, size = value
    return Retention(_number(1)(age), _count(1)(entries), _count(1024)(size))


_CHECKS: dict[str, Check] = {
    "listen": _endpoint,
    "relay": _relay,
    "peers": _peers,
    "plugin_list": _words,
    "plugin_dirs": _folders,
    "state_dir": _folder,
    "nick": _text,
    "maintainer": _text,
    "maintainer_email": _text,
    "insecure": _yes_no,
    "hosts": _words,
    "allow_untokened": _yes_no,
    "trust_relay_admin": _yes_no,
    "lease": _number(0.1),
    "ping_interval": _number(0.1),
    "forget_after": _number(1),
    "max_sats": _count(1),
    "message_rate": _number(0.001),
    "message_burst": _count(1),
    "retention": _retention,
    "upstream": _upstream,
    "send_timeout": _number(0.1),
    "receive_timeout": _number(0.1),
    "max_body": _count(1024),
    "max_connections": _count(2),
    "stop_timeout": _number(0),
}
