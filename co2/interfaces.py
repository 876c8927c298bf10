"""The seams of co2: what one room may ask of another.

An implementation declares itself with `@implementer`, and a contract test in `co2.testing` is run
over every one, the doubles for tests included. Methods that can wait return a Deferred.
Which clock is asked for what is said in `co2.model.clocks`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from co2.model.calls import Call, Caller
from co2.model.hosts import Address, Identity, Registration
from co2.model.messages import Cursor, Entry, Kept, Message, Outcome, Taken
from co2.model.procedure import Procedure


class IPlugin(Interface):
    """What a satellite asks of a loaded plugin; `co2.api.Co2Plugin` is the base of them."""

    name = Attribute("`<package>.<module>`, a str")

    def receive(data_dict: dict[str, Any]) -> Any:
        """Take a message: the struct of PROTOCOL section 3 with `client_address` added."""

    def __exit__() -> Any:
        """Clean up; the server waits for it, a Deferred included, and ignores its result."""


class IReceiver(Interface):
    """A plugin as the inbox sees it: something that takes messages and cannot do harm."""

    name = Attribute("dotted name of the plugin class, a str")
    receives = Attribute("whether it wants messages at all, a bool")

    def wants(topic: str | None, superseded: bool) -> bool:
        """Tell whether it wants a message of that topic.

        Args:
            topic: the message's, or None.
            superseded: its author has sent a newer one on the same topic already.
        """

    def deliver(struct: dict[str, Any]) -> Any:
        """Hand a message over.

        Returns:
            'ok', 'raised: …' or 'timeout', or a Deferred of one; it never fails.
        """


class IProcedureSource(Interface):
    """Something that brings methods into the registry."""

    def procedures() -> Iterable[Procedure]:
        """Give every procedure that the source has now."""


class ICalls(Interface):
    """Where a call goes once it is read: `rpc.dispatch`, or a double of it."""

    def call(call: Call, caller: Caller) -> Any:
        """Run a method.

        Returns:
            the result, or a Deferred of it.

        Raises:
            Co2Error: what became the fault; nothing else is raised.
        """


class IPeer(Interface):
    """One remote server, spoken to over one connection, opened when needed and kept."""

    address = Attribute("where it listens, a co2.model.hosts.Address")

    def post(parts: tuple[bytes, ...], timeout: float) -> Deferred[bytes]:
        """Send an XML-RPC document, and give the body of the answer.

        Posts may be made before earlier ones are answered; they are written ahead, and answered
        in the order they were made in.

        Args:
            parts: the document, in pieces that are sent one after the other.
            timeout: seconds for the whole exchange, counted from now.

        Returns:
            a Deferred of the answer's body; it fails with TransportFailed or TimedOut. Cancelling
            it closes the connection if it has been written already.
        """

    def close() -> Deferred[None]:
        """Close the connection; what was not answered fails with TransportFailed."""


class INetwork(Interface):
    """Opens the way to other servers."""

    def peer(address: Address, authorization: bytes | None = None) -> IPeer:
        """Give a peer for that address; nothing is connected before the first post.

        Args:
            address: where it listens.
            authorization: the value of the Authorization header, or None for none.
        """

    def local_ip(towards: Address) -> str:
        """Give the address, in canonical form, that a connection there would come from."""


class IJournal(Interface):
    """The numbered messages of one relay or sender, oldest first."""

    journal_id = Attribute("a str that changes when the numbers start anew")
    last_seq = Attribute("the number of the newest entry that can be read, 0 before the first")
    first_seq = Attribute("no entry below this number can be read; last_seq + 1 if there is none")

    def append(message: Message) -> Deferred[Entry]:
        """Give the message its number and keep it; the Deferred fires when it is safe.

        It fails with QueueFull (a sender's journal) or JournalFailed, and nothing was kept then.
        """

    def read(after: int, most: int) -> list[Entry]:
        """Give up to `most` entries with a number greater than `after`, oldest first.

        Fewer are no sign of the end; none are.
        """

    def release(upto: int) -> None:
        """Allow entries up to that number to be forgotten: everybody has them."""

    def known(random: str, id: str) -> tuple[int, bytes] | None:
        """Give number and digest of the message of that author and id, or None."""

    def find(id: str) -> list[Kept]:
        """Give the messages of that id, of whatever authors, also those whose content has left."""

    def latest(random: str, topic: str | None = None) -> Entry | None:
        """Give the newest message of an author, or the newest of one topic."""

    def retained() -> list[Entry]:
        """Give the last value of each author and topic that asked to be kept, oldest first."""

    def prune(now: float, cursors: Mapping[str, int]) -> None:
        """Let go of what is too old or too much.

        Args:
            now: UNIX seconds, for receipts; age is measured by the journal itself.
            cursors: how far each satellite has come; what it has not got is noted as expired.
        """


class ILedger(Interface):
    """What became of messages: how far each satellite has come, and what went otherwise."""

    def cursors() -> dict[str, Cursor]:
        """Give how far everybody has come."""

    def keep_cursor(name: str, cursor: Cursor) -> None:
        """Note how far somebody has come; a crash may lose the last moment of it."""

    def forget_cursor(name: str) -> None:
        """Drop what is known of somebody who is gone."""

    def keep_outcome(seq: int, name: str, outcome: Outcome) -> None:
        """Note that a message was not simply delivered to somebody."""

    def outcomes(seq: int) -> dict[str, Outcome]:
        """Give those of a message, by satellite, the expired ones included."""


class ITaken(Interface):
    """What an inbox has taken: so that nothing is run twice, whatever happens to the host."""

    outlives = Attribute("whether it is still known after the process has died, a bool")

    def known(key: tuple[str, str]) -> Taken | None:
        """Give what is known of the message of that (random, id)."""

    def begin(key: tuple[str, str], digest: bytes) -> Deferred[None] | None:
        """Note that plugins are about to see it; None if nothing is to be waited for."""

    def finish(key: tuple[str, str], answer: dict[str, Any]) -> Deferred[None] | None:
        """Note the answer; None if nothing is to be waited for."""


class ICourier(Interface):
    """Brings the messages of a journal to one peer, in order (`delivery.courier`)."""

    cursor = Attribute("number of the last message that is settled")
    reached = Attribute("number of the last message that may have reached the peer")
    queued = Attribute("how many messages are not settled yet")
    tries = Attribute("how often the next message was tried in vain")
    trouble = Attribute("why the last try failed, a str; empty if it did not")

    def readdress(members: bytes) -> None:
        """Write these members with every further message in place of the former ones."""

    def resume() -> None:
        """Begin, or go on after a pause or before a wait is over."""

    def pause() -> None:
        """Post nothing more until `resume`."""

    def wake() -> None:
        """Notice that the journal has grown."""

    def close() -> Deferred[None]:
        """Stop for good and close the connection."""


class IBackoff(Interface):
    """How long to wait before the next try (`delivery.backoff`)."""

    def next() -> float:
        """Give the seconds to wait after one more failure."""

    def reset() -> None:
        """Begin anew after a success."""


class IRosterStore(Interface):
    """Where a relay keeps its satellites over a restart."""

    def load() -> list[Registration]:
        """Give every registration that was kept."""

    def keep(registration: Registration) -> Deferred[None] | None:
        """Write a new or changed registration.

        Returns:
            None if it is written, so that kill -9 does not lose it; or a Deferred that fires when
            it is, or fails with JournalFailed.

        Raises:
            JournalFailed: it cannot be written; nothing has changed.
        """

    def forget(random: str) -> Deferred[None] | None:
        """Remove the registration of that random part, as above; unknown ones are no error."""


class IIdentityStore(Interface):
    """Where a server keeps who it is."""

    def identity(draw: Callable[[], Identity]) -> Identity:
        """Give the identity that was kept, or keep and give the one that `draw` makes."""


class IClockedWork(Interface):
    """Something a service starts and stops, and that does work by the clock meanwhile."""

    def start() -> None:
        """Begin; called once."""

    def stop() -> Deferred[None]:
        """End; the Deferred fires when nothing of it is left to do."""


class IProperties(Interface):
    """What `system.get_properties` tells of a server."""

    def properties() -> Mapping[str, Any]:
        """Give the keys that this part of the server knows."""
