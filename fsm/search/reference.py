"""The reference engine: breadth first, one state at a time, in plain Python.

It is there to be believed: a queue, a dictionary, and the space's own words for everything. What is clever lies in the
fast engine (`fsm.search.fast`), and the tests hold the two against each other.

With symmetry a state counts as found when any of its images was: no order of states is needed to choose one of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Generic

from attrs import define, field

from fsm.search.asked_again import answers, stride
from fsm.search.engine import Settled
from fsm.search.memory import resident
from fsm.search.result import Limits, Progress
from fsm.search.space import Property, S, Space

BETWEEN_LOOKS = 256
"""States between two looks at the clock."""


@define(eq=False)
class ReferenceSearch(Generic[S]):
    """One search.

    Arguments:
        space: what is explored.
        symmetry: count the permutations of a state once.

    `parents` gives for each state found the one that it was found from, in the order of the search; None for those at
    the beginning. `settled` are the first violations of always, step and deadlock properties, and the first states of
    reachable ones, `needs_seen` the properties whose `needs` was reached,
    `refused` what nodes refused and where. `sample` is what the space said of some states, to be asked again
    (`fsm.search.asked_again`).
    """

    space: Space[S]
    symmetry: bool = False
    parents: dict[S, S | None] = field(factory=dict, init=False)
    settled: dict[str, Settled] = field(factory=dict, init=False)
    needs_seen: set[str] = field(factory=set, init=False)
    refused: dict[str, S] = field(factory=dict, init=False)
    fired: set[str] = field(factory=set, init=False)
    groups: set[str] = field(factory=set, init=False)
    sample: dict[S, Any] = field(factory=dict, init=False)
    looking: list[S] = field(factory=list, init=False)
    looked: int = field(default=0, init=False)
    generated: int = field(default=0, init=False)
    edges: int = field(default=0, init=False)
    depth: int = field(default=0, init=False)
    violated: bool = field(default=False, init=False)
    _sampled: int = field(default=0, init=False)
    _steps: list[Property] = field(init=False)
    _open: list[Property] = field(init=False)
    _needing: list[Property] = field(init=False)
    _deadlocks: list[Property] = field(init=False)

    def __attrs_post_init__(self) -> None:
        promised = self.space.properties
        self._steps = [p for p in promised if p.kind == "step"]
        self._open = [p for p in promised if p.kind in ("always", "reachable")]
        self._deadlocks = [p for p in promised if p.kind == "deadlock"]
        self._needing = [p for p in promised if p.needs]

    @property
    def distinct(self) -> int:
        """States found."""
        return len(self.parents)

    def run(self, limits: Limits, progress: Callable[[Progress], None] | None, stop_at_first: bool) -> bool:
        """Looks into states until none is left (True) or it has to stop (False)."""
        began = shown = time.monotonic()
        level: list[S] = []
        for state in self.space.initial():
            self.generated += 1
            self._find(state, None, level)
        while level:
            self.depth += 1
            below: list[S] = []
            for done, state in enumerate(level):
                if done % BETWEEN_LOOKS == 0:
                    now = time.monotonic()
                    if _over(limits, now - began):
                        return False
                    if progress is not None and now - shown >= 1.0:
                        shown, left = now, len(level) - done + len(below)
                        progress(self._progress(now - began, left))
                if limits.states is not None and self.distinct > limits.states:
                    return False
                if stop_at_first and (self.violated or self.refused):
                    return False
                self._look_into(state, below)
            level = below
        return not (stop_at_first and self.violated)

    def state(self, key: S) -> S:
        """The state that a key of this search stands for: here the key itself."""
        return key

    def path(self, state: S) -> list[S]:
        """The states from the beginning to one of them, on a shortest way."""
        path, at = [], self._known(state)
        while at is not None:
            path.append(at)
            at = self.parents[at]
        return path[::-1]

    def _look_into(self, state: S, below: list[S]) -> None:
        self.looking = [state]
        moved, edges = False, list(self.space.edges(state))
        if self.looked == self._sampled:
            self._sampled += stride(self.looked)
            self.sample[state] = answers(self.space, state, edges)
        self.looked += 1
        for edge in edges:
            moved |= edge.fault is None
            self.groups.add(edge.group)
            if edge.refused is not None:
                self.refused.setdefault(edge.refused, state)
                continue
            self.generated += 1
            self.fired.update(self.space.fired(edge))
            target = edge.target
            if edge.cut or target is None or target == state:
                continue
            self.edges += 1
            self._find(target, state, below)
            for promised in list(self._steps):
                if not self.space.holds(promised, "text", state, target):
                    self._settle(promised, Settled(state, target), self._steps)
        if not moved:
            for promised in list(self._deadlocks):
                if not self.space.holds(promised, "text", state):
                    self._settle(promised, Settled(state), self._deadlocks)

    def _find(self, state: S, parent: S | None, level: list[S]) -> None:
        if self._known(state) is not None:
            return
        self.parents[state] = parent
        level.append(state)
        self.looking[1:] = [state]
        for promised in list(self._open):
            if self.space.holds(promised, "text", state) == (promised.kind == "reachable"):
                self._settle(promised, Settled(state), self._open)
        for promised in list(self._needing):
            if self.space.holds(promised, "needs", state):
                self._needing.remove(promised)
                self.needs_seen.add(promised.name)

    def _known(self, state: S) -> S | None:
        """The state, or that of its images, that was found."""
        if state in self.parents:
            return state
        if not self.symmetry:
            return None
        return next((image for image in self.space.images(state) if image in self.parents), None)

    def _settle(self, promised: Property, where: Settled, open_: list[Property]) -> None:
        open_.remove(promised)
        self.settled[promised.name] = where
        self.violated |= promised.kind != "reachable"

    def _progress(self, seconds: float, frontier: int) -> Progress:
        return Progress(self.distinct, self.generated, self.depth, frontier, seconds, resident())


def _over(limits: Limits, seconds: float) -> bool:
    if limits.seconds is not None and seconds > limits.seconds:
        return True
    return limits.memory is not None and resident() > limits.memory
