"""A virtual machine's kernel and first file system with our agent in it.

The kernel is Debian's for clouds, with its three modules for virtio-serial; the file system holds
busybox, the Python that runs the tests, what the agent imports, and nothing else.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
MODULES = (
    "virtio/virtio_ring.ko",
    "virtio/virtio.ko",
    "virtio/virtio_pci_legacy_dev.ko",
    "virtio/virtio_pci_modern_dev.ko",
    "virtio/virtio_pci.ko",
    "char/virtio_console.ko",
)
IMPORTS = """
import sys
import twisted.internet.epollreactor, twisted.internet.endpoints, twisted.internet.address
import plugin.guest.cli, encodings.ascii, encodings.latin_1, encodings.idna
from twisted.internet import reactor, threads, unix, tcp
for module in list(sys.modules.values()):
    if getattr(module, "__file__", None):
        print(module.__file__)
"""
INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /run /tmp /etc
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
for module in {modules}; do /bin/busybox insmod /modules/$module; done
/bin/busybox hostname guest-of-co2
/bin/busybox ip link set lo up
port=$(/bin/busybox ls -d /dev/vport* | /bin/busybox head -1)
/bin/busybox ln -s $port /dev/agent
export PYTHONHOME={prefix} PYTHONPATH={paths} LD_LIBRARY_PATH={libraries} PYTHONDONTWRITEBYTECODE=1
exec {python} -m plugin.guest.cli -n -o - /config.py
"""
CONFIG = """
import agentlib, plugins
agentlib.register(plugins.CharDevice("/dev/agent"), plugins.QemuParser(state_dir="/run"))
"""


def need(*programs: str) -> None:
    """Skip where a program is missing."""
    missing = [one for one in programs if not shutil.which(one)]
    if missing:
        pytest.skip(f"a virtual machine needs {', '.join(missing)}: apt-get install {PACKAGES}")


PACKAGES = (
    "qemu-system-x86 libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients busybox-static cpio"
)


def kernel(cache: Path) -> Path:
    """Fetch and unpack Debian's kernel for clouds; give the folder."""
    folder = cache / "kernel"
    if not list(folder.glob("boot/vmlinuz-*")):
        told = subprocess.run(
            ["apt-cache", "depends", "linux-image-cloud-amd64"],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        found = re.search(r"Depends: (\S+)", told)
        if not found:
            pytest.skip("there is no package linux-image-cloud-amd64")
        subprocess.run(["apt-get", "download", found[1]], cwd=cache, check=False)
        for package in cache.glob("linux-image*.deb"):
            subprocess.run(["dpkg", "-x", package, folder], check=True)
    if not list(folder.glob("boot/vmlinuz-*")):
        pytest.skip("the kernel could not be fetched")
    return folder


def make_file_system(kernel_folder: Path, folder: Path) -> Path:
    """Make the first file system; give its archive."""
    tree = folder / "tree"
    files = _imported()
    python = Path(os.path.realpath(sys.executable))
    for one in [*files, *_libraries([python, *(f for f in files if f.suffix == ".so")]), python]:
        _copy(one, tree)
    for module in MODULES:
        (found,) = kernel_folder.glob(f"lib/modules/*/kernel/drivers/{module}")
        (tree / "modules").mkdir(exist_ok=True)
        shutil.copy(found, tree / "modules")
    (tree / "bin").mkdir(exist_ok=True)
    shutil.copy(shutil.which("busybox") or "", tree / "bin" / "busybox")
    (tree / "config.py").write_text(CONFIG)
    init = tree / "init"
    init.write_text(
        INIT.format(
            modules=" ".join(one.rpartition("/")[2] for one in MODULES),
            prefix=sys.base_prefix,
            paths=":".join([str(ROOT), *(one for one in sys.path if "site-packages" in one)]),
            libraries=":".join(sorted({str(one.parent) for one in _libraries([python])})),
            python=python,
        )
    )
    init.chmod(0o755)
    archive = folder / "initramfs.gz"
    command = "find . | cpio --quiet -o -H newc | gzip -1"
    with archive.open("wb") as file:
        subprocess.run(["sh", "-c", command], cwd=tree, stdout=file, check=True)
    return archive


def _imported() -> list[Path]:
    told = subprocess.run(
        [sys.executable, "-c", IMPORTS], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    files = {Path(line) for line in told.splitlines()}
    site = {one.parent for one in files if (one.parent / "py.typed").exists()}
    stdlib = Path(sysconfig.get_path("stdlib"))
    files |= set((stdlib / "encodings").glob("*.py")) | {stdlib / "os.py"}
    # The reactor's own module is not seen above: it has put the reactor into its place.
    site |= {one.parent for one in files if one.parent.name == "internet"}
    return sorted(files | {one for folder in site for one in folder.glob("*.py")})


def _libraries(binaries: list[Path]) -> set[Path]:
    told = subprocess.run(["ldd", *binaries], capture_output=True, text=True, check=False).stdout
    found = {Path(word) for word in re.findall(r"(/\S+\.so\S*)", told) if not word.endswith(":")}
    return found | {one for name in ("libcrypt.so.1",) for one in Path("/").glob(f"lib/*/{name}")}


def _copy(file: Path, tree: Path) -> None:
    place = tree / str(file).lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    if file.exists() and not place.exists():
        shutil.copy(file, place)
