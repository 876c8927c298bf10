"""Nobody gets `admin` without the token, from wherever and however they try; nor any other name."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
import xmlrpc.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from e2e.network import Network, Server, call, refused
from e2e.processes import Watched, free_port, run
from e2e.programs import need
from e2e.proxy import ForwardingProxy, Website

pytestmark = pytest.mark.process

INTRUDER = Path(__file__).with_name("intruder.py")
SECRET = "probe.probe.secret"
DENIED = 1000


class Pair(NamedTuple):
    """A relay and its satellite, and a satellite that is its own relay."""

    relay: Server
    one: Server
    middle: Server


@pytest.fixture(scope="module")
def pair(shared_network: Network) -> Pair:
    relay = shared_network.relay()
    one = shared_network.satellite("one", relay=relay.url)
    middle = shared_network.satellite("middle", plugin_list=["probe", "example"])
    relay.sees("one")
    middle.sees("middle")
    return Pair(relay, one, middle)


def intrude(url: str, nick: str, folder: Path, *through: str) -> dict[str, str]:
    """Run the intruder, and give what came of each try; none may have had a result."""
    code, said = run([*through, sys.executable, "-I", INTRUDER, url, nick, SECRET], folder)
    assert code == 0, said
    tries = dict(line.split(" -> ", 1) for line in said.splitlines() if " -> " in line)
    levels = {name: tries.pop(f"level {name}") for name in ("open", "read", "call")}
    assert len(tries) >= 16 * 16
    assert "the administrator's" not in said
    results = {name: outcome for name, outcome in tries.items() if outcome.startswith("RESULT")}
    assert not results
    return {**tries, **levels}


# -- from this machine ---------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["relay", "one", "middle"])
def test_loopback_is_no_administrator(pair: Pair, tmp_path: Path, which: str) -> None:
    """From loopback no call, meta-call, multicall, relayed call or header reaches admin."""
    server: Server = getattr(pair, which)
    outcome = intrude(server.url, "middle" if which == "middle" else "one", tmp_path)
    assert outcome["open"].startswith("RESULT")
    assert outcome["read"].startswith("RESULT")
    if which != "relay":
        assert outcome["call"].startswith("RESULT")
        assert outcome["no header, call"].startswith(f"{DENIED} ")
        assert outcome["foreign origin, call"].startswith(f"{DENIED} ")


def test_token_makes_an_administrator(pair: Pair) -> None:
    """With the token in state_dir, which only its owner can read, the same call works."""
    assert (pair.one.state / "admin.token").stat().st_mode & 0o777 == 0o600
    assert pair.one.state.stat().st_mode & 0o777 == 0o700
    assert pair.one.call(SECRET, **pair.one.as_admin) == "the administrator's"
    url = pair.one.url.replace("http://", f"http://admin:{pair.one.token}@")
    assert call(url, SECRET) == "the administrator's"
    assert pair.one.refused(SECRET, **pair.middle.as_admin).faultCode == DENIED


def test_relay_lends_no_rights(pair: Pair, network: Network) -> None:
    """The relay's administrator is one at a satellite only where that one says so."""
    request = {"nick": "one", "method": SECRET}
    fault = pair.relay.refused("relay.call", request, **pair.relay.as_admin)
    assert fault.faultCode == DENIED
    assert "trust_relay_admin" in fault.faultString
    network.satellite("trusting", relay=pair.relay.url, trust_relay_admin=True)
    pair.relay.sees("one", "trusting")
    request = {"nick": "trusting", "method": SECRET}
    assert pair.relay.call("relay.call", request, **pair.relay.as_admin) == "the administrator's"
    assert pair.relay.refused("relay.call", request).faultCode == DENIED
    request = {"nick": "middle", "method": SECRET}
    answer = pair.middle.call("relay.call", request, **pair.middle.as_admin)
    assert answer == "the administrator's"


