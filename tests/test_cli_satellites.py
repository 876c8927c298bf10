"""`co2 satellites`: the relay's view of each host."""

from __future__ import annotations

import json

import pytest
from cli_room import NOTHING_THERE, Lab

from co2 import __version__
from co2.app.cli import satellites

HEADS = ["nick", "host_id", "state", "lease", "ping", "ms", "queued", "version", "trouble"]


def show(records: list[dict[str, object]], capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """Give the words of each line that is printed."""

    class Relay:
        def ask_relay(self, method: str) -> object:
            return records

    satellites.satellites.callback.__wrapped__(Relay(), as_json=False)
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_a_host_in_trouble_is_shown_with_it(capsys: pytest.CaptureFixture[str]):
    """A lease that is over, no ping yet, no nick, and what went wrong last."""
    away = {"nick": "a@1.2.3.4:5", "host_id": "a@1.2.3.4:5", "state": "away", "lease": 0.0}
    away |= {"ping_current": -1.0, "queued": 3, "version": "", "trouble": "refused"}
    assert show([away], capsys)[1] == ["-", "a@1.2.3.4:5", "away", "over", "-", "3", "-", "refused"]


def test_an_empty_roster_is_told(capsys: pytest.CaptureFixture[str]):
    """No table without rows."""
    assert show([], capsys) == [["no", "satellite", "is", "registered"]]


@pytest.mark.process
class TestSatellites:
    """With a server."""

    def test_a_table_for_people(self, lab: Lab):
        """One line a satellite, under its heads, without decoration."""
        heads, row, *_ = (line.split() for line in lab.ok("satellites").splitlines())
        assert heads == HEADS[:-1]  # nobody is in trouble
        assert (row[0], row[2], row[4]) == ("lab", "online", "s")
        assert row[1].endswith(f"@127.0.0.1:{lab.port}")
        assert row[7] == __version__

    def test_records_for_programs(self, lab: Lab):
        """The relay's records as they are."""
        records = json.loads(lab.ok("satellites", "--json"))
        mine = next(one for one in records if one["nick"] == "lab")
        assert mine["addr"] == ["127.0.0.1", lab.port]
        assert mine["ctime"].endswith("+00:00")

    def test_failures_have_their_exit_codes(self, lab: Lab):
        """Denied is 1, nobody there is 3."""
        assert lab.co2("satellites", "--token", "wrong").exit_code == 1
        assert lab.co2("satellites", "--url", NOTHING_THERE).exit_code == 3
