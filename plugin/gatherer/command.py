"""`co2 gather`: from hosts to an archive.

Hosts are named with `--hosts`, separated by commas:
    local          this machine, by a worker of its own (what is gathered without --hosts)
    NICK, HOST_ID  a satellite, through the relay of --url
    server         the host of --url itself
    all            every satellite of the relay
    ssh:[user@]H   another machine, where co2-gatherer is installed
    run:COMMAND    whatever reaches a worker, such as 'run:docker exec -i web co2-gatherer'
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

import click
from rich.console import Console
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from co2.api import keep_steady
from plugin.gatherer.archive.archive import ArchiveError, compressor_for
from plugin.gatherer.archive.earlier import Earlier, survey
from plugin.gatherer.archive.manifest import human
from plugin.gatherer.cleaning.cleaning import Cleaner
from plugin.gatherer.cleaning.mapping import Mapping, Names
from plugin.gatherer.collect.collecting import Collecting, Exit
from plugin.gatherer.collect.host import Host
from plugin.gatherer.collect.table import Show
from plugin.gatherer.driver.launch import Launch, local_launch, run_launch, ssh_launch
from plugin.gatherer.driver.network import NetworkSource, Server
from plugin.gatherer.driver.sources import HostLost, Source, WorkerSource
from plugin.gatherer.wanted.extras import read_directory, read_extras
from plugin.gatherer.wanted.profiles import Profile, ProfileError, Wanted, available, in_order, load

USUAL = "system,network,logs,processes,packages,co2"
_REFRESH = 0.25


def _fail(text: str) -> click.ClickException:
    return click.ClickException(text)


def _hosts(text: str, server: Server, reactor: Any, pool: Any, root: str) -> list[Host]:
    hosts: list[Host] = []
    for name in [one.strip() for one in text.split(",") if one.strip()]:
        if name == "all":
            for record in server.satellites():
                target = {"host_id": str(record["host_id"])}
                shown = str(record.get("nick") or record["host_id"])
                hosts.append(Host(shown, NetworkSource(reactor, pool, server, target)))
        else:
            hosts.append(_host(name, server, reactor, pool, root))
    return hosts


def _host(name: str, server: Server, reactor: Any, pool: Any, root: str) -> Host:
    launch: Launch | None = None
    shown = name
    if name == "local":
        launch, shown = local_launch(root), socket.gethostname()
    elif name.startswith("ssh:"):
        launch = ssh_launch(name.removeprefix("ssh:"))
    elif name.startswith("run:"):
        launch = _run_launch(name)
    source: Source
    if launch is not None:
        source = WorkerSource(reactor, launch)
    else:
        key = "host_id" if "@" in name else "nick"
        target = {} if name == "server" else {key: name}
        source = NetworkSource(reactor, pool, server, target)
    return Host(shown, source)


def _run_launch(name: str) -> Launch:
    try:
        return run_launch(name.removeprefix("run:"))
    except ValueError as error:
        raise _fail(f"{name}: {error}") from error


def _profiles(names: str, extras: Sequence[str], folders: Sequence[Path]) -> list[Profile]:
    profiles = list(load([one.strip() for one in names.split(",") if one.strip()], folders))
    for one in extras:
        path = Path(one)
        read = read_directory(path) if path.is_dir() else None
        text = "" if read is not None else path.read_text(encoding="utf-8")
        for imported in read or (read_extras(path.name, text),):
            for complaint in imported.complaints:
                click.echo(f"{imported.profile.name}: {complaint}", err=True)
            profiles.append(imported.profile)
    return profiles


def _token(url: str, token: str | None, state_dir: Path | None) -> str:
    """Find the credential as every `co2` command does: given, in the URL, or a server's own."""
    if token is not None:
        return token
    parts = urlsplit(url)
    if parts.username is not None:
        return ""  # it goes along in the URL
    if state_dir is not None:
        try:
            return (state_dir / "admin.token").read_text(encoding="ascii").strip()
        except OSError as error:
            raise _fail(f"{state_dir / 'admin.token'}: {error.strerror}") from error
    if parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        return ""
    for role in ("satellite", "relay"):
        state = Path("state") / f"{role}-{parts.port or 2004}"
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((state / "pid").read_text()), 0)  # a dead server's port may be another's
            return (state / "admin.token").read_text(encoding="ascii").strip()
    return ""


