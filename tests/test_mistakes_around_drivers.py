"""What an embedding program can get wrong around a driver is told in one line, and never taken for an outcome."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import fsm
from fsm.drivers.adapters import Outcome
from fsm.drivers.clock import VirtualClock
from fsm.drivers.drive import AsyncDriver
from fsm.drivers.futures import DriverFailed
from fsm.drivers.journal import Journal
from fsm.drivers.port_methods import AsyncMethods, Methods
from fsm.drivers.sync import SyncDriver
from fsm.engine.node import Node
from fsm.engine.turn import Event
from fsm.errors import BadValues
from tests.toy_node import BUMP, GO, LOOK, Hand, Rig, Store, rest, state, toy_node
from tests.toy_sync import Script, SyncRig

ENGINE = str(Path(fsm.__file__).parent)


@pytest.fixture(scope="module", name="node")
def made_node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """The toy, loaded once."""
    return toy_node(tmp_path_factory.mktemp("specs"))


class Plain:
    """The methods of the port `job`, of which none is to be awaited."""

    def run(self, *, what: object) -> Outcome:
        return "done", {}

    def peek(self) -> Outcome:
        return "free", {}

    def ring(self, *, why: object) -> None:
        pass

    def failure(self, operation: object, error: BaseException) -> Outcome:
        return "broken", {"why": "it is not to be taken for this"}


class Awaited(Plain):
    """The same, to be awaited."""

    async def run(self, *, what: object) -> Outcome:  # type: ignore[override]
        return "done", {}

    async def peek(self) -> Outcome:  # type: ignore[override]
        return "free", {}


@pytest.mark.parametrize(("event", "what"), [(GO, "job.run"), (LOOK, "job.peek")])
def test_an_adapter_to_be_awaited_is_none_of_a_driver_without_loop(node: Node, event: Event, what: str) -> None:
    """It says so, and nothing is left that was never awaited."""
    hand: Any = Hand([])
    if event is LOOK:
        hand.answer = Awaited().peek
    driver = SyncDriver(node, {"job": hand, "host": Script([])})
    with pytest.raises(DriverFailed, match=f"the adapter's {what} must be awaited, and here nobody does"):
        driver.send(event)
    assert driver.failed is not None


def test_methods_to_be_awaited_are_refused_at_the_start(node: Node) -> None:
    """By the driver that cannot await them."""
    with pytest.raises(ValueError, match="run of the adapter of job is called within a turn; make it no `async def`"):
        SyncDriver(node, {"job": Methods(Awaited()), "host": Script([])})


@pytest.mark.parametrize("adapter", [Script([]), AsyncMethods(Plain())], ids=["adapter", "methods"])
def test_an_adapter_that_blocks_is_none_of_an_asyncio_driver(node: Node, adapter: Any) -> None:
    """What it did is not taken for the outcome of an exception."""
    rig = Rig(node)

    async def main() -> str:
        driver = AsyncDriver("h0", node, {"job": adapter, "host": Hand([])}, rig.clock)
        driver.start()
        await driver.send(GO)
        reason = await asyncio.wait_for(driver.failed, 5)
        assert state(driver) == "running"
        await driver.stop()
        return reason

    assert "job.run answered without being awaited; an AsyncDriver needs an `async def`" in asyncio.run(main())


def test_what_is_called_within_a_turn_is_not_awaited(node: Node) -> None:
    """A signal would silently not be said."""

    class Said(Script):
        async def signal(self, signal: object) -> None:  # type: ignore[override]
            pass

    with pytest.raises(ValueError, match="signal of the adapter of job is called within a turn"):
        SyncDriver(node, {"job": Said([]), "host": Script([])})  # type: ignore[dict-item]


def test_a_host_store_that_is_to_be_awaited_fails_closed(node: Node) -> None:
    """Nothing would be durable."""
    rig = SyncRig(node)

    async def commit(values: object) -> None:
        pass

    class Waiting(Store):
        def commit(self, values: object) -> Any:
            return made

    made = commit({})
    rig.host = Waiting("host", [])
    with pytest.raises(DriverFailed, match="the store answered something to wait for; it must block"):
        rig.driver().send(GO)
    made.close()
    assert rig.script.operations == []


def test_an_asyncio_driver_has_one_life(node: Node) -> None:
    """A second task would run a second turn beside the first."""
    rig = Rig(node)

    async def main() -> None:
        driver = rig.driver()
        driver.start()
        with pytest.raises(RuntimeError, match="h0: a driver has one life"):
            driver.start()
        await driver.stop()
        with pytest.raises(RuntimeError, match="h0: a driver has one life"):
            driver.start()
        assert len(rig.lines) == 1

    asyncio.run(main())


def test_a_driver_whose_task_is_cancelled_has_ended(node: Node) -> None:
    """Programs that end cancel every task that they find; nobody waits for ever."""
    rig = Rig(node)

    async def main() -> None:
        driver = rig.driver()
        driver.start()
        call = driver.serve(Event("worker", "host.work", {"what": 1}, "c1"))
        await rest()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await rest()
        for waiting in (call, driver.send(GO)):
            with pytest.raises(DriverFailed, match="the task of the driver was cancelled"):
                await asyncio.wait_for(waiting, 5)
        await driver.stop()

    asyncio.run(main())


def test_a_commit_that_is_cancelled_fails_closed(node: Node) -> None:
    """Whether the variables are durable is not known."""
    rig = Rig(node)

    class Cancelled:
        async def commit(self, values: object) -> None:
            raise asyncio.CancelledError

    async def main() -> None:
        driver = rig.driver(Cancelled())
        driver.start()
        with pytest.raises(DriverFailed, match="cancelled in the middle of a turn"):
            await asyncio.wait_for(driver.send(GO), 5)
        assert "middle of a turn" in await driver.failed
        assert json.loads(rig.lines[-1])["failed"] == "it was cancelled in the middle of a turn"
        await driver.stop()

    asyncio.run(main())


@pytest.mark.parametrize("watched", [False, True])
def test_an_interrupt_anywhere_leaves_no_driver_without_an_owner(node: Node, watched: bool) -> None:
    """Wherever it comes: the driver has failed, or it takes the next event. It never waits for itself."""
    failed, calls, script = 0, 0, Script([])
    first, made = SyncDriver(node, {"job": script, "host": script}, clock=VirtualClock()), KeyboardInterrupt()
    while True:
        driver, left = first.another(), calls
        if watched:
            driver.observe(lambda time, event, turn: None)

        def interrupt(frame: FrameType, event: str, argument: object) -> None:
            nonlocal left
            if not frame.f_code.co_filename.startswith(ENGINE):  # nor what the garbage collector calls meanwhile
                return
            left -= 1
            if left < 0:
                sys.setprofile(None)
                raise made

        sys.setprofile(interrupt)
        try:
            driver.send(BUMP)
        except KeyboardInterrupt:
            failed += driver.failed is not None
            assert driver.failed is not None or hasattr(driver, "idle"), f"after {calls} calls"
        else:
            break
        finally:
            sys.setprofile(None)
        calls += 1
    assert calls > 10
    assert failed > 5


def test_a_store_may_stop_the_driver_whose_turn_it_is_in(node: Node) -> None:
    """It does not wait for itself; the turn is completed, and nothing after it."""
    rig, drivers = Rig(node), list[AsyncDriver]()

    class Stops:
        async def commit(self, values: object) -> None:
            await drivers[0].stop()

    async def main() -> None:
        driver = rig.driver(Stops())
        drivers.append(driver)
        driver.start()
        turn = await asyncio.wait_for(driver.send(GO), 5)
        assert turn.refused is None
        await rest()
        assert (state(driver), driver.tickets) == ("running", {})
        with pytest.raises(DriverFailed, match="the driver was stopped"):
            await driver.send(GO)

    asyncio.run(main())


def test_an_operation_that_ends_by_no_exception_has_its_outcome(node: Node) -> None:
    """Whatever ends it, the machine does not wait for ever."""
    rig = Rig(node)

    async def main() -> None:
        driver = rig.driver()
        driver.start()
        await driver.send(GO)
        await rest()
        rig.hand.started[-1][1].set_exception(GeneratorExit())
        await rest()
        assert state(driver) == "resting"
        await driver.stop()

    asyncio.run(main())


class Mute:
    """Cannot say what it is."""

    def __repr__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize("what", [10**5000, Mute(), [[10**5000]]], ids=["digits", "mute", "deep"])
def test_no_value_keeps_the_journal_from_being_written(node: Node, what: object) -> None:
    """A number of more digits than Python writes, or a value without `repr`, comes from outside and hurts nobody."""
    lines = list[bytes]()
    script = Script([])
    driver = SyncDriver(node, {"job": script, "host": script}, journal=Journal(lines.append))
    driver.send(Event("worker", "go", {"what": what}))
    driver.send(Event("worker", "look", {("what",): what}))  # type: ignore[dict-item]
    with pytest.raises(BadValues, match="cannot be written as JSON"):
        driver.snapshot()
    assert driver.failed is None
    assert len(lines) == 4


def test_what_is_no_event_is_refused_and_hurts_nobody(tmp_path: Path) -> None:
    """A name alone is for a `Bound`: every way in says so, and the driver goes on."""
    rig = SyncRig(toy_node(tmp_path))
    for driver in (rig.driver(), SyncDriver(rig.node, {"job": rig.script, "host": rig.script})):
        for send in (driver.send, driver.post):
            with pytest.raises(TypeError, match="'go' is no Event; a machine that takes"):
                send("go")  # type: ignore[arg-type]
        assert driver.failed is None
        assert driver.send(GO).refused is None
