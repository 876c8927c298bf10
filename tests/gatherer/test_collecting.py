"""Many hosts at once into one archive, with real workers, whole and broken."""

from __future__ import annotations

import json
import os
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest
from attrs import evolve
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from plugin.gatherer.archive.archive import ArchiveError
from plugin.gatherer.archive.earlier import survey
from plugin.gatherer.cleaning.cleaning import Cleaner
from plugin.gatherer.cleaning.mapping import Mapping, Names
from plugin.gatherer.collect.collecting import Collecting, Exit
from plugin.gatherer.collect.host import Host
from plugin.gatherer.driver.launch import Launch, local_launch
from plugin.gatherer.driver.sources import WorkerSource
from plugin.gatherer.wanted.profiles import Paths, Run

pytestmark = pytest.mark.process
BROKEN = ("silent", "garbage", "dies", "cut", "stopped")


def broken(way):
    program = str(Path(__file__).with_name("broken.py"))
    command = (sys.executable, program, way)
    return Launch(command, start_limit=3.0, patience=1.0)


class Hurried(WorkerSource):
    """Leaves a broken worker little time: those that are not broken have all that they need."""

    async def run(self, wanted, tell):
        """Gather, with three seconds for each request."""
        await super().run([(index, evolve(one, seconds=3)) for index, one in wanted], tell)


class Archive:
    """A finished archive, read whole."""

    def __init__(self, path):
        self.names, self.contents, self.links = [], {}, {}
        with tarfile.open(path) as tar:
            for member in tar:
                self.names.append(member.name)
                self.links[member.name] = member.linkname
                if member.isreg():
                    self.contents[member.name] = tar.extractfile(member).read()
        self.top = self.names[0].partition("/")[0]

    def text(self, name):
        return self.contents[f"{self.top}/{name}"].decode()

    def manifest(self, host):
        return json.loads(self.text(f"{host}/manifest.json"))


