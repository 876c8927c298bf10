"""What connections share."""

from http_ends import Server, call
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.testing import StringTransport

from co2.net.http_serving import Ends, ends_of


def test_ends() -> None:
    """Both ends of an IP connection are its addresses; a UNIX socket's is this machine."""
    here, there = IPv6Address("TCP", "::1", 2004), IPv6Address("TCP", "::1", 5000)
    assert ends_of(StringTransport(here, there)) == Ends("::1", 5000, "::1")
    here4, there4 = IPv4Address("TCP", "192.0.2.1", 1), IPv4Address("TCP", "192.0.2.2", 2)
    assert ends_of(StringTransport(here4, there4)) == Ends("192.0.2.2", 2, "192.0.2.1")
    unix = UNIXAddress("socket")
    assert ends_of(StringTransport(unix, unix)) == Ends("127.0.0.1", 0, "127.0.0.1")


def test_heads_are_shared() -> None:
    """A head that one connection has shown is known to all."""
    server = Server()
    first, second = server.connect(), server.connect()
    first.send(call("echo", 1))
    second.send(call("echo", 1))
    assert first.answer().body == second.answer().body
