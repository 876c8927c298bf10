"""What cleaning takes out, and that it is consistent."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.gatherer.cleaning.cleaning import Cleaner, CleanStream, looks_binary
from plugin.gatherer.cleaning.mapping import Mapping, Names

PEM = (
    b"before\n-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA7\nabc=\n"
    b"-----END RSA PRIVATE KEY-----\nafter\n"
)


@pytest.fixture
def cleaner():
    names = Names(words={"acme"})
    names.learn_host("Web1.corp.example.org")
    names.learn_passwd("root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n")
    names.learn_hosts_file("127.0.0.1 localhost\n10.0.0.7 db7.corp.example.org db7 # comment\n")
    return Cleaner(Mapping(), names)


def test_addresses_keep_their_networks(cleaner):
    """Two addresses of one network stay in one network; loopback and masks stay as they are."""
    text = cleaner.text("10.1.2.3 10.1.2.4 10.9.9.3 127.0.0.1 255.255.255.0 0.0.0.0")
    one, two, other, *rest = text.split()
    assert one.rpartition(".")[0] == two.rpartition(".")[0] != other.rpartition(".")[0]
    assert rest == ["127.0.0.1", "255.255.255.0", "0.0.0.0"]
    assert one.endswith(".3") and "10.1.2" not in text


def test_ipv6_and_hardware_addresses(cleaner):
    """They are mapped too, each to the same stand-in every time, and times are left alone."""
    text = "2a01:4f8::1 fe80::1%eth0 ::1 00:1B:21:aa:bb:cc 00-1b-21-aa-bb-cc at 12:30:45"
    clean = cleaner.text(text).split()
    assert clean[0].startswith("fd00:c02") and clean[1].startswith("fe80::")
    assert clean[2] == "::1" and clean[3] == "02:c0:02:00:00:01"
    assert clean[4] == "02-c0-02-00-00-01" and clean[-1] == "12:30:45"


def test_names_of_hosts_users_and_words(cleaner):
    """Short and long host names, people, and given words go, in any case; root stays."""
    clean = cleaner.text("WEB1 web1.corp.example.org db7 Alice alice@web1 root ACME website1")
    for gone in ("web1.", "corp", "db7", "alice", "acme"):
        assert gone not in clean.lower().split("website1")[0], (gone, clean)
    assert "root" in clean and "website1" in clean
    assert clean.split()[0] == clean.split()[1].split(".")[0]


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("password = hunter2", "hunter2"),
        ('DB_PASSWORD="hunter 2"', "hunter 2"),
        ("api-key: abcdef123", "abcdef123"),
        ("Authorization: Bearer abc.def-ghi", "abc.def"),
        ("https://joe:hunter2@site/", "hunter2"),
        ("root:$6$salt$hashhashhash:19000", "hashhash"),
        ("key AKIAIOSFODNN7EXAMPLE here", "AKIAIOSFODNN7EXAMPLE"),
        ("psk=topsecret", "topsecret"),
        ("snmp community public1", None),
        ("community = public1", "public1"),
        ("client_secret: 'x y'", "x y"),
    ],
)
def test_secrets_are_removed(cleaner, text, secret):
    """Passwords, keys, tokens and hashes are not mapped but removed."""
    clean = cleaner.text(text)
    assert secret is None or (secret not in clean and "<removed>" in clean)


@pytest.mark.parametrize("cut", range(1, len(PEM), 7))
def test_private_keys_are_removed_however_they_are_cut(cleaner, cut):
    """A key block goes, wherever the pieces of the stream begin and end."""
    stream = CleanStream(cleaner)
    out = stream.feed(PEM[:cut]) + stream.feed(PEM[cut:]) + stream.finish()
    assert out == b"before\n<removed>\nafter\n"


@given(st.lists(st.integers(0, 400), max_size=6))
def test_pieces_do_not_matter(cuts):
    """However a text is cut into pieces, it is cleaned the same."""
    text = b"".join(b"from 10.0.%d.7 password=x%d alice\n" % (n, n) for n in range(12))
    names = Names(users={"alice"})
    whole = Cleaner(Mapping(), names).line(text)
    stream = CleanStream(Cleaner(Mapping(), names))
    ends = sorted({0, len(text), *(one for one in cuts if one < len(text))})
    out = b"".join(stream.feed(text[a:b]) for a, b in pairwise(ends))
    assert out + stream.finish() == whole


def test_keys_and_fingerprints_are_mapped(cleaner):
    """A public key is the same token wherever it stands, so that one sees where it is used."""
    key = "AAAAB3NzaC1yc2EAAAADAQABAAABgQC7vbqajDhA2bKx"
    clean = cleaner.text(f"ssh-rsa {key} alice\nother {key}\n")
    assert key not in clean and clean.count("key1") == 2


def test_the_map_can_be_used_again(cleaner):
    """With the kept map another run gives the same stand-ins."""
    first = cleaner.text("10.1.2.3 db7 00:1b:21:aa:bb:cc")
    kept = json.loads(json.dumps(cleaner.mapping.as_struct()))
    again = Cleaner(Mapping.from_struct(kept), cleaner.names)
    assert again.text("00:1b:21:aa:bb:cc db7 10.1.2.3").split()[::-1] == first.split()
    with pytest.raises(ValueError, match="no map"):
        Mapping.from_struct({"a": 1})


@given(st.binary(max_size=500))
def test_any_bytes_can_be_cleaned(data):
    """Nothing that a file holds makes cleaning fail."""
    stream = CleanStream(Cleaner(Mapping(), Names(users={"alice"})))
    stream.feed(data)
    stream.finish()
    looks_binary(data)
