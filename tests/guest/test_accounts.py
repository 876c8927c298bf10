"""Passwords and ssh keys, really set: below a root, and beside qemu-ga in a copy of /etc."""

from __future__ import annotations

import base64
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e.processes import Watched

from guest.qemu import Talk
from plugin.guest.command.shadow import crypt
from plugin.guest.command.surroundings import Surroundings
from plugin.guest.machine import Machine
from plugin.guest.qga.parser import QemuParser

ALICE = "alice:x:{uid}:{uid}:Alice:{home}:/bin/sh\n"
KEYS = ["ssh-ed25519 AAAA alice@here", "ssh-rsa BBBB"]


def b64(text: str) -> str:
    """Give base64 as text."""
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with one user, who is who runs the test, so that nothing is given away."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "home" / "alice").mkdir(parents=True)
    line = ALICE.format(uid=os.geteuid(), home="/home/alice")
    (tmp_path / "etc" / "passwd").write_text(line)
    (tmp_path / "etc" / "shadow").write_text("root:*:1::::::\nalice:!:1:0:99999:7:::\n")
    return tmp_path


def ask(root: Path, name: str, **arguments: Any) -> Any:
    """Ask an agent below a root."""
    parser = QemuParser(Surroundings(Machine(str(root))))
    return json.loads(parser.answer({"execute": name, "arguments": arguments}))


def field(etc: Path) -> str:
    """Give Alice's hash."""
    lines = (etc / "shadow").read_text().splitlines()
    return next(line.split(":")[1] for line in lines if line.startswith("alice:"))


def test_a_password_and_a_hash(root: Path) -> None:
    """The text is hashed, a hash is taken as it is; other lines and the mode stay."""
    (root / "etc" / "shadow").chmod(0o640)
    settings = {"username": "alice", "password": b64("correct horse"), "crypted": False}
    assert ask(root, "guest-set-user-password", **settings) == {"return": {}}
    assert crypt("correct horse", field(root / "etc")) == field(root / "etc")
    settings |= {"password": b64("$6$salt$hash"), "crypted": True}
    assert ask(root, "guest-set-user-password", **settings) == {"return": {}}
    assert field(root / "etc") == "$6$salt$hash"
    assert (root / "etc" / "shadow").read_text().startswith("root:*:1::::::\n")
    assert stat.S_IMODE((root / "etc" / "shadow").stat().st_mode) == 0o640
    settings["password"] = b64("two:fields")
    assert "error" in ask(root, "guest-set-user-password", **settings)
    assert field(root / "etc") == "$6$salt$hash"


def test_keys_are_added_read_and_removed(root: Path) -> None:
    """Once each, for their owner only; reset leaves no others; comments are not told."""
    path = root / "home" / "alice" / ".ssh" / "authorized_keys"
    settings: dict[str, Any] = {"username": "alice", "keys": KEYS}
    for _ in range(2):
        assert ask(root, "guest-ssh-add-authorized-keys", **settings) == {"return": {}}
    assert path.read_text() == "".join(f"{key}\n" for key in KEYS)
    assert [stat.S_IMODE(one.stat().st_mode) for one in (path, path.parent)] == [0o600, 0o700]
    path.write_text("# mine\n" + path.read_text())
    told = ask(root, "guest-ssh-get-authorized-keys", username="alice")["return"]["keys"]
    assert told == KEYS[::-1]  # as qemu-ga has it
    gone = {"username": "alice", "keys": [KEYS[0], "ssh-rsa nobody's"]}
    assert ask(root, "guest-ssh-remove-authorized-keys", **gone) == {"return": {}}
    assert path.read_text() == f"# mine\n{KEYS[1]}\n"
    only = {"username": "alice", "keys": KEYS[:1], "reset": True}
    assert ask(root, "guest-ssh-add-authorized-keys", **only) == {"return": {}}
    assert path.read_text() == f"{KEYS[0]}\n"


def test_a_link_in_the_home_is_not_followed(root: Path) -> None:
    """The home is the user's: it must not lead root to another's files."""
    (root / "home" / "alice" / ".ssh").symlink_to("/etc")
    answer = ask(root, "guest-ssh-add-authorized-keys", username="alice", keys=KEYS)
    assert "symbolic link" in answer["error"]["desc"]
    assert not (root / "etc" / "authorized_keys").exists()


