"""No wire name reaches anything that was not entered in the registry."""

from __future__ import annotations

import re
import xmlrpc.client
from typing import Any

import pytest

from e2e.intruding import Pair, post
from e2e.network import Server, refused

pytestmark = pytest.mark.process


OBJECTS = ("probe.probe", "example.example", "system", "co2", "relay", "web", "sys", "plugin")
ATTRIBUTES = (
    *("__class__", "__init__", "__dict__", "__globals__", "__exit__", "__reduce__", "__call__"),
    *("__class__.__mro__", "__init__.__globals__", "x_touch", "x_secret", "touch.__call__"),
    *("touch.__self__", "touch.func", "messages.append", "send", "receive", "log", "debug"),
    *("_relay_method", "var_dict", "name", "X_Probe", "X_Probe.x_touch", "X_Probe.touch"),
    *("plugin.send", "_load_config", "procedures", "touch ", " touch", "touch\t", "Touch"),
    *("touch/", "touch;", "touch()", "touch\x85", "t\u043euch", "..touch", "touch.", "*", "%s"),
)
BARE = (
    *("", " ", ".", "..", "__class__", "__import__", "eval", "exec", "open", "os.system", "exit"),
    *(
        "self",
        "import os",
        "../../etc/passwd",
        "{0.__class__}",
        "x_touch",
        "touch",
        "notify.im_func",
    ),
    *("a" * 300, "probe", "probe.probe", "probe.probe.", ".probe.probe.touch", "reactor.stop"),
    *("notify.im_func", "relayed", "co2.", "system", "ping.__self__"),
    *("<b>&amp;</b>", "\u202eping", "PING", "ping "),
)


def test_no_name_reaches_beyond_the_registry(pair: Pair) -> None:
    """Whatever a wire name looks like: if it was not entered, there is no such method."""
    entered = set(pair.middle.call("system.listMethods"))
    tried = [f"{one}.{other}" for one in OBJECTS for other in ATTRIBUTES] + list(BARE)
    names = [name for name in tried if name not in entered]
    assert len(names) > 300
    touched = pair.middle.probe("touched")
    admin = pair.middle.as_admin
    for name in names:
        if name.strip(" \t") not in entered:  # white space is XML's, and not the name's
            fault = refused_name(pair.middle, name)
            assert fault.faultCode in (-32601, -32600), (name, fault)
            assert "Traceback" not in fault.faultString
        for method, params in (
            ("method_call", ({"method_name": name},)),
            ("system.methodHelp", (name,)),
            ("co2.get_method_signature", (name,)),
            ("co2.open", ({"method": name},)),
            ("relay.call", ({"nick": "middle", "method": name},)),
        ):
            code = refused(pair.middle.url, method, *params, **admin).faultCode
            assert code in (-32601, -32600, -32602), (method, name, code)
    calls = [{"methodName": name, "params": []} for name in names]
    answers = pair.middle.call("system.multicall", calls, **admin)
    assert all(isinstance(one, dict) and one["faultCode"] < 0 for one in answers)
    assert pair.middle.probe("touched") == touched


def refused_name(server: Server, name: str) -> xmlrpc.client.Fault:
    """Call a name as it stands: Python's own proxy would take it apart."""
    body = xmlrpc.client.dumps((), xmlrpc.client.escape(name))
    headers = {
        "Content-Type": "text/xml",
        "Host": server.address,
        "Content-Length": str(len(body.encode())),
        **server.as_admin,
    }
    answer = post(server, body, headers)
    assert re.match(r"HTTP 200 ", answer), (name, answer)
    try:
        result: Any = xmlrpc.client.loads(answer[answer.index("<?xml") :])
    except xmlrpc.client.Fault as fault:
        return fault
    raise AssertionError(f"{name!r} gave {result!r}")
