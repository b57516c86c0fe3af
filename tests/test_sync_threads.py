"""The driver without event loop under real threads; and both drivers, given the same, write the same journal."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm.drivers.adapters import Outcome
from fsm.drivers.clock import ThreadClock
from fsm.drivers.drive import AsyncDriver
from fsm.drivers.futures import DriverFailed
from fsm.drivers.sync import SyncDriver
from fsm.drivers.work import Work
from fsm.engine.node import Node
from fsm.engine.turn import Event, Operation, Signal, Turn
from fsm.language.load import Library
from tests.toy_node import BUMP, DROP, FAN, GO, LOOK, Rig, rest, toy_node
from tests.toy_sync import DONE, Queue, SyncRig, state

COUNTER = """
language: 1
machine: counter
essay: it counts
ports: [bell]
events: {tick: {}, mark: {who: "0..9", nth: "0..999"}}
variables: {n: {type: "0..999", store: memory, initial: 0, why: "how often it was told"}}
initial: on
states: [on]
rows:
- {from: on, on: tick, to: same, set: {n: "n + 1"}, tell: bell.ring, why: "it counts one up"}
- {from: on, on: mark, to: same, why: "it is seen"}
"""
BELL = """
language: 1
port: bell
essay: a bell
operations: {}
signals: {ring: {}}
"""
TICK = Event("counter", "tick")
THREADS, EACH = 6, 160


@pytest.fixture(autouse=True)
def eager_threads() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture(scope="module", name="counter")
def made_counter() -> Node:
    """The counter, loaded once."""
    library = Library.of({"machines/counter.yaml": COUNTER, "ports/bell.yaml": BELL})
    return Node([library.machine("counter")], 0, 1, {}, {})


@pytest.fixture(scope="module", name="node")
def made_node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """The toy, loaded once."""
    return toy_node(tmp_path_factory.mktemp("specs"))


class Bell:
    """Hears how many turns are inside of it at once."""

    inside = most = rung = 0

    def __init__(self) -> None:
        self.heard: Callable[[], None] = lambda: None

    def signal(self, signal: Signal) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        for _ in range(20):
            self.rung += 1  # not atomic: threads that were here together would lose some
        self.inside -= 1
        self.heard()

    def perform(self, operation: Operation) -> Outcome:
        raise NotImplementedError

    def read(self, operation: Operation) -> Outcome:
        raise NotImplementedError

    def failure(self, operation: Operation, error: BaseException) -> Outcome:
        raise NotImplementedError


def together(work: Callable[[int], None], threads: int = THREADS) -> None:
    """Runs something in several threads at once, and waits for all."""
    begin, errors = threading.Barrier(threads), list[BaseException]()

    def run(index: int) -> None:
        begin.wait(5)
        try:
            work(index)
        except BaseException as error:
            errors.append(error)

    running = [threading.Thread(target=run, args=(index,)) for index in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(20)
    assert not any(thread.is_alive() for thread in running)
    assert not errors


@pytest.mark.parametrize("watched", [False, True])
def test_many_senders_are_counted_exactly(counter: Node, watched: bool) -> None:
    """Every turn starts from what the one before has left, and no two are ever under way together."""
    bell, seen = Bell(), list[int]()
    driver = SyncDriver(counter, {"bell": bell})
    if watched:
        driver.observe(lambda time, event, turn: None)

    def work(index: int) -> None:
        for _ in range(EACH):
            seen.append(driver.send(TICK).fired[0].set["counter.n"])

    together(work)
    assert sorted(seen) == list(range(1, THREADS * EACH + 1))
    assert (bell.most, bell.rung) == (1, THREADS * EACH * 20)
    assert driver.failed is None


def test_the_events_of_one_thread_keep_their_order(counter: Node) -> None:
    """Sent and posted, whoever runs the turns; and none is lost."""
    driver, seen = SyncDriver(counter, {"bell": Bell()}), list[tuple[int, int]]()
    driver.observe(lambda time, event, turn: seen.append((event.payload["who"], event.payload["nth"])))

    def work(index: int) -> None:
        for n in range(EACH):
            event = Event("counter", "mark", {"who": index, "nth": n})
            driver.send(event) if n % 3 == 0 else driver.post(event)

    together(work)
    for index in range(THREADS):
        assert [n for who, n in seen if who == index] == list(range(EACH))


@pytest.mark.parametrize("watched", [False, True])
def test_what_is_posted_within_a_turn_comes_after_it(counter: Node, watched: bool) -> None:
    """Nobody else comes by: the one who had the turn takes it."""
    bell = Bell()
    driver = SyncDriver(counter, {"bell": bell})
    if watched:
        driver.observe(lambda time, event, turn: None)
    bell.heard = lambda: driver.post(TICK) if bell.rung < 60 else None
    driver.send(TICK)
    assert (driver.node.value(driver.local, driver.pool, "counter.n"), bell.rung) == (3, 60)


def test_nobody_overtakes_what_is_queued(counter: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn has ended and another thread sends, before what was queued meanwhile is looked at."""
    bell, seen = Bell(), list[int]()
    driver, advance = SyncDriver(counter, {"bell": bell}), Work.advance
    driver.observe(lambda time, event, turn: seen.append(event.payload.get("nth", 0)))
    bell.heard = lambda: driver.post(Event("counter", "mark", {"who": 0, "nth": 1}))

    def overtaken(work: Work) -> None:
        if hasattr(driver, "idle"):
            monkeypatch.undo()
            driver.send(Event("counter", "mark", {"who": 0, "nth": 2}))
        advance(work)

    monkeypatch.setattr(Work, "advance", overtaken)
    driver.send(TICK)
    assert seen == [0, 1, 2]


