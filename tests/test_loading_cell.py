"""co2.loading.cell: whatever a plugin does hurts nobody else."""

from __future__ import annotations

import queue
import threading

import pytest
from twisted.internet.defer import Deferred, ensureDeferred
from zope.interface import implementer

from co2.api import Co2Plugin, LocalError, Procedure, level
from co2.errors import MethodNotFound
from co2.interfaces import IProcedureSource
from co2.loading.cell import Cell
from co2.loading.worker import Worker
from co2.model.calls import Level
from co2.rpc.registry import Registry
from co2.testing.bench import PluginBench
from co2.testing.clock import ClockReactor
from co2.testing.contracts import ReceiverContract
from co2.testing.plugins import RecordingPlugin, plugin_var_dict
from co2.testing.samples import result_of

pytestmark = pytest.mark.usefixtures("logged_failures")


def a_cell(cls=RecordingPlugin, clock=None, threaded=False):
    clock = clock or ClockReactor()
    worker = Worker("bench.bench", clock) if threaded else None
    plugin = cls(plugin_var_dict())
    return Cell(plugin, "bench", "bench", clock, lambda: 30.0, worker)


class TestCell(ReceiverContract):
    """A cell is what the inbox sees of a plugin."""

    def make_receiver(self):
        return a_cell()


class Plugin(Co2Plugin):
    """Does in `receive` what the test says; a base for the ones below."""

    act = staticmethod(lambda struct: None)

    def receive(self, data_dict):
        return self.act(data_dict)


def with_act(act, **options):
    cell = a_cell(Plugin, **options)
    cell.plugin.act = act
    return cell


def raising(error):
    def act(struct):
        raise error

    return act


# -- messages --------------------------------------------------------------------------------------


def test_what_receive_raises_is_the_outcome_and_in_the_log(logged_failures):
    """Nothing comes out; the sender hears class and text, not a traceback."""
    assert with_act(raising(ValueError("no lamp"))).deliver({}) == "raised: ValueError: no lamp"
    assert len(logged_failures.take(ValueError)) == 1


def test_not_even_exit_gets_out(logged_failures):
    """A plugin that calls sys.exit ends its own message only."""
    assert with_act(raising(SystemExit(3))).deliver({}) == "raised: SystemExit: 3"
    logged_failures.take(SystemExit)


def test_a_long_text_is_cut_and_a_broken_one_replaced(logged_failures):
    """What a plugin says of itself cannot fill a network."""

    class Rude(Exception):
        def __str__(self):
            raise RuntimeError

    assert len(with_act(raising(ValueError("x" * 5000))).deliver({})) == 200
    assert with_act(raising(Rude())).deliver({}).startswith("raised: Rude: (")
    logged_failures.take()


def test_what_returns_nothing_is_ok_and_what_returns_something_too():
    """`receive` has no answer of its own."""
    assert with_act(lambda struct: None).deliver({}) == "ok"
    assert with_act(lambda struct: 5).deliver({}) == "ok"


def test_a_deferred_and_a_coroutine_are_waited_for(logged_failures):
    """The outcome comes when they are done, and no timer is left."""
    clock, waiting = ClockReactor(), Deferred()

    async def later(struct):
        await waiting
        raise ValueError("late")

    outcome = with_act(later, clock=clock).deliver({})
    assert not outcome.called
    waiting.callback(None)
    assert result_of(outcome) == "raised: ValueError: late"
    assert clock.getDelayedCalls() == []
    logged_failures.take(ValueError)


def test_one_that_hangs_is_reported_in_time(logged_failures):
    """After receive_timeout it is a timeout, and what it waited for is cancelled."""
    clock, cancelled = ClockReactor(), []
    outcome = with_act(lambda struct: Deferred(cancelled.append), clock=clock).deliver({})
    clock.advance(29.9)
    assert not outcome.called
    clock.advance(0.2)
    assert result_of(outcome) == "timeout"
    assert len(cancelled) == 1


