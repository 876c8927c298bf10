"""co2.model: who a host is, ids that grow, messages, and what is remembered."""

from __future__ import annotations

import threading
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from co2.model.calls import Caller, Encoded, Level
from co2.model.hosts import Address, HostId, canonical_ip, check_random, is_loopback
from co2.model.messages import Message, copied, plain
from co2.model.procedure import Procedure
from co2.model.recent import Recent
from co2.model.ulid import UlidSource, is_ulid

HERE = Address("127.0.0.1", 2004)

# -- hosts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["localhost", "127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_one_host(text):
    """However it is spelled."""
    assert canonical_ip(text) == "127.0.0.1"


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("FE80:0:0::1", "fe80::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("Lamp.Example", "lamp.example"),
        ("127.0.0.2", "127.0.0.2"),
    ],
)
def test_an_address_has_one_spelling(text, canonical):
    """Also an IPv4 address that comes over IPv6."""
    assert canonical_ip(text) == canonical
    assert canonical_ip(canonical) == canonical


def test_loopback_is_a_whole_net():
    """127.0.0.2 is this machine too; a name is not known to be."""
    assert is_loopback("127.0.0.2")
    assert not is_loopback("10.0.0.1")
    assert not is_loopback("lamp.example")


@pytest.mark.parametrize("text", ["10.0.0.1:2004", "[fe80::1]:2004", "lamp.example:1"])
def test_an_address_is_written_as_it_is_read(text):
    """IPv6 stands in brackets."""
    assert str(Address.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "x", ":1", "x:", "x:0", "x:65536", "x:-1", "x:1a", "x:\u0661", "fe80::1:80"]
)
def test_what_is_no_address(text):
    """The error says what is wrong."""
    with pytest.raises(ValueError, match=r"."):
        Address.parse(text)


randoms = st.text("abcXYZ019_-", min_size=1, max_size=64)
addresses = st.builds(
    Address,
    st.ip_addresses().map(str).map(canonical_ip),
    st.integers(1, 65535),
)


@given(st.builds(HostId, randoms, addresses))
def test_a_host_id_is_written_as_it_is_read(host_id):
    """`<random>@<ip>:<port>`, whatever the parts are."""
    assert HostId.parse(str(host_id)) == host_id


@given(st.one_of(st.text(), st.none(), st.integers(), st.binary()))
def test_what_is_no_host_id_is_a_value_error(text):
    """Nothing else is ever raised."""
    try:
        parsed = HostId.parse(text)
    except ValueError:
        return
    assert HostId.parse(str(parsed)) == parsed


@pytest.mark.parametrize("text", ["", "a b", "a" * 65, "ä", "a\n", None, 5])
def test_what_is_no_random_part(text):
    """1 to 64 of A-Z a-z 0-9 _ -, and nothing behind."""
    with pytest.raises(ValueError, match="1 to 64"):
        check_random(text)


# -- ids -------------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 10), min_size=1, max_size=50), st.integers())
def test_ulids_only_grow(times, seed):
    """Within a millisecond, and when the clock is set back."""
    now = iter(times)
    source = UlidSource(lambda: next(now), Random(seed).getrandbits)
    made = [source.make() for _ in times]
    assert made == sorted(set(made))
    assert all(is_ulid(one) for one in made)


def test_a_ulid_begins_with_its_time():
    """Two that were made a day apart sort by it; the form is Crockford's base 32."""
    assert UlidSource(lambda: 1469918176.385, lambda bits: 0).make() == "01ARYZ6S410000000000000000"


@pytest.mark.parametrize("text", ["", "8" + "0" * 25, "0" * 25, "0" * 25 + "U", "0" * 25 + "a", 5])
def test_what_is_no_ulid(text):
    """Too large, too short, or of other letters."""
    assert not is_ulid(text)


def test_threads_never_make_the_same():
    """Two plugins that send at once have messages of their own."""
    source, made = UlidSource(lambda: 1.0, lambda bits: 0), []
    threads = [
        threading.Thread(target=lambda: made.extend(source.make() for _ in range(2000)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 8000


# -- messages --------------------------------------------------------------------------------------


def test_a_struct_has_no_empty_members():
    """What nobody said does not travel."""
    message = Message("1", HostId("me", HERE), 5.0, "data")
    assert message.as_struct() == {
        "id": "1",
        "host_id": "me@127.0.0.1:2004",
        "time": 5.0,
        "data": "data",
    }


def test_what_is_not_known_passes_and_replaces_nothing():
    """Further members cannot stand for the protocol's own."""
    message = Message("1", HostId("me", HERE), 5.0, 1, "t", True, ("r",), {"id": "x", "new": 2})
    struct = message.as_struct()
    assert (struct["id"], struct["new"]) == ("1", 2)
    assert (struct["topic"], struct["retain"], struct["hops"]) == ("t", True, ["r"])
    assert message.key == ("me", "1")


def test_a_copy_shares_nothing_that_can_change():
    """All the way down."""
    value = {"list": [{"a": [1]}]}
    copy = copied(value)
    value["list"][0]["a"].append(2)
    assert copy == {"list": [{"a": [1]}]}


def test_a_plain_value_is_itself():
    """Whether or not it came with its bytes."""
    assert plain(Encoded(b"<value/>", [1])) == [1]
    assert plain([1]) == [1]


# -- the rest --------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 8), st.integers()), max_size=60))
def test_the_newest_are_remembered(puts):
    """Never more than so many; those that were put first go first."""
    recent: Recent[int, int] = Recent(4)
    model: dict[int, int] = {}
    for key, value in puts:
        recent.put(key, value)
        model[key] = value
        if len(model) > 4:
            del model[next(iter(model))]
        assert len(recent) <= 4
        assert {one: recent.get(one) for one in range(9) if recent.get(one) is not None} == model


def test_what_is_forgotten_is_new_again():
    """An unknown key is no error."""
    recent: Recent[str, int] = Recent(4)
    recent.put("a", 1)
    recent.forget("a")
    recent.forget("b")
    assert recent.get("a") is None


def test_levels_are_in_order():
    """open < read < call < admin."""
    assert Level.OPEN < Level.READ < Level.CALL < Level.ADMIN
    assert [level.word for level in Level] == ["open", "read", "call", "admin"]


def test_a_caller_is_one_program_on_several_connections():
    """The port is not what a conversation is bound to."""
    one, other = (Caller(Level.CALL, "10.0.0.1", port, "ann") for port in (1, 2))
    assert one.key == other.key


def test_a_procedure_shows_what_it_describes():
    """A plugin's method inside its isolation, and every name it goes by."""

    def method():
        """Help."""

    procedure = Procedure("a.b.c", lambda: None, aliases=("a.c",), described=method)
    assert procedure.subject is method
    assert procedure.names == ("a.b.c", "a.c")
