"""Unmodified clients of other languages: every type both ways, faults, introspection, multicall.

Each program in `clients/` uses one library as its manual says, and prints a line for each thing
that it tried: `<what> <name>: ok`, or what it got instead.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.network import Network, Server
from e2e.processes import run
from e2e.programs import miss, need

pytestmark = pytest.mark.process

CLIENTS = Path(__file__).with_name("clients")
TYPES = (
    *("int", "negative", "zero", "true", "false", "double", "minus", "string", "ascii", "empty"),
    *("lines", "bytes", "date", "array", "nothing", "struct", "hollow"),
)
TRIED = frozenset(
    [f"{what} {name}" for what in ("given", "taken", "echoed") for name in TYPES]
    + [f"given {name}" for name in ("big", "nil")]
    + ["taken nil"]
    + [f"call {name}" for name in ("by position", "by default", "by name")]
    + [f"fault {name}" for name in ("no method", "refused", "raised", "wrong type")]
    + [f"system {name}" for name in ("listMethods", "methodHelp", "methodSignature")]
    + [f"multicall {name}" for name in ("first", "fault", "last")]
)
PHP_LACKS = frozenset(
    ["given big", "given nil", "taken nil"]  # the extension knows neither i8 nor nil
    + [f"{what} hollow" for what in ("given", "taken", "echoed")]  # and [] is always an array
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Network(tmp_path_factory.mktemp("interop")) as network:
        network.expecting_tracebacks = True  # of the method that raises on purpose
        yield network.satellite("every", plugin_list=["every"])


def try_client(
    server: Server,
    command: list[str | Path],
    lacks: frozenset[str] = frozenset(),
    **variables: str,
) -> None:
    """Run a client, and hold it to having tried everything that it can, with success."""
    code, said = run([*command, server.url], CLIENTS, **variables)
    outcomes = dict(line.partition(": ")[::2] for line in said.splitlines())
    assert code == 0, said
    assert {name: got for name, got in outcomes.items() if got != "ok"} == {}
    assert set(outcomes) == TRIED - lacks


def test_python(server: Server) -> None:
    """Python's own xmlrpc.client, with MultiCall."""
    try_client(server, [sys.executable, "-I", "client.py"])


def test_python_2(server: Server) -> None:
    """Python 2.7's xmlrpclib, the child of the library that the network of 2003 was made with."""
    python = find_python_2()
    if python is None:
        pytest.skip("no Python 2.7 here; Debian 12 has no package of it")
    try_client(server, [python, "client.py"])


def test_perl(server: Server) -> None:
    """Perl's RPC::XML."""
    perl = need("perl", "perl")
    if run([perl, "-MRPC::XML::Client", "-e1"], CLIENTS)[0]:
        miss("RPC::XML is in the Debian package librpc-xml-perl")
    try_client(server, [perl, "client.pl"])


def test_ruby(server: Server) -> None:
    """Ruby's xmlrpc."""
    ruby = need("ruby", "ruby")
    if run([ruby, "-rxmlrpc/client", "-e1"], CLIENTS)[0]:
        miss("xmlrpc/client is in the Debian package ruby-xmlrpc")
    try_client(server, [ruby, "client.rb"])


def test_php(server: Server) -> None:
    """PHP's extension xmlrpc."""
    php = need("php", "php-cli")
    if "xmlrpc" not in run([php, "-m"], CLIENTS)[1].split():
        miss("PHP's extension xmlrpc is in the Debian package php-xmlrpc")
    try_client(server, [php, "client.php"], PHP_LACKS)


def test_node(server: Server, node_modules: Path) -> None:
    """Node's package xmlrpc."""
    node = need("node", "nodejs")
    # It reads dates without a zone as local time.
    try_client(server, [node, "client.js"], NODE_PATH=str(node_modules), TZ="UTC")


