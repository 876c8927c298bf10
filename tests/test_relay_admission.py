"""co2.relay.admission: who a host is when it registers, and whether it is who it says later on."""

from __future__ import annotations

import hashlib

import pytest
from relay_room import SECRET, RelayRoom, a_caller, random_of

from co2.errors import Denied, IdentityTaken, InvalidParams, NotRegistered, RelayFull, Spoofed
from co2.model.calls import Level
from co2.model.hosts import HostState

OWN = {"random": "me", "secret": SECRET}


def send(room, answer, **more):
    """Try to pass a message on; give the presence that it was taken for."""
    struct = {"host_id": answer["host_id"], "data": 1, **more}
    ip = struct.pop("ip", answer["host_id"].partition("@")[2].rpartition(":")[0])
    return room.admission.sender(struct, ip)


# -- registering -----------------------------------------------------------------------------------


def test_a_bare_port_is_enough():
    """The standard library's `{'port': n}` gets a name, a token and everything else."""
    room = RelayRoom()
    answer = room.register(port=8000)
    random, _, address = answer["host_id"].partition("@")
    assert (len(random), address) == (16, "10.0.0.2:8000")
    assert answer["state"] == "checking"
    assert (answer["lease"], answer["epoch"], answer["after"]) == (60.0, 1, 0)
    assert (answer["relay_id"], answer["journal_id"]) == (room.relay_id, room.journal.journal_id)
    assert len(answer["token"]) >= 32


def test_a_co2_host_has_the_name_that_it_drew():
    """Its random part is its own, proven by the secret; only the secret's hash is kept."""
    room = RelayRoom()
    answer = room.register(**OWN)
    assert answer["host_id"] == "me@10.0.0.2:2004"
    (kept,) = room.store.load()
    assert kept.proof == hashlib.sha256(SECRET.encode()).digest()
    assert SECRET not in repr(kept)
    assert "token" not in repr(kept)


def test_the_same_pair_is_right_from_any_address():
    """Moving changes the address and the epoch, and nothing else."""
    room = RelayRoom()
    first = room.register(**OWN)
    second = room.register("10.0.0.7", 9000, **OWN)
    assert second["host_id"] == "me@10.0.0.7:9000"
    assert (first["epoch"], second["epoch"]) == (1, 2)
    assert second["token"] == first["token"]
    assert len(room.roster) == 1


@pytest.mark.parametrize(
    "shown",
    [
        {"secret": "x" * 22},
        {},
        {"token": "wrong"},
        {"token": "wrong", "secret": SECRET},
        {"secret": SECRET[:-1]},
    ],
)
def test_a_random_part_belongs_to_its_secret(shown):
    """Somebody else's name is a fault, which tells no secret."""
    room = RelayRoom()
    room.register(**OWN)
    with pytest.raises(IdentityTaken) as refused:
        room.register("10.0.0.7", random="me", **shown)
    assert SECRET not in refused.value.text
    assert room.roster.get("me").registration.address.ip == "10.0.0.2"


def test_a_token_does_not_replace_a_secret():
    """Who knows the token still needs the secret to bind the name to a secret."""
    room = RelayRoom()
    token = room.register(**OWN)["token"]
    with pytest.raises(IdentityTaken):
        room.register(random="me", token=token, secret="y" * 22)


def test_coming_back_with_the_token_alone_keeps_the_secret():
    """The name stays bound to the secret that it was registered with."""
    room = RelayRoom()
    token = room.register(**OWN)["token"]
    room.register(random="me", token=token)
    assert room.register(**OWN)["epoch"] == 3
    with pytest.raises(Spoofed):
        send(room, {"host_id": "me@10.0.0.2:2004"})


def test_a_token_host_may_come_back_from_elsewhere():
    """A foreign host that keeps its token keeps its name."""
    room = RelayRoom()
    first = room.register()
    moved = room.register("10.0.0.8", random=random_of(first), token=first["token"])
    assert moved["host_id"] == f"{random_of(first)}@10.0.0.8:2004"
    assert moved["token"] == first["token"]


