"""The driver without event loop: order of effects, nested sends, abandoned operations, exceptions, failing closed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fsm.drivers.adapters import Outcome
from fsm.drivers.futures import DriverFailed
from fsm.drivers.replay import replay
from fsm.drivers.sync import NestedSend, SyncDriver
from fsm.engine.node import Node
from fsm.engine.turn import Event, Turn
from fsm.errors import BadValues
from tests.toy_node import BUMP, DROP, FAN, GO, LOOK, toy_node
from tests.toy_sync import DONE, Queue, SyncRig, state


@pytest.fixture(scope="module", name="node")
def made_node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """The toy, loaded once."""
    return toy_node(tmp_path_factory.mktemp("specs"))


@pytest.fixture(name="rig")
def made_rig(node: Node) -> SyncRig:
    """The toy with everything around it, new for each test."""
    return SyncRig(node)


def rows(rig: SyncRig) -> list[str]:
    """The rows that fired, in order."""
    return [step.row for step in rig.steps]


def replays(rig: SyncRig) -> bool:
    """Whether the journal replays."""
    return replay(rig.steps.lines(), Path(rig.node.machines[0].at.file).parent.parent).divergence is None


def test_all_is_done_when_send_returns(rig: SyncRig) -> None:
    """Variables are durable and journalled before the operation is performed; its outcome is a turn of its own."""
    driver = rig.driver()
    seen: list[int] = []

    def perform() -> tuple[str, dict[str, str]]:
        seen.append(len(rig.steps))
        return "done", {}

    rig.script.said.append(perform)
    turn = driver.send(GO)
    assert [fired.row for fired in turn.fired] == ["worker.idle/go", "boss.calm/noted"]
    assert rig.log == ["host {'armed': True}", "pool {'count': 1}", "do job.run", "pool {'count': 2}"]
    assert seen == [2]
    assert rows(rig) == ["worker.idle/go", "boss.calm/noted", "worker.running/job.done"]
    assert (state(driver), state(driver, "boss")) == ("idle", "pleased")
    assert replays(rig)


def test_a_machine_alone_needs_nothing_around_it(rig: SyncRig) -> None:
    """No name, clock, store or journal; only ports have adapters."""
    adapters = {"job": rig.script, "host": rig.script}
    driver = SyncDriver(rig.node, adapters)
    assert driver.send(GO).refused is None
    assert driver.node.value(driver.local, driver.pool, "count") == 2
    with pytest.raises(ValueError, match="no adapter for host, job"):
        SyncDriver(rig.node)


def test_an_event_within_a_turn_is_posted_and_not_sent(rig: SyncRig) -> None:
    """`send` would wait for itself, so it says what to do; a posted event comes after the turn, before operations."""
    driver, said = rig.driver(), list[str]()

    def heard(_: object) -> None:
        driver.post(DROP)
        with pytest.raises(NestedSend, match="post the event"):
            driver.send(BUMP)
        with pytest.raises(NestedSend):
            driver.snapshot()
        said.append(state(driver))

    rig.script.heard = heard
    rig.script.said.append(("broken", {"why": "x"}))
    driver.send(GO)
    assert said == ["resting"]
    assert rows(rig)[-2:] == ["worker.running/job.broken", "worker.resting/drop"]
    assert driver.failed is None


def test_an_adapter_may_send_while_it_performs(rig: SyncRig) -> None:
    """It is no longer in the turn: the state that waits is left, and what it answers then is for nobody."""
    driver, turns = rig.driver(), list[Turn]()

    def perform() -> tuple[str, dict[str, str]]:
        turns.append(driver.send(DROP))
        return "done", {}

    rig.script.said.append(perform)
    driver.send(GO)
    assert [(fired.source, fired.event) for fired in turns[0].fired] == [("running", "drop")]
    assert (state(driver), driver.dropped) == ("idle", 1)


def test_an_operation_that_was_abandoned_before_it_began_is_not_performed(rig: SyncRig) -> None:
    """The event that leaves the state was queued within the turn that started it."""
    driver = rig.driver()
    driver.observe(lambda time, event, turn: driver.post(DROP) if event is GO else None)
    driver.send(GO)
    assert (state(driver), driver.dropped) == ("idle", 0)
    assert "do job.run" not in rig.log


def test_an_executor_performs_elsewhere(rig: SyncRig) -> None:
    """`send` returns at once; an operation whose state was left is cancelled, or its outcome is dropped."""
    queue = Queue()
    driver = rig.driver(queue)
    driver.send(GO)
    assert (state(driver), rig.script.operations) == ("running", [])
    driver.send(DROP)
    queue.next()
    assert rig.script.operations == []
    driver.send(GO)
    rig.script.said.append(lambda: (driver.send(DROP), driver.send(GO), DONE)[2])
    queue.next()
    assert (state(driver), driver.dropped) == ("running", 1)
    queue.next()
    assert (state(driver), driver.dropped) == ("idle", 1)
    assert replays(rig)


@pytest.mark.parametrize("error", [ValueError("bad"), KeyError(1)])
def test_an_exception_of_an_adapter_becomes_its_declared_outcome(
    rig: SyncRig, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and the machine goes on by its own rows."""
    rig.script.said.append(error)
    driver = rig.driver()
    driver.send(GO)
    assert (state(driver), driver.failed) == ("resting", None)
    assert f"h0: job.run raised {error!r}" in caplog.text