def test_one_that_was_late_is_not_waited_for_until_it_is_in_time():
    """A plugin that hangs costs the others one timeout, not one for every message."""
    clock = ClockReactor()
    given: list[Deferred[None]] = []

    def act(struct):
        given.append(Deferred())
        return given[-1]

    cell = with_act(act, clock=clock)
    first = cell.deliver({})
    clock.advance(30)
    assert result_of(first) == "timeout"
    assert [result_of(cell.deliver({})) for _ in range(3)] == ["timeout"] * 3
    assert len(given) == 4
    given[-1].callback(None)
    waited_for = cell.deliver({})
    assert not waited_for.called
    given[-1].callback(None)
    assert result_of(waited_for) == "ok"


def test_one_that_hangs_gets_only_so_many():
    """What hangs does not pile up without an end."""
    clock = ClockReactor()
    given: list[Deferred[None]] = []

    def act(struct):
        given.append(Deferred())
        return given[-1]

    cell = with_act(act, clock=clock)
    cell.deliver({})
    clock.advance(30)
    for _ in range(500):
        cell.deliver({})
    assert cell.deliver({}) == "timeout"
    assert len(given) == 1 + 100
    clock.advance(30)
    cell.deliver({})
    assert len(given) == 1 + 100 + 1


def test_one_that_raises_after_its_time_is_logged(logged_failures):
    """Its outcome was told already; what it raises is not lost."""
    clock, waiting = ClockReactor(), Deferred(lambda deferred: deferred.callback(None))

    async def stubborn(struct):
        await waiting
        raise ValueError("late")

    outcome = with_act(stubborn, clock=clock).deliver({})
    clock.advance(31.0)
    assert result_of(outcome) == "timeout"
    assert len(logged_failures.take(ValueError)) == 1


def test_a_plugin_without_receive_is_known_by_it():
    """It is not handed copies of everything."""

    class Mute(Co2Plugin):
        pass

    assert not a_cell(Mute).receives
    assert a_cell(Plugin).receives
    assert a_cell().name == "bench.bench.RecordingPlugin"


def test_after_its_end_a_plugin_gets_nothing():
    """What comes after `__exit__` is skipped."""
    cell = a_cell()
    result_of(cell.exit(1.0))
    assert cell.deliver({"data": 1}) == "skipped"
    assert cell.plugin.received == []


# -- threads ---------------------------------------------------------------------------------------


def test_a_threaded_plugin_receives_in_its_own_thread(logged_failures):
    """One message after the other, and what it raises is contained."""
    clock, names = ClockReactor(), []

    def act(struct):
        names.append(threading.current_thread().name)
        if struct["data"] == "bad":
            raise ValueError("bad")

    cell = with_act(act, clock=clock, threaded=True)
    outcomes = [cell.deliver({"data": data}) for data in ("good", "bad")]
    clock.wait_for_thread(2)
    assert [result_of(one) for one in outcomes] == ["ok", "raised: ValueError: bad"]
    assert names == ["bench.bench"] * 2
    logged_failures.take(ValueError)
    cell.exit(1.0)
    clock.wait_for_thread()


def test_a_stuck_thread_answers_at_once_until_it_is_free():
    """Messages do not pile up behind one that does not return."""
    clock, free = ClockReactor(), threading.Event()
    cell = with_act(lambda struct: free.wait(10), clock=clock, threaded=True)
    stuck = cell.deliver({})
    clock.advance(31.0)
    assert result_of(stuck) == "timeout"
    assert cell.deliver({}) == "timeout"
    free.set()
    clock.wait_for_thread()
    outcome = cell.deliver({})
    clock.wait_for_thread()
    assert result_of(outcome) == "ok"
    cell.exit(1.0)
    clock.wait_for_thread()


def test_a_threaded_receive_may_be_a_coroutine_or_give_a_deferred():
    """Those run where Deferreds may be touched; the thread is free meanwhile."""
    clock, waiting = ClockReactor(), Deferred()

    async def later(struct):
        await waiting

    cell = with_act(later, clock=clock, threaded=True)
    first = cell.deliver({})
    clock.wait_for_thread()
    cell.plugin.act = lambda struct: waiting
    second = cell.deliver({})
    clock.wait_for_thread()
    assert not first.called
    assert not second.called
    waiting.callback(None)
    assert (result_of(first), result_of(second)) == ("ok", "ok")
    cell.exit(1.0)
    clock.wait_for_thread()


