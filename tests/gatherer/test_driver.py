"""The driver with real workers: on this machine, and over ssh."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from attrs import evolve
from e2e.processes import PATIENCE, eventually, free_port
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import SkipTest, TestCase

from gatherer.processes import ROOT, children_of
from plugin.gatherer.driver import watch
from plugin.gatherer.driver.driver import Driver, RequestInterrupted, RequestUnknown, WorkerLost
from plugin.gatherer.driver.launch import Launch, local_launch, ssh_launch

pytestmark = pytest.mark.process


LATE_PROMPT = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
def take(*words):
    for word in words:
        assert os.read(0, len(word) + 1) == word + b"\\n"
os.write(1, b"#0#\\n")
take(b"version")
os.write(1, b"0\\n#1#\\n")
take(b"exec", b"first")
os.write(1, b"0\\n4\\nsaid\\n0\\n\\n")
take(b"exec", b"second")
early = signal.sigpending()
os.write(1, b"too early\\n" if early else b"#2#\\n")
signal.sigwait([signal.SIGINT])
os.write(2, b"#2# INTERRUPTED\\n")
os.write(1, b"#3#\\n")
take(b"noop")
os.write(1, b"#4#\\n")
"""
"""A worker that prompts late: behind the answer to its first request only when it has the next."""


class StillClock(Clock):
    """The reactor, but for the time, which the test moves."""

    def __getattr__(self, name):
        return getattr(reactor, name)


class DriverTest(TestCase):
    """With the real reactor and real processes."""

    timeout = 100

    async def started(self, launch=None):
        driver = Driver(reactor, launch or local_launch())
        self.addCleanup(lambda: Deferred.fromCoroutine(driver.stop()))
        await driver.start()
        return driver

    async def test_only_the_stuck_request_is_interrupted(self):
        """Of five queued requests the one that takes too long fails, and four are answered."""
        driver = await self.started()
        asked = [
            driver.ask(b"exec", b"echo one"),
            driver.ask(b"exec", b"sleep 1000", limit=0.3),
            driver.ask(b"ping"),
            driver.ask(b"glob0", b"/etc/hostname"),
            driver.ask(b"exec", b"echo two"),
        ]
        assert (await asked[0])[1] == b"one\n"
        with self.assertRaises(RequestInterrupted) as caught:
            await asked[1]
        assert "longer than 0.3 s" in str(caught.exception)
        assert await asked[2] == ()
        assert await asked[3] == (b"1", b"/etc/hostname")
        assert (await asked[4])[1] == b"two\n"

    async def test_large_answers_come_in_pieces(self):
        """Who wants pieces is told them as they come, and no copy is kept."""
        driver, pieces = await self.started(), []
        answer = await driver.ask(
            b"exec", b"head -c 5000000 /dev/zero", piece=lambda at, data: pieces.append((at, data))
        )
        assert answer == (b"0", b"", b"")
        assert sum(len(data) for at, data in pieces if at == 1) == 5_000_000

    async def test_a_worker_that_is_killed(self):
        """All that is waited for fails, with the way it went, and what is asked later too."""
        driver = await self.started()
        asked = [driver.ask(b"exec", b"sleep 1000"), driver.ask(b"ping")]
        os.kill(driver.pid, 9)
        for one in [*asked, driver.ask(b"ping")]:
            with self.assertRaises(WorkerLost) as caught:
                await one
            assert "9" in str(caught.exception) or "closed its output" in str(caught.exception)

    async def test_a_worker_that_cannot_be_started(self):
        """A program that does not exist is a lost worker with a reason, at once."""
        driver = Driver(reactor, Launch(("/nonexistent/co2-gatherer",), start_limit=10))
        with self.assertRaises(WorkerLost):
            await driver.start()

    async def test_a_way_in_that_stays_open_is_closed(self):
        """What carries a signal may outlive the worker, and does not outlive its driver."""
        before = children_of(os.getpid())
        way = ("/bin/sh", "-c", "kill -{signal} {pid}; exec sleep 1000")
        driver = await self.started(evolve(local_launch(), signal=way))
        with self.assertRaises(RequestInterrupted):
            await driver.ask(b"exec", b"sleep 1000", limit=0.1)
        await driver.stop()
        assert set(children_of(os.getpid())) <= set(before)

    async def test_signs_of_life(self):
        """While a request runs the worker is asked again and again whether it lives."""
        self.patch(watch, "ALIVE_EVERY", 0.05)
        driver = await self.started()
        long = driver.ask(b"exec", b"sleep 1000")
        while driver.complaints.count(b"ALIVE") < 2:
            await deferLater(reactor, 0.01)
        driver.interrupt()
        with self.assertRaises(RequestInterrupted):
            await long

    async def test_an_interrupt_behind_an_answer(self):
        """What is asked before the answer's last byte has come is interrupted in its own turn."""
        driver = await self.started(Launch((sys.executable, "-c", LATE_PROMPT)))
        assert (await driver.ask(b"exec", b"first"))[1] == b"said"
        second = driver.ask(b"exec", b"second")
        driver.interrupt("stopped by hand")
        with self.assertRaisesRegex(RequestInterrupted, "stopped by hand"):
            await second
        await driver.ask(b"noop")

    async def test_a_worker_that_answers_and_does_not_prompt(self):
        """It has the time of its request, and its patience, and is given up."""
        clock = StillClock()
        program = LATE_PROMPT.partition('take(b"exec", b"second")')[0] + "signal.pause()"
        driver = Driver(clock, Launch((sys.executable, "-c", program)))
        self.addCleanup(clock.advance, 0)
        self.addCleanup(lambda: Deferred.fromCoroutine(driver.stop()))
        await driver.start()
        assert (await driver.ask(b"exec", b"first", limit=30))[1] == b"said"
        clock.advance(29)
        clock.advance(1)
        clock.advance(PATIENCE)
        with self.assertRaisesRegex(WorkerLost, "did not come back"):
            await driver.ask(b"noop")

    async def test_an_older_worker(self):
        """A request that a worker does not know fails by itself, and the next is answered."""
        program = (
            "import sys, runpy; import plugin.gatherer.protocol.requests as r\n"
            "r.REQUESTS = {k: v for k, v in r.REQUESTS.items() if k != b'stat'}\n"
            "sys.argv = ['x', '--interrupt=late']\n"
            "runpy.run_module('plugin.gatherer', run_name='__main__')\n"
        )
        driver = await self.started(Launch((sys.executable, "-c", program)))
        with self.assertRaises(RequestUnknown):
            await driver.ask(b"stat", b"/etc")
        assert (await driver.ask(b"exec", b"echo on"))[1] == b"on\n"


