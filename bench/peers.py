"""The servers that co2 is measured against: `python -m bench.peers NAME …`; prints its port."""

from __future__ import annotations

import gc
import sys
from socketserver import ThreadingMixIn
from typing import Any
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.web.server import Site
from twisted.web.xmlrpc import XMLRPC, Proxy


def run_standard_library() -> None:
    """Serve `echo` with a thread for each connection, kept alive."""

    class Handler(SimpleXMLRPCRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

    class Server(ThreadingMixIn, SimpleXMLRPCServer):
        daemon_threads = True
        request_queue_size = 256

    server = Server(("127.0.0.1", 0), Handler, logRequests=False)
    server.register_function(lambda value: value, "bench.bench.echo")
    print("port", server.server_address[1], flush=True)
    server.serve_forever()


class Echo(XMLRPC):
    """`twisted.web.xmlrpc` with the method of the benchmark."""

    def lookupProcedure(self, procedurePath: str) -> Any:
        """Give the one method that there is."""
        return lambda value: value


class StockRelay(XMLRPC):
    """Passes a message on by `Proxy`, and answers when everybody has."""

    def __init__(self, urls: list[bytes]) -> None:
        XMLRPC.__init__(self)
        self._proxies = [Proxy(url) for url in urls]

    def xmlrpc_relay(self, message: dict[str, Any]) -> Deferred[int]:
        """Pass on."""
        calls = [proxy.callRemote("notify", message) for proxy in self._proxies]
        return gatherResults(calls).addCallback(len)


class StockSatellite(XMLRPC):
    """Counts what it receives."""

    left = 0

    def xmlrpc_notify(self, message: dict[str, Any]) -> dict[str, str]:
        """Take a message, as a plugin does."""
        receive(message)
        return {"id": message["id"], "plugins": "ok"}


def receive(message: dict[str, Any]) -> None:
    """Count a message; say when all have come."""
    assert message["data"]
    StockSatellite.left -= 1
    if not StockSatellite.left:
        print("all", flush=True)


def _serve(resource: XMLRPC) -> int:
    site = Site(resource)
    site.noisy = False
    return int(reactor.listenTCP(0, site, interface="127.0.0.1", backlog=1024).getHost().port)


def main() -> None:
    """Run the server that the command line names."""
    kind, *rest = sys.argv[1:]
    if kind == "stdlib":
        run_standard_library()
        return
    if kind == "twisted":
        print("port", _serve(Echo()), flush=True)
    elif kind == "relay":
        urls = [f"http://127.0.0.1:{port}/".encode() for port in rest]
        print("port", _serve(StockRelay(urls)), flush=True)
    elif kind == "satellites":
        count, messages = (int(word) for word in rest)
        StockSatellite.left = count * messages
        ports = [_serve(StockSatellite()) for _ in range(count)]
        gc.collect()
        gc.freeze()
        print("ports", *ports, flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
