"""guest-set-user-password, and guest-ssh-*-authorized-keys."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable
from typing import Any

from attrs import frozen

from plugin.guest.command.passwords import set_password
from plugin.guest.command.shadow import NoHash
from plugin.guest.command.surroundings import Surroundings
from plugin.guest.qga import base64s
from plugin.guest.qga.schema import CallFailed, call


@frozen
class Account:
    """What is needed of a line of /etc/passwd."""

    user: int
    group: int
    home: str


class AccountCalls:
    """Users' passwords and keys, below the machine's root."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._here = surroundings
        self._machine = surroundings.machine

    @call("guest-set-user-password", username="str", password="str", crypted="bool")  # noqa: S106
    def set_user_password(self, username: str, password: str, crypted: bool) -> None:
        """Set a password, or with `crypted` its hash; it comes in base64."""
        # As in C, a NUL ends the password.
        raw = base64s.decode(password).partition(b"\0")[0]
        text = raw.decode("utf-8", "surrogateescape")
        if "\n" in text:
            raise CallFailed("forbidden characters in raw password")
        if "\n" in username or ":" in username:
            raise CallFailed("forbidden characters in username")
        try:
            if crypted and ":" in text:
                raise NoHash("a hash is one field of the file")
            set_password(self._here, username, text, crypted=crypted)
        except (OSError, LookupError, NoHash) as error:
            raise CallFailed("child process has failed to set user password") from error

    @call("guest-ssh-get-authorized-keys", username="str")
    def get_keys(self, username: str) -> dict[str, Any]:
        """Give the keys, the last first as with qemu-ga, without comments."""
        account = self._account(username)
        path = f"{account.home}/.ssh/authorized_keys"
        text = self._machine.read_text(path)
        if text is None:
            raise CallFailed(
                f"failed to read '{path}': Failed to open file \u201c{path}\u201d: "
                "No such file or directory"
            )
        lines = [line.strip() for line in reversed(text.splitlines())]
        return {"keys": [line for line in lines if line and not line.startswith("#")]}

    @call("guest-ssh-add-authorized-keys", username="str", keys="[str]", reset="bool?")
    def add_keys(self, username: str, keys: list[str], reset: bool = False) -> None:
        """Add keys that are not there yet; with `reset` there are no others."""
        account = self._account(username)
        _check(keys)
        path = f"{account.home}/.ssh/authorized_keys"
        before = [] if reset else (self._machine.read_text(path) or "").splitlines()
        self._write(account, path, [*before, *(key for key in keys if key not in before)])

    @call("guest-ssh-remove-authorized-keys", username="str", keys="[str]")
    def remove_keys(self, username: str, keys: list[str]) -> None:
        """Remove keys; those that are not there do not matter."""
        account = self._account(username)
        _check(keys)
        path = f"{account.home}/.ssh/authorized_keys"
        text = self._machine.read_text(path)
        if text is not None:
            gone = {key.strip() for key in keys}
            self._write(
                account, path, [line for line in text.splitlines() if line.strip() not in gone]
            )

    def _write(self, account: Account, path: str, lines: Iterable[str]) -> None:
        folder = path.rpartition("/")[0]
        if not self._machine.exists(account.home):
            raise CallFailed(f"failed to create directory '{folder}': No such file or directory")
        try:
            # The home is the user's: a link in it must not lead root elsewhere.
            if self._machine.is_link(folder) or self._machine.is_link(path):
                raise CallFailed(f"'{folder}' is a symbolic link")
            self._machine.make_folder(folder, 0o700)
            text = "".join(f"{line}\n" for line in lines)
            self._machine.write(path, text.encode("utf-8", "surrogateescape"), mode=0o600)
            for one in (folder, path):
                self._machine.give(one, account.user, account.group)
        except OSError as error:
            raise CallFailed(f"failed to write '{path}': {os.strerror(error.errno or 0)}") from None

    def _account(self, name: str) -> Account:
        for line in (self._machine.read_text("/etc/passwd") or "").splitlines():
            fields = line.split(":")
            if fields[0] == name and len(fields) > 5:
                return Account(int(fields[2]), int(fields[3]), fields[5])
        if os.path.realpath(self._machine.root) == "/":
            try:
                known = pwd.getpwnam(name)
                return Account(known.pw_uid, known.pw_gid, known.pw_dir)
            except (KeyError, ValueError):
                pass
        raise CallFailed(f"failed to lookup user '{name}': Success")


def _check(keys: Iterable[str]) -> None:
    for key in keys:
        if "\n" in key or "\r" in key or key.startswith("#"):
            raise CallFailed(f"invalid OpenSSH public key: '{key}'")
