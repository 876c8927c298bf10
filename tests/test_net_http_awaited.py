"""One answer is waited for, and told once."""

from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from co2.net.http_awaited import Awaited


class AwaitedTests(SynchronousTestCase):
    """`Awaited` with a list for its owner."""

    def setUp(self) -> None:
        self.came: list[bytes] = []
        self.failed = 0
        self.awaited = Awaited(self.came.append, self.fail_once)

    def fail_once(self) -> None:
        self.failed += 1

    def test_there_already(self) -> None:
        """An answer that is there is given back at once, and not told again."""
        self.assertEqual(self.awaited.take(succeed(b"x")), b"x")
        self.assertFalse(self.awaited.pending)
        self.assertEqual(self.came, [])

    def test_later(self) -> None:
        """An answer that comes later is told then."""
        reply: Deferred[bytes] = Deferred()
        self.assertIsNone(self.awaited.take(reply))
        self.assertTrue(self.awaited.pending)
        reply.callback(b"x")
        self.assertEqual(self.came, [b"x"])
        self.assertFalse(self.awaited.pending)

    def test_cancel(self) -> None:
        """Who waits no more cancels the call, and hears nothing of it."""
        cancelled: list[bool] = []
        reply: Deferred[bytes] = Deferred(lambda _: cancelled.append(True))
        self.awaited.take(reply)
        self.awaited.cancel()
        self.awaited.cancel()
        self.assertEqual((cancelled, self.came, self.failed), ([True], [], 0))

    def test_answer_to_a_cancel(self) -> None:
        """A call that answers to being cancelled is not heard either."""
        reply: Deferred[bytes] = Deferred(lambda it: it.callback(b"too late"))
        self.awaited.take(reply)
        self.awaited.cancel()
        self.assertEqual(self.came, [])

    def test_failure(self) -> None:
        """A call that fails after all is logged, and its owner is told."""
        reply: Deferred[bytes] = Deferred()
        self.awaited.take(reply)
        reply.errback(RuntimeError("cannot be"))
        self.assertEqual(self.failed, 1)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