OWN_ETC = 'mount --bind "$1" /etc && shift && exec "$@"'


class Apart:
    """An agent that sees a copy of /etc as /etc: in a namespace, so that the machine's stays."""

    def __init__(self, folder: Path, program: list[str]) -> None:
        self.etc, self.home = folder / "etc", folder / "home"
        self.home.mkdir(parents=True)
        shutil.copytree("/etc", self.etc, symlinks=True, ignore_dangling_symlinks=True)
        with (self.etc / "passwd").open("a") as file:
            file.write(ALICE.format(uid=54321, home=self.home))
        with (self.etc / "shadow").open("a") as file:
            file.write("alice:!:1:0:99999:7:::\n")
        os.chown(self.home, 54321, 54321)
        command = ["unshare", "-m", "sh", "-c", OWN_ETC, "sh", str(self.etc), *program]
        self.process = Watched(command, Path(__file__).parent.parent.parent)

    def told(self, path: Path) -> tuple[str, int, int]:
        """Give a file's lines, mode and owner; the last line's end is ours alone."""
        found = path.stat()
        return path.read_text().rstrip("\n"), stat.S_IMODE(found.st_mode), found.st_uid


CONFIG = """
import agentlib, plugins
agentlib.register(plugins.UnixSocket({path!r}), plugins.QemuParser())
"""


@pytest.fixture
def both(qemu_ga: str, tmp_path: Path) -> Iterator[list[tuple[Apart, Talk]]]:
    """Ours and qemu-ga, each with an /etc of its own."""
    if os.geteuid() or subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        pytest.skip("an /etc of its own needs root, and the right to a mount namespace")
    paths = [str(tmp_path / name) for name in ("ours.sock", "theirs.sock")]
    (tmp_path / "config.py").write_text(CONFIG.format(path=paths[0]))
    ours = [sys.executable, "-m", "plugin.guest.cli", "-n", "-o", "-", str(tmp_path / "config.py")]
    theirs = [qemu_ga, "-m", "unix-listen", "-p", paths[1], "-t", str(tmp_path)]
    theirs += ["-f", str(tmp_path / "pid"), "-b", "guest-shutdown,guest-set-time"]
    apart = Apart(tmp_path / "a", ours), Apart(tmp_path / "b", theirs)
    with (
        apart[0].process,
        apart[1].process,
        Talk(paths[0]) as here,
        Talk(paths[1]) as there,
    ):
        yield [(apart[0], here), (apart[1], there)]


@pytest.mark.process
def test_beside_qemu_ga(both: list[tuple[Apart, Talk]]) -> None:
    """Answers are equal, passwords are Alice's, and her files have her name and their modes."""
    before = Path("/etc/shadow").read_bytes()

    def asked(name: str, **arguments: Any) -> None:
        line = json.dumps({"execute": name, "arguments": {"username": "alice", **arguments}})
        answers = [
            talk.line(line.encode() + b"\n").replace(str(one.home).encode(), b"HOME")
            for one, talk in both
        ]
        assert answers[0] == answers[1], (line, answers)

    asked("guest-ssh-get-authorized-keys")
    asked("guest-set-user-password", password=b64("correct horse"), crypted=False)
    for one, _ in both:
        assert crypt("correct horse", field(one.etc)) == field(one.etc)
    asked("guest-set-user-password", password=b64("$6$salt$hash"), crypted=True)
    assert [field(one.etc) for one, _ in both] == ["$6$salt$hash"] * 2
    for call in (
        {"keys": KEYS},
        {"keys": KEYS[:1]},
        {"keys": ["ssh-rsa CCCC new"], "reset": False},
        {"keys": KEYS[1:], "reset": True},
        {"keys": []},
        {"keys": [""]},
        {"keys": KEYS},
    ):
        asked("guest-ssh-add-authorized-keys", **call)
        asked("guest-ssh-get-authorized-keys")
        told = [one.told(one.home / ".ssh" / "authorized_keys") for one, _ in both]
        assert told[0] == told[1], call
    asked("guest-ssh-remove-authorized-keys", keys=[KEYS[0], "nobody's"])
    asked("guest-ssh-get-authorized-keys")
    assert Path("/etc/shadow").read_bytes() == before
