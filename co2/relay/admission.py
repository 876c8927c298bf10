"""Who a host is when it registers, and whether it is who it says it is later on.

Decides PROTOCOL section 5.1 to 5.4: which random part a registration gets, which token belongs to
it, and whether a message may come from where it comes. Knows no sockets and no methods.

A host proves itself by the secret that it drew (only its hash is kept) or by the token that this
relay gave it. Tokens are never written: a token is a keyed hash of the random part and of the
time of its first registration, made with the relay's own secret, so the same host gets the same
token again after any restart, and nobody else can make it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from co2.errors import IdentityTaken, InvalidParams, NotRegistered, RelayFull, Spoofed
from co2.model.hosts import (
    Address,
    HostId,
    HostState,
    Registration,
    canonical_ip,
    check_random,
    is_loopback,
)
from co2.model.topics import TopicFilter
from co2.relay.presence import Presence
from co2.relay.roster import Roster

_REMEMBERED = 4096
_KNOWN: dict[str, type | tuple[type, ...]] = {
    "port": int,
    "nick": str,
    "secret": str,
    "random": str,
    "token": str,
    "roles": list,
    "topics": list,
    "backlog": str,
    "callback": bool,
    "notify_token": str,
    "journal_id": str,
    "after": int,
    "properties": dict,
}


_MOST_TEXT = 1000
_MOST_PROPERTIES = 16 * 1024
"""Characters of one member, and of all properties as text: they are kept for every satellite."""


def check_request(request: Mapping[str, Any]) -> None:
    """Refuse a `relay.register` struct whose known members have wrong types, or are too large.

    Raises:
        InvalidParams: it names the member. Unknown members are ignored (section 5.7).
    """
    for name, kind in _KNOWN.items():
        value = request.get(name)
        wrong = not isinstance(value, kind) or (kind is int and isinstance(value, bool))
        if value is not None and wrong:
            found = type(value).__name__
            raise InvalidParams(f"relay.register: {name!r} is a {found}, not {_word(kind)}")
        if isinstance(value, str) and len(value) > _MOST_TEXT:
            raise InvalidParams(f"relay.register: {name!r} is longer than {_MOST_TEXT} characters")
    if len(repr(request.get("properties"))) > _MOST_PROPERTIES:
        raise InvalidParams(
            f"relay.register: 'properties' are more than {_MOST_PROPERTIES} characters as text"
        )
    port = request.get("port")
    if port is None:
        raise InvalidParams("relay.register: 'port' is missing: the port that you listen on")
    if not 1 <= port <= 65535:
        raise InvalidParams(f"relay.register: 'port' {port} is not from 1 to 65535")
    secret = request.get("secret")
    if secret is not None and len(secret) < 16:
        raise InvalidParams("relay.register: 'secret' is shorter than 16 characters: draw 128 bits")


def _read_topics(patterns: list[Any] | None) -> tuple[str, ...] | None:
    try:
        return TopicFilter(patterns).patterns
    except ValueError as error:
        raise InvalidParams(f"relay.register: 'topics': {error}") from None


def _word(kind: type | tuple[type, ...]) -> str:
    return kind.__name__ if isinstance(kind, type) else " or ".join(one.__name__ for one in kind)


class Admission:
    """See the module.

    Args:
        roster: who is registered.
        key: the relay's own secret.
        draw: makes a new random part.
        max_sats: bounds the roster.
        allow_untokened: take messages without a token from other machines too.
    """

    def __init__(
        self,
        roster: Roster,
        key: bytes,
        draw: Callable[[], str],
        max_sats: int,
        allow_untokened: bool,
    ) -> None:
        self.max_sats = max_sats
        self.allow_untokened = allow_untokened
        self._roster = roster
        self._key = key
        self._draw = draw
        # Every message shows it, and to make one anew costs a tenth of accepting the message.
        self._token = lru_cache(_REMEMBERED)(self._make_token)

    # -- registering -----------------------------------------------------------------------------

    def admit(self, request: Mapping[str, Any], ip: str, now: float) -> Registration:
        """Decide what a registration becomes.

        Args:
            request: the struct of `relay.register`, checked.
            ip: the canonical source address.
            now: UNIX seconds.

        Raises:
            IdentityTaken: the random part belongs to another secret or token.
            RelayFull: the roster is full.
        """
        address = Address(ip, request["port"])
        former = self._former(request, address)
        if former is None and len(self._roster) >= self.max_sats:
            raise RelayFull(f"the roster is full: max_sats is {self.max_sats}", retry_after=60.0)
        secret = request.get("secret")
        random = former.random if former else self._fresh_random(request, secret)
        return Registration(
            random=random,
            address=address,
            nick=request.get("nick") or str(HostId(random, address)),
            proof=_proof(secret, former),
            notify_token=request.get("notify_token"),
            epoch=former.registration.epoch + 1 if former else 1,
            created=former.registration.created if former else now,
            seen=now,
            state=HostState.POLL if request.get("callback") is False else HostState.CHECKING,
            relays_others="relay" in (request.get("roles") or ()),
            co2=_says(request, "co2", former.registration.co2 if former else False),
            nil=_says(request, "nil", former.registration.nil if former else False),
            topics=_read_topics(request.get("topics")),
            newest=request.get("backlog") == "newest",
            properties=dict(request.get("properties") or {}),
        )

    def _former(self, request: Mapping[str, Any], address: Address) -> Presence | None:
        """Find the entry that this host had before, if it can show that it was its own."""
        wished = request.get("random")
        former = self._roster.get(wished) if wished is not None else None
        if former is not None:
            self._prove(former, request, address)
            return former
        if request.get("secret") or request.get("token"):
            return None
        # A host that has no identity of its own is known by where it listens, if it was reached
        # there: behind one NAT several may be at the same address, as far as this relay can tell.
        there = self._roster.at(address)
        if there is None or there.state is HostState.POLL or request.get("callback") is False:
            return None
        return there if there.registration.proof is None else None

    def _prove(self, former: Presence, request: Mapping[str, Any], address: Address) -> None:
        proof, secret = former.registration.proof, request.get("secret")
        contradicts = proof is not None and secret is not None and _hash(secret) != proof
        if self.holds(former, request) and not contradicts:
            return
        raise IdentityTaken(
            f"the random part {former.random!r} belongs to another secret: show the secret or "
            "token that it was registered with, or register without 'random'"
        )

    def _fresh_random(self, request: Mapping[str, Any], secret: str | None) -> str:
        wished = request.get("random")
        if wished is None or not secret:
            # Without a secret a name of its own choice could be anybody's later on.
            return self._draw()
        try:
            return check_random(wished)
        except ValueError as error:
            raise InvalidParams(f"relay.register: {error}") from None

    # -- proving ---------------------------------------------------------------------------------

    def token(self, registration: Registration) -> str:
        """Give the token that belongs to a registration."""
        return self._token(registration.random, registration.created)

    def _make_token(self, random: str, created: float) -> str:
        text = f"{random}\n{created!r}".encode()
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()[:32]

    def holds(self, presence: Presence, shown: Mapping[str, Any]) -> bool:
        """Tell whether a struct holds the secret or the token of a satellite."""
        registration = presence.registration
        token = shown.get("token")
        if isinstance(token, str):
            return hmac.compare_digest(token.encode(), self.token(registration).encode())
        secret = shown.get("secret")
        if isinstance(secret, str) and registration.proof is not None:
            return hmac.compare_digest(_hash(secret), registration.proof)
        return False

    def sender(self, shown: Mapping[str, Any], ip: str) -> Presence:
        """Give the satellite that a call with `host_id` comes from (PROTOCOL section 5.4).

        Args:
            shown: the struct of the call, with 'token' or 'secret' if it has one.
            ip: the canonical source address.

        Raises:
            NotRegistered: the random part is unknown here.
            Spoofed: another address, secret or token; or none, where one is needed.
        """
        host_id = parse_host_id(shown)
        presence = self._roster.find(host_id.random)
        registered = presence.registration.address.ip
        if canonical_ip(host_id.address.ip) != ip:
            raise Spoofed(f"the host_id says {host_id.address.ip}, the request comes from {ip}")
        if shown.get("token") is None and shown.get("secret") is None:
            self._allow_untokened(presence, ip)
        elif not self.holds(presence, shown):
            raise Spoofed(f"the token or secret shown does not belong to {host_id.random!r}")
        if self._roster.is_displaced(presence):
            raise NotRegistered(
                f"another host has registered at {presence.registration.address} after "
                f"{host_id.random!r}: register again, where you are now"
            )
        if registered != ip:
            raise NotRegistered(
                f"{host_id.random!r} is registered at {registered}, not at {ip}: register again"
            )
        return presence

    def owner(self, shown: Mapping[str, Any]) -> Presence:
        """Give the satellite that a call about `host_id` concerns, if the call proves it.

        Raises:
            NotRegistered: the random part is unknown here.
            Spoofed: the struct does not hold that host's secret or token.
        """
        presence = self._roster.find(parse_host_id(shown).random)
        if not self.holds(presence, shown):
            raise Spoofed("this concerns another host: show its 'token' or 'secret'")
        return presence

    def _allow_untokened(self, presence: Presence, ip: str) -> None:
        if presence.registration.proof is not None:
            raise Spoofed(f"{presence.random!r} is registered with a secret: show it, or the token")
        if not is_loopback(ip) and not self.allow_untokened:
            raise Spoofed(
                "a message from another machine needs the 'token' that relay.register gave; "
                "allow_untokened = True in the relay's settings takes it without"
            )


def _says(request: Mapping[str, Any], capability: str, former: bool) -> bool:
    """Tell whether a host says that it has a capability, as one must that nobody can ask.

    Args:
        request: its registration.
        capability: a name out of `system.getCapabilities`.
        former: what was known of it before, which stays if it says nothing.
    """
    said = (request.get("properties") or {}).get("capabilities")
    return capability in said if isinstance(said, list) else former


def parse_host_id(struct: Mapping[str, Any]) -> HostId:
    """Read the 'host_id' of a struct.

    Raises:
        InvalidParams: it is missing or malformed; the text says how.
    """
    try:
        return HostId.parse(struct.get("host_id"))
    except ValueError as error:
        raise InvalidParams(f"'host_id': {error}") from None


def _proof(secret: str | None, former: Presence | None) -> bytes | None:
    """Give what proves the secret; who comes back with a token alone keeps the one it had."""
    if secret:
        return _hash(secret)
    return None if former is None else former.registration.proof


def _hash(secret: str) -> bytes:
    # A secret has 128 random bits, so a plain hash cannot be searched for.
    return hashlib.sha256(secret.encode()).digest()
