"""injectfile, file_inject, agentupdate, kmsactivate: below the root, signed, within bounds."""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
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


class Served:
    """A web server of the test's own, which gives the files of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        files = partial(QuietFiles, directory=str(folder))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), files)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        """Stop it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def archive(self, *members: tarfile.TarInfo) -> bytes:
        """Make an archive with an installer and these members; give its bytes."""
        path = self.folder / "update.tar"
        with tarfile.open(path, "w") as tar:
            installer = tarfile.TarInfo("agent/installer.sh")
            installer.size = 2
            tar.addfile(installer, io.BytesIO(b":\n"))
            for one in members:
                tar.addfile(one)
        return path.read_bytes()

    def sign(self, signature: bytes) -> None:
        """Put a signature beside the archive."""
        (self.folder / "update.tar.sig").write_bytes(signature)

    @property
    def value(self) -> str:
        """What agentupdate is told: the URL and the sum of the archive."""
        data = (self.folder / "update.tar").read_bytes()
        url = f"http://127.0.0.1:{self._server.server_port}/update.tar"
        return f"{url},{hashlib.md5(data).hexdigest()}"


class QuietFiles(SimpleHTTPRequestHandler):
    """Files, and no log on the terminal."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A web server, which no proxy of this machine stands before."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Served(tmp_path / "served")
    yield server
    server.close()


def trusted(key: Ed25519PrivateKey) -> tuple[bytes, ...]:
    """Give the setting that trusts a key."""
    return (key.public_key().public_bytes_raw(),)


def test_an_update_that_a_trusted_key_has_signed(tmp_path: Path, served: Served) -> None:
    """It is installed, and the restart waits until the answer is out."""
    key = Ed25519PrivateKey.generate()
    served.sign(base64.encodebytes(key.sign(served.archive())))
    one = commands(tmp_path, update_keys=trusted(key))
    assert one.run_command("agentupdate", served.value) == (0, "")
    assert len(one.surroundings.afterwards) == 1
    other = commands(tmp_path, update_keys=trusted(Ed25519PrivateKey.generate()))
    code, message = other.run_command("agentupdate", served.value)
    assert (code, "not signed" in message) == (500, True)


def test_a_signature_may_be_raw(tmp_path: Path, served: Served) -> None:
    """Its 64 bytes are taken as they are, also where the first or last is like white space."""
    key = Ed25519PrivateKey.generate()
    names = (tarfile.TarInfo(f"file{number}") for number in itertools.count())
    signatures = (key.sign(served.archive(name)) for name in names)
    served.sign(next(one for one in signatures if one.strip() != one))
    one = commands(tmp_path, update_keys=trusted(key))
    assert one.run_command("agentupdate", served.value) == (0, "")


def test_what_is_no_signature_is_told(tmp_path: Path, served: Served) -> None:
    """A page in the signature's place is neither raw nor base64."""
    served.archive()
    served.sign(b"<html>not found</html>")
    one = commands(tmp_path, update_keys=trusted(Ed25519PrivateKey.generate()))
    refused = (500, "the signature is neither 64 bytes nor base64")
    assert one.run_command("agentupdate", served.value) == refused


def test_what_cannot_be_fetched_is_told(
    tmp_path: Path, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing archive, a missing signature and too much are refused in words."""
    served.archive()
    one = commands(tmp_path, update_keys=trusted(Ed25519PrivateKey.generate()))
    missing = "Couldn't retrieve the update: HTTP Error 404: File not found"
    assert one.run_command("agentupdate", served.value) == (500, missing)
    assert one.run_command("agentupdate", served.value.replace("/u", "/x")) == (500, missing)
    monkeypatch.setattr(update, "MOST_BYTES", 100)
    too_much = (500, "an update has at most 100 bytes")
    assert one.run_command("agentupdate", served.value) == too_much


def test_an_update_without_keys_is_refused(tmp_path: Path, served: Served) -> None:
    """Its MD5 sum alone is not enough, unless the settings say so."""
    served.archive()
    assert commands(tmp_path).run_command("agentupdate", served.value)[0] == 500
    unsigned = commands(tmp_path, unsigned_updates=True)
    assert unsigned.run_command("agentupdate", served.value)[0] == 0
    code, message = unsigned.run_command("agentupdate", served.value + "0")
    assert (code, "MD5 sums do not match" in message) == (500, True)


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
    tmp_path: Path, served: Served, bad: tarfile.TarInfo
) -> None:
    """Dots, links that lead out and devices make the update fail as a whole."""
    served.archive(bad)
    unsigned = commands(tmp_path, unsigned_updates=True)
    code, message = unsigned.run_command("agentupdate", served.value)
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