class Sshd:
    """A real sshd on a port of its own, with keys of its own."""

    def __init__(self):
        program = shutil.which("sshd") or "/usr/sbin/sshd"
        if not os.path.exists(program) or shutil.which("ssh") is None:
            raise SkipTest("there is no sshd here: apt-get install openssh-server")
        if os.geteuid() == 0 and not os.path.isdir("/run/sshd"):
            raise SkipTest("sshd run by root needs the folder /run/sshd: install -d /run/sshd")
        self.folder = Path(tempfile.mkdtemp(prefix="sshd-"))
        os.chmod(self.folder, 0o755)
        for name in ("host", "user"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / name)]
            subprocess.run(command, check=True)
        shutil.copy(self.folder / "user.pub", self.folder / "authorized")
        # None that a connection may begin at: one that asks for sshd could be its own other end.
        self.port = free_port()
        settings = {
            "HostKey": self.folder / "host",
            "AuthorizedKeysFile": self.folder / "authorized",
            "ListenAddress": f"127.0.0.1:{self.port}",
            "PidFile": "none",
            "StrictModes": "no",
            "UsePAM": "no",
            "PermitRootLogin": "yes",
        }
        options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
        self.process = subprocess.Popen(
            [program, "-D", "-e", "-f", "/dev/null", *options], stderr=subprocess.DEVNULL
        )
        try:
            eventually(self.answers)
        except AssertionError:
            self.close()
            raise

    def answers(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def launch(self):
        """Give the launch of a worker over it; co2-gatherer is called by its module here."""
        options = ("-p", str(self.port), "-i", str(self.folder / "user"), "-o")
        options += ("StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null")
        launch = ssh_launch(f"{getpass.getuser()}@127.0.0.1", options)
        *ssh, remote = launch.command
        here = f"PYTHONPATH={ROOT} {sys.executable} -m plugin.gatherer"
        command = (*ssh, remote.replace("co2-gatherer", here))
        return Launch(command, launch.signal, patience=PATIENCE)

    def close(self):
        self.process.terminate()
        self.process.wait(PATIENCE)
        shutil.rmtree(self.folder)


class SshTest(TestCase):
    """Over a real ssh connection."""

    timeout = 100

    async def test_a_worker_over_ssh_is_interrupted_by_a_second_command(self):
        """Signals go by their own way: the stuck request ends, and the connection stays."""
        sshd = Sshd()
        self.addCleanup(sshd.close)
        driver = Driver(reactor, sshd.launch())
        self.addCleanup(lambda: Deferred.fromCoroutine(driver.stop()))
        await driver.start()
        stuck = driver.ask(b"exec", b"sleep 1000", limit=0.5)
        after = driver.ask(b"exec", b"echo $SSH_CONNECTION | wc -w")
        with self.assertRaises(RequestInterrupted):
            await stuck
        assert (await after)[1] == b"4\n"
