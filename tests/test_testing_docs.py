"""docs/testing.md: every example on the page runs, one after the other as a reader reads them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "testing.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.usefixtures("logged_failures")
def test_every_example_runs(logged_failures):
    """The page promises that its examples are run, and this is where."""
    text = PAGE.read_text()
    blocks = list(BLOCK.finditer(text))
    assert len(blocks) > 10
    names: dict[str, object] = {"__name__": "docs_testing"}
    for block in blocks:
        # Line numbers of the page, should one fail.
        source = "\n" * text.count("\n", 0, block.start(1)) + block[1]
        exec(compile(source, str(PAGE), "exec"), names)
    assert [type(error) for error in logged_failures.take()] == [KeyError]
