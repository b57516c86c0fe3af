"""What may happen in numbered worlds, put together once for each world: the middle between tables and kernel.

States are many more than worlds, so what depends on the world alone, or on it and on what some hosts wait for, is put
together when the world turns up first: a *plan*, rows of (action, number of the world after it and its updates).
Putting plans together is done for many worlds at once, out of the tables, which ask Python only for what is new in some
parts (`fsm.explore.pool_tables`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsm.explore.pool_tables import PoolTables
from fsm.explore.world_words import Grown, Numbered
from fsm.search.distinct import distinct
from fsm.search.memo import Memo, Numbers, Words

Index = NDArray[np.int64]
UNKNOWN = -1
_CHAIN = np.uint64(32)


class ByNumber:
    """Something known of numbered things, as an array.

    Arguments:
        fill: gives it for different numbers.
    """

    def __init__(self, fill: Callable[[Index], Any]) -> None:
        self._fill = fill
        self._known = np.full(1 << 10, UNKNOWN, np.int32)

    def find(self, numbers: Index) -> Numbers:
        """What is known of each; 0 or more."""
        if not len(numbers):
            return np.zeros(0, np.int32)
        most = int(numbers.max())
        if most >= len(self._known):
            known = np.full(2 * most, UNKNOWN, np.int32)
            known[: len(self._known)] = self._known
            self._known = known
        found = self._known[numbers]
        new = found < 0
        if new.any():
            unknown = distinct(numbers[new])
            self._known[unknown] = self._fill(unknown)
            found = self._known[numbers]
        return found


class _Ears:
    """Sources that hear the same hosts: what a host waits for is one number for all of them, 0 where that is nothing.

    Arguments:
        sources: indices into `PoolTables.sources`.
    """

    def __init__(self, tables: PoolTables, sources: Sequence[int]) -> None:
        self.sources, self._tables = sources, tables
        self.hears = tables.sources[sources[0]].hears
        self._classes = Numbered()
        self._class_of = Grown(np.int32)
        self._class(())

    def tags(self, locals_: Sequence[Index]) -> Words:
        """What the hosts wait for, of each state as one number."""
        waits = self._tables.waits
        for number in waits.array[len(self._class_of) :]:
            self._class_of.append(self._class(self._tables.pendings.values[number]))
        tags = np.zeros(len(locals_[0]), np.uint64)
        for i, host in enumerate(self.hears):
            tags |= self._class_of.array[locals_[host]].astype(np.uint64) << np.uint64(self._tables.wait_bits * i)
        return tags

    def heard(self, source: int, tags: Words) -> list[Numbers]:
        """What one of the sources hears of each host."""
        of_class = np.array([heard[self.sources.index(source)] for heard in self._classes.values], np.int32)
        bits = self._tables.wait_bits
        mask = np.uint64((1 << bits) - 1)
        return [of_class[(tags >> np.uint64(bits * i) & mask).view(np.int64)] for i in range(len(self.hears))]

    def _class(self, pending: Sequence[tuple[str, str]]) -> int:
        tables = self._tables
        number = self._classes.of(tuple(tables.wait(tables.sources[i].heard(pending)) for i in self.sources))
        return tables.below(number, tables.wait_bits)


class PoolPlans:
    """Plans of the worlds of one search.

    Arguments:
        tables: what they are put together from.

    row, after: of every row its action and the number of the world after it.
    """

    def __init__(self, tables: PoolTables) -> None:
        self._tables = tables
        self.row, self.after = Grown(np.int32), Grown(np.int32)
        self._start, self._count = Grown(np.int64), Grown(np.int32)
        by_ears: dict[tuple[int, ...], list[int]] = {}
        for i, source in enumerate(tables.sources):
            by_ears.setdefault(source.hears, []).append(i)
        self._deaf = by_ears.pop((), [])
        self._of_world = ByNumber(self._plan_deaf)
        self._ears = [_Ears(tables, sources) for sources in by_ears.values()]
        self._heard = [Memo(self._planning(ears), columns=2) for ears in self._ears]
        self.alive = [ByNumber(self._lookup(memo, tables.world.lives_by(h))) for h, memo in enumerate(tables.alive)]
        self.views = [ByNumber(self._lookup(memo, tables.world.seen_by(h))) for h, memo in enumerate(tables.views)]
        self._performed = Memo(self._perform)

    def find(self, worlds: Index, locals_: Sequence[Index]) -> list[tuple[Index, Index]]:
        """What may happen in states besides orders: (indices of the states, rows of plans), several times."""
        found = [self._spread(self._of_world.find(worlds))] if self._deaf else []
        for ears, memo in zip(self._ears, self._heard, strict=True):
            found.append(self._spread(memo.find(worlds.view(np.uint64), ears.tags(locals_))))
        return found

    def perform(self, worlds: Index, chains: Numbers) -> Index:
        """The numbers of worlds after chains of updates."""
        going = np.flatnonzero(chains)
        if len(going):
            worlds = worlds.copy()
            keys = worlds[going].view(np.uint64) | chains[going].astype(np.uint64) << _CHAIN
            worlds[going] = self._performed.find(keys)
        return worlds

    def _spread(self, plans: Numbers) -> tuple[Index, Index]:
        return spread(self._start.array[plans], self._count.array[plans])

    def _lookup(self, memo: Memo, of: tuple[int, ...]) -> Callable[[Index], Numbers]:
        mask = self._tables.words.mask(of)
        return lambda worlds: memo.find(*(self._tables.words.of(worlds) & mask))

    def _perform(self, keys: Words) -> Numbers:
        tables, low = self._tables, np.uint64((1 << 32) - 1)
        words = tables.words.of((keys & low).view(np.int64))
        return tables.words.find(tables.chains.follow(words, (keys >> _CHAIN).astype(np.int32)))

    def _plan_deaf(self, worlds: Index) -> Index:
        return self._plan(worlds, [(i, np.arange(len(worlds)), None) for i in self._deaf])

    def _planning(self, ears: _Ears) -> Callable[[Words, Words], Index]:
        def plan(keys: Words, tags: Words) -> Index:
            wanted: list[tuple[int, Index, Words | None]] = []
            for i in ears.sources:
                heard, some = ears.heard(i, tags), np.arange(len(keys))
                if self._tables.sources[i].waiting:
                    some = np.flatnonzero(self._tables.busy(heard))
                    heard = [numbers[some] for numbers in heard]
                wanted.append((i, some, self._tables.tags(heard)))
            return self._plan(keys.view(np.int64), wanted)

        return plan

    def _plan(self, worlds: Index, wanted: Sequence[tuple[int, Index, Words | None]]) -> Index:
        """The numbers of new plans. Arguments: `wanted`: of each source in which of the worlds, and what is heard."""
        tables, words = self._tables, self._tables.words.of(worlds)
        actions, found = tables.actions, list[tuple[Index, Index, Words]]()
        for i, some, tags in wanted:
            mask = tables.words.mask(tables.sources[i].of)
            keys = words.take(some, axis=1) & mask
            entries = tables.of_source[i].find(*keys) if tags is None else tables.of_source[i].find(*keys, tags)
            picked, rows = spread(actions.start.array[entries], actions.count.array[entries])
            found.append((some[picked], rows, (words.take(some[picked], axis=1) & ~mask) | actions.put.take(rows)))
        at, rows = (np.concatenate(column) for column in list(zip(*found, strict=True))[:2])
        after = np.hstack([led for _, _, led in found])
        reached = tables.words.find(tables.chains.follow(after, actions.chain.array[rows]))
        order = np.argsort(at, kind="stable")
        counts = np.bincount(at, minlength=len(worlds))
        first, plans = len(self.row), np.arange(len(self._start), len(self._start) + len(worlds))
        self.row.extend(rows[order])
        self.after.extend(reached[order])
        self._start.extend(first + np.cumsum(counts) - counts)
        self._count.extend(counts)
        return plans


def spread(starts: NDArray[Any], counts: Numbers) -> tuple[Index, Index]:
    """Runs of consecutive rows, one after the other: for each row the index of its run, and the row."""
    busy = np.flatnonzero(counts)
    starts, counts = starts[busy], counts[busy]
    ends = np.cumsum(counts, dtype=np.int64)
    rows = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - counts), counts)
    return np.repeat(busy, counts), rows