class CollectingTest(TestCase):
    """With real processes, and the real reactor."""

    timeout = 100

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.data = self.folder / "data"
        (self.data / "logs").mkdir(parents=True)
        for number in range(30):
            (self.data / "logs" / f"small{number}").write_text(f"line {number}\n" * 20)
        (self.data / "big").write_bytes(b"0123456789abcdef" * 200_000)
        self.wanted = [
            Paths(f"{self.data}/logs"),
            Run("echo said; echo complained >&2; exit 3", name="talk"),
            Paths(f"{self.data}/big", limit=0),
            Run("uname -s"),
        ]

    def collecting(self, hosts, name="out.tar.gz", **options):
        return Collecting(reactor, hosts, self.wanted, self.folder / name, **options)

    async def test_one_host(self):
        """Files, outputs, manifest and index are there; the exit code says full."""
        hosts = [Host("here", WorkerSource(reactor, local_launch()))]
        assert await self.collecting(hosts).run() is Exit.FULL
        archive = Archive(self.folder / "out.tar.gz")
        files = f"out/here/files{self.data}"
        assert archive.contents[f"{files}/big"] == (self.data / "big").read_bytes()
        assert archive.contents[f"{files}/logs/small7"] == b"line 7\n" * 20
        assert archive.text("here/commands/talk") == "said\n"
        assert archive.text("here/commands/talk.stderr") == "complained\n"
        talk = archive.manifest("here")["requests"][1]
        assert (talk["code"], talk["outcome"]) == (3, "done")
        assert "here: full" in archive.text("index.txt")
        assert not list(self.folder.glob("*.partial"))

    async def test_twenty_hosts_five_of_them_broken(self):
        """One archive, whole for fifteen, and truthful for five that are broken in five ways."""
        hosts = [Host(f"good{n}", WorkerSource(reactor, local_launch())) for n in range(15)]
        hosts += [Host(way, Hurried(reactor, broken(way))) for way in BROKEN]
        assert await self.collecting(hosts).run() is Exit.PARTIAL
        archive = Archive(self.folder / "out.tar.gz")
        big = (self.data / "big").read_bytes()
        for number in range(15):
            manifest = archive.manifest(f"good{number}")
            assert manifest["state"] == "full"
            assert archive.contents[f"out/good{number}/files{self.data}/big"] == big
        for way in BROKEN:
            self.check_broken(archive, way, big)
        index = archive.text("index.txt")
        assert all(f"{way}: " in index for way in BROKEN) and "cut: full" not in index

    def check_broken(self, archive, way, big):
        manifest = archive.manifest(way)
        assert manifest["state"] in ("partial", "nothing"), way
        outcomes = [request["outcome"] for request in manifest["requests"]]
        assert "lost" in outcomes or "skipped" in outcomes, (way, outcomes)
        assert all(one["why"] for one in manifest["requests"] if one["outcome"] != "done")
        name = f"out/{way}/files{self.data}/big"
        if name in archive.contents and archive.contents[name] != big:
            note = archive.contents[name + ".INCOMPLETE"].decode()
            came = int(note.split()[3])
            assert archive.contents[name][:came] == big[:came]
            assert archive.contents[name][came:] == bytes(len(big) - came)
            assert manifest["requests"][2]["incomplete"]

    async def test_a_host_that_lies_costs_itself_only(self):
        """What is no record ends the gathering of the host that sent it, and of no other."""
        hosts = [Host("lies", WorkerSource(reactor, broken("lies")))]
        hosts.append(Host("good", WorkerSource(reactor, local_launch())))
        assert await self.collecting(hosts).run() is Exit.PARTIAL
        archive = Archive(self.folder / "out.tar.gz")
        assert "what is no record" in archive.manifest("lies")["why"]
        assert archive.manifest("good")["state"] == "full"

    async def test_a_stuck_request_is_skipped_alone(self):
        """A command that hangs costs its own time limit, and everything else comes."""
        self.wanted.insert(0, Run("sleep 1000", name="stuck", seconds=0.5))
        hosts = [Host("here", WorkerSource(reactor, local_launch()))]
        assert await self.collecting(hosts).run() is Exit.PARTIAL
        manifest = Archive(self.folder / "out.tar.gz").manifest("here")
        stuck, *others = manifest["requests"]
        assert stuck["outcome"] == "failed" and "longer than 0.5 s" in stuck["why"]
        assert all(one["outcome"] == "done" for one in others)

    async def test_stopping_keeps_what_has_come(self):
        """Stopped in the middle, the archive is valid and says what is missing."""
        self.wanted.insert(1, Run("sleep 1000", name="slow"))
        hosts = [Host("here", WorkerSource(reactor, local_launch()))]
        collecting = self.collecting(hosts)

        def stop_when_slow():
            if hosts[0].current != "sleep 1000":
                reactor.callLater(0.05, stop_when_slow)
                return
            Deferred.fromCoroutine(collecting.stop("stopped by hand"))

        stop_when_slow()
        assert await collecting.run() is Exit.PARTIAL
        archive = Archive(self.folder / "out.tar.gz")
        outcomes = [one["outcome"] for one in archive.manifest("here")["requests"]]
        assert outcomes == ["done", "failed", "skipped", "skipped", "skipped"]
        assert f"out/here/files{self.data}/logs/small3" in archive.contents
        assert "stopped by hand" in archive.text("index.txt")

    async def test_resuming(self):
        """An earlier archive is gone on from: only what was not done is asked for again."""
        await self.test_stopping_keeps_what_has_come()
        (self.data / "logs" / "small3").write_text("changed meanwhile")
        self.wanted[1] = Run("echo quick", name="slow")
        earlier = survey(self.folder / "out.tar.gz")
        hosts = [Host("here", WorkerSource(reactor, local_launch()))]
        assert await self.collecting(hosts, "two.tar.gz", earlier=earlier).run() is Exit.FULL
        archive = Archive(self.folder / "two.tar.gz")
        assert archive.contents[f"two/here/files{self.data}/logs/small3"] == b"line 3\n" * 20
        assert archive.text("here/commands/slow") == "quick\n"
        assert len(archive.names) == len(set(archive.names))

    async def test_cleaning_over_all_hosts(self):
        """The same address is the same stand-in on every host, in contents and in names."""
        (self.data / "logs" / "from-10.1.2.3.log").write_text(
            "peer 10.1.2.3 and 10.1.2.9\npassword = hunter2\n"
        )
        hosts = [Host(f"web{n}.corp.org", WorkerSource(reactor, local_launch())) for n in (1, 2)]
        cleaner = Cleaner(Mapping(), Names())
        collecting = self.collecting(hosts, cleaner=cleaner)
        assert await collecting.run() is Exit.FULL, [m.as_json() for m in collecting.manifests]
        archive = Archive(self.folder / "out.tar.gz")
        everything = b"".join([*archive.contents.values(), *map(os.fsencode, archive.names)])
        for secret in (b"10.1.2.3", b"10.1.2.9", b"web1", b"corp.org", b"hunter2"):
            assert secret not in everything, secret
        stand_in = cleaner.mapping.ipv4("10.1.2.3")
        named = [name for name in archive.names if name.endswith(f"from-{stand_in}.log")]
        assert len(named) == 2
        assert archive.contents[named[0]] == archive.contents[named[1]]
        assert b"password = <removed>" in archive.contents[named[0]]


