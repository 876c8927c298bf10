"""What two sides agree on before a command: authentication, encryption, integrity.

Decides from two policies and makes the ads that say so. Whether a peer may run a command is not
decided here.

Source: reference of CEDAR, section 3.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from attrs import frozen

from plugin.snake.cedar.errors import NegotiationError

VERSION = "$CondorVersion: 25.0.0 2026-01-01 BuildID: co2-snaked $"
"""Clients read what a server can do from it; from 9.9.0 on they ask for resume responses."""
PLATFORM = "$CondorPlatform: co2-snaked $"
SESSION_DURATION = 60
SESSION_LEASE = 3600
UNAUTHENTICATED = "unauthenticated@unmapped"


class Wish(Enum):
    """How much a side wants a feature."""

    REQUIRED = "REQUIRED"
    PREFERRED = "PREFERRED"
    OPTIONAL = "OPTIONAL"
    NEVER = "NEVER"

    @classmethod
    def of(cls, text: object) -> Wish:
        """Read a wish by its first letter; anything else is a NegotiationError."""
        if isinstance(text, str):
            for wish in cls:
                if text[:1].upper() == wish.value[0]:
                    return wish
        raise NegotiationError(f"no level of a feature: {text!r}")


@frozen
class Policy:
    """What this side wants; each is a Wish. `methods` are the ways to authenticate."""

    authentication: Wish = Wish.OPTIONAL
    encryption: Wish = Wish.OPTIONAL
    integrity: Wish = Wish.OPTIONAL
    methods: tuple[str, ...] = ()


@frozen
class Agreement:
    """What is done in a session."""

    authenticate: bool
    encrypt: bool
    protect: bool
    method: str = ""

    @property
    def needs_key(self) -> bool:
        """Whether packets are sealed; AES-GCM does both at once."""
        return self.encrypt or self.protect


def reconciled(ours: Wish, theirs: Wish) -> bool:
    """Decide whether a feature is used.

    Raises:
        NegotiationError: one side requires what the other never does.
    """
    pair = {ours, theirs}
    if pair == {Wish.REQUIRED, Wish.NEVER}:
        raise NegotiationError("one side requires what the other never does")
    return Wish.NEVER not in pair and pair != {Wish.OPTIONAL}


def agree(ours: Policy, ad: Mapping[str, object]) -> Agreement:
    """Decide what is done with a client's request.

    Args:
        ours: the server's policy.
        ad: the client's ad, by lower-cased names.

    Raises:
        NegotiationError: the two cannot agree.
    """
    wish = ad.get("authenticationnew", ad.get("authentication", "NEVER"))
    authenticate = _asked("authentication", ours.authentication, wish)
    encrypt = _asked("encryption", ours.encryption, ad.get("encryption", "NEVER"))
    protect = _asked("integrity", ours.integrity, ad.get("integrity", "NEVER"))
    agreement = Agreement(authenticate, encrypt, protect, _method(ours, ad, authenticate))
    if agreement.needs_key and "AES" not in _words(ad.get("cryptomethods")):
        raise NegotiationError("the client has no AES, the only cipher here")
    return agreement


def _asked(feature: str, ours: Wish, theirs: object) -> bool:
    try:
        return reconciled(ours, Wish.of(theirs))
    except NegotiationError as error:
        raise NegotiationError(f"{feature}: {error}") from None


def _words(value: object) -> list[str]:
    return [word.strip().upper() for word in value.split(",")] if isinstance(value, str) else []


def _method(ours: Policy, ad: Mapping[str, object], authenticate: bool) -> str:
    if not authenticate:
        return ""
    theirs = _words(ad.get("authmethods"))
    for method in ours.methods:
        if method in theirs:
            return method
    raise NegotiationError(f"no common way to authenticate: the client has {','.join(theirs)}")


def _yes(value: bool) -> str:
    return "YES" if value else "NO"


def answer(agreement: Agreement, public_key: str = "") -> dict[str, bool | int | str]:
    """Make the server's ad for a new session."""
    ad: dict[str, bool | int | str] = {
        "Authentication": _yes(agreement.authenticate),
        "Encryption": _yes(agreement.encrypt),
        "Integrity": _yes(agreement.protect),
        "Enact": "YES",
        "NegotiatedSession": True,
        "SessionDuration": str(SESSION_DURATION),
        "SessionLease": SESSION_LEASE,
        "RemoteVersion": VERSION,
    }
    if agreement.authenticate:
        ad["AuthMethods"] = ad["AuthMethodsList"] = agreement.method
    if public_key:
        ad |= {"CryptoMethods": "AES", "CryptoMethodsList": "AES", "ECDHPublicKey": public_key}
    return ad


def admission(session: str, valid: str, user: str) -> dict[str, bool | int | str]:
    """Make the ad that lets a new session's first command pass."""
    return {"ReturnCode": "AUTHORIZED", "Sid": session, "ValidCommands": valid, "User": user}


def refusal(code: str) -> dict[str, bool | int | str]:
    """Make the ad that refuses: DENIED, CMD_NOT_FOUND or SID_NOT_FOUND."""
    return {"ReturnCode": code, "RemoteVersion": VERSION}


def request(
    command: int, policy: Policy, public_key: str, sinful: str
) -> dict[str, bool | int | str]:
    """Make a client's ad for a new session."""
    return {
        "Command": command,
        "Enact": "NO",
        "NewSession": "YES",
        "NegotiatedSession": True,
        "OutgoingNegotiation": "PREFERRED",
        "Authentication": policy.authentication.value,
        "AuthenticationNew": policy.authentication.value,
        "Encryption": policy.encryption.value,
        "Integrity": policy.integrity.value,
        "AuthMethods": ",".join(policy.methods),
        "CryptoMethods": "AES",
        "ECDHPublicKey": public_key,
        "RemoteVersion": VERSION,
        "SessionDuration": str(SESSION_DURATION),
        "SessionLease": SESSION_LEASE,
        "ConnectSinful": sinful,
        "Subsystem": "TOOL",
    }
