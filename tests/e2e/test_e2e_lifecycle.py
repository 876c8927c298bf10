"""How a server begins, takes new settings, and ends; and what it says when it cannot begin."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from e2e.network import PLUGINS, Network, Server, write_config
from e2e.processes import eventually, free_port, run
from e2e.test_e2e_messages import data_of

pytestmark = pytest.mark.process

BIN = Path(sys.executable).parent
SECRET = "a secret that two hosts share"


def start_failing(folder: Path, role: str = "satellite", *options: str) -> str:
    """Start a server that cannot start, and give what it said."""
    code, said = run([sys.executable, "-m", "co2", role, *options], folder)
    assert code == 1, said
    assert "Traceback" not in said and 'File "' not in said
    assert "listens at" not in said
    return said


# -- the end -----------------------------------------------------------------------------------


def test_goodbye(network: Network) -> None:
    """SIGTERM: every __exit__ is called, what was sent is delivered, and the relay knows."""
    # Nothing but its own word shows the relay that a host has left: no ping, and no lease's end.
    relay = network.relay(ping_interval=3600.0, lease=3600.0)
    plugins = {"plugin_list": ["probe", "example", "sysinfo"]}
    leaving = network.satellite("leaving", relay=relay.url, **plugins)
    staying = network.satellite("staying", relay=relay.url)
    relay.sees("leaving", "staying")
    leaving.probe("send", "the last of many", False, 500)
    assert leaving.stop() == 0
    assert "the probe ends" in leaving.log
    eventually(relay.states, lambda seen: seen == {"leaving": "away", "staying": "online"})
    eventually(lambda: "goodbye" in data_of(staying))
    of_the_probe = [data for data in data_of(staying) if isinstance(data, str)]
    assert of_the_probe == ["the last of many"] * 500 + ["goodbye"]
    assert not (leaving.state / "pid").exists()
    assert relay.stop() == 0


def test_goodbye_through_an_embedded_relay(network: Network) -> None:
    """A satellite that is the relay too brings its plugins' last words away before it ends."""
    middle = network.satellite("middle", relay="embedded")
    outer = network.satellite("outer", relay=middle.url)
    middle.sees("middle", "outer")
    middle.probe("send", "the last of many", False, 500)
    assert middle.stop() == 0
    assert len(outer.hears(501)) == 501
    assert outer.probe("messages")[-1]["data"] == "goodbye"


def test_goodbye_where_somebody_is(network: Network) -> None:
    """Last words go to the peer that is there; a dead peer or relay is not waited for."""
    ports = free_port(), free_port(), free_port()
    there, dead, relay = (f"http://127.0.0.1:{port}/" for port in ports)
    peers = [(dead, SECRET), (there, SECRET)]
    leaving = network.satellite("leaving", relay=relay, peers=peers, stop_timeout=3600.0)
    staying = network.satellite(
        "staying",
        relay=None,
        listen=f"tcp:{ports[0]}:interface=127.0.0.1",
        peers=[(leaving.url, SECRET)],
    )
    leaving.probe("send", "hello")
    staying.hears(1)
    assert leaving.stop() == 0
    assert [m["data"] for m in staying.hears(2)] == ["hello", "goodbye"]


def test_interrupt(network: Network) -> None:
    """Ctrl-C ends a server as orderly as SIGTERM does."""
    server = network.satellite("one")
    server.sees("one")
    server.interrupt()
    assert server.ended() == 0
    assert "the probe ends" in server.log
    assert not (server.state / "pid").exists()


def test_every_plugin_ends_though_one_cannot(network: Network) -> None:
    """An __exit__ that raises or never returns keeps no other plugin from its own."""
    network.expecting_tracebacks = True
    server = network.satellite("one", plugin_list=["clinging", "probe"], stop_timeout=1.0)
    assert server.stop() == 0
    assert "the probe ends" in server.log
    assert "clinging.clinging.X_Raising.__exit__ failed" in server.log
    assert "clinging.clinging.X_Lasting.__exit__ failed" in server.log


# -- new settings ------------------------------------------------------------------------------


def test_hangup_reads_settings_again(network: Network) -> None:
    """SIGHUP takes what can be taken, and names what needs a restart."""
    relay = network.relay(ping_interval=3600.0)
    satellite = network.satellite("one", relay=relay.url)
    relay.sees("one")
    mark = relay.length
    write_config(relay.folder, ping_interval=0.2, max_body=2048)
    relay.hang_up()
    assert "ping_interval" in relay.wait_for(r"settings read again; changed: (.*)", mark)[1]
    assert relay.wait_for(r"these need a restart: (.*)", mark)[1] == "max_body"
    eventually(lambda: relay.call("relay.get_satellites")[0]["ping_count"], lambda n: n >= 3)
    assert satellite.call("ping")


def test_hangup_with_broken_settings(network: Network) -> None:
    """Settings that cannot be read are complained about, and the old ones stay."""
    relay = network.relay()
    relay.wait_for("listens at")
    (relay.folder / "config.py").write_text("ping_interval = \n")
    mark = relay.length
    relay.hang_up()
    assert "config.py, line 1" in relay.wait_for(r"the settings stay as they are: (.*)", mark)[1]
    write_config(relay.folder, ping_intervall=3)
    mark = relay.length
    relay.hang_up()
    relay.wait_for(r"ping_intervall is no setting; did you mean ping_interval\?", mark)
    assert relay.call("ping")


# -- what cannot begin -------------------------------------------------------------------------


