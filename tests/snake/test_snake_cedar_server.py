"""`cedar.server` and `cedar.client`: both ends of the negotiation, in memory and against noise."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from rooms import OTHER, QUERY, Den

from plugin.snake.cedar.client import ANONYMOUS, ClientConnection
from plugin.snake.cedar.commands import DC_SEC_QUERY
from plugin.snake.cedar.errors import CedarError, NegotiationError
from plugin.snake.cedar.negotiation import (
    UNAUTHENTICATED,
    Agreement,
    Policy,
    Wish,
    admission,
    agree,
    answer,
    reconciled,
)
from plugin.snake.cedar.sessions import SessionCache
from plugin.snake.cedar.wire import Wire
from plugin.snake.classads.face import ClassAd

HANDLER = """
    import classad2
    def handle(command):
        ad, _ = yield (None, None, (classad2.ClassAd, end_of_message))
        yield ((1, ad, 0, end_of_message), 0, None)
"""


def opened(den, policy=ANONYMOUS, command=QUERY):
    """Negotiate a command from a client in memory; give client and transport."""
    transport = den.connect()
    client = ClientConnection(Wire(), command, policy, bytes(range(16)), "<127.0.0.1:9618>")
    sent = []
    transport.received = client.wire
    transport.write = sent.append
    for _ in range(3):
        transport.protocol.dataReceived(client.wire.data_to_send())
        for data in sent:
            client.feed(data)
        sent.clear()
    return client, transport


@pytest.fixture
def den(tmp_path):
    """A daemon whose handler gives the ad back."""
    return Den(tmp_path, HANDLER).start()


@pytest.mark.parametrize(
    "policy",
    [
        ANONYMOUS,
        Policy(Wish.NEVER, Wish.REQUIRED, Wish.OPTIONAL),
        Policy(Wish.NEVER, Wish.OPTIONAL, Wish.REQUIRED),
    ],
)
def test_a_negotiated_command_is_answered(den, policy):
    """With and without encryption the payload arrives, and so does the reply."""
    client, transport = opened(den, policy)
    assert client.ready
    assert client.wire.sealed == (Wish.REQUIRED in (policy.encryption, policy.integrity))
    payload = client.payload()
    payload.ad(ClassAd({"Requirements": True, "ClaimId": "secret"}).attributes)
    client.wire.send(payload)
    transport.write = client.wire.feed
    transport.protocol.dataReceived(client.wire.data_to_send())
    reply = client.wire.message()
    assert reply.integer() == 1
    # a private attribute travels where it is encrypted, and nowhere else
    assert ("claimid" in reply.literal_ad()) is client.wire.sealed
    assert reply.integer() == 0


def test_a_changed_byte_of_an_encrypted_packet_is_noticed(den):
    """What was not sealed with the session's key ends the connection."""
    client, transport = opened(den, Policy(Wish.NEVER, Wish.REQUIRED, Wish.OPTIONAL))
    payload = client.payload()
    payload.python_ad({"Requirements": True})
    client.wire.send(payload)
    data = bytearray(client.wire.data_to_send())
    data[-1] ^= 1
    transport.protocol.dataReceived(bytes(data))
    assert transport.closed


@pytest.mark.parametrize(("command", "code"), [(6, "CMD_NOT_FOUND"), (1234567, "CMD_NOT_FOUND")])
def test_an_unknown_command_is_told_so(den, command, code):
    """A negotiating client is told why it is refused."""
    with pytest.raises(NegotiationError, match=code):
        opened(den, command=command)


def test_a_policy_that_requires_is_kept(tmp_path):
    """Where the daemon requires encryption, neither raw nor unwilling clients get in."""
    den = Den(tmp_path, HANDLER, extra="SEC_DEFAULT_ENCRYPTION = REQUIRED").start()
    raw = den.connect()
    raw.say({"Requirements": True}, raw=QUERY)
    assert raw.closed
    with pytest.raises(NegotiationError, match="DENIED: Encryption: the server requires it"):
        opened(den, Policy(Wish.NEVER, Wish.NEVER, Wish.NEVER))
    assert opened(den)[0].wire.sealed


