"""The parser of the guest agent for OpenStack: JSON with a name and a value.

Every request is answered. Names are logged, values never: they hold passwords, keys and files.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.logger import Logger
from zope.interface import implementer

from plugin.guest.command.registry import CommandNotFoundError
from plugin.guest.interfaces import ICommands, IParser

_log = Logger()
LONGEST_NAME = 64
"""Of a command's name in the log."""


class Refused(Exception):
    """The request cannot be run; the text is the answer's message."""


@implementer(IParser)
class JsonParser:
    """`{"name": ..., "value": ...}` in, `{"message": ..., "returncode": ...}` out."""

    blocking = True

    def __init__(self, commands: ICommands) -> None:
        """Take what runs commands.

        Raises:
            TypeError: it has no `run_command`; in the words of the original.
        """
        if not callable(getattr(commands, "run_command", None)):
            raise TypeError("Command class has no 'run_command' method")
        self._commands = commands
        # A class of commands may bring an exception of its own for those that are not there.
        self._not_found = getattr(commands, "CommandNotFoundError", CommandNotFoundError)

    def parse_request(self, request: Any) -> dict[str, str]:
        """Run the request's command.

        Args:
            request: a dict whose 'data' is the JSON text.

        Returns:
            {'data': JSON text of 'message' and 'returncode', the latter always a string}.
        """
        try:
            name, value = _command(request)
            code, message = self._run(name, value)
        except Refused as error:
            code, message = 500, str(error)
        text = json.dumps({"message": message, "returncode": str(code)}, default=str)
        return {"data": text}

    def _run(self, name: str, value: Any) -> tuple[Any, Any]:
        _log.info("command {name}", name=name[:LONGEST_NAME])
        try:
            return self._commands.run_command(name, value)
        except self._not_found as error:
            return 404, str(error)
        except Exception as error:
            # The text may quote the value: it goes to who sent that, and not to the log.
            _log.warn("command {name} raised {kind}", name=name, kind=type(error).__name__)
            return 500, str(error)


def _command(request: Any) -> tuple[str, Any]:
    if not isinstance(request, dict):
        raise Refused("Request is malformed")
    if "data" not in request:
        raise Refused("Internal error with request")
    try:
        command = json.loads(request["data"])
    except (ValueError, TypeError, RecursionError):
        raise Refused("Request is malformed") from None
    if not isinstance(command, dict):
        raise Refused("Request is malformed")
    if "name" not in command:
        raise Refused("Request is missing 'name' key")
    name = command["name"]
    if isinstance(name, list | dict):
        raise Refused(f"unhashable type: '{type(name).__name__}'")
    name = str(name)
    if not name.isascii():
        raise Refused("Request is malformed: a command's name is ASCII")
    return name, command.get("value", "")
