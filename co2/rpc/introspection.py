"""What a server tells of its own methods, and the two methods that call others (section 4).

A procedure source over the registry. Names of three generations lead here: those of 2003
(`co2.`, `web.`, `sys.`, a doubled `co2.co2_`), the ones that XML-RPC clients of any kind expect
(`system.`), and ours. `system.multicall` and `method_call` run what they name through
`ICalls.call` with the caller they got themselves, so the named method's own level applies.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.python.failure import Failure
from zope.interface import implementer

from co2.errors import Co2Error, InvalidParams, InvalidRequest, MethodNotFound, TooLarge
from co2.interfaces import ICalls, IProcedureSource
from co2.model.calls import Call, Caller, Level
from co2.model.procedure import Procedure
from co2.rpc.registry import Entry, Registry, shown_name

MOST_CALLS = 1000
"""Calls in one `system.multicall`."""

_CAPABILITIES = {
    "introspect": ("http://xmlrpc-c.sourceforge.net/xmlrpc-c/introspection.html", 1),
    "nil": ("http://www.ontosys.com/xml-rpc/extensions.php", 20010518),
    "faults_interop": ("http://xmlrpc-epi.sourceforge.net/specs/rfc.fault_codes.php", 20010516),
}
_NAMES = (
    "web.get_method_names",
    "system.listMethods",
    "sys.listMethods",
    "co2.co2_get_method_names",
)
_HELP = (
    "web.get_method_help",
    "system.methodHelp",
    "sys.methodHelp",
    "co2.co2_get_method_help",
)
_SIGNATURE = ("web.get_method_signature", "co2.co2_get_method_signature")
_MULTICALL = frozenset({"system.multicall", "sys.multicall"})
_METHOD_CALL = frozenset({"method_call", "web.method_call"})
_NAME_KEYS = ("name", "method_name", "method", "methodName")


@implementer(IProcedureSource)
class Introspection:
    """The `co2.get_method_…`, `system.…` methods, `test` and `method_call`.

    Args:
        registry: the methods that are told of.
        calls: runs the calls inside `system.multicall` and `method_call`.
        version: of the co2 protocol that this server speaks.
        features: what of it is there, as listed under `co2` in the capabilities.
        most_calls: in one multicall.
    """

    def __init__(
        self,
        registry: Registry,
        calls: ICalls,
        version: int = 1,
        features: Sequence[str] = (),
        most_calls: int = MOST_CALLS,
    ) -> None:
        self._registry = registry
        self._calls = calls
        self._version = version
        self._features = list(features)
        self._most_calls = most_calls

    def procedures(self) -> Iterable[Procedure]:
        """Give every method with all its names."""
        return [*self._telling(), *self._calling()]

    def _telling(self) -> list[Procedure]:
        read, by_name = Level.READ, self._by_name
        return [
            Procedure("co2.get_method_names", self.get_method_names, read, _NAMES),
            by_name("co2.get_method_help", self.get_method_help, _HELP),
            by_name("co2.get_method_signature", self.get_method_signature, _SIGNATURE),
            by_name("system.methodSignature", self.method_signature, ("sys.methodSignature",)),
            Procedure(
                "system.getCapabilities",
                self.get_capabilities,
                Level.OPEN,
                ("sys.getCapabilities",),
            ),
            Procedure("test", self.test, read, ("web.test",)),
        ]

    def _calling(self) -> list[Procedure]:
        return [
            Procedure(
                "system.multicall",
                self.multicall,
                Level.OPEN,
                ("sys.multicall",),
                passes_caller=True,
            ),
            Procedure(
                "method_call",
                self.method_call,
                Level.OPEN,
                ("web.method_call",),
                passes_caller=True,
            ),
        ]

    # --- telling --------------------------------------------------------------------------------

    def get_method_names(self, anything: Any = None) -> list[str]:
        """List the names of all methods that can be called here, sorted."""
        return self._registry.names()

    def get_method_help(self, name: str) -> str:
        """Give the documentation of a method."""
        return inspect.getdoc(self._entry(name).procedure.subject) or ""

    def get_method_signature(self, name: str) -> dict[str, Any]:
        """Describe a method's parameters, defaults, types, result and the level it needs."""
        entry = self._entry(name)
        return {**entry.signature.as_struct(), "level": entry.level.word}

    def method_signature(self, name: str) -> list[list[str]]:
        """Give the ways to call a method, each as XML-RPC types: the result's, the arguments'."""
        return self._entry(name).signature.as_rows()

    def get_capabilities(self) -> dict[str, Any]:
        """Give the specifications that this server keeps to, each with its version."""
        told: dict[str, Any] = {
            name: {"specUrl": url, "specVersion": version}
            for name, (url, version) in _CAPABILITIES.items()
        }
        told["co2"] = {
            "specUrl": "docs/protocol.md",
            "specVersion": self._version,
            "features": list(self._features),
        }
        return told

    def test(self, value: Any) -> Any:
        """Give the same value back."""
        return value

    def _entry(self, name: str) -> Entry:
        entry = self._registry.find(name)
        if entry is None:
            raise MethodNotFound(
                f"no method {shown_name(name)} here; co2.get_method_names lists what there is"
            )
        return entry

    def _by_name(
        self, name: str, tell: Callable[[str], Any], aliases: tuple[str, ...]
    ) -> Procedure:
        """Let a method take its one name as a string, or in a struct as in 2003."""

        def told(params: tuple[Any, ...]) -> Any:
            return tell(_one_name(name, params))

        return Procedure(name, told, Level.READ, aliases, described=tell, whole=True)

    # --- calling --------------------------------------------------------------------------------

    def method_call(self, caller: Caller, call: dict[str, Any]) -> Any:
        """Call the method 'method_name' with 'data' as its one argument, and give its result.

        Without 'data', whatever else the struct holds is the argument, as it was in 2003.
        """
        method = call.get("method_name")
        if not isinstance(method, str):
            raise InvalidParams("method_call takes {'method_name': a string, 'data': any}")
        rest = {name: value for name, value in call.items() if name != "method_name"}
        params = (rest["data"],) if "data" in rest else (rest,) if rest else ()
        _refuse_indirect(method, _METHOD_CALL | _MULTICALL)
        return self._calls.call(Call(method, params), caller)

    def multicall(self, caller: Caller, calls: list[Any]) -> Any:
        """Run several calls, each {'methodName', 'params'}, in order, each with its own rights.

        Answers a list with [result] or {'faultCode', 'faultString'} for each. The next call
        begins without waiting for one that takes time; the answers are in the calls' order.
        """
        if len(calls) > self._most_calls:
            raise TooLarge(
                f"{len(calls)} calls in one system.multicall; {self._most_calls} is the most"
            )
        answers = [self._run_one(caller, one) for one in calls]
        if not any(isinstance(answer, Deferred) for answer in answers):
            return answers
        pending = [
            answer if isinstance(answer, Deferred) else succeed(answer) for answer in answers
        ]
        # A cancelled gathering cancels every call in it; none of them ever fails.
        return gatherResults(pending)

    def _run_one(self, caller: Caller, one: Any) -> Any:
        try:
            result = self._calls.call(_read_one(one), caller)
        except Co2Error as error:
            return _as_struct(error)
        if isinstance(result, Deferred):
            return result.addCallbacks(lambda value: [value], _failed_as_struct)
        return [result]


