"""Tries every way to an admin method without the token; standard library only.

    intruder.py <url> <nick of a satellite there> <method>

Prints a line for each try, `<what was tried> -> <fault code or RESULT> <text>`, and one for what
each level gave without any header.
"""
# ruff: noqa: T201  # tests read what it prints

import base64
import sys
import xmlrpc.client
from http.client import HTTPException

URL, NICK, METHOD = sys.argv[1:]


def basic(name, secret):
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


HEADERS = {
    "no header": {},
    "guessed bearer": {"Authorization": "Bearer admin"},
    "empty bearer": {"Authorization": "Bearer "},
    "bearer None": {"Authorization": "Bearer None"},
    "bearer of two": {"Authorization": "Bearer a, Bearer b"},
    "guessed basic": {"Authorization": basic("admin", "admin")},
    "empty basic": {"Authorization": basic("admin", "")},
    "broken basic": {"Authorization": "Basic !!!"},
    "digest": {"Authorization": 'Digest username="admin"'},
    "forwarded for loopback": {"X-Forwarded-For": "127.0.0.1"},
    "forwarded": {"Forwarded": "for=127.0.0.1;proto=http;host=localhost"},
    "real ip": {"X-Real-IP": "127.0.0.1", "X-Forwarded-Host": "localhost"},
    "foreign origin": {"Origin": "http://evil.example"},
    "null origin": {"Origin": "null"},
    "co2's own headers": {"X-Co2-Level": "admin", "Caller": "admin", "Level": "admin"},
    "cookie": {"Cookie": "level=admin; token=admin"},
}

CALLER = {"who": "admin", "ip": "127.0.0.1", "level": "admin"}
RELAYED = {"token": "guess", "method": METHOD, "params": [], "caller": CALLER}
BY_RELAY = {"nick": NICK, "method": METHOD, "params": []}
BY_CALL = {"method_name": METHOD}
WAYS = {
    "call": (METHOD, ()),
    "method_call": ("method_call", (BY_CALL,)),
    "web.method_call": ("web.method_call", ({**BY_CALL, "level": "admin"},)),
    "multicall": ("system.multicall", ([{"methodName": METHOD, "params": []}],)),
    "method_call in multicall": (
        "system.multicall",
        ([{"methodName": "method_call", "params": [BY_CALL]}],),
    ),
    "relay.call": ("relay.call", (BY_RELAY,)),
    "relay.call with a caller": ("relay.call", ({**BY_RELAY, "caller": CALLER},)),
    "relay.call in multicall": (
        "system.multicall",
        ([{"methodName": "relay.call", "params": [BY_RELAY]}],),
    ),
    "relay.call in method_call": (
        "method_call",
        ({"method_name": "relay.call", "data": BY_RELAY},),
    ),
    "method_call in relay.call": (
        "relay.call",
        ({**BY_RELAY, "method": "method_call", "params": [BY_CALL]},),
    ),
    "multicall in relay.call": (
        "relay.call",
        (
            {
                **BY_RELAY,
                "method": "system.multicall",
                "params": [[{"methodName": METHOD, "params": []}]],
            },
        ),
    ),
    "relayed in relay.call": (
        "relay.call",
        ({**BY_RELAY, "method": "co2.relayed", "params": [RELAYED]},),
    ),
    "relayed": ("co2.relayed", (RELAYED,)),
    "relayed without token": ("co2.relayed", ({**RELAYED, "token": ""},)),
    "conversation": ("co2.open", ({"method": METHOD},)),
    "a relay's registration": ("relay.register", ({"port": 9, "roles": ["relay"]},)),
}


def attempt(method, params, headers):
    transport = xmlrpc.client.Transport(headers=list(headers.items()))
    transport.user_agent = "intruder"
    with xmlrpc.client.ServerProxy(URL, transport) as proxy:
        try:
            result = getattr(proxy, method)(*params)
        except xmlrpc.client.Fault as fault:
            return f"{fault.faultCode} {fault.faultString}"
        except (OSError, HTTPException, xmlrpc.client.ProtocolError) as error:
            return f"0 {type(error).__name__}"
    if isinstance(result, list) and result and isinstance(result[0], dict):
        return f"{result[0]['faultCode']} {result[0]['faultString']}"
    return f"RESULT {result!r}"


for header_name, headers in HEADERS.items():
    for way, (method, params) in WAYS.items():
        print(f"{header_name}, {way} -> {attempt(method, params, headers)}", flush=True)
for level, method, params in (
    ("open", "ping", ()),
    ("read", "test", (1,)),
    ("call", "probe.probe.touch", ()),
):
    print(f"level {level} -> {attempt(method, params, {})}", flush=True)
