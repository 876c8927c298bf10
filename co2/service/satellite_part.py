"""A satellite's rooms, wired to each other and to a foundation."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from twisted.internet.defer import Deferred, gatherResults, maybeDeferred, succeed

from co2.delivery.backoff import Backoff
from co2.delivery.courier import Courier
from co2.delivery.outcomes import retry_as_told
from co2.errors import Co2Error, NotRegistered, Spoofed
from co2.interfaces import ICourier, IPeer
from co2.loading.finder import GROUP, extend_plugin_path, find_packages
from co2.loading.loader import Loader
from co2.model.hosts import Address
from co2.model.messages import Message
from co2.model.sent import Sent
from co2.model.settings import PeerSetting, RelaySetting
from co2.model.topics import union
from co2.satellite.collector import Collector
from co2.satellite.enrolment import Enrolment
from co2.satellite.handed_calls import HandedCalls
from co2.satellite.inbox import Inbox
from co2.satellite.outbox import Outbox, struct_for_plugins
from co2.satellite.procedures import SatelliteProcedures
from co2.service.foundation import PROPERTIES, Foundation, notify_token
from co2.service.relay_part import BATCH, PATIENCE, WRITTEN_AHEAD, until
from co2.wire.xmlrpc import encode_members

_EMBEDDED = Address("127.0.0.1", 1)
"""Stands for this process's own relay, whose port may be another one each time."""

_DOUBTS = 5
"""How often a refused identity is mended by registering again before a message is given up."""

_RELAY = "relay"
"""The relay's name among those that messages go to."""

_LONGEST_WAIT = 10.0
"""Seconds between two tries to reach a relay that is away."""