class ResumingTest(TestCase):
    """Going on from earlier archives; nothing is gathered in most of these."""

    timeout = 100

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    async def gathered(self, name, hosts, cleaner=None, earlier=None):
        sources = [Host(one, WorkerSource(reactor, local_launch())) for one in hosts]
        wanted = [Run("echo from 10.1.2.3", name="echo")]
        path = self.folder / name
        await Collecting(reactor, sources, wanted, path, cleaner=cleaner, earlier=earlier).run()
        return path

    async def test_hosts_that_are_not_gathered_again_stay(self):
        """What only the earlier archive has is in the new one, with manifest and index."""
        earlier = survey(await self.gathered("one.tar.gz", ["a", "b"]))
        archive = Archive(await self.gathered("two.tar.gz", ["a"], earlier=earlier))
        assert archive.text("b/commands/echo") == "from 10.1.2.3\n"
        assert archive.manifest("b")["state"] == "full" and "b: full" in archive.text("index.txt")

    async def test_cleaned_and_not_cleaned_are_not_mixed(self):
        """Going on from an archive that is not cleaned like the new one is refused."""
        plain = survey(await self.gathered("plain.tar.gz", ["a"]))
        cleaner = Cleaner(Mapping(), Names())
        clean = survey(await self.gathered("clean.tar.gz", ["a"], cleaner))
        with self.assertRaisesRegex(ArchiveError, "was not cleaned"):
            await self.gathered("x.tar.gz", ["a"], cleaner, plain)
        with self.assertRaisesRegex(ArchiveError, "--clean"):
            await self.gathered("x.tar.gz", ["a"], None, clean)
        archive = Archive(await self.gathered("y.tar.gz", ["a"], cleaner, clean))
        assert b"10.1.2.3" not in b"".join(archive.contents.values())

    async def test_the_last_object_of_a_torn_archive_is_not_believed(self):
        """An object that the end of the file may have cut is fetched again."""
        whole = (await self.gathered("one.tar", ["a"])).read_bytes()
        torn = self.folder / "torn.tar"
        torn.write_bytes(whole[: whole.index(b"from 10.1.2.3") + 4])
        earlier = survey(torn)
        assert earlier.torn and not earlier.manifests
        archive = Archive(await self.gathered("two.tar", ["a"], earlier=earlier))
        assert archive.text("a/commands/echo") == "from 10.1.2.3\n"
