"""How every host is: load, memory, disk, uptime, told to all others every few seconds."""

__all__ = ["sysinfo"]