class SatellitePart:
    """See the module."""

    def __init__(self, base: Foundation) -> None:
        settings = base.settings
        self._base = base
        self._notify_token = ""
        self._doubts = 0
        self._journal = base.surroundings.journals(
            "outbox", base.ulids.make(), settings.retention, True
        )
        self.inbox = Inbox(
            lambda: self.loader.cells, base.ulids.make, base.surroundings.taken, base.reactor
        )
        self.outbox = Outbox(
            base.identity.random,
            self._journal,
            base.reactor,
            base.ulids.make,
            base.surroundings.now,
            self._deliver_here,
            self._ask_receipts,
        )
        self.loader = self._make_loader()
        self.enrolment: Enrolment | None = None
        self.collector: Collector | None = None
        self._procedures = SatelliteProcedures(
            base.dispatcher,
            lambda: self._notify_token if self.enrolment is not None else None,
            lambda: base.settings.trust_relay_admin or base.settings.relay == "embedded",
        )
        base.tell(self.loader)
        base.enter(self._procedures)

    def load(self) -> None:
        """Load the plugins, and enter their methods."""
        hidden = extend_plugin_path(self._base.settings.plugin_dirs)
        if hidden is not None:
            self.loader.refuse("plugin", "", hidden)
            return
        self.loader.load(self._base.settings.plugin_list)
        for cell in self.loader.cells:
            for refusal in cell.enter(self._base.registry):
                self.loader.refuse(refusal.procedure.name, cell.name, refusal.reason.text)

    def start(self) -> None:
        """Begin to listen to the relay and to peers, and to bring them what plugins send."""
        settings = self._base.settings
        for peer in settings.peers:
            self._base.doors.open(peer.secret, self.inbox.take_from_peer)
            self.outbox.add_courier(str(peer.address), self._open_peer(peer))
        relay = self._relay()
        if relay is not None:
            self._enrol(relay)
        self.outbox.open()

    def drain(self, timeout: float) -> Deferred[Any]:
        """Wait until what plugins have sent has gone where somebody is; at most `timeout` s."""
        return until(self._is_brought, self._base.reactor, timeout)

    def _is_brought(self) -> bool:
        unregistered = self.enrolment is not None and self.enrolment.trouble
        return self.outbox.is_brought([_RELAY] if unregistered else [])

    def end_plugins(self, timeout: float) -> Deferred[Any]:
        """Call every plugin's `__exit__`, and wait for them; at most `timeout` seconds.

        From here on no message is taken: the relay keeps it for when this host is back.
        """
        self.inbox.close()
        return gatherResults([cell.exit(timeout) for cell in self.loader.cells])

    def stop(self) -> Deferred[Any]:
        """Say goodbye, and send nothing more."""
        ending: list[Deferred[Any]] = [self.outbox.close()]
        if self.collector is not None:
            ending.append(self.collector.close())
        if self.enrolment is not None:
            ending.append(self.enrolment.stop())
        return gatherResults(ending)

    # -- plugins -------------------------------------------------------------------------------

    def _make_loader(self) -> Loader:
        base = self._base
        found = find_packages(base.settings.plugin_dirs, entry_points(group=GROUP))
        return Loader(
            found, self.send, base.reactor, base.reactor, lambda: base.settings.receive_timeout
        )

    def send(
        self, message: Any, topic: str | None = None, local: bool = False, retain: bool = False
    ) -> Sent:
        """Take a plugin's message; see `Outbox.send`."""
        return self.outbox.send(message, topic, local, retain)

    def _deliver_here(self, message: Message) -> None:
        struct = struct_for_plugins(message)
        struct["host_id"] = self._base.host_id()
        struct["client_address"] = tuple(self._base.address)
        self.inbox.deliver(struct)

    # -- the relay and peers -------------------------------------------------------------------

    def _relay(self) -> RelaySetting | None:
        relay = self._base.settings.relay
        if relay == "embedded":
            authorization = b"Bearer " + self._base.surroundings.admin_token.encode()
            return RelaySetting(self._base.address, authorization)
        return relay if isinstance(relay, RelaySetting) else None

    def _enrol(self, relay: RelaySetting) -> None:
        base = self._base
        at = _EMBEDDED if base.settings.relay == "embedded" else relay.address
        self._notify_token = notify_token(base.identity, at)
        courier = self._open_courier(relay)
        self.outbox.add_courier(_RELAY, courier)
        base.doors.open(self._notify_token, self.inbox.take)
        collector = self.collector = self._make_collector(relay)

        def enrolled(answer: dict[str, Any]) -> None:
            proof = {"host_id": answer["host_id"], "token": answer["token"]}
            courier.readdress(encode_members(proof))
            courier.resume()

        self.enrolment = Enrolment(
            base.network.peer(relay.address, relay.authorization),
            base.reactor,
            self._backoff(),
            self._request,
            enrolled,
            base.settings.send_timeout,
            stands=collector.follow,
        )
        self.enrolment.start()

    def _make_collector(self, relay: RelaySetting) -> Collector:
        base = self._base
        source = (relay.address.ip, relay.address.port)

        def proof() -> dict[str, Any]:
            return self.enrolment.proof() if self.enrolment is not None else {}

        def open_peer() -> IPeer:
            return base.network.peer(relay.address, relay.authorization)

        timeout = base.settings.send_timeout
        return Collector(
            open_peer(),
            base.reactor,
            self._backoff(),
            proof,
            lambda message: self.inbox.take(message, *source),
            HandedCalls(
                open_peer(),
                proof,
                self._procedures.collected,
                timeout,
                base.reactor,
                self._backoff,
            ),
            lambda: self.enrolment.register_again() if self.enrolment is not None else None,
            timeout,
        )

    def _ask_receipts(self, sent: Sent) -> Deferred[list[dict[str, Any]]]:
        if self.enrolment is None:
            return succeed([])
        return maybeDeferred(self.enrolment.ask, "relay.receipt", {"id": sent.id})

    def _request(self) -> dict[str, Any]:
        settings, identity = self._base.settings, self._base.identity
        return {
            "port": self._base.address.port,
            "nick": settings.nick,
            "random": identity.random,
            "secret": identity.secret,
            "notify_token": self._notify_token,
            **self._wishes(),
            "properties": PROPERTIES,
        }

    def _wishes(self) -> dict[str, Any]:
        """Say which messages this host's plugins want."""
        receiving = [cell for cell in self.loader.cells if cell.receives]
        wanted = union(cell.topics for cell in receiving)
        wishes: dict[str, Any] = {}
        if not wanted.takes_everything:
            wishes["topics"] = list(wanted.patterns or ())
        if receiving and all(cell.newest for cell in receiving):
            wishes["backlog"] = "newest"
        return wishes

    def _open_courier(self, relay: RelaySetting) -> Courier:
        return Courier(
            self._journal,
            self._base.network.peer(relay.address, relay.authorization),
            self._base.reactor,
            self._backoff(),
            method="relay.relay",
            settled=self._relayed,
            retry=self._retry,
            window=WRITTEN_AHEAD,
            batch=BATCH,
            timeout=self._base.settings.send_timeout,
            after=self._journal.first_seq - 1,
            reached=self._journal.last_seq,
        )

    def _open_peer(self, peer: PeerSetting) -> ICourier:
        here = f"{self._base.identity.random}@{self._here_towards(peer)}"
        name = str(peer.address)
        courier = Courier(
            self._journal,
            self._base.network.peer(peer.address),
            self._base.reactor,
            self._backoff(),
            method="notify",
            members=encode_members({"host_id": here, "token": peer.secret, "patience": PATIENCE}),
            settled=lambda entry, outcome: self.outbox.settled(name, entry, outcome),
            window=WRITTEN_AHEAD,
            batch=BATCH,
            timeout=self._base.settings.receive_timeout + self._base.settings.send_timeout,
            after=self._journal.first_seq - 1,
            reached=self._journal.last_seq,
        )
        courier.resume()
        return courier

    def _here_towards(self, peer: PeerSetting) -> str:
        ip = self._base.network.local_ip(peer.address)
        return str(self._base.address._replace(ip=ip))

    def _backoff(self) -> Backoff:
        return Backoff(self._base.surroundings.draw, longest=_LONGEST_WAIT)

    def _relayed(self, entry: Any, outcome: Any) -> None:
        self._doubts = 0
        self.outbox.settled(_RELAY, entry, outcome)

    def _retry(self, error: Co2Error) -> float | None:
        """Mend a lost registration before a message is given up."""
        if not isinstance(error, NotRegistered | Spoofed):
            return retry_as_told(error)
        if isinstance(error, Spoofed) and self._doubts >= _DOUBTS:
            return None
        # A relay that does not know this host (yet) is not the message's fault, however long.
        self._doubts = min(self._doubts + 1, _DOUBTS)
        if self.enrolment is not None:
            self.enrolment.register_again()
        return 0.2 * 2.0**self._doubts