def test_a_level_may_require_what_others_do_not(tmp_path):
    """Raw, negotiated and resumed commands, and the question, go by their own level's policy."""
    table = ("QUERY_STARTD_ADS READ handle", "QUERY_SCHEDD_ADS WRITE handle")
    den = Den(tmp_path, HANDLER, "SEC_WRITE_ENCRYPTION = REQUIRED", table).start()
    raw = den.connect()
    raw.say({"Requirements": True}, raw=QUERY)
    assert raw.ints() is not None
    raw.say({"Requirements": True}, raw=OTHER)
    assert raw.closed
    assert not opened(den)[0].wire.sealed
    (name,) = den.daemon.gate("127.0.0.1", ("127.0.0.1", 1)).sessions._sessions
    ad = {"UseSession": "YES", "Sid": name, "ResumeResponse": True}
    asked = {
        "AUTHORIZED": [{"Command": QUERY}, {"Command": DC_SEC_QUERY, "AuthCommand": QUERY}],
        "SID_NOT_FOUND": [{"Command": OTHER}, {"Command": DC_SEC_QUERY, "AuthCommand": OTHER}],
    }
    for code, questions in asked.items():
        for question in questions:
            client = den.connect()
            client.say(60010, ad | question)
            assert client.message().literal_ad()["returncode"] == code
    assert opened(den, command=OTHER)[0].wire.sealed
    with pytest.raises(NegotiationError, match="DENIED: Encryption"):
        opened(den, Policy(Wish.NEVER, Wish.NEVER, Wish.NEVER), OTHER)


def test_a_client_does_not_go_on_without_what_it_requires(den):
    """A server that agrees on less than the client requires gets no payload."""
    client = ClientConnection(Wire(), QUERY, Policy(encryption=Wish.REQUIRED), bytes(16))
    server = Wire()
    server.send_ad(answer(Agreement(False, False, False)))
    server.send_ad(admission("s", "5", UNAUTHENTICATED))
    with pytest.raises(NegotiationError, match="does without encryption"):
        client.feed(server.data_to_send())
    assert not client.ready


@pytest.mark.parametrize(
    ("feature", "offer"), [("ENCRYPTION", {}), ("AUTHENTICATION", {"AuthMethods": "SSL"})]
)
def test_what_is_only_preferred_is_left_out_where_there_is_no_way(feature, offer):
    """A wish that nobody requires ends no negotiation, one that somebody requires does."""
    ad = {feature.lower(): "PREFERRED", "cryptomethods": "3DES"}
    ad |= {name.lower(): value for name, value in offer.items()}
    ours = Policy(methods=("FS",))
    assert agree(ours, ad) == Agreement(False, False, False)
    with pytest.raises(NegotiationError, match=r"AES|FS"):
        agree(ours, ad | {feature.lower(): "REQUIRED"})


def test_a_session_does_not_outlive_a_policy_that_would_refuse_it(tmp_path):
    """After a reconfiguration that requires encryption, a session in clear is not known."""
    den = Den(tmp_path, HANDLER).start()
    opened(den)
    (name,) = den.daemon.gate("127.0.0.1", ("127.0.0.1", 1)).sessions._sessions
    ad = {"UseSession": "YES", "Sid": name, "Command": QUERY, "ResumeResponse": True}
    den.configure("SEC_DEFAULT_ENCRYPTION = REQUIRED")
    for code in ("AUTHORIZED", "SID_NOT_FOUND"):
        client = den.connect()
        client.say(60010, ad)
        assert client.message().literal_ad()["returncode"] == code
        assert den.daemon.reconfigure() == []


