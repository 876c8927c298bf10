"""One open conversation as its caller sees it: numbered steps, each with one answer.

How it works. `open` is step 0; each `next` names the step after the last one. A step lets the
generator run until it asks, ends, has said as much as one answer holds, or (async) has to wait
with something said already. With nothing said, the answer is held back for `wait` seconds at
most, and then tells of nothing. The answer stays until the next step, so a step that is asked for
again, because its answer was lost, gets it once more and moves nothing; asked for again while the
first is held back, it waits along.

Invariants: the generator runs only for a step that has no answer yet; every reply is in exactly
one answer; what it raised is the answer of the step after the last reply; `ended` is called once.
It knows nothing of who calls, and of no other conversation.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from co2.errors import Co2Error, ConversationClosed, InvalidParams
from co2.rpc.dialogue import Begun, Dialogue, Stage
from co2.rpc.replies import estimate_size, input_of

NOTHING: Any = object()
"""No payload, which is not the payload None."""

Answer = dict[str, Any]


@frozen
class Limits:
    """How much a conversation may take.

    Attributes:
        replies, size: in one answer of `co2.next`; `size` in estimated bytes, and a single larger
            reply still goes, alone.
        plain_replies, plain_size: in the answer of a plain call.
        wait: seconds that an answer is held back if the caller does not say; `longest_wait` is
            the most it may say.
        per_caller, most: open conversations of one caller, and in all.
        remembered: ended ones whose last answer is kept for a repeated step.
        grace: seconds that a generator's `finally` may take when the server stops.
    """

    replies: int = 100
    size: int = 1 << 20
    plain_replies: int = 10_000
    plain_size: int = 4 << 20
    wait: float = 25.0
    longest_wait: float = 60.0
    per_caller: int = 32
    most: int = 256
    remembered: int = 64
    grace: float = 5.0


class Exchange:
    """The steps of one conversation.

    Args:
        identity: its id on the wire.
        begun: the generator, not run yet.
        clock: times what is held back.
        limits: of one answer.
        ended: called once, when no further step will be accepted.
    """

    def __init__(
        self,
        identity: str,
        begun: Begun,
        clock: IReactorTime,
        limits: Limits,
        ended: Callable[[Exchange], None],
    ) -> None:
        self.identity = identity
        self.begun = begun
        self.step = 0
        self._clock = clock
        self._limits = limits
        self._ended = ended
        self._dialogue = Dialogue(begun, self._heard, partial(clock.callLater, 0))
        self._input = input_of(begun.unbound) if begun.unbound else NOTHING
        self._answer: Answer | Co2Error | None = None
        self._waiting: list[Deferred[Answer]] = []
        self._deadline: IDelayedCall | None = None
        self._pulling = False
        self._why_closed = ""

    @property
    def held(self) -> bool:
        """Whether a caller is waiting for an answer."""
        return self._answer is None

    @property
    def finished(self) -> bool:
        """Whether no further step will be accepted."""
        return bool(self._why_closed)

    def open(self) -> Answer:
        """Run the first step and answer at once, with what there is.

        Raises:
            Co2Error: it raised before it said anything.
        """
        self._pull()
        self._settle()
        return self._given()

    def next(self, step: int, payload: Any, wait: float) -> Answer | Deferred[Answer]:
        """Run a step, or give its answer again.

        Args:
            step: the last one's number, or one more.
            payload: what was asked for, or NOTHING.
            wait: seconds to hold the answer back while there is nothing to tell.

        Raises:
            InvalidParams: another step is expected, or a payload is missing or not asked for.
            ConversationClosed: it has ended.
            Co2Error: what the generator raised.
        """
        if step == self.step:
            return self._join() if self.held else self._given()
        self._check_turn(step, payload)
        self.step = step
        self._answer = None
        if payload is not NOTHING:
            self._input = payload
        self._pull()
        if self._worth_telling() or wait <= 0:
            self._settle()
        if not self.held:
            return self._given()
        self._deadline = self._clock.callLater(wait, self._settle)
        return self._join()

    def close(self, why: str) -> Deferred[None]:
        """End it; the Deferred fires when the generator's `finally` has run."""
        if not self.finished:
            self._finish(why)
            if self.held:
                self._give(ConversationClosed(f"the conversation has ended: {why}"))
            self._dialogue.close()
        return self._dialogue.closed()

    # --- turns ----------------------------------------------------------------------------------

    def _check_turn(self, step: int, payload: Any) -> None:
        if self.finished:
            raise ConversationClosed(f"the conversation has ended: {self._why_closed}")
        expected = self.step if self.held else self.step + 1
        if step != expected:
            raise InvalidParams(f"step {step} is not this conversation's turn; send {expected}")
        asked = isinstance(self._answer, dict) and self._answer["asks"]
        if asked and payload is NOTHING:
            raise InvalidParams(f"the conversation asks for input: send step {step} with payload")
        if payload is not NOTHING and not asked:
            raise InvalidParams(f"nothing was asked for: send step {step} without payload")

    def _pull(self) -> None:
        """Let the generator run while it can and there is room in the answer."""
        self._pulling = True
        dialogue, room = self._dialogue, self._room()
        while not self.finished:
            if dialogue.stage is Stage.READY and room > 0 and self._has_place():
                dialogue.resume()
                if dialogue.stage is Stage.READY:
                    room -= estimate_size(dialogue.replies[-1], room)
            elif dialogue.stage is Stage.ASKING and self._input is not NOTHING:
                payload, self._input = self._input, NOTHING
                dialogue.resume(payload)
            else:
                break
        self._pulling = False

    def _room(self) -> int:
        room = self._limits.size
        for reply in self._dialogue.replies:
            room -= estimate_size(reply, room)
        return room

    def _has_place(self) -> bool:
        return len(self._dialogue.replies) < self._limits.replies

    def _heard(self) -> None:
        if self.held and not self._pulling and not self.finished:
            self._pull()
            if self._worth_telling():
                self._settle()

    def _worth_telling(self) -> bool:
        return bool(self._dialogue.replies) or self._dialogue.stage is not Stage.RUNNING

    # --- answers --------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Make the answer of this step from what there is now, and give it to who waits."""
        if not self.held:  # it was closed by its own code
            return
        failure, begun = self._dialogue.failure, self.begun
        if failure is not None and not self._dialogue.replies:
            self._finish("it failed")
            self._give(begun.incidents.error_for(failure, begun.method, begun.owner))
            return
        answer = self._new_answer()
        if answer["done"]:
            self._finish("it had come to its end")
        self._give(answer)

    def _new_answer(self) -> Answer:
        dialogue = self._dialogue
        answer = {
            "conversation": self.identity,
            "step": self.step,
            "replies": list(dialogue.replies),
            "asks": dialogue.stage is Stage.ASKING,
            "done": dialogue.stage is Stage.ENDED and dialogue.failure is None,
        }
        dialogue.replies.clear()
        if answer["asks"] and dialogue.prompt is not None:
            answer["prompt"] = dialogue.prompt
        return answer

    def _give(self, answer: Answer | Co2Error) -> None:
        self._answer = answer
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._deadline = None
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            if isinstance(answer, Co2Error):
                deferred.errback(answer)
            else:
                deferred.callback(answer)

    def _given(self) -> Answer:
        if isinstance(self._answer, Co2Error):
            raise self._answer.with_traceback(None)
        assert self._answer is not None
        return self._answer

    def _finish(self, why: str) -> None:
        self._why_closed = why
        self._ended(self)

    # --- waiting --------------------------------------------------------------------------------

    def _join(self) -> Deferred[Answer]:
        deferred: Deferred[Answer] = Deferred(self._left)
        self._waiting.append(deferred)
        return deferred

    def _left(self, deferred: Deferred[Answer]) -> None:
        """A caller disconnected while its answer was held back; the last one takes it along."""
        self._waiting.remove(deferred)
        if not self._waiting:
            self.close("its caller left while waiting")
