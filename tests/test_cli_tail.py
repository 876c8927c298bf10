"""`co2 tail`: messages as they come, from a process of its own, and a clean end."""

from __future__ import annotations

import json
import re
import signal
import subprocess

import pytest
from cli_room import NOTHING_THERE, Lab, begin, co2
from e2e.processes import PATIENCE, eventually, free_port

from co2.app.cli.tail import line


def listens(tail: subprocess.Popen[str]) -> str:
    """Read until it has registered, and give its host_id."""
    said = tail.stderr.readline()
    found = re.fullmatch(r"listening as (\S+@127\.0\.0\.1:\d+); Ctrl-C ends it\n", said)
    assert found is not None, said
    return found[1]


def registered(lab: Lab) -> list[str]:
    """Give the host_ids in the roster."""
    return [one["host_id"] for one in json.loads(lab.ok("satellites", "--json"))]


@pytest.mark.parametrize("when", [None, "soon", 1e300, float("-inf")])
def test_a_message_is_one_line_whatever_is_in_it(when: object):
    """What a stranger sends as the time or the data breaks nothing."""
    text = line({"time": when, "host_id": "a@1.2.3.4:5", "data": {"x": ["a\nb"]}})
    assert text == '--:--:--  -  a@1.2.3.4:5  {x: ["a\\nb"]}'


def test_nobody_there_is_told():
    """The exit code is 3, before anything is opened."""
    result = co2("tail", "--url", NOTHING_THERE)
    assert result.exit_code == 3
    assert "co2 satellite" in result.stderr


def test_another_machine_needs_an_address_that_it_can_reach():
    """A relay elsewhere cannot call loopback here; it is not contacted in vain."""
    result = co2("tail", "--url", "http://192.0.2.1/")
    assert result.exit_code == 2
    assert "give --listen" in result.stderr


@pytest.mark.process
class TestTail:
    """With a server."""

    @pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
    def test_it_prints_what_matches_and_leaves(self, lab: Lab, signum: int):
        """JSON lines of the wanted topic; Ctrl-C is a good end, and takes it out of the roster."""
        with lab.begin("tail", "--json", "--topic", "tail.*") as tail:
            host_id = listens(tail)
            assert host_id in registered(lab)
            lab.ok("send", "no", "--topic", "other.topic")
            lab.ok("send", "no")
            lab.ok("send", '{"n": [1, null]}', "--topic", "tail.test")
            struct = json.loads(tail.stdout.readline())
            tail.send_signal(signum)
            assert tail.communicate(timeout=PATIENCE) == ("", "")
            assert tail.returncode == 0
        assert (struct["data"], struct["topic"]) == ({"n": [1, None]}, "tail.test")
        assert struct["client_address"][0] == "127.0.0.1"
        assert "token" not in struct
        eventually(lambda: host_id not in registered(lab))

    def test_it_prints_lines_for_people_and_ends_by_count(self, lab: Lab):
        """Time, topic, author and data on a line; after --count of them it ends."""
        with lab.begin("tail", "--topic", "cli.count", "--count", "2") as tail:
            listens(tail)
            for text in ("one", "two", "three"):
                lab.ok("send", text, "--topic", "cli.count")
            out, _ = tail.communicate(timeout=PATIENCE)
        assert tail.returncode == 0
        words = [one.split("  ") for one in out.splitlines()]
        assert [one[3] for one in words] == ["one", "two"]
        assert all(re.fullmatch(r"\d\d:\d\d:\d\d", one[0]) for one in words)

    def test_it_can_be_called_like_any_satellite(self, lab: Lab):
        """It answers ping through the relay, and gives away nothing else."""
        with lab.begin("tail") as tail:
            host_id = listens(tail)
            assert host_id in lab.ok("ping", "--host", host_id)
            assert lab.co2("call", "hello.hello.greet", "--host", host_id).exit_code == 1
            tail.send_signal(signal.SIGINT)
            tail.communicate(timeout=PATIENCE)

    def test_a_reader_that_has_gone_ends_it(self, lab: Lab):
        """`co2 tail | head` ends without a traceback, and unregisters."""
        with lab.begin("tail", "--topic", "cli.gone") as tail:
            host_id = listens(tail)
            tail.stdout.close()
            tail.stdout = None  # whoever ends the process reads no closed file
            lab.ok("send", "x", "--topic", "cli.gone")
            assert tail.wait(PATIENCE) == 0
            assert tail.stderr.read() == ""
        eventually(lambda: host_id not in registered(lab))

    def test_it_comes_back_when_its_relay_does(self, lab: Lab, tmp_path):
        """A relay that was killed and started again has its tail back, without help."""
        # A port that the system gives nobody meanwhile: not even to the tail, as its own end.
        port = str(free_port())
        words = ("relay", "-l", port, "--state-dir", str(tmp_path / "state"))
        with begin(*words, folder=tmp_path) as relay:
            url = next(one for one in relay.stdout if "is here" in one).split()[-1]
            with begin("tail", "--json", folder=tmp_path, CO2_URL=url) as tail:
                host_id = listens(tail)
                relay.kill()
                relay.wait()
                with begin(*words, folder=tmp_path) as again:
                    next(one for one in again.stdout if "is here" in one)
                    co2("send", "again", CO2_URL=url)
                    assert json.loads(tail.stdout.readline())["data"] == "again"
                    tail.send_signal(signal.SIGINT)
                    tail.communicate(timeout=PATIENCE)
                    eventually(lambda: host_id not in co2("satellites", CO2_URL=url).stdout)

    def test_an_address_of_another_machine_cannot_be_listened_on(self, lab: Lab):
        """The reason is told, without a traceback."""
        with lab.begin("tail", "--listen", "192.0.2.1") as tail:
            _, err = tail.communicate(timeout=PATIENCE)
        assert tail.returncode == 1
        assert err.startswith("Error: cannot listen on 192.0.2.1: ")

    def test_a_wrong_token_is_told(self, lab: Lab):
        """Before it listens."""
        assert lab.co2("tail", "--token", "wrong").exit_code == 1
