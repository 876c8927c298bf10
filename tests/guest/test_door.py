"""The plugin in a real satellite: commands as admin, agents of machines by their sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.network import Network, Server
from e2e.processes import eventually

from guest.running import Agents

pytestmark = pytest.mark.process
SERVES = """
import agentlib, plugins
agentlib.register(plugins.UnixSocket({path!r}), plugins.QemuParser(block=["guest-exec"]))
"""


@pytest.fixture
def satellite(tmp_path: Path) -> Iterator[Server]:
    """A satellite with the plugin, in a dry run below a root of its own."""
    (tmp_path / "machine").mkdir()
    own = tmp_path / "here" / "plugin" / "guest"
    own.mkdir(parents=True)
    root = str(tmp_path / "machine")
    (own / "guest_config.py").write_text(f"root = {root!r}\nblock = ['kmsactivate']\n")
    with Network(tmp_path) as network:
        yield network.satellite("here", plugin_list=["guest"], plugin_dirs=["plugin"])


def test_commands_are_for_admin(satellite: Server) -> None:
    """The names are for everybody, to run them is not."""
    assert "version" in satellite.call("guest.guest.features")
    assert "kmsactivate" not in satellite.call("guest.guest.features")
    satellite.refused("guest.guest.command", {"name": "version"})
    answer = satellite.call("guest.guest.command", {"name": "version"}, **satellite.as_admin)
    assert answer == {"message": "1.39.1", "returncode": "0"}
    blocked = satellite.call("guest.guest.command", "kmsactivate", **satellite.as_admin)
    assert blocked["returncode"] == "404"


def test_an_agent_is_reached_by_its_socket(satellite: Server, agents: Agents) -> None:
    """Answers come back, refusals and silence are faults that say what is the matter."""
    path = str(agents.folder / "agent.sock")
    agents.start(SERVES.format(path=path))
    ask = {"socket": path, "execute": "guest-sync", "arguments": {"id": 7}}
    assert satellite.call("guest.guest.agent", ask, **satellite.as_admin) == 7
    blocked = {"socket": path, "execute": "guest-exec", "arguments": {"path": "x"}}
    fault = satellite.refused("guest.guest.agent", blocked, **satellite.as_admin)
    assert "Command guest-exec has been disabled" in fault.faultString
    nobody = {"socket": path + ".not", "execute": "guest-ping"}
    fault = satellite.refused("guest.guest.agent", nobody, **satellite.as_admin)
    assert "no socket of a guest agent" in fault.faultString


def test_a_full_queue_is_told(satellite: Server, full_queue: socket.socket) -> None:
    """An agent whose others wait already: that is said, in words."""
    ask = {"socket": full_queue.getsockname(), "execute": "guest-ping"}
    fault = satellite.refused("guest.guest.agent", ask, **satellite.as_admin)
    assert fault.faultString.endswith("others wait there already, and its queue is full")


def test_a_file_lands_below_the_root(satellite: Server, tmp_path: Path) -> None:
    """What a command writes is below the root of the plugin's settings."""
    value = {"b64_path": "L2V0Yy9tb3Rk", "b64_file": "aGVsbG8="}
    ask = {"name": "file_inject", "value": value}
    assert satellite.call("guest.guest.command", ask, **satellite.as_admin)["returncode"] == "0"
    assert (tmp_path / "machine" / "etc" / "motd").read_text() == "hello"


ASKER = '''
from co2.api import Co2Plugin

class X_Asker(Co2Plugin):
    """Sends what it is told to, and keeps the answers."""

    answers = []

    def receive(self, data_dict):
        if data_dict["topic"] == "guest.response":
            self.answers.append(data_dict["data"])

    def x_ask(self, data, topic="guest.request"):
        self.send({"data": data}, topic=topic)
        return True

    def x_answers(self):
        return self.answers
'''


def test_messages_are_requests_of_those_who_may_ask(tmp_path: Path) -> None:
    """A listed host is answered, even where it asks for nonsense; others and topics are not."""
    plugins = tmp_path / "plugins" / "asker"
    plugins.mkdir(parents=True)
    (plugins / "__init__.py").write_text('__all__ = ["asker"]\n')
    (plugins / "asker.py").write_text(ASKER)
    settings = {"plugin_list": ["asker"], "plugin_dirs": [str(tmp_path / "plugins")]}
    own = tmp_path / "here" / "plugin" / "guest"
    own.mkdir(parents=True)
    with Network(tmp_path) as network:
        listed = network.satellite("listed", relay="embedded", **settings)
        stranger = network.satellite("stranger", relay=listed.url, **settings)
        random = listed.host_id.partition("@")[0]
        root = str(tmp_path / "machine")
        (own / "guest_config.py").write_text(f"root = {root!r}\naccept_from = [{random!r}]\n")
        guest = {"plugin_list": ["guest"], "plugin_dirs": ["plugin"], "relay": listed.url}
        network.satellite("here", **guest)
        listed.sees("listed", "stranger", "here")
        version = {"name": "version", "value": ""}
        stranger.call("asker.asker.ask", {"data": version})
        listed.call("asker.asker.ask", {"data": version, "topic": "other.topic"})
        for data in ({"name": "nosuch"}, [1], {}, version):
            listed.call("asker.asker.ask", {"data": data})
        answers = eventually(
            lambda: stranger.call("asker.asker.answers"), lambda found: len(found) >= 4
        )
    codes = [(one["returncode"], one["message"]) for one in answers]
    assert codes == [
        ("404", "No such agent command 'nosuch'"),
        ("500", "Request is malformed"),
        ("500", "Request is missing 'name' key"),
        ("0", "1.39.1"),
    ]
    assert {one["to"].partition("@")[0] for one in answers} == {random}
    assert len({one["request"] for one in answers}) == 4
