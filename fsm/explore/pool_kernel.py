"""The fast engine for pools: many joint states at once, in arrays.

A joint state is packed into one integer: from the lowest bits on the number of its *inside* (the local states of the
hosts and the pool variables, together: few of all combinations turn up), that of the world, and on top what is left of
each budget. Numbers are given as values turn up, and a field that becomes too narrow is widened
(`fsm.search.space.Widened`).

States are expanded in chunks. What may happen is looked up by what it depends on (`fsm.explore.pool_tables`), which
gives pairs of a state and an action; of all pairs the events of one host are then one lookup of turns, their effects
another of updates. Only what was never met before is asked of machines and world, one at a time in Python, and that is
little: the parts of a pool have few values, it is their combinations that are many.

Actions that concern several hosts at once are taken one by one by the plain rules (`fsm.explore.joint`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import define

from fsm.explore.joint import Choice, JointState
from fsm.explore.pool_images import PoolImages
from fsm.explore.pool_plans import ByNumber, Index, PoolPlans, spread
from fsm.explore.pool_seen import PoolSeen
from fsm.explore.pool_tables import LOCAL_BITS, NONE, POOL_BITS, PoolTables
from fsm.explore.world import Action
from fsm.explore.world_words import WORD, Fields
from fsm.search.memo import Numbers, Words
from fsm.search.space import Batch, Budget, Property, Widened

if TYPE_CHECKING:
    from fsm.explore.pool_space import PoolSpace
    from fsm.search.space import Mask, Packed

FIRST_BITS = 24
"""Of the inside and of the world, where there is so much room."""
CHUNK = 1 << 15
"""States that are expanded together: their pairs stay in the cache of the processor."""


@define(eq=False)
class _Unpacked:
    """A chunk of states, each part an array. left: what is left of each budget."""

    states: Packed
    insides: Index
    locals: list[Index]
    pool: Index
    worlds: Index
    left: list[Words]


@define(eq=False)
class _Pairs:
    """States and what may happen in them. at: indices of states. rows: of `Actions`. worlds: after it."""

    at: Index
    rows: Numbers
    worlds: Index


_Found = tuple[_Pairs, "Packed", Index, int, list[tuple[int, str]]]
"""Pairs, the target of each, indices of those that change their state, how many were not refused, refusals."""


class PoolKernel:
    """A system, packed.

    Arguments:
        space: the system.
    Errors: `SpecError` (too-large) where a state does not fit.
    """

    def __init__(self, space: PoolSpace) -> None:
        self.space = space
        self._begin()

    def _begin(self) -> None:
        space = self.space
        self._joint = space.joint
        self._images: PoolImages | None = None
        n = self._n = space.joint.n
        self._tables = PoolTables(space.joint)
        self._plans = PoolPlans(self._tables)
        self._orders = [ByNumber(self._ordering(host)) for host in range(n)]
        self._seen = PoolSeen(space.observer, self._tables)
        first = space.joint.initial()[0]
        budgets = [left.bit_length() for left in first.budgets]
        room = max(0, WORD - sum(budgets))
        self._fields = Fields([min(FIRST_BITS, room // 2), min(FIRST_BITS, room // 2), *budgets])
        self._widen(1, 1)

    @property
    def bits(self) -> int:
        """The width of a state; it may grow, and then `Widened` is raised."""
        return self._fields.bits

    @property
    def groups(self) -> list[tuple[str, str | None]]:
        """(group, fault) of every number so far."""
        return self._tables.groups.values

    @property
    def budgets(self) -> Sequence[Budget]:
        """Those of faults and orders."""
        joint, shifts = self._joint, self._fields.shifts[2:]
        return [
            Budget(name.removeprefix("fault ").partition(" ")[0], shift, full)
            for name, shift, full in zip(joint.budgets, shifts, joint.full, strict=True)
        ]

    def initial(self) -> Packed:
        """The states at the beginning."""
        return np.array([self.pack(state) for state in self.space.initial()], np.uint64)

    def pack(self, state: JointState) -> int:
        """The number of a state. Raises: `Widened`."""
        tables = self._tables
        inside = tables.insides.number([*map(tables.local, state.locals), tables.pool(state.pool)])
        world = tables.words.known(tables.taken(state.world))
        self._fit()
        numbers = (inside, world, *state.budgets)
        return sum(number << shift for number, shift in zip(numbers, self._fields.shifts, strict=True))

    def unpack(self, packed: int) -> JointState:
        """The state of a number."""
        tables = self._tables
        inside, world, *left = (self._fields.one(int(packed), i) for i in range(len(self._fields.widths)))
        *locals_, pool = tables.insides.row(inside)
        return JointState(
            tuple(tables.locals.values[number] for number in locals_),
            tables.pools.values[pool],
            tables.given(tables.words.world(world)),
            tuple(left),
        )

    def expand(self, states: Packed) -> Iterator[Batch]:
        """All moves out of some states. Raises: `Widened`, before anything of the chunk in question is given."""
        for start in range(0, len(states), CHUNK):
            chunk = self._unpacked(states[start : start + CHUNK])
            yield self._batch(self._chunk(chunk), start)

    def canonical(self, states: Packed) -> Packed:
        """Of all images of each state the smallest. Raises: `Widened`, the first time always: all that is known so far
        was not compared (`fsm.explore.answers`)."""
        symmetry = self.space.symmetric()
        if self._images is None:
            self._begin()
            self._images = PoolImages(symmetry, self._tables)
            raise Widened
        found = [self._smallest(states[at : at + CHUNK]) for at in range(0, len(states), CHUNK)]
        return np.concatenate(found) if found else states

    def _smallest(self, states: Packed) -> Packed:
        assert self._images is not None
        chunk = self._unpacked(states)
        return self._images.smallest(chunk.states, [chunk.insides, chunk.worlds], self._parts_packed)

    def _parts_packed(self, parts: Sequence[Index]) -> Packed:
        self._fit()
        packed = np.zeros(len(parts[0]), np.uint64)
        for part, shift in zip(parts, self._fields.shifts, strict=False):
            packed |= part.view(np.uint64) << np.uint64(shift)
        return packed

    def stuck(self, states: Packed) -> Mask:
        """Where nothing is possible but faults and orders."""
        stuck = np.ones(len(states), np.bool_)
        for start in range(0, len(states), CHUNK):
            pairs = self._pairs(self._unpacked(states[start : start + CHUNK]))
            free = np.array([fault is None for _, fault in self.groups], np.bool_)
            stuck[start + pairs.at[free[self._tables.actions.group.array[pairs.rows]]]] = False
        return stuck

    def see(self, states: Packed) -> Numbers:
        """The number of the observation of each state."""
        found = [self._observed(states[at : at + CHUNK]) for at in range(0, len(states), CHUNK)]
        return np.concatenate(found) if found else np.zeros(0, np.int32)

    def holds(self, property_: Property, part: str, seen: Any, target: Any = None) -> Mask:
        """Whether a formula holds, decided once for each observation, of a step once for each pair of them."""
        return self._seen.holds(property_, part, seen, target)

    def fired(self) -> Iterable[str]:
        """The rows that fired so far."""
        return self._tables.fired

    def _fit(self) -> None:
        """Makes room for every number there is. Raises: `Widened`."""
        needed = len(self._tables.insides.words), len(self._tables.words.words)
        if any(count > 1 << width for count, width in zip(needed, self._fields.widths, strict=False)):
            self._widen(*needed)
            raise Widened

    def _widen(self, insides: int, worlds: int) -> None:
        """Makes the fields so wide. Errors: `SpecError` (too-large)."""
        budgets = [1 << width for width in self._fields.widths[2:]]
        self._fields = self._fields.widened([insides, worlds, *budgets], self.space.at)

    def _ordering(self, host: int) -> Any:
        return lambda locals_: self._tables.orders[host].find(locals_.view(np.uint64))

    def _unpacked(self, states: Packed) -> _Unpacked:
        fields = self._fields
        states = states.astype(np.uint64, copy=False)
        insides, worlds, *left = (fields.get(states, i) for i in range(len(fields.widths)))
        *locals_, pool = self._tables.inside(insides.view(np.int64))
        return _Unpacked(states, insides.view(np.int64), locals_, pool, worlds.view(np.int64), left)

    def _observed(self, states: Packed) -> Numbers:
        insides, worlds = (self._fields.get(states.astype(np.uint64, copy=False), i).view(np.int64) for i in (0, 1))
        return self._seen.observe(insides, worlds)

    def _pairs(self, chunk: _Unpacked) -> _Pairs:
        """Everything that may happen in the states of a chunk."""
        plans, actions = self._plans, self._tables.actions
        found = []
        for at, planned in plans.find(chunk.worlds, chunk.locals):
            found.append((at, plans.row.array[planned], plans.after.array[planned]))
        for host in range(self._n):
            lives = np.flatnonzero(plans.alive[host].find(chunk.worlds))
            orders = self._orders[host].find(chunk.locals[host][lives])
            picked, rows = spread(actions.start.array[orders], actions.count.array[orders])
            at = lives[picked]
            found.append((at, rows.astype(np.int32), chunk.worlds[at].astype(np.int32)))
        at, rows, after = (np.concatenate(column) for column in zip(*found, strict=True))
        if chunk.left:
            budget = actions.budget.array[rows]
            left = np.stack(chunk.left)[budget, at]  # NONE takes the last row, and is let through
            able = np.flatnonzero((budget == NONE) | (left > 0))
            at, rows, after = at[able], rows[able], after[able]
        prompt = actions.prompt.array[rows]
        if prompt.any():
            waits = np.ones(len(chunk.states), np.bool_)
            waits[at[prompt & (actions.budget.array[rows] == NONE)]] = False
            able = np.flatnonzero(prompt | actions.restart.array[rows] | waits[at])
            at, rows, after = at[able], rows[able], after[able]
        return _Pairs(at, rows.astype(np.int32), after.astype(np.int64))

    def _chunk(self, chunk: _Unpacked) -> _Found:
        """Everything that comes of a chunk. Raises: `Widened`."""
        tables, n = self._tables, self._n
        pairs = self._pairs(chunk)
        actions, worlds = tables.actions, pairs.worlds
        before = chunk.insides[pairs.at]
        insides = before.copy()
        refused = np.full(len(pairs.at), NONE, np.int32)
        hosts = actions.host.array[pairs.rows]
        for host in range(n):
            mine = np.flatnonzero(hosts == host)
            if len(mine):
                worlds[mine], insides[mine], refused[mine] = self._turns(chunk, pairs, host, mine)
        self._fit()
        shifts = self._fields.shifts
        change = insides - before + ((worlds - chunk.worlds[pairs.at]) << shifts[1])
        for i in range(len(chunk.left)):
            change -= (actions.budget.array[pairs.rows] == i).astype(np.int64) << shifts[2 + i]
        sources = chunk.states[pairs.at]
        targets = sources + change.view(np.uint64)
        messages = [(int(pairs.at[i]), tables.refusals.values[refused[i]]) for i in np.flatnonzero(refused != NONE)]
        if tables.wide:
            self._take_wide(chunk, pairs, targets, refused, messages)
        answered = refused == NONE
        kept = np.flatnonzero(answered & (targets != sources))
        return pairs, targets, kept, int(np.count_nonzero(answered)), messages

    def _turns(self, chunk: _Unpacked, pairs: _Pairs, host: int, mine: Index) -> tuple[Index, Index, Numbers]:
        """What comes of the actions of one host: worlds, insides, refusals."""
        tables, actions, plans = self._tables, self._tables.actions, self._plans
        rows, at, worlds = pairs.rows[mine], pairs.at[mine], pairs.worlds[mine]
        before, pool_before = chunk.locals[host][at], chunk.pool[at]
        after, pool = before.copy(), pool_before.copy()
        reborn = np.flatnonzero(actions.restart.array[rows])
        after[reborn] = tables.reboots[host].find(before[reborn].view(np.uint64))
        events = actions.event.array[rows]
        told = np.flatnonzero(events != NONE)
        views = plans.views[host].find(worlds[told]).astype(np.int64)
        keys = after[told] | pool[told] << LOCAL_BITS | views << LOCAL_BITS + POOL_BITS
        turns = tables.turns[host].find(keys.view(np.uint64), events[told].astype(np.uint64))
        refused = np.full(len(mine), NONE, np.int32)
        refused[told] = tables.turn_refused.array[turns]
        after[told], pool[told] = tables.turn_local.array[turns], tables.turn_pool.array[turns]
        worlds[told] = plans.perform(worlds[told], tables.turn_chain.array[turns])
        insides = self._moved(chunk.insides[at], host, after - before, pool - pool_before)
        return worlds, insides, refused

    def _moved(self, insides: Index, host: int, local: Index, pool: Index) -> Index:
        """Insides after a change of the local state of a host, and of the pool."""
        rows, moved = self._tables.insides, np.flatnonzero(local | pool)
        change: list[Any] = [0] * (self._n + 1)
        change[host], change[-1] = local[moved], pool[moved]
        words = rows.of(insides[moved])
        for word, by in zip(words.view(np.int64), rows.pack(change), strict=True):
            word += by
        insides[moved] = rows.find(words)
        return insides

    def _take_wide(
        self, chunk: _Unpacked, pairs: _Pairs, targets: Packed, refused: Numbers, messages: list[tuple[int, str]]
    ) -> None:
        """Enters the targets of actions that concern several hosts."""
        wide = self._tables.actions.wide.array[pairs.rows]
        for i in np.flatnonzero(wide != NONE):
            state = self.unpack(int(chunk.states[pairs.at[i]]))
            move = self._joint.take(state, self._wide(state, int(wide[i])))
            if move.turn is not None and move.turn.refused is not None:
                refused[i] = 0
                messages.append((int(pairs.at[i]), move.turn.refused))
            elif move.target is not None:
                self._tables.fired.update(fired.row for fired in (move.turn.fired if move.turn else ()))
                targets[i] = self.pack(move.target)

    def _wide(self, state: JointState, number: int) -> Choice:
        """A choice that concerns several hosts, in a state."""
        source, then, budget = self._tables.wide[number]
        world = list(self._tables.taken(state.world))
        for part in source.of:
            world[part] = then.action.world[part]
        w = tuple(world)
        for update in then.updates:
            w = update(w)
        a = then.action
        return Choice(Action(a.label, self._tables.given(w), a.fault, a.host, a.event, a.restart, a.prompt), budget)

    def _batch(self, found: _Found, start: int) -> Batch:
        pairs, targets, kept, generated, messages = found
        refused = tuple((at + start, message) for at, message in messages)
        return Batch(
            lambda: pairs.at[kept] + start,
            targets[kept],
            generated,
            lambda: self._tables.actions.group.array[pairs.rows[kept]],
            refused,
        )
