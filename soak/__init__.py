"""Long tests with real processes; `make soak` runs them all, CI runs each of them small.

Each module here is one of them, with its sizes as arguments: what `python -m soak` runs for an hour
and what `tests/e2e` runs for seconds is the same code.
"""

import sys
from pathlib import Path

# Processes, and networks of them, are started by what the tests use.
_TESTS = str(Path(__file__).parent.parent / "tests")
if _TESTS not in sys.path:
    sys.path.insert(0, _TESTS)
