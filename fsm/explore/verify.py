"""Every reachable state of a system, breadth first.

States are found in the order of their distance from the beginning, so that the first violation found of a property is
a shortest one. Each property is decided at its first violation; the search goes on for the others. Kinds:
- `always`: holds in every state; a counterexample is the path to the first state in which it does not.
- `step`: holds on every edge; a counterexample is the path to the edge's source, and the edge.
- `reachable`: some state has it; what is shown is the path there. It says that the others do not hold for nothing.
- `recoverable`: from every state some way leads to one that has it, decided once all states are known
  (`fsm.explore.recovery`); a counterexample is the path to a first state from which none does.
A turn that a node refuses is a violation whatever the properties say: the spec has no answer.

What is counted. states: distinct joint states. edges: moves out of them that change the state (a poll that finds
nothing new is none); two moves to one state are two. depth: the distance of the farthest state, in moves.

A search that a limit cuts short never says `holds`: it says how far it came, and that nothing was violated so far.
"""

from __future__ import annotations

import gc
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from attrs import define, field, frozen

from fsm.explore.joint import Joint, JointState
from fsm.explore.properties import Observer
from fsm.explore.recovery import stranded
from fsm.explore.system import System
from fsm.explore.tables import Tables
from fsm.explore.trace import Trace, trace_of
from fsm.explore.verdicts import NOT_REACHED, VIOLATED, Judge, Settled, Verdict

BETWEEN_LOOKS = 256
"""States between two looks at the clock."""


@frozen
class Refusal:
    """A turn that a node refused: what it said, and the shortest way there."""

    message: str
    trace: Trace


@frozen
class Progress:
    """How far a search has come; `frontier` counts states found and not yet looked into."""

    states: int
    edges: int
    depth: int
    frontier: int
    seconds: float


@frozen
class Result:
    """The outcome of a search. `rows` are the ids of rows that fired, `unfired` of those that never did."""

    system: System = field(repr=False)
    states: int
    edges: int
    depth: int
    seconds: float
    finished: bool
    verdicts: tuple[Verdict, ...]
    refusals: tuple[Refusal, ...]
    rows: frozenset[str] = field(repr=False)

    @property
    def unfired(self) -> tuple[str, ...]:
        """The rows of the system's machines that never fired, in the order of the files."""
        return tuple(row.id for machine in self.system.machines for row in machine.rows if row.id not in self.rows)

    @property
    def violated(self) -> bool:
        """Whether the answer is no: a counterexample, a refused turn, or something that cannot be reached."""
        return bool(self.refusals) or any(v.verdict in (VIOLATED, NOT_REACHED) for v in self.verdicts)

    @property
    def exit_code(self) -> int:
        """0: all hold; 1: the answer is no; 2: not finished, nothing violated so far."""
        return 1 if self.violated else 0 if self.finished else 2

    def verdict(self, name: str) -> Verdict:
        """The verdict on a property by its name. Errors: `KeyError`."""
        found = {verdict.property.name: verdict for verdict in self.verdicts}
        return found[name]


def explore(
    system: System,
    limit_states: int | None = None,
    limit_seconds: float | None = None,
    progress: Callable[[Progress], None] | None = None,
    stop_at_first: bool = False,
) -> Result:
    """Every reachable state, or as many as the limits allow.

    Arguments:
        system: what to explore.
        limit_states: stop once more states than this were found.
        limit_seconds: stop after so many seconds.
        progress: called about once a second.
        stop_at_first: stop at the first violation or refused turn, which is enough to reject a mutant.
    Errors: `SpecError` where the system cannot be built or its world breaks its own rules.
    """
    joint = Joint(system)
    search = _Search(system, joint, Observer(system, joint), Tables(joint))
    with _uncollected():
        search.start()
        finished = search.run(limit_states, limit_seconds, progress, stop_at_first)
        if finished:
            search.recover()
    return search.result(finished)


