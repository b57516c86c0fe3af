"""What the kernel of pools remembers: everything that happens, asked of Python once for what it depends on.

- *entries* of a source: the actions that it has in some parts of the world while hosts wait for certain things;
- *orders*: what a host's timers and operators may bring, by its local state;
- *turns*, by (host, local, pool, event, view), and their effects as chains of updates;
- *updates*, by the parts of the world that they read.

Actions lie in columns, one row each, entries in consecutive rows. What a move is stands in `fsm.explore.joint`, and
nothing here may differ from it: the tests explore small systems both ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from attrs import evolve
from numpy.typing import NDArray

from fsm.engine.turn import Effects, Event
from fsm.explore.calls import items
from fsm.explore.joint import Joint
from fsm.explore.parted import Parted, Source, Then, Update, Whole, effects_key
from fsm.explore.pool_space import group_of
from fsm.explore.world_words import Grown, Numbered, Rows, WorldWords, below, each
from fsm.search.memo import Memo, Numbers, Words

NONE = -1
LOCAL_BITS, POOL_BITS = 21, 21
"""Fields of the key of a turn; the rest is the view's, or that of the facts."""
REST_BITS = 64 - LOCAL_BITS - POOL_BITS
_LOCAL, _POOL = (1 << LOCAL_BITS) - 1, (1 << POOL_BITS) - 1


Row = tuple[Sequence[int], int, int, bool, int, int, int, int, bool]
"""An action in the order of the columns: put, host, event, restart, budget, chain, group, wide, prompt."""


class Actions:
    """Actions in columns.

    Arguments:
        words: of the worlds that they lead to.

    put: the fields of its source's parts after it. host, event, budget: numbers, NONE where there is none. restart: 1
    where the host loses its memory. chain: updates that follow. group: number of (group, fault). wide: index of what
    concerns several hosts, else NONE. prompt: whether it happens at once.
    """

    def __init__(self, words: WorldWords) -> None:
        self.put = Grown(np.uint64, words.columns)
        self.host, self.event, self.budget, self.chain, self.group, self.wide = (Grown(np.int32) for _ in range(6))
        self.restart, self.prompt = Grown(np.bool_), Grown(np.bool_)
        self.start, self.count = Grown(np.int32), Grown(np.int32)

    def add(self, entries: Sequence[Sequence[Row]]) -> range:
        """New entries. Returns their numbers."""
        first, rows = len(self.start), [row for entry in entries for row in entry]
        ends = len(self.host) + np.cumsum([len(entry) for entry in entries])
        self.count.extend([len(entry) for entry in entries])
        self.start.extend(ends - self.count.array[first:])
        columns = self.host, self.event, self.restart, self.budget, self.chain, self.group, self.wide, self.prompt
        if rows:
            put, *rest = zip(*rows, strict=True)
            self.put.extend(np.array(put, np.uint64).T)
            for column, values in zip(columns, rest, strict=True):
                column.extend(values)
        return range(first, len(self.start))


class Chains:
    """Updates of worlds, one after the other; chain 0 is empty.

    Arguments:
        words: what they update.
    """

    def __init__(self, words: WorldWords) -> None:
        self._words, self._updates, self._known = words, Numbered(), Numbered()
        self._start, self._length, self._steps = Grown(np.int32), Grown(np.int32), Grown(np.int32)
        self._put = Grown(np.uint64, words.columns)
        self._memo = Memo(self._fill, words.columns + 1)
        self.number(())

    def number(self, updates: Sequence[Update]) -> int:
        """The number of a chain."""
        steps = tuple(self._updates.of(update) for update in updates)
        number = self._known.of(steps)
        if number == len(self._start):
            self._start.append(len(self._steps))
            self._length.append(len(steps))
            self._steps.extend(steps)
        return number

    def follow(self, words: Words, chains: Numbers) -> Words:
        """The rows of worlds after a chain each."""
        length = self._length.array[chains]
        going = np.flatnonzero(length)
        if not len(going):
            return words
        masks = np.hstack([self._words.mask(update.of) for update in self._updates.values])
        words, k = words.copy(), 0
        while len(going):
            step = self._steps.array[self._start.array[chains[going]] + k]
            mask, before = masks.take(step, axis=1), words.take(going, axis=1)
            found = self._memo.find(*(before & mask), step.astype(np.uint64))
            words[:, going] = (before & ~mask) | self._put.take(found)
            k += 1
            going = going[length[going] > k]
        return words

    def _fill(self, *keys: Words) -> range:
        found = []
        for *word, step in each(keys):
            update: Update = self._updates.values[step]
            found.append(self._words.part(update(self._words.some(word, update.of)), update.of))
        self._put.extend(np.array(found, np.uint64).T)
        return range(len(self._put) - len(found), len(self._put))


