"""A way through a space, one move at a time: what is walked by hand, replayed from a file or drawn by chance.

A walk knows moves by their labels. Where two moves of one state bear the same label and lead apart, the second is
called `label #2`, the third `label #3`, in the order of the space; so a list of names is a walk, and can be written.

It judges itself, without any search: which promises are broken on the way that it took. So it is the witness that
stands behind every counterexample, whichever engine found it.

- always: a state of the way · step: a move of it · deadlock: the last state.
- eventually, leads_to: a way that comes round again, fairly: of every group of moves that has to be taken one lies
  inside the circle. A way that stands still for ever is a circle without moves.
- recoverable: no way leads on from the last state, which takes a search from there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import Any, Generic

from attrs import define, field

from fsm.errors import SpecError
from fsm.language.document import suggest
from fsm.search.fairness import NEVER, STRONG, WEAK, Group, at_once, debt
from fsm.search.space import Edge, Property, S, Space
from fsm.search.trace import Trace, TraceStep, step_of

NUMBERED = re.compile(r" #\d+$")
"""What the name of a move has behind the label where several bear one."""


def named_edges(space: Space[S], state: S) -> dict[str, Edge[S]]:
    """The moves out of a state by their names; those whose target is cut off are left out."""
    found: dict[str, Edge[S]] = {}
    for edge in space.edges(state):
        if edge.cut:
            continue
        name, again = edge.label, 1
        while name in found and _differ(found[name], edge):
            again += 1
            name = f"{edge.label} #{again}"
        found.setdefault(name, edge)
    return found


def missing(space: Space[Any], name: str, moves: Iterable[str]) -> str:
    """Why a move cannot be taken that is not one of those that are possible: there is none of this name, and then the
    nearest is given; or this is not the time for it."""
    if space.foreign(NUMBERED.sub("", name)):
        return f"there is no move {name!r}{suggest(name, moves)}"
    return f"{name!r} is not possible here"


def _differ(one: Edge[S], other: Edge[S]) -> bool:
    return (one.target, one.fault, one.refused) != (other.target, other.fault, other.refused)


@define(eq=False)
class Walk(Generic[S]):
    """A walk from one of the states at the beginning.

    Arguments:
        space: where.
        start: the number of the state at the beginning, from 1.
        states: the states of the way, first that at the beginning.
        names, edges: the moves; a last one that was refused led nowhere.
        left: of a list of moves that was to be followed, those from the first on that was not possible any more.
    """

    space: Space[S]
    start: int
    states: list[S]
    names: list[str] = field(factory=list)
    edges: list[Edge[S]] = field(factory=list)
    left: tuple[str, ...] = ()

    @property
    def state(self) -> S:
        """Where it stands."""
        return self.states[-1]

    @property
    def refused(self) -> str | None:
        """What a node said that refused the last move; nothing comes after it."""
        return self.edges[-1].refused if self.edges else None

    def moves(self) -> dict[str, Edge[S]]:
        """What is possible now, by name."""
        return {} if self.refused is not None else named_edges(self.space, self.state)

    def take(self, name: str) -> TraceStep:
        """One move. Errors: `LookupError` where none of this name is possible; the message says what is."""
        moves = self.moves()
        if name not in moves:
            raise LookupError(missing(self.space, name, moves))
        return self.follow(name, moves[name])

    def follow(self, name: str, edge: Edge[S]) -> TraceStep:
        """One move that is known to be possible."""
        self.names.append(name)
        self.edges.append(edge)
        if edge.target is not None:
            self.states.append(edge.target)
        return self.step(len(self.edges))

    def back(self) -> None:
        """Takes the last move back. Errors: `LookupError` at the beginning."""
        if not self.edges:
            raise LookupError("this is the beginning")
        self.names.pop()
        if self.edges.pop().target is not None:
            self.states.pop()

    def step(self, number: int) -> TraceStep:
        """The move of a number, from 1, as a trace shows it."""
        edge, changes = self.edges[number - 1], {}
        if edge.target is not None:
            before, after = self.space.named(self.states[number - 1]), self.space.named(edge.target)
            changes = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
        return step_of(self.space, number, edge, changes)

    def trace(self, loop: int | None = None) -> Trace:
        """The way as a trace. loop: the number of the step from which it comes round again."""
        steps = tuple(self.step(number) for number in range(1, len(self.edges) + 1))
        return Trace(self.space.named(self.states[0]), steps, loop)

    def closes(self, loop: int) -> bool:
        """Whether it has come back to where it stood before the step of this number; just behind the last step it
        stands still."""
        return 1 <= loop <= len(self.states) and self.states[loop - 1] == self.state

    def breaks(self, promised: Property, loop: int | None = None) -> bool:
        """Whether a property is violated by this walk, whatever else the space may hold.

        Arguments:
            promised: a property of the space, not a reachable one.
            loop: the number of the step from which the walk goes round for ever; None where it ends.
        Errors: `SpecError` where a formula has no value.
        """
        space, kind = self.space, promised.kind
        if kind == "always":
            return any(not space.holds(promised, "text", state) for state in self.states)
        if kind == "step":
            return any(a != b and not space.holds(promised, "text", a, b) for a, b in pairwise(self.states))
        if kind == "deadlock":
            return stuck(space, self.state) and not space.holds(promised, "text", self.state)
        if kind == "recoverable":
            return _lost(space, promised, self.state)
        return loop is not None and self.starves(promised, loop) and fair(space, self.states[loop - 1 :], promised)

    def reaches(self, promised: Property) -> bool:
        """Whether a reachable property is reached on the way."""
        return any(self.space.holds(promised, "text", state) for state in self.states)

    def broken(self, loop: int | None = None) -> list[Property]:
        """The promises that are broken, but those that take a search."""
        left_out = ("reachable", "recoverable")
        return [p for p in self.space.properties if p.kind not in left_out and self.breaks(p, loop)]

    def starves(self, promised: Property, loop: int) -> bool:
        """Whether what an eventually or leads_to property wants never comes, if the walk goes round from a step on."""
        space = self.space
        if promised.kind == "eventually":
            return not any(space.holds(promised, "text", state) for state in self.states)
        goals = [space.holds(promised, "goal", state) for state in self.states]
        if any(goals[loop - 1 :]):
            return False
        quiet = max((i for i, goal in enumerate(goals) if goal), default=-1) + 1
        return any(space.holds(promised, "text", state) for state in self.states[quiet:])


def begin(space: Space[S], number: int = 1) -> Walk[S]:
    """A walk that stands at the beginning.

    Arguments:
        number: which of the states at the beginning, from 1.
    Errors: `LookupError` where there are not so many.
    """
    for state in islice(space.initial(), number - 1, number):
        return Walk(space, number, [state])
    raise LookupError(f"{space.name} has no state {number} at the beginning")


def walked(space: Space[S], names: Iterable[str], *, start: int = 1) -> Walk[S]:
    """The walk of some moves, by their names. Errors: `LookupError` at the first that is not possible."""
    walk = begin(space, start)
    for name in names:
        walk.take(name)
    return walk


def walk_of(space: Space[S], trace: Trace) -> Walk[S]:
    """The walk that a trace tells of.

    A trace tells what can be seen, and several moves may look alike: all of them are followed side by side.
    Errors: `SpecError` where no walk of the space is told so.
    """
    walks = [
        Walk(space, number, [state])
        for number, state in enumerate(space.initial(), 1)
        if space.named(state) == trace.start
    ]
    for told in trace.steps:
        longer = {(walk.state, *(walk.states if trace.loop else ())): walk for walk in _like(walks, told)}
        walks = list(longer.values())
    if trace.loop is not None:
        walks = [walk for walk in walks if walk.closes(trace.loop)]
    if not walks:
        raise SpecError(space.at, "no walk goes the way of this trace; it belongs to another space", "impossible")
    return walks[0]


def _like(walks: Sequence[Walk[S]], told: TraceStep) -> Iterator[Walk[S]]:
    """The walks with one more move each that looks as it was told."""
    for walk in walks:
        for name, edge in walk.moves().items():
            if (edge.label, edge.refused, walk.space.told(edge)) == (told.label, told.refused, told.told):
                longer = Walk(walk.space, walk.start, [*walk.states], [*walk.names], [*walk.edges])
                if longer.follow(name, edge).changes == told.changes:
                    yield longer


def stuck(space: Space[S], state: S) -> bool:
    """Whether nothing can happen in a state but faults and orders of an operator."""
    return all(edge.fault is not None for edge in space.edges(state))


def fair(space: Space[S], circle: Sequence[S], promised: Property) -> bool:
    """Whether a run may go round some states for ever, without what never happens for ever, and pay what is owed
    (`fsm.search.fairness`): a group that is possible in all of them, or if it is strong in one, moves inside. A move
    that changes nothing pays nothing, and is not possible in this sense."""
    inside, paid, joined = set(circle), set[Group](), set[tuple[S, S]]()
    possible: dict[Group, set[S]] = {}
    for state in inside:
        for edge in space.edges(state):
            group = edge.group, edge.fault
            if edge.cut or edge.target in (None, state) or debt(space.fairness, group, promised.counting_on) == NEVER:
                continue
            possible.setdefault(group, set()).add(state)
            if edge.target in inside:
                paid.add(group)
                joined.add((state, edge.target))
    if not joined.issuperset((a, b) for a, b in pairwise(circle) if a != b):
        return False
    brief = set[S]().union(*(where for group, where in possible.items() if at_once(group)))
    lasting = inside - brief or inside
    for group, where in possible.items():
        owed = debt(space.fairness, group, promised.counting_on)
        if group not in paid and (owed == STRONG or (owed == WEAK and where >= lasting)):
            return False
    return True


def _lost(space: Space[S], promised: Property, start: S) -> bool:
    """Whether no way leads from a state to one where a property holds, without operators and other faults."""
    seen, waiting = {start}, [start]
    while waiting:
        state = waiting.pop()
        if space.holds(promised, "text", state):
            return False
        for edge in space.edges(state):
            helps = edge.fault is None or edge.fault in promised.counting_on
            if helps and edge.target is not None and not edge.cut and edge.target not in seen:
                seen.add(edge.target)
                waiting.append(edge.target)
    return True
