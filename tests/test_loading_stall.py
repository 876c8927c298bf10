"""co2.loading.stall: a reactor that stands still is noticed, and in whose code."""

from __future__ import annotations

import sys

import pytest
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from zope.interface.verify import verifyObject

from co2.interfaces import IClockedWork
from co2.loading.stall import StallWatch, describe


class Heart:
    """A watch whose both clocks stand still."""

    def __init__(self):
        self.clock = Clock()
        self.watch = StallWatch(self.clock, self.clock.seconds, lambda name: None)
        self.said: list[str] = []

    def __enter__(self):
        globalLogPublisher.addObserver(self.note)
        self.watch.start()
        return self

    def __exit__(self, *exc_info):
        self.watch.stop()
        globalLogPublisher.removeObserver(self.note)

    def note(self, event):
        if event.get("log_namespace", "").startswith("co2.loading.stall"):
            self.said.append(event["log_format"])

    def stand_still(self, seconds):
        """Time passes, and the reactor does not notice."""
        self.clock.rightNow += seconds


def test_it_provides_the_interface():
    """It is started and stopped by a service."""
    verifyObject(IClockedWork, Heart().watch)


def test_a_heart_that_beats_is_no_news():
    """Whatever the thread sees while the reactor runs."""
    with Heart() as heart:
        for _ in range(40):
            heart.clock.advance(0.25)
            heart.watch.look()
        assert heart.said == []


def test_a_stall_over_a_second_is_told_once():
    """While it lasts, and how long it was when it is over."""
    with Heart() as heart:
        heart.clock.advance(0.25)
        heart.stand_still(0.9)
        heart.watch.look()
        assert heart.said == []
        heart.stand_still(0.2)
        heart.watch.look()
        heart.watch.look()
        assert len(heart.said) == 1
        assert "threaded = True" in heart.said[0]
        heart.clock.advance(0)
        assert len(heart.said) == 2
        assert "stood still" in heart.said[1]


def test_a_second_stall_is_told_again():
    """Each has its own line."""
    with Heart() as heart:
        for _ in range(2):
            heart.stand_still(1.5)
            heart.watch.look()
            heart.clock.advance(0.25)
        assert len(heart.said) == 4


def test_it_names_the_innermost_frame_of_a_plugin():
    """What the plugin called is not to blame; the plugin's own line is."""

    def inner():
        return describe(sys._getframe(), lambda name: "lights" if name == "plugin.lights" else None)

    names = {"__name__": "plugin.lights", "inner": inner}
    exec(compile("\n\ndef act():\n    return inner()\nresult = act()", "lights.py", "exec"), names)
    assert names["result"] == ("plugin lights", "lights.py:4 in act")


def test_without_a_plugin_it_is_co2s():
    """And the innermost line is named."""
    who, where = describe(sys._getframe(), lambda name: None)
    assert who == "co2"
    assert where.endswith("in test_without_a_plugin_it_is_co2s")
    assert describe(None, lambda name: None) == ("co2", "nowhere")


@pytest.mark.parametrize("times", [1, 2])
def test_it_can_be_stopped_whenever(times):
    """No beat is left on the clock."""
    heart = Heart()
    with heart:
        for _ in range(times):
            heart.watch.stop()
    assert heart.clock.getDelayedCalls() == []
