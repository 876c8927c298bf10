"""The command `agentupdate`: another agent from a URL.

An archive is taken if one of the trusted keys has signed it: `<url>.sig` holds the Ed25519
signature, raw or in base64. The MD5 sum of the request is checked too, but protects from
accidents only. Nothing in the archive lands outside of the folder it is unpacked in.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import shutil
import tarfile
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from plugin.guest.command.registry import CommandBase, command_add

MOST_BYTES = 64 * 1024 * 1024
MOST_UNPACKED = 512 * 1024 * 1024
TIMEOUT = 60.0
SIGNATURE_BYTES = 64
INSTALLER = "installer.sh"
INIT_SCRIPTS = ("/etc/init.d/nova-agent", "/etc/rc.d/nova-agent", "/etc/nova-agent.init")
"""Of which the agent of 2017 restarted itself by the first that is there."""


class UpdateRefused(Exception):
    """The update was not installed, or not started; code and text go to the client."""

    def __init__(self, text: str, code: int = 500) -> None:
        super().__init__(text)
        self.code = code


class UpdateCommands(CommandBase):
    """Fetches, checks, unpacks and runs the installer."""

    @command_add("agentupdate")
    def agentupdate(self, value: Any) -> tuple[int, str]:
        """Take "url,md5" or {'url', 'md5sum'}; the restart comes after the answer."""
        url, md5sum = _arguments(value)
        folder = Path(tempfile.mkdtemp(prefix="guest-update-"))
        try:
            archive = self._fetch(url)
            _check_sum(archive, md5sum)
            self._check_signature(archive, url)
            self._install(archive, folder)
        except UpdateRefused as error:
            return error.code, str(error)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return 0, ""

    def _fetch(self, url: str) -> bytes:
        if "." not in url.rpartition("/")[2] or "/" not in url:
            raise UpdateRefused("Invalid URL")
        return fetch(url, self._schemes())

    def _schemes(self) -> tuple[str, ...]:
        return ("https", "http", "file", "ftp") if self._unsigned() else ("https", "http")

    def _unsigned(self) -> bool:
        return self.surroundings.unsigned_updates or self.surroundings.faithful

    def _check_signature(self, archive: bytes, url: str) -> None:
        keys = self.surroundings.update_keys
        if not keys and self._unsigned():
            return
        if not keys:
            raise UpdateRefused("no key is trusted with updates: set `update_keys`")
        signature = _signature(fetch(f"{url}.sig", self._schemes()))
        for key in keys:
            try:
                Ed25519PublicKey.from_public_bytes(key).verify(signature, archive)
                return
            except InvalidSignature:
                continue
        raise UpdateRefused("the update is not signed by a key that is trusted")

    def _install(self, archive: bytes, folder: Path) -> None:
        (folder / "archive").write_bytes(archive)
        unpack(folder / "archive", folder / "content")
        installer = find_installer(folder / "content")
        if installer is None:
            self._check_init_script()
            raise UpdateRefused(f"there is no {INSTALLER} in the archive")
        machine = self.surroundings.machine
        # The original runs it with nothing in its environment, and so do we.
        status = machine.run(("/bin/sh", str(installer)), cwd=str(installer.parent), env={})
        if status:
            raise UpdateRefused(f"Agent installer script failed: {status}")
        self._check_init_script()
        self.surroundings.afterwards.append(self._restart)

    def _check_init_script(self) -> None:
        exists = self.surroundings.machine.exists
        if self.surroundings.faithful and not any(map(exists, INIT_SCRIPTS)):
            raise UpdateRefused("No init script found to restart", 404)

    def _restart(self) -> None:
        machine = self.surroundings.machine
        if machine.exists("/run/systemd/system"):
            machine.run(("systemctl", "restart", "--no-block", "co2-guest"))
        else:
            machine.run(("service", "nova-agent", "restart"))


def _arguments(value: Any) -> tuple[str, str]:
    if isinstance(value, str):
        url, comma, md5sum = value.partition(",")
        if not comma:
            raise ValueError("Invalid arguments: the value is 'url,md5'")
        return url, md5sum
    if not isinstance(value, dict):
        raise ValueError("Invalid arguments")
    if not {"url", "md5sum"} <= set(value):
        raise ValueError("Missing URL or MD5 sum in dictionary arguments")
    return str(value["url"]), str(value["md5sum"])


def fetch(url: str, schemes: tuple[str, ...]) -> bytes:
    """Fetch a URL; blocks.

    Raises:
        UpdateRefused: the scheme is none of these, nothing came, or too much.
    """
    if urllib.parse.urlsplit(url).scheme not in schemes:
        raise UpdateRefused(f"Invalid URL: it begins with {' or '.join(schemes)}")
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:  # noqa: S310  # see above
            content: bytes = answer.read(MOST_BYTES + 1)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise UpdateRefused(f"Couldn't retrieve the update: {error}") from None
    if len(content) > MOST_BYTES:
        raise UpdateRefused(f"an update has at most {MOST_BYTES} bytes")
    return content


def _signature(content: bytes) -> bytes:
    if len(content) == SIGNATURE_BYTES:
        return content
    try:
        return base64.b64decode(b"".join(content.split()), validate=True)
    except ValueError:
        raise UpdateRefused(
            f"the signature is neither {SIGNATURE_BYTES} bytes nor base64"
        ) from None


def _check_sum(archive: bytes, expected: str) -> None:
    found = hashlib.md5(archive, usedforsecurity=False).hexdigest()
    if found != expected:
        raise UpdateRefused(f"MD5 sums do not match ({expected} != {found})")


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a tar archive; members that would land elsewhere, and devices, are refused.

    Raises:
        UpdateRefused: it is none, or holds such members, or too much.
    """
    try:
        with tarfile.open(archive) as tar:
            members = tar.getmembers()
            if sum(member.size for member in members) > MOST_UNPACKED:
                raise UpdateRefused(f"an update unpacks to at most {MOST_UNPACKED} bytes")
            tar.extractall(folder, members, filter="data")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise UpdateRefused(f"the archive cannot be unpacked: {error}") from None


def find_installer(folder: Path) -> Path | None:
    """Find installer.sh, at the top or one folder down; None where it is neither."""
    for place in (folder / INSTALLER, *sorted(folder.glob(f"*/{INSTALLER}"))):
        if place.is_file() and not place.is_symlink():
            return place
    return None