class PoolTables:
    """The memory of one joint system.

    Arguments:
        joint: the nodes and the world.
    """

    def __init__(self, joint: Joint) -> None:
        self.joint, n = joint, joint.n
        world: Any = joint.world
        self.parted: bool = isinstance(world, Parted)
        self.world: Any = world if self.parted else Whole(world, n)
        first = self.taken(joint.initial()[0].world)
        self.words = WorldWords(len(first), joint.system.world.at)
        self.insides = Rows(n + 1, joint.system.at)
        self.locals, self.pools, self.refusals, self.groups = Numbered(), Numbered(), Numbered(), Numbered()
        self.wide: list[tuple[Source, Then, int | None]] = []
        self.fired: set[str] = set()
        self._views, self._events, self.pendings, self._performed = (Numbered() for _ in range(4))
        self.wait_bits, self._nothing = 64 // n, self.pendings.of(())
        self.waits = Grown(np.int32)
        self.actions, self.chains = Actions(self.words), Chains(self.words)
        self.sources: Sequence[Source] = self.world.sources
        wide = self.words.columns
        self.of_source = [Memo(partial(self._entries, i), wide + bool(s.hears)) for i, s in enumerate(self.sources)]
        self.alive = [Memo(partial(self._alive, host), wide) for host in range(n)]
        self.views = [Memo(partial(self._see, host), wide) for host in range(n)]
        self.orders = [Memo(partial(self._orders, host)) for host in range(n)]
        self.reboots = [Memo(partial(self._reboot, host)) for host in range(n)]
        self.turns = [Memo(partial(self._turn, host), columns=2) for host in range(n)]
        self.turn_local, self.turn_pool, self.turn_chain, self.turn_refused = (Grown(np.int32) for _ in range(4))

    def taken(self, w: Any) -> Any:
        """A world as parts."""
        return w if self.parted else self.world.taken(w)

    def given(self, parts: Any) -> Any:
        """The world of parts."""
        return parts if self.parted else self.world.given(parts)

    def local(self, local: tuple[Any, ...]) -> int:
        """The number of a local state."""
        number = self.locals.of(local)
        if number == len(self.waits):
            # every node has the same machines, so that what a local state waits for is the same on each
            self.waits.append(self.wait(tuple(self.joint.nodes[0].pending(local))))
        return self.below(number, LOCAL_BITS)

    def pool(self, pool: tuple[Any, ...]) -> int:
        """The number of the pool variables."""
        return self.below(self.pools.of(pool), POOL_BITS)

    def inside(self, numbers: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """The local states of all hosts and the pool variables of insides."""
        words = list(self.insides.of(numbers).view(np.int64))
        return [self.insides.one(words, i) for i in range(self.joint.n + 1)]

    def wait(self, pending: tuple[tuple[str, str], ...]) -> int:
        """The number of what a host waits for."""
        return self.below(self.pendings.of(pending), self.wait_bits)

    def busy(self, heard: Sequence[Numbers]) -> NDArray[np.bool_]:
        """Where some host waits for something."""
        busy: NDArray[np.bool_] = np.logical_or.reduce([numbers != self._nothing for numbers in heard])
        return busy

    def tags(self, heard: Sequence[Numbers]) -> Words | None:
        """The same as one number."""
        if not heard:
            return None
        tags = np.zeros(len(heard[0]), np.uint64)
        for i, numbers in enumerate(heard):
            tags |= numbers.astype(np.uint64) << np.uint64(self.wait_bits * i)
        return tags

    def below(self, number: int, bits: int) -> int:
        """A number that has to fit into so many bits of a key. Errors: `SpecError` (too-large)."""
        return below(number, bits, self.joint.system.at)

    def _entries(self, index: int, *keys: Words) -> range:
        source, n = self.sources[index], self.joint.n
        found = []
        for key in each(keys):
            pending: list[tuple[tuple[str, str], ...]] = [()] * n
            for i, host in enumerate(source.hears):
                pending[host] = self.pendings.values[key[-1] >> self.wait_bits * i & ((1 << self.wait_bits) - 1)]
            w = self.words.some(key, source.of)
            rows = (self._row(source, then) for then in source.act(w, pending))
            found.append([row for row in rows if row is not None])
        return self.actions.add(found)

    def _row(self, source: Source, then: Then) -> Row | None:
        action = then.action
        choice = self.joint.choice(action)
        if choice is None:
            return None
        budget = NONE if choice.budget is None else choice.budget
        group = self.groups.of((group_of(action), action.fault))
        put = self.words.part(action.world, source.of)
        concerned = {*action.restart, *([action.host] if action.event is not None else [])}
        if len(concerned) > 1:
            self.wide.append((source, then, choice.budget))
            return put, NONE, NONE, bool(action.restart), budget, 0, group, len(self.wide) - 1, action.prompt
        host = concerned.pop() if concerned else None
        event = NONE if action.event is None else self._event(action.event)
        chain = self.chains.number(then.updates)
        here = NONE if host is None else host
        return put, here, event, bool(action.restart), budget, chain, group, NONE, action.prompt

    def _event(self, event: Event) -> int:
        return self._events.number((event.machine, event.name, items(event.payload), event.call), event)

    def _orders(self, host: int, keys: Words) -> range:
        found, nothing = [], [0] * self.words.columns
        for local in keys.tolist():
            rows = []
            for choice in self.joint.own(None, host, self.locals.values[local]):
                action = choice.action
                assert action.event is not None
                group = self.groups.of((group_of(action), action.fault))
                budget = NONE if choice.budget is None else choice.budget
                rows.append((nothing, host, self._event(action.event), False, budget, 0, group, NONE, False))
            found.append(rows)
        return self.actions.add(found)

    def _alive(self, host: int, *keys: Words) -> list[int]:
        of = self.world.lives_by(host)
        return [int(self.world.alive(self.words.some(key, of), host)) for key in each(keys)]

    def _see(self, host: int, *keys: Words) -> list[int]:
        of = self.world.seen_by(host)
        seen = (self._views.of(self.world.view(self.words.some(key, of), host)) for key in each(keys))
        return [self.below(number, REST_BITS) for number in seen]

    def _reboot(self, host: int, keys: Words) -> list[int]:
        return [self.local(self.joint.reboot(host, self.locals.values[local])) for local in keys.tolist()]

    def _turn(self, host: int, keys: Words, events: Words) -> range:
        found = [self._taken(host, key, event) for key, event in each((keys, events))]
        columns = (self.turn_local, self.turn_pool, self.turn_chain, self.turn_refused)
        for column, values in zip(columns, zip(*found, strict=True), strict=True):
            column.extend(values)
        return range(len(self.turn_local) - len(found), len(self.turn_local))

    def _taken(self, host: int, key: int, event: int) -> tuple[int, int, int, int]:
        """One turn: local state, pool, chain of its effects, refusal."""
        local, pool = self.locals.values[key & _LOCAL], self.pools.values[key >> LOCAL_BITS & _POOL]
        view = self._views.values[key >> LOCAL_BITS + POOL_BITS]
        turn = self.joint.turn(host, local, pool, self._events.values[event], view)
        if turn.refused is not None:
            return self.local(turn.local), self.pool(turn.pool), 0, self.refusals.of(turn.refused)
        self.fired.update(row.row.id for row, _, _ in turn.rows)
        return self.local(turn.local), self.pool(turn.pool), self._effects(host, turn.effects), NONE

    def _effects(self, host: int, effects: Effects) -> int:
        known = self._performed.number((host, effects_key(effects)), None)
        if self._performed.values[known] is None:
            self._performed.values[known] = self.chains.number(self.world.updates(host, evolve(effects, timers=())))
        return int(self._performed.values[known])
