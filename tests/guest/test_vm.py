"""A real guest under QEMU's emulation, and libvirt's virsh talking to our agent in it.

Slow (a minute and more): `make vm` runs it. libvirt's driver is embedded in virsh, in a mount
namespace of its own, where a user `libvirt-qemu` is added to copies of passwd and group.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.processes import Watched

from guest.vm import kernel, make_file_system, need

pytestmark = [
    pytest.mark.process,
    pytest.mark.vm,
    pytest.mark.timeout(400),
    pytest.mark.skipif("CO2_VM" not in os.environ, reason="slow: `make vm` runs it"),
]
SETTINGS = """
user = "root"
group = "root"
stdio_handler = "file"
security_driver = "none"
namespaces = []
cgroup_controllers = []
remember_owner = 0
"""
DOMAIN = """
<domain type='qemu'>
  <name>guest</name><memory unit='MiB'>768</memory><vcpu>1</vcpu>
  <os><type arch='x86_64'>hvm</type><kernel>{folder}/kernel</kernel>
    <initrd>{folder}/initramfs.gz</initrd><cmdline>console=ttyS0 quiet panic=-1</cmdline></os>
  <on_poweroff>destroy</on_poweroff><on_reboot>destroy</on_reboot><on_crash>destroy</on_crash>
  <devices><emulator>{emulator}</emulator>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <serial type='file'><source path='{folder}/serial.log'/></serial>
    <memballoon model='none'/></devices>
</domain>
"""
IN_NAMESPACE = """
mount --bind {folder}/passwd /etc/passwd
mount --bind {folder}/group /etc/group
exec virsh -q -c 'qemu:///embed?root={folder}/libvirt'
"""


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Give a folder, with a short name for its sockets, in which all is ready to start."""
    if os.geteuid():
        pytest.skip("libvirt's embedded driver needs root")
    need("qemu-system-x86_64", "virsh", "busybox", "cpio", "unshare")
    cache = Path(request.config.cache.mkdir("guest-vm"))
    with tempfile.TemporaryDirectory(prefix="vm") as name:
        place = Path(name)
        (image,) = kernel(cache).glob("boot/vmlinuz-*")
        shutil.copy(image, place / "kernel")
        make_file_system(kernel(cache), place)
        _write_settings(place)
        yield place
        _end_left_over(place)


def _write_settings(place: Path) -> None:
    (place / "libvirt" / "etc").mkdir(parents=True)
    (place / "libvirt" / "etc" / "qemu.conf").write_text(SETTINGS)
    emulator = shutil.which("qemu-system-x86_64")
    (place / "domain.xml").write_text(DOMAIN.format(folder=place, emulator=emulator))
    user = "libvirt-qemu:x:64055:64055::/nonexistent:/usr/sbin/nologin\n"
    (place / "passwd").write_text(Path("/etc/passwd").read_text() + user)
    groups = Path("/etc/group").read_text()
    missing = "" if "\nkvm:" in groups else "kvm:x:64056:\n"
    (place / "group").write_text(groups + "libvirt-qemu:x:64055:\n" + missing)
    (place / "start").write_text(IN_NAMESPACE.format(folder=place))


def _end_left_over(place: Path) -> None:
    """End the machine where the test did not get to it: libvirt notes its number."""
    for note in (place / "libvirt").rglob("guest.pid"):
        try:
            os.kill(int(note.read_text()), signal.SIGKILL)
        except ProcessLookupError:
            continue


def answered(virsh: Watched, command: str, pattern: str, tries: int = 1) -> None:
    """Give virsh a command until its answer fits; the guest takes half a minute to be there."""
    for left in reversed(range(tries)):
        before = virsh.length
        virsh.write(command)
        try:
            virsh.wait_for(pattern, after=before, patience=8)
            return
        except AssertionError:
            if not left:
                raise


def test_virsh_talks_to_the_agent_in_a_guest(folder: Path) -> None:
    """Ping, host name, system, a file written and read: all by libvirt over virtio-serial."""
    command = ["unshare", "-m", "--propagation", "private", "sh", str(folder / "start")]
    with Watched(command, folder, takes_input=True) as virsh:
        virsh.write(f"create {folder}/domain.xml")
        virsh.write("list --name")
        virsh.wait_for("^guest$", patience=60)
        ping = """qemu-agent-command guest '{"execute":"guest-ping"}'"""
        answered(virsh, ping, r'^\{"return":\{\}\}', tries=25)
        answered(virsh, "domhostname guest --source agent", "^guest-of-co2$")
        answered(virsh, "guestinfo guest --os", r"os.machine\s+: x86_64")
        call = """qemu-agent-command guest '{"execute":"guest-exec","arguments":"""
        call += """{"path":"/bin/busybox","arg":["uname","-n"],"capture-output":true}}'"""
        answered(virsh, call, r'\{"return":\{"pid":\d+\}\}')
        virsh.write("destroy guest")
        virsh.write("quit")
        virsh.ended(30)
