"""Who a request comes from, and how far that reaches."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from co2.model.calls import Level
from co2.rpc.rights import Claim, Gate, Grant, parse_authorization

TOKEN = "s3cret-token"
BEARER = b"Bearer " + TOKEN.encode()


def basic(password: str, name: str = "anyone") -> bytes:
    return b"Basic " + base64.b64encode(f"{name}:{password}".encode())


def judge(*, insecure: bool = False, hosts: frozenset[str] = frozenset(), port=2004, **claim):
    gate = Gate(TOKEN, insecure, port, hosts)
    return gate.judge(Claim(**{"ip": "127.0.0.1", "port": 40000, "local_ip": "127.0.0.1", **claim}))


def far(**more):
    return judge(**{"ip": "10.0.0.9", "local_ip": "10.0.0.5", **more})


# --- where from -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ip", ["127.0.0.1", "127.9.8.7", "::1", "::ffff:127.0.0.1", "::ffff:127.0.0.2", "localhost"]
)
def test_loopback_without_credentials_has_call(ip):
    """All of this machine's own addresses are one caller, called loopback."""
    caller = judge(ip=ip)
    assert (caller.level, caller.who) == (Level.CALL, "loopback")
    assert "this machine" in caller.because


@pytest.mark.parametrize(
    "ip", ["10.0.0.9", "::ffff:10.0.0.9", "2001:db8::1", "128.0.0.1", "0.0.0.0"]
)
def test_others_without_credentials_are_strangers(ip):
    """They have open, and the reason says why."""
    caller = judge(ip=ip)
    assert (caller.level, caller.who) == (Level.OPEN, "stranger")
    assert "no credential was shown" in caller.because


def test_insecure_gives_strangers_call_and_no_more():
    """The setting opens plugins' methods to all, never administration."""
    assert far(insecure=True).level is Level.CALL
    assert far(insecure=True).who == "stranger"


def test_the_callers_address_is_canonical():
    """Conversations are bound to it, so one machine must not have two spellings."""
    assert judge(ip="::1").key == judge(ip="127.0.0.1").key
    assert far(ip="::ffff:10.0.0.9").ip == "10.0.0.9"
    assert far().port == 40000


# --- credentials ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        BEARER,
        b"bearer  " + TOKEN.encode() + b" ",
        basic(TOKEN),
        basic(TOKEN, ""),
        basic(TOKEN, "ü"),
    ],
)
def test_the_admin_token_makes_an_administrator(header):
    """As bearer token, or as the password of basic under any name, from anywhere."""
    for caller in (judge(authorization=header), far(authorization=header)):
        assert (caller.level, caller.who) == (Level.ADMIN, "admin")


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"Bearer",
        b"Bearer wrong",
        BEARER + b"x",
        BEARER[:-1],
        basic("wrong"),
        basic(""),
        basic("x:" + TOKEN),
        b"Basic !!!",
        b"Basic " + base64.b64encode(TOKEN.encode()),
        b"Digest " + TOKEN.encode(),
        TOKEN.encode(),
        b"Bearer \xff\xfe",
    ],
)
@pytest.mark.parametrize("insecure", [False, True])
def test_a_wrong_credential_is_not_passed_over(header, insecure):
    """Loopback too gets open, for a mistyped token must not look like a working one."""
    caller = judge(authorization=header, insecure=insecure)
    assert caller.level is Level.OPEN
    assert caller.because == "the credential shown is not valid here"


@pytest.mark.parametrize("header", [b"Bearer ", basic(""), b"Bearer x", b""])
def test_an_empty_admin_token_is_nobodys(header):
    """A server without a token has no administrator."""
    gate = Gate("", False, 2004)
    caller = gate.judge(Claim("127.0.0.1", 1, "127.0.0.1", header))
    assert caller.level is Level.OPEN


def test_no_secret_is_told():
    """Neither the token nor what was shown for it is in the caller that logs and faults quote."""
    for header in (BEARER, basic("hunter2"), b"Bearer hunter2"):
        shown = repr(judge(authorization=header))
        assert TOKEN not in shown
        assert "hunter2" not in shown


def test_further_credentials_are_asked_in_order():
    """Configured credentials stand beside the admin token; the first one that knows it counts."""

    def operators(credential):
        if credential.scheme == "basic" and credential.name == "ada" and credential.secret == b"pw":
            return Grant(Level.READ, "ada")
        return None

    gate = Gate(TOKEN, False, 2004, frozenset(), [operators])

    def ask(header):
        return gate.judge(Claim("10.0.0.9", 1, "10.0.0.5", header))

    assert (ask(basic("pw", "ada")).level, ask(basic("pw", "ada")).who) == (Level.READ, "ada")
    assert ask(basic("pw", "bob")).level is Level.OPEN
    assert ask(BEARER).who == "admin"


@given(st.binary())
def test_any_authorization_header_can_be_judged(header):
    """Garbage is no credential, and never an exception."""
    parse_authorization(header)
    assert judge(authorization=header).level is Level.OPEN or b"s3cret" in header


