"""Every failure that can reach another program, each with one fault code.

This module decides which exception is which fault. It knows nothing of XML, sockets or plugins.
Raise the class that says what happened; `rpc.dispatch` turns it into a fault by `fault_of`, and
`remote_error` turns a fault that came back from another host into the same class again, so that a
caller writes `except Denied:` wherever the method ran.

A text says what was wrong, where, and what to do. It never holds a secret, a path or a traceback.
The codes below 0 are the XML-RPC fault code interoperability specification's; from 1000 they are
co2's own. `docs/protocol.md` prints the same table, and a test compares the two.
"""

from __future__ import annotations

import re
from typing import ClassVar, NamedTuple

_RETRY = re.compile(r" \[retry after (\d{1,6}(?:\.\d{1,6})?) s\]\Z")


class Fault(NamedTuple):
    """A failure as it travels: `code` an int of the table, `text` for a person."""

    code: int
    text: str


class Co2Error(Exception):
    """What every error of co2 is; `text` is shown to whoever called."""

    code: ClassVar[int] = -32603

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def as_fault(self) -> Fault:
        """Give the fault that stands for this error on the wire."""
        return Fault(self.code, self.text)


class LocalError(Co2Error):
    """This program asked for something that cannot be; nothing was sent."""


class RemoteError(Co2Error):
    """Another program did, or answered, something that cannot be accepted."""


# --- what a document can have wrong -----------------------------------------------------------


class DocumentError(RemoteError):
    """The bytes are no XML-RPC document that co2 accepts."""

    code = -32700


class NotWellFormed(DocumentError):
    """The document is not well-formed XML, or its elements are not XML-RPC's."""

    code = -32700


class UnsupportedEncoding(DocumentError):
    """The document declares a character encoding that is not read here."""

    code = -32701


class InvalidCharacter(DocumentError):
    """The bytes are not valid in the document's encoding, or no XML character."""

    code = -32702


class InvalidRequest(DocumentError):
    """Well-formed XML, and yet no method call."""

    code = -32600


class DoctypeRefused(DocumentError):
    """A document type or entity declaration, which no XML-RPC client needs."""

    code = 1020


class TooDeep(DocumentError):
    """Values are nested deeper than the limit."""

    code = 1021


class TooManyValues(DocumentError):
    """The document holds more values than the limit."""

    code = 1022


class SecondRoot(DocumentError):
    """A second root element follows the first."""

    code = 1023


class TrailingBytes(DocumentError):
    """Something that is no white space follows the end of the document."""

    code = 1024


class DuplicateMember(DocumentError):
    """A struct names the same member twice."""

    code = 1025


class BadValue(DocumentError):
    """A value's text does not fit its type: a number, a date, a base64 text."""

    code = 1026


# --- what a call can have wrong ---------------------------------------------------------------


class MethodNotFound(RemoteError):
    """No method of that name is in the registry."""

    code = -32601


class InvalidParams(RemoteError):
    """The arguments do not fit the method's signature."""

    code = -32602


class InternalError(RemoteError):
    """The server failed; its log has the details under the incident id in the text."""

    code = -32603


class ApplicationFailed(RemoteError):
    """The method refused, for a reason of its own that the text gives."""

    code = -32500


class SystemFailed(RemoteError):
    """The host could not do it: a disk, a process, a device."""

    code = -32400


class TransportFailed(RemoteError):
    """The other side could not be reached, or what came back was not an answer."""

    code = -32300


class Unreachable(TransportFailed):
    """No answer came to a call that was made here: told from a fault that another host sent."""


class Denied(RemoteError):
    """The caller's rights do not reach this method; the text quotes the rule."""

    code = 1000


class NotRegistered(RemoteError):
    """The host is not, or no longer, in this relay's roster: register (again)."""

    code = 1001


class Spoofed(RemoteError):
    """The sender is not who the message says: another address, secret or token."""

    code = 1002


class RetryLater(RemoteError):
    """Refused for now; `retry_after` seconds from now it may be accepted."""

    code = 1003

    def __init__(self, text: str, retry_after: float = 1.0) -> None:
        super().__init__(text)
        self.retry_after = retry_after

    def as_fault(self) -> Fault:
        """Give the fault; a fault has but a code and a text, so the time stands in the text."""
        return Fault(self.code, f"{self.text} [retry after {self.retry_after:g} s]")


class RateLimited(RetryLater):
    """More messages than the relay takes from one host."""

    code = 1003


class QueueFull(RetryLater):
    """A queue is full; the text says which."""

    code = 1004


class TooLarge(RemoteError):
    """More bytes or replies than the limit that the text names."""

    code = 1005


class UnsupportedValue(LocalError):
    """A Python value that XML-RPC cannot carry; the text names the path to it."""

    code = 1006


class PluginRaised(RemoteError):
    """A plugin's method raised; its host's log has the traceback."""

    code = 1007


class TimedOut(RemoteError):
    """No answer within the time that the text names."""

    code = 1008


class Gone(RemoteError):
    """What was named existed once and does not any more."""

    code = 1009


class ConversationClosed(RemoteError):
    """The conversation has ended, idled out, or belongs to somebody else."""

    code = 1010


class IdentityTaken(RemoteError):
    """The random part of a host_id belongs to another secret."""

    code = 1011


class AmbiguousNick(RemoteError):
    """Several hosts bear that nick; the text lists their host ids."""

    code = 1012


class RelayFull(RetryLater):
    """The relay's roster has reached max_sats."""

    code = 1013


class ConflictingDuplicate(RemoteError):
    """A message with the id of an earlier one, and another content."""

    code = 1014


class NeedsConversation(RemoteError):
    """The method asks for more than one input: open a conversation by co2.open."""

    code = 1015


class ShuttingDown(RetryLater):
    """The server is stopping and takes nothing new."""

    code = 1016


class HopLimit(RemoteError):
    """The message has passed more relays than the limit."""

    code = 1017


class JournalFailed(RetryLater):
    """Journal or roster cannot be written: a full disk, a damaged file. Nothing was accepted."""

    code = 1027


class NameTaken(LocalError):
    """A second claim on a method name; the first one keeps it."""

    code = 1018


class SettingsError(LocalError):
    """The settings have mistakes; the text lists every one."""

    code = 1019


def _subclasses(root: type[Co2Error]) -> list[type[Co2Error]]:
    found = [root]
    for child in root.__subclasses__():
        found.extend(_subclasses(child))
    return found


def _first_by_code() -> dict[int, type[Co2Error]]:
    table: dict[int, type[Co2Error]] = {}
    for error in _subclasses(Co2Error):
        if error not in (Co2Error, LocalError, RemoteError, DocumentError, RetryLater):
            table.setdefault(error.code, error)
    return table


FAULT_TABLE: dict[int, type[Co2Error]] = _first_by_code()
"""Every fault code, and the one class that it stands for."""


class UnknownFault(RemoteError):
    """A fault with a code of another program's own; `fault` is what came."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.text)
        self.fault = fault

    def as_fault(self) -> Fault:
        """Give the other program's own fault, unchanged."""
        return self.fault


def remote_error(fault: Fault) -> Co2Error:
    """Give the exception that a fault from another host stands for.

    Args:
        fault: code and text as they came.

    Returns:
        an instance of the class in `FAULT_TABLE`, or an `UnknownFault` that keeps a foreign code.
    """
    kind = FAULT_TABLE.get(fault.code)
    if kind is None:
        return UnknownFault(fault)
    if issubclass(kind, RetryLater):
        said = _RETRY.search(fault.text)
        if said is not None:
            return kind(fault.text[: said.start()], float(said[1]))
    return kind(fault.text)
