"""XML-RPC documents to calls and values, and back: the face of this room.

It decides which decoder reads a document and what the envelopes look like. It knows no sockets, no
HTTP and, but for what callers pass in, no method names.

Reading: the fast scanner first, the general decoder for whatever it does not know; both give the
same. Source of the forms: the XML-RPC specification (1999, as amended), PROTOCOL section 2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from co2.errors import (
    BadValue,
    DocumentError,
    Fault,
    Unreachable,
    UnsupportedValue,
    remote_error,
)
from co2.model.calls import Call, Encoded
from co2.wire.encoder import MOST_DEPTH, unsupported, write_members, write_value
from co2.wire.general import read_document
from co2.wire.grammar import Answer
from co2.wire.kept import encoded, keep_text, keep_value
from co2.wire.limits import BATCH_LIMITS, DEFAULT_LIMITS, Limits
from co2.wire.scanner import BATCH, Texts, scan_answer, scan_call
from co2.wire.values import GREATEST_I8, LEAST_I8, WHITE_SPACE
from co2.wire.writing import Unwritable, escape, escape_markup, replace_illegal

__all__ = [
    "BATCH_LIMITS",
    "DEFAULT_LIMITS",
    "Limits",
    "decode_call",
    "decode_reply",
    "encode_call",
    "encode_fault",
    "encode_members",
    "encode_reply",
    "encode_value",
    "read_reply",
    "wrap_members",
]

_NOTHING: Mapping[str, str] = {}
# The declaration names the encoding, because PHP's old libraries take Latin-1 for granted.
_DECLARATION = '<?xml version="1.0" encoding="utf-8"?>\n'
_CALL = f"{_DECLARATION}<methodCall><methodName>"
_PARAMS = "</methodName><params>"
_CALL_ENDS = "</params></methodCall>\n"
_ANSWER = f"{_DECLARATION}<methodResponse><params><param>"
_ANSWER_ENDS = "</param></params></methodResponse>\n"
_FAULT = f"{_DECLARATION}<methodResponse><fault><value><struct><member><name>faultCode</name>"
_MEMBERS_END = b"</struct></value></param></params></methodCall>\n"
_BATCH_BEGINS = f"{_CALL}{BATCH}{_PARAMS}<param><value><array><data>".encode()
_BATCH_ENDS = b"</data></array></value></param></params></methodCall>\n"
_UNKNOWN_CODE = -32603


def decode_call(
    document: bytes, limits: Limits = DEFAULT_LIMITS, keep: Mapping[str, str] = _NOTHING
) -> Call:
    """Read a method call.

    Args:
        document: the whole body of a request.
        limits: what it must keep within.
        keep: method name to a member's name. In a call of that method, be it alone or in a
            `system.multicall`, that member of the struct that is the first value comes as an
            `Encoded`.

    Returns:
        the method's name and its values.

    Raises:
        DocumentError: one of its classes; nothing of the document was given to anybody.
    """
    scanned = scan_call(document, limits, keep)
    if scanned is None:
        scanned = Call(*read_document(document, "methodCall", limits)), {}
    call, texts = scanned
    if call.method != BATCH:
        _keep(call.method, call.params, keep, texts)
    elif keep and call.params and isinstance(call.params[0], list):
        for one in call.params[0]:
            if isinstance(one, dict):
                _keep(one.get("methodName"), one.get("params"), keep, texts)
    return call


def _keep(method: object, params: object, keep: Mapping[str, str], texts: Texts) -> None:
    """Put an `Encoded` in place of the member that `keep` names, if there is one."""
    member = keep.get(method) if isinstance(method, str) else None
    if member is None or not isinstance(params, list | tuple) or not params:
        return
    struct = params[0]
    if not isinstance(struct, dict) or member not in struct:
        return
    value, text = struct[member], texts.get((id(struct), member))
    struct[member] = keep_value(value, member) if text is None else keep_text(text, value, member)


def decode_reply(
    document: bytes, limits: Limits = DEFAULT_LIMITS, whose: str = "the other side"
) -> Any:
    """Read the answer to a call, and give its value.

    Args:
        document: the whole body of the answer.
        limits: what it must keep within.
        whose: who answered, for the text of an error.

    Raises:
        Unreachable: the answer is none, or beyond the limits: as good as no answer at all.
        Co2Error: what `remote_error` gives for a fault that came.
    """
    try:
        reply = read_reply(document, limits)
    except DocumentError as error:
        raise Unreachable(f"{whose} does not answer XML-RPC as it should: {error.text}") from None
    if isinstance(reply, Fault):
        raise remote_error(reply)
    return reply


def read_reply(document: bytes, limits: Limits = DEFAULT_LIMITS) -> Any:
    """Read the answer to a call: its value, or the `Fault` that it is.

    Raises:
        DocumentError: the answer is none, or beyond the limits. That the other side answered with
            a fault of the same code is another matter, and given as a value here.
    """
    values = scan_answer(document, limits)
    if values is not None:
        return values[0]
    answer: Answer = read_document(document, "methodResponse", limits)
    return _fault(answer.value) if answer.is_fault else answer.value


def _fault(struct: Any) -> Fault:
    if isinstance(struct, dict):
        code, text = struct.get("faultCode"), struct.get("faultString")
        if type(code) is int and isinstance(text, str):
            return Fault(code, text)
    raise BadValue("a fault is a struct of an int faultCode and a string faultString")


def encode_call(method: str, params: Sequence[Any], fine_times: bool = False) -> bytes:
    """Write a method call.

    Args:
        method: the name.
        params: its values; where the only one is a struct, errors name its members directly.
        fine_times: whether microseconds are written: only to hosts that list the capability `co2`.

    Raises:
        UnsupportedValue: a value cannot travel, the text names the path to it; or the name has
            white space around it, which every reader would drop.
    """
    begins = _call_begins(method)
    if len(params) == 1 and isinstance(params[0], (dict, Mapping)):
        struct = write_value(params[0], "", fine_times)
        return f"{begins}<param>{struct}</param>{_CALL_ENDS}".encode()
    texts = [
        f"<param>{write_value(value, f'params[{index}]', fine_times)}</param>"
        for index, value in enumerate(params)
    ]
    return f"{begins}{''.join(texts)}{_CALL_ENDS}".encode()


def encode_reply(value: Any, fine_times: bool = False) -> bytes:
    """Write the answer to a call.

    Raises:
        UnsupportedValue: the value cannot travel; the text names the path, from `result` on.
    """
    return f"{_ANSWER}{write_value(value, 'result', fine_times)}{_ANSWER_ENDS}".encode()


def encode_fault(fault: Fault) -> bytes:
    """Write a fault as an answer; this never fails: what XML cannot carry becomes U+FFFD."""
    code = fault.code if LEAST_I8 <= fault.code <= GREATEST_I8 else _UNKNOWN_CODE
    text = escape_markup(replace_illegal(fault.text))
    return (
        f"{_FAULT}{write_value(int(code), 'faultCode', False)}</member>"
        f"<member><name>faultString</name><value><string>{text}</string></value></member>"
        "</struct></value></fault></methodResponse>\n"
    ).encode()


def encode_value(value: Any, path: str = "data", fine_times: bool = False) -> Encoded:
    """Write a value that is to become a struct's member, to be put into documents as it is.

    What is made with fine times says so by its `fine_times`, and is for co2 hosts only; for the
    others it is made anew, from its value.

    Raises:
        UnsupportedValue: it cannot travel, or only outside of a struct, for its depth.
    """
    return encoded(write_value(value, path, fine_times, MOST_DEPTH - 1), value, path)


def encode_members(struct: Mapping[str, Any], fine_times: bool = False, path: str = "") -> bytes:
    """Write a struct's members alone, so that more can be put beside them.

    Raises:
        UnsupportedValue: a member cannot travel; the text names the path to it.
    """
    return write_members(struct, path, fine_times).encode()


def wrap_members(method: str, members: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Give the pieces of a call whose one value is a struct of those members.

    Args:
        method: the name.
        members: pieces that `encode_members` made; they are not copied.
    """
    begins = f"{_call_begins(method)}<param><value><struct>"
    return (begins.encode(), *members, _MEMBERS_END)


def wrap_batch(method: str, batch: Sequence[tuple[bytes, ...]]) -> tuple[bytes, ...]:
    """Give the pieces of a `system.multicall` of that method, one call for each item.

    Args:
        method: the name, in every call.
        batch: for each call the pieces of its struct's members; they are not copied.
    """
    begins, ends = _batch_item(method)
    pieces: list[bytes] = [_BATCH_BEGINS]
    for members in batch:
        pieces += (begins, *members, ends)
    pieces.append(_BATCH_ENDS)
    return tuple(pieces)


@lru_cache(maxsize=256)
def _batch_item(method: str) -> tuple[bytes, bytes]:
    begins = (
        "<value><struct><member><name>methodName</name><value><string>"
        f"{escape(method)}</string></value></member><member><name>params</name>"
        "<value><array><data><value><struct>"
    )
    return begins.encode(), (b"</struct></value></data></array></value></member></struct></value>")


@lru_cache(maxsize=256)
def _call_begins(method: str) -> str:
    if method != method.strip(WHITE_SPACE):
        raise UnsupportedValue(f"methodName: {method!r} has white space around it")
    try:
        return f"{_CALL}{escape(method)}{_PARAMS}"
    except Unwritable as error:
        raise unsupported(error, "methodName") from None