def test_two_servers_and_one_state_folder(network: Network) -> None:
    """The second one says which process holds the folder, and what to do."""
    first = network.relay()
    assert first.call("ping")
    said = start_failing(first.folder, "relay")
    assert f"is in use by another server (process {first.pid})" in said
    assert "--state-dir" in said
    assert first.call("ping")


def test_port_in_use(network: Network) -> None:
    """A port that is taken is named, with the setting it stands in."""
    first = network.relay()
    said = start_failing(
        first.folder, "relay", "--listen", str(first.port), "--state-dir", "elsewhere"
    )
    assert f"listen = 'tcp:{first.port}:interface=127.0.0.1'" in said
    assert "in use" in said


@pytest.mark.parametrize(
    "written_and_complaints",
    [
        ("lease = ", "config.py, line 1: invalid syntax"),
        ("import nonsense_that_is_not_there", "config.py, line 1: ModuleNotFoundError"),
        ("x = 1\ny = 1 / 0", "config.py, line 2: ZeroDivisionError"),
        (
            "plugin_lst = []\nlease = 'long'\nrelay = 'ftp://relay/'\n"
            "peers = [('http://127.0.0.1:1/', 'short')]",
            "did you mean plugin_list?",
            "lease = 'long': a number of at least",
            "'embedded', None or a URL is needed",
            "at least 16 characters",
        ),
        ("listen = 'tcp:2004'", "insecure = True"),
        ("state_dir = '/dev/null/state'", "/dev/null/state"),
        ("listen = 'unix:/nonexistent/co2'", "/nonexistent/co2"),
    ],
)
def test_bad_settings(tmp_path: Path, written_and_complaints: tuple[str, ...]) -> None:
    """Settings with mistakes: what is wrong and where, exit code 1, and no traceback."""
    written, *complaints = written_and_complaints
    (tmp_path / "config.py").write_text(written + "\n")
    said = start_failing(tmp_path)
    assert [complaint for complaint in complaints if complaint not in said] == []


def test_config_that_is_not_there(tmp_path: Path) -> None:
    """A --config that does not exist is named."""
    assert "nowhere.py: No such file" in start_failing(
        tmp_path, "satellite", "--config", "nowhere.py"
    )


def test_state_that_is_damaged(tmp_path: Path) -> None:
    """A damaged state file is named, with what to do."""
    write_config(tmp_path)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "co2.sqlite").write_bytes(b"this is no database, not at all " * 200)
    assert "move it away" in start_failing(tmp_path)


# -- twistd ------------------------------------------------------------------------------------


def twistd(network: Network, role: str, **settings: Any) -> Server:
    folder = network.folder / role
    write_config(folder, **settings)
    command: list[str | Path] = [sys.executable, BIN / "twistd", "-n", "--pidfile=", role]
    return network.keep(Server(command, folder))


def test_twistd(network: Network) -> None:
    """`twistd satellite` and `twistd relay` run the same servers."""
    relay = twistd(network, "relay")
    plugins = {"plugin_list": ["probe"], "plugin_dirs": [str(PLUGINS)]}
    satellite = twistd(network, "satellite", relay=relay.url, nick="one", **plugins)
    relay.sees("one")
    assert satellite.probe("touch") == 1
    mark = satellite.length
    satellite.hang_up()
    satellite.wait_for("settings read again", mark)
    # twistd ends orderly, and then by the signal that it was sent.
    assert satellite.stop() == -signal.SIGTERM
    assert "the probe ends" in satellite.log
    assert not (satellite.state / "pid").exists()
    assert relay.stop() == -signal.SIGTERM


def test_twistd_with_bad_settings(tmp_path: Path) -> None:
    """twistd tells the same complaints, without a traceback."""
    write_config(tmp_path, lease="long")
    command: list[str | Path] = [sys.executable, BIN / "twistd", "-n", "--pidfile=", "satellite"]
    code, said = run(command, tmp_path)
    assert code == 1
    assert "lease = 'long': a number of at least" in said
    assert "Traceback" not in said


def test_twistd_with_a_port_in_use(network: Network) -> None:
    """Under twistd too, a server that cannot listen says why, and ends with an exit code."""
    first = network.relay()
    command: list[str | Path] = [sys.executable, BIN / "twistd", "-n", "--pidfile=", "relay"]
    code, said = run([*command, "-l", str(first.port), "--state-dir", "other"], network.folder)
    assert "in use" in said
    assert "Traceback" not in said
    assert code == 1


def test_help(tmp_path: Path) -> None:
    """Every way to start tells its options."""
    for words in (
        [BIN / "twistd", "satellite"],
        [BIN / "twistd", "relay"],
        [BIN / "twist", "satellite"],
        [BIN / "co2", "relay"],
        ["-m", "co2", "satellite"],
    ):
        code, said = run([sys.executable, *words, "--help"], tmp_path)
        assert code == 0, said
        assert {"--config", "--listen", "--nick", "--state-dir"} <= set(
            said.replace("=", " ").replace(",", " ").split()
        )


def test_twist(network: Network) -> None:
    """`twist satellite` runs one too."""
    folder = network.folder / "twist"
    write_config(folder, plugin_list=["example"])
    command: list[str | Path] = [sys.executable, BIN / "twist", "--log-format=text", "satellite"]
    server = network.keep(Server(command, folder))
    assert server.call("example.example.greet", "world") == "hello, world"
    assert server.stop() == -signal.SIGTERM