def test_methods_of_a_threaded_plugin_run_there():
    """Plain ones and the steps of generators; coroutines stay with the reactor."""
    here = threading.current_thread().name

    class Threaded(Co2Plugin):
        def x_plain(self):
            return threading.current_thread().name

        async def x_async(self):
            return threading.current_thread().name

        def x_steps(self):
            try:
                yield threading.current_thread().name
            finally:
                closed.append(threading.current_thread().name)

    closed: list[str] = []
    clock = ClockReactor()
    cell = a_cell(Threaded, clock, threaded=True)
    functions = {one.name: one.function for one in cell.procedures()}
    plain = functions["bench.bench.plain"]()
    clock.wait_for_thread()
    assert result_of(plain) == "bench.bench"
    assert result_of(ensureDeferred(functions["bench.bench.async"]())) == here
    steps = functions["bench.bench.steps"]()
    step = ensureDeferred(steps.__anext__())
    clock.wait_for_thread()
    assert result_of(step) == "bench.bench"
    closing = ensureDeferred(steps.aclose())
    clock.wait_for_thread()
    assert result_of(closing) is None
    assert closed == ["bench.bench"]
    cell.exit(1.0)
    clock.wait_for_thread()


def test_a_thread_that_never_returns_does_not_hold_up_the_end(logged_failures):
    """`__exit__` has its time, and then it is over."""
    clock, free = ClockReactor(), threading.Event()
    cell = with_act(lambda struct: free.wait(10), clock=clock, threaded=True)
    cell.deliver({})
    ended = cell.exit(5.0)
    clock.advance(5.1)
    assert ended.called
    free.set()
    clock.wait_for_thread(2)
    logged_failures.take()
    clock.advance(100)


# -- methods ---------------------------------------------------------------------------------------


def test_x_methods_are_procedures_of_package_and_module():
    """`x_` is stripped; the level is what the author says, `call` if nothing."""

    class Lamp(Co2Plugin):
        x_number = 5

        def x_on(self):
            """Light."""

        @level("admin")
        def x_burn(self): ...

        def hidden(self): ...

    found = {one.name: one for one in a_cell(Lamp).procedures()}
    assert set(found) == {"bench.bench.on", "bench.bench.burn"}
    assert found["bench.bench.on"].level is Level.CALL
    assert found["bench.bench.burn"].level is Level.ADMIN
    assert found["bench.bench.on"].subject.__doc__ == "Light."
    assert found["bench.bench.on"].owner == "bench.bench.Lamp"


def test_a_plugin_may_bring_methods_of_its_own_making():
    """Below its package's name, and nowhere else."""

    @implementer(IProcedureSource)
    class Bringing(Co2Plugin):
        names = ("bench.items.get",)

        def procedures(self):
            return [Procedure(name, list) for name in self.names]

    cell = a_cell(Bringing)
    assert [one.name for one in cell.procedures()] == ["bench.items.get"]
    cell.plugin.names = ("co2.get_method_names", "bench.items.set")
    registry = Registry()
    (refusal,) = cell.enter(registry)
    assert refusal.procedure.name == "co2.get_method_names"
    assert registry.names() == ["bench.items.set"]


def test_methods_that_cannot_be_entered_are_a_note(logged_failures):
    """The plugin still receives; `system.get_properties` says what is missing."""

    @implementer(IProcedureSource)
    class Broken(Co2Plugin):
        def procedures(self):
            raise ValueError("no items")

    cell = a_cell(Broken)
    assert cell.enter(Registry()) == []
    assert "no items" in cell.as_record()["error"]
    logged_failures.take(ValueError)


@implementer(IProcedureSource)
class Changing(Co2Plugin):
    """Its methods come and go, as its names say."""

    names: tuple[str, ...] = ("bench.items.get",)

    def procedures(self):
        return [Procedure(name, list) for name in self.names]