# --- Host -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        None, b"localhost", b"LOCALHOST:2004", b"localhost.:9000", b"127.0.0.1:2004", b"127.8.8.8",
        b"[::1]:2004", b"[::ffff:127.0.0.1]", b"localhost:80",
    ],
)  # fmt: skip
def test_the_servers_own_names_are_no_strange_host(host):
    """Any port will do, for tunnels map them; a 2003 client sends no Host at all."""
    assert judge(host=host).level is Level.CALL


@pytest.mark.parametrize(
    "host",
    [
        b"evil.example", b"evil.example:2004", b"localhost.evil.example", b"127.0.0.1.evil.example",
        b"", b"localhost:2004:1", b"user@localhost", b"localhost/", b"\xff", b"[::1", b"10.0.0.5",
        b"0.0.0.0", b"localhost:999999",
    ],
)  # fmt: skip
def test_a_strange_host_makes_a_stranger(host):
    """A name rebound to this machine is a web page's trick, so loopback loses its trust."""
    caller = judge(host=host)
    assert (caller.level, caller.who) == (Level.OPEN, "stranger")
    assert "Host" in caller.because


def test_the_address_it_was_received_on_and_configured_names_are_own():
    """A literal address of the connection, and whatever the settings list."""
    assert judge(ip="127.0.0.1", local_ip="10.0.0.5", host=b"10.0.0.5:2004").level is Level.CALL
    assert judge(local_ip="fe80::1%eth0", host=b"[fe80::1]:2004").level is Level.CALL
    hosts = frozenset({"Lab.Example", "2001:DB8::5"})
    assert judge(hosts=hosts, host=b"lab.example:2004").level is Level.CALL
    assert judge(hosts=hosts, host=b"LAB.example.").level is Level.CALL
    assert judge(hosts=hosts, host=b"[2001:db8::5]").level is Level.CALL
    assert judge(hosts=hosts, host=b"sub.lab.example").level is Level.OPEN


# --- Origin and proxies ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (b"http://localhost:2004", b"localhost:2004"),
        (b"http://127.0.0.1:2004", b"localhost:2004"),
        (b"http://[::1]:2004", None),
        (b"http://localhost:9000", b"localhost:9000"),
        (b"http://localhost", b"localhost"),
        (b"https://localhost", b"localhost"),
        (b"HTTP://LocalHost:2004", b"localhost:2004"),
    ],
)
def test_the_servers_own_page_may_call(origin, host):
    """Its Origin has a name of this server, and the port listened on or asked for."""
    assert judge(origin=origin, host=host).level is Level.CALL


@pytest.mark.parametrize(
    "origin",
    [
        b"null", b"", b"http://evil.example", b"http://evil.example:2004", b"http://localhost:8080",
        b"http://localhost", b"file://localhost", b"http://localhost:2004.evil.example",
        b"http://localhost:2004/x", b"http://user@localhost:2004", b"localhost:2004", b"\xff",
        b"chrome-extension://localhost:2004",
    ],
)  # fmt: skip
def test_a_foreign_origin_makes_a_stranger(origin):
    """Another page in the user's browser, another local port's too, has no rights here."""
    caller = judge(origin=origin, host=b"localhost:2004")
    assert (caller.level, caller.who) == (Level.OPEN, "stranger")
    assert "Origin" in caller.because
    assert judge(origin=origin, host=b"localhost:2004", insecure=True).level is Level.CALL


def test_a_request_that_was_passed_on_is_a_strangers():
    """A proxy on this machine speaks for somebody elsewhere."""
    caller = judge(forwarded=True)
    assert (caller.level, caller.who) == (Level.OPEN, "stranger")
    assert "Forwarded" in caller.because


@pytest.mark.parametrize(
    "strange", [{"host": b"evil.example"}, {"forwarded": True}, {"origin": b"http://evil.example"}]
)
def test_a_bearer_token_outranks_all_strangeness(strange):
    """No page can make a browser attach it, so who shows it has it."""
    assert judge(authorization=BEARER, **strange).level is Level.ADMIN


def test_basic_from_a_foreign_page_does_not_count():
    """A browser attaches remembered passwords by itself, so the page's author need not know it."""
    caller = judge(authorization=basic(TOKEN), origin=b"http://evil.example")
    assert (caller.level, caller.who) == (Level.OPEN, "stranger")
    assert "remembered password" in caller.because
    insecure = judge(authorization=basic(TOKEN), origin=b"null", insecure=True)
    assert insecure.level is Level.CALL
    own = judge(authorization=basic(TOKEN), origin=b"http://localhost:2004")
    assert own.level is Level.ADMIN
    assert judge(authorization=basic(TOKEN), forwarded=True).level is Level.ADMIN
    assert judge(authorization=basic(TOKEN), host=b"lab.example").level is Level.ADMIN


@given(st.none() | st.binary(), st.none() | st.binary(), st.booleans(), st.booleans())
def test_no_head_makes_an_administrator_without_a_credential(host, origin, forwarded, insecure):
    """Whatever Host, Origin and the rest say."""
    caller = far(host=host, origin=origin, forwarded=forwarded, insecure=insecure)
    assert caller.level is (Level.CALL if insecure else Level.OPEN)