def _read_one(one: Any) -> Call:
    method = one.get("methodName") if isinstance(one, dict) else None
    if not isinstance(method, str):
        raise InvalidRequest("each call is a struct {'methodName': a string, 'params': a list}")
    params = one.get("params", [])
    if not isinstance(params, list | tuple):
        raise InvalidRequest(f"params of {shown_name(method)} must be a list")
    _refuse_indirect(method, _MULTICALL)
    return Call(method, tuple(params))


def _refuse_indirect(method: str, refused: frozenset[str]) -> None:
    if method in refused:
        raise InvalidRequest(f"{method} cannot be called from inside another; call it directly")


def _one_name(method: str, params: tuple[Any, ...]) -> str:
    given = params[0] if len(params) == 1 else None
    if isinstance(given, dict):
        given = next((given[key] for key in _NAME_KEYS if key in given), None)
    if not isinstance(given, str):
        raise InvalidParams(f"{method} takes the name of a method, a string")
    return given


def _as_struct(error: Co2Error) -> dict[str, Any]:
    fault = error.as_fault()
    return {"faultCode": fault.code, "faultString": fault.text}


def _failed_as_struct(failure: Failure) -> dict[str, Any]:
    assert isinstance(failure.value, Co2Error)  # ICalls raises nothing else
    return _as_struct(failure.value)
