"""The parser for QEMU's guest agent: bytes of many clients to their answers; no sockets.

A `Conversation` is one connection: it has the unfinished rest of a request, which a client that
goes away takes with it. Handles and programs belong to the agent and outlive connections.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.logger import Logger
from zope.interface import implementer

from co2 import __version__
from plugin.guest.command.surroundings import Surroundings
from plugin.guest.interfaces import IParser
from plugin.guest.qga.accounts import AccountCalls
from plugin.guest.qga.files import FileCalls
from plugin.guest.qga.freezing import THAW_AFTER, FreezeCalls
from plugin.guest.qga.links import LinkCalls
from plugin.guest.qga.power import PowerCalls
from plugin.guest.qga.programs import ProgramCalls
from plugin.guest.qga.schema import Call, CallFailed, bind, call, calls_of
from plugin.guest.qga.storage import StorageCalls
from plugin.guest.qga.stream import BadJson, JsonStream
from plugin.guest.qga.system import SystemCalls
from plugin.guest.qga.tables import in_order
from plugin.guest.qga.text import encode

_log = Logger()
WHILE_FROZEN = frozenset(
    {"guest-ping", "guest-info", "guest-sync", "guest-sync-delimited"}
    | {"guest-fsfreeze-status", "guest-fsfreeze-thaw"}
)
"""Others might write, and wait for ever for what is frozen."""

OTHER_SYSTEMS = ("guest-get-devices",)
"""Known, and disabled here: Windows has them."""

PING = b'{"return": {}}\n'
_ORDER_OF_7_2 = [
    "guest-get-cpustats",
    "guest-get-diskstats",
    "guest-ssh-remove-authorized-keys",
    "guest-ssh-add-authorized-keys",
    "guest-ssh-get-authorized-keys",
    "guest-get-devices",
    "guest-get-osinfo",
    "guest-get-timezone",
    "guest-get-users",
    "guest-get-host-name",
    "guest-exec",
    "guest-exec-status",
    "guest-get-memory-block-info",
    "guest-set-memory-blocks",
    "guest-get-memory-blocks",
    "guest-set-user-password",
    "guest-get-fsinfo",
    "guest-get-disks",
    "guest-set-vcpus",
    "guest-get-vcpus",
    "guest-network-get-interfaces",
    "guest-suspend-hybrid",
    "guest-suspend-ram",
    "guest-suspend-disk",
    "guest-fstrim",
    "guest-fsfreeze-thaw",
    "guest-fsfreeze-freeze-list",
    "guest-fsfreeze-freeze",
    "guest-fsfreeze-status",
    "guest-file-flush",
    "guest-file-seek",
    "guest-file-write",
    "guest-file-read",
    "guest-file-close",
    "guest-file-open",
    "guest-shutdown",
    "guest-info",
    "guest-set-time",
    "guest-get-time",
    "guest-ping",
    "guest-sync",
    "guest-sync-delimited",
]


class Delimited(int):
    """An answer before which the byte 0xFF goes, to reset the reader."""


class AgentCalls:
    """What concerns the agent itself."""

    def __init__(self, info: Callable[[], dict[str, Any]]) -> None:
        self._info = info

    @call("guest-ping")
    def ping(self) -> None:
        """Say that the agent is there."""

    @call("guest-sync", id="int")
    def sync(self, id: int) -> int:
        """Give the number back."""
        return id

    @call("guest-sync-delimited", id="int")
    def sync_delimited(self, id: int) -> int:
        """Give the number back, after a byte that resets the reader."""
        return Delimited(id)

    @call("guest-info")
    def info(self) -> dict[str, Any]:
        """Give the agent's version and its commands."""
        return self._info()

    @call("guest-get-devices")
    def get_devices(self) -> list[dict[str, Any]]:
        """Give drivers; Windows has that, and so the command is disabled."""
        return []


