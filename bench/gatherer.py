"""Gathers 100,000 small files and 2 GB of logs, beside tar, Python's tarfile and sos report.

python bench/gatherer.py [--small 100000] [--large 2000] [--folder DIR] [--sos]

Everything runs one after the other on the same tree, twice, and the better time counts; peak
memory is the largest resident set of any process of the tool, as /proc tells.
"""

from __future__ import annotations

import argparse
import os
import random
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
Run = Callable[[], tuple[float, int]]
"""Runs a program; gives seconds, and the largest resident set in MB."""
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


def run(command: list[str] | str, env: dict[str, str] | None = None) -> tuple[float, int]:
    """Run a command; give seconds and the largest resident set in MB."""
    stop, peaks = threading.Event(), {}
    began = time.monotonic()
    process = subprocess.Popen(
        command,
        shell=isinstance(command, str),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=env,
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


def co2_gather(tree: Path, archive: Path, profiles: Path) -> Run:
    """Give a run of co2 gather over a tree, without a limit."""
    profile = profiles / "bench.toml"
    profile.write_text(f'[[paths]]\npattern = "{tree}"\nlimit = 0\nseconds = 600\n')
    program = "from plugin.gatherer.command import gather; gather()"
    command = [sys.executable, "-c", program, "-p", str(profile), "-o", str(archive)]
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    return lambda: run(command, env=environment)


def py_tarfile(tree: Path, archive: Path, mode: str) -> Run:
    """Give a run of Python's tarfile over a tree."""
    program = (
        f"import tarfile; t = tarfile.open({str(archive)!r}, {mode!r}, compresslevel=6); "
        f"t.add({str(tree)!r}); t.close()"
    )
    if mode == "w":
        program = program.replace(", compresslevel=6", "")
    return lambda: run([sys.executable, "-c", program])


def tar(tree: Path, archive: Path, *flags: str) -> Run:
    """Give a run of tar over a tree."""
    return lambda: run(["tar", "-cf", str(archive), str(tree), *flags])


def sos(tree: Path, folder: Path) -> Run:
    """Give a run of Debian's sos report over the same tree, by its extras.

    Its list has to be in /etc; a mount that only this run sees puts it there.
    """
    extras = folder / "extras"
    report = folder / "report"

    def go() -> tuple[float, int]:
        shutil.rmtree(report, ignore_errors=True)
        report.mkdir(parents=True)
        extras.mkdir(exist_ok=True)
        (extras / "bench").write_text(f":{tree} 100000\n")
        return run(
            f"unshare --mount sh -c 'mount --bind {extras} /etc/sos/extras.d && exec sos report"
            f" --batch -o sos_extras -z gzip --plugin-timeout 3000 --tmp-dir {report}'"
        )

    return go


def best(name: str, go: Run, times: int = 2) -> float:
    """Run several times; say and give the best."""
    results = [go() for _ in range(times)]
    seconds, memory = min(results)
    print(f"{name:32} {seconds:7.2f} s  {memory:5d} MB", flush=True)
    return seconds


def of_small_files(small: Path, out: Path, times: int) -> float:
    """Compare on small files; give the seconds of co2's .tar.gz."""
    packed = best("co2 gather .tar.gz", co2_gather(small, out / "a.tar.gz", out), times)
    library = best("tarfile w:gz (level 6)", py_tarfile(small, out / "b.tar.gz", "w:gz"), times)
    plain = best("co2 gather .tar", co2_gather(small, out / "a.tar", out), times)
    library_plain = best("tarfile w", py_tarfile(small, out / "b.tar", "w"), times)
    program = best("tar -z", tar(small, out / "c.tar.gz", "-z"), times)
    print(
        f"gz: {packed / library:.2f} x tarfile, {packed / program:.2f} x tar;"
        f" plain: {plain / library_plain:.2f} x tarfile"
    )
    for archive in out.glob("a.tar*"):
        with tarfile.open(archive) as members:
            print(archive.name, sum(1 for _ in members), "members")
    return packed


def of_logs(large: Path, out: Path, times: int) -> None:
    """Compare on large files."""
    for ending, flags in ((".tar.gz", ("-z",)), (".tar.zst", ("--zstd",)), (".tar", ())):
        ours = best(f"co2 gather {ending}", co2_gather(large, out / f"l{ending}", out), times)
        theirs = best(f"tar {' '.join(flags)}", tar(large, out / f"t{ending}", *flags), times)
        print(f"{ours / theirs:.2f} x tar")


def measure(chosen: argparse.Namespace, folder: Path) -> None:
    """Make what trees are missing, and run everything."""
    small, large, out = folder / "small", folder / "large", folder / "out"
    out.mkdir(exist_ok=True)
    if chosen.small:
        if not small.exists():
            make_small(small, chosen.small)
        print(f"{chosen.small} small files")
        seconds = of_small_files(small, out, chosen.times)
        if chosen.sos:
            print(f"sos takes {best('sos report', sos(small, out / 'sos'), 1) / seconds:.2f} x")
    if chosen.large:
        if not large.exists():
            make_large(large, chosen.large)
        print(f"{chosen.large} MB of logs")
        of_logs(large, out, chosen.times)
        if chosen.sos:
            best("sos report", sos(large, out / "sos"), 1)


def main() -> None:
    """Read the options, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=100_000)
    parser.add_argument("--large", type=int, default=2000, help="megabytes")
    parser.add_argument("--folder", default="")
    parser.add_argument("--sos", action="store_true", help="Debian's sos report as well")
    parser.add_argument("--times", type=int, default=2)
    chosen = parser.parse_args()
    folder = Path(chosen.folder or tempfile.mkdtemp(prefix="gatherer-bench-"))
    folder.mkdir(exist_ok=True)
    try:
        measure(chosen, folder)
    finally:
        if not chosen.folder:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
