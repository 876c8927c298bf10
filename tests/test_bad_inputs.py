"""What a hostile or broken client can send, and what it gets.

Each case is sent to a whole server: the real connection, codec and dispatcher. It must get the
status or fault that the table names, hold nothing of it afterwards, and answer the next good call
of the same client where its connection is still open, and of another one in any case.
"""

from __future__ import annotations

import gzip
import tracemalloc
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
from http_ends import Reply, Server, call, chunked, request, split_replies
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol
from twisted.trial.unittest import TestCase

from co2.errors import Co2Error, UnknownFault
from co2.net.answering import Answering
from co2.net.http_limits import HttpLimits
from co2.net.http_server import HttpServer
from co2.wire.xmlrpc import DEFAULT_LIMITS, decode_reply, encode_call

MOST_BODY = 2_000_000
LINE = b"POST /RPC2 HTTP/1.1\r\n"
HOST = b"Host: 127.0.0.1:2004\r\n"
KIND = b"Content-Type: text/xml\r\n"
ECHO = encode_call("echo", ("hello",))
GOOD = request(ECHO)
CHUNKED_HEAD = LINE + HOST + KIND + b"Transfer-Encoding: chunked\r\n\r\n"

NOT_WELL_FORMED = -32700
UNSUPPORTED_ENCODING = -32701
INVALID_CHARACTER = -32702
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
DENIED = 1000
DOCTYPE, TOO_DEEP, TOO_MANY, SECOND_ROOT, TRAILING, DUPLICATE, BAD_VALUE = range(1020, 1027)


class Case(NamedTuple):
    """One thing that is sent.

    `status` is the HTTP status that comes back; `fault` the code that is in it, None for a good
    answer and for refusals; `waits` how many seconds pass before the answer is looked at; `before`
    how many good answers come first.
    """

    name: str
    data: bytes
    status: int = 200
    fault: int | None = None
    waits: float = 0.0
    before: int = 0


def document(text: str | bytes) -> bytes:
    """Write a request with that body."""
    return request(text if isinstance(text, bytes) else text.encode())


def echo_of(value: str) -> bytes:
    """Write a request that calls echo with a value that is written by hand."""
    return document(
        "<?xml version='1.0'?><methodCall><methodName>echo</methodName><params><param>"
        f"<value>{value}</value></param></params></methodCall>"
    )


def head(*lines: bytes, line: bytes = LINE) -> bytes:
    return line + b"".join(lines) + b"\r\n"


def nested(kind: str, depth: int) -> str:
    begin, end = {
        "array": ("<array><data><value>", "</value></data></array>"),
        "struct": ("<struct><member><name>a</name><value>", "</value></member></struct>"),
    }[kind]
    return begin * depth + "<int>1</int>" + end * depth


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "'
    + "lol" * 1000
    + '">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in pairwise("abcdefghi"))
    + "]><methodCall><methodName>echo</methodName><params><param><value><string>&i;</string>"
    "</value></param></params></methodCall>"
)

