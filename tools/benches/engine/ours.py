"""Our contenders: the same machine as a spec, stepped by hand, driven, with a journal, and as a bound machine."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

from attrs import define, field

from fsm.drivers.adapters import Outcome
from fsm.drivers.bound import Bound
from fsm.drivers.journal import Journal, Records
from fsm.drivers.steps import Steps
from fsm.drivers.sync import SyncDriver
from fsm.engine.node import Node
from fsm.engine.turn import Event, Operation, Signal
from fsm.language.load import Library
from tools.benches.engine.ring import CYCLE, EDGES, MOVES, STATES

EVENTS = tuple(Event("ring", name) for name in CYCLE)
PORT = """
language: 1
port: bell
essay: what an entry action calls
signals: {act: {}}
"""


def spec() -> str:
    """The ring as a spec: the guard is an expression over a variable, the entry action a signal."""
    events = ", ".join(f"{event}: {{}}" for event in MOVES)
    rows = [f'- {{from: {s}, on: {e}, if: "level < 4", to: {t}, why: "it goes on"}}' for s, e, t in EDGES]
    hooks = [f'  {state}: {{tell: bell.act, why: "it is heard"}}' for state in STATES]
    return "\n".join(
        [
            "language: 1\nmachine: ring\nessay: ten states in a ring\nports: [bell]",
            'variables: {level: {type: "0..3", store: memory, initial: 2, why: "what guards test"}}',
            f"events: {{{events}}}\ninitial: s0\nstates: [{', '.join(STATES)}]\nenter:",
            *hooks,
            "rows:",
            *rows,
        ]
    )


def node() -> Node:
    """The ring, loaded and compiled."""
    library = Library.of({"machines/ring.yaml": spec(), "ports/bell.yaml": PORT})
    return Node([library.machine("ring")], 0, 1, {}, {})


@define(eq=False)
class PureStep:
    """`Node.step`: the caller keeps the state, and counts the signals that it would send."""

    node: Node = field(factory=node)
    local: tuple[Any, ...] = field(init=False)
    actions: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.local = self.node.boot()

    def drive(self, cycles: int) -> None:
        """As `Contender`."""
        step, local, pool, actions = self.node.step, self.local, self.node.pool(), self.actions
        for _ in range(cycles):
            for event in EVENTS:
                turn = step(local, pool, event)
                local, pool = turn.local, turn.pool
                actions += len(turn.effects.signals)
        self.local, self.actions = local, actions

    def end(self) -> tuple[str, int]:
        """As `Contender`."""
        return self.node.state(self.local, "ring"), self.actions


@define(eq=False)
class RecordedStep(PureStep):
    """The same, timed and appended to a journal in memory, which makes a `Step` of it when somebody looks."""

    steps: Steps = field(factory=Steps)

    def drive(self, cycles: int) -> None:
        """As `Contender`."""
        node, local, pool, actions = self.node, self.local, self.node.pool(), self.actions
        step, record = node.step, self.steps.turn
        for _ in range(cycles):
            for event in EVENTS:
                turn = step(local, pool, event)
                record(node, monotonic(), event, turn)
                local, pool = turn.local, turn.pool
                actions += len(turn.effects.signals)
        self.local, self.actions = local, actions

    def end(self) -> tuple[str, int]:
        """As `Contender`; what was not recorded was not done."""
        state, actions = super().end()
        return state, actions if len(self.steps) == actions else -1


@define(eq=False)
class ReadSteps(RecordedStep):
    """The same, and somebody looks at every `Step`."""

    def drive(self, cycles: int) -> None:
        """As `Contender`."""
        super().drive(cycles)
        for _ in self.steps:
            pass


@define(eq=False)
class Bell:
    """The adapter behind the port: it counts."""

    actions: int = 0

    def signal(self, signal: Signal) -> None:
        """The entry action of every state."""
        self.actions += 1

    def perform(self, operation: Operation) -> Outcome:
        """There is no operation."""
        raise NotImplementedError(operation)

    read = perform

    def failure(self, operation: Operation, error: BaseException) -> Outcome:
        """There is no operation."""
        raise NotImplementedError(operation)


@define(eq=False)
class Driven:
    """`SyncDriver.send`: guards, effects performed by an adapter, and the queue; with a journal where there is one."""

    journal: Records | None = None
    bell: Bell = field(factory=Bell)
    driver: SyncDriver = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.driver = SyncDriver(node(), {"bell": self.bell}, journal=self.journal)

    def drive(self, cycles: int) -> None:
        """As `Contender`."""
        send = self.driver.send
        for _ in range(cycles):
            for event in EVENTS:
                send(event)

    def end(self) -> tuple[str, int]:
        """As `Contender`."""
        return self.driver.node.state(self.driver.local, "ring"), self.bell.actions


@define(eq=False)
class NewEvents(Driven):
    """The same with an event that is made when it is sent, as one with a payload is."""

    def drive(self, cycles: int) -> None:
        """As `Contender`."""
        send = self.driver.send
        for _ in range(cycles):
            for event in CYCLE:
                send(Event("ring", event))


@define(eq=False)
class Recorded(Driven):
    """The same with a journal in memory."""

    journal: Records = field(factory=Steps)


@define(eq=False)
class Journalled(Driven):
    """The same with a line of JSON for each row, as a file would get it."""

    lines: list[bytes] = field(factory=list)
    journal: Records = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.journal = Journal(self.lines.append)
        super().__attrs_post_init__()


@define(eq=False)
class Triggered(Driven):
    """`Bound.trigger`, which takes names as users of `transitions` write them."""

    def drive(self, cycles: int) -> None:
        """As `Contender`."""
        trigger = Bound(self.driver).trigger
        for _ in range(cycles):
            for event in CYCLE:
                trigger(event)


def another() -> Callable[[], SyncDriver]:
    """A maker of further instances."""
    return Driven().driver.another


def moved() -> Callable[[], SyncDriver]:
    """A maker of further instances that have left their initial state."""
    make = another()

    def one() -> SyncDriver:
        driver = make()
        driver.send(EVENTS[0])
        return driver

    return one
