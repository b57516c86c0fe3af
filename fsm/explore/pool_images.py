"""One state for all that permutations of hosts and VMs make of it, for arrays of packed states of a pool.

The parts of a state have few values, so what an exchange makes of each is looked up: of a local state, of the pool
variables, of a world. All permutations are gone through, an exchange at a time (`fsm.explore.symmetry`), and of all
images of a state the smallest number is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from attrs import frozen

from fsm.explore.pool_plans import ByNumber, Index
from fsm.explore.pool_tables import PoolTables
from fsm.explore.renaming import Renaming
from fsm.explore.symmetry import Symmetry

if TYPE_CHECKING:
    from fsm.search.space import Packed


@frozen(eq=False)
class Exchange:
    """What an exchange makes of the parts of states, by their numbers."""

    inside: ByNumber
    world: ByNumber

    @classmethod
    def of(cls, to: Renaming, symmetry: Symmetry, tables: PoolTables) -> Exchange:
        """That of a renaming."""
        words, insides = tables.words, tables.insides

        @cache
        def local(number: int) -> int:
            return tables.local(to.local(tables.locals.values[number]))

        def inside(number: int) -> int:
            *locals_, pool = insides.row(number)
            moved = [0] * len(locals_)
            for host, before in zip(to.hosts, locals_, strict=True):
                moved[host] = local(before)
            return insides.number([*moved, tables.pool(to.pool(tables.pools.values[pool]))])

        def world(number: int) -> int:
            w = tables.given(words.world(number))
            return words.known(tables.taken(symmetry.joint.checked.permuted(w, to)))

        return cls(_one_by_one(inside), _one_by_one(world))

    def __call__(self, parts: Sequence[Index]) -> list[Index]:
        """The parts of the images: insides, worlds."""
        inside, worlds = parts
        return [self.inside.find(inside).astype(np.int64), self.world.find(worlds).astype(np.int64)]


def _one_by_one(image: Callable[[int], int]) -> ByNumber:
    return ByNumber(lambda numbers: [image(number) for number in numbers.tolist()])


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
            states, parts: the states; their insides and worlds.
            packed: gives what parts are packed as, without what is left of budgets.
        Raises: what `packed` raises.
        """
        rest = states - packed(parts)
        found = states
        for index in self._symmetry.tour:
            parts = self._exchanges[index](parts)
            found = np.minimum(found, packed(parts) | rest)
        return found