def test_a_foreign_host_at_its_old_address_is_itself():
    """One that keeps nothing is known by where it listens."""
    room = RelayRoom()
    first, again = room.register(), room.register()
    assert again["host_id"] == first["host_id"]
    assert again["token"] == first["token"]
    assert random_of(room.register(port=2005)) != random_of(first)


def test_a_foreign_host_does_not_take_a_co2_hosts_place():
    """At the address of a host with a secret it is somebody new, and the other is away."""
    room = RelayRoom()
    room.register(**OWN)
    room.roster.update(room.roster.get("me"), state=HostState.ONLINE)
    foreign = room.register()
    assert random_of(foreign) != "me"
    assert room.roster.get("me").state is HostState.AWAY


def test_a_name_without_a_proof_is_not_granted():
    """A random part that nobody could prove later on could be anybody's."""
    assert random_of(RelayRoom().register(random="admin")) != "admin"


def test_an_unknown_token_starts_anew():
    """The relay has lost its roster: the host is new, and told so by its name."""
    answer = RelayRoom().register(random="old", token="t" * 32)
    assert random_of(answer) != "old"


def test_tokens_are_the_same_after_a_restart():
    """They are not kept, but made again from the relay's own secret."""
    room = RelayRoom()
    first = room.register()
    again = room.restart()
    assert send(again, first, token=first["token"]).random == random_of(first)
    assert again.register()["token"] == first["token"]


def test_a_token_is_one_hosts():
    """Another's does not open this one's door."""
    room = RelayRoom()
    first, second = room.register(), room.register("10.0.0.3")
    assert first["token"] != second["token"]
    with pytest.raises(Spoofed):
        send(room, first, token=second["token"])


def test_the_roster_is_bounded_and_says_when_to_come_again():
    """Those who are in it may come again, new ones may not."""
    room = RelayRoom(max_sats=2)
    room.register("10.0.0.2")
    room.register("10.0.0.3")
    with pytest.raises(RelayFull) as refused:
        room.register("10.0.0.4")
    assert refused.value.retry_after > 0
    assert room.register("10.0.0.3")["epoch"] == 2


def test_callback_false_goes_to_poll():
    """Such a host is not called back at all."""
    assert RelayRoom().register(callback=False)["state"] == "poll"


def test_relaying_for_others_needs_admin():
    """roles: ['relay'] is a right."""
    room = RelayRoom()
    with pytest.raises(Denied, match="admin"):
        room.register(roles=["relay"])
    room.register(roles=["relay"], level=Level.ADMIN)
    assert next(iter(room.roster)).registration.relays_others


@pytest.mark.parametrize(
    ("request_", "where"),
    [
        ({"port": None}, "port"),
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"port": True}, "port"),
        ({"port": "2004"}, "port"),
        ({"nick": 5}, "nick"),
        ({"secret": "short"}, "secret"),
        ({"secret": ""}, "secret"),
        ({"roles": "relay"}, "roles"),
        ({"properties": []}, "properties"),
        ({"after": "1"}, "after"),
        ({"random": "a b", "secret": SECRET}, "random"),
        ({"random": "x" * 65, "secret": SECRET}, "random"),
        ({"nick": "x" * 1001}, "nick"),
        ({"notify_token": "x" * 100_000}, "notify_token"),
        ({"properties": {"version": "x" * 20_000}}, "properties"),
        ({"properties": {"deep": [{"x": "y" * 1000}] * 20}}, "properties"),
    ],
)
def test_a_registration_with_a_mistake_is_refused(request_, where):
    """The fault names the member, and nothing was entered."""
    room = RelayRoom()
    with pytest.raises(InvalidParams, match=where):
        room.register(**request_)
    assert len(room.roster) == 0


def test_what_is_unknown_is_ignored():
    """A newer host may say more."""
    assert RelayRoom().register(colour="red")["epoch"] == 1


# -- later on --------------------------------------------------------------------------------------


def test_secret_and_token_prove_a_sender():
    """Either is enough, from the registered address."""
    room = RelayRoom()
    answer = room.register(**OWN)
    assert send(room, answer, token=answer["token"]).random == "me"
    assert send(room, answer, secret=SECRET).random == "me"


