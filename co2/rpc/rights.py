"""Who a request comes from, and how far that reaches (PROTOCOL section 7).

It decides a `Level` from what a connection and a request's head show, the `Claim`; which method
needs which level is not known here, and nothing is asked of the network.

The order of judgement:

1. A credential that was shown decides: a valid one gives its level, one that is not valid gives
   `open`, even to loopback, because a silent downgrade hides a mistyped token. The one exception:
   browsers attach a remembered HTTP basic password to a foreign page's request by themselves, so
   basic counts only without a foreign `Origin`. No page can make a browser attach a bearer token.
2. A foreign `Origin`, a strange `Host` or a forwarding header make a stranger, wherever the
   request comes from: a page in the user's browser, a rebound DNS name, a proxy on this machine.
3. Loopback is `call`.
4. Anybody else is a stranger: `open`, or `call` with `insecure = True`, never `admin`.

Ports: a `Host` may name any port, for tunnels and containers map them. An `Origin` is this
server's own only if its port is the one listened on or the one in the request's `Host`: another
port of this machine is another program's page.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from co2.model.calls import Caller, Level
from co2.model.hosts import canonical_ip, is_loopback

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?\Z")
_ORIGIN = re.compile(r"(https?)://(.+)\Z", re.IGNORECASE)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_REMEMBERED = 1024
"""Judgements kept, so that a connection's next request costs no parsing."""


class Claim(NamedTuple):
    """What a request shows of its sender.

    `ip`, `port` are the source's, `local_ip` is the address it was received on; the header values
    are the bytes as they came, None where there was no such header; `forwarded` tells whether any
    `Forwarded` or `X-Forwarded-*` header was there.
    """

    ip: str
    port: int
    local_ip: str
    authorization: bytes | None = None
    host: bytes | None = None
    origin: bytes | None = None
    forwarded: bool = False


class Credential(NamedTuple):
    """What an Authorization header says: `scheme` is "bearer" or "basic"; `name` of basic only."""

    scheme: str
    name: str
    secret: bytes


class Grant(NamedTuple):
    """What a credential is good for; `who` names its bearer in logs."""

    level: Level
    who: str


Check = Callable[[Credential], Grant | None]
"""Looks at a credential and says what it is good for, or None; compares in constant time."""


class _Standing(NamedTuple):
    """What a request without a credential comes to."""

    level: Level
    who: str
    because: str
    foreign: bool


class AdminToken:
    """The token in the state directory: whoever knows it is the administrator."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    def __call__(self, credential: Credential) -> Grant | None:
        """Compare in constant time; an empty token is nobody's."""
        same = hmac.compare_digest(credential.secret, self._token)
        return Grant(Level.ADMIN, "admin") if same and self._token else None


def parse_authorization(header: bytes) -> Credential | None:
    """Read a bearer token (RFC 6750) or HTTP basic (RFC 7617); None if it is neither."""
    scheme, _, rest = header.strip().partition(b" ")
    text = rest.strip()
    if scheme.lower() == b"bearer" and text:
        return Credential("bearer", "", text)
    if scheme.lower() != b"basic":
        return None
    try:
        name, colon, secret = base64.b64decode(text, validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return Credential("basic", name.decode("utf-8", "replace"), secret) if colon else None


class Gate:
    """Judges who calls.

    Args:
        admin_token: the secret that makes an administrator.
        insecure: give strangers `call`.
        port: the one that this server listens on.
        hosts: further names, in any case, that this server goes by in `Host` and `Origin`.
        checks: what else credentials are compared with, asked in order after the admin token.
    """

    def __init__(
        self,
        admin_token: str,
        insecure: bool,
        port: int,
        hosts: frozenset[str] = frozenset(),
        checks: Sequence[Check] = (),
    ) -> None:
        self._checks: tuple[Check, ...] = (AdminToken(admin_token), *checks)
        self._insecure = insecure
        self._port = port
        self._hosts = frozenset(canonical_ip(name.rstrip(".").strip("[]")) for name in hosts)
        # Nothing secret goes through the memory: the Authorization header is judged every time.
        self._standing = lru_cache(_REMEMBERED)(self._find_standing)

    def judge(self, claim: Claim) -> Caller:
        """Say who a request comes from and what they may do; it never raises."""
        standing = self._standing(
            claim.ip, claim.local_ip, claim.host, claim.origin, claim.forwarded
        )
        if claim.authorization is not None:
            standing = self._credited(claim.authorization, standing)
        return Caller(
            standing.level, canonical_ip(claim.ip), claim.port, standing.who, standing.because
        )

    def _credited(self, header: bytes, standing: _Standing) -> _Standing:
        credential = parse_authorization(header)
        grants = [check(credential) for check in self._checks] if credential else []
        grant = next((one for one in grants if one is not None), None)
        if credential is None or grant is None:
            because = "the credential shown is not valid here"
            return _Standing(Level.OPEN, "stranger", because, standing.foreign)
        if credential.scheme == "basic" and standing.foreign:
            because = (
                f"{standing.because}, and a browser shows a remembered password by itself"
                " (a bearer token would count)"
            )
            return standing._replace(because=because)
        return _Standing(grant.level, grant.who, f"the credential of {grant.who} was shown", False)

    # --- without a credential -------------------------------------------------------------------

    def _find_standing(
        self, ip: str, local_ip: str, host: bytes | None, origin: bytes | None, forwarded: bool
    ) -> _Standing:
        own = self._hosts | {canonical_ip(local_ip)}
        if origin is not None and not self._is_own_origin(origin, host, own):
            return self._stranger("the request comes from a page of another Origin", foreign=True)
        if host is not None and not _is_own_host(host, own):
            return self._stranger("the Host it asks for is not a name of this server")
        if forwarded:
            return self._stranger("a proxy passed the request on (Forwarded headers)")
        if is_loopback(canonical_ip(ip)):
            because = "a caller on this machine has call without a credential"
            return _Standing(Level.CALL, "loopback", because, False)
        return self._stranger("no credential was shown, and the caller is on another machine")

    def _stranger(self, because: str, foreign: bool = False) -> _Standing:
        level = Level.CALL if self._insecure else Level.OPEN
        return _Standing(level, "stranger", because, foreign)

    def _is_own_origin(self, origin: bytes, host: bytes | None, own: frozenset[str]) -> bool:
        match = _ORIGIN.match(origin.decode("latin-1").strip())
        name, port = _parse_host(match[2].encode("latin-1")) if match else (None, None)
        if match is None or name is None or not _is_own_name(name, own):
            return False
        default = _DEFAULT_PORTS[match[1].lower()]
        asked = _parse_host(host)[1] if host is not None else None
        return (port or default) in (self._port, asked or default)


def _parse_host(header: bytes) -> tuple[str | None, int | None]:
    """Give name and port of a Host header; the name is None where it is malformed."""
    match = _HOST.match(header.decode("latin-1").strip())
    if match is None:
        return None, None
    return match[1].strip("[]").lower(), int(match[2]) if match[2] else None


def _is_own_host(header: bytes, own: frozenset[str]) -> bool:
    name, _ = _parse_host(header)
    return name is not None and _is_own_name(name, own)


def _is_own_name(name: str, own: frozenset[str]) -> bool:
    canonical = canonical_ip(name.removesuffix("."))
    return is_loopback(canonical) or canonical in own
