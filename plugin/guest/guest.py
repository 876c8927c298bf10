"""The door to co2: this machine's commands on the network, and agents of virtual machines.

    co2 call guest.guest.command name=version
    co2 call guest.guest.agent socket=/run/vm/agent.sock execute=guest-get-host-name

Commands change the machine, and so they are for `admin`. Messages of other hosts are requests only
where `guest_config.py` names their authors in `accept_from`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import ensureDeferred

from co2.api import ApplicationFailed, Co2Plugin, level
from plugin.guest.command.registry import Commands
from plugin.guest.command.standard import STANDARD
from plugin.guest.command.surroundings import Surroundings, VmData
from plugin.guest.exchange.messages import Busy, Co2Exchange
from plugin.guest.loop import Pair
from plugin.guest.machine import Machine
from plugin.guest.nova_json import JsonParser
from plugin.guest.qga.client import AgentAway, AgentRefused, ask_agent
from plugin.guest.xenstore.blocking import read_vm_data
from plugin.guest.xenstore.client import standard_place

REQUEST, RESPONSE = "guest.request", "guest.response"


class X_Guest(Co2Plugin):
    """See the module; `guest_config.py` may set what stands here.

    Attributes:
        root: a folder below which files are written; no programs are started but for '/'.
        dry_run: write nothing, start nothing.
        distribution: whose network files are written, '' to find out.
        allow: the only commands that run, None for all; block: those that do not.
        accept_from: random parts of host ids whose messages are requests.
    """

    root: str = "/"
    dry_run: bool = False
    distribution: str = ""
    allow: list[str] | None = None
    block: list[str] = []
    accept_from: list[str] = []

    def __init__(self, var_dict: Mapping[str, Any], clock: Any = reactor) -> None:
        super().__init__(var_dict)
        self._clock = clock
        self._commands = Commands(STANDARD, self._surroundings())
        self._exchange = Co2Exchange()
        self._pair = Pair(self._exchange, JsonParser(self._commands), self._afterwards)
        self._pair.start(clock)

    @level("read")
    def x_features(self) -> list[str]:
        """List the commands that there are."""
        return self._commands.command_names()

    @level("admin")
    async def x_command(self, name: str, value: Any = "") -> dict[str, Any]:
        """Run a command of the guest agent on this machine.

        `value` is what the command takes. Gives {'returncode', 'message'}, both as the agent says
        them: '0', or 'D0' for `keyinit`, is success.
        """
        return await self._ask(json.dumps({"name": name, "value": value}))

    @level("admin")
    async def x_agent(
        self,
        socket: str,
        execute: str,
        arguments: dict[str, Any] | None = None,
        timeout: float = 10.0,
    ) -> Any:
        """Run a command of a virtual machine's guest agent, at the host's end of its channel.

        `socket` is a Unix socket, `execute` a command of QEMU's guest agent, `timeout` in seconds.
        """
        try:
            return await ask_agent(self._clock, socket, execute, arguments, timeout)
        except (AgentRefused, AgentAway) as error:
            raise ApplicationFailed(str(error)) from None

    def receive(self, data_dict: dict[str, Any]) -> Any:
        """Take requests of hosts that may ask: {'name', 'value'} with the topic guest.request."""
        random = str(data_dict.get("host_id", "")).partition("@")[0]
        if data_dict.get("topic") != REQUEST or random not in self.accept_from:
            return None
        return ensureDeferred(self._answer(data_dict))

    async def _answer(self, message: Mapping[str, Any]) -> None:
        answer = await self._ask(json.dumps(message["data"]))
        data = {"request": str(message.get("id", "")), "to": message["host_id"], **answer}
        self.send({"data": data}, topic=RESPONSE)

    async def _ask(self, text: str) -> dict[str, Any]:
        try:
            response = await self._exchange.ask(text)
        except Busy as error:
            raise ApplicationFailed(str(error)) from None
        if response is None:
            raise ApplicationFailed("the agent stopped before it answered")
        answer: dict[str, Any] = json.loads(response["data"])
        return answer

    def _afterwards(self) -> None:
        here = self._commands.surroundings
        if here.afterwards:
            self._clock.callInThread(here.run_afterwards)

    def _surroundings(self) -> Surroundings:
        def vm_data() -> VmData:
            return read_vm_data(standard_place())

        return Surroundings(
            Machine(self.root, self.dry_run),
            distribution=self.distribution,
            allow=None if self.allow is None else frozenset(self.allow),
            block=frozenset(self.block),
            vm_data=vm_data,
        )

    def __exit__(self, *exc_info: Any) -> Any:
        """Stop; what is being answered is finished first."""
        return ensureDeferred(self._pair.stop())