@implementer(IParser)
class QemuParser:
    """Commands, who may call them, and their answers.

    Attributes:
        blocking: commands are short, but for file systems that are slow to freeze.
    """

    blocking = False
    framing = JsonStream
    immediate = True

    def __init__(
        self,
        surroundings: Surroundings | None = None,
        *,
        block: Iterable[str] = (),
        allow: Iterable[str] | None = None,
        state_dir: str | Path | None = None,
        thaw_after: float = THAW_AFTER,
        version: str = __version__,
    ) -> None:
        """Make the commands.

        Args:
            surroundings: the machine they act on, and its own lists of commands.
            block: commands that are disabled; allow: the only ones that are not.
            state_dir: where the next file handle is kept over restarts.
            thaw_after: seconds until frozen file systems are thawed that no client has; 0 for
                never.
            version: what guest-info says.
        """
        here = surroundings or Surroundings()
        self._here = here
        self._block = frozenset(block) | frozenset(OTHER_SYSTEMS)
        self._allow = None if allow is None else frozenset(allow)
        self._version = version
        state = None if state_dir is None else Path(state_dir, "co2-guest.state")
        self._files = FileCalls(here.machine, state)
        self._freezing = FreezeCalls(here.machine, thaw_after)
        self._calls: dict[str, Call] = {}
        for source in (
            AgentCalls(self._info),
            SystemCalls(here.machine),
            LinkCalls(here.machine),
            AccountCalls(here),
            PowerCalls(here.machine),
            ProgramCalls(here.machine),
            self._files,
            StorageCalls(here.machine),
            self._freezing,
        ):
            self._calls.update(calls_of(source))

    def conversation(self) -> Conversation:
        """Begin with a new client."""
        return Conversation(self)

    def parse_request(self, request: Any) -> dict[str, bytes] | None:
        """Answer one request.

        Args:
            request: a dict whose 'value' is a JSON value or a `BadJson`, or whose 'data' is the
                text of one or more.

        Returns:
            {'data': the lines of the answers}, or None where there is nothing to say.
        """
        if "value" in request:
            answer = self.answer(request["value"])
        else:
            data = request["data"]
            raw = data.encode("utf-8") if isinstance(data, str) else bytes(data)
            values = JsonStream().feed(raw if raw.endswith(b"\n") else raw + b"\n")
            answer = b"".join(map(self.answer, values))
        return {"data": answer} if answer else None

    def answer(self, value: Any) -> bytes:
        """Give the line that answers a value, or b'' where success is not answered."""
        if isinstance(value, BadJson):
            return _line({"error": {"class": "GenericError", "desc": value.text}})
        told: dict[str, Any] = {"id": value["id"]} if _has_id(value) else {}
        try:
            known, given = self._wanted(value)
            result = known.function(**bind(known, given))
        except CallFailed as error:
            return _line(told | {"error": {"class": error.kind, "desc": str(error)}})
        except Exception:
            _log.failure("a command of the guest agent failed")
            return _line(told | {"error": {"class": "GenericError", "desc": "internal error"}})
        if not known.answers:
            return b""
        if result is None and not told:
            return PING
        line = _line(told | {"return": {} if result is None else result})
        return b"\xff" + line if isinstance(result, Delimited) else line

    def enabled(self, name: str) -> bool:
        """Tell whether a command may be called now."""
        allowed = self._allow is None or name in self._allow
        awake = not self._here.machine.frozen or name in WHILE_FROZEN
        return name not in self._block and allowed and awake and self._here.allows(name)

    def close(self) -> None:
        """Close files and thaw what is frozen: nobody could any more."""
        self._freezing.close()
        self._files.close_all()

    def _wanted(self, value: Any) -> tuple[Call, dict[str, Any]]:
        name, given = _request(value)
        known = self._calls.get(name)
        if known is None:
            raise CallFailed(f"The command {name} has not been found", "CommandNotFound")
        if not self.enabled(name):
            raise CallFailed(f"Command {name} has been disabled", "CommandNotFound")
        return known, given

    def _info(self) -> dict[str, Any]:
        names = [name for name in _ORDER_OF_7_2 if name in self._calls]
        names = [name for name in self._calls if name not in names] + names
        return {
            "version": self._version,
            "supported_commands": [
                {
                    "name": name,
                    "enabled": self.enabled(name),
                    "success-response": self._calls[name].answers,
                }
                for name in names
            ],
        }


@define
class Conversation:
    """One client's stream."""

    _parser: QemuParser
    _stream: JsonStream = field(factory=JsonStream)

    def feed(self, data: bytes) -> bytes:
        """Take bytes of the client, and give those that answer."""
        return b"".join([self._parser.answer(value) for value in self._stream.feed(data)])


def _has_id(value: Any) -> bool:
    return isinstance(value, dict) and "id" in value


def _request(value: Any) -> tuple[str, dict[str, Any]]:
    if not isinstance(value, dict):
        raise CallFailed("QMP input must be a JSON object")
    for member in in_order(value):
        if member == "execute" and not isinstance(value[member], str):
            raise CallFailed("QMP input member 'execute' must be a string")
        if member == "arguments" and not isinstance(value[member], dict):
            raise CallFailed("QMP input member 'arguments' must be an object")
        if member not in ("execute", "arguments", "id"):
            raise CallFailed(f"QMP input member '{member}' is unexpected")
    if "execute" not in value:
        raise CallFailed("QMP input lacks member 'execute'")
    return value["execute"], value.get("arguments", {})


def _line(answer: dict[str, Any]) -> bytes:
    return encode(answer).encode("ascii") + b"\n"
