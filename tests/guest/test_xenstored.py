"""The exchange over the real xenstored, with its own tools and pyxs as clients."""

from __future__ import annotations

import base64
import json
import time
import uuid

import pytest
from e2e.processes import eventually

from guest.running import FOR_XENSTORE, Agents
from guest.xen import Store
from plugin.guest.xenstore.blocking import BlockingStore, read_vm_data
from plugin.guest.xenstore.wire import Operation, Packet, path_bytes

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]
HOST, GUEST = "/local/domain/0/data/host", "/local/domain/0/data/guest"


class Client(BlockingStore):
    """A client as dom0 has it."""

    def write(self, path: str, value: str) -> None:
        """Write a node."""
        raw = path_bytes(path) + value.encode()
        self._send(Packet(Operation.WRITE, 1, 0, raw).encoded())
        packets = []
        while not packets:
            packets = self._unpacker.feed(self._receive())
        packets[0].result()

    def send(self, request: str) -> str:
        """Write a request under a new id, and give that."""
        name = str(uuid.uuid4())
        self.write(f"{HOST}/{name}", request)
        return name

    def answer(self, name: str) -> dict[str, str]:
        """Wait for a response."""
        text = eventually(lambda: self.read(f"{GUEST}/{name}"))
        assert text is not None
        answer: dict[str, str] = json.loads(text)
        return answer

    def ask(self, name: str, value: object = "") -> dict[str, str]:
        """Run a command."""
        return self.answer(self.send(json.dumps({"name": name, "value": value})))


def test_the_seeds_config_file_serves_the_tools(store: Store, agents: Agents) -> None:
    """xenstore-write asks, xenstore-read has the answer, the request is gone."""
    agents.start(FOR_XENSTORE, "--xenstore", store.path)
    assert store.tool("write", f"{HOST}/one", '{"name": "version"}')[0] == 0
    eventually(lambda: store.tool("exists", f"{GUEST}/one")[0] == 0)
    answer = json.loads(store.tool("read", f"{GUEST}/one")[1])
    assert answer == {"message": "1.39.1", "returncode": "0"}
    eventually(lambda: store.tool("exists", f"{HOST}/one")[0] == 1)


def test_pyxs_is_a_client(store: Store, agents: Agents) -> None:
    """A client in Python of the store's own community asks by watch."""
    pyxs = pytest.importorskip("pyxs", reason="pip install pyxs")
    agents.start(FOR_XENSTORE, "--xenstore", store.path)
    with pyxs.Client(unix_socket_path=store.path) as client:
        client.write(f"{HOST}/two".encode(), b'{"name": "features"}')
        eventually(lambda: client.exists(f"{GUEST}/two".encode()))
        assert b"injectfile" in client.read(f"{GUEST}/two".encode())


def test_an_answer_comes_in_milliseconds(store: Store, agents: Agents) -> None:
    """The watch is what wakes the agent: the median of fifty is below the original's second."""
    agents.start(FOR_XENSTORE, "--xenstore", store.path)
    took = []
    with Client(store.path) as client:
        for _ in range(50):
            begin = time.perf_counter()
            client.ask("version")
            took.append(time.perf_counter() - begin)
    assert sorted(took)[25] < 0.1, sorted(took)


def test_poison_and_folders_are_answered_and_removed(store: Store, agents: Agents) -> None:
    """What made the original spin is answered, and so are folders, as they were."""
    agents.start(FOR_XENSTORE, "--xenstore", store.path)
    with Client(store.path) as client:
        names = [client.send(text) for text in ("[]", "null", "3", "", '{"name": "é"}')]
        client.write(f"{HOST}/folder/below/it", "x")
        assert [client.answer(name)["returncode"] for name in names] == ["500"] * 5
        assert client.answer("folder")["returncode"] == "500"
        assert eventually(lambda: client.directory(HOST) == [])


def test_it_survives_kill_9_of_the_store_under_load(store: Store, agents: Agents) -> None:
    """Five times the store dies and comes back empty: requests are answered again each time."""
    agent = agents.start(FOR_XENSTORE, "--xenstore", store.path)
    for _ in range(5):
        with Client(store.path) as client:
            for _ in range(50):
                client.send('{"name": "version"}')
        store.kill()
        store.start()
        with Client(store.path) as client:
            assert client.ask("version")["returncode"] == "0"
    assert agent.log.count("Traceback") == 0, agent.log


def test_ten_thousand_requests(store: Store, agents: Agents) -> None:
    """All are answered, and the store holds no more of the answers than a guest may have."""
    agents.begin(FOR_XENSTORE, "--xenstore", store.path, "-l", "warn")
    count = 10_000
    with Client(store.path) as client:
        for begin in range(0, count, 100):
            names = [client.send('{"name": "version"}') for _ in range(100)]
            client.answer(names[-1])
            assert [client.answer(name)["returncode"] for name in names] == ["0"] * 100, begin
        assert eventually(lambda: client.directory(HOST) == [])
        assert len(client.directory(GUEST)) <= 201


def test_conflicts_lose_nothing(store: Store, agents: Agents) -> None:
    """While somebody else writes below the same paths all the time, answers still come."""
    agents.start(FOR_XENSTORE, "--xenstore", store.path)
    with Client(store.path) as noise, Client(store.path) as client:
        for number in range(200):
            name = client.send('{"name": "version"}')
            for again in range(10):
                noise.write(f"{GUEST}/noise", f"{number} {again}")
            assert client.answer(name)["returncode"] == "0"


def test_vm_data_reaches_the_files(store: Store, agents: Agents) -> None:
    """resetnetwork reads vm-data from the store and writes below the root only."""
    agents.start(FOR_XENSTORE, "--xenstore", store.path, "--distribution", "debian")
    with Client(store.path) as client:
        client.write("/local/domain/0/vm-data/hostname", "web.example.com")
        assert client.ask("resetnetwork") == {"message": "", "returncode": "0"}
        assert read_vm_data(store.path).hostname == "web.example.com"
        client.write("/local/domain/0/vm-data/networking/vif0", '{"label": "public"}')
        assert client.ask("resetnetwork")["message"] == "No MAC found in config"
    assert (agents.root / "etc" / "hostname").read_text() == "web.example.com\n"


def test_nothing_secret_is_logged(store: Store, agents: Agents) -> None:
    """Neither files nor keys nor passwords are in the log, at its most talkative."""
    agent = agents.start(FOR_XENSTORE, "--xenstore", store.path, "-l", "debug")
    secret = base64.b64encode(b"/etc/secret,TopSecretContent").decode()
    with Client(store.path) as client:
        assert client.ask("injectfile", secret)["returncode"] == "0"
        assert client.ask("keyinit", "123456789123456789")["returncode"] == "D0"
        assert client.ask("password", "QUJDREVGR0hJSktMTU5PUA==")["returncode"] == "500"
        assert client.ask("keyinit", "not-a-key-TopSecret")["returncode"] == "500"
    agent.stop()
    for word in ("TopSecret", secret[:20], "123456789123456789", "QUJDREVG"):
        assert word not in agent.log


def test_more_requests_than_a_listing_holds(store: Store, agents: Agents) -> None:
    """Five hundred requests that wait when the agent starts are found and answered."""
    with Client(store.path) as client:
        names = [client.send('{"name": "version"}') for _ in range(500)]
        assert sorted(client.directory(HOST)) == sorted(names)
        agents.start(FOR_XENSTORE, "--xenstore", store.path)
        assert eventually(lambda: client.directory(HOST) == [])
        assert client.answer(names[-1])["returncode"] == "0"
