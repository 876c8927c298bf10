"""What this machine is: its name, system, clock, processors, memory, users.

All is read below the machine's root, so that a test can bring a machine of its own.
"""

from __future__ import annotations

import errno
import os
import shlex
import time
from collections.abc import Callable
from typing import Any

import psutil

from plugin.guest.machine import Machine
from plugin.guest.qga.schema import CallFailed, call

CPUS = "/sys/devices/system/cpu"
MEMORY = "/sys/devices/system/memory"
_RELEASE = {
    "ID": "id",
    "NAME": "name",
    "PRETTY_NAME": "pretty-name",
    "VERSION": "version",
    "VERSION_ID": "version-id",
    "VARIANT": "variant",
    "VARIANT_ID": "variant-id",
}
_JIFFIES = (
    "user",
    "nice",
    "system",
    "idle",
    "iowait",
    "irq",
    "softirq",
    "steal",
    "guest",
    "guestnice",
)


class SystemCalls:
    """Tells, and sets the clock, processors and memory blocks."""

    def __init__(self, machine: Machine, now: Callable[[], int] = time.time_ns) -> None:
        self._machine = machine
        self._now = now

    @call("guest-get-time")
    def get_time(self) -> int:
        """Give nanoseconds since 1970."""
        return self._now()

    @call("guest-set-time", time="int?")
    def set_time(self, time: int | None = None) -> None:
        """Set the clock to nanoseconds since 1970, or to the hardware's."""
        words = ("hwclock", "-s") if time is None else ("hwclock", "-w")
        if time is not None:
            if not 0 <= time // 10**9 < 1 << 40:
                raise CallFailed(f"Time {time} is too large")
            self._machine.set_clock(time)
        if self._machine.run(words):
            raise CallFailed("hwclock failed to set hardware clock to system time")

    @call("guest-get-host-name")
    def get_host_name(self) -> dict[str, str]:
        """Give the name as the kernel has it."""
        return {"host-name": os.uname().nodename}

    @call("guest-get-timezone")
    def get_timezone(self) -> dict[str, Any]:
        """Give the zone's short name, and seconds east of Greenwich."""
        here = time.localtime()
        return {"zone": here.tm_zone, "offset": here.tm_gmtoff}

    @call("guest-get-users")
    def get_users(self) -> list[dict[str, Any]]:
        """Give who is logged in, and since when."""
        first: dict[str, float] = {}
        for one in psutil.users():
            first[one.name] = min(one.started, first.get(one.name, one.started))
        return [{"user": name, "login-time": started} for name, started in first.items()]

    @call("guest-get-osinfo")
    def get_osinfo(self) -> dict[str, str]:
        """Give what os-release says, and the kernel."""
        kernel = os.uname()
        told = {
            "kernel-release": kernel.release,
            "kernel-version": kernel.version,
            "machine": kernel.machine,
        }
        text = self._machine.read_text("/etc/os-release")
        text = text or self._machine.read_text("/usr/lib/os-release") or ""
        for line in text.splitlines():
            name, equals, value = line.partition("=")
            if equals and name in _RELEASE:
                told[_RELEASE[name]] = "".join(shlex.split(value)[:1])
        return told

    @call("guest-get-vcpus")
    def get_vcpus(self) -> list[dict[str, Any]]:
        """Give the processors, and which of them are on."""
        return [
            {"logical-id": number, "online": online in (None, "1"), "can-offline": bool(online)}
            for number in self._numbers(CPUS, "cpu")
            for online in [self._word(f"{CPUS}/cpu{number}/online")]
        ]

    @call("guest-set-vcpus", vcpus="[processor]")
    def set_vcpus(self, vcpus: list[dict[str, Any]]) -> int:
        """Turn processors on and off; give how many were done before one could not be."""
        for done, one in enumerate(vcpus):
            try:
                self._set_vcpu(one["logical_id"], one["online"])
            except CallFailed:
                if not done:
                    raise
                return done
        return len(vcpus)

    def _set_vcpu(self, number: int, online: bool) -> None:
        folder = f"{CPUS}/cpu{number}/"
        if not self._machine.exists(folder):
            raise CallFailed(f'open("{folder}"): {os.strerror(errno.ENOENT)}')
        if not self._machine.exists(f"{folder}online"):
            if not online:
                raise CallFailed(f"logical processor #{number} can't be offlined")
        elif self._word(f"{folder}online") != str(int(online)):
            try:
                self._machine.poke(f"{folder}online", str(int(online)))
            except OSError as error:
                raise CallFailed(f'pwrite("{folder}online"): {error.strerror}') from None

    @call("guest-get-cpustats")
    def get_cpustats(self) -> list[dict[str, Any]]:
        """Give what each processor did, in milliseconds."""
        tick = 1000 // os.sysconf("SC_CLK_TCK")
        told = []
        for line in (self._machine.read_text("/proc/stat") or "").splitlines():
            words = line.split()
            if words and words[0].startswith("cpu") and words[0] != "cpu":
                times = (int(word) * tick for word in words[1:])
                told.append(
                    {"type": "linux", "cpu": int(words[0][3:])}
                    | dict(zip(_JIFFIES, times, strict=False))
                )
        return told

    @call("guest-get-memory-blocks")
    def get_memory_blocks(self) -> list[dict[str, Any]]:
        """Give the blocks of memory, and which of them are on."""
        return [
            {
                "phys-index": number,
                "online": self._word(f"{MEMORY}/memory{number}/state") == "online",
                "can-offline": self._word(f"{MEMORY}/memory{number}/removable") != "0",
            }
            for number in self._numbers(MEMORY, "memory")
        ]

    @call("guest-set-memory-blocks", mem_blks="[block]")
    def set_memory_blocks(self, mem_blks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Turn blocks on and off; give what became of each."""
        told = []
        for one in mem_blks:
            number, online = one["phys_index"], one["online"]
            path = f"{MEMORY}/memory{number}/state"
            answer = {"phys-index": number, "response": "not-found", "error-code": errno.ENOENT}
            if self._machine.exists(path):
                answer = {"phys-index": number, "response": "success"}
                try:
                    self._machine.poke(path, "online" if online else "offline")
                except OSError as error:
                    answer |= {"response": "operation-failed", "error-code": error.errno}
            told.append(answer)
        return told

    @call("guest-get-memory-block-info")
    def get_memory_block_info(self) -> dict[str, int]:
        """Give the size of a block in bytes."""
        size = self._word(f"{MEMORY}/block_size_bytes")
        if size is None:
            raise CallFailed("memory blocks are not known here")
        return {"size": int(size, 16)}

    @call("guest-get-load")
    def get_load(self) -> dict[str, float]:
        """Give the load over one, five, fifteen minutes (QEMU 10)."""
        return dict(zip(("load1m", "load5m", "load15m"), os.getloadavg(), strict=True))

    def _numbers(self, folder: str, beginning: str) -> list[int]:
        tails = (
            name.removeprefix(beginning)
            for name in self._machine.names(folder)
            if name.startswith(beginning)
        )
        return sorted(int(tail) for tail in tails if tail.isdigit())

    def _word(self, path: str) -> str | None:
        text = self._machine.read_text(path)
        return None if text is None else text.strip()
