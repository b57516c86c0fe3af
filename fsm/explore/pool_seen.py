"""What properties see of many states of a pool: observations, numbered, and formulas decided once for each.

An observation is made of a row for each host (which of the sets it is in), the pool variables and the facts of the
world. Each row depends on the host's local state, pool and facts alone, so rows are remembered by these, observations
by their rows, and what is looked up for each state is the observation by inside and facts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsm.explore.pool_plans import ByNumber, Index
from fsm.explore.pool_tables import LOCAL_BITS, POOL_BITS, REST_BITS, PoolTables
from fsm.explore.properties import Formula, Observer
from fsm.explore.world_words import Numbered, each
from fsm.search.distinct import distinct
from fsm.search.memo import Memo, Numbers, Words
from fsm.search.space import Property

_HALF = np.uint64(32)
_LOCAL, _POOL, _LOW = (1 << LOCAL_BITS) - 1, (1 << POOL_BITS) - 1, (1 << 32) - 1
UNKNOWN = -1


class PoolSeen:
    """The observations of one search.

    Arguments:
        observer: the compiled properties.
        tables: what numbers stand for.
    """

    def __init__(self, observer: Observer, tables: PoolTables) -> None:
        self._observer, self._tables, n = observer, tables, tables.joint.n
        self._facts, self._rows, self._observations = Numbered(), Numbered(), Numbered()
        self._of_world = Memo(self._tell, tables.words.columns)
        self._of_number = ByNumber(self._look)
        self._of_host = [Memo(self._rowing(host)) for host in range(n)]
        self._of_rows = Memo(self._combine, columns=2)
        self._of_state = Memo(self._put_together)
        self._bits = 64 // n
        self._verdicts: dict[tuple[str, str], NDArray[np.int8]] = {}
        self._steps: dict[tuple[str, str], Memo] = {}

    def observe(self, insides: Index, worlds: Index) -> Numbers:
        """The number of the observation of each state."""
        facts = self._of_number.find(worlds).astype(np.uint64)
        return self._of_state.find(facts << _HALF | insides.view(np.uint64))

    def holds(self, property_: Property, part: str, seen: Numbers, target: Numbers | None) -> NDArray[np.bool_]:
        """Whether a formula holds where this is seen, of a step also of its target."""
        key, formula = (property_.name, part), self._observer.part(property_.name, part)
        if target is not None and property_.kind == "step":
            memo = self._steps.get(key)
            if memo is None:
                memo = self._steps[key] = Memo(self._stepping(formula))
            pairs = seen.astype(np.uint64) << _HALF | target.astype(np.uint64)
            return memo.find(pairs).astype(np.bool_)
        known = self._verdicts.get(key, np.zeros(0, np.int8))
        if len(known) < len(self._observations.values):
            fresh = np.full(2 * len(self._observations.values), UNKNOWN, np.int8)
            fresh[: len(known)] = known
            known = self._verdicts[key] = fresh
        found = known[seen]
        if (found == UNKNOWN).any():
            for number in distinct(seen[found == UNKNOWN]).tolist():
                known[number] = formula.holds(self._observations.values[number])
            found = known[seen]
        return found.astype(np.bool_)

    def _look(self, worlds: Index) -> Numbers:
        words = self._tables.words
        return self._of_world.find(*(words.of(worlds) & words.mask(self._tables.world.told_by())))

    def _stepping(self, formula: Formula) -> Any:
        def decide(pairs: Words) -> list[int]:
            values = self._observations.values
            return [int(formula.holds(values[pair >> 32], values[pair & _LOW])) for pair in pairs.tolist()]

        return decide

    def _tell(self, *keys: Words) -> list[int]:
        world, of = self._tables.world, self._tables.world.told_by()
        facts = (self._observer.facts_of(self._tables.words.some(key, of), world) for key in each(keys))
        return [self._tables.below(self._facts.of(said), REST_BITS) for said in facts]

    def _rowing(self, host: int) -> Any:
        def row(keys: Words) -> list[int]:
            return [self._tables.below(self._rows.of(self._row(host, key)), self._bits) for key in keys.tolist()]

        return row

    def _row(self, host: int, key: int) -> tuple[bool, ...]:
        local, shared = self._tables.locals.values[key & _LOCAL], key >> LOCAL_BITS
        pool, facts = self._tables.pools.values[shared & _POOL], self._facts.values[shared >> POOL_BITS]
        return self._observer.conditions(host, local, pool, facts)

    def _put_together(self, keys: Words) -> Numbers:
        *locals_, pool = self._tables.inside((keys & np.uint64(_LOW)).view(np.int64))
        shared = keys >> _HALF << np.uint64(POOL_BITS) | pool.view(np.uint64)
        rows = np.zeros(len(keys), np.uint64)
        for host, (local, memo) in enumerate(zip(locals_, self._of_host, strict=True)):
            row = memo.find(shared << np.uint64(LOCAL_BITS) | local.view(np.uint64))
            rows |= row.astype(np.uint64) << np.uint64(self._bits * host)
        return self._of_rows.find(shared, rows)

    def _combine(self, keys: Words, tags: Words) -> list[int]:
        found, low = [], (1 << self._bits) - 1
        for shared, tag in each((keys, tags)):
            rows = tuple(self._rows.values[tag >> self._bits * host & low] for host in range(len(self._of_host)))
            pool, facts = self._tables.pools.values[shared & _POOL], self._facts.values[shared >> POOL_BITS]
            found.append(self._observations.of(self._observer.observation(rows, pool, facts)))
        return found
