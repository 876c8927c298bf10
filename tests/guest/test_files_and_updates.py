"""injectfile, file_inject, agentupdate, kmsactivate: below the root, signed, within bounds."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from plugin.guest.command import update
from plugin.guest.command.registry import Commands
from plugin.guest.command.standard import STANDARD
from plugin.guest.command.surroundings import Surroundings
from plugin.guest.machine import Machine


def commands(root: Path, **settings: Any) -> Commands:
    """Give commands below a root."""
    return Commands(STANDARD, Surroundings(Machine(str(root)), **settings))


def b64(data: bytes) -> str:
    """Give base64 as text."""
    return base64.b64encode(data).decode()


def test_a_file_with_commas(tmp_path: Path) -> None:
    """The first comma ends the path; folders above are made."""
    run = commands(tmp_path).run_command
    assert run("injectfile", b64(b"/a/b/c,x,y\n")) == (0, "")
    assert (tmp_path / "a" / "b" / "c").read_bytes() == b"x,y\n"


@pytest.mark.parametrize("data", [b"relative.txt,x", b",x", b"/,x", b"nocomma", b"/folder/,x"])
def test_what_is_no_path_is_refused(tmp_path: Path, data: bytes) -> None:
    """Relative, empty and folders' paths are 500 and write nothing."""
    assert commands(tmp_path).run_command("injectfile", b64(data))[0] == 500
    assert list(tmp_path.iterdir()) == []


def test_a_large_file_comes_in_pieces(tmp_path: Path) -> None:
    """A dict with an offset adds to what is there; a piece for another place is refused."""
    run = commands(tmp_path).run_command
    path = b64(b"/large")
    for number in range(10):
        value = {"b64_path": path, "b64_file": b64(b"x" * 1000), "offset": number * 1000}
        assert run("file_inject", value) == (0, "")
    assert (tmp_path / "large").stat().st_size == 10_000
    wrong = {"b64_path": path, "b64_file": b64(b"x"), "offset": 5}
    assert run("file_inject", wrong)[0] == 500
    assert [one.name for one in tmp_path.iterdir()] == ["large"]


def archive(folder: Path, *members: tarfile.TarInfo) -> Path:
    """Make an archive with an installer and these members."""
    path = folder / "update.tar"
    with tarfile.open(path, "w") as tar:
        installer = tarfile.TarInfo("agent/installer.sh")
        installer.size = 2
        tar.addfile(installer, io.BytesIO(b":\n"))
        for member in members:
            tar.addfile(member)
    return path


def served(path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give a URL that leads to a file and its signature, without a network."""
    fetched = {"https://x/u.tar": path, "https://x/u.tar.sig": path.with_suffix(".sig")}

    def fetch(url: str, schemes: tuple[str, ...]) -> bytes:
        assert "https" in schemes
        return fetched[url].read_bytes()

    monkeypatch.setattr(update, "fetch", fetch)
    return f"https://x/u.tar,{hashlib.md5(path.read_bytes()).hexdigest()}"


def test_an_update_that_a_trusted_key_has_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is installed, and the restart waits until the answer is out."""
    key = Ed25519PrivateKey.generate()
    path = archive(tmp_path)
    path.with_suffix(".sig").write_bytes(base64.b64encode(key.sign(path.read_bytes())))
    trusted = key.public_key().public_bytes_raw()
    one = commands(tmp_path, update_keys=(trusted,))
    assert one.run_command("agentupdate", served(path, monkeypatch)) == (0, "")
    assert len(one.surroundings.afterwards) == 1
    other = commands(
        tmp_path, update_keys=(Ed25519PrivateKey.generate().public_key().public_bytes_raw(),)
    )
    code, message = other.run_command("agentupdate", served(path, monkeypatch))
    assert (code, "not signed" in message) == (500, True)


def test_an_update_without_keys_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its MD5 sum alone is not enough, unless the settings say so."""
    value = served(archive(tmp_path), monkeypatch)
    assert commands(tmp_path).run_command("agentupdate", value)[0] == 500
    assert commands(tmp_path, unsigned_updates=True).run_command("agentupdate", value)[0] == 0


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    """Make a member of an archive."""
    one = tarfile.TarInfo(name)
    one.type, one.linkname = kind, link
    return one


@pytest.mark.parametrize(
    "bad",
    [
        member("../../escaped"),
        member("link", tarfile.SYMTYPE, "/etc"),
        member("link", tarfile.SYMTYPE, "../../.."),
        member("device", tarfile.CHRTYPE),
    ],
)
def test_members_that_would_land_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: tarfile.TarInfo
) -> None:
    """Dots, links that lead out and devices make the update fail as a whole."""
    value = served(archive(tmp_path, bad), monkeypatch)
    code, message = commands(tmp_path, unsigned_updates=True).run_command("agentupdate", value)
    assert (code, "cannot be unpacked" in message) == (500, True)
    assert not (tmp_path.parent / "escaped").exists()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "Invalid arguments"),
        ({"url": "x"}, "Missing URL or MD5 sum in dictionary arguments"),
        ("file:///etc/passwd,0", "Invalid URL"),
    ],
)
def test_bad_arguments_of_updates(tmp_path: Path, value: object, text: str) -> None:
    """Schemes other than http are refused, and so is what names no sum."""
    try:
        code, message = commands(tmp_path).run_command("agentupdate", value)
    except ValueError as error:
        code, message = 500, str(error)
    assert (code, text in message) == (500, True)


def test_kms_is_for_red_hat(tmp_path: Path) -> None:
    """Elsewhere it is refused; there it writes the server's name and keeps other lines."""
    value = {"activation_key": "secret", "profile": "p", "domains": ["kms.example.com"]}
    assert commands(tmp_path).run_command("kmsactivate", value)[0] == 500
    folder = tmp_path / "etc" / "sysconfig" / "rhn"
    folder.mkdir(parents=True)
    (tmp_path / "etc" / "redhat-release").write_text("Red Hat")
    (folder / "up2date").write_text("debug=0\nserverURL=https://old/XMLRPC\n")
    assert commands(tmp_path).run_command("kmsactivate", value) == (0, "")
    text = (folder / "up2date").read_text()
    assert "debug=0\n" in text and "\nserverURL=https://kms.example.com/XMLRPC;\n" in text
    assert "old" not in text


def test_blocked_commands_are_not_there(tmp_path: Path) -> None:
    """A blocked one is neither listed nor run; an allow list leaves the others out."""
    blocked = commands(tmp_path, block=frozenset({"injectfile"}))
    assert "injectfile" not in blocked.run_command("features", "")[1]
    only = commands(tmp_path, allow=frozenset({"version", "features"}))
    assert only.run_command("features", "") == (0, "version,features")
