"""Gathering through a network of real satellites: the door to co2, and the command."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tarfile
import xmlrpc.client
from contextlib import contextmanager

import pytest
from e2e.network import Network
from e2e.processes import eventually

from gatherer.test_collecting import Archive
from plugin.gatherer.protocol.records import Found, decode

pytestmark = pytest.mark.process
COMMAND = [sys.executable, "-m", "co2", "gather"]


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    """A relay host and another satellite, both with the gatherer."""
    with Network(tmp_path_factory.mktemp("hosts")) as network:
        chosen = {"plugin_list": ["gatherer"], "plugin_dirs": ["plugin"], "trust_relay_admin": True}
        first = network.satellite("first", **chosen)
        folder = network.folder / "second" / "plugin" / "gatherer"
        folder.mkdir(parents=True)
        rules = (
            'never = ["*/private/*", "*/gatherer_config.py"]\ncommands = ["echo *", "sleep *"]\n'
        )
        (folder / "gatherer_config.py").write_text(rules)
        second = network.satellite("second", relay=first.url, **chosen)
        first.sees("first", "second")
        yield first, second


@pytest.fixture
def profile(tmp_path):
    """Something small to gather: a file of a few MB, a private one, and commands."""
    data = tmp_path / "data"
    (data / "private").mkdir(parents=True)
    (data / "big").write_bytes(b"0123456789abcdef" * 300_000)
    (data / "private/key").write_text("secret")
    file = tmp_path / "small.toml"
    file.write_text(
        f'[[paths]]\npattern = "{data}"\nlimit = 0\n\n[[commands]]\nrun = "echo said"\n\n'
        '[[commands]]\nrun = "uname -s"\n'
    )
    return file


def gather(first, folder, *arguments):
    """Run the command; give its exit code, its output and the archive."""
    out = folder / "out.tar.gz"
    command = [*COMMAND, "--url", first.url, "--state-dir", str(first.state), "-o", str(out)]
    ran = subprocess.run(
        [*command, *arguments], capture_output=True, text=True, timeout=100, check=False
    )
    return ran.returncode, ran.stdout + ran.stderr, Archive(out) if out.exists() else None


@contextmanager
def gathering(command):
    """Run the command beside the test; it ends with the block at the latest."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_all_hosts_through_the_relay(hosts, profile, tmp_path):
    """Every host's files and outputs come through the network, under each host's own rules."""
    code, said, archive = gather(hosts[0], tmp_path, "--hosts", "all", "-p", str(profile))
    assert code == 3, said
    big = (tmp_path / "data/big").read_bytes()
    for host in ("first", "second"):
        name = f"out/{host}/files{tmp_path}/data/big"
        assert archive.contents.get(name) == big, archive.text("index.txt")
        assert archive.text(f"{host}/commands/echo_said") == "said\n"
    assert archive.manifest("first")["state"] == "full"
    requests = archive.manifest("second")["requests"]
    assert [one["outcome"] for one in requests] == ["done", "done", "refused"]
    assert f"out/first/files{tmp_path}/data/private/key" in archive.contents
    assert f"out/second/files{tmp_path}/data/private/key" not in archive.contents


def test_a_host_that_dies_while_it_is_gathered(hosts, profile, tmp_path):
    """What a killed satellite had sent is kept, and the archive says what is missing."""
    first, _ = hosts
    with Network(tmp_path / "..") as network:
        chosen = {"plugin_list": ["gatherer"], "trust_relay_admin": True}
        third = network.satellite("third", relay=first.url, **chosen)
        eventually(first.states, lambda seen: seen.get("third") == "online")
        profile.write_text(profile.read_text() + '[[commands]]\nrun = "sleep 1000"\n')
        out = tmp_path / "out.tar.gz"
        command = [*COMMAND, "--url", first.url, "--state-dir", str(first.state)]
        with gathering([*command, "-H", "third", "-p", str(profile), "-o", str(out)]) as process:
            for line in process.stderr:
                if "sleep 1000" in line:
                    third.kill()
                    break
            process.stderr.read()
            assert process.wait(60) == 3
    manifest = Archive(out).manifest("third")
    assert manifest["state"] == "partial" and manifest["why"]
    assert [one["outcome"] for one in manifest["requests"]] == ["done", "done", "done", "skipped"]


def test_a_host_that_nobody_can_connect_to(hosts, profile, tmp_path):
    """A host that only collects is gathered through its relay: files, outputs, a stuck command."""
    first, _ = hosts
    with Network(tmp_path / "..") as network:
        chosen = {"plugin_list": ["gatherer"], "trust_relay_admin": True}
        socket = f"unix:{tmp_path}/hidden.sock"
        network.satellite("hidden", relay=first.url, listen=socket, **chosen)
        eventually(first.states, lambda seen: seen.get("hidden") == "poll")
        profile.write_text(profile.read_text() + '[[commands]]\nrun = "sleep 1000"\nseconds = 1\n')
        code, said, archive = gather(first, tmp_path, "--hosts", "hidden", "-p", str(profile))
    assert code == 3, said
    requests = archive.manifest("hidden")["requests"]
    assert [one["outcome"] for one in requests] == ["done", "done", "done", "failed"]
    big = archive.contents[f"out/hidden/files{tmp_path}/data/big"]
    assert big == (tmp_path / "data/big").read_bytes()
    assert archive.text("hidden/commands/echo_said") == "said\n"


