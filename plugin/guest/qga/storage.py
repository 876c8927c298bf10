"""guest-get-fsinfo, -disks, -diskstats, and file systems frozen, thawed and trimmed."""

from __future__ import annotations

import fcntl
import os
import re
import struct
from collections.abc import Callable, Iterator
from typing import Any

from attrs import frozen

from plugin.guest.machine import Machine
from plugin.guest.qga.schema import CallFailed, call

FIFREEZE, FITHAW, FITRIM = 0xC0045877, 0xC0045878, 0xC0185879
_PCI = re.compile(r"([0-9a-f]{4}):([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])")
_SCSI = re.compile(r"/(\d+):(\d+):(\d+):(\d+)(?:/|$)")
_OCTAL = re.compile(r"\\([0-7]{3})")
_STATS = (
    "read-ios",
    "read-merges",
    "read-sectors",
    "read-ticks",
    "write-ios",
    "write-merges",
    "write-sectors",
    "write-ticks",
    "ios-pgr",
    "total-ticks",
    "weight-ticks",
    "discard-ios",
    "discard-merges",
    "discard-sectors",
    "discard-ticks",
    "flush-ios",
    "flush-ticks",
)
Control = Callable[[str, int, bytes], bytes]


@frozen
class Mount:
    """One mounted file system of a block device."""

    device: str
    path: str
    kind: str


def control(path: str, request: int, argument: bytes) -> bytes:
    """Do an ioctl on a folder."""
    number = os.open(path, os.O_RDONLY)
    try:
        result: bytes = fcntl.ioctl(number, request, argument)
        return result
    finally:
        os.close(number)