def test_an_unknown_session_is_told_so(den):
    """After a restart a client is told that its session is gone."""
    client = den.connect()
    ad = {"UseSession": "YES", "Sid": "old", "Command": QUERY, "ResumeResponse": True}
    client.say(60010, ad)
    assert client.message().literal_ad()["returncode"] == "SID_NOT_FOUND"
    assert client.closed


@pytest.mark.parametrize(
    "pair",
    [(one, other) for one in Wish for other in Wish],
)
def test_wishes_are_reconciled_as_the_table_says(pair):
    """REQUIRED and NEVER fail, NEVER is no, two OPTIONAL are no, everything else is yes."""
    if set(pair) == {Wish.REQUIRED, Wish.NEVER}:
        with pytest.raises(NegotiationError):
            reconciled(*pair)
    else:
        wanted = Wish.NEVER not in pair and set(pair) != {Wish.OPTIONAL}
        assert reconciled(*pair) is wanted


def test_a_missing_feature_is_never():
    """An ad that does not mention a feature does not want it."""
    assert agree(Policy(), {}).authenticate is False
    with pytest.raises(NegotiationError, match="AES"):
        agree(Policy(), {"encryption": "REQUIRED", "cryptomethods": "BLOWFISH"})


def test_sessions_end_and_are_bounded():
    """A session is good for its time after its last use; the oldest goes first."""
    cache = SessionCache(most=2, duration=10)
    for name in ("a", "b", "c"):
        cache.enter(name, "u", None, 0.0)
    assert cache.find("a", 1.0) is None
    assert cache.find("b", 9.0) is not None
    assert cache.find("b", 18.0) is not None
    assert cache.find("c", 18.0) is None
    assert cache.find(None, 1.0) is None


@settings(max_examples=150, deadline=None)
@given(some.lists(some.binary(max_size=60), max_size=6), some.booleans())
def test_noise_never_does_more_than_end_its_connection(tmp_path_factory, pieces, framed):
    """Whatever bytes come, framed or not, nothing escapes and the next client is served."""
    den = Den(tmp_path_factory.mktemp("noise"), HANDLER).start()
    client = den.connect()
    for piece in pieces:
        if client.closed:
            break
        head = bytes([1]) + len(piece).to_bytes(4, "big") if framed else b""
        client.protocol.dataReceived(head + piece)
    next_client = den.connect()
    next_client.say({"A": 1}, raw=QUERY)
    assert next_client.message().integer() == 1
    assert not den.said("Traceback")


@settings(max_examples=100, deadline=None)
@given(some.data())
def test_a_damaged_negotiation_never_does_more_than_end_its_connection(tmp_path_factory, data):
    """A real opening with bytes changed, cut or doubled is refused or read; nothing escapes."""
    den = Den(tmp_path_factory.mktemp("damaged"), HANDLER).start()
    opening = bytearray(ClientConnection(Wire(), QUERY, ANONYMOUS, b"").wire.data_to_send())
    for _ in range(data.draw(some.integers(1, 5))):
        opening[data.draw(some.integers(0, len(opening) - 1))] = data.draw(some.integers(0, 255))
    cut = data.draw(some.integers(0, len(opening)))
    client = den.connect()
    client.protocol.dataReceived(bytes(opening[:cut]))
    if not client.closed:
        client.protocol.dataReceived(bytes(opening[cut:]))
    assert not den.said("Traceback")


def test_a_hostile_server_is_an_error_for_the_client():
    """The client refuses a server that wants what it cannot do, and noise."""
    client = ClientConnection(Wire(), QUERY, ANONYMOUS, b"x" * 16)
    wire = Wire()
    wire.send_ad({"Authentication": "YES", "Encryption": "NO", "Integrity": "NO"})
    with pytest.raises(NegotiationError, match="who asks"):
        client.feed(wire.data_to_send())
    with pytest.raises(CedarError):
        ClientConnection(Wire(), QUERY, ANONYMOUS, b"x" * 16).feed(b"\xff" * 20)
