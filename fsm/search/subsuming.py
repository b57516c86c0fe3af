"""The set of states that were found, without those that say nothing new: subsumption.

How many faults and orders are still to come (the budgets) is a part of a state, and multiplies states by what is left
of each. But nobody in the system sees a budget: a state with more left of some, and less of none, does all that the
other does, and its successors have at least as much left as the successors of the other. So a state is left out when
one that is the same but for more budgets was found before it (the antichains of De Wulf, Doyen, Henzinger and Raskin,
CAV 2006, with budgets as the order).

What is left out is kept in the table, which says once more that it is known, and counts as the state that is richer.
Found breadth first, whatever is violated is violated as early as ever, in a state that was not left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from attrs import frozen

from fsm.search.visited import Hashed

if TYPE_CHECKING:
    from fsm.search.space import Budget, Packed, Positions

Left = tuple[int, ...]


class Subsuming(Hashed):
    """A set of packed states.

    Arguments:
        budgets: from the lowest bits on, at least one.
        counted_on: kinds of budget that have to be equal: who counts on a fault may want what is left of it.
    """

    def __init__(self, budgets: Sequence[Budget], counted_on: Sequence[str]) -> None:
        super().__init__()
        self._base = np.uint64(budgets[0].shift)
        self._richer = _richer(budgets, counted_on)
        self._left_out: list[Packed] = []
        self._omitted = 0

    def __len__(self) -> int:
        return super().__len__() - self._omitted

    def add(self, states: Packed) -> Packed:
        """Take states in. Returns: those that are new and not left out, each once."""
        new = super().add(states)
        above = self._above(new)
        self._omitted += int(np.count_nonzero(above >= 0))
        self._left_out.append(new[above >= 0])
        return new[above < 0]

    def number(self, order: Sequence[Packed]) -> None:
        """See `Visited.number`; a state that was left out has the position of a richer one."""
        super().number(order)
        if self._positions is None or self._table is None:
            return
        left_out = np.concatenate(self._left_out)
        for left in sorted(self._richer, key=sum, reverse=True):  # the richer ones first, for they may be left out too
            states = left_out[left_out >> self._base == np.uint64(self._richer[left].number)]
            self._positions[self._find(self._table, states)] = self._positions[self._above(states)]

    def _above(self, states: Packed) -> Positions:
        """The cell of a richer state for each, -1 where there is none."""
        found = np.full(len(states), -1, np.int64)
        if self._table is None or not len(states):
            return found
        left = states >> self._base
        for known in self._richer.values():
            poor = (left == np.uint64(known.number)).nonzero()[0]
            core = states[poor] ^ np.uint64(known.number) << self._base
            for richer in known.above:
                if not len(poor):
                    break
                cells = self._find(self._table, core | np.uint64(richer) << self._base)
                found[poor] = cells
                poor, core = poor[cells < 0], core[cells < 0]
        return found


@frozen
class _Richer:
    """What is left of all budgets, as a number, and the numbers of all that is more."""

    number: int
    above: tuple[int, ...]


def _richer(budgets: Sequence[Budget], counted_on: Sequence[str]) -> dict[Left, _Richer]:
    """For all that can be left."""

    def number(left: Left) -> int:
        return sum(some << budget.shift - budgets[0].shift for some, budget in zip(left, budgets, strict=True))

    def more(left: Left) -> tuple[range, ...]:
        return tuple(
            range(some, (some if budget.kind in counted_on else budget.full) + 1)
            for some, budget in zip(left, budgets, strict=True)
        )

    every = product(*(range(budget.full + 1) for budget in budgets))
    return {
        left: _Richer(number(left), tuple(number(richer) for richer in product(*more(left)) if richer != left))
        for left in every
    }