class StorageCalls:
    """Tells of disks, and freezes what is on them."""

    def __init__(self, machine: Machine, control: Control = control) -> None:
        """Take a machine.

        Args:
            machine: in a dry run, or for another root, nothing is frozen or trimmed.
            control: does ioctls.
        """
        self._machine = machine
        self._control = control
        self.frozen: list[str] = []

    @call("guest-get-fsinfo")
    def get_fsinfo(self) -> list[dict[str, Any]]:
        """Give the file systems of block devices, the last mounted first."""
        return [self._file_system(one) for one in reversed(list(self._mounts()))]

    @call("guest-get-disks")
    def get_disks(self) -> list[dict[str, Any]]:
        """Give the disks and their partitions."""
        found = []
        for name in self._machine.names("/sys/block"):
            size = (self._machine.read_text(f"/sys/block/{name}/size") or "0").strip()
            if size == "0" or name.startswith(("loop", "ram", "zram")):
                continue
            disk = {"name": f"/dev/{name}", "partition": False, "dependencies": []}
            address = self._address(name)
            found.append(disk | ({"address": address} if address else {}))
            for part in self._machine.names(f"/sys/block/{name}"):
                if self._machine.exists(f"/sys/block/{name}/{part}/partition"):
                    found.append(
                        {
                            "name": f"/dev/{part}",
                            "partition": True,
                            "dependencies": [f"/dev/{name}"],
                        }
                    )
        return found

    @call("guest-get-diskstats")
    def get_diskstats(self) -> list[dict[str, Any]]:
        """Give the kernel's counts for each disk."""
        lines = (self._machine.read_text("/proc/diskstats") or "").splitlines()
        return [
            {
                "major": int(words[0]),
                "minor": int(words[1]),
                "name": words[2],
                "stats": dict(zip(_STATS, map(int, words[3:]), strict=False)),
            }
            for words in (line.split() for line in lines)
        ]

    @call("guest-fsfreeze-status")
    def freeze_status(self) -> str:
        """Tell 'frozen' or 'thawed'."""
        return "frozen" if self.frozen else "thawed"

    @call("guest-fsfreeze-freeze")
    def freeze(self) -> int:
        """Freeze all file systems; give how many."""
        return self._freeze(None)

    @call("guest-fsfreeze-freeze-list", mountpoints="[str]?")
    def freeze_list(self, mountpoints: list[str] | None = None) -> int:
        """Freeze those that are mounted at these places."""
        return self._freeze(mountpoints)

    @call("guest-fsfreeze-thaw")
    def thaw(self) -> int:
        """Thaw what is frozen; give how many."""
        count = 0
        for path in self.frozen:
            self._on(path, FITHAW)
            count += 1
        self.frozen = []
        return count

    @call("guest-fstrim", minimum="int?")
    def trim(self, minimum: int = 0) -> dict[str, Any]:
        """Tell the disks what is free."""
        told = []
        for mount in self._mounts():
            path: dict[str, Any] = {"path": mount.path}
            try:
                done = self._on(mount.path, FITRIM, struct.pack("QQQ", 0, (1 << 64) - 1, minimum))
                path |= {
                    "minimum": minimum,
                    "trimmed": struct.unpack("QQQ", done)[1] if done else 0,
                }
            except OSError as error:
                path["error"] = f"failed to trim: {error.strerror}"
            told.append(path)
        return {"paths": told}

    def _freeze(self, only: list[str] | None) -> int:
        if self.frozen:
            raise CallFailed("file systems are frozen already")
        paths = [one.path for one in reversed(list(self._mounts()))]
        for path in paths if only is None else [one for one in paths if one in only]:
            try:
                self._on(path, FIFREEZE)
            except OSError as error:
                if error.errno in (16, 95):  # frozen by another mount, or it cannot be frozen
                    continue
                self.thaw()
                raise CallFailed(f"failed to freeze {path}: {error.strerror}") from None
            self.frozen.append(path)
        return len(self.frozen)

    def _on(self, path: str, request: int, argument: bytes = b"\0" * 4) -> bytes:
        if not self._machine.programs:
            return b""
        return self._control(path, request, argument)

    def _mounts(self) -> Iterator[Mount]:
        text = self._machine.read_text("/proc/self/mountinfo") or ""
        for line in text.splitlines():
            before, _, after = line.partition(" - ")
            words, more = before.split(), after.split()
            if len(words) > 4 and len(more) > 1 and not words[2].startswith("0:"):
                path = _OCTAL.sub(lambda found: chr(int(found[1], 8)), words[4])
                yield Mount(words[2], path, more[0])

    def _file_system(self, mount: Mount) -> dict[str, Any]:
        name = self._machine.resolve(f"/sys/dev/block/{mount.device}").name
        told: dict[str, Any] = {"name": name, "mountpoint": mount.path, "type": mount.kind}
        address = self._address(name)
        told["disk"] = [address] if address else []
        try:
            space = os.statvfs(self._machine.resolve(mount.path))
        except OSError:
            return told
        used = space.f_blocks - space.f_bfree
        told["used-bytes"] = used * space.f_frsize
        told["total-bytes"] = (used + space.f_bavail) * space.f_frsize
        return told

    def _address(self, name: str) -> dict[str, Any] | None:
        """Give where a disk is attached; from its place in sysfs."""
        place = str(self._machine.resolve(f"/sys/class/block/{name}"))
        buses = list(_PCI.finditer(place))
        if "/virtual/" in place or not (buses or "/virtio" in place):
            return None
        pci = [int(part, 16) for part in buses[-1].groups()] if buses else [-1] * 4
        scsi = _SCSI.search(place)
        return {
            "bus-type": _bus(place),
            "bus": int(scsi[2]) if scsi else 0,
            "target": int(scsi[3]) if scsi else 0,
            "unit": int(scsi[4]) if scsi else 0,
            "dev": f"/dev/{name}",
            "pci-controller": dict(zip(("domain", "bus", "slot", "function"), pci, strict=True)),
        }


def _bus(place: str) -> str:
    for word, kind in (("/nvme", "nvme"), ("/usb", "usb"), ("/ata", "sata"), ("/host", "scsi")):
        if word in place:
            return kind
    return "virtio" if "/virtio" in place else "unknown"