def test_a_host_that_does_not_trust_the_relay(hosts, profile, tmp_path):
    """It is told per host which setting lets the relay's admin gather, and the others come."""
    first, _ = hosts
    with Network(tmp_path / "..") as network:
        network.satellite("wary", relay=first.url, plugin_list=["gatherer"])
        network.satellite("plain", relay=first.url, trust_relay_admin=True, plugin_list=[])
        eventually(first.states, lambda seen: {seen.get("wary"), seen.get("plain")} == {"online"})
        hosts_ = "wary,plain,first,nobody"
        code, said, archive = gather(first, tmp_path, "--hosts", hosts_, "-p", str(profile))
    assert code == 3, said
    assert "wary: nothing: this host does not let its relay's admin gather" in said
    assert "set trust_relay_admin = True in its config.py" in archive.manifest("wary")["why"]
    assert "has this host 'gatherer' in its plugin_list?" in archive.manifest("plain")["why"]
    assert "nobody" in archive.manifest("nobody")["why"]
    assert archive.manifest("first")["state"] == "full"


def test_without_the_admin_token(hosts, profile, tmp_path):
    """Who has no admin token is told so, and where to show it."""
    out = tmp_path / "out.tar.gz"
    command = [*COMMAND, "--url", hosts[0].url, "--token", "", "-H", "server"]
    ran = subprocess.run(
        [*command, "-p", str(profile), "-o", str(out)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 4
    assert "gathering needs the server's admin token: --token or --state-dir" in ran.stdout


def test_ctrl_c_still_makes_an_archive(profile, tmp_path):
    """Ctrl-C in the middle: a valid archive of what had come, and exit code 3."""
    zstandard = pytest.importorskip("zstandard", reason="pip install 'co2-satellite[gather]'")
    profile.write_text(profile.read_text() + '[[commands]]\nrun = "sleep 1000"\n')
    out = tmp_path / "out.tar.zst"
    with gathering([*COMMAND, "-p", str(profile), "-o", str(out)]) as process:
        for line in process.stderr:
            if "sleep 1000" in line:
                process.send_signal(signal.SIGINT)
                break
        process.stderr.read()
        assert process.wait(60) == 3
    reader = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(out.read_bytes()))
    with tarfile.open(fileobj=reader, mode="r|") as tar:
        names = tar.getnames()
    assert any(name.endswith("data/big") for name in names) and "out/index.txt" in names


def test_only_admins_gather(hosts):
    """Loopback without the token may look at nothing and run nothing."""
    first, _ = hosts
    for method in ("profiles", "read", "stat", "collect"):
        fault = first.refused(f"gatherer.gatherer.{method}", {"path": "/etc/hostname"})
        assert fault.faultCode == 1000, method


def test_reading_and_looking(hosts, tmp_path):
    """A file is read, or its last bytes; what the host's rules except is refused."""
    first, second = hosts
    (tmp_path / "file").write_bytes(b"0123456789")
    (tmp_path / "link").symlink_to("file")
    admin = first.as_admin

    def call(method, **params):
        return first.call(f"gatherer.gatherer.{method}", params, **admin)

    assert call("read", path=str(tmp_path / "file"), most=4) == {"size": 10, "data": b"6789"}
    assert call("read", path=str(tmp_path / "link"))["data"] == b"0123456789"
    assert call("stat", path=str(tmp_path / "link"))["text"] == "file"
    with pytest.raises(xmlrpc.client.Fault, match="no such file"):
        call("read", path=str(tmp_path / "missing"))
    assert "system" in call("profiles")
    config = second.folder / "plugin/gatherer/gatherer_config.py"
    (tmp_path / "way-round").symlink_to(config)
    for path in (config, tmp_path / "way-round"):
        with pytest.raises(xmlrpc.client.Fault, match=r"excluded|kind l"):
            second.call("gatherer.gatherer.read", {"path": str(path)}, **second.as_admin)


def test_a_conversation_of_records(hosts, tmp_path):
    """Anybody who speaks XML-RPC can gather: open, next, next, and records of at most 1 MiB."""
    first, _ = hosts
    (tmp_path / "big").write_bytes(os.urandom(3_000_000))
    wanted = [{"name": "mine", "paths": [{"pattern": str(tmp_path / "big")}]}]
    opened = first.call(
        "co2.open",
        {"method": "gatherer.gatherer.collect", "params": [{"wanted": wanted}]},
        **first.as_admin,
    )
    replies, step = list(opened["replies"]), opened["step"]
    answer = opened
    while not answer["done"]:
        step += 1
        argument = {"conversation": opened["conversation"], "step": step}
        answer = first.call("co2.next", argument, **first.as_admin)
        replies += answer["replies"]
    bodies = [one["body"] for one in replies if one["event"] == "records"]
    assert all(len(body) <= (1 << 20) + 64 for body in bodies)
    content = b"".join(bytes(record.piece) for body in bodies for record in decode(body))
    assert content == (tmp_path / "big").read_bytes()
    assert isinstance(next(iter(decode(bodies[0]))), Found)
    assert replies[-1]["event"] == "finished" and replies[-1]["outcome"] == "done"


def test_a_closed_conversation_leaves_no_process(hosts):
    """When the caller closes the conversation, its worker and its command end."""
    first, _ = hosts
    command = f"sleep 4321.{os.getpid()}"  # no other run of the tests has it
    wanted = [{"commands": [{"run": command}]}]
    opened = first.call(
        "co2.open",
        {"method": "gatherer.gatherer.collect", "params": [{"wanted": wanted}]},
        **first.as_admin,
    )
    eventually(lambda: _running(command))
    first.call("co2.close", {"conversation": opened["conversation"]}, **first.as_admin)
    eventually(lambda: not _running(command))


def _running(words):
    found = subprocess.run(["pgrep", "-xf", words], capture_output=True, check=False).stdout
    return bool(found)