def test_a_thread_may_leave_a_state_whose_operation_blocks_another(node: Node) -> None:
    """The operation ends for nobody; the thread that performed it returns."""
    rig, begun, end = SyncRig(node), threading.Event(), threading.Event()
    driver = rig.driver()

    def blocks() -> Outcome:
        begun.set()
        end.wait(5)
        return DONE

    rig.script.said.append(blocks)
    thread = threading.Thread(target=driver.send, args=(GO,))
    thread.start()
    assert begun.wait(5)
    assert driver.send(DROP).refused is None
    end.set()
    thread.join(5)
    assert (state(driver), driver.dropped) == ("idle", 1)


def test_whoever_waits_is_told_when_the_driver_stops(counter: Node) -> None:
    """Senders in all threads end: each has its turn, or hears that there is none; what was counted is what was told."""
    bell, told = Bell(), list[int]()
    driver = SyncDriver(counter, {"bell": bell})

    def work(index: int) -> None:
        for n in range(EACH):
            if index == 0 and n == EACH // 2:
                driver.stop()
            try:
                told.append(driver.send(TICK).fired[0].set["counter.n"])
            except DriverFailed:
                return

    together(work)
    assert sorted(told) == list(range(1, len(told) + 1))
    assert driver.node.value(driver.local, driver.pool, "counter.n") == len(told)
    assert driver.failed is None


def test_the_clock_of_threads_calls_at_its_time_and_nothing_holds_it_up() -> None:
    """A callback that blocks delays no other; a cancelled one is not called; none comes early."""
    clock, end, late = ThreadClock(), threading.Event(), threading.Event()
    called, begin = list[str](), clock.now()
    clock.call_later(0.01, lambda: called.append(str(end.wait(5))))
    clock.call_later(0.02, lambda: called.append("never")).cancel()
    clock.call_later(0.03, late.set)
    assert late.wait(5)
    assert clock.now() - begin >= 0.03
    assert called == []
    end.set()


def test_timers_need_no_loop(node: Node) -> None:
    """With the default clock a state is left by its timer while the sender does something else."""
    script = SyncRig(node).script
    short = Node(node.machines, 0, 3, {}, {"T": 0.01})
    driver, left = SyncDriver(short, {"job": script, "host": script}), threading.Event()
    driver.observe(lambda time, event, turn: left.set() if event.name == "job.done" else None)
    script.answer = lambda: ("busy", {"who": frozenset({1})})
    driver.send(LOOK)
    assert left.wait(5)
    driver.stop()


