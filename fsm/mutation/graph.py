"""The reachable labelled graph of a space, to tell a mutant that differs from one that does not.

Two graphs are the same where they begin in the same states, and each state that is reached has the same moves: labels,
the groups and kinds of fault that fairness goes by, and the states they lead to, each as often. States are compared by
what they hold; which row fired is not part of a move. What has the same graph can be told apart by no property,
whatever it says.

The moves of a state are kept as one number of 64 bits, python's hash of them. States go into it by numbers of their
own, counted from 0, for values have hashes that collide by design: that of -1 is that of -2.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from fsm.search.space import Edge, Space


@frozen
class Graph:
    """A reachable graph.

    Arguments:
        initial: the states at the beginning.
        numbers: all states, counted from 0.
        moves: for the number of each state one that stands for its moves, good within one process.
        faults: the kinds of fault that happen in it.
    """

    initial: frozenset[Hashable]
    numbers: Mapping[Hashable, int]
    moves: Sequence[int]
    faults: frozenset[str]

    @classmethod
    def of(cls, space: Space[Any]) -> Graph:
        """The graph of a space, which has to be known to be finite and small."""
        initial = frozenset(space.initial())
        numbers: dict[Hashable, int] = {}
        for state in initial:
            numbers[state] = len(numbers)
        moves: list[int] = []
        faults: set[str] = set()
        waiting = deque(numbers)
        while waiting:
            edges = list(space.edges(waiting.popleft()))
            for target in _targets(edges):
                if target not in numbers:
                    numbers[target] = len(numbers)
                    waiting.append(target)
            moves.append(_number(edges, numbers))
            faults.update(edge.fault for edge in edges if edge.fault is not None)
        return cls(initial, numbers, moves, frozenset(faults))

    def same(self, space: Space[Any]) -> bool:
        """Whether a space has this very graph; ends at the first state that has other moves."""
        if frozenset(space.initial()) != self.initial:
            return False
        found, waiting = set(self.initial), list(self.initial)
        while waiting:
            state = waiting.pop()
            edges = list(space.edges(state))
            targets = set(_targets(edges))
            if any(target not in self.numbers for target in targets):
                return False
            if _number(edges, self.numbers) != self.moves[self.numbers[state]]:
                return False
            waiting += targets - found
            found |= targets
        return True


def _targets(edges: list[Edge[Any]]) -> Iterator[Any]:
    return (edge.target for edge in edges if edge.target is not None and not edge.cut)


def _number(edges: list[Edge[Any]], numbers: Mapping[Hashable, int]) -> int:
    moves = Counter((e.label, e.group, e.fault, e.refused, e.cut, numbers.get(e.target)) for e in edges)
    return hash(frozenset(moves.items()))
