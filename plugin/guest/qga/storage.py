"""guest-get-fsinfo, -disks, -diskstats."""

from __future__ import annotations

import os
import re
from typing import Any

from plugin.guest.machine import Machine
from plugin.guest.qga.freezing import Mount, mounts
from plugin.guest.qga.schema import call

_PCI = re.compile(r"([0-9a-f]{4}):([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])")
_SCSI = re.compile(r"/(\d+):(\d+):(\d+):(\d+)(?:/|$)")
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


class StorageCalls:
    """Tells of disks and file systems."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    @call("guest-get-fsinfo")
    def get_fsinfo(self) -> list[dict[str, Any]]:
        """Give the file systems of block devices, the last mounted first."""
        return [self._file_system(one) for one in reversed(list(mounts(self._machine)))]

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