def _cleaner(clean: bool, keywords: Sequence[str], map_file: Path) -> Cleaner | None:
    if not clean:
        return None
    mapping = Mapping()
    if map_file.exists():
        try:
            mapping = Mapping.from_struct(json.loads(map_file.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise _fail(f"cannot use the map {map_file}: {error}") from error
    return Cleaner(mapping, Names(words=set(keywords)))


def _map_beside(archive: Path) -> Path:
    return archive.with_name(archive.name + ".map.json")


def _keep_map(cleaner: Cleaner, map_file: Path) -> None:
    beside = map_file.with_name(map_file.name + ".partial")
    beside.unlink(missing_ok=True)  # one that was left there may be for all to read
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(os.open(beside, flags, 0o600), "w", encoding="utf-8") as file:
        json.dump(cleaner.mapping.as_struct(), file, indent=1)
    os.replace(beside, map_file)


def _default_output() -> Path:
    return Path(time.strftime("gather-%Y%m%d-%H%M%S.tar.gz"))


def _earlier(path: Path | None) -> Earlier | None:
    if path is None:
        return None
    earlier = survey(path)
    if earlier.torn:
        click.echo(f"{path} is torn ({earlier.torn}); what can be read is kept", err=True)
    return earlier


class _Interrupted:
    """Ctrl-C: once to stop and keep what has come, again to wait for nobody."""

    def __init__(self, reactor: Any, collecting: Collecting) -> None:
        self._reactor = reactor
        self._collecting = collecting
        self._times = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self._reactor.callFromThread(self._again)

    def _again(self) -> None:
        self._times += 1
        if self._times == 1:
            Deferred.fromCoroutine(self._collecting.stop("it was stopped by hand"))
        else:
            self._collecting.cut_off()


def _run(collecting: Collecting, reactor: Any, show: Show) -> Exit:
    result: list[Exit | Failure] = []
    loop = LoopingCall(lambda: show.update(reactor.seconds()))
    loop.clock = reactor

    def begin() -> None:
        interrupted = _Interrupted(reactor, collecting)
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, interrupted)
        loop.start(_REFRESH)
        running = Deferred.fromCoroutine(collecting.run())
        running.addBoth(result.append)
        running.addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(begin)
    reactor.run()
    show.close(reactor.seconds())
    ended = result[0]
    if isinstance(ended, Failure):
        ended.raiseException()
    assert isinstance(ended, Exit)
    return ended


@click.command()
@click.option("--hosts", "-H", default="local", help="Which hosts; see above.")
@click.option("--profile", "-p", "profiles", default=USUAL, show_default=True, help="What.")
@click.option("--extras", multiple=True, help="A list, or a folder, of sos's extras as well.")
@click.option("--profile-dir", multiple=True, type=click.Path(path_type=Path, file_okay=False))
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="Archive.")
@click.option("--resume", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--clean", is_flag=True, help="Map addresses and names, remove secrets.")
@click.option("--clean-word", multiple=True, help="A word to map as well.")
@click.option("--map", "map_file", type=click.Path(path_type=Path), help="Where the map is kept.")
@click.option("--url", default="http://127.0.0.1:2004/", show_default=True, help="The server.")
@click.option("--token", help="What the server is shown; its admin token, as gathering is admin.")
@click.option("--state-dir", type=click.Path(path_type=Path), help="Where admin.token is.")
@click.option("--root", default="", help="With local: a directory that all paths are meant in.")
@click.option("--at-once", default=20, show_default=True, help="Hosts at the same time.")
@click.option("--list", "listing", is_flag=True, help="List the profiles and end.")
def gather(listing: bool, profile_dir: tuple[Path, ...], **options: Any) -> None:
    """Collect diagnostics from hosts into one archive, and survive what hangs.

    HOSTS, separated by commas: local; a nick or host id; all; server; ssh:[user@]host; run:COMMAND.
    The exit code is 0 when everything came, 3 when a part is missing, 4 when nothing came.
    """
    if listing:
        for name, path in sorted(available(profile_dir).items()):
            click.echo(f"{name:12} {load([str(path)])[0].description}")
        return
    try:
        code = _gather(profile_dir, **options)
    except (ProfileError, ArchiveError, HostLost, OSError) as error:
        raise _fail(str(error)) from error
    sys.exit(int(code))


def _gather(
    profile_dir: tuple[Path, ...],
    *,
    hosts: str,
    profiles: str,
    extras: tuple[str, ...],
    output: Path | None,
    resume: Path | None,
    clean: bool,
    clean_word: tuple[str, ...],
    map_file: Path | None,
    url: str,
    token: str | None,
    state_dir: Path | None,
    root: str,
    at_once: int,
) -> Exit:
    from twisted.internet import reactor

    keep_steady(reactor)
    path = output or _default_output()
    compressor_for(path.name)
    wanted: tuple[Wanted, ...] = in_order(_profiles(profiles, extras, profile_dir))
    cleaned_before = map_file or (None if resume is None else _map_beside(resume))
    map_file = map_file or _map_beside(path)
    cleaner = _cleaner(clean or bool(clean_word), clean_word, cleaned_before or map_file)
    if cleaner is not None and resume is not None and not (cleaned_before or map_file).exists():
        raise _fail(f"{cleaned_before}: resuming needs the map of {resume}; name it with --map")
    pool = ThreadPool(0, at_once + 1, "gather")
    pool.start()
    try:
        way = Server(url, _token(url, token, state_dir))
        found = _hosts(hosts, way, reactor, pool, root)
        if not found:
            raise _fail("there is no host to gather")
        collecting = Collecting(reactor, found, wanted, path, cleaner, _earlier(resume), at_once)
        code = _run(collecting, reactor, Show(Console(stderr=True), found))
    finally:
        pool.stop()
    if cleaner is not None:
        _keep_map(cleaner, map_file)
        click.echo(f"{map_file}: keep it to yourself, it undoes the cleaning")
    _conclude(path, collecting, code)
    return code


def _conclude(path: Path, collecting: Collecting, code: Exit) -> None:
    for manifest in collecting.manifests:
        why = f": {manifest.why}" if manifest.why else ""
        click.echo(f"{manifest.host}: {manifest.state}{why}")
    click.echo(f"{path}: {code.name.lower()}, {human(path.stat().st_size)}")
