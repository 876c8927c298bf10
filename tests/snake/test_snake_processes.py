"""Real processes: many conversations at once, and a genus inside a satellite."""

import re
import socket
import struct
import subprocess
import sys
import xmlrpc.client
from contextlib import ExitStack
from pathlib import Path

import pytest
from witness import INSTALLED, Snaked, client

pytestmark = pytest.mark.process

CROWD = 500
DOUBLE = """
def handle(command):
    yield (None, None, (int, end_of_message))
    number, _ = yield ((1, end_of_message), 60, (int, end_of_message))
    yield ((number * 2, end_of_message), 0, None)
"""
CONFIG = """
DOUBLE_SNAKE_PATH = .
DOUBLE_ADDRESS_FILE = address
DOUBLE_SNAKE_COMMAND_TABLE @=end
QUERY_STARTD_ADS READ handle
@end
"""


def packet(*numbers):
    """Make a message of ints."""
    body = struct.pack(f">{len(numbers)}q", *numbers)
    return struct.pack(">BI", 1, len(body)) + body


def answer(connection):
    """Read a message of one int."""
    whole = connection.recv(13, socket.MSG_WAITALL)
    return struct.unpack(">q", whole[5:])[0]


@pytest.fixture
def genus(tmp_path):
    """A directory with the doubling handler."""
    (tmp_path / "snake").mkdir()
    (tmp_path / "snake/__init__.py").write_text(DOUBLE)
    (tmp_path / "condor_config").write_text(CONFIG)
    return tmp_path


def test_five_hundred_conversations_at_once(genus):
    """All are suspended together, silent ones among them, another is served, then all end."""
    with Snaked(genus, "DOUBLE", "address") as snaked, ExitStack() as held:
        host, port = snaked.address.strip("<>").partition("?")[0].split(":")
        crowd = [
            held.enter_context(socket.create_connection((host, int(port))))
            for _ in range(CROWD + 3)
        ]
        *talking, silent, slow, other = crowd
        silent.sendall(b"")
        slow.sendall(packet(5, 0)[:7])
        for connection in talking:
            connection.sendall(packet(5, 0))
        assert [answer(connection) for connection in talking] == [1] * CROWD
        other.sendall(packet(5, 0))
        assert answer(other) == 1
        other.sendall(packet(21))
        assert answer(other) == 42
        for number, connection in enumerate(talking):
            connection.sendall(packet(number))
        doubled = [answer(connection) for connection in talking]
        assert doubled == [number * 2 for number in range(CROWD)]


def test_a_bad_start_says_everything_and_exits(genus):
    """The complaints, each on a line, and the status that the original has."""
    (genus / "condor_config").write_text("DOUBLE_PORT = x\nwhat\n")
    for arguments, complaint in (
        (["-genus", "DOUBLE", "-config", "condor_config"], "line 2"),
        ([], "-genus NAME is needed"),
        (["-genus", "DOUBLE", "-config", "missing"], "No such file"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "plugin.snake.tool", *arguments],
            check=False, cwd=genus, capture_output=True, text=True, timeout=60,
            env={"PYTHONPATH": str(Path(__file__).parent.parent.parent)},
        )  # fmt: skip
        assert done.returncode == 255
        assert complaint in done.stderr


@pytest.fixture
def satellite(tmp_path):
    """A satellite with the seed's genus; gives its proxies, without and with admin's rights."""
    seed = Path(__file__).parent.parent / "data" / "snake_seed"
    home = tmp_path / "home"
    (home / "plugin/snake").mkdir(parents=True)
    code = (seed / "etc/snake.d/CREDMON_OAUTH/snake/__init__.py").read_text()
    (home / "etc/snake.d/CREDMON_OAUTH/snake").mkdir(parents=True)
    (home / "etc/snake.d/CREDMON_OAUTH/snake/__init__.py").write_text(code)
    (home / "condor_config").write_text((seed / "condor_config").read_text())
    (home / "plugin/snake/snaked_config.py").write_text(
        "genera = ['CREDMON_OAUTH']\nconfig = 'condor_config'\n"
    )
    (home / "config.py").write_text(
        'plugin_list = ["snake"]\nlisten = "tcp:0:interface=127.0.0.1"\n'
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "co2", "satellite"],
        cwd=home, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home)},
    )  # fmt: skip
    with process:
        try:
            here = next(line for line in process.stdout if "co2 satellite is here" in line)
            yield home, re.search(r"//([^/]+)", here)[1]
        finally:
            process.terminate()


def test_a_genus_in_a_satellite(satellite):
    """The seed's handlers over XML-RPC and over CEDAR, edited and reconfigured by a call."""
    home, where = satellite
    with xmlrpc.client.ServerProxy(f"http://{where}/") as any_caller:
        ((one, first, two, second, none),) = any_caller.snake.CREDMON_OAUTH.QUERY_STARTD_ADS({})
        assert (one, two, none) == (1, 1, 0)
        assert (first["Memory"], second["Name"]) == (1000, "slot1_2@snake-0000")
        (told,) = any_caller.snake.snaked.genera()
        with pytest.raises(xmlrpc.client.Fault, match="needs admin"):
            any_caller.snake.snaked.reconfigure("CREDMON_OAUTH")
        begun = any_caller.co2.open({"method": "snake.CREDMON_OAUTH.QUERY_SCHEDD_ADS"})
        assert begun["prompt"] == {"wanted": ["ClassAd", "end_of_message"]}
        step = {"conversation": begun["conversation"], "step": 1, "payload": {}}
        assert any_caller.co2.next(step)["replies"][0][1]["TotalIdleJobs"] == 1200
    code = home / "etc/snake.d/CREDMON_OAUTH/snake/__init__.py"
    code.write_text(code.read_text().replace("= 1000", "= 1001"))
    token = next(home.glob("state/*/admin.token")).read_text().strip()
    with xmlrpc.client.ServerProxy(f"http://admin:{token}@{where}/") as admin:
        admin.snake.snaked.reconfigure("CREDMON_OAUTH")
        assert admin.snake.CREDMON_OAUTH.QUERY_STARTD_ADS({})[0][1]["Memory"] == 1001
    if INSTALLED:
        (ads,) = client(told["address"], ["query", "Startd"])
        assert ads[0]["Memory"] == 1001