ACTIONS = ("go", "drop", "look", "fan", "bump", "call", "good", "bad", "raise", "time", "pool")
EVENTS = {"go": GO, "drop": DROP, "look": LOOK, "fan": FAN, "bump": BUMP}


def outcome(action: str, operation: Operation) -> Outcome:
    """How an operation of the toy ends."""
    if operation.joined:
        return ("all_ok", {}) if action == "good" else ("some_failed", {"bad": frozenset({1})})
    return DONE if action == "good" else ("broken", {"why": "it broke"})


def alone(node: Node, actions: list[str]) -> list[str]:
    """The journal of the driver without event loop."""
    rig, queue = SyncRig(node), Queue()
    driver = rig.driver(queue)
    rig.script.answer = lambda: ("busy", {"who": frozenset({1})})
    for number, action in enumerate(actions):
        if action in EVENTS:
            driver.post(EVENTS[action])
        elif action == "call":
            driver.serve(Event("worker", "host.work", {"what": number}, f"c{number}"))
        elif action == "time":
            rig.clock.advance(2.0)
        elif action == "pool":
            with suppress(DriverFailed):
                driver.load_pool({"count": 2})
        elif queue.waiting:
            rig.script.said.append(_ends(rig, action))
            queue.waiting.pop()()
            rig.script.said.clear()
    driver.stop()
    return rig.steps.lines()


def _ends(rig: SyncRig, action: str) -> Any:
    return OSError("no") if action == "raise" else lambda: outcome(action, rig.script.operations[-1])


def looped(node: Node, actions: list[str]) -> list[str]:
    """The journal of the asyncio driver."""
    rig = Rig(node)
    rig.hand.answer = lambda: ("busy", {"who": frozenset({1})})

    async def main() -> None:
        driver = rig.driver()
        driver.start()
        for number, action in enumerate(actions):
            await _act(rig, driver, number, action)
            await rest()
        await driver.stop()

    asyncio.run(main())
    return rig.lines


async def _act(rig: Rig, driver: AsyncDriver, number: int, action: str) -> None:
    waiting = [started for started in rig.hand.started if not started[1].done()]
    if action in EVENTS:
        driver.post(EVENTS[action])
    elif action == "call":
        driver.serve(Event("worker", "host.work", {"what": number}, f"c{number}")).add_done_callback(_looked_at)
    elif action == "time":
        rig.clock.advance(2.0)
    elif action == "pool":
        with suppress(DriverFailed):
            await driver.load_pool({"count": 2})
    elif waiting:
        operation, future = waiting[-1]
        if action == "raise":
            future.set_exception(OSError("no"))
        else:
            future.set_result(outcome(action, operation))


def _looked_at(reply: asyncio.Future[Any]) -> None:
    reply.cancelled() or reply.exception()


@settings(max_examples=100, deadline=None)
@given(actions=st.lists(st.sampled_from(ACTIONS), max_size=25))
def test_both_drivers_write_the_same_journal(node: Node, actions: list[str]) -> None:
    """Events, calls, outcomes, exceptions, timers and pools in any order: the same lines, times included, and the same
    end where an exception has no outcome."""
    assert alone(node, actions) == looped(node, actions)


def test_turns_are_returned_as_they_were(counter: Node) -> None:
    """What `send` gives is the turn of its own event, also where another thread ran it."""
    driver = SyncDriver(counter, {"bell": Bell()})
    turns: dict[int, list[Turn]] = {index: [] for index in range(THREADS)}

    def work(index: int) -> None:
        for n in range(EACH):
            turns[index].append(driver.send(Event("counter", "mark", {"who": index, "nth": n})))

    together(work)
    for index, mine in turns.items():
        assert [(t.fired[0].payload["who"], t.fired[0].payload["nth"]) for t in mine] == [
            (index, n) for n in range(EACH)
        ]
