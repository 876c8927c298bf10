"""Small HTTP servers in threads: a proxy that says for whom it asks, and a page that reports."""

from __future__ import annotations

import http.client
import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class _Quiet(BaseHTTPRequestHandler):
    def log_message(self, *words: Any) -> None:
        """Say nothing."""


class _Server:
    """Serves in a thread of its own, from `with` on."""

    def __init__(self, kind: type[BaseHTTPRequestHandler]) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class ForwardingProxy(_Server):
    """Passes requests on to a loopback port, with `X-Forwarded-For`."""

    def __init__(self, port: int) -> None:
        class Forwarding(_Quiet):
            def do_POST(self) -> None:
                _forward(self, port)

        super().__init__(Forwarding)


class Website(_Server):
    """Serves one page, and keeps what it posts to `/said`."""

    def __init__(self, page: str) -> None:
        reported: queue.Queue[str] = queue.Queue()

        class Page(_Quiet):
            def do_GET(self) -> None:
                _answer(self, 200, "text/html; charset=utf-8", page.encode())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                _answer(self, 200, "text/plain", b"")
                reported.put(body.decode())

        self._reported = reported
        super().__init__(Page)

    def wait_for_report(self) -> list[str]:
        """Give the lines that the page has posted."""
        return self._reported.get(timeout=60).split("\n")


def _forward(request: BaseHTTPRequestHandler, port: int) -> None:
    body = request.rfile.read(int(request.headers["Content-Length"]))
    headers = {**dict(request.headers), "X-Forwarded-For": request.client_address[0]}
    onward = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        onward.request("POST", request.path, body, headers)
        answer = onward.getresponse()
        content = answer.read()
    finally:
        onward.close()
    _answer(request, answer.status, answer.headers.get("Content-Type", "text/plain"), content)


def _answer(request: BaseHTTPRequestHandler, status: int, kind: str, content: bytes) -> None:
    request.send_response(status)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    request.wfile.write(content)
