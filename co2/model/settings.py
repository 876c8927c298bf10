"""The settings of a server, checked and frozen. `app.settings` reads and checks them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attrs import evolve, field, frozen

from co2.model.hosts import Address


@frozen
class Retention:
    """What a journal keeps: `age` in seconds, `entries`, `size` in bytes."""

    age: float
    entries: int
    size: int


@frozen
class UpstreamSetting:
    """One of `upstream`: a relay that this one joins, and the credential that it shows there."""

    address: Address
    secret: str = field(repr=False)


@frozen
class PeerSetting:
    """One of `peers`: a satellite that is sent to without a relay between."""

    address: Address
    secret: str = field(repr=False)


@frozen
class RelaySetting:
    """Where the relay is, and what to show it: the value of an Authorization header, or None."""

    address: Address
    authorization: bytes | None = field(default=None, repr=False)


def _setting(default: Any, unit: str, why: str, live: bool = False) -> Any:
    return field(default=default, metadata={"unit": unit, "why": why, "live": live})


@frozen
class Settings:
    """Every setting. The metadata of each field say its unit, why it is there, and whether a
    running server takes a change (`live`); `docs/settings.md` is held to them by a test.
    """

    role: str = "satellite"
    listen: str = _setting(
        "tcp:2004:interface=127.0.0.1", "endpoint", "where to listen; loopback unless you say more"
    )
    relay: str | RelaySetting | None = _setting(
        "embedded", "'embedded', URL or None", "what passes messages on; embedded needs nothing"
    )
    peers: tuple[PeerSetting, ...] = _setting(
        (), "[(url, secret), …]", "satellites to send to straight, with no relay between"
    )
    plugin_list: tuple[str, ...] = _setting(
        ("example", "sysinfo"), "names", "the plugin packages to load, in this order"
    )
    plugin_dirs: tuple[Path, ...] = _setting(
        (Path("plugin"),), "folders", "where plugin packages are looked for first"
    )
    state_dir: Path | None = _setting(
        None, "folder", "identity, admin token, roster; None is state/<role>-<port>"
    )
    nick: str = _setting("", "name", "shown in place of the host_id", live=True)
    maintainer: str = _setting("", "name", "who to ask about this host", live=True)
    maintainer_email: str = _setting("", "address", "how to reach them", live=True)
    insecure: bool = _setting(
        False, "yes or no", "give strangers the level call; needed to listen beyond loopback"
    )
    hosts: tuple[str, ...] = _setting(
        (), "names", "host names that requests may ask for, beside the addresses of this machine"
    )
    allow_untokened: bool = _setting(
        False, "yes or no", "take messages without a token from other machines (2003 senders)", True
    )
    trust_relay_admin: bool = _setting(
        False, "yes or no", "let admins of the relay be admins here, when they use relay.call", True
    )
    lease: float = _setting(60.0, "seconds", "how long a silent satellite counts as there", True)
    ping_interval: float = _setting(15.0, "seconds", "between two pings of one satellite", True)
    forget_after: float = _setting(
        7 * 86400.0, "seconds", "how long an absent satellite is remembered", True
    )
    max_sats: int = _setting(10_000, "satellites", "bounds the roster", True)
    message_rate: float = _setting(
        5000.0, "messages a second", "what one satellite may send in the long run", True
    )
    message_burst: int = _setting(10_000, "messages", "what one satellite may send at once", True)
    retention: Retention = _setting(
        Retention(7 * 86400.0, 1_000_000, 1024**3),
        "(seconds, messages, bytes)",
        "how long, how many, how much of what is not delivered yet is kept",
    )
    upstream: tuple[UpstreamSetting, ...] = _setting(
        (), "[(url, secret), …]", "relays that this one joins; the secret is their admin token"
    )
    send_timeout: float = _setting(10.0, "seconds", "for one delivery or ping to be answered")
    receive_timeout: float = _setting(
        30.0, "seconds", "what a plugin's receive may take before it is reported", True
    )
    max_body: int = _setting(16 * 1024 * 1024, "bytes", "the largest request and answer")
    max_connections: int = _setting(20_000, "connections", "more are closed at once")
    stop_timeout: float = _setting(10.0, "seconds", "for draining and every __exit__ at the end")

    def evolve(self, **changes: Any) -> Settings:
        """Give a copy with those settings changed."""
        return evolve(self, **changes)
