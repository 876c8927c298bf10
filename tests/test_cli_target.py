"""The server that a command talks to: programs of others do not make it fall over."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer

import pytest
from cli_room import co2

pytestmark = pytest.mark.process


class _Handler(SimpleXMLRPCRequestHandler):
    rpc_paths = ("/RPC2",)
    protocol_version = "HTTP/1.0"


@pytest.fixture(scope="module")
def foreign() -> Iterator[str]:
    """Serve XML-RPC with the standard library: introspection, a method, and odd answers."""
    with SimpleXMLRPCServer(
        ("127.0.0.1", 0), requestHandler=_Handler, logRequests=False, allow_none=True
    ) as server:
        server.register_introspection_functions()
        server.register_multicall_functions()
        server.register_function(lambda *any: "pong", "ping")
        server.register_function(lambda *any: "odd", "relay.get_satellites")
        server.register_function(lambda *any: 3, "relay.register")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


def test_methods_of_others_are_listed_by_name(foreign: str):
    """Without signatures, as far as the server tells."""
    result = co2("methods", "p*", CO2_URL=foreign)
    assert (result.exit_code, result.stdout) == (0, "ping\n")


def test_methods_of_others_are_called(foreign: str):
    """Any XML-RPC server can be called, and asked whether it is there."""
    assert co2("call", "ping", CO2_URL=foreign).stdout == "pong\n"
    assert " answered in " in co2("ping", CO2_URL=foreign).stdout


@pytest.mark.parametrize("words", [("satellites",), ("send", "x")])
def test_what_no_relay_answers_is_told(foreign: str, words: tuple[str, ...]):
    """An answer of another form is no traceback."""
    result = co2(*words, CO2_URL=foreign)
    assert result.exit_code == 3
    assert "another program seems to listen there" in result.stderr


def test_a_fault_of_others_keeps_its_code(foreign: str):
    """A server of others has codes of its own."""
    result = co2("tail", CO2_URL=foreign)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: fault 1: ")