def test_denial_quotes_the_rule(pair: Pair) -> None:
    """Who is refused learns which level is needed, which they have, and why; no secret."""
    fault = pair.one.refused(SECRET, Authorization="Bearer a-guess")
    assert "admin" in fault.faultString
    assert "credential shown is not valid" in fault.faultString
    assert "a-guess" not in fault.faultString + pair.one.log
    assert pair.one.token not in fault.faultString + pair.one.log


def test_notify_is_for_the_relay(pair: Pair) -> None:
    """Nobody but the relay hands messages to a satellite's plugins."""
    for more in ({}, {"token": "guess"}, {"token": ""}, {"secret": "guess"}):
        message = {"host_id": pair.one.host_id, "data": "smuggled", **more}
        assert pair.one.refused("notify", message).faultCode == 1002
    assert pair.one.probe("messages") == []


def test_sender_is_who_it_says(pair: Pair) -> None:
    """A message under another's host_id needs that host's token, and its address."""
    other = pair.one.host_id
    for host_id in (other, other.replace("127.0.0.1", "10.0.0.1"), "nobody@127.0.0.1:1"):
        message = {"host_id": host_id, "data": "spoofed", "token": "guess"}
        assert pair.relay.refused("relay.relay", message).faultCode in (1001, 1002)


# -- strange hosts, proxies, browsers --------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:2004", "127.0.0.1.evil.example", "localhost.evil", "@"]
)
def test_rebound_name(pair: Pair, host: str) -> None:
    """A DNS name that was made to point here gets what a stranger gets."""
    for method in ("test", "probe.probe.touch", SECRET):
        body = xmlrpc.client.dumps((1,) if method == "test" else (), method)
        answer = post(pair.one, body, {"Host": host, "Content-Type": "text/xml"})
        assert f"<int>{DENIED}</int>" in answer or " 400 " in answer, answer


def post(server: Server, body: str, headers: dict[str, str], method: str = "POST") -> str:
    """Send a request as it stands, and give status line, headers and body of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.putrequest(method, "/RPC2", skip_host=True, skip_accept_encoding=True)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            connection.putheader(name, value)
        connection.endheaders(body.encode())
        answer = connection.getresponse()
        return f"HTTP {answer.status} \n{answer.headers}{answer.read().decode()}"
    finally:
        connection.close()


def test_small_proxy(pair: Pair, tmp_path: Path) -> None:
    """Through a proxy that says so, loopback is a stranger; the token still works."""
    with ForwardingProxy(pair.one.port) as proxy:
        outcome = intrude(proxy.url, "one", tmp_path)
        assert outcome["open"].startswith("RESULT")
        assert outcome["read"].startswith(f"{DENIED} ")
        assert outcome["call"].startswith(f"{DENIED} ")
        assert "proxy" in outcome["call"]
        assert call(proxy.url, SECRET, **pair.one.as_admin) == "the administrator's"


NGINX = """
daemon off; pid {folder}/nginx.pid; error_log stderr notice; worker_processes 1;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{told};
        location / {{
            proxy_pass http://127.0.0.1:{port};
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }}
    }}
    server {{
        listen 127.0.0.1:{untold};
        location / {{ proxy_pass http://127.0.0.1:{port}; }}
    }}
}}
"""


def test_nginx(pair: Pair, tmp_path: Path) -> None:
    """Behind nginx nobody is administrator, whether or not nginx says that it is there."""
    nginx = need("nginx", "nginx-light")
    told, untold = free_port(), free_port()
    config = tmp_path / "nginx.conf"
    config.write_text(NGINX.format(folder=tmp_path, told=told, untold=untold, port=pair.one.port))
    with Watched([nginx, "-p", tmp_path, "-c", config], tmp_path) as process:
        process.wait_for("start worker process ")
        outcome = intrude(f"http://127.0.0.1:{told}/", "one", tmp_path)
        assert outcome["call"].startswith(f"{DENIED} ")
        intrude(f"http://127.0.0.1:{untold}/", "one", tmp_path)
        url = f"http://127.0.0.1:{told}/"
        assert call(url, SECRET, **pair.one.as_admin) == "the administrator's"


PAGE = """<!doctype html><title>another origin</title><script>
const target = "http://127.0.0.1:%d/RPC2";
const call = name => `<?xml version="1.0"?><methodCall><methodName>${name}</methodName>
    <params></params></methodCall>`;