@contextmanager
def _uncollected() -> Iterator[None]:
    """No cyclic garbage is looked for meanwhile: a search makes none, and its millions of values, all of them in use,
    would be walked through again and again (a third of the time)."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


@define(eq=False)
class _Search:
    """One search while it is under way. Entry i of `order`, `parents` and `seen` belongs to the i-th state found: its
    packed value, the position of the state it was found from, the number of what properties see of it."""

    system: System
    joint: Joint
    observer: Observer
    tables: Tables
    judge: Judge = field(init=False)
    began: float = field(factory=lambda: time.monotonic(), init=False)
    order: list[int] = field(factory=list, init=False)
    found: dict[int, int] = field(factory=dict, init=False)
    parents: array[int] = field(factory=lambda: array("q"), init=False)
    seen: array[int] = field(factory=lambda: array("q"), init=False)
    edges: int = field(default=0, init=False)
    depth: int = field(default=0, init=False)
    looked: int = field(default=0, init=False)
    refused: dict[str, int] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self.judge = Judge(self.observer, self.tables)

    def start(self) -> None:
        """Finds the states at the beginning."""
        for state in self.joint.initial():
            packed = self.tables.pack(state)
            if packed not in self.found:
                self.add(packed, -1)

    def run(
        self,
        limit_states: int | None,
        limit_seconds: float | None,
        progress: Callable[[Progress], None] | None,
        stop_at_first: bool,
    ) -> bool:
        """Looks into states until none is left (True) or it has to stop (False)."""
        shown, level_end = self.began, len(self.order)
        while self.looked < len(self.order):
            if self.looked == level_end:
                self.depth, level_end = self.depth + 1, len(self.order)
            if self.looked % BETWEEN_LOOKS == 0:
                now = time.monotonic()
                if limit_seconds is not None and now - self.began > limit_seconds:
                    return False
                if progress is not None and now - shown >= 1.0:
                    shown = now
                    progress(self.progress(now))
            if limit_states is not None and len(self.order) > limit_states:
                return False
            if stop_at_first and (self.judge.violated or self.refused):
                return False
            self.look_into(self.looked)
            self.looked += 1
        return True

    def look_into(self, position: int) -> None:
        """Finds the states that one state leads to."""
        packed, found, seen, judged = self.order[position], self.found, self.seen, self.judge.pairs
        differences, refused = self.tables.moves(packed)
        for message in refused:
            self.refused.setdefault(message, position)
        self.edges += len(differences)
        steps, before = bool(self.judge.steps), seen[position] << 32
        for difference in differences:
            target = found.get(packed + difference)
            if target is None:
                target = self.add(packed + difference, position)
            if steps and before | seen[target] not in judged:
                self.judge.edge(seen[position], seen[target], position, target)

    def add(self, packed: int, parent: int) -> int:
        """The position of a state that is new."""
        position = self.found[packed] = len(self.order)
        self.order.append(packed)
        self.parents.append(parent)
        self.seen.append(self.judge.state(packed, position))
        return position

    def recover(self) -> None:
        """Decides the `recoverable` properties; every state is known."""
        for counting_on in dict.fromkeys(frozenset(formula.property.counting_on) for formula in self.judge.recoveries):
            formulas = [f for f in self.judge.recoveries if frozenset(f.property.counting_on) == counting_on]
            goals = [self.judge.where(formula, self.seen) for formula in formulas]
            positions = stranded(self.tables.unaided(counting_on), self.order, self.found, goals)
            for formula, position in zip(formulas, positions, strict=True):
                if position is not None:
                    self.judge.strand(formula, position)

    def progress(self, now: float) -> Progress:
        """How far it has come."""
        states = len(self.order)
        return Progress(states, self.edges, self.depth, states - self.looked, now - self.began)

    def result(self, finished: bool) -> Result:
        """What is known now."""
        seconds = time.monotonic() - self.began
        judge = self.judge
        verdicts = [
            Verdict(p, judge.verdict(p, finished), self.settled(judge.settled.get(p.name)))
            for p in self.system.properties
        ]
        refusals = [Refusal(m, trace_of(self.observer, self.path(at), refused=m)) for m, at in self.refused.items()]
        return Result(
            self.system, len(self.order), self.edges, self.depth, seconds, finished, tuple(verdicts), tuple(refusals),
            frozenset(self.tables.fired),
        )  # fmt: skip

    def settled(self, where: Settled | None) -> Trace | None:
        """The trace to where a property was decided."""
        if where is None:
            return None
        end = [] if where.target is None else [self.tables.unpack(self.order[where.target])]
        return trace_of(self.observer, self.path(where.source) + end)

    def path(self, position: int) -> list[JointState]:
        """The states from the beginning to one of them, on a shortest way."""
        path = []
        while position >= 0:
            path.append(self.tables.unpack(self.order[position]))
            position = self.parents[position]
        return path[::-1]
