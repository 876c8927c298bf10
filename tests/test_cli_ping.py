"""`co2 ping` against a real server."""

from __future__ import annotations

import json
import re

import pytest
from cli_room import NOTHING_THERE, Lab

pytestmark = pytest.mark.process


def test_it_says_who_answered_and_how_fast(lab: Lab):
    """One line with host_id, milliseconds and uptime."""
    said = lab.ok("ping")
    assert re.fullmatch(
        rf"[0-9a-f]{{16}}@127\.0\.0\.1:{lab.port} answered in \d+\.\d ms, up \d+ s\n", said
    )


def test_programs_get_the_answer(lab: Lab):
    """The server's struct with the milliseconds."""
    assert json.loads(lab.ok("ping", "--json")).keys() == {"host_id", "time", "uptime", "ms"}


def test_a_satellite_is_asked_through_its_relay(lab: Lab):
    """`--host` pings another host."""
    assert f":{lab.port} answered in" in lab.ok("ping", "--host", "lab")


def test_a_wrong_token_does_not_matter(lab: Lab):
    """`ping` is open to everybody."""
    assert lab.ok("ping", "--token", "wrong")


def test_nobody_there_is_told(lab: Lab):
    """The exit code is 3."""
    result = lab.co2("ping", "--url", NOTHING_THERE)
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith("Error: nothing listens at 127.0.0.1:9")
