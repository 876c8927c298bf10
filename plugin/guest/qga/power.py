"""guest-shutdown and guest-suspend-*: what is not answered when it succeeds."""

from __future__ import annotations

from plugin.guest.machine import Machine
from plugin.guest.qga.schema import CallFailed, call

_MODES = {"powerdown": "-P", "halt": "-H", "reboot": "-r"}


class PowerCalls:
    """Ends or rests this machine; in a dry run it only says so."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    @call("guest-shutdown", answers=False, mode="str?")
    def shutdown(self, mode: str = "powerdown") -> None:
        """Shut down: powerdown, halt or reboot."""
        if mode not in _MODES:
            raise CallFailed("mode is invalid (valid values are: halt|powerdown|reboot")
        words = ("/sbin/shutdown", "-h", _MODES[mode], "+0", "hypervisor initiated shutdown")
        if self._machine.run(words):
            raise CallFailed("child process has failed to shutdown")

    @call("guest-suspend-disk", answers=False)
    def suspend_disk(self) -> None:
        """Write the memory to disk and stop."""
        self._suspend("hibernate")

    @call("guest-suspend-ram", answers=False)
    def suspend_ram(self) -> None:
        """Stop all but the memory."""
        self._suspend("suspend")

    @call("guest-suspend-hybrid", answers=False)
    def suspend_hybrid(self) -> None:
        """Write the memory to disk, and keep it too."""
        self._suspend("hybrid-sleep")

    def _suspend(self, word: str) -> None:
        if self._machine.run(("systemctl", word)):
            raise CallFailed(f"the helper program 'systemctl {word}' failed")
