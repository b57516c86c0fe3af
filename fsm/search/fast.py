"""The fast engine: breadth first over a kernel, a chunk of the frontier at a time.

What it keeps of the past is the set of states found, and the states of each level in the order found: no parents. A way
to a state is found by walking the levels back: the level before is expanded again until the state appears among the
targets, which happens once a counterexample, so the search itself pays nothing for it.

A chunk of the frontier and all that is computed from it should stay in the cache of a core, and yet be so large that a
call of numpy costs little against its work: some ten thousand states.

With symmetry each target is replaced by the one state that stands for all its images before it is looked up. A step
property is judged on the edge as it is, from the representative that was expanded to the target itself. A search that
subsumes leaves out states where less is left of some budget than in one that was found (`fsm.search.subsuming`).

Left out: properties of runs (`fsm.search.liveness`), what a verdict is, and how a trace is told (`fsm.search.explore`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from fsm.search.engine import Settled
from fsm.search.memory import resident
from fsm.search.result import Limits, Progress
from fsm.search.space import Batch, Kernel, Property, Widened
from fsm.search.visited import Visited, visited

if TYPE_CHECKING:
    from fsm.search.space import Packed, Positions

CHUNK = 1 << 16
"""States that are expanded at a time."""

BETWEEN_LOOKS = 0.1
"""Seconds between two looks at the memory."""


class FastSearch:
    """One search; `run` it once.

    Attributes:
        distinct, generated, edges, depth: counts as `fsm.search.space` defines them.
        order: the states found, an array for each level, in the order found.
        looked: how many of them, the first ones, were expanded.
        settled: for each property that is decided, the first violation, of `reachable` the first state that has it.
        needs_seen: names of the properties whose `needs` was reached.
        refused: what nodes said that refused a turn, and the first state where.
    """

    def __init__(self, kernel: Kernel[Any], symmetry: bool, subsume: bool = False) -> None:
        self.kernel, self.symmetry, self.subsume = kernel, symmetry, subsume
        self._forget()

    def _forget(self) -> None:
        """Begins with nothing."""
        self.generated = self.edges = self.looked = 0
        self.order: list[Packed] = []
        self._looking: Packed | None = None
        self.settled: dict[str, Settled] = {}
        self.needs_seen: set[str] = set()
        self.refused: dict[str, int] = {}
        properties = self.kernel.space.properties
        self._states = [p for p in properties if p.kind in ("always", "reachable", "deadlock")]
        self._steps = [p for p in properties if p.kind == "step"]
        self._needing = [p for p in properties if p.needs]
        self._visited: Visited = self._nothing()
        self._numbered = -1
        self._violated = False

    def _nothing(self) -> Visited:
        if not self.subsume:
            return visited(self.kernel.bits)
        from fsm.search.subsuming import Subsuming

        counted_on = [kind for promised in self.kernel.space.properties for kind in promised.counting_on]
        return Subsuming(self.kernel.budgets, counted_on)

    @property
    def distinct(self) -> int:
        """States found."""
        return len(self._visited)

    @property
    def fired(self) -> set[str]:
        """The rows that fired."""
        return set(self.kernel.fired())

    @property
    def looking(self) -> list[int]:
        """The states that are expanded or judged at present."""
        return [] if self._looking is None else list(map(int, self._looking))

    @property
    def depth(self) -> int:
        """Levels; the states at the beginning are the first."""
        return len(self.order)

    def run(
        self, limits: Limits, progress: Callable[[Progress], None] | None = None, stop_at_first: bool = False
    ) -> bool:
        """Find every state, or as many as the limits allow. Returns whether that is all of them.

        Arguments:
            limits: looked at after each chunk, so that a search goes a little beyond them.
            progress: called about once a second.
            stop_at_first: end after the first violation or refused turn.
        Errors: `SpecError` where a formula or a move has no value.
        """
        watch = _Watch(limits, progress)
        while True:
            try:
                return self._run(watch, stop_at_first)
            except Widened:
                self._forget()

    def _run(self, watch: _Watch, stop_at_first: bool) -> bool:
        level = self.kernel.initial()
        self.generated += len(level)
        level = self._visited.level(self._visited.add(self._canonical(level)))
        while len(level):
            self.order.append(level)
            self._judge(level)
            if (stop_at_first and self._violated) or watch.over(self, len(level)):
                return False
            found: list[Packed] = []
            complete = self._expand(level, found, watch, stop_at_first)
            level = self._visited.level(np.concatenate(found)) if found else level[:0]
            if not complete:
                if len(level):
                    self.order.append(level)
                    self._judge(level)
                return False
        return True

    def _expand(self, level: Packed, found: list[Packed], watch: _Watch, stop_at_first: bool) -> bool:
        """Find the next level. Returns whether it is complete."""
        for at in range(0, len(level), CHUNK):
            self._looking = chunk = level[at : at + CHUNK]
            for batch in self.kernel.expand(chunk):
                self.generated += batch.generated
                self.edges += len(batch.targets)
                if batch.refused:
                    self._refuse(chunk, batch)
                if self._steps:
                    self._judge_steps(chunk, batch)
                new = self._visited.add(self._canonical(batch.targets))
                if len(new):
                    found.append(new)
            self.looked += len(chunk)
            if (stop_at_first and self._violated) or watch.over(self, len(level) - at + sum(map(len, found))):
                return False
        return True

    def _canonical(self, states: Packed) -> Packed:
        return self.kernel.canonical(states) if self.symmetry and len(states) else states

    def _refuse(self, chunk: Packed, batch: Batch) -> None:
        self._violated = True
        for source, message in batch.refused:
            self.refused.setdefault(message, int(chunk[source]))

    def _judge_steps(self, chunk: Packed, batch: Batch) -> None:
        if not len(batch.targets):
            return
        sources = batch.sources
        seen, target = self.kernel.see(chunk)[sources], self.kernel.see(batch.targets)
        for property_ in list(self._steps):
            wrong = (~self.kernel.holds(property_, "text", seen, target)).nonzero()[0]
            if len(wrong):
                self._steps.remove(property_)
                self._violated = True
                source = int(chunk[sources[wrong[0]]])
                self.settled[property_.name] = Settled(source, int(batch.targets[wrong[0]]))

    def _judge(self, level: Packed) -> None:
        """Decide what this level decides."""
        for states in _chunks(level):
            if not self._states and not self._needing:
                return
            self._looking = states
            seen = self.kernel.see(states)
            for property_ in list(self._states):
                decisive = self._decisive(property_, states, seen)
                if len(decisive):
                    self._states.remove(property_)
                    self._violated |= property_.kind != "reachable"
                    self.settled[property_.name] = Settled(int(states[decisive[0]]))
            for property_ in list(self._needing):
                if self.kernel.holds(property_, "needs", seen).any():
                    self._needing.remove(property_)
                    self.needs_seen.add(property_.name)

    def _decisive(self, property_: Property, states: Packed, seen: Any) -> Any:
        """Where a property of states is violated, one that is `reachable` reached: indices of states."""
        if property_.kind == "deadlock":
            stuck = self.kernel.stuck(states).nonzero()[0]
            return stuck[~self.kernel.holds(property_, "text", seen[stuck])]
        holds = self.kernel.holds(property_, "text", seen)
        return (holds if property_.kind == "reachable" else ~holds).nonzero()[0]

    def state(self, key: int) -> Any:
        """The state of a packed one."""
        return self.kernel.unpack(key)

    def path(self, packed: int) -> list[int]:
        """A shortest way to a state that was found, from a state at the beginning, both included.

        With symmetry each is the representative of an image of a successor of the one before.
        Errors: `KeyError` where the state was not found.
        """
        for depth, level in enumerate(self.order):  # noqa: B007
            if (level == packed).any():
                break
        else:
            raise KeyError(packed)
        way = [packed]
        for level in reversed(self.order[:depth]):
            way.append(self._predecessor(level, way[-1]))
        return way[::-1]

    def _predecessor(self, level: Packed, packed: int) -> int:
        for chunk in _chunks(level):
            for batch in self.kernel.expand(chunk):
                hits = (self._canonical(batch.targets) == packed).nonzero()[0]
                if len(hits):
                    return int(chunk[batch.sources[hits[0]]])
        raise KeyError(packed)

    def positions(self, states: Packed) -> Positions:
        """For each state its place in the order found, all levels one after another; -1 where it was not found."""
        if self._numbered != self.distinct:
            self._visited.number(self.order)
            self._numbered = self.distinct
        return self._visited.positions(self._canonical(states))


class _Watch:
    """Looks at clock, states and memory."""

    def __init__(self, limits: Limits, progress: Callable[[Progress], None] | None) -> None:
        self._limits, self._progress = limits, progress
        self._began = self._told = time.monotonic()
        self._looked = 0.0
        self._memory = 0.0

    def over(self, search: FastSearch, frontier: int) -> bool:
        """Whether a limit is reached; tells the progress, if it is time."""
        now, limits = time.monotonic(), self._limits
        if now - self._looked > BETWEEN_LOOKS:
            self._looked, self._memory = now, resident()
        if self._progress and now - self._told >= 1:
            self._told = now
            self._progress(
                Progress(search.distinct, search.generated, search.depth, frontier, now - self._began, self._memory)
            )
        return (
            (limits.states is not None and search.distinct > limits.states)
            or (limits.seconds is not None and now - self._began > limits.seconds)
            or (limits.memory is not None and self._memory > limits.memory)
        )


def _chunks(states: Packed) -> Iterator[Packed]:
    for at in range(0, len(states), CHUNK):
        yield states[at : at + CHUNK]