@pytest.mark.parametrize("shown", [{"token": "x"}, {"secret": "x" * 22}, {}, {"token": 5}])
def test_a_sender_that_proves_nothing_is_spoofed(shown):
    """Nor is one with a wrong proof."""
    room = RelayRoom()
    with pytest.raises(Spoofed):
        send(room, room.register(**OWN), **shown)


def test_the_host_part_must_be_the_source_address():
    """The seed's check, with the right token too."""
    room = RelayRoom()
    answer = room.register(**OWN)
    with pytest.raises(Spoofed, match=r"10\.0\.0\.66"):
        send(room, answer, token=answer["token"], ip="10.0.0.66")


def test_a_sender_that_has_moved_is_told_to_register():
    """The proof is right and the address is not the registered one."""
    room = RelayRoom()
    answer = room.register(**OWN)
    moved = {"host_id": "me@10.0.0.7:2004"}
    with pytest.raises(NotRegistered, match="register again"):
        send(room, moved, token=answer["token"])


def test_a_displaced_sender_is_told_to_register():
    """Another listens where it was: what is sent to it would go to the other."""
    room = RelayRoom()
    answer = room.register(**OWN)
    room.roster.update(room.roster.get("me"), state=HostState.ONLINE)
    room.register(random="other", secret="o" * 22)
    with pytest.raises(NotRegistered, match="register again"):
        send(room, answer, token=answer["token"])


@pytest.mark.parametrize("state", [HostState.CHECKING, HostState.POLL])
def test_hosts_behind_one_nat_do_not_displace_each_other(state):
    """To the relay they are at one address, where nobody was reached: each is who it is."""
    room = RelayRoom()
    answer = room.register(**OWN)
    room.roster.update(room.roster.get("me"), state=state)
    other = room.register(random="other", secret="o" * 22)
    room.roster.update(room.roster.get("other"), state=state)
    for one in (answer, other, room.register(**OWN)):
        assert send(room, one, token=one["token"]).state in (state, HostState.CHECKING)


def test_hosts_without_a_name_behind_one_nat_are_two():
    """Who says that it cannot be connected to is not known by where it listens."""
    room = RelayRoom()
    first, second = (room.register(port=9, callback=False) for _ in range(2))
    assert first["host_id"] != second["host_id"] and first["token"] != second["token"]
    for one in (first, second):
        assert send(room, one, token=one["token"]).state is HostState.POLL


@pytest.mark.parametrize("host_id", [None, "me", "me@10.0.0.2", "@10.0.0.2:1", 5])
def test_a_sender_without_a_name_is_told_so(host_id):
    """The fault says what a host_id looks like."""
    with pytest.raises(InvalidParams, match="host_id"):
        RelayRoom().admission.sender({"host_id": host_id}, "10.0.0.2")


def test_an_unknown_sender_is_told_to_register():
    """NotRegistered is what makes a satellite register again."""
    with pytest.raises(NotRegistered):
        RelayRoom().admission.sender({"host_id": "x@10.0.0.2:1"}, "10.0.0.2")


@pytest.mark.parametrize(
    ("ip", "allowed", "passes"),
    [("10.0.0.2", False, False), ("10.0.0.2", True, True), ("127.0.0.1", False, True)],
)
def test_messages_without_a_token(ip, allowed, passes):
    """From loopback always, from elsewhere with allow_untokened; the fault names the setting."""
    room = RelayRoom(allow_untokened=allowed)
    answer = room.register(ip)
    if passes:
        assert send(room, answer).random == random_of(answer)
    else:
        with pytest.raises(Spoofed, match="allow_untokened"):
            send(room, answer)


def test_a_host_with_a_secret_always_shows_something():
    """allow_untokened is for hosts that have nothing to show."""
    room = RelayRoom(allow_untokened=True)
    with pytest.raises(Spoofed, match="secret"):
        send(room, room.register("127.0.0.1", **OWN))


def test_unregister_needs_the_hosts_own_proof():
    """Nobody takes another host out of the roster."""
    room = RelayRoom()
    answer = room.register(**OWN)
    with pytest.raises(Spoofed):
        room.procedures.unregister(a_caller(), {"host_id": answer["host_id"]})
    proof = {"host_id": answer["host_id"], "token": answer["token"]}
    assert room.procedures.unregister(a_caller(), proof)
    assert len(room.roster) == 0
