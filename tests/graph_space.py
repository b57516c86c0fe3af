"""A space that is a graph written down, and its kernel: states are numbers, formulas are names of sets of states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import define, field

from fsm.errors import Place
from fsm.search.space import Batch, Edge, Fairness, Kernel, Property, Told

if TYPE_CHECKING:
    from fsm.search.space import Mask, Packed

AT = Place("graph")
Drawn = tuple[int, int, str, str | None]
"""A move: source, target, group, kind of fault."""


def promise(kind: str, text: str = "p", goal: str = "", counting_on: tuple[str, ...] = ()) -> Property:
    """A property of this kind."""
    return Property(kind, kind, text, "it does", AT, counting_on, goal)


@define(eq=False)
class GraphSpace:
    """The space. `sets` are the states where each formula holds; a step property holds on moves into its set."""

    moves: Sequence[Drawn]
    sets: Mapping[str, frozenset[int]]
    properties: Sequence[Property]
    fairness: Fairness = field(factory=Fairness)
    beginning: Sequence[int] = (0,)
    name: str = "graph"
    at: Place = AT
    rows: Sequence[str] = ()

    @property
    def outside(self) -> bool:
        """No."""
        return False

    def initial(self) -> Sequence[int]:
        return self.beginning

    def edges(self, state: int) -> Iterator[Edge[int]]:
        for number, (source, target, group, fault) in enumerate(self.moves):
            if source == state:
                yield Edge(f"move {number}", target, group, fault)

    def fired(self, edge: Edge[int]) -> Sequence[str]:
        return ()

    def told(self, edge: Edge[int]) -> Told:
        return Told("", (), ())

    def named(self, state: int) -> Mapping[str, Any]:
        return {"state": state}

    def whole(self, state: int) -> Mapping[str, Any]:
        return {"": {"state": state}}

    def foreign(self, label: str) -> bool:
        return label not in [f"move {number}" for number in range(len(self.moves))]

    def images(self, state: int) -> Sequence[int]:
        return (state,)

    def holds(self, property_: Property, part: str, state: int, target: int | None = None) -> bool:
        return (state if target is None else target) in self.sets[getattr(property_, part)]

    def kernel(self) -> Kernel[int]:
        return GraphKernel(self)


class GraphKernel:
    """The same for arrays: one batch for each group."""

    bits = 20
    budgets = ()

    def __init__(self, space: GraphSpace) -> None:
        self.space = space
        self.groups: list[tuple[str, str | None]] = list(dict.fromkeys((g, f) for _, _, g, f in space.moves))

    def initial(self) -> Packed:
        return np.array(list(dict.fromkeys(self.space.beginning)), np.uint64)

    def pack(self, state: int) -> int:
        return state

    def unpack(self, packed: int) -> int:
        return int(packed)

    def expand(self, states: Packed) -> Iterator[Batch]:
        for number, group in enumerate(self.groups):
            moves = [(s, t) for s, t, g, f in self.space.moves if (g, f) == group]
            found = [(i, t) for i, state in enumerate(states.tolist()) for s, t in moves if s == state]
            kept = [(i, t) for i, t in found if t != states[i]]
            sources, targets = np.array([i for i, _ in kept], np.int64), np.array([t for _, t in kept], np.uint64)
            yield Batch(sources, targets, len(found), number)

    def canonical(self, states: Packed) -> Packed:
        return states

    def stuck(self, states: Packed) -> Mask:
        own = {source for source, _, _, fault in self.space.moves if fault is None}
        return np.array([state not in own for state in states.tolist()], np.bool_)

    def see(self, states: Packed) -> Any:
        return states

    def holds(self, property_: Property, part: str, seen: Any, target: Any = None) -> Mask:
        where = self.space.sets[getattr(property_, part)]
        looked = seen if target is None else target
        return np.array([int(state) in where for state in looked], np.bool_)

    def fired(self) -> Sequence[str]:
        return ()
