"""co2.model.sent: what `send()` gives back, ignored, awaited, or waited for in a thread."""

from __future__ import annotations

import threading

import pytest
from twisted.internet.defer import CancelledError, ensureDeferred

from co2.errors import Denied, LocalError, TimedOut
from co2.model.sent import Sent
from co2.testing.samples import result_of

pytestmark = pytest.mark.usefixtures("logged_failures")

OUTCOME = {"id": "1", "recipients": 2}


def in_thread(function):
    """Run a function in another thread, and give what it returned or raised."""
    found: list = []

    def run():
        try:
            found.append(function())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, found


def test_it_may_be_ignored():
    """A refusal that nobody asked for is no error in the log of Deferreds."""
    Sent("1").settle(Denied("no"))


def test_it_is_awaited():
    """Before and after the outcome is known."""
    sent = Sent("1")

    async def waits():
        return await sent

    before = ensureDeferred(waits())
    sent.settle(OUTCOME)
    assert result_of(before) == OUTCOME
    assert result_of(ensureDeferred(waits())) == OUTCOME


def test_a_refusal_is_raised():
    """To everybody who waits."""
    sent = Sent("1")
    waiting = [sent.as_deferred(), sent.as_deferred()]
    sent.settle(Denied("no"))
    for one in [*waiting, sent.as_deferred()]:
        with pytest.raises(Denied):
            result_of(one)
    with pytest.raises(Denied):
        sent.wait(0)


def test_a_thread_waits():
    """Until it is settled, or its time is up; then the message is still on its way."""
    sent = Sent("1")
    thread, found = in_thread(lambda: sent.wait(10))
    sent.settle(OUTCOME)
    thread.join()
    assert found == [OUTCOME]
    thread, found = in_thread(lambda: Sent("2").wait(0))
    thread.join()
    assert isinstance(found[0], TimedOut)


def test_the_reactors_thread_does_not_wait_for_itself():
    """It is told to await instead; what is known already may be asked for."""
    with pytest.raises(LocalError, match="await"):
        Sent("1").wait(1)
    sent = Sent("1")
    sent.settle(OUTCOME)
    assert sent.wait() == OUTCOME


def test_one_that_stops_waiting_disturbs_no_other():
    """Cancelling is each waiter's own."""
    sent = Sent("1")
    first, second = sent.as_deferred(), sent.as_deferred()
    first.cancel()
    sent.settle(OUTCOME)
    with pytest.raises(CancelledError):
        result_of(first)
    assert result_of(second) == OUTCOME


def test_everybody_has_an_outcome_of_his_own():
    """What one does to the dict the others do not see."""
    sent = Sent("1")
    sent.settle(OUTCOME)
    sent.wait()["recipients"] = 99
    assert sent.wait() == {"id": "1", "recipients": 2}
    assert (sent.settled, repr(sent)) == (True, "<Sent 1 settled>")