async function attempt(name, options) {
    try {
        const answer = await fetch(target, options);
        return `${name}: ${answer.type} ${answer.status} ${await answer.text()}`;
    } catch (error) { return `${name}: ${error.name}`; }
}
function form(name) {
    // A form's text/plain is the oldest way to write to another origin.
    const frame = document.createElement("iframe"); frame.name = "into";
    const form = document.createElement("form");
    form.method = "POST"; form.action = target; form.enctype = "text/plain"; form.target = "into";
    const input = document.createElement("input");
    input.name = `<?xml version="1.0"?><methodCall><methodName`; input.value = `"">${name}`;
    form.append(input); document.body.append(frame, form);
    // An answer that may not be framed loads nothing, and there is no event for that.
    return new Promise(done => {
        frame.onload = () => done(`form ${name}: loaded`); form.submit();
        setTimeout(() => done(`form ${name}: not shown`), 500);
    });
}
(async () => {
    const said = [];
    for (const name of ["probe.probe.touch", "probe.probe.secret"]) {
        const body = call(name);
        for (const type of ["text/plain", "text/xml", "application/xml",
                            "application/x-www-form-urlencoded", "multipart/form-data"]) {
            const headers = {"Content-Type": type};
            said.push(await attempt(`${type} ${name}`, {method: "POST", headers, body}));
            said.push(await attempt(`no-cors ${type} ${name}`,
                {method: "POST", mode: "no-cors", headers, body}));
            said.push(await attempt(`with credentials ${type} ${name}`,
                {method: "POST", credentials: "include", headers, body}));
        }
        said.push(`beacon ${name}: ${navigator.sendBeacon(target, new Blob([body]))}`);
        said.push(await form(name));
    }
    said.push(await attempt("read the page", {}));
    await fetch("/said", {method: "POST", body: said.join("\\n")});
})();
</script>"""


def test_browser(pair: Pair, tmp_path: Path) -> None:
    """A page of another origin, in a real browser, can neither call nor read anything."""
    chromium = need("chromium", "chromium")
    touched = pair.one.probe("touched")
    with Website(PAGE % pair.one.port) as website:
        browser = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
        quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
        local = ["--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"]
        profile = [f"--user-data-dir={tmp_path}", "--disable-dev-shm-usage"]
        # Not only a headless browser's defaults: what a browser that trusts this machine allows.
        command = [*browser, *quiet, *local, *profile, website.url]
        with Watched(command, tmp_path, {"HOME": str(tmp_path)}):
            said = website.wait_for_report()
    assert len(said) == 2 * (3 * 5 + 2) + 1
    for line in said:
        name, _, outcome = line.partition(": ")
        if name.startswith("no-cors"):
            assert outcome in ("opaque 0 ", "TypeError"), line
        elif not name.startswith(("beacon", "form")):
            assert outcome == "TypeError", line
    assert pair.one.probe("touched") == touched


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9"])
def test_preflight_gets_nothing(pair: Pair, origin: str) -> None:
    """A browser that asks whether a page of another origin may call is not told that it may."""
    headers = {
        "Host": pair.one.address,
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,authorization",
        "Access-Control-Request-Private-Network": "true",
    }
    answer = post(pair.one, "", headers, "OPTIONS").lower()
    assert "access-control-allow" not in answer
    body = xmlrpc.client.dumps((), "ping")
    answer = post(pair.one, body, {**headers, "Content-Type": "text/xml"}).lower()
    assert "access-control-allow" not in answer


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
def test_call_needs_its_content_type(pair: Pair, kind: str | None) -> None:
    """What a page can send without asking first is no call, whatever its Origin says."""
    touched = pair.one.probe("touched")
    headers = {"Host": pair.one.address, **({"Content-Type": kind} if kind else {})}
    answer = post(pair.one, xmlrpc.client.dumps((), "probe.probe.touch"), headers)
    assert answer.startswith("HTTP 415")
    assert pair.one.probe("touched") == touched


# -- another machine -------------------------------------------------------------------------------


class TwoMachines(NamedTuple):
    """Words that run a command on either of two machines, joined by one cable."""

    here: tuple[str, ...]
    there: tuple[str, ...]
    ip_here: str


@pytest.fixture
def two_machines() -> Iterator[TwoMachines]:
    """Make two network namespaces with a veth pair between; this machine's own is not touched."""
    here, there = f"co2h{os.getpid()}", f"co2t{os.getpid()}"
    steps = [
        f"netns add {here}",
        f"netns add {there}",
        f"link add here netns {here} type veth peer name there netns {there}",
        f"-n {here} addr add 10.99.0.1/24 dev here",
        f"-n {there} addr add 10.99.0.2/24 dev there",
        *(f"-n {name} link set lo up" for name in (here, there)),
        f"-n {here} link set here up",
        f"-n {there} link set there up",
    ]
    ip = need("ip", "iproute2")
    try:
        for step in steps:
            done = subprocess.run([ip, *step.split()], check=False, capture_output=True, text=True)
            if done.returncode:
                pytest.skip(f"NO NETWORK NAMESPACES HERE, so nothing was tried: {done.stderr}")
        run_in = (ip, "netns", "exec")
        yield TwoMachines((*run_in, here), (*run_in, there), "10.99.0.1")
    finally:
        for name in (here, there):
            subprocess.run([ip, "netns", "del", name], check=False, capture_output=True)


