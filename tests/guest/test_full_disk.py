"""A disk that is really full: a small tmpfs, in a mount namespace that the test makes.

The agent's root, log, temporary folder and exchange are on it. While it is full every command that
writes is refused and leaves what was there; nothing spins, and when there is room again all works.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from e2e.processes import Watched, eventually

from guest.qemu import Talk
from guest.running import SHADOW
from guest.test_passwords import encrypted, padded
from plugin.guest.command import secret
from plugin.guest.command.shadow import crypt

pytestmark = pytest.mark.process
MOUNT = """
mount -t tmpfs -o size=512k,nr_inodes=200 tmpfs "$1" && cd "$1" || exit 77
mkdir -p etc tmp/logs && export TMPDIR="$PWD/tmp"
printf '%s' "$2" >etc/shadow && echo 127.0.0.1 localhost >etc/hosts && echo old >etc/hostname
shift 2 && exec "$@"
"""
CONFIG = """
import agentlib, plugins, commands.command_list, commands
agentlib.get_interfaces = lambda: [("eth0", True, "40:40:11:22:33:44")]
parser = plugins.JsonParser(commands.init())
agentlib.register(plugins.UnixSocket({path!r}), parser)
agentlib.register(plugins.Directory({disk!r} + "/exchange"), parser)
agentlib.register(plugins.UnixSocket({path!r} + "q"), plugins.QemuParser(state_dir={disk!r}))
"""
ENTRY = {
    "mac": "40:40:11:22:33:44",
    "ips": [{"ip": "192.0.2.10", "netmask": "255.255.255.0", "enabled": 1}],
}


@frozen
class Small:
    """An agent on a small disk: its process, its sockets' path, and the disk as it sees it."""

    process: Watched
    path: str
    disk: Path

    def ask(self, name: str, value: Any = "") -> tuple[str, str]:
        """Run a command, and give code and message."""
        with Talk(self.path) as talk:
            answer = json.loads(
                talk.line(json.dumps({"name": name, "value": value}).encode() + b"\n")
            )
        return answer["returncode"], answer["message"]

    def password(self) -> tuple[str, str]:
        """Exchange keys, and set root's password to 'new'."""
        _, public = self.ask("keyinit", str(secret.public_key(987654321)))
        shared = secret.shared_secret(987654321, int(public))
        data = base64.b64encode(encrypted(padded(b"new"), shared)).decode()
        return self.ask("password", data)

    def fill(self) -> None:
        """Leave no byte free."""
        with open(self.disk / "filling", "wb", buffering=0) as file:
            for size in (4096, 1):
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError:
                    continue

    def free(self) -> None:
        """Make room again."""
        (self.disk / "filling").unlink()

    def files(self) -> dict[str, bytes]:
        """Give what is below /etc."""
        found = sorted((self.disk / "etc").rglob("*"))
        return {str(one): one.read_bytes() for one in found if one.is_file()}


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    """An agent whose disk has half a megabyte."""
    if os.geteuid() or subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        pytest.skip("a disk of its own needs root, and the right to a mount namespace")
    disk, path = tmp_path / "disk", str(tmp_path / "s")
    disk.mkdir()
    (tmp_path / "config.py").write_text(CONFIG.format(path=path, disk=str(disk)))
    agent = [sys.executable, "-m", "plugin.guest.cli", "-n", "-l", "debug", "--unsigned-updates"]
    agent += ["-o", f"{disk}/tmp/logs/log", "--root", str(disk), "--distribution", "debian"]
    agent += [str(tmp_path / "config.py")]
    words = ["unshare", "-m", "sh", "-c", MOUNT, "sh", str(disk), SHADOW, *agent]
    with Watched(words, Path(__file__).parent.parent.parent) as process:
        eventually(lambda: os.path.exists(path) and os.path.exists(path + "q"))
        yield Small(process, path, Path(f"/proc/{process.pid}/root{disk}"))


