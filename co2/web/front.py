"""The page that a browser gets: what this host is, and how to call it."""

from __future__ import annotations

from html import escape
from typing import Any

from twisted.web.iweb import IRequest
from twisted.web.resource import Resource

from co2.model.calls import Level
from co2.rpc.about import About
from co2.rpc.registry import Registry

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>co2 {host_id}</title>
<style>body{{font-family:sans-serif;max-width:60em;margin:2em auto;padding:0 1em}}
table{{border-collapse:collapse}}td,th{{text-align:left;padding:.2em 1em .2em 0}}
pre{{background:#eee;padding:1em;overflow:auto}}</style></head><body>
<h1>co2 {nick}</h1><p>{host_id}: {roles}, up {uptime} s, co2 {co2_version} on {kernel}</p>
{body}</body></html>
"""
_CLOSED = "<p>There is more to see with the level read; this request has only open.</p>"


class FrontPage(Resource):
    """The one page; `request.caller` says how much of it there is to see."""

    isLeaf = False

    def __init__(self, registry: Registry, about: About) -> None:
        Resource.__init__(self)
        self._registry = registry
        self._about = about
        self.putChild(b"", self)
        self.putChild(b"RPC2", self)

    def render_GET(self, request: IRequest) -> bytes:
        """Write the page."""
        known = self._about.get_properties()
        known["nick"] = known.get("nick") or ""
        known["roles"] = ", ".join(known.get("roles", []))
        caller = getattr(request, "caller", None)
        may_read = caller is not None and caller.level >= Level.READ
        body = self._body(known) if may_read else _CLOSED
        if not may_read:
            known.update(nick="", roles="a host of a co2 network", kernel="this machine")
        words = {name: escape(str(value)) for name, value in known.items()}
        request.setHeader(b"content-type", b"text/html; charset=utf-8")
        return _PAGE.format(body=body, **words).encode()

    def _body(self, known: dict[str, Any]) -> str:
        plugins = "".join(
            f"<tr><td>{escape(one['name'])}</td><td>{escape(one['class'])}</td>"
            f"<td>{escape(one['state'])}</td><td>{escape(one['error'])}</td></tr>"
            for one in known.get("plugins", [])
        )
        methods = "\n".join(escape(name) for name in self._registry.names())
        return (
            "<h2>Plugins</h2><table><tr><th>module</th><th>class</th><th>state</th><th></th></tr>"
            f'{plugins}</table><h2>Call it</h2><pre>python3 -c "import xmlrpc.client; '
            "print(xmlrpc.client.ServerProxy('http://127.0.0.1:2004/').system.listMethods())\""
            f"</pre><h2>Methods</h2><pre>{methods}</pre>"
        )