def test_another_machine(two_machines: TwoMachines, network: Network) -> None:
    """With insecure = True another machine has call, and never admin without the token."""
    server = network.satellite(
        "open",
        listen="tcp:2004:interface=0.0.0.0",
        insecure=True,
        through=two_machines.here,
    )
    server.wait_for("registered as")
    url = f"http://{two_machines.ip_here}:2004/"
    outcome = intrude(url, "open", network.folder, *two_machines.there)
    assert outcome["call"].startswith("RESULT")
    assert outcome["no header, call"].startswith(f"{DENIED} ")
    for client, expected in (
        (f"p.{SECRET}()", f"Fault {DENIED}"),
        ("p.relay.relay({'host_id': 'x@127.0.0.1:2004', 'data': 1})", "Fault 1001"),
        ("p.notify({'host_id': 'x@10.99.0.2:2004', 'data': 1})", "Fault 1002"),
        ("p.relay.register({'port': 9, 'roles': ['relay']})", f"Fault {DENIED}"),
    ):
        assert expected in call_from(two_machines, url, client, network.folder)
    with_token = url.replace("http://", f"http://admin:{server.token}@")
    answer = call_from(two_machines, with_token, f"p.{SECRET}()", network.folder)
    assert "the administrator's" in answer


def test_untokened_sender_on_another_machine(two_machines: TwoMachines, network: Network) -> None:
    """A sender without a token is believed from loopback only; the fault names the setting."""
    relay = network.relay(
        listen="tcp:2004:interface=0.0.0.0", insecure=True, through=two_machines.here
    )
    client = "p.relay.relay({'host_id': p.relay.register({'port': 9})['host_id'], 'data': 1})"
    url = f"http://{two_machines.ip_here}:2004/"
    answer = call_from(two_machines, url, client, network.folder)
    assert "Fault 1002" in answer
    assert "allow_untokened" in answer
    assert relay.log


