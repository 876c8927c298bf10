"""Answers, as a client reads them: bytes to status and body, in the order they come.

Decides what is an answer and when it is complete. Knows no connection and no clock.

How it works. The usual answer has a Content-Length: its head is found, looked up in a memo, and its
body cut out. At the first answer of another kind (chunked, up to the connection's end, a 1xx before
it) llhttp (httptools) takes over for the rest of the connection. Invariants: never more is held
than `most` bytes of body and a head; answers that were complete before an error are given, and
none after it.
"""

from __future__ import annotations

from typing import NamedTuple

import httptools

from co2.errors import TransportFailed

_END = b"\r\n\r\n"
_MOST_HEAD = 64 * 1024
_KNOWN_HEADS = 256


class Answer(NamedTuple):
    """One answer; `last` says that its server ends the connection after it."""

    status: int
    body: bytes
    last: bool


class _AnswerHead(NamedTuple):
    status: int
    length: int
    last: bool
    usual: bool


class _Fields:
    """What llhttp tells of one answer's head."""

    def __init__(self) -> None:
        self.length = -1
        self.chunked = False
        self.complete = False
        self.last = False
        self.parser = httptools.HttpResponseParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"content-length":
            self.length = int(value)
        elif name == b"transfer-encoding":
            self.chunked = True

    def on_headers_complete(self) -> None:
        self.complete = True
        # Here, because llhttp forgets it with the end of a message that has no body.
        self.last = not self.parser.should_keep_alive()


def _read_head(block: bytes) -> _AnswerHead:
    fields = _Fields()
    parser = fields.parser
    parser.feed_data(block)
    # They hold each other, and should not wait for the garbage collector.
    del fields.parser
    status = parser.get_status_code()
    usual = fields.complete and fields.length >= 0 and not fields.chunked
    usual = usual and status >= 200 and status not in (204, 304)
    return _AnswerHead(status, fields.length, fields.last, usual)


class AnswerReader:
    """Reads the answers of one connection.

    Args:
        most: bytes of one answer's body.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[bytes, _AnswerHead] = {}
        self._input = b""
        self._head: _AnswerHead | None = None
        self._pieces: list[bytes] = []
        self._missing = 0
        self._general: _GeneralReader | None = None
        self.error: TransportFailed | None = None
        """Why nothing can follow any more: no HTTP, or more than is taken."""

    def feed(self, data: bytes) -> list[Answer]:
        """Take bytes, and give what answers they complete; look at `error` afterwards."""
        answers: list[Answer] = []
        try:
            if self._general is not None:
                self._general.feed(data, answers)
            else:
                self._read(data, answers)
        except TransportFailed as error:
            self.error = error
        except httptools.HttpParserError as error:
            self.error = TransportFailed(f"what came back is not HTTP: {error}")
        return answers

    def end(self) -> Answer | None:
        """Give the answer that the connection's end completes, if it is one of that kind."""
        return None if self._general is None else self._general.end()

    def _read(self, data: bytes, answers: list[Answer]) -> None:
        if self._head is not None:
            data = self._read_body(self._head, data, answers)
        elif self._input:
            data = self._input + data
        position = 0
        while self._head is None:
            end = data.find(_END, position) + 4
            if end == 3:
                break
            head = self._head_of(data[position:end])
            if not head.usual:
                self._input = b""
                self._general = _GeneralReader(self._most)
                self._general.feed(data[position:], answers)
                return
            position = end + head.length
            if position > len(data):
                self._head = head
                self._pieces = [data[end:]]
                self._missing = position - len(data)
                position = len(data)
            else:
                answers.append(Answer(head.status, data[end:position], head.last))
        self._input = data[position:]
        if len(self._input) > _MOST_HEAD:
            raise TransportFailed("what came back has no end of its head")

    def _read_body(self, head: _AnswerHead, data: bytes, answers: list[Answer]) -> bytes:
        """Take what belongs to the answer that has begun; give the rest."""
        missing = self._missing
        self._pieces.append(data[:missing])
        self._missing -= min(missing, len(data))
        if self._missing == 0:
            answers.append(Answer(head.status, b"".join(self._pieces), head.last))
            self._head, self._pieces = None, []
        return data[missing:]

    def _head_of(self, block: bytes) -> _AnswerHead:
        head = self._known.get(block)
        if head is None:
            head = _read_head(block)
            if head.length > self._most:
                raise TransportFailed(f"the answer is larger than {self._most} bytes")
            if len(self._known) >= _KNOWN_HEADS:
                self._known.clear()
            self._known[block] = head
        return head


class _GeneralReader:
    """Reads answers of every kind, by llhttp's events."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._parser = httptools.HttpResponseParser(self)
        self._answers: list[Answer] = []
        self._since_head = 0
        self.on_message_begin()

    def on_message_begin(self) -> None:
        self._body: list[bytes] = []
        self._size = 0
        self._in_body = False
        self._framed = False
        self._last = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self._framed = True

    def on_headers_complete(self) -> None:
        self._in_body = True
        self._since_head = 0
        self._last = not self._parser.should_keep_alive()

    def on_body(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= self._most:
            self._body.append(data)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() >= 200:
            self._answers.append(self._answer())
        self.on_message_begin()

    def feed(self, data: bytes, answers: list[Answer]) -> None:
        """Take bytes, and add what answers they complete."""
        self._answers = answers
        if not self._in_body:
            self._since_head += len(data)
        self._parser.feed_data(data)
        if self._size > self._most:
            raise TransportFailed(f"the answer is larger than {self._most} bytes")
        if not self._in_body and self._since_head > 2 * _MOST_HEAD:
            raise TransportFailed("what came back has no end of its head")

    def end(self) -> Answer | None:
        """Give the answer that has no length, and ends with the connection."""
        if self._in_body and not self._framed:
            return self._answer()
        return None

    def _answer(self) -> Answer:
        return Answer(self._parser.get_status_code(), b"".join(self._body), self._last)
