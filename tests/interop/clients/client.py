# coding: utf-8
"""Python's own client, of Python 2.7 and of Python 3.

Every client here prints a line for each thing it tried: `<what> <name>: ok`, or what it got.
"""
# ruff: noqa  # runs under Python 2 too

from __future__ import print_function, unicode_literals

import sys

try:
    import xmlrpc.client as client
except ImportError:
    import xmlrpclib as client

WANTED = {
    "int": 42,
    "negative": -2147483648,
    "zero": 0,
    "true": True,
    "false": False,
    "double": 0.815,
    "minus": -1234.5,
    "string": "<shrubbery> & ]]> 'nih' \"!\" \u00e9 \u2603 \U0001f600",
    "ascii": "spam & <eggs>",
    "empty": "",
    "lines": "one\ntwo\n\tthree",
    "bytes": client.Binary(b"\x00\x01\xfe\xff"),
    "date": client.DateTime(str("20030828T12:34:56")),
    "array": [1, "two", [3.5, True]],
    "nothing": [],
    "struct": {"john": "cleese", "terry": {"gilliam": [1, 2]}},
    "hollow": {},
}


def say(what, name, is_ok, got):
    print("%s %s: %s" % (what, name, "ok" if is_ok else repr(got)))


def fault(call):
    try:
        return call()
    except client.Fault as error:
        return error.faultCode, error.faultString


server = client.ServerProxy(sys.argv[1], allow_none=True)
every = server.every.every
given = every.every()
for name, wanted in sorted(WANTED.items()):
    value = given[name]
    say(
        "given",
        name,
        value == wanted and isinstance(value, bool) == isinstance(wanted, bool),
        value,
    )
    say("taken", name, every.check(name, wanted) == "ok", every.check(name, wanted))
    say("echoed", name, every.echo(wanted) == wanted, every.echo(wanted))
say("given", "big", every.big() == 2**40, every.big())
say("given", "nil", every.nothing() is None, every.nothing())
say("taken", "nil", every.echo(None) is None, every.echo(None))
say("call", "by position", every.add(1, 4) == 5, every.add(1, 4))
say("call", "by default", every.add(1) == 3, every.add(1))
say("call", "by name", every.add({"b": 5, "a": 1}) == 6, every.add({"b": 5, "a": 1}))
got = fault(every.nonsense)
say("fault", "no method", got[0] == -32601 and "every.every.nonsense" in got[1], got)
got = fault(lambda: every.refuse("why"))
say("fault", "refused", got == (-32500, "refused: why \u2603"), got)
got = fault(getattr(every, "raise"))
say("fault", "raised", got[0] == 1007 and "nobody foresaw this" in got[1], got)
got = fault(lambda: every.add("one"))
say("fault", "wrong type", got[0] == -32602 and "add(" in got[1], got)
names = server.system.listMethods()
say("system", "listMethods", "every.every.add" in names and "ping" in names, names)
got = server.system.methodHelp("every.every.add")
say("system", "methodHelp", got == "Add two numbers.", got)
got = server.system.methodSignature("every.every.add")
say("system", "methodSignature", ["int", "int", "int"] in got, got)
many = client.MultiCall(server)
many.every.every.add(1, 1)
many.every.every.refuse("in many")
many.every.every.echo("last")
answers = many()
say("multicall", "first", answers[0] == 2, answers[0])
got = fault(lambda: answers[1])
say("multicall", "fault", got[0] == -32500, got)
say("multicall", "last", answers[2] == "last", answers[2])
