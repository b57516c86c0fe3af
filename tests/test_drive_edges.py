"""The driver's other edges: refusals, calls, fan-out, signals, timers, clocks, observers, the pool, stopping."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable

import pytest

from fsm.drivers.clock import LoopClock, VirtualClock
from fsm.drivers.drive import AsyncDriver
from fsm.drivers.futures import DriverFailed
from fsm.drivers.journal import Journal
from fsm.engine.node import Node
from fsm.engine.turn import Event, Operation, Turn
from fsm.errors import BadValues
from tests.toy_node import BUMP, DROP, FAN, GO, LOOK, Rig, SlowStore, rest, run, state, toy_node


@pytest.fixture(scope="module", name="node")
def made_node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """The toy, loaded once."""
    return toy_node(tmp_path_factory.mktemp("specs"))


@pytest.fixture(name="rig")
def made_rig(node: Node) -> Rig:
    """The toy with everything around it, new for each test."""
    return Rig(node)


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
        await driver.send(LOOK)
        await driver.send(DROP)
        assert await wait(100) == "idle"
        assert (driver.dropped, driver.failed.done()) == (0, False)

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
        with pytest.raises(BadValues, match=r"^the pool database: count = 9 is no 0\.\.3 of a pool of 3; put it"):
            driver.load_pool({"count": 9})
        with pytest.raises(BadValues, match=r"^the pool database: cont = 1: there is no pool variable 'cont'"):
            driver.load_pool({"cont": 1})
        assert (await driver.send(BUMP)).fired[0].set == {"count": 2}

    run(rig, scenario)


def test_a_driver_begins_with_what_its_store_kept(rig: Rig) -> None:
    """A value that the variable cannot have is refused with its place; what is no variable is the program's own and let
    be; a port needs an adapter."""

    async def main() -> None:
        rig.host.values = {"armed": True, "agent.lives": 3}
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


def test_an_event_that_was_queued_just_before_stopping_is_not_taken(rig: Rig) -> None:
    """Its sender is told, whether or not the driver had woken up for it."""

    async def scenario(rig: Rig, driver: AsyncDriver) -> None:
        await rest()
        sent, served = driver.send(GO), driver.serve(Event("worker", "host.work", {"what": 1}, "c1"))
        await driver.stop()
        for future in (sent, served):
            with pytest.raises(DriverFailed, match="stopped"):
                await future
        assert len(rig.lines) == 1

    run(rig, scenario)


def test_a_call_under_way_is_told_that_the_driver_has_ended(rig: Rig) -> None:
    """Its reply can never come."""

    async def scenario(rig: Rig, driver: AsyncDriver) -> None:
        served = driver.serve(Event("worker", "host.work", {"what": 1}, "c1"))
        await rest()
        await driver.stop()
        with pytest.raises(DriverFailed, match="stopped"):
            await served

    run(rig, scenario)


def test_a_journal_that_cannot_be_written_fails_closed(rig: Rig) -> None:
    """Nothing is done that would be in no journal."""

    async def scenario(rig: Rig, driver: AsyncDriver) -> None:
        def full(data: bytes) -> None:
            raise OSError("no space")

        assert isinstance(driver.journal, Journal)
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

    def again() -> None:
        clock.call_later(0.2, note("later"))

    clock.call_later(2, note("c"))
    clock.call_later(1, note("a"))
    clock.call_later(1, note("b"))
    clock.call_later(1.5, again)
    clock.call_later(1.2, note("never")).cancel()
    clock.advance(1.9)
    assert called == [("a", 1), ("b", 1), ("later", 1.7)]
    clock.advance(0.1)
    assert called[-1] == ("c", clock.now())
