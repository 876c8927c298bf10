"""The daemon's own updates, over real sockets, against our own collector; somebody listens in."""

import contextlib
import socket
import threading
from pathlib import Path

import pytest
from witness import Snaked

from plugin.snake import examples

pytestmark = pytest.mark.process

EXAMPLE = Path(examples.__path__[0]) / "collector"
DAEMON = "SEC_DAEMON_ENCRYPTION = REQUIRED"
TELLING = """

import sys

def told(command_int):
    yield from update(command_int)
    print("kept", *((ad["Mood"], ad.get("ClaimId")) for ad in ads.values()), file=sys.stderr)
"""
MOODY = """
def updateDaemonAd(ad):
    ad["Mood"] = "in confidence"
    ad["ClaimId"] = "between us"
    return ad
"""


class Tap:
    """Stands between clients and a server, and keeps every byte that passes."""

    def __init__(self, server):
        host, port = server.strip("<>").partition("?")[0].split(":")
        self._server = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"<127.0.0.1:{self._listener.getsockname()[1]}>"
        self.passed = bytearray()
        self._thread = threading.Thread(target=self._accept)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc_info):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(60)
        self._listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                with client, socket.create_connection(self._server) as server:
                    back = threading.Thread(target=self._hand_on, args=(server, client))
                    back.start()
                    self._hand_on(client, server)
                    back.join(60)

    def _hand_on(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.passed += data
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def collector(tmp_path):
    """Give what starts the example's collector, with more lines of configuration."""
    home = tmp_path / "collector"
    (home / "snake").mkdir(parents=True)
    (home / "snake/__init__.py").write_text((EXAMPLE / "snake/__init__.py").read_text() + TELLING)

    def start(*lines):
        config = (EXAMPLE / "condor_config").read_text()
        config = config.replace("DAEMON             update", "DAEMON             told")
        (home / "condor_config").write_text(config + "\n".join(lines) + "\n")
        (home / "log").mkdir()
        return Snaked(home, "CHARMER", "log/.charmer_address")

    return start


@pytest.fixture
def genus(tmp_path):
    """Give what starts a genus that updates a collector, with more lines of configuration."""
    home = tmp_path / "genus"
    (home / "snake").mkdir(parents=True)
    (home / "snake/__init__.py").write_text(MOODY)

    def start(collector, *lines):
        lines = ("MOCK_SNAKE_PATH = .", "MOCK_DEBUG = D_FULLDEBUG", *lines)
        config = "\n".join([*lines, f"COLLECTOR_HOST = {collector}", ""])
        (home / "condor_config").write_text(config)
        return Snaked(home, "MOCK", "none")

    return start


@pytest.mark.parametrize("who", ["SEC_CLIENT_ENCRYPTION", "SEC_CLIENT_INTEGRITY", "the collector"])
def test_an_update_is_encrypted_if_either_side_requires_it(collector, genus, who):
    """The ad arrives, its private attribute too, and who listens in sees nothing of it."""
    theirs, ours = ([f"{who} = REQUIRED"], []) if who.startswith("SEC") else ([], [DAEMON])
    with (
        collector(*ours) as charmer,
        Tap(charmer.address) as tap,
        genus(tap.address, *theirs) as mock,
    ):
        mock.wait_for("sent an update")
        assert "('in confidence', 'between us')" in charmer.wait_for("kept")
    assert b"ECDHPublicKey" in tap.passed
    for secret in (b"Mood", b"in confidence", b"between us"):
        assert secret not in tap.passed


def test_an_update_that_nobody_wants_encrypted_keeps_what_is_private(collector, genus):
    """It goes in clear, and its private attribute stays at home."""
    with collector() as charmer, Tap(charmer.address) as tap, genus(tap.address) as mock:
        mock.wait_for("sent an update")
        assert "('in confidence', None)" in charmer.wait_for("kept")
    assert b"in confidence" in tap.passed
    assert b"between us" not in tap.passed


@pytest.mark.parametrize(
    ("ours", "theirs", "told"),
    [
        ("SEC_DAEMON_ENCRYPTION = NEVER", "SEC_CLIENT_ENCRYPTION = REQUIRED", "the client"),
        (DAEMON, "SEC_CLIENT_ENCRYPTION = NEVER", "the server"),
    ],
)
def test_an_update_is_not_sent_where_the_two_cannot_agree(collector, genus, ours, theirs, told):
    """Nothing of the ad leaves, and the log says who requires what."""
    with (
        collector(ours) as charmer,
        Tap(charmer.address) as tap,
        genus(tap.address, theirs) as mock,
    ):
        line = mock.wait_for("no update to")
        assert f"Encryption: {told} requires it" in line
        charmer.wait_for("PERMISSION DENIED")
    assert b"in confidence" not in tap.passed
