"""The asyncio driver: the order of effects, one turn at a time, late outcomes, exceptions, failing closed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from fsm.drivers.drive import AsyncDriver
from fsm.drivers.futures import DriverFailed
from fsm.engine.node import Node
from fsm.engine.turn import Event, Turn
from tests.toy_node import BUMP, DROP, GO, LOOK, Rig, SlowStore, rest, run, state, toy_node


@pytest.fixture(scope="module", name="node")
def made_node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """The toy, loaded once."""
    return toy_node(tmp_path_factory.mktemp("specs"))


@pytest.fixture(name="rig")
def made_rig(node: Node) -> Rig:
    """The toy with everything around it, new for each test."""
    return Rig(node)


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


@pytest.mark.parametrize("event", [DROP, GO])
def test_an_operation_that_nobody_waits_for_is_cancelled(
    rig: Rig, event: Event, caplog: pytest.LogCaptureFixture
) -> None:
    """Its state was left, or has started another one; that is no failure and no late outcome."""

    async def scenario(rig: Rig, driver: AsyncDriver) -> None:
        await driver.send(GO)
        await rest()
        await driver.send(event)
        await rest()
        assert (rig.hand.cancelled, driver.dropped) == (1, 0)

    run(rig, scenario)
    assert "raised" not in caplog.text


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


@pytest.mark.parametrize("who", [frozenset({3}), {1}, None])
def test_an_instant_outcome_outside_its_domain_fails_closed(rig: Rig, who: object) -> None:
    """Host 3 of three, a set that can change, no set at all."""

    async def scenario(rig: Rig, driver: AsyncDriver) -> None:
        rig.hand.answer = lambda: ("busy", {"who": who})
        with pytest.raises(
            DriverFailed, match=r"^the adapter answered \('busy', .* to job.peek, which may answer busy"
        ):
            await driver.send(LOOK)

    run(rig, scenario)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (("gone", {}), "the adapter answered ('gone', {}) to job.run, which may answer done, broken(why)"),
        (("broken", {}), "the adapter answered ('broken', {}) to job.run, which may answer done, broken(why)"),
        (
            ("done", {"more": 1}),
            "the adapter answered ('done', {'more': 1}) to job.run, which may answer done, broken(why)",
        ),
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
    rows, turns = node.tables["worker"], node.turns["worker"][1]

    async def scenario(rig: Rig, driver: AsyncDriver) -> None:
        await driver.send(GO)
        await rest()
        rig.hand.finish("done")
        reason = await driver.failed
        assert reason == "what must not be refused was: worker in running has no row for job.done"

    kept = rows.pop(("running", "job.done"))
    turns["running"].pop("job.done", None)
    try:

        async def main() -> None:
            driver = rig.driver()
            driver.start()
            await scenario(rig, driver)
            await driver.stop()

        asyncio.run(main())
    finally:
        rows["running", "job.done"] = kept


def test_a_driver_settles_when_nothing_is_left_to_do(rig: Rig) -> None:
    """Events, operations and what they lead to; a timer that stands still is not waited for."""

    async def scenario(rig: Rig, driver: AsyncDriver) -> None:
        await driver.settled()
        driver.post(GO)
        waiting = asyncio.ensure_future(driver.settled())
        await rest()
        assert state(driver) == "running"
        assert not waiting.done()
        rig.hand.finish("broken", why="mute")
        await waiting
        assert state(driver) == "resting"
        rig.clock.advance(2)
        again = asyncio.ensure_future(driver.settled())
        await rest()
        rig.hand.finish("done")
        await again
        assert state(driver) == "idle"

    run(rig, scenario)


def test_a_driver_that_has_ended_is_settled(rig: Rig) -> None:
    """Whoever waits is not left waiting, whatever it ended by."""

    async def scenario(rig: Rig, driver: AsyncDriver) -> None:
        driver.post(GO)
        waiting = asyncio.ensure_future(driver.settled())
        await rest()
        rig.hand.finish("no such outcome")
        await asyncio.wait_for(waiting, 1)
        assert driver.failed.done()

    run(rig, scenario)
