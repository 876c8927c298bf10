"""A network of servers in a temporary folder: each its own process, folder and settings."""

from __future__ import annotations

import sqlite3
import sys
import xmlrpc.client
from collections.abc import Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any

from e2e.processes import Watched, eventually

PLUGINS = Path(__file__).parent.parent / "data" / "plugins"


class Impatient(xmlrpc.client.Transport):
    """Python's own transport, with an end to its patience and headers of one's own."""

    def __init__(self, headers: dict[str, str] | None = None) -> None:
        super().__init__(use_builtin_types=True, headers=tuple((headers or {}).items()))

    def make_connection(self, host: Any) -> Any:
        connection = super().make_connection(host)
        connection.timeout = 30
        return connection


def call(url: str, method: str, *params: Any, **headers: str) -> Any:
    """Call a method as any Python program does; `_` in a header's name stands for `-`."""
    transport = Impatient({name.replace("_", "-"): value for name, value in headers.items()})
    with xmlrpc.client.ServerProxy(url, transport, allow_none=True) as proxy:
        return getattr(proxy, method)(*params)


def refused(url: str, method: str, *params: Any, **headers: str) -> xmlrpc.client.Fault:
    """Call a method that must answer a fault, and give it."""
    try:
        result = call(url, method, *params, **headers)
    except xmlrpc.client.Fault as fault:
        return fault
    raise AssertionError(f"{method}{params!r} was not refused but gave {result!r}")


class Server(Watched):
    """A satellite or relay; made by `Network`.

    It starts while the test goes on; what needs it to listen waits for that.
    """

    def __init__(self, command: Sequence[str | Path], folder: Path) -> None:
        super().__init__(command, folder)
        self.folder = folder

    @cached_property
    def url(self) -> str:
        return self.wait_for(r"listens at (http://\S+)")[1]

    def stop(self) -> int:
        self.wait_for("listens at")
        return super().stop()

    def interrupt(self) -> None:
        self.wait_for("listens at")
        super().interrupt()

    def hang_up(self) -> None:
        self.wait_for("listens at")
        super().hang_up()

    @property
    def address(self) -> str:
        return self.url.removeprefix("http://").rstrip("/")

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def token(self) -> str:
        self.wait_for("listens at")
        return (self.state / "admin.token").read_text().strip()

    def secrets(self) -> list[str]:
        """Give what must be in no log: the admin token, and what proves the identity.

        A server that was killed while it started may have neither yet.
        """
        admin, file = self.state / "admin.token", self.state / "co2.sqlite"
        found = [admin.read_text().strip()] if admin.exists() else []
        if file.exists():
            with closing(sqlite3.connect(file)) as database:
                tables = database.execute("SELECT 1 FROM sqlite_schema WHERE name = 'identity'")
                if tables.fetchone():
                    rows = database.execute("SELECT secret FROM identity")
                    found += [secret for (secret,) in rows]
        return [secret for secret in found if secret]

    @property
    def as_admin(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def host_id(self) -> str:
        return str(self.call("ping")["host_id"])

    def call(self, method: str, *params: Any, **headers: str) -> Any:
        return call(self.url, method, *params, **headers)

    def refused(self, method: str, *params: Any, **headers: str) -> xmlrpc.client.Fault:
        return refused(self.url, method, *params, **headers)

    def probe(self, method: str, *params: Any) -> Any:
        return self.call(f"probe.probe.{method}", *params)

    def hears(self, count: int) -> list[dict[str, Any]]:
        """Give what the probe has received, once that is so many messages."""
        messages: list[dict[str, Any]] = self.probe("wait", count)
        return messages

    def states(self) -> dict[str, str]:
        """As a relay: the state of every satellite by its nick."""
        return {one["nick"]: one["state"] for one in self.call("relay.get_satellites")}

    def sees(self, *nicks: str) -> dict[str, str]:
        """As a relay: wait until these satellites, and no other, are online."""
        wanted = dict.fromkeys(nicks, "online")
        return eventually(self.states, lambda states: states == wanted)


class Network:
    """Starts servers, and kills at its own end those that are still there.

    A traceback in any log is a failure, unless a test says that it is `expecting_tracebacks`; a
    secret of any server in any log is one always.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.expecting_tracebacks = False
        self._servers: list[Server] = []

    def __enter__(self) -> Network:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        for server in self._servers:
            server.close()
        if kind is None:
            self._look_through_logs()

    def _look_through_logs(self) -> None:
        secrets = [secret for server in self._servers for secret in server.secrets()]
        for server in self._servers:
            self._look_through(server, secrets)

    def _look_through(self, server: Server, secrets: Sequence[str]) -> None:
        assert not [secret for secret in secrets if secret in server.log], server.log
        assert "Starting factory" not in server.log, server.log
        if not self.expecting_tracebacks:
            assert "Traceback" not in server.log, server.log
            assert "Unhandled" not in server.log, server.log

    def relay(self, name: str = "relay", **settings: Any) -> Server:
        return self.start("relay", name, **settings)

    def satellite(self, name: str, **settings: Any) -> Server:
        settings = {"plugin_list": ["probe"], "plugin_dirs": [str(PLUGINS)], **settings}
        return self.start("satellite", name, nick=name, **settings)

    def start(self, role: str, name: str, through: Sequence[str] = (), **settings: Any) -> Server:
        """Start a server with these settings in its `config.py`.

        Args:
            through: words before the command, that run it somewhere else.
        """
        folder = self.folder / name
        write_config(folder, **settings)
        return self.again(role, name, through)

    def again(self, role: str, name: str, through: Sequence[str] = ()) -> Server:
        """Start a server in the folder that it had before."""
        command = [*through, sys.executable, "-m", "co2", role]
        return self.keep(Server(command, self.folder / name))

    def dismiss(self, server: Server) -> None:
        """Look through the log of a server that has ended, and forget it."""
        server.close()
        self._look_through(server, server.secrets())
        self._servers.remove(server)

    def keep(self, server: Server) -> Server:
        """Take a server that was started elsewhere under this network's care."""
        self._servers.append(server)
        return server


def write_config(folder: Path, **settings: Any) -> Path:
    """Write `config.py`; without a word about it, a free port and the folder `state`."""
    folder.mkdir(exist_ok=True)
    chosen = {"listen": "tcp:0:interface=127.0.0.1", "state_dir": "state", **settings}
    file = folder / "config.py"
    file.write_text("".join(f"{name} = {value!r}\n" for name, value in chosen.items()))
    return file
