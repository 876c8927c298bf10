"""Gathers 100,000 small files and 2 GB of logs, beside tar, Python's tarfile and sos report.

python bench/gatherer.py [--small 100000] [--large 2000] [--folder DIR] [--sos]

Everything runs one after the other on the same tree, twice, and the better time counts; peak
memory is the largest resident set of any process of the tool, as /proc tells.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
WORDS = ("kernel", "usb", "link", "down", "eth0", "session", "opened", "for", "user", "failed")


def make_small(folder: Path, count: int) -> None:
    """Make files of 100 to 4000 bytes, a hundred to a directory."""
    draw = random.Random(1)
    for number in range(count):
        place = folder / f"{number // 10000:02d}" / f"{number // 100 % 100:02d}"
        if number % 100 == 0:
            place.mkdir(parents=True, exist_ok=True)
        text = " ".join(draw.choices(WORDS, k=draw.randint(20, 600)))
        (place / f"file-{number:06d}.conf").write_text(text)


def make_large(folder: Path, megabytes: int) -> None:
    """Make logs of 100 MB each, of lines that compress as logs do."""
    draw = random.Random(2)
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        f"Nov {draw.randint(1, 30):2d} 12:{draw.randint(0, 59):02d}:{draw.randint(0, 59):02d} host "
        f"proc[{draw.randint(1, 99999)}]: {' '.join(draw.choices(WORDS, k=12))} "
        f"{draw.getrandbits(64):016x}\n"
        for _ in range(200_000)
    ]
    for number in range(max(1, megabytes // 100)):
        with open(folder / f"messages-{number:02d}.log", "w") as file:
            size = 0
            while size < min(100, megabytes) * 10**6:
                draw.shuffle(lines)
                text = "".join(lines[:50_000])
                file.write(text)
                size += len(text)


def peak_of(process: int, stop: threading.Event, peaks: dict[int, int]) -> None:
    """Note the largest resident set of a process and of everything below it."""
    while not stop.wait(0.05):
        waiting = [process]
        while waiting:
            one = waiting.pop()
            try:
                status = Path(f"/proc/{one}/status").read_text()
                children = Path(f"/proc/{one}/task/{one}/children").read_text().split()
            except OSError:
                continue
            for line in status.splitlines():
                if line.startswith("VmRSS:"):
                    peaks[one] = max(peaks.get(one, 0), int(line.split()[1]))
            waiting += [int(child) for child in children]


def run(command: list[str] | str, **options: object) -> tuple[float, int]:
    """Run a command; give seconds and the largest resident set in MB."""
    stop, peaks = threading.Event(), {}
    began = time.monotonic()
    process = subprocess.Popen(
        command,
        shell=isinstance(command, str),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **options,  # type: ignore[call-overload]
    )
    watcher = threading.Thread(target=peak_of, args=(process.pid, stop, peaks))
    watcher.start()
    code = process.wait()
    seconds = time.monotonic() - began
    stop.set()
    watcher.join()
    if code not in (0, 3):
        raise SystemExit(f"{command}: exit code {code}")
    return seconds, max(peaks.values(), default=0) // 1024


def co2_gather(tree: Path, archive: Path, profiles: Path) -> Callable[[], tuple[float, int]]:
    """Give a run of co2 gather over a tree, without a limit."""
    profile = profiles / "bench.toml"
    profile.write_text(f'[[paths]]\npattern = "{tree}"\nlimit = 0\nseconds = 600\n')
    program = "from plugin.gatherer.command import gather; gather()"
    command = [sys.executable, "-c", program, "-p", str(profile), "-o", str(archive)]
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    return lambda: run(command, env=environment)


def py_tarfile(tree: Path, archive: Path, mode: str) -> Callable[[], tuple[float, int]]:
    """Give a run of Python's tarfile over a tree."""
    program = (
        f"import tarfile; t = tarfile.open({str(archive)!r}, {mode!r}, compresslevel=6); "
        f"t.add({str(tree)!r}); t.close()"
    )
    if mode == "w":
        program = program.replace(", compresslevel=6", "")
    return lambda: run([sys.executable, "-c", program])


def sos(tree: Path, folder: Path) -> Callable[[], tuple[float, int]]:
    """Give a run of Debian's sos report over the same list, by its extras."""
    extras = Path("/etc/sos/extras.d")

    def go() -> tuple[float, int]:
        extras.mkdir(parents=True, exist_ok=True)
        extras.chmod(0o755)
        (extras / "bench").write_text(f":{tree} 100000\n")
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            return run(
                f"sos report --batch -o sos_extras -z gzip --plugin-timeout 3000 --tmp-dir {folder}"
            )
        finally:
            (extras / "bench").unlink()

    return go


def best(name: str, go: Callable[[], tuple[float, int]], times: int = 2) -> float:
    """Run several times; say and give the best."""
    results = [go() for _ in range(times)]
    seconds, memory = min(results)
    print(f"{name:32} {seconds:7.2f} s  {memory:5d} MB", flush=True)
    return seconds


def main() -> None:
    """Make the trees and run everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=100_000)
    parser.add_argument("--large", type=int, default=2000, help="megabytes")
    parser.add_argument("--folder", default="")
    parser.add_argument("--sos", action="store_true", help="Debian's sos report as well")
    parser.add_argument("--times", type=int, default=2)
    chosen = parser.parse_args()
    folder = Path(chosen.folder or tempfile.mkdtemp(prefix="gatherer-bench-"))
    folder.mkdir(exist_ok=True)
    small, large, out = folder / "small", folder / "large", folder / "out"
    out.mkdir(exist_ok=True)
    try:
        if chosen.small and not small.exists():
            make_small(small, chosen.small)
        if chosen.large and not large.exists():
            make_large(large, chosen.large)
        times = chosen.times
        if chosen.small:
            print(f"{chosen.small} small files")
            a = best("co2 gather .tar.gz", co2_gather(small, out / "a.tar.gz", out), times)
            b = best("tarfile w:gz (level 6)", py_tarfile(small, out / "b.tar.gz", "w:gz"), times)
            c = best("co2 gather .tar", co2_gather(small, out / "a.tar", out), times)
            d = best("tarfile w", py_tarfile(small, out / "b.tar", "w"), times)
            command = ["tar", "czf", str(out / "c.tar.gz"), str(small)]
            e = best("tar -z", lambda command=command: run(command), times)  # type: ignore[misc]
            print(f"gz: {a / b:.2f} x tarfile, {a / e:.2f} x tar; plain: {c / d:.2f} x tarfile")
            if chosen.sos:
                s = best("sos report", sos(small, out / "sos"), 1)
                print(f"sos report takes {s / a:.2f} x as long")
        if chosen.large:
            print(f"{chosen.large} MB of logs")
            for ending, flag in ((".tar.gz", "-z"), (".tar.zst", "--zstd"), (".tar", "")):
                a = best(f"co2 gather {ending}", co2_gather(large, out / f"l{ending}", out), times)
                flags = [flag] if flag else []
                command = ["tar", "-cf", str(out / f"t{ending}"), str(large), *flags]
                b = best(f"tar {flag}", lambda command=command: run(command), times)  # type: ignore[misc]
                print(f"{a / b:.2f} x tar")
            if chosen.sos:
                s = best("sos report", sos(large, out / "sos"), 1)
        print(f"this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")
        for archive in out.glob("a.tar*"):
            with tarfile.open(archive) as tar:
                print(archive.name, sum(1 for _ in tar), "members")
    finally:
        if not chosen.folder:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