def test_an_interrupt_while_an_operation_runs_loses_nothing(rig: SyncRig) -> None:
    """Control-C goes to the caller; what it interrupted has an outcome, which the next event finds first."""
    rig.script.said.append(KeyboardInterrupt())
    driver = rig.driver()
    with pytest.raises(KeyboardInterrupt):
        driver.send(GO)
    assert state(driver) == "running"
    assert driver.send(LOOK).refused is None
    assert state(driver) == "resting"


def test_an_interrupt_within_a_turn_fails_closed(rig: SyncRig) -> None:
    """Nobody knows how far the turn got."""
    driver = rig.driver()

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    rig.script.heard = interrupted
    rig.script.said.append(("broken", {"why": "x"}))
    with pytest.raises(KeyboardInterrupt):
        driver.send(GO)
    assert driver.failed == "KeyboardInterrupt in the middle of a turn"


def test_signals_observers_and_executors_cannot_hurt(rig: SyncRig, caplog: pytest.LogCaptureFixture) -> None:
    """Their exceptions are logged; an executor that takes nothing gives the outcome of a failure."""

    def blind(*_: object) -> None:
        raise ValueError("blind")

    class Full:
        def submit(self, *_: object) -> None:
            raise RuntimeError("no thread")

    driver = rig.driver(Full())  # type: ignore[arg-type]
    rig.script.heard = blind
    driver.observe(blind)
    driver.send(GO)
    assert (state(driver), driver.failed) == ("resting", None)
    assert "job.ring was not said" in caplog.text
    assert "an observer failed" in caplog.text
    assert "raised RuntimeError('no thread')" in caplog.text


@pytest.mark.parametrize("store", ["host", "pool"])
def test_a_commit_that_fails_ends_everything_before_the_operation(rig: SyncRig, store: str) -> None:
    """The state is as before, whoever sends is told, and the journal has the reason."""
    driver = rig.driver()
    getattr(rig, store).broken = OSError("no space")
    with pytest.raises(DriverFailed, match=f"^{store} variables could not be made durable .*: no space$"):
        driver.send(GO)
    assert (state(driver), "do job.run" in rig.log) == ("idle", False)
    assert json.loads(rig.steps.lines()[-1])["failed"] == driver.failed
    for act in (lambda: driver.send(LOOK), driver.snapshot, lambda: driver.load_pool({})):
        with pytest.raises(DriverFailed, match="no space"):
            act()
    with pytest.raises(DriverFailed, match="no space"):
        driver.serve(Event("worker", "host.work", {"what": 1}, "c1")).result()
    driver.post(GO)
    assert state(driver) == "idle"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (("gone", {}), "the adapter answered ('gone', {}) to job.run, which may answer done, broken(why)"),
        (("done", {"more": 1}), "the adapter answered ('done', {'more': 1}) to job.run, which may answer"),
        (lambda: None, "the adapter answered None to job.run, which may answer done, broken(why)"),
        (ZeroDivisionError("x"), "the adapter of job has no outcome for ZeroDivisionError('x'): x"),
    ],
)
def test_an_outcome_that_is_not_declared_fails_closed(rig: SyncRig, said: object, reason: str) -> None:
    """Whoever sent the event that led to it is told, though the event itself had its turn; and so is the next one."""
    rig.script.said.append(said)  # type: ignore[arg-type]
    driver = rig.driver()
    with pytest.raises(DriverFailed, match=f"^{re.escape(reason)}"):
        driver.send(GO)
    assert str(driver.failed).startswith(reason)
    assert rows(rig) == ["worker.idle/go", "boss.calm/noted"]
    with pytest.raises(DriverFailed):
        driver.send(DROP)


def test_an_instant_outcome_outside_its_domain_fails_closed(rig: SyncRig) -> None:
    """Also on an instance that has nothing else around it."""
    rig.script.answer = lambda: ("busy", {"who": {1}})
    for driver in (rig.driver(), SyncDriver(rig.node, {"job": rig.script, "host": rig.script}).another()):
        with pytest.raises(DriverFailed, match=r"^the adapter answered \('busy', .* to job.peek, which may answer"):
            driver.send(LOOK)
        assert state(driver) == "idle"


def test_a_journal_or_store_that_cannot_be_used_says_so(rig: SyncRig) -> None:
    """A journal that is full ends the driver; a pool store that must be awaited is for the other driver."""

    class Slow:
        async def commit(self, values: object) -> None:
            """Never awaited here."""

    def full(*_: object) -> None:
        raise OSError("no space")

    driver = rig.driver(pool_store=Slow())
    with pytest.warns(RuntimeWarning, match="never awaited"), pytest.raises(DriverFailed, match="AsyncDriver"):
        driver.send(GO)
    driver = rig.driver(journal=None)
    assert driver._work is not None
    driver._work.journal = type("Full", (), {"turn": full, "failed": full})()
    with pytest.raises(DriverFailed, match=r"^the journal cannot be written: no space$"):
        driver.send(GO)