def call_from(machines: TwoMachines, url: str, expression: str, folder: Path) -> str:
    program = f"import xmlrpc.client; p = xmlrpc.client.ServerProxy({url!r}); print({expression})"
    return run([*machines.there, sys.executable, "-I", "-c", program], folder)[1]


# -- names -----------------------------------------------------------------------------------------

OBJECTS = ("probe.probe", "example.example", "system", "co2", "relay", "web", "sys", "plugin")
ATTRIBUTES = (
    *("__class__", "__init__", "__dict__", "__globals__", "__exit__", "__reduce__", "__call__"),
    *("__class__.__mro__", "__init__.__globals__", "x_touch", "x_secret", "touch.__call__"),
    *("touch.__self__", "touch.func", "messages.append", "send", "receive", "log", "debug"),
    *("_relay_method", "var_dict", "name", "X_Probe", "X_Probe.x_touch", "X_Probe.touch"),
    *("plugin.send", "_load_config", "procedures", "touch ", " touch", "touch\t", "Touch"),
    *("touch/", "touch;", "touch()", "touch\x85", "t\u043euch", "..touch", "touch.", "*", "%s"),
)
BARE = (
    *("", " ", ".", "..", "__class__", "__import__", "eval", "exec", "open", "os.system", "exit"),
    *(
        "self",
        "import os",
        "../../etc/passwd",
        "{0.__class__}",
        "x_touch",
        "touch",
        "notify.im_func",
    ),
    *("a" * 300, "probe", "probe.probe", "probe.probe.", ".probe.probe.touch", "reactor.stop"),
    *("notify.im_func", "relayed", "co2.", "system", "ping.__self__"),
    *("<b>&amp;</b>", "\u202eping", "PING", "ping "),
)


def test_no_name_reaches_beyond_the_registry(pair: Pair) -> None:
    """Whatever a wire name looks like: if it was not entered, there is no such method."""
    entered = set(pair.middle.call("system.listMethods"))
    tried = [f"{one}.{other}" for one in OBJECTS for other in ATTRIBUTES] + list(BARE)
    names = [name for name in tried if name not in entered]
    assert len(names) > 300
    touched = pair.middle.probe("touched")
    admin = pair.middle.as_admin
    for name in names:
        if name.strip(" \t") not in entered:  # white space is XML's, and not the name's
            fault = refused_name(pair.middle, name)
            assert fault.faultCode in (-32601, -32600), (name, fault)
            assert "Traceback" not in fault.faultString
        for method, params in (
            ("method_call", ({"method_name": name},)),
            ("system.methodHelp", (name,)),
            ("co2.get_method_signature", (name,)),
            ("co2.open", ({"method": name},)),
            ("relay.call", ({"nick": "middle", "method": name},)),
        ):
            code = refused(pair.middle.url, method, *params, **admin).faultCode
            assert code in (-32601, -32600, -32602), (method, name, code)
    calls = [{"methodName": name, "params": []} for name in names]
    answers = pair.middle.call("system.multicall", calls, **admin)
    assert all(isinstance(one, dict) and one["faultCode"] < 0 for one in answers)
    assert pair.middle.probe("touched") == touched


def refused_name(server: Server, name: str) -> xmlrpc.client.Fault:
    """Call a name as it stands: Python's own proxy would take it apart."""
    body = xmlrpc.client.dumps((), xmlrpc.client.escape(name))
    headers = {
        "Content-Type": "text/xml",
        "Host": server.address,
        "Content-Length": str(len(body.encode())),
        **server.as_admin,
    }
    answer = post(server, body, headers)
    assert re.match(r"HTTP 200 ", answer), (name, answer)
    try:
        result: Any = xmlrpc.client.loads(answer[answer.index("<?xml") :])
    except xmlrpc.client.Fault as fault:
        return fault
    raise AssertionError(f"{name!r} gave {result!r}")
