"""Away for thousands of messages; `make soak` does it with 100,000."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from soak import backlog

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]


def test_who_was_away_catches_up(tmp_path: Path, tell: Callable[[str], None]) -> None:
    """All of the backlog comes, in order and once, and the relay does not grow with it."""
    result = backlog.run(tmp_path, messages=3_000, warm=4_500)
    tell(str(result))
    result.check()
