"""The asyncio driver: order of effects, one turn at a time, late outcomes, exceptions, timers, calls, failing closed."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from fsm.adapters import BadValues
from fsm.clock import LoopClock, VirtualClock
from fsm.drive import AsyncDriver, DriverFailed
from fsm.node import Event, Node, Operation, Turn
from fsm.replay import replay
from tests.toy_node import Rig, SlowStore, rest, toy_node

GO = Event("worker", "go", {"what": "x"})
LOOK, DROP, FAN, BUMP = (Event("worker", name) for name in ("look", "drop", "fan", "bump"))
Scenario = Callable[[Rig, AsyncDriver], Coroutine[Any, Any, None]]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    return toy_node(tmp_path_factory.mktemp("specs"))


@pytest.fixture
def rig(node: Node) -> Rig:
    return Rig(node)


def run(rig: Rig, scenario: Scenario, pool: Any = None) -> AsyncDriver:
    """Runs a scenario on a started driver, stops it, and asks that its journal replays."""

    async def main() -> AsyncDriver:
        driver = rig.driver(pool)
        driver.start()
        await asyncio.wait_for(scenario(rig, driver), 5)
        await driver.stop()
        assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        return driver

    driver = asyncio.run(main())
    root = Path(rig.node.machines[0].at.file).parent.parent
    assert replay(rig.lines, root).divergence is None
    return driver


def state(driver: AsyncDriver) -> str:
    return driver.node.state(driver.local, "worker")


def test_variables_are_durable_and_journalled_before_anything_is_started(rig: Rig) -> None:
    """Host variables, pool variables, journal, operations: in this order."""

    async def scenario(rig: Rig, driver: AsyncDriver) -> None:
        rig.log.clear()
        turn = await driver.send(GO)
        assert [fired.row for fired in turn.fired] == ["worker.idle/go", "boss.calm/noted"]
        await rest()
        assert rig.log == ["host {'armed': True}", "pool {'count': 1}", "journal", "do job.run"]
        assert rig.host.values == {"armed": True}

    run(rig, scenario)


@pytest.mark.parametrize("store", ["host", "pool"])
def test_a_commit_that_fails_ends_everything_before_the_operation(rig: Rig, store: str) -> None:
    """Nothing after the failing commit is performed, the reason is told to all who wait, and the state is as before."""

    async def scenario(rig: Rig, driver: AsyncDriver) -> None:
        getattr(rig, store).broken = OSError("no space")
        sent, later = driver.send(GO), driver.send(LOOK)
        reason = await driver.failed
        assert reason.startswith(f"{store} variables could not be made durable (")
        assert reason.endswith("): no space")
        for future in (sent, later, driver.send(LOOK), driver.serve(Event("worker", "host.work", {"what": 1}, "c1"))):
            with pytest.raises(DriverFailed, match="no space"):
                await future
        await rest()
        assert "do job.run" not in rig.log
        assert state(driver) == "idle"
        assert json.loads(rig.lines[-1])["failed"] == reason
        assert len(rig.lines) == 2

    run(rig, scenario)


def test_one_turn_runs_to_completion_before_the_next_begins(rig: Rig) -> None:
    """Many senders, and a commit that must be waited for: each turn starts from what the one before has left."""
    slow = SlowStore(rig.log)

    async def scenario(rig: Rig, driver: AsyncDriver) -> None:
        async def one() -> Turn:
            return await driver.send(BUMP)

        senders = [asyncio.create_task(one()) for _ in range(6)]
        await rest()
        assert [entry for entry in rig.log if entry.startswith("pool")] == []
        slow.gate.set()
        turns = await asyncio.gather(*senders)
        assert [turn.fired[0].set["count"] for turn in turns] == [2, 3, 2, 3, 2, 3]
        assert [entry for entry in rig.log if entry.startswith("pool")] == [
            "pool {'count': 2}",
            "pool {'count': 3}",
        ] * 3
        assert len({tuple(turn.pool) for turn in turns}) == 2

    run(rig, scenario, slow)


def test_an_outcome_of_an_abandoned_operation_is_dropped(rig: Rig) -> None:
    """A task that goes on although it was cancelled ends for nobody, even if its machine waits for the like again."""

    async def scenario(rig: Rig, driver: AsyncDriver) -> None:
        rig.hand.stubborn = True
        await driver.send(GO)
        await rest()
        await driver.send(DROP)
        await driver.send(GO)
        await rest()
        assert rig.hand.cancelled == 1
        rig.hand.started[0][1].set_result(("done", {}))
        await rest()
        assert (state(driver), driver.dropped) == ("running", 1)
        rig.hand.finish("done")
        await rest()
        assert (state(driver), driver.dropped) == ("idle", 1)

    run(rig, scenario)


def test_an_outcome_that_is_overtaken_in_the_queue_is_dropped(rig: Rig) -> None:
    """The machine has left the state by an event that was queued before the outcome."""
    slow = SlowStore(rig.log)
    slow.gate.set()

    async def scenario(rig: Rig, driver: AsyncDriver) -> None:
        await driver.send(GO)
        await rest()
        rig.hand.finish("done")
        driver.post(DROP)
        driver.post(GO)
        await rest()
        assert (state(driver), driver.dropped) == ("running", 1)

    run(rig, scenario, slow)


@pytest.mark.parametrize("error", [ValueError("bad"), asyncio.CancelledError()])
def test_an_exception_of_an_adapter_becomes_its_declared_outcome(
    rig: Rig, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where something inside the adapter was cancelled, though nobody cancelled the operation."""

    async def scenario(rig: Rig, driver: AsyncDriver) -> None:
        await driver.send(GO)
        await rest()
        rig.hand.fail(error)
        await rest()
        assert state(driver) == "resting"
        assert rig.log[-1] == "signal ring"
        assert not driver.failed.done()

    run(rig, scenario)
    assert f"h0: job.run raised {error!r}" in caplog.text


