"""Whether a pool that is left to itself can still get where it should be.

A `recoverable` property asks of every state that was found: does some way lead from here to a state in which the
formula holds, when no operator does anything and nothing happens of the kinds that the system names as faults, save
those that the property counts on? In words of temporal logic it is AG EF over the moves without faults. What it finds
is the state that is stuck: an operation that nobody finishes, a pool in which nobody may become master, a VM that
nobody restarts.

What it does not find is a pool that goes round for ever beside an exit that it never takes: "some way" leaves the
choice of the way to the pool's best luck. That would need fairness, and a search of cycles.

The search has kept no edges, so they are taken anew from the tables, those of the lonely pool alone: all of them lead
to states that are known. They are kept by their targets, and the states that get there are found backwards.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence

from fsm.explore.tables import Tables


def stranded(
    tables: Tables, order: Sequence[int], found: Mapping[int, int], goals: Sequence[Sequence[int]]
) -> list[int | None]:
    """For each goal the first state, in the order of the search, from which no way leads there.

    Arguments:
        tables: the moves that may be counted on.
        order: every reachable state, packed.
        found: the position of each in `order`.
        goals: for each property the positions of the states in which its formula holds.
    Returns: positions; None where every state gets there.
    """
    last, before, sources = _backwards(tables, order, found)
    return [_first_lost(last, before, sources, goal) for goal in goals]


def _backwards(
    tables: Tables, order: Sequence[int], found: Mapping[int, int]
) -> tuple[array[int], array[int], array[int]]:
    """The edges as chains: `last` edge into each state, the one `before` each edge (-1: none), each edge's source."""
    last, before, sources = array("q", [-1]) * len(order), array("q"), array("q")
    for position, packed in enumerate(order):
        for difference in tables.moves(packed)[0]:
            target = found[packed + difference]
            before.append(last[target])
            last[target] = len(sources)
            sources.append(position)
    return last, before, sources


def _first_lost(last: array[int], before: array[int], sources: array[int], goal: Sequence[int]) -> int | None:
    arrives = bytearray(len(last))
    waiting = list(goal)
    for position in waiting:
        arrives[position] = 1
    while waiting:
        edge = last[waiting.pop()]
        while edge >= 0:
            source = sources[edge]
            if not arrives[source]:
                arrives[source] = 1
                waiting.append(source)
            edge = before[edge]
    lost = arrives.find(0)
    return None if lost < 0 else lost
