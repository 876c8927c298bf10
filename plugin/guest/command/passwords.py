"""The commands `keyinit` and `password`: a key exchange, then root's new password.

A key serves once, whatever comes of it. Nothing of the password is logged or told.
"""

from __future__ import annotations

from typing import Any

from plugin.guest.command.registry import CommandBase, command_add
from plugin.guest.command.secret import (
    PRIVATE_BYTES,
    BadSecret,
    decode,
    decrypt,
    peer_key,
    public_key,
    shared_secret,
)
from plugin.guest.command.shadow import NoHash, new_hash, replace_hash
from plugin.guest.command.surroundings import Surroundings

SHADOW = "/etc/shadow"
MASTER = "/etc/master.passwd"
DAY = 86400


class PasswordCommands(CommandBase):
    """Holds the secret between the two commands."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._secret: str | None = None

    @command_add("keyinit")
    def keyinit(self, value: Any) -> tuple[str, str]:
        """Take the client's public key and give ours; 'D0' is what says that it worked."""
        peer = peer_key(value, strict=not self.surroundings.faithful)
        private = int.from_bytes(self.surroundings.random(PRIVATE_BYTES), "big")
        self._secret = shared_secret(private, peer)
        return "D0", str(public_key(private))

    @command_add("password")
    def password(self, value: Any) -> tuple[int, str]:
        """Set root's password, which comes encrypted with the key that was exchanged."""
        strict = not self.surroundings.faithful
        try:
            data = decode(value)
            if self._secret is None:
                return 500, "Password without key exchange"
            password = decrypt(data, self._secret, strict=strict)
        except BadSecret as error:
            if strict:
                self._secret = None
            return 500, str(error)
        self._secret = None
        if self.settings.get("testmode"):
            return 0, ""
        try:
            set_password(self.surroundings, "root", password)
        except (OSError, NoHash, LookupError) as error:
            return 500, f"could not set the password: {_words(error)}"
        return 0, ""


def set_password(
    surroundings: Surroundings, user: str, password: str, *, crypted: bool = False
) -> None:
    """Write a user's password hash.

    Args:
        surroundings: whose machine.
        user: whose.
        password: the text, or with `crypted` the hash.
        crypted: it is a hash already.

    Raises:
        LookupError: there is no such user.
        NoHash: crypt(3) refuses.
        OSError: the file could not be written; it is as it was.
    """
    machine = surroundings.machine
    path = MASTER if machine.exists(MASTER) else SHADOW
    text = machine.read_text(path)
    if text is None:
        if machine.dry_run:
            return
        raise LookupError(f"there is no {path}")

    def make(old: str) -> str:
        return password if crypted else new_hash(password, old, surroundings.random)

    today = int(surroundings.now() // DAY)
    # In master.passwd the third field is the user's number, not a date.
    new = _replaced_in_master(text, user, make) if path == MASTER else replace_hash(
        text, user, make, today
    )  # fmt: skip
    if new is None:
        raise LookupError(f"there is no user '{user}' in {path}")
    machine.write(path, new.encode("utf-8", "surrogateescape"), mode=0o600)
    if path == MASTER:
        machine.run(("pwd_mkdb", "-p", MASTER))


def _replaced_in_master(text: str, user: str, make: Any) -> str | None:
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        name, _, rest = line.partition(":")
        if name == user and ":" in rest:
            old, _, after = rest.partition(":")
            lines[number] = f"{name}:{make(old)}:{after}"
            return "".join(lines)
    return None


def _words(error: Exception) -> str:
    return error.strerror or "" if isinstance(error, OSError) else str(error.args[0])