def test_an_exception_of_an_instant_operation_becomes_its_outcome_too(rig: Rig) -> None:
    """`broken` is no outcome of job.peek, so here the driver fails closed, and says what would have been right."""

    def explode() -> Any:
        raise ValueError("bad")

    async def scenario(rig: Rig, driver: AsyncDriver) -> None:
        rig.hand.answer = explode
        with pytest.raises(DriverFailed, match="which may answer busy"):
            await driver.send(LOOK)

    run(rig, scenario)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (("gone", {}), "the adapter answered ('gone', {}) to job.run, which may answer done, broken(why)"),
        (("broken", {}), "the adapter answered ('broken', {}) to job.run, which may answer done, broken(why)"),
        (None, "the adapter answered None to job.run, which may answer done, broken(why)"),
        (([], {}), "the adapter answered ([], {}) to job.run, which may answer done, broken(why)"),
        (ZeroDivisionError("x"), "the adapter of job has no outcome for ZeroDivisionError('x'): x"),
    ],
)
def test_an_outcome_that_is_not_declared_fails_closed(rig: Rig, answer: Any, reason: str) -> None:
    """Nobody can say what a machine should make of it, so the driver ends with a message that says what may be."""

    async def scenario(rig: Rig, driver: AsyncDriver) -> None:
        await driver.send(GO)
        await rest()
        future = rig.hand.started[-1][1]
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
        assert await driver.failed == reason

    run(rig, scenario)


def test_an_outcome_that_the_machine_refuses_fails_closed(rig: Rig, node: Node) -> None:
    """A declared outcome without a row in the state that waits: the machine would wait for ever."""
    rows = node._rows["worker"]
    assert isinstance(rows, dict)

    async def scenario(rig: Rig, driver: AsyncDriver) -> None:
        await driver.send(GO)
        await rest()
        rig.hand.finish("done")
        reason = await driver.failed
        assert reason == "what must not be refused was: worker in running has no row for job.done"

    kept = rows.pop(("running", "job.done"))
    try:

        async def main() -> None:
            driver = rig.driver()
            driver.start()
            await scenario(rig, driver)
            await driver.stop()

        asyncio.run(main())
    finally:
        rows["running", "job.done"] = kept


def test_a_refused_event_from_outside_changes_nothing(rig: Rig) -> None:
    """It is journalled with its reason, and a call that is refused is answered "failed"."""

    async def scenario(rig: Rig, driver: AsyncDriver) -> None:
        turn = await driver.send(DROP)
        assert turn.refused == "worker in idle has no row for drop"
        assert json.loads(rig.lines[-1])["refused"] == turn.refused
        assert (await driver.send(Event("nobody", "x"))).refused == "there is no machine 'nobody' on this host"
        reply = await driver.serve(Event("worker", "host.work", {}, "c7"))
        assert (reply.call, reply.outcome, reply.payload) == ("c7", "failed", {})
        assert not driver.failed.done()
        with pytest.raises(ValueError, match="no call number"):
            driver.serve(Event("worker", "host.work", {"what": 1}))

    run(rig, scenario)


