"""What tests of this folder may ask for: a log of failures that is empty in the end."""

from __future__ import annotations

import gc
import signal
from collections.abc import Iterator

import pytest
from cli_room import lab  # noqa: F401  # one server for the tests of the command in all modules
from hypothesis import HealthCheck, settings
from twisted.logger import LogLevel, globalLogPublisher
from twisted.python.threadable import registerAsIOThread

settings.register_profile(
    "co2", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60
)
settings.load_profile("co2")


def pytest_configure() -> None:
    """Let processes of tests be interrupted, though whoever began the run ignores that signal."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Everything imported by now stays: collecting garbage need not look at it again."""
    gc.collect()
    gc.freeze()


class LoggedFailures:
    """The failures that were logged since the test began; a test that expects some takes them."""

    def __init__(self) -> None:
        self.events: list[dict[str, object]] = []

    def __call__(self, event: dict[str, object]) -> None:
        if event.get("log_level") is LogLevel.critical:
            self.events.append(event)

    def take(self, kind: type[BaseException] = BaseException) -> list[BaseException]:
        """Give the exceptions of that kind that were logged, and expect them."""
        gc.collect()  # a Deferred tells what nobody asked it for when it goes
        taken = [one for one in self.events if isinstance(_error(one), kind)]
        self.events = [one for one in self.events if one not in taken]
        return [_error(one) for one in taken]


def _error(event: dict[str, object]) -> BaseException:
    return getattr(event.get("log_failure"), "value", None)


@pytest.fixture
def logged_failures() -> Iterator[LoggedFailures]:
    """Collect failures; whatever the test does not take makes it fail."""
    found = LoggedFailures()
    globalLogPublisher.addObserver(found)
    registerAsIOThread()
    yield found
    gc.collect()
    globalLogPublisher.removeObserver(found)
    assert not found.events, f"logged, and not expected: {[_error(one) for one in found.events]}"
