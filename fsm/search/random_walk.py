"""Random walks, for spaces that are too large: no proof, but counterexamples, and the same ones for the same seed.

A walk begins at one of the states at the beginning and takes one possible move after the other, until it took so many
or none is possible. Looked at are always, step, deadlock and reachable properties, and turns that are refused; what
needs all states stays open. What is found first of a property is made shorter before it is shown: from each state of
the way straight to the last one of the way that a single move leads to.

Which move is left to chance, with two nudges. Each walk does without about half of the kinds of fault, where anything
else is possible: walks in which everything breaks all the time never come far. And every second time a state that was
not seen before goes first. Of 20,000 moves of the failover of three hosts without clause K1 such walks found all three
broken promises, with each of three seeds; walks without the nudges found none.

Left out: learning where to look from one walk for the next.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import islice
from random import Random
from typing import Any, Generic

from attrs import define, evolve, field

from fsm.errors import SpecError
from fsm.search.blame import blamed
from fsm.search.memory import resident
from fsm.search.result import HOLDS, OPEN, VIOLATED, Limits, Progress, Refusal, Result, Verdict
from fsm.search.space import Edge, Property, S, Space
from fsm.search.trace import Trace, closing, trace_of, way_there

STEPS, LENGTH = 100_000, 200
"""Moves altogether and of one walk, where nothing is said."""
BEGINNINGS = 1000
"""States at the beginning that are chosen from: the first so many."""
REMEMBERED = 20_000
"""States whose moves are remembered, which are looked at again and again."""
ENGINE = "random"


def random_walk(
    space: Space[S],
    seed: int = 0,
    *,
    steps: int = STEPS,
    length: int = LENGTH,
    limits: Limits = Limits(),  # noqa: B008 - it is immutable
    progress: Callable[[Progress], None] | None = None,
    stop_at_first: bool = False,
) -> Result:
    """Walks by chance.

    Arguments:
        space: where.
        seed: the same seed gives the same walks.
        steps, length: how many moves altogether, and at most in one walk.
        limits, progress, stop_at_first: as for `fsm.search.explore.explore`.
    Returns: a result that is never finished, so it says `holds` of nothing but what is reachable and was reached.
        `distinct` are the states seen, `generated` the moves taken, `depth` the moves of the longest walk and one,
        `fired` what can fire in the states that a walk left.
    Errors: `SpecError` where the world breaks its own rules.
    """
    began = shown = time.monotonic()
    walker = _Walker(space, Random(seed))
    with blamed(space):
        while walker.steps < steps and not (stop_at_first and walker.violated):
            now = time.monotonic()
            if _over(limits, len(walker.seen), now - began):
                break
            if progress is not None and now - shown >= 1.0:
                shown = now
                progress(Progress(len(walker.seen), walker.steps, walker.depth, 0, now - began, resident()))
            try:
                walker.walk(min(length, steps - walker.steps), stop_at_first)
            except SpecError as error:
                error.add_note(way_there(trace_of(space, shortened(space, walker.path))))
                raise
    return walker.result(time.monotonic() - began)


def shortened(space: Space[S], path: Sequence[S]) -> list[S]:
    """A way from the beginning to the end of a path over some of its states, in their order."""
    last = {state: index for index, state in enumerate(path)}
    here = max(last.get(state, 0) for state in islice(space.initial(), BEGINNINGS))
    short = [path[here]]
    while here < len(path) - 1:
        here = max(last[edge.target] for edge in space.edges(path[here]) if not edge.cut and edge.target in last)
        short.append(path[here])
    return short


def _over(limits: Limits, states: int, seconds: float) -> bool:
    return (
        (limits.seconds is not None and seconds > limits.seconds)
        or (limits.states is not None and states > limits.states)
        or (limits.memory is not None and resident() > limits.memory)
    )


@define(eq=False)
class _Walker(Generic[S]):
    """What all walks together have seen; `known` are the moves of states, `without` the kinds of fault, of all `kinds`,
    that the present walk does without."""

    space: Space[S]
    random: Random
    beginnings: list[S] = field(init=False)
    seen: set[S] = field(factory=set)
    path: list[S] = field(factory=list)
    known: dict[S, list[Edge[S]]] = field(factory=dict)
    fired: set[str] = field(factory=set)
    traces: dict[str, Trace] = field(factory=dict)
    refused: dict[str, Trace] = field(factory=dict)
    kinds: set[str] = field(factory=set)
    without: set[str] = field(factory=set)
    steps: int = 0
    edges: int = 0
    depth: int = 1
    violated: bool = False
    _open: list[Property] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.beginnings = list(islice(self.space.initial(), BEGINNINGS))
        self._open = [p for p in self.space.properties if p.kind in ("always", "step", "deadlock", "reachable")]

    def walk(self, length: int, stop_at_first: bool) -> None:
        """One walk."""
        self.path = path = [self.random.choice(self.beginnings)]
        self.without = {kind for kind in sorted(self.kinds) if self.random.random() < 0.5}
        self.look(path)
        while len(path) <= length and not (stop_at_first and self.violated):
            moves = self.moves(path)
            if not moves:
                break
            edge = self.choice(moves)
            target = edge.target
            assert target is not None  # `moves` leaves out those without
            self.steps += 1
            self.edges += 1
            path.append(target)
            self.look(path)
        self.steps += len(path) == 1  # a walk that leads nowhere costs something too, or they would never end
        self.depth = max(self.depth, len(path))

    def choice(self, moves: Sequence[Edge[S]]) -> Edge[S]:
        """Any, but every second time one to a state that was not seen yet, where there is one."""
        moves = [edge for edge in moves if edge.fault not in self.without] or moves
        new = [edge for edge in moves if edge.target not in self.seen] if self.random.random() < 0.5 else []
        return self.random.choice(new or moves)

    def moves(self, path: Sequence[S]) -> list[Edge[S]]:
        """The moves that lead on; what is refused and what is stuck is noted."""
        known = self.known.get(path[-1])
        if known is not None:
            return known
        state, moves, stuck = path[-1], list[Edge[S]](), True
        for edge in self.space.edges(state):
            stuck = stuck and edge.fault is not None
            self.kinds |= {edge.fault} if edge.fault is not None else set()
            self.fired.update(() if edge.refused is not None else self.space.fired(edge))
            if edge.refused is not None and edge.refused not in self.refused:
                self.refused[edge.refused] = trace_of(self.space, shortened(self.space, path), edge.refused)
                self.violated = True
            if edge.target is not None and edge.target != state and not edge.cut:
                moves.append(edge)
        for promised in [p for p in self._open if stuck and p.kind == "deadlock"]:
            if not self.space.holds(promised, "text", state):
                self.settle(promised, shortened(self.space, path))
        if len(self.known) < REMEMBERED:
            self.known[state] = moves
        return moves

    def look(self, path: Sequence[S]) -> None:
        """What the last state of a path, and the move to it, decide."""
        state, new = path[-1], path[-1] not in self.seen
        self.seen.add(state)
        for promised in list(self._open):
            if promised.kind in ("always", "reachable"):
                if new and self.space.holds(promised, "text", state) == (promised.kind == "reachable"):
                    self.settle(promised, shortened(self.space, path))
            elif promised.kind == "step" and self.breaks(promised, path):
                self.settle(promised, [*shortened(self.space, path[:-1]), state])

    def breaks(self, promised: Property, path: Sequence[S]) -> bool:
        """Whether the last move of a path breaks a step property."""
        return len(path) > 1 and not self.space.holds(promised, "text", path[-2], path[-1])

    def settle(self, promised: Property, path: Sequence[S]) -> None:
        """A property is decided by the end of a path."""
        self._open.remove(promised)
        end = closing(self.space, promised, path[-1], len(path) - 1)
        self.traces[promised.name] = evolve(trace_of(self.space, path), end=end)
        self.violated |= promised.kind != "reachable"

    def result(self, seconds: float) -> Result:
        """What is known now."""
        verdicts = tuple(self.verdict(promised) for promised in self.space.properties)
        refusals = tuple(Refusal(message, trace) for message, trace in self.refused.items())
        return Result(
            self.space, ENGINE, False, False, len(self.seen), self.steps, self.edges, self.depth, seconds, False,
            verdicts, refusals, frozenset(self.fired),
        )  # fmt: skip

    def verdict(self, promised: Property) -> Verdict:
        """What is known of a property."""
        trace: Any = self.traces.get(promised.name)
        found = HOLDS if promised.kind == "reachable" else VIOLATED
        return Verdict(promised, OPEN if trace is None else found, trace)