HTTP_CASES = [
    Case("half a request line", b"POST /RP", 408, waits=31),
    Case("half a head", head(HOST, KIND)[:-2], 408, waits=31),
    Case("half a body", GOOD[:-10], 408, waits=31),
    Case("no body at all", GOOD[: -len(ECHO)], 408, waits=31),
    Case("half a chunk", CHUNKED_HEAD + b"ff\r\nabc", 408, waits=31),
    Case("no chunk", CHUNKED_HEAD, 408, waits=31),
    Case("a good call, then half of one", GOOD + GOOD[:-10], 408, waits=31, before=1),
    Case("not HTTP", b"EHLO mail.example\r\n\r\n", 400),
    Case("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    Case("binary noise", bytes(range(128, 256)) * 4, 400),
    Case("NUL bytes", b"\0" * 100, 400),
    Case("NUL in the request line", head(HOST, KIND, line=b"POST /\0 HTTP/1.1\r\n"), 400),
    Case("NUL in a header", head(HOST, KIND, b"X: a\0b\r\n", b"Content-Length: 0\r\n"), 400),
    Case("HTTP/0.9", b"GET /\r\n\r\n", 400),
    Case("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    Case("HTTP/9.9", head(HOST, line=b"GET / HTTP/9.9\r\n"), 505),
    Case("no path", head(HOST, KIND, line=b"POST RPC2 HTTP/1.1\r\n"), 400),
    Case("two spaces", GOOD.replace(b"POST ", b"POST  "), 400),
    Case("no Host", head(KIND, b"Content-Length: 0\r\n"), 400),
    Case("two Hosts", head(HOST, HOST, KIND, b"Content-Length: 0\r\n"), 400),
    Case("header without a colon", head(HOST, KIND, b"nonsense\r\n"), 400),
    Case("space before the colon", head(HOST, KIND, b"Content-Length : 5\r\n") + b"hello", 400),
    Case("folded header", head(HOST, KIND, b"X: a\r\n\tb\r\n"), 400),
    Case("bare LF", GOOD.replace(b"\r\n", b"\n", 3), 400),
    Case("bare CR", head(HOST, KIND, b"X: a\rContent-Length: 5\r\n"), 400),
    Case("huge head", head(HOST, KIND, b"X: " + b"y" * 100_000 + b"\r\n"), 431),
    Case("endless line", b"POST /" + b"x" * 100_000, 431),
    Case("many headers", head(HOST, KIND, b"X: y\r\n" * 1000), 431),
    Case("PUT", GOOD.replace(b"POST", b"PUT"), 405),
    Case("DELETE", head(HOST, line=b"DELETE / HTTP/1.1\r\n"), 405),
    Case("OPTIONS", head(HOST, line=b"OPTIONS * HTTP/1.1\r\n"), 405),
    Case("CONNECT", head(HOST, line=b"CONNECT evil.example:25 HTTP/1.1\r\n"), 405),
    Case("TRACE", head(HOST, line=b"TRACE / HTTP/1.1\r\n"), 405),
    Case("unknown method", head(HOST, line=b"BREW / HTTP/1.1\r\n"), 405),
    Case("another path", GOOD.replace(b"/RPC2", b"/admin"), 404),
    Case("path upwards", GOOD.replace(b"/RPC2", b"/../../etc/passwd"), 404),
    Case("no length", head(HOST, KIND), 411),
    Case("negative length", head(HOST, KIND, b"Content-Length: -1\r\n"), 400),
    Case("signed length", head(HOST, KIND, b"Content-Length: +5\r\n") + b"hello", 400),
    Case("hexadecimal length", head(HOST, KIND, b"Content-Length: 0x5\r\n") + b"hello", 400),
    Case("length with digits of another script",
         head(HOST, KIND, b"Content-Length: \xd9\xa5\r\n") + b"hello", 400),
    Case("length that overflows", head(HOST, KIND, b"Content-Length: " + b"9" * 40 + b"\r\n"), 400),
    Case("length over 64 bits",
         head(HOST, KIND, b"Content-Length: 18446744073709551621\r\n") + b"hello", 400),
    Case("empty length", head(HOST, KIND, b"Content-Length: \r\n"), 400),
    Case("length larger than the limit", head(HOST, KIND, b"Content-Length: 2000001\r\n"), 413),
    Case("body larger than the limit", request(b"x" * (MOST_BODY + 1)), 413),
    Case("chunks larger than the limit", chunked(*[b"x" * 65_536] * 40), 413),
    Case("one huge chunk", CHUNKED_HEAD + b"7fffffff\r\n" + b"x" * (MOST_BODY + 1), 413),
    Case("wrong type", request(ECHO, kind=b"application/json"), 415),
    Case("form", request(b"a=b", kind=b"application/x-www-form-urlencoded"), 415),
    Case("no type", head(HOST, b"Content-Length: 5\r\n") + b"hello", 415),
    Case("gzip", request(gzip.compress(ECHO), b"Content-Encoding: gzip"), 415),
    Case("gzip bomb", request(gzip.compress(b"x" * 10_000_000), b"Content-Encoding: gzip"), 415),
    Case("expectation", request(ECHO, b"Expect: the-unexpected"), 417),
    # What two readers could understand in two ways: a request hidden in another one's body.
    Case("smuggling: two equal lengths", request(ECHO, b"Content-Length: %d" % len(ECHO)), 400),
    Case("smuggling: two lengths", request(ECHO, b"Content-Length: 5"), 400),
    Case("smuggling: a list of lengths",
         head(HOST, KIND, b"Content-Length: 5, 5\r\n") + b"hello", 400),
    Case("smuggling: length and chunks",
         request(b"0\r\n\r\n" + GOOD, b"Transfer-Encoding: chunked"), 400),
    Case("smuggling: chunks and length",
         head(HOST, KIND, b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n") + b"0\r\n\r\n",
         400),
    Case("smuggling: identity", head(HOST, KIND, b"Transfer-Encoding: identity\r\n"), 400),
    Case("smuggling: xchunked", head(HOST, KIND, b"Transfer-Encoding: xchunked\r\n"), 400),
    Case("smuggling: chunked twice", head(HOST, KIND, b"Transfer-Encoding: chunked\r\n" * 2), 400),
    Case("smuggling: coding before chunked",
         head(HOST, KIND, b"Transfer-Encoding: gzip, chunked\r\n"), 501),
    Case("smuggling: vertical tab", head(HOST, KIND, b"Transfer-Encoding:\x0bchunked\r\n"), 400),
    Case("smuggling: chunks in HTTP/1.0",
         CHUNKED_HEAD.replace(b"HTTP/1.1", b"HTTP/1.0") + b"0\r\n\r\n", 400),
    Case("chunk size is no number", CHUNKED_HEAD + b"xyz\r\nabc\r\n", 400),
    Case("chunk size is negative", CHUNKED_HEAD + b"-1\r\nabc\r\n", 400),
    Case("chunk size is long", CHUNKED_HEAD + b"0" * 5000 + b"5\r\nhello\r\n", 400),
    Case("chunk without its end", CHUNKED_HEAD + b"3\r\nabcdef\r\n", 400),
    Case("chunked nonsense", chunked(b"hel", b"lo"), 200, NOT_WELL_FORMED),
    Case("chunked good", chunked(ECHO[:10], ECHO[10:]), 200),
    Case("chunked with extensions",
         CHUNKED_HEAD + b"%x;a=b\r\n%s\r\n0\r\n\r\n" % (len(ECHO), ECHO), 200),
    Case("empty line before", b"\r\n" + GOOD, 200),
    Case("pipelined, the second bad", GOOD + GOOD.replace(b"POST", b"PUT"), 405, before=1),
    Case("pipelined, nonsense behind", GOOD + b"\x80nonsense", 400, before=1),
    Case("pipelined, 500 at once", GOOD * 500, 200, before=499),
    Case("body longer than its length", GOOD + b"<x/>" * 10, 408, before=1, waits=31),
    Case("body shorter than its length, the next request taken for it",
         request(ECHO)[: -len(ECHO)] + (GOOD * 3)[: len(ECHO)], 200, NOT_WELL_FORMED),
]  # fmt: skip

XML_CASES = [
    Case("empty body", document(""), 200, NOT_WELL_FORMED),
    Case("white space", document(" \n\t"), 200, NOT_WELL_FORMED),
    Case("text", document("hello"), 200, NOT_WELL_FORMED),
    Case("JSON", document('{"jsonrpc": "2.0", "method": "echo"}'), 200, NOT_WELL_FORMED),
    Case("truncated document", document(ECHO[:-20]), 200, NOT_WELL_FORMED),
    Case("truncated tag", document(ECHO[:60]), 200, NOT_WELL_FORMED),
    Case("unclosed", document("<methodCall><methodName>echo</methodName>"), 200, NOT_WELL_FORMED),
    Case("wrong nesting", echo_of("<int>1</string></value><value></int>"), 200, NOT_WELL_FORMED),
    Case("NUL in the document", document(ECHO.replace(b"hello", b"\0")), 200, INVALID_CHARACTER),
    Case("control character", document(ECHO.replace(b"hello", b"\x1b")), 200, INVALID_CHARACTER),
    Case("control character by reference",
         echo_of("<string>&#0;</string>"), 200, INVALID_CHARACTER),
    Case("invalid UTF-8", document(ECHO.replace(b"hello", b"\xff\xfe")), 200, INVALID_CHARACTER),
    Case("overlong UTF-8", document(ECHO.replace(b"hello", b"\xc0\x80")), 200, INVALID_CHARACTER),
    Case("surrogates in UTF-8",
         document(ECHO.replace(b"hello", b"\xed\xa0\x80")), 200, INVALID_CHARACTER),
    Case("unknown encoding",
         document("<?xml version='1.0' encoding='klingon'?><methodCall/>"),
         200, UNSUPPORTED_ENCODING),
    Case("UTF-7", document("<?xml version='1.0' encoding='utf-7'?><methodCall/>"),
         200, UNSUPPORTED_ENCODING),
    Case("DOCTYPE", document("<!DOCTYPE methodCall><methodCall/>"), 200, DOCTYPE),
    Case("external entity",
         document('<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
                  "<methodCall><methodName>&e;</methodName></methodCall>"), 200, DOCTYPE),
    Case("entity bomb", document(BOMB), 200, DOCTYPE),
    Case("entity bomb in UTF-16", document(BOMB.encode("utf-16")), 200, DOCTYPE),
    Case("large DOCTYPE",
         document("<!DOCTYPE x [" + "<!ENTITY a 'b'>" * 50_000 + "]><methodCall/>"), 200, DOCTYPE),
    Case("undefined entity", echo_of("<string>&nothing;</string>"), 200, NOT_WELL_FORMED),
    Case("second root", document(ECHO + b"<methodCall/>"), 200, SECOND_ROOT),
    Case("trailing text", document(ECHO + b"trailing"), 200, TRAILING),
    Case("trailing NUL", document(ECHO + b"\0"), 200, TRAILING),
    Case("65 arrays in each other", echo_of(nested("array", 65)), 200, TOO_DEEP),
    Case("65 structs in each other", echo_of(nested("struct", 65)), 200, TOO_DEEP),
    Case("10,000 arrays in each other", echo_of(nested("array", 10_000)), 200, TOO_DEEP),
    Case("10,000 unknown tags in each other", document("<a>" * 10_000), 200, None),
    Case("100,001 values",
         echo_of("<array><data>" + "<value/>" * 100_001 + "</data></array>"), 200, TOO_MANY),
    Case("100,000 attributes",
         document("<methodCall " + " ".join(f"a{n}=''" for n in range(100_000)) + "/>"), 200),
    Case("a response", document("<methodResponse><params/></methodResponse>"),
         200, INVALID_REQUEST),
    Case("HTML", document("<html><body>hello</body></html>"), 200, INVALID_REQUEST),
    Case("no method name", document("<methodCall><params/></methodCall>"), 200, INVALID_REQUEST),
    Case("empty method name",
         document("<methodCall><methodName></methodName></methodCall>"), 200, None),
    Case("unknown type", echo_of("<float>1.5</float>"), 200, None),
    Case("value in a value", echo_of("<value>1</value>"), 200, None),
    Case("two types in a value", echo_of("<int>1</int><int>2</int>"), 200, None),
    Case("text beside a type", echo_of("a<int>1</int>b"), 200, None),
    Case("attribute", echo_of("<int size='4'>1</int>"), 200, None),
    Case("array without data", echo_of("<array><value/></array>"), 200, None),
    Case("member without a name",
         echo_of("<struct><member><value/></member></struct>"), 200, None),
    Case("member without a value",
         echo_of("<struct><member><name>a</name></member></struct>"), 200, None),
    Case("the same member twice",
         echo_of("<struct>" + "<member><name>a</name><value/></member>" * 2 + "</struct>"),
         200, DUPLICATE),
    Case("int over 32 bits", echo_of("<int>2147483648</int>"), 200, BAD_VALUE),
    Case("i4 over 32 bits", echo_of("<i4>-2147483649</i4>"), 200, BAD_VALUE),
    Case("i8 over 64 bits", echo_of("<i8>9223372036854775808</i8>"), 200, BAD_VALUE),
    Case("int of a million digits", echo_of(f"<int>{'9' * 1_000_000}</int>"), 200, BAD_VALUE),
    Case("int with an underscore", echo_of("<int>1_000</int>"), 200, BAD_VALUE),
    Case("int in another script",
         echo_of("<int>\N{ARABIC-INDIC DIGIT THREE}</int>"), 200, BAD_VALUE),
    Case("empty int", echo_of("<int></int>"), 200, BAD_VALUE),
    Case("boolean 2", echo_of("<boolean>2</boolean>"), 200, BAD_VALUE),
    Case("boolean true", echo_of("<boolean>true</boolean>"), 200, BAD_VALUE),
    Case("nan", echo_of("<double>nan</double>"), 200, BAD_VALUE),
    Case("infinity", echo_of("<double>-inf</double>"), 200, BAD_VALUE),
    Case("double that overflows", echo_of("<double>1e999</double>"), 200, BAD_VALUE),
    Case("double that is none", echo_of("<double>1.2.3</double>"), 200, BAD_VALUE),
    Case("bad base64", echo_of("<base64>****</base64>"), 200, BAD_VALUE),
    Case("base64 cut off", echo_of("<base64>YWJjZ</base64>"), 200, BAD_VALUE),
    Case("bad date", echo_of("<dateTime.iso8601>20261332T25:61:61</dateTime.iso8601>"),
         200, BAD_VALUE),
    Case("date that is none",
         echo_of("<dateTime.iso8601>yesterday</dateTime.iso8601>"), 200, BAD_VALUE),
    Case("no such method", call("nothing.at.all"), 200, METHOD_NOT_FOUND),
    Case("attribute walk", call("echo.__globals__"), 200, METHOD_NOT_FOUND),
    Case("private name", call("__init__"), 200, METHOD_NOT_FOUND),
    Case("method name of a megabyte", call("x" * 1_000_000), 200, METHOD_NOT_FOUND),
    Case("too few arguments", call("add", 1), 200, INVALID_PARAMS),
    Case("too many arguments", call("add", 1, 2, 3), 200, INVALID_PARAMS),
    Case("wrong types", call("add", "1", [2]), 200, INVALID_PARAMS),
    Case("unknown argument", call("add", {"first": 1, "second": 2, "third": 3}),
         200, INVALID_PARAMS),
    Case("a stranger", request(encode_call("echo", (1,)), b"Origin: http://evil.example"),
         200, DENIED),
    Case("a rebound name", request(ECHO).replace(b"Host: 127.0.0.1", b"Host: evil.example"),
         200, DENIED),
    Case("a result that cannot travel", call("odd"), 200, INTERNAL_ERROR),
    Case("a method that fails", call("broken"), 200, INTERNAL_ERROR),
]  # fmt: skip

CASES = {case.name: case for case in HTTP_CASES + XML_CASES}
ANY_FAULT = {case.name for case in XML_CASES if case.fault is None}


def fault_of(reply: Reply) -> int | None:
    """Give the code of the fault in an answer, or None if it is a good one."""
    try:
        decode_reply(reply.body)
    except UnknownFault as unknown:
        return unknown.fault.code
    except Co2Error as error:
        return error.code
    return None


def check(case: Case, replies: list[Reply]) -> None:
    """Compare what came back with the table."""
    assert [reply.status for reply in replies] == [200] * case.before + [case.status]
    *good, last = replies
    assert all(fault_of(reply) is None for reply in good)
    assert b"Traceback" not in last.body
    assert b'File "' not in last.body
    if case.status != 200:
        assert last.headers["connection"] == "close"
        assert last.headers["content-type"] == "text/plain; charset=utf-8"
        assert last.body.endswith(b".\n")
    elif case.name in ANY_FAULT:
        assert fault_of(last) in (NOT_WELL_FORMED, INVALID_REQUEST, METHOD_NOT_FOUND)
    else:
        assert fault_of(last) == case.fault


def settle(server: Server) -> None:
    """Let the turns pass that a long row of requests takes."""
    for _ in range(100):
        server.clock.advance(0)


def test_the_table_is_long() -> None:
    """Every case has its own name, and there are more than sixty."""
    assert len(CASES) == len(HTTP_CASES) + len(XML_CASES) > 120


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("general", [False, True], ids=["fast", "general"])
def test_in_memory(name: str, general: bool) -> None:
    """A bad input gets its answer, whichever way it goes, and leaves the server as it was."""
    case = CASES[name]
    server = Server(max_body=MOST_BODY)
    client, other = server.connect(), server.connect()
    if general:
        client.send(b"GET /page HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").answer()
    client.send(case.data)
    settle(server)
    server.clock.advance(case.waits)
    check(case, client.answers())
    assert server.http.buffered == 0
    if case.status == 200:
        assert fault_of(client.send(GOOD).answer()) is None
    else:
        client.send(GOOD)
        server.clock.advance(3)
        assert client.answers() == []
        assert client.closed
    assert fault_of(other.send(GOOD).answer()) is None


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if len(case.data) < 2000])
def test_byte_by_byte(name: str) -> None:
    """A bad input that comes in single bytes gets the same answer."""
    case = CASES[name]
    server = Server(max_body=MOST_BODY)
    client = server.connect().drip(case.data)
    server.clock.advance(case.waits)
    check(case, client.answers())
    assert server.http.buffered == 0


@pytest.mark.parametrize(
    "name",
    ["entity bomb", "entity bomb in UTF-16", "gzip bomb", "large DOCTYPE",
     "10,000 arrays in each other", "100,001 values", "100,000 attributes",
     "10,000 unknown tags in each other", "chunks larger than the limit", "one huge chunk",
     "body larger than the limit", "huge head", "int of a million digits",
     "method name of a megabyte"],
)  # fmt: skip
def test_memory(name: str) -> None:
    """What is made to be large when it is read is not read, or not kept."""
    case = CASES[name]
    server = Server(max_body=MOST_BODY)
    client = server.connect()
    tracemalloc.start()
    try:
        for start in range(0, len(case.data), 65_536):
            client.send(case.data[start : start + 65_536])
            assert server.http.buffered <= MOST_BODY + 65_536
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 * MOST_BODY
    check(case, client.answers())


class Speaker(Protocol):
    """A client that says what it has to say, and collects what comes until a count or the end."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.data = b""
        self.done: Deferred[list[Reply]] = Deferred()
        self.gone: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.data += data
        replies, _ = split_replies(self.data)
        if len(replies) == self.count and not self.done.called:
            self.done.callback(replies)

    def connectionLost(self, reason: Any = None) -> None:
        if not self.done.called:
            self.done.callback(split_replies(self.data)[0])
        self.gone.callback(None)


OVER_SOCKETS = [case for case in CASES.values() if case.waits == 0]


class SocketTests(TestCase):
    """The same over loopback, where sockets have buffers, and refused clients could see resets."""

    async def test_over_sockets(self) -> None:
        """Every case that needs no clock gets the same answer over TCP, and then a good one."""
        from twisted.internet import reactor

        double = Server()
        serving = double.http._serving
        answering = Answering(double.dispatcher, DEFAULT_LIMITS, {})
        limits = HttpLimits(max_body=MOST_BODY, linger=30)
        server = HttpServer(reactor, answering, serving.gate, None, limits)  # type: ignore
        port = reactor.listenTCP(0, server, interface="127.0.0.1")  # type: ignore
        self.addCleanup(port.stopListening)
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
        for case in OVER_SOCKETS:
            await self.speak(endpoint, case)
            self.assertEqual(server.buffered, 0, case.name)
        await self.speak(endpoint, Case("good", GOOD))
        await server.drain(5)
        self.assertEqual(server.connections, 0)
        self.flushLoggedErrors(RuntimeError)  # of the method that fails

    async def speak(self, endpoint: Any, case: Case) -> None:
        speaker = Speaker(case.before + 1)
        await connectProtocol(endpoint, speaker)
        assert speaker.transport is not None
        speaker.transport.write(case.data)
        replies = await speaker.done
        try:
            check(case, replies)
        except AssertionError as error:
            raise AssertionError(f"{case.name}: {error}") from error
        speaker.transport.loseConnection()
        await speaker.gone
