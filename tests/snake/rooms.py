"""What the tests of the daemon's rooms share: a transport in memory, a daemon on a clock."""

import textwrap

from twisted.internet.task import Clock

from plugin.snake.cedar.negotiation import Policy
from plugin.snake.cedar.values import MessageReader
from plugin.snake.cedar.wire import Wire
from plugin.snake.daemon.connection import CommandConnection
from plugin.snake.daemon.daemon import SnakeDaemon
from plugin.snake.daemon.logs import DaemonLog
from plugin.snake.daemon.stream import Address
from plugin.snake.language.genus import read_genus
from plugin.snake.language.macros import parse

QUERY = 5
OTHER = 6


class Transport:
    """The client's end of a connection in memory: it collects what the server sends."""

    disconnecting = False

    def __init__(self, protocol, peer="127.0.0.1"):
        self.protocol, self.peer = protocol, peer
        self.received = Wire()
        self.closed = self.reading = True
        self.closed = False
        self.producer = None
        protocol.makeConnection(self)

    def getPeer(self):
        return Address(self.peer, 1)

    def getHost(self):
        return Address("127.0.0.1", 2)

    def write(self, data):
        assert not self.closed
        self.received.feed(data)

    def loseConnection(self):
        if not self.closed:
            self.closed = True
            self.protocol.connectionLost(None)

    abortConnection = loseConnection

    def registerProducer(self, producer, streaming):
        self.producer = producer

    def unregisterProducer(self):
        self.producer = None

    def pauseProducing(self):
        self.reading = False

    def resumeProducing(self):
        self.reading = True

    def hang_up(self):
        """The client leaves."""
        self.loseConnection()

    def say(self, *values, raw=None):
        """Send a message: ints, strs and (as dicts) ads."""
        wire = Wire()
        writer = wire.writer()
        if raw is not None:
            writer.integer(raw)
        for value in values:
            if isinstance(value, int):
                writer.integer(value)
            elif isinstance(value, str):
                writer.text(value)
            elif isinstance(value, bytes):
                writer.raw(value)
            else:
                writer.python_ad(value)
        wire.send(writer)
        self.protocol.dataReceived(wire.data_to_send())

    def message(self) -> MessageReader | None:
        """Give the next message from the server."""
        return self.received.message()

    def ints(self):
        """Give the ints of the next message."""
        message = self.message()
        return None if message is None else [message.integer() for _ in range(message.left // 8)]


class Listening:
    """A listener that nobody can reach."""

    def __init__(self, reactor, make, interface, port):
        self.make = make
        self.address = Address(interface, 9618)
        self.open = True

    def close(self):
        self.open = False


class Den:
    """A daemon on a clock, its code in a directory that a test may edit."""

    def __init__(self, folder, code, extra="", table=("QUERY_STARTD_ADS READ handle",)):
        self.clock = Clock()
        self.lines = []
        self.ended = []
        self.folder = folder
        (folder / "snake").mkdir(exist_ok=True)
        self.configure(extra, table)
        self.write(code)
        log = DaemonLog(self.lines.append, self.clock.seconds)
        self.daemon = SnakeDaemon(
            self.read, self.clock, log, lambda: self.ended.append(True), Listening
        )

    def configure(self, extra="", table=("QUERY_STARTD_ADS READ handle",)):
        """Write the configuration."""
        lines = [f"TEST_SNAKE_PATH = {self.folder}", "TEST_SNAKE_COMMAND_TABLE @=end", *table]
        self.config = "\n".join([*lines, "@end", extra])

    def read(self):
        """Read the configuration."""
        return read_genus("TEST", parse(self.config))

    def write(self, code):
        """Write the code of `snake`."""
        (self.folder / "snake" / "__init__.py").write_text(textwrap.dedent(code))

    def start(self):
        """Start the daemon."""
        self.daemon.start()
        return self

    def connect(self, peer="127.0.0.1"):
        """Connect a client."""
        return Transport(CommandConnection(self.daemon), peer)

    def later(self, seconds):
        """Let time pass, second by second."""
        for _ in range(int(seconds)):
            self.clock.advance(1)

    def said(self, text):
        """Tell whether a line of the log has that text."""
        return any(text in line for line in self.lines)


def policy(**wishes):
    """Make a client's policy."""
    return Policy(**wishes)