def test_a_served_call_is_answered_when_its_machine_replies(rig: Rig) -> None:
    """A second call finds the machine busy; the same call again is not begun again and gets the same reply; one who
    gives up takes the reply from nobody."""

    async def scenario(rig: Rig, driver: AsyncDriver) -> None:
        call = Event("worker", "host.work", {"what": "x"}, "c1")
        first, again, impatient = driver.serve(call), driver.serve(call), driver.serve(call)
        busy = await driver.serve(Event("worker", "host.work", {"what": "x"}, "c2"))
        assert (busy.call, busy.outcome) == ("c2", "failed")
        assert not first.done()
        impatient.cancel()
        rig.hand.finish("done")
        assert ((await first).outcome, (await again).outcome) == ("ok", "ok")
        assert len(rig.hand.started) == 1

    run(rig, scenario)


@pytest.mark.parametrize("bad", [frozenset(), frozenset({2})])
def test_a_fan_out_has_one_joined_outcome(rig: Rig, bad: frozenset[int]) -> None:
    """Its targets are in the operation; its outcome bears no port."""

    async def scenario(rig: Rig, driver: AsyncDriver) -> None:
        await driver.send(FAN)
        await rest()
        assert rig.hand.started[-1][0] == Operation("worker", "host", "work", {"what": None}, (1, 2), True)
        if bad:
            rig.hand.finish("some_failed", bad=bad)
        else:
            rig.hand.finish("all_ok")
        await rest()
        assert state(driver) == "idle"
        assert rig.pool.values == ({"seen": [2]} if bad else {})

    run(rig, scenario)


