"""The set of states that were found, without those that say nothing new: subsumption.

How many faults and orders are still to come (the budgets) is a part of a state, and multiplies states by what is left
of each. But nobody in the system sees a budget: a state with more left of some, and less of none, does all that the
other does, and its successors have at least as much left as the successors of the other. So a state is left out when
one that is the same but for more budgets was found before it (the antichains of De Wulf, Doyen, Henzinger and Raskin,
CAV 2006, with budgets as the order).

All that is left of budgets is one of a few *ways*, and of each *core*, which is a state without its budgets, a bit says
for each way whether it was found: so one look tells whether a state, or one that is richer, is there. A level is gone
through once more when all of it is known, so that what is left out does not hang on the order in a level. Found breadth
first, whatever is violated is violated as early as ever, in a state that was not left out; asked for its position, one
that was left out counts as one that is richer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from fsm.search.distinct import distinct
from fsm.search.memo import Memo, Numbers, Words
from fsm.search.visited import Hashed

if TYPE_CHECKING:
    from fsm.search.space import Budget, Mask, Packed, Positions

Left = tuple[int, ...]
BITS = 64
"""Ways in a word."""


class Subsuming:
    """A set of packed states, as `fsm.search.visited.Visited` describes it.

    Arguments:
        budgets: from the lowest bits on, at least one; they are the topmost of a state.
        counted_on: kinds of budget that have to be equal: who counts on a fault may want what is left of it.
    """

    def __init__(self, budgets: Sequence[Budget], counted_on: Sequence[str]) -> None:
        self._base = np.uint64(budgets[0].shift)
        ways = list(product(*(range(budget.full + 1) for budget in budgets)))
        self._packed = np.array([_number(way, budgets) for way in ways], np.uint64)
        self._way = np.zeros(int(self._packed.max()) + 1, np.int64)
        self._way[self._packed] = np.arange(len(ways))
        self._own = _words([{i} for i in range(len(ways))])
        places = {way: i for i, way in enumerate(ways)}
        self._richer = _words([{places[more] for more in _more(way, budgets, counted_on)} for way in ways])
        self._count = self._cores = 0
        self._core = Memo(self._new)
        self._found = np.zeros((len(self._own), 1 << 10), np.uint64)
        self._order: Hashed | None = None

    def __len__(self) -> int:
        return self._count

    def add(self, states: Packed) -> Packed:
        """Take states in. Returns: those that are new and of which none richer was found before, each once."""
        cores, ways = self._apart(states)
        new = distinct(states[~self._among(self._own | self._richer, cores, ways)])
        cores, ways = self._apart(new)
        self._turn(cores, ways)
        self._count += len(new)
        return new

    def level(self, states: Packed) -> Packed:
        """See `Visited.level`: those that are not left out, for one that is richer and on the same level."""
        cores, ways = self._apart(states)
        poor = self._among(self._richer, cores, ways)
        self._turn(cores[poor], ways[poor])
        self._count -= int(np.count_nonzero(poor))
        return states[~poor]

    def number(self, order: Sequence[Packed]) -> None:
        """See `Visited.number`."""
        self._order = Hashed()
        for states in order:
            self._order.add(states)
        self._order.number(order)

    def positions(self, states: Packed) -> Positions:
        """See `Visited.positions`; a state that was left out has that of a richer one."""
        assert self._order is not None, "number() comes first"
        cores, ways = self._apart(states)
        missing = np.flatnonzero(~self._among(self._own, cores, ways))
        richer = self._found.take(cores[missing], axis=1) & self._richer.take(ways[missing], axis=1)
        instead = states.copy()
        for way in range(self._packed.size):
            found = missing[(richer & self._own[:, way, np.newaxis]).any(axis=0)]
            instead[found] = self._with(states[found], way)
        return self._order.positions(instead)

    def _apart(self, states: Packed) -> tuple[Numbers, Positions]:
        """The numbers of the cores of states, and those of the ways."""
        left = states >> self._base
        cores = self._core.find(states ^ left << self._base)
        return cores, self._way[left.astype(np.int64)]

    def _new(self, cores: Words) -> range:
        first, self._cores = self._cores, self._cores + len(cores)
        if self._cores > self._found.shape[1]:
            room = np.zeros((len(self._found), self._cores), np.uint64)
            self._found = np.hstack([self._found, room])
        return range(first, self._cores)

    def _among(self, words: Words, cores: Numbers, ways: Positions) -> Mask:
        """Where of a core one of the ways was found that the words of a way say."""
        found: Mask = np.logical_or.reduce(self._found.take(cores, axis=1) & words.take(ways, axis=1))
        return found

    def _turn(self, cores: Numbers, ways: Positions) -> None:
        """Turns the bits of these ways of cores, each another one."""
        for found, own in zip(self._found, self._own, strict=True):
            np.bitwise_xor.at(found, cores, own[ways])

    def _with(self, states: Packed, way: int) -> Packed:
        """The same with something else left."""
        left = states >> self._base << self._base
        changed: Packed = states ^ left ^ (self._packed[way] << self._base)
        return changed


def _number(way: Left, budgets: Sequence[Budget]) -> int:
    return sum(some << budget.shift - budgets[0].shift for some, budget in zip(way, budgets, strict=True))


def _more(way: Left, budgets: Sequence[Budget], counted_on: Sequence[str]) -> Iterator[Left]:
    """All ways in which more of something is left, and of nothing less."""
    ranges = (
        range(some, (some if budget.kind in counted_on else budget.full) + 1)
        for some, budget in zip(way, budgets, strict=True)
    )
    return (more for more in product(*ranges) if more != way)


def _words(sets: Sequence[Collection[int]]) -> Words:
    """Sets of numbers of ways as bits, shape (columns, sets)."""
    words = np.zeros((-(-len(sets) // BITS), len(sets)), np.uint64)
    for i, members in enumerate(sets):
        for member in members:
            words[member // BITS, i] |= np.uint64(1 << member % BITS)
    return words
