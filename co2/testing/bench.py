"""A bench for one plugin: load its class, hand it messages, call its methods, see what it sends.

    bench = PluginBench(X_Lamp, 'lights.lamp')
    bench.receive({'brightness': 3})
    assert bench.call('fade', 1.5) is True
    assert bench.sent[0]['data'] == {'fading': 1.5}
    bench.advance(60)

Everything between the test and the plugin is the satellite's own: the cell that contains what the
plugin raises, the registry, the checks of arguments against the signature, the faults, the outbox
that refuses what cannot travel. Only network and clock are doubles; `docs/testing.md` shows more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.logger import Logger
from zope.interface import implementer

from co2.api import Co2Plugin
from co2.delivery.journal import MemoryJournal
from co2.interfaces import ICourier, IJournal
from co2.loading.cell import Cell
from co2.loading.worker import Worker
from co2.model.calls import Call, Caller, Level
from co2.rpc.conversation import ConversationMethods, Conversations
from co2.rpc.dispatch import Dispatcher
from co2.rpc.introspection import Introspection
from co2.rpc.registry import Registry
from co2.satellite.outbox import Outbox, struct_for_plugins
from co2.testing.clock import ClockReactor
from co2.testing.plugins import plugin_var_dict
from co2.testing.samples import result_of
from co2.wire.xmlrpc import decode_call, decode_reply, encode_call, encode_reply, wrap_members

HOST_ID = "bench@127.0.0.1:2004"
OTHER_HOST = "other@127.0.0.1:2005"


@implementer(ICourier)
class RecordingCourier:
    """Brings messages to a list, as they would travel.

    Args:
        journal: what to read from.
        settled: told of each, once it is brought.

    Attributes:
        brought: the structs.
    """

    def __init__(self, journal: IJournal, settled: Any) -> None:
        self.cursor = 0
        self.reached = 0
        self.tries = 0
        self.trouble = ""
        self.paused = False
        self.brought: list[dict[str, Any]] = []
        self._journal = journal
        self._settled = settled

    @property
    def queued(self) -> int:
        """How many messages are not settled yet."""
        return int(self._journal.last_seq) - self.cursor

    def readdress(self, members: bytes) -> None:
        """There is nowhere else."""

    def resume(self) -> None:
        """Go on."""
        self.paused = False
        self.wake()

    def pause(self) -> None:
        """Bring nothing more until `resume`."""
        self.paused = True

    def wake(self) -> None:
        """Bring what there is."""
        while not self.paused and (entries := self._journal.read(self.cursor, 1)):
            entry = entries[0]
            self.cursor = self.reached = entry.seq
            struct = decode_call(b"".join(wrap_members("notify", (entry.xml,)))).params[0]
            self.brought.append({**struct, "host_id": HOST_ID})
            self._settled(entry, {"id": entry.message.id, "recipients": 1, "seq": entry.seq})

    def close(self) -> Deferred[None]:
        """Stop for good."""
        self.paused = True
        return succeed(None)


class PluginBench:
    """See the module.

    Args:
        cls: the plugin's class.
        dotted_name: `<package>.<module>`, what its methods are called by.
        config_dirs: folders where its `<module>_config.py` is looked for.
        receive_timeout: seconds that its `receive` may take.

    Raises:
        whatever the plugin's constructor raises.

    Attributes:
        plugin: the instance.
        clock: what `advance` moves; a plugin that takes a reactor can be given it.
        logged: what it wrote with `log` and `debug`, as (level, message) pairs.
    """

    def __init__(
        self,
        cls: type[Co2Plugin],
        dotted_name: str = "bench.bench",
        config_dirs: Sequence[str | Path] = (),
        receive_timeout: float = 30.0,
    ) -> None:
        self.clock = ClockReactor()
        self.logged: list[tuple[str, Any]] = []
        self._numbers = count(1)
        self._prefix = dotted_name
        self._outbox, self._courier = self._make_outbox()
        self.plugin = cls(
            plugin_var_dict(
                dotted_name,
                self._send,
                lambda caller, msg: self.logged.append(("info", msg)),
                lambda caller, msg: self.logged.append(("debug", msg)),
                config_dirs,
            )
        )
        package, _, module = dotted_name.partition(".")
        worker = Worker(dotted_name, self.clock) if self.plugin.threaded else None
        self._cell = Cell(self.plugin, package, module, self.clock, lambda: receive_timeout, worker)
        self._dispatcher = self._enter()

    # -- messages ----------------------------------------------------------------------------------

    @property
    def sent(self) -> list[dict[str, Any]]:
        """The messages that the plugin has sent, as every other host would get them."""
        return self._courier.brought

    def receive(self, data: Any, host_id: str = OTHER_HOST, **members: Any) -> str | None:
        """Hand a message over as the satellite does, from another host unless you say otherwise.

        Args:
            data: what is in it; it comes to the plugin as it would after its way.
            host_id: the author.
            members: further members of the message: topic, id, time…

        Returns:
            'ok', 'raised: …', 'timeout' or 'skipped'; None while `receive` is still at it.
        """
        struct = {
            "id": f"{next(self._numbers):026d}",
            "host_id": host_id,
            "time": self.clock.seconds(),
            "data": data,
            **members,
        }
        (travelled,) = decode_call(encode_call("notify", [struct], fine_times=True)).params
        ip, _, port = host_id.partition("@")[2].rpartition(":")
        outcome = self._cell.deliver({**travelled, "client_address": (ip, int(port))})
        if isinstance(outcome, Deferred):
            return self._waited(outcome)
        return outcome

    def go_offline(self) -> None:
        """Let nobody be there who takes messages: `send()` stays under way."""
        self._courier.pause()

    def go_online(self) -> None:
        """Let what was kept be taken."""
        self._courier.resume()

    # -- methods -----------------------------------------------------------------------------------

    def call(self, method: str, *params: Any, level: str = "call") -> Any:
        """Call an `x_` method as any client of the network does.

        Args:
            method: its name without `x_`, or a whole wire name such as `co2.open`.
            params: the arguments; they are checked against the signature.
            level: the caller's: 'open', 'read', 'call' or 'admin'.

        Returns:
            the result as it travels; or, while the method waits, a Deferred of it.

        Raises:
            Co2Error: the fault that a caller would get.
        """
        name = method if "." in method else f"{self._prefix}.{method}"
        travelled = decode_call(encode_call(name, params, fine_times=True))
        caller = Caller(Level[level.upper()], "127.0.0.1", 40000, level, "the test says so")
        result = maybeDeferred(self._dispatcher.call, Call(name, travelled.params), caller)
        result.addCallback(lambda value: decode_reply(encode_reply(value, fine_times=True)))
        self._serve_thread(result)
        return result_of(result) if result.called else result

    def converse(self, method: str, *params: Any, level: str = "call") -> Iterator[Any]:
        """Run a conversation that asks for nothing, and give its replies one by one."""
        name = f"{self._prefix}.{method}"
        step = self.call("co2.open", {"method": name, "params": list(params)}, level=level)
        while True:
            yield from step["replies"]
            if step["done"]:
                return
            following = {"conversation": step["conversation"], "step": step["step"] + 1}
            step = self.call("co2.next", following, level=level)

    # -- time and the end ------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.pass_time(seconds)

    def exit(self) -> None:
        """Call the plugin's `__exit__`, as at the end of a server."""
        ending = self._cell.exit(10.0)
        self._serve_thread(ending)

    # -- inside ------------------------------------------------------------------------------------

    def _make_outbox(self) -> tuple[Outbox, RecordingCourier]:
        journal = MemoryJournal("bench", 10_000, 1 << 28, outgoing=True)
        outbox = Outbox(
            "bench",
            journal,
            self.clock,
            lambda: f"{next(self._numbers):026d}",
            self.clock.seconds,
            self._deliver_here,
            lambda sent: succeed([]),
        )
        courier = RecordingCourier(
            journal, lambda entry, answer: outbox.settled("bench", entry, answer)
        )
        outbox.add_courier("bench", courier)
        outbox.open()
        return outbox, courier

    def _enter(self) -> Dispatcher:
        registry = Registry()
        conversations = Conversations(self.clock, lambda: f"c{next(self._numbers)}")
        dispatcher = Dispatcher(registry, self.clock, conversations, Logger())
        registry.enter_source(ConversationMethods(conversations, dispatcher.begin))
        registry.enter_source(Introspection(registry, dispatcher))
        for refusal in self._cell.enter(registry):
            raise refusal.reason
        return dispatcher

    def _send(
        self, message: Any, topic: Any = None, local: Any = False, retain: Any = False
    ) -> Any:
        return self._outbox.send(message, topic, local, retain)

    def _deliver_here(self, message: Any) -> None:
        struct = {**struct_for_plugins(message), "host_id": HOST_ID}
        self._cell.deliver({**struct, "client_address": ("127.0.0.1", 2004)})

    def _waited(self, outcome: Deferred[str]) -> str | None:
        self._serve_thread(outcome)
        return str(result_of(outcome)) if outcome.called else None

    def _serve_thread(self, waiting: Deferred[Any]) -> None:
        while self.plugin.threaded and not waiting.called:
            self.clock.wait_for_thread()