def archive(folder: Path) -> str:
    """Make an update that needs more room than the disk has, and give the command's value."""
    path = folder / "update.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, content in (("installer.sh", b":\n"), ("large", b"\0" * (1 << 20))):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return f"{path.as_uri()},{hashlib.md5(path.read_bytes()).hexdigest()}"


def test_a_full_disk_refuses_and_changes_nothing(small: Small, tmp_path: Path) -> None:
    """Files, the password, network files, an update: each says that the disk is full."""
    network = {"networking": [ENTRY], "hostname": "new"}
    file = base64.b64encode(b"/etc/motd," + b"x" * 5000).decode()
    update = archive(tmp_path)
    code, message = small.ask("agentupdate", update)  # there is room for some of what is in it
    assert (code, "No space left on device" in message) == ("500", True), message
    assert [one.name for one in (small.disk / "tmp").iterdir()] == ["logs"]
    small.fill()
    before = small.files()
    for code, message in (
        small.ask("injectfile", file),
        small.password(),
        small.ask("resetnetwork", network),
        small.ask("agentupdate", update),
    ):
        assert (code, "No space left on device" in message) == ("500", True), message
    with Talk(small.path + "q") as talk:
        opened = {"execute": "guest-file-open", "arguments": {"path": "/etc/motd", "mode": "r"}}
        assert b"No such file" in talk.line(json.dumps(opened).encode() + b"\n")
    assert small.files() == before
    assert [one.name for one in (small.disk / "tmp").iterdir()] == ["logs"]
    small.free()
    assert small.ask("injectfile", file) == ("0", "")
    assert small.ask("resetnetwork", network) == ("0", "")
    assert small.password() == ("0", "")
    shadow = (small.disk / "etc" / "shadow").read_text()
    assert crypt("new", shadow.split(":")[1]) == shadow.split(":")[1]
    assert small.process.stop() == 0


def test_a_full_disk_refuses_what_qemus_client_writes(small: Small) -> None:
    """guest-file-write says that the disk is full, and its file takes bytes again later."""
    with Talk(small.path + "q") as talk:

        def ask(name: str, **arguments: Any) -> Any:
            request = {"execute": name, "arguments": arguments}
            return json.loads(talk.line(json.dumps(request).encode() + b"\n"))

        handle = ask("guest-file-open", path="/etc/motd", mode="w")["return"]
        content = base64.b64encode(b"x" * 5000).decode()
        small.fill()
        refused = ask("guest-file-write", handle=handle, **{"buf-b64": content})
        assert refused["error"]["desc"] == "failed to write to file: No space left on device"
        opened = ask("guest-file-open", path="/etc/hosts", mode="r")
        assert opened["error"]["desc"] == "failed to write persistent state to disk"
        assert ask("guest-ping") == {"return": {}}
        small.free()
        ask("guest-file-seek", handle=handle, offset=0, whence="set")
        written = ask("guest-file-write", handle=handle, **{"buf-b64": content})
        assert written == {"return": {"count": 5000, "eof": False}}
        assert ask("guest-file-close", handle=handle) == {"return": {}}
    assert (small.disk / "etc" / "motd").read_bytes() == b"x" * 5000
    assert small.process.stop() == 0


def test_a_full_disk_keeps_requests_until_there_is_room(small: Small) -> None:
    """An answer that cannot be written leaves its request, which is answered later, unasked."""
    exchange = small.disk / "exchange"
    small.fill()
    # A request without a byte of its own fits on a full disk; it is malformed, and so answered.
    (exchange / "requests" / "one").touch()
    log = small.disk / "tmp" / "logs" / "log"
    assert small.ask("version")[0] == "0"  # others are served meanwhile
    assert not (exchange / "responses" / "one").exists()
    small.free()
    answer = eventually(lambda: _text(exchange / "responses" / "one"))
    assert json.loads(answer)["message"] == "Request is malformed"
    assert eventually(lambda: not (exchange / "requests" / "one").exists())
    small.ask("features")
    assert eventually(lambda: "command features" in log.read_text())


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""