def test_a_served_call_is_answered_when_its_machine_replies(rig: SyncRig) -> None:
    """A second call finds the machine busy, the same one again gets the same reply, a refused one the answer failed."""
    queue = Queue()
    driver, call = rig.driver(queue), Event("worker", "host.work", {"what": "x"}, "c1")
    first, again = driver.serve(call), driver.serve(call)
    assert driver.serve(Event("worker", "host.work", {"what": "x"}, "c2")).result(0).outcome == "failed"
    assert not first.done()
    assert not first.cancel()
    queue.next()
    assert (first.result(0).outcome, again.result(0).outcome) == ("ok", "ok")
    assert driver.serve(Event("worker", "host.work", {}, "c3")).result(0).outcome == "failed"
    with pytest.raises(ValueError, match="no call number"):
        driver.serve(Event("worker", "host.work", {"what": 1}))
    left = driver.serve(Event("worker", "host.work", {"what": "x"}, "c4"))
    driver.stop()
    with pytest.raises(DriverFailed, match="stopped"):
        left.result(0)


def test_a_refused_event_changes_nothing(rig: SyncRig, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever sends it gets the reason; of one that was posted it is logged."""
    driver = rig.driver()
    before = driver.local
    assert driver.send(DROP).refused == "worker in idle has no row for drop"
    assert driver.local is before
    assert "refused" not in caplog.text
    driver.post(DROP)
    assert "h0: refused: worker in idle has no row for drop" in caplog.text
    assert [json.loads(line).get("refused") for line in rig.steps.lines()[1:]] == [driver.send(DROP).refused] * 2


def test_timers_run_on_the_clock_that_was_injected(rig: SyncRig) -> None:
    """A state's timer ends with the state, a group's goes on inside the group; a late one is dropped."""
    driver = rig.driver()
    rig.script.answer = lambda: ("busy", {"who": frozenset({1})})
    queue = Queue()
    driver = rig.driver(queue)
    driver.send(LOOK)
    assert state(driver) == "resting"
    rig.clock.advance(2.0)
    assert state(driver) == "running"
    rig.clock.advance(6.0)
    assert state(driver) == "idle"
    queue.next()
    rig.clock.advance(100)
    assert (state(driver), driver.dropped, driver.failed) == ("idle", 0, None)


def test_a_timer_leaves_a_state_whose_operation_blocks(rig: SyncRig) -> None:
    """It falls due while the adapter is performing, in the same thread here."""
    driver = rig.driver()

    def blocks() -> Outcome:
        rig.clock.advance(8.0)
        return DONE

    rig.script.said.append(blocks)
    driver.send(GO)
    assert rows(rig)[-1] == "worker.busy/after"
    assert (state(driver), driver.dropped) == ("idle", 1)


def test_pool_variables_can_be_replaced_from_outside(rig: SyncRig) -> None:
    """All of them, only by values of their domains, and it is in the journal."""
    driver = rig.driver()
    driver.send(BUMP)
    driver.load_pool({"seen": [0, 1]})
    assert driver.node.value(driver.local, driver.pool, "seen") == frozenset({0, 1})
    assert driver.node.value(driver.local, driver.pool, "count") == 0
    with pytest.raises(BadValues, match=r"^the pool database: count = 9 is no 0\.\.3 of a pool of 3; put it"):
        driver.load_pool({"count": 9})
    assert driver.send(BUMP).fired[0].set == {"count": 2}
    assert replays(rig)


def test_a_driver_begins_with_what_its_store_kept(rig: SyncRig) -> None:
    """And refuses what its variable cannot have."""
    rig.host.values = {"armed": True, "agent.lives": 3}
    driver = rig.driver()
    assert driver.node.value(driver.local, driver.pool, "armed") is True
    rig.host.values = {"armed": "yes"}
    with pytest.raises(BadValues, match="host: armed = 'yes' is no bool"):
        rig.driver()


def test_stopping_within_a_turn_completes_it(rig: SyncRig) -> None:
    """What was queued is not taken, what was started is not performed, and whoever comes later is told."""
    driver = rig.driver()

    def ends(*_: object) -> None:
        driver.post(LOOK)
        driver.stop()

    driver.observe(ends)
    assert driver.send(GO).refused is None
    assert "do job.run" not in rig.log
    with pytest.raises(DriverFailed, match="stopped"):
        driver.send(DROP)
    rig.clock.advance(100)
    assert (state(driver), driver.failed, len(rig.steps)) == ("running", None, 2)


def test_a_fan_out_has_one_joined_outcome(rig: SyncRig) -> None:
    """Its targets are in the operation; its outcome bears no port."""
    rig.script.said.append(("some_failed", {"bad": frozenset({2})}))
    driver = rig.driver()
    driver.send(FAN)
    assert rig.script.operations[0].targets == (1, 2)
    assert rig.pool.values == {"seen": [2]}