def test_methods_come_and_go_while_a_plugin_runs():
    """`renew_methods` counts at once for callers and for introspection, and tells clashes."""
    bench = PluginBench(Changing, "bench.items")
    assert bench.call("get") == []
    bench.plugin.names = ("bench.items.set",)
    assert bench.plugin.renew_methods() == []
    assert "bench.items.set" in bench.call("system.listMethods")
    assert bench.call("system.methodHelp", "bench.items.set") == list.__doc__
    with pytest.raises(MethodNotFound):
        bench.call("get")
    bench.plugin.names = ("bench.items.new", "co2.open")
    (missing,) = bench.plugin.renew_methods()
    assert "co2.open is the server's own" in missing
    assert bench.call("new") == []


def test_methods_are_renewed_in_the_reactors_thread():
    """Elsewhere it is refused with a reason; before they were entered there is nothing to do."""
    assert Changing(plugin_var_dict()).renew_methods() == []
    bench = PluginBench(Changing, "bench.items")
    refused = []

    def elsewhere():
        try:
            bench.plugin.renew_methods()
        except LocalError as error:
            refused.append(error.text)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert "reactor's thread" in refused[0]


# -- the end ---------------------------------------------------------------------------------------


def test_exit_is_called_without_arguments():
    """As the seed has it; the record says that it is over."""

    class Seed(Co2Plugin):
        def __exit__(self):  # noqa: PLE0302  # the seed's
            self.ended = True

    cell = a_cell(Seed)
    assert cell.as_record()["state"] == "running"
    result_of(cell.exit(1.0))
    assert cell.plugin.ended
    assert cell.as_record()["state"] == "stopped"


def test_a_context_managers_exit_gets_its_three_arguments():
    """A class that is also one need not be written twice."""

    class Manager(Co2Plugin):
        def __exit__(self, kind, value, traceback):
            self.ended = (kind, value, traceback)

    cell = a_cell(Manager)
    result_of(cell.exit(1.0))
    assert cell.plugin.ended == (None, None, None)


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(1)])
def test_what_exit_raises_is_logged(error, logged_failures):
    """The end of the others goes on."""

    class Raising(Co2Plugin):
        def __exit__(self):  # noqa: PLE0302  # the seed's
            raise error

    result_of(a_cell(Raising).exit(1.0))
    assert logged_failures.take()


def test_exit_may_take_its_time_but_not_for_ever(logged_failures):
    """A Deferred or coroutine is waited for, up to the timeout."""
    clock, waiting = ClockReactor(), Deferred()

    class Slow(Co2Plugin):
        async def __exit__(self):  # noqa: PLE0302  # the seed's
            await waiting

    quick = a_cell(Slow, clock).exit(5.0)
    assert not quick.called
    waiting.callback(None)
    assert result_of(quick) is None
    waiting = Deferred()
    late = a_cell(Slow, clock).exit(5.0)
    clock.advance(5.1)
    assert result_of(late) is None
    assert logged_failures.take()


# -- the worker ------------------------------------------------------------------------------------


def test_a_worker_that_was_stopped_says_so():
    """Nobody waits for what will never run."""
    clock = ClockReactor()
    worker = Worker("w", clock)
    first = worker.do(lambda: 1)
    worker.stop()
    clock.wait_for_thread()
    assert result_of(first) == 1
    with pytest.raises(Exception, match="stopped"):
        result_of(worker.do(lambda: 2))


def test_what_a_worker_raises_when_nobody_waits_is_logged(logged_failures):
    """A caller that left does not make a plugin's error disappear."""
    clock = ClockReactor()
    worker = Worker("w", clock)
    gate: queue.SimpleQueue[int] = queue.SimpleQueue()

    def fails():
        gate.get(timeout=10)
        raise ValueError("unheard")

    gone = worker.do(fails)
    gone.cancel()
    gone.addErrback(lambda _: None)
    gate.put(1)
    clock.wait_for_thread()
    assert len(logged_failures.take(ValueError)) == 1
    assert worker.waiting == 0
    worker.stop()