def test_a_signal_that_cannot_be_said_is_dropped(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged; the turn goes on."""

    async def scenario(rig: Rig, driver: AsyncDriver) -> None:
        await driver.send(GO)
        await rest()
        rig.hand.finish("broken", why="mute")
        await rest()
        assert state(driver) == "resting"

    run(rig, scenario)
    assert "job.ring was not said" in caplog.text


def test_timers_run_on_the_clock_that_was_injected(rig: Rig) -> None:
    """A state's timer ends with the state, a group's goes on inside the group and ends with it."""

    async def scenario(rig: Rig, driver: AsyncDriver) -> None:
        async def wait(seconds: float) -> str:
            rig.clock.advance(seconds)
            await rest()
            return state(driver)

        rig.hand.answer = lambda: ("busy", {"who": frozenset({1})})
        await driver.send(LOOK)
        assert await wait(1.9) == "resting"
        assert await wait(0.2) == "running"
        assert await wait(5.8) == "running"
        assert await wait(0.2) == "idle"
        assert rig.hand.cancelled == 1
        assert await wait(100) == "idle"

    run(rig, scenario)


def test_a_timer_that_is_overtaken_in_the_queue_is_dropped(rig: Rig) -> None:
    """Its state was left by an event before it, and entered again: the new timer runs its own time."""

    async def scenario(rig: Rig, driver: AsyncDriver) -> None:
        rig.hand.answer = lambda: ("busy", {"who": frozenset()})
        await driver.send(LOOK)
        driver.post(DROP)
        driver.post(LOOK)
        rig.clock.advance(2)
        await rest()
        assert (state(driver), driver.dropped) == ("resting", 1)
        rig.clock.advance(2)
        await rest()
        assert state(driver) == "running"

    run(rig, scenario)


def test_observers_see_every_turn_and_cannot_hurt(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """Time, event and turn, also of refused ones; an observer's exception is logged."""
    seen: list[tuple[float, str, bool]] = []

    def watch(time: float, event: Event, turn: Turn) -> None:
        seen.append((time, event.name, turn.refused is None))
        raise ValueError("blind")

    async def scenario(rig: Rig, driver: AsyncDriver) -> None:
        driver.observe(watch)
        rig.clock.advance(3)
        await driver.send(BUMP)
        await driver.send(DROP)

    run(rig, scenario)
    assert seen == [(3.0, "bump", True), (3.0, "drop", False)]
    assert caplog.text.count("ValueError: blind") == 2


def test_pool_variables_can_be_replaced_from_outside(rig: Rig) -> None:
    """In the order of the queue, all of them, and only by values of their domains."""

    async def scenario(rig: Rig, driver: AsyncDriver) -> None:
        driver.post(BUMP)
        await driver.load_pool({"seen": [0, 1]})
        assert driver.node.value(driver.local, driver.pool, "seen") == frozenset({0, 1})
        assert driver.node.value(driver.local, driver.pool, "count") == 0
        assert json.loads(rig.lines[-1])["pool"] == {"count": 0, "seen": [0, 1]}
        with pytest.raises(BadValues, match=r"the pool database: count = 9 is no 0\.\.3"):
            driver.load_pool({"count": 9})
        assert (await driver.send(BUMP)).fired[0].set == {"count": 2}

    run(rig, scenario)


def test_a_driver_begins_with_what_its_store_kept(rig: Rig) -> None:
    """A value that the variable cannot have is refused with its place; a port needs an adapter."""

    async def main() -> None:
        rig.host.values = {"armed": True}
        driver = rig.driver()
        assert driver.node.value(driver.local, driver.pool, "armed") is True
        rig.host.values = {"armed": "yes"}
        with pytest.raises(BadValues, match="host: armed = 'yes' is no bool"):
            rig.driver()
        with pytest.raises(ValueError, match="no adapter for host, job"):
            AsyncDriver("h0", rig.node, {}, rig.clock, driver.journal, rig.host, rig.pool)

    asyncio.run(main())


def test_stopping_completes_the_turn_and_takes_no_other(rig: Rig) -> None:
    """The journal has the turn that was under way; whoever waits for a later one is told."""
    slow = SlowStore(rig.log)

    async def scenario(rig: Rig, driver: AsyncDriver) -> None:
        first, second = driver.send(GO), driver.send(LOOK)
        await rest()
        stopping = asyncio.create_task(driver.stop())
        await rest()
        slow.gate.set()
        await stopping
        assert (await first).fired
        with pytest.raises(DriverFailed, match="stopped"):
            await second
        driver.post(GO)
        assert not driver.failed.done()
        assert len(rig.lines) == 3
        assert rig.hand.cancelled + rig.log.count("do job.run") in (0, 2)

    run(rig, scenario, slow)


def test_a_journal_that_cannot_be_written_fails_closed(rig: Rig) -> None:
    """Nothing is done that would be in no journal."""

    async def scenario(rig: Rig, driver: AsyncDriver) -> None:
        def full(data: bytes) -> None:
            raise OSError("no space")

        driver.journal.write = full
        driver.post(GO)
        assert await driver.failed == "the journal cannot be written: no space"
        await rest()
        assert "do job.run" not in rig.log

    run(rig, scenario)


def test_events_may_come_from_other_threads(rig: Rig) -> None:
    """`post_threadsafe` wakes the loop."""

    async def scenario(rig: Rig, driver: AsyncDriver) -> None:
        seen = asyncio.Event()
        driver.observe(lambda time, event, turn: seen.set())
        thread = threading.Thread(target=driver.post_threadsafe, args=(BUMP,))
        thread.start()
        await asyncio.wait_for(seen.wait(), 2)
        thread.join()

    run(rig, scenario)


def test_the_loops_clock_is_that_of_the_machine() -> None:
    """CLOCK_BOOTTIME; a callback comes no earlier than asked for, and not when it was cancelled."""

    async def main() -> None:
        clock, called = LoopClock(), list[str]()
        begin = clock.now()
        clock.call_later(0.02, lambda: called.append("yes"))
        clock.call_later(0.01, lambda: called.append("no")).cancel()
        while not called:
            await asyncio.sleep(0.005)
        assert called == ["yes"]
        assert clock.now() - begin >= 0.019

    asyncio.run(main())


def test_the_virtual_clock_calls_in_the_order_of_time() -> None:
    """Of one moment, the earlier asked for first; what a callback asks for falls due in the same advance."""
    clock, called = VirtualClock(), list[tuple[str, float]]()

    def note(name: str) -> Callable[[], None]:
        return lambda: called.append((name, clock.now()))

    clock.call_later(2, note("c"))
    clock.call_later(1, note("a"))
    clock.call_later(1, note("b"))
    clock.call_later(1.5, lambda: clock.call_later(0.2, note("later")) and None)
    clock.call_later(1.2, note("never")).cancel()
    clock.advance(1.9)
    assert called == [("a", 1), ("b", 1), ("later", 1.7)]
    clock.advance(0.1)
    assert called[-1] == ("c", 2)
    assert clock.now() == 2
