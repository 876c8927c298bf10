"""The worker as a process: stdin, stdout, stderr and signals around a `Session`.

How it works. One loop waits for stdin (while the session can use input), for the hand or the
running command, for signals, and for stdout's reader to go away. SIGUSR1 is answered inside its
Python handler, so that it is answered in every state, also while an answer waits for its reader.
On SIGINT what stdin holds is read first, so that the interrupt meets the request that its sender
meant. When nobody reads stdout any more, the running request is ended and so is the worker.

It never touches the file system that it is asked about: `plugin.gatherer.worker.hand` does.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections import deque
from collections.abc import Iterable
from types import FrameType
from typing import Final

from plugin.gatherer.protocol.requests import Place, Request
from plugin.gatherer.protocol.session import (
    Complain,
    Event,
    Leave,
    Say,
    Session,
    Start,
    State,
    Stop,
)
from plugin.gatherer.worker.hands import Answer, HandLost, Hands, Words
from plugin.gatherer.worker.processes import adopt_descendants, end_by, reap
from plugin.gatherer.worker.shell import Command, most_of, said, stored
from plugin.gatherer.worker.streams import Left, forget_half_a_line, read_some, readable, write_all

_SIGNALS: Final = (signal.SIGINT, signal.SIGUSR1, signal.SIGTERM, signal.SIGHUP)
_GONE: Final = select.POLLERR | select.POLLHUP


class Worker:
    """One worker on three descriptors.

    Args:
        session: the protocol.
        root: a directory that all paths are meant in, or empty.
    """

    def __init__(
        self, session: Session, root: bytes = b"", stdin: int = 0, stdout: int = 1, stderr: int = 2
    ) -> None:
        self._session = session
        self._root = root
        self._stdin, self._stdout, self._stderr = stdin, stdout, stderr
        self._command: Command | None = None
        self._waking = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._hands = Hands(root, (stdin, stdout, stderr, *self._waking))
        self._ending = 0
        self._interrupts: deque[int | None] = deque()
        self._events: deque[Event] = deque()
        self._draining = False

    def run(self) -> int:
        """Serve until the session ends; give the exit code. SIGTERM and SIGHUP end the process."""
        adopt_descendants()
        for one in _SIGNALS:
            signal.signal(one, self._signalled)
        signal.set_wakeup_fd(self._waking[1], warn_on_full_buffer=False)
        # what came while the process was starting is taken now
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        try:
            self._carry_out(self._session.begin())
            while True:
                self._wait()
        except Left as left:
            code = left.code
        finally:
            self._tidy()
        if self._ending:
            end_by(self._ending)
        return code

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        state = self._session.state
        if number == signal.SIGUSR1:
            with contextlib.suppress(OSError):
                os.write(self._stderr, b"ALIVE\n")
        elif number != signal.SIGINT:
            self._ending = number
        elif state in (State.COMMAND, State.PARAMS):
            self._interrupts.append(None)
        elif state is State.RUNNING:
            self._interrupts.append(self._session.number)

    # --- waiting ---------------------------------------------------------------------------

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self._waking[0], select.POLLIN)
        poll.register(self._stdout, 0)
        if self._session.hungry:
            poll.register(self._stdin, select.POLLIN)
        for descriptor in self._busy_with():
            poll.register(descriptor, select.POLLIN)
        for descriptor, event in poll.poll():
            self._ready(descriptor, event)
        self._heed_signals()

    def _busy_with(self) -> list[int]:
        if self._command is not None:
            return self._command.descriptors()
        if self._hands.processes and self._session.state is State.RUNNING:
            return [self._hands.descriptor]
        return []

    def _ready(self, descriptor: int, event: int) -> None:
        if descriptor == self._waking[0]:
            self._woken()
        elif descriptor == self._stdout:
            if event & _GONE:
                raise Left(1)
        elif descriptor == self._stdin:
            # it may have been used up by an interrupt meanwhile
            if self._session.hungry:
                self._read()
        elif self._command is not None:
            self._command.ready(descriptor)
            self._check_command()
        elif descriptor == self._hands.descriptor:
            self._hear_hand()

    def _woken(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._waking[0], 4096)

    def _read(self) -> bool:
        data = read_some(self._stdin)
        if data is None:
            return False
        self._carry_out(self._session.receive(data) if data else self._session.end())
        return True

    def _heed_signals(self) -> None:
        if self._ending:
            raise Left(1)
        while self._interrupts:
            meant = self._interrupts.popleft()
            if meant is None:
                self._read_what_is_there()
                if self._session.hungry:
                    forget_half_a_line(self._stdin)
            elif self._session.state is not State.RUNNING or self._session.number != meant:
                continue  # what it was meant for has been answered meanwhile
            self._carry_out(self._session.interrupt())

    def _read_what_is_there(self) -> None:
        while self._session.hungry and readable(self._stdin) and self._read():
            pass

    # --- doing -----------------------------------------------------------------------------

    def _carry_out(self, events: Iterable[Event]) -> None:
        # what an event leads to comes behind it, without a deeper call
        self._events.extend(events)
        if self._draining:
            return
        self._draining = True
        try:
            while self._events:
                self._one(self._events.popleft())
        finally:
            self._draining = False

    def _one(self, event: Event) -> None:
        if isinstance(event, Say):
            write_all(self._stdout, event.data)
        elif isinstance(event, Complain):
            write_all(self._stderr, event.data)
        elif isinstance(event, Start):
            self._start(event.request)
        elif isinstance(event, Stop):
            self._stop()
        else:
            assert isinstance(event, Leave)
            raise Left(event.code)

    def _start(self, request: Request) -> None:
        if request.shape.place is Place.SHELL:
            self._start_command(request)
        else:
            self._hands.ask(request)

    def _start_command(self, request: Request) -> None:
        limit = most_of(request)
        line, spare = request.params[0], self._hands.processes
        strict = self._session.strict
        self._command = Command(line, limit, self._root, spare, strict=strict)
        self._check_command()

    def _check_command(self) -> None:
        command, request = self._command, self._session.current
        if command is None or request is None or not command.done:
            return
        if request.name.startswith(b"exec2"):
            # storing may hang and be interrupted: it comes before the answer begins
            answer = iter([self._stored(request, command)])
            if self._interrupts:
                return  # it is stopped, and not answered
        else:
            answer = said(request, command)
        self._session.answering()
        for piece in answer:
            write_all(self._stdout, piece)
        self._command = None
        command.close()
        reap(self._hands.processes)
        self._carry_out(self._session.answered())

    def _stored(self, request: Request, command: Command) -> bytes:
        return stored(
            request,
            command,
            lambda path, size, file: self._hands.store(path, size, file, self._wait_for_hand),
        )

    # --- the hand --------------------------------------------------------------------------

    def _hear_hand(self) -> None:
        try:
            heard = self._hands.hear()
        except HandLost:
            self._carry_out(self._session.interrupt())
            return
        if isinstance(heard, Words):
            write_all(self._stderr, heard.text)
        elif isinstance(heard, Answer):
            self._session.answering()
            for earlier in heard.earlier:
                write_all(self._stdout, earlier)
            write_all(self._stdout, heard.part)
            self._carry_out(self._session.answered())

    def _wait_for_hand(self, descriptor: int) -> bool:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.register(self._waking[0], select.POLLIN)
        while not readable(descriptor):
            poll.poll()
            self._woken()  # or a SIGUSR1 would have it poll without a pause
            if self._interrupts or self._ending:
                with contextlib.suppress(BlockingIOError):
                    os.write(self._waking[1], b"\0")  # who heeds them waits for this as well
                return False
        return True

    def _stop(self) -> None:
        request = self._session.current
        if self._command is not None:
            self._command.kill()
            self._command.close()
            self._command = None
        elif request is not None:
            self._hands.lose(request.name)
        self._carry_out(self._session.stopped())

    def _tidy(self) -> None:
        signal.set_wakeup_fd(-1)
        for one in _SIGNALS:
            signal.signal(one, signal.SIG_IGN)
        if self._command is not None:
            self._command.kill()
            self._command.close()
        request = self._session.current
        if request is not None:
            self._hands.lose(request.name)
        self._hands.end()
