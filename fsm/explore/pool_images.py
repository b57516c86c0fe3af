"""One state for all that permutations of hosts and VMs make of it, for arrays of packed states of a pool.

The parts of a state have few values, so what an exchange makes of each is looked up: of a local state, of the pool
variables, of a world. All permutations are gone through, an exchange at a time (`fsm.explore.symmetry`), and of all
images of a state the smallest number is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen

from fsm.explore.memo import Numbers
from fsm.explore.pool_plans import ByNumber, Index
from fsm.explore.pool_tables import PoolTables
from fsm.explore.renaming import Renaming
from fsm.explore.symmetry import Symmetry

if TYPE_CHECKING:
    from fsm.search.space import Packed


@frozen(eq=False)
class Exchange:
    """What an exchange makes of the parts of states, by their numbers. hosts: host h becomes hosts[h]."""

    hosts: tuple[int, ...]
    local: ByNumber
    pool: ByNumber
    world: ByNumber

    @classmethod
    def of(cls, to: Renaming, symmetry: Symmetry, tables: PoolTables) -> Exchange:
        """That of a renaming."""
        words = tables.words

        def local(numbers: Index) -> list[int]:
            return [tables.local(to.local(tables.locals.values[number])) for number in numbers.tolist()]

        def pool(numbers: Index) -> list[int]:
            return [tables.pool(to.pool(tables.pools.values[number])) for number in numbers.tolist()]

        def world(numbers: Index) -> Numbers:
            given = (tables.given(words.world(number)) for number in numbers.tolist())
            renamed = [words.word(tables.taken(symmetry.joint.checked.permuted(w, to))) for w in given]
            return words.numbers.find(np.array(renamed, np.uint64))

        return cls(to.hosts, ByNumber(local), ByNumber(pool), ByNumber(world))

    def __call__(self, parts: Sequence[Index]) -> list[Index]:
        """The parts of the images: local states, pool, worlds. Raises: `fsm.explore.world_words.Relaid`."""
        *locals_, pool, worlds = parts
        moved: list[Any] = [None] * len(locals_)
        for host, local in enumerate(locals_):
            moved[self.hosts[host]] = self.local.find(local).astype(np.int64)
        return [*moved, self.pool.find(pool).astype(np.int64), self.world.find(worlds).astype(np.int64)]


class PoolImages:
    """The images of packed states.

    Arguments:
        symmetry: the permutations.
        tables: what numbers stand for.
    """

    def __init__(self, symmetry: Symmetry, tables: PoolTables) -> None:
        self._symmetry = symmetry
        self._exchanges = [Exchange.of(to, symmetry, tables) for to in symmetry.exchanges]

    def smallest(self, states: Packed, parts: Sequence[Index], packed: Callable[[Sequence[Index]], Packed]) -> Packed:
        """Of all images of each state the smallest.

        Arguments:
            states, parts: the states; their local states, pool and worlds.
            packed: gives what parts are packed as, without what is left of budgets.
        Raises: `fsm.explore.world_words.Relaid`, and what `packed` raises.
        """
        rest = states - packed(parts)
        found = states
        for index in self._symmetry.tour:
            parts = self._exchanges[index](parts)
            found = np.minimum(found, packed(parts) | rest)
        return found
