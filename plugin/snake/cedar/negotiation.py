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
from plugin.snake.cedar.lines import plain_line

VERSION = "$CondorVersion: 25.0.0 2026-01-01 BuildID: co2-snaked $"
"""Clients read what a server can do from it; from 9.9.0 on they ask for resume responses."""
PLATFORM = "$CondorPlatform: co2-snaked $"
SESSION_DURATION = 60
SESSION_LEASE = 3600
UNAUTHENTICATED = "unauthenticated@unmapped"
DENIED, CMD_NOT_FOUND, SID_NOT_FOUND = "DENIED", "CMD_NOT_FOUND", "SID_NOT_FOUND"
"""What a client may be refused with."""


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
        who = "the client" if theirs is Wish.REQUIRED else "the server"
        raise NegotiationError(f"{who} requires it, and the other side never does it")
    return Wish.NEVER not in pair and pair != {Wish.OPTIONAL}


def suffices(policy: Policy, user: str, sealed: bool) -> bool:
    """Whether a policy, which may be stricter than at first, would agree on what there is."""
    required = Wish.REQUIRED
    if policy.authentication is required and user == UNAUTHENTICATED:
        return False
    return sealed or not (policy.encryption is required or policy.integrity is required)


def agree(ours: Policy, ad: Mapping[str, object]) -> Agreement:
    """Decide what is done with a client's request.

    What both can do without is left out where there is no common way to do it.

    Args:
        ours: the server's policy.
        ad: the client's ad, by lower-cased names.

    Raises:
        NegotiationError: the two cannot agree.
    """
    authentication = _Pair(ours.authentication, ad, "AuthenticationNew", "Authentication")
    encryption = _Pair(ours.encryption, ad, "Encryption")
    integrity = _Pair(ours.integrity, ad, "Integrity")
    method = _common_method(ours, ad) if authentication.used else ""
    if authentication.required and not method:
        theirs = ",".join(_words(ad.get("authmethods")))
        raise NegotiationError(f"the client proves who it is by {theirs}, the server by FS only")
    sealing = encryption.used or integrity.used
    possible = "AES" in _words(ad.get("cryptomethods"))
    if sealing and not possible and (encryption.required or integrity.required):
        raise NegotiationError("the client has no AES, which is the only cipher here")
    return Agreement(
        bool(method), encryption.used and possible, integrity.used and possible, method
    )


class _Pair:
    """What both sides wish of one feature: whether it is `used`, and whether it has to be."""

    def __init__(self, ours: Wish, ad: Mapping[str, object], *names: str) -> None:
        said = (ad[name.lower()] for name in names if name.lower() in ad)
        try:
            theirs = Wish.of(next(said, "NEVER"))
            self.used = reconciled(ours, theirs)
        except NegotiationError as error:
            raise NegotiationError(f"{names[-1]}: {error}") from None
        self.required = Wish.REQUIRED in (ours, theirs)


def _common_method(ours: Policy, ad: Mapping[str, object]) -> str:
    theirs = _words(ad.get("authmethods"))
    return next((method for method in ours.methods if method in theirs), "")


def _words(value: object) -> list[str]:
    return [word.strip().upper() for word in value.split(",")] if isinstance(value, str) else []


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


_RESUMED = [plain_line("ReturnCode", "AUTHORIZED"), plain_line("RemoteVersion", VERSION)]


def resumption(nonce: bytes) -> list[bytes]:
    """Make the lines of the ad that lets a session go on; the last one is never the same."""
    return [*_RESUMED, f'Nonce = "{nonce.hex()}"\0'.encode()]


def refusal(code: str) -> dict[str, bool | int | str]:
    """Make the ad that refuses; clients show the code, so a reason may follow DENIED."""
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