@pytest.fixture
def node_modules(pytestconfig: pytest.Config, tmp_path: Path) -> Path:
    """Install what package-lock.json pins, once for each version of that file."""
    need("node", "nodejs")
    npm = need("npm", "nodejs or npm")
    pins = [CLIENTS / "package.json", CLIENTS / "package-lock.json"]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in pins)).hexdigest()[:16]
    cache: pytest.Cache | None = getattr(pytestconfig, "cache", None)
    folder = cache.mkdir(f"co2-node-{digest}") if cache is not None else tmp_path
    modules, done = folder / "node_modules", folder / "installed"
    if not done.exists():
        for file in pins:
            shutil.copy(file, folder)
        code, said = run([npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"], folder)
        if code:
            miss(f"npm could not install the package xmlrpc: {said[-300:]}")
        done.touch()
    return modules


def find_python_2() -> str | None:
    """Give a Python 2.7 that runs, of the system or of pyenv."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [shutil.which("python2.7"), *map(str, root.glob("versions/2.7*/bin/python"))]
    for candidate in candidates:
        if candidate and not run([candidate, "-c", "import xmlrpclib"], CLIENTS)[0]:
            return candidate
    return None


# -- xmlrpc-c's command line tool ------------------------------------------------------------------


def xmlrpc(server: Server, method: str, *params: str) -> str:
    """Give what xmlrpc-c's tool says of a call."""
    tool = need("xmlrpc", "libxmlrpc-core-c3-dev")
    said = run([tool, server.url, method, *params], CLIENTS)[1]
    return re.sub(r"\s+", " ", said.removeprefix("Result:")).strip()


@pytest.mark.parametrize(
    ("name", "written", "shown"),
    [
        ("int", "i/42", "Integer: 42"),
        ("negative", "i/-2147483648", "Integer: -2147483648"),
        ("zero", "i/0", "Integer: 0"),
        ("true", "b/true", "Boolean: TRUE"),
        ("false", "b/false", "Boolean: FALSE"),
        ("minus", "d/-1234.5", "Floating Point: -1234.500000"),
        ("ascii", "s/spam & <eggs>", "String: 'spam & <eggs>'"),
        ("empty", "s/", "String: ''"),
        ("bytes", "h/0001feff", "Bit string: 0001feff"),
    ],
)
def test_xmlrpc_c(server: Server, name: str, written: str, shown: str) -> None:
    """xmlrpc-c's tool gives and takes each type that its command line has."""
    assert xmlrpc(server, "every.every.give", name) == shown
    assert xmlrpc(server, "every.every.check", f"s/{name}", written) == "String: 'ok'"
    assert xmlrpc(server, "every.every.echo", written) == shown


def test_xmlrpc_c_takes_all(server: Server) -> None:
    """It understands the types that its command line cannot write, and 64 bits, and nil."""
    # Its library takes no character beyond 16 bits. The tool has no word for a date.
    for name in set(TYPES) - {"string"}:
        assert not xmlrpc(server, "every.every.give", name).startswith("Failed"), name
    assert "datetime value" in xmlrpc(server, "every.every.give", "date")
    assert xmlrpc(server, "every.every.give", "double") == "Floating Point: 0.815000"
    assert xmlrpc(server, "every.every.give", "array").startswith("Array of 3 items:")
    assert xmlrpc(server, "every.every.give", "struct").startswith("Struct of 2 members:")
    assert xmlrpc(server, "every.every.big") == "64-bit integer: 1099511627776"
    assert xmlrpc(server, "every.every.echo", "I/1099511627776").endswith("1099511627776")
    assert xmlrpc(server, "every.every.nothing") == "Nil"
    assert xmlrpc(server, "every.every.echo", "n/") == "Nil"


def test_xmlrpc_c_faults_and_introspection(server: Server) -> None:
    """It shows faults with code and text, and lists and explains methods."""
    assert "fault code -32601" in xmlrpc(server, "every.every.nonsense")
    refused = xmlrpc(server, "every.every.refuse", "why")
    assert "refused: why" in refused and "fault code -32500" in refused
    assert "fault code 1007" in xmlrpc(server, "every.every.raise")
    assert "fault code -32602" in xmlrpc(server, "every.every.add", "one")
    assert xmlrpc(server, "every.every.add", "i/1", "i/4") == "Integer: 5"
    assert "'every.every.add'" in xmlrpc(server, "system.listMethods")
    assert xmlrpc(server, "system.methodHelp", "every.every.add") == "String: 'Add two numbers.'"
    assert "'int'" in xmlrpc(server, "system.methodSignature", "every.every.add")
