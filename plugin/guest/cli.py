"""`co2-guest`: the daemon's command line, as that of the agent of 2017, and some options more.

The order: options, log, the config file in `__main__`, its `test_mode`, the fork, the pairs, the
pid file, and then signals decide. The reactor is imported after the fork, never before.
"""

from __future__ import annotations

import argparse
import base64
import code
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import IO, Any

from twisted.internet.defer import ensureDeferred
from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogBeginner,
    textFileLogObserver,
)
from zope.interface import provider

from co2.api import keep_steady
from plugin.guest import namespace
from plugin.guest.agent import Agent
from plugin.guest.command.surroundings import VERSION, Surroundings, VmData
from plugin.guest.machine import Machine
from plugin.guest.xenstore.blocking import read_vm_data
from plugin.guest.xenstore.client import standard_place

_log = Logger()
LOG_FILE = "/var/log/nova-agent.log"
_KEY_BYTES = 32
LEVELS = ("debug", "info", "warn", "error", "critical")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and give its exit status."""
    options = _parser().parse_args(arguments)
    if options.config is None and not options.testmode:
        print("Error: No python configuration file specified", file=sys.stderr)
        return 1
    agent = Agent(_surroundings(options))
    namespace.install(agent)
    if options.testmode:
        return _as_python(options)
    try:
        log = _open_log(options, agent.surroundings.machine)
        return _run(options, agent, log)
    except OSError as error:
        print(f"Error: {error.strerror}: {error.filename}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "co2-guest", description="A guest agent: runs a config file, and what it registers."
    )
    add = parser.add_argument
    add("-n", "--nofork", action="store_true", help="stay in the foreground")
    add("-p", "--pidfile", help="write the process number here (mode 0600)")
    add("-o", "--logfile", default=LOG_FILE, help=f"log here ({LOG_FILE}); - for the terminal")
    add("-l", "--level", default="info", choices=LEVELS, help="log this and worse (info)")
    add("-q", "--quiet", action="store_true", help="do not say when it starts and stops")
    add("-t", "--testmode", action="store_true", help="run a file as python does, and exit")
    add("-S", "--syspython", action="store_true", help="accepted, and without effect")
    add("--root", default="/", help="write files below this folder, and start no programs")
    add("--dry-run", action="store_true", help="write nothing and start nothing")
    add("--faithful", action="store_true", help="answer as the agent of 2017, faults included")
    add("--distribution", default="", help="whose network files are written; found by itself")
    add("--allow", default="", help="the only commands that run, with commas between")
    add("--block", default="", help="commands that do not run, with commas between")
    add("--update-key", action="append", default=[], type=_key, help="base64 of an Ed25519 key")
    add("--unsigned-updates", action="store_true", help="take updates by their MD5 alone")
    add("--xenstore", help="xenstored's socket or device; found by itself")
    add("--version", action="version", version=VERSION)
    add("config", nargs="?", help="the config file, in Python")
    add("arguments", nargs=argparse.REMAINDER, help="its sys.argv[1:]")
    return parser


def _key(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no public key for updates: that is base64 of {_KEY_BYTES} bytes (Ed25519)"
        )
    return key


def _surroundings(options: argparse.Namespace) -> Surroundings:
    if options.xenstore:
        os.environ["XENSTORED_PATH"] = options.xenstore

    def vm_data() -> VmData:
        return read_vm_data(standard_place())

    return Surroundings(
        Machine(options.root, options.dry_run),
        faithful=options.faithful,
        distribution=options.distribution,
        allow=frozenset(options.allow.split(",")) if options.allow else None,
        block=frozenset(options.block.split(",")),
        update_keys=tuple(options.update_key),
        unsigned_updates=options.unsigned_updates,
        vm_data=vm_data,
    )


def _as_python(options: argparse.Namespace) -> int:
    if options.config is None:
        code.interact(banner="", exitmsg="", local={})
        return 0
    try:
        _execute(options.config, options.arguments)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def _execute(path: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Execute a file as `__main__`, and give its variables."""
    source = Path(path).read_bytes()
    module = ModuleType("__main__")
    module.__file__ = path
    sys.modules["__main__"] = module
    sys.argv = [path, *arguments]
    sys.path.insert(0, str(Path(path).resolve().parent))
    exec(compile(source, path, "exec"), vars(module))  # noqa: S102  # that is what it is for
    return vars(module)


def _open_log(options: argparse.Namespace, machine: Machine) -> IO[str]:
    if options.logfile == "-":
        file: IO[str] = sys.stdout
    else:
        number = os.open(options.logfile, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.fchmod(number, 0o600)
        file = os.fdopen(number, "a", buffering=1, encoding="utf-8")
    wanted = LogLevelFilterPredicate(LogLevel.levelWithName(options.level))
    observer = FilteringLogObserver(textFileLogObserver(file), [wanted])

    @provider(ILogObserver)
    def unless_frozen(event: LogEvent) -> None:
        # Who writes to a file system that is frozen waits for the thaw, which would wait for us.
        if not machine.frozen:
            observer(event)

    globalLogBeginner.beginLoggingTo([unless_frozen], redirectStandardIO=False)
    return file


def _run(options: argparse.Namespace, agent: Agent, log: IO[str]) -> int:
    try:
        variables = _execute(options.config, options.arguments)
    except SystemExit:
        variables = vars(sys.modules["__main__"])
    except OSError:
        raise
    except Exception as error:
        _log.failure("the config file failed")
        print(f"Error: {options.config}: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    if variables.get("test_mode"):
        print("Agent stopping due to test mode.")
        return 0
    if not agent.registered:
        print("Error: the config file registered no exchange and parser", file=sys.stderr)
        return 1
    if not options.nofork:
        _detach(log)
    elif not options.quiet:
        print("Agent starting.", flush=True)
    _serve(options, agent)
    if options.nofork and not options.quiet:
        print("Agent stopped.", flush=True)
    return 0


def _detach(log: IO[str]) -> None:
    """Leave the terminal: fork, a session of our own, fork, nothing on the standard streams."""
    for step in (os.setsid, None):
        if os.fork():
            os._exit(0)
        if step is not None:
            step()
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        if log.fileno() != number:
            os.dup2(null, number)


def _serve(options: argparse.Namespace, agent: Agent) -> None:
    from twisted.internet import reactor as installed

    reactor: Any = installed
    keep_steady(reactor)

    def started() -> None:
        agent.start(reactor)
        if options.pidfile:
            _write_pid(options.pidfile)
        _log.info("Agent {version} started", version=agent.surroundings.version)

    def stopping() -> Any:
        _log.info("Agent stopping")
        return ensureDeferred(agent.stop())

    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, lambda got, _: _log.info("signal {got}", got=got))
    reactor.callWhenRunning(started)
    reactor.addSystemEventTrigger("before", "shutdown", stopping)
    try:
        reactor.run()
    finally:
        if options.pidfile:
            Path(options.pidfile).unlink(missing_ok=True)


def _write_pid(path: str) -> None:
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.fchmod(number, 0o600)
    with os.fdopen(number, "w") as file:
        file.write(f"{os.getpid()}\n")


if __name__ == "__main__":
    sys.exit(main())
