"""A page of another origin, a rebound name: what a browser can be made to send."""

from __future__ import annotations

import xmlrpc.client
from pathlib import Path

import pytest

from e2e.intruding import DENIED, SECRET, Pair, post
from e2e.processes import Watched
from e2e.programs import need
from e2e.proxy import Website

pytestmark = pytest.mark.process


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:2004", "127.0.0.1.evil.example", "localhost.evil", "@"]
)
def test_rebound_name(pair: Pair, host: str) -> None:
    """A DNS name that was made to point here gets what a stranger gets."""
    for method in ("test", "probe.probe.touch", SECRET):
        body = xmlrpc.client.dumps((1,) if method == "test" else (), method)
        answer = post(pair.one, body, {"Host": host, "Content-Type": "text/xml"})
        assert f"<int>{DENIED}</int>" in answer or " 400 " in answer, answer


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
