"""co2-guest as a process: config files as the seed has them, options, exit codes, old plugins."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from e2e.processes import eventually, free_port, run

from guest.running import FOR_XENSTORE, Agents

pytestmark = pytest.mark.process
OF_2010 = """
import agentlib, plugins, commands, os, time
import commands.command_list

class Hello(commands.CommandBase):
    def __init__(self, *args, **kwargs):
        self.greeting = kwargs.get("greeting", "hello")

    @commands.command_add("hello")
    def hello(self, value):
        return (0, self.greeting + " " + value)

class Files(object):
    def __init__(self, folder):
        self.folder = folder
        self.asked = 0

    def get_request(self):
        self.asked += 1
        if self.asked == 1:
            raise RuntimeError("the transport is away")
        for name in sorted(os.listdir(self.folder)):
            if name.endswith(".in"):
                path = os.path.join(self.folder, name)
                text = open(path).read()
                os.unlink(path)
                return {"data": text, "path": path[:-3]}

    def put_response(self, request, response):
        with open(request["path"] + ".new", "w") as file:
            file.write(response["data"])
        os.rename(request["path"] + ".new", request["path"] + ".out")

agentlib.register(Files(@FOLDER@), plugins.JsonParser(commands.init(greeting="good day")))
"""


def test_test_mode_checks_the_config_and_starts_nothing(agents: Agents) -> None:
    """The seed's example with test_mode = True prints its line and exits with 0."""
    agent = agents.begin(FOR_XENSTORE.replace("test_mode = False", "test_mode = True"))
    agent.wait_for("Agent stopping due to test mode.")
    assert agent.ended() == 0


def test_a_plugin_of_2010_is_served(agents: Agents, tmp_path: Path) -> None:
    """A blocking exchange that raises and gives None, and a command class, are taken as is."""
    agent = agents.start(OF_2010.replace("@FOLDER@", repr(str(tmp_path))))
    (tmp_path / "x.tmp").write_text('{"name": "hello", "value": "world"}')
    (tmp_path / "x.tmp").rename(tmp_path / "x.in")
    out = tmp_path / "x.out"
    assert json.loads(eventually(lambda: out.read_text() if out.exists() else "")) == {
        "message": "good day world",
        "returncode": "0",
    }
    assert "Error receiving request" in agent.log
    assert agent.stop() == 0


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ("x = 1", "registered no exchange and parser"),
        (
            "import agentlib\nagentlib.register(object(), object())",
            "An 'exchange' plugin needs to define a 'get_request' method",
        ),
        ("import plugins\nplugins.JsonParser(3)", "Command class has no 'run_command' method"),
    ],
)
def test_what_is_wrong_is_said(agents: Agents, config: str, text: str) -> None:
    """A config that registers nothing, or what is no plugin, ends with 1 and the reason."""
    agent = agents.begin(config)
    assert agent.ended() == 1
    assert text in agent.log


@pytest.mark.parametrize("key", ["!!!", "", "c2hvcnQ=", "A" * 43 + "=x", "A" * 88])
def test_a_key_for_updates_that_is_none(agents: Agents, key: str) -> None:
    """What is not base64 of 32 bytes is refused at the start, with what a key is."""
    agent = agents.begin("test_mode = True", "--update-key", key)
    assert agent.ended() == 2
    assert f"argument --update-key: {key!r} is no public key for updates" in agent.log
    assert "base64 of 32 bytes (Ed25519)" in agent.log and "Traceback" not in agent.log


def test_a_key_for_updates(agents: Agents) -> None:
    """Base64 of 32 bytes is taken, several times."""
    key = ["--update-key", "A" * 43 + "="]
    agent = agents.begin("test_mode = True", *key, *key)
    agent.wait_for("Agent stopping due to test mode.")
    assert agent.ended() == 0


def test_without_a_config_it_ends(tmp_path: Path) -> None:
    """No config file is exit code 1, in the original's words."""
    code, text = run([sys.executable, "-m", "plugin.guest.cli"], tmp_path)
    assert (code, "Error: No python configuration file specified" in text) == (1, True)


def test_as_a_python(tmp_path: Path) -> None:
    """-t runs a file with the names importable, and hands its exit code on."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, agentlib\nprint(agentlib.get_version(), sys.argv[1:])\nsys.exit(3)"
    )
    code, text = run([sys.executable, "-m", "plugin.guest.cli", "-t", script, "a", "-b"], tmp_path)
    assert (code, text) == (3, "1.39.1 ['a', '-b']")


def test_in_the_background(agents: Agents, tmp_path: Path) -> None:
    """It forks, writes pid and log for its owner only, serves, and takes the pid file away."""
    path, pid, log = (str(tmp_path / name) for name in ("s", "pid", "log"))
    config = tmp_path / "config.py"
    config.write_text(
        "import agentlib, plugins, commands.command_list, commands\n"
        f"agentlib.register(plugins.UnixSocket({path!r}), plugins.JsonParser(commands.init()))\n"
    )
    words = ["-p", pid, "-o", log, "--root", str(agents.root), str(config)]
    code, _ = run([sys.executable, "-m", "plugin.guest.cli", *words], tmp_path)
    assert code == 0
    number = int(eventually(lambda: Path(pid).read_text() if os.path.exists(pid) else ""))
    try:
        for one in (pid, log, path):
            assert stat.S_IMODE(os.stat(one).st_mode) == 0o600
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            client.sendall(b'{"name": "version"}\n')
            assert json.loads(client.recv(4096))["message"] == "1.39.1"
    finally:
        os.kill(number, signal.SIGTERM)
    eventually(lambda: not os.path.exists(pid))
    assert "Agent 1.39.1 started" in Path(log).read_text()


def test_several_pairs_and_a_folder(agents: Agents, tmp_path: Path) -> None:
    """One daemon serves a folder and TCP at once; half a request of one client harms nobody."""
    folder = tmp_path / "exchange"
    port = free_port()
    agents.start(
        "import agentlib, plugins, commands.command_list, commands\n"
        "parser = plugins.JsonParser(commands.init())\n"
        f"agentlib.register(plugins.Directory({str(folder)!r}), parser)\n"
        f"agentlib.register(plugins.TcpLoopback({port}), plugins.QemuParser())\n"
    )
    for number in range(20):
        (folder / "requests" / f".{number}").write_text('{"name": "version"}')
        (folder / "requests" / f".{number}").rename(folder / "requests" / f"{number}")
    eventually(lambda: len(list((folder / "responses").glob("[0-9]*"))) == 20)
    assert list((folder / "requests").iterdir()) == []
    with socket.create_connection(("127.0.0.1", port)) as half:
        half.sendall(b'{"execute": "guest-')
        with socket.create_connection(("127.0.0.1", port)) as whole:
            whole.sendall(b'{"execute": "guest-ping"}\n')
            assert whole.recv(100) == b'{"return": {}}\n'


def test_the_console_script_is_there() -> None:
    """`co2-guest --help` tells its options."""
    done = subprocess.run(
        [Path(sys.executable).parent / "co2-guest", "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.fail(done.stderr)
    assert "--dry-run" in done.stdout
