"""The reachable labelled graph of a space, to tell a mutant that differs from one that does not.

Two graphs are the same where they begin in the same states, and each state that is reached has the same moves: labels
with the states they lead to, each as often. States are compared by what they hold; which row fired is not part of a
move. What has the same graph can be told apart by no property, whatever it says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from typing import Any

from attrs import frozen

from fsm.search.space import Space


@frozen
class Graph:
    """A reachable graph.

    Arguments:
        initial: the states at the beginning.
        moves: for each state a number that stands for its moves, good within one process.
        faults: the kinds of fault that happen in it.
    """

    initial: frozenset[Hashable]
    moves: Mapping[Hashable, int]
    faults: frozenset[str]

    @classmethod
    def of(cls, space: Space[Any]) -> Graph:
        """The graph of a space, which has to be known to be finite and small."""
        initial = frozenset(space.initial())
        moves: dict[Hashable, int] = {}
        faults: set[str] = set()
        waiting = list(initial)
        while waiting:
            state = waiting.pop()
            if state in moves:
                continue
            edges = list(space.edges(state))
            moves[state] = _number(edges)
            faults.update(edge.fault for edge in edges if edge.fault is not None)
            waiting += [edge.target for edge in edges if edge.target is not None and not edge.cut]
        return cls(initial, moves, frozenset(faults))

    def same(self, space: Space[Any]) -> bool:
        """Whether a space has this very graph; ends at the first state that has other moves."""
        if frozenset(space.initial()) != self.initial:
            return False
        found, waiting = set(self.initial), list(self.initial)
        while waiting:
            state = waiting.pop()
            edges = list(space.edges(state))
            if _number(edges) != self.moves.get(state):
                return False
            new = {edge.target for edge in edges if edge.target is not None and not edge.cut} - found
            found |= new
            waiting += new
        return True


def _number(edges: list[Any]) -> int:
    return hash(frozenset(Counter((edge.label, edge.target, edge.cut) for edge in edges).items()))
