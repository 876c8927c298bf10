"""What commands act on: the machine, its settings, and where vm-data is read."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from attrs import define, field, frozen

from plugin.guest.links import ethernet_links
from plugin.guest.machine import Machine
from plugin.guest.network.model import Flavour

VERSION = "1.39.1"
"""The version that is told to clients: the contract's. Nova compares it to choose updates."""


@frozen
class VmData:
    """What dom0 says of this machine: its name or None, and the texts of its interfaces."""

    hostname: str | None
    networking: tuple[str, ...]


def no_vm_data() -> VmData:
    """Stand in where no store is known.

    Raises:
        RuntimeError: always.
    """
    raise RuntimeError("vm-data is not known: there is no store, and the request brought none")


@define
class Surroundings:
    """Settings of one agent.

    Attributes:
        machine: whose files and programs.
        faithful: answer and write as the agent of 2017 where today's differs (docs/guest.md).
        distribution: one of `network.distributions`, or '' to look.
        allow: the only commands that run, or None for all; block: those that do not.
        update_keys: Ed25519 public keys, 32 bytes each, that may sign updates.
        unsigned_updates: take updates by their MD5 alone, as in 2017.
        vm_data: reads dom0's settings; blocks.
        links: this machine's interfaces.
        random: bytes that nobody can guess.
        now: UNIX seconds.
        afterwards: what runs once the response is out, such as a restart.
    """

    machine: Machine = field(factory=Machine)
    faithful: bool = False
    distribution: str = ""
    version: str = VERSION
    allow: frozenset[str] | None = None
    block: frozenset[str] = frozenset()
    update_keys: tuple[bytes, ...] = ()
    unsigned_updates: bool = False
    vm_data: Callable[[], VmData] = no_vm_data
    links: Callable[[], list[tuple[str, bool, str]]] = ethernet_links
    random: Callable[[int], bytes] = os.urandom
    now: Callable[[], float] = time.time
    afterwards: list[Callable[[], object]] = field(factory=list)

    def allows(self, name: str) -> bool:
        """Tell whether a command may run."""
        return name not in self.block and (self.allow is None or name in self.allow)

    def flavour(self) -> Flavour:
        """How network files are written now."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(self.now()))
        return Flavour(self.faithful, stamp)

    def run_afterwards(self) -> None:
        """Do what was put off until the response was out."""
        while self.afterwards:
            self.afterwards.pop(0)()
