"""What makes the search fast: everything is numbered, everything is computed once, a move is a sum.

A joint state is packed into one integer: a field of 24 bits for the number of each host's local state, one for the
pool's and one for the world's, on top a field of 10 bits for what is left of each budget. A move changes a few fields,
so it is kept as the difference between the packed states. Three tables do the work:
- a *plan* for each (world, what every host waits for): the world's actions, sorted by the one host that they concern;
- the moves of each (host's share of a plan, local state, pool, budgets not yet used up): a tuple of differences;
- under it, turns by (host, local, pool, event, view) and effects performed by (world, host, effects), which are shared
  far more widely: a world with a thousand states behind one view costs one turn.
Only actions that concern two nodes at once are taken anew in every state. What a move is stands in
`fsm.explore.joint`, and nothing here may differ from it: the tests explore small systems both ways.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from copy import copy
from itertools import chain
from typing import Any

from attrs import define, evolve, field, frozen

from fsm.engine.turn import Effects, Event
from fsm.errors import SpecError
from fsm.explore.calls import items
from fsm.explore.joint import Choice, Joint, JointState

Alone = tuple[int, int | None, bool, int | None]
"""An action that concerns one host: world after it, event, whether the host restarts, budget; all but one numbers."""

BITS = 24
MASK = (1 << BITS) - 1
BUDGET_BITS = 10
BUDGET_MASK = (1 << BUDGET_BITS) - 1


@define(eq=False)
class Numbered:
    """Values and their numbers, in the order in which they were first seen."""

    values: list[Any] = field(factory=list)
    _numbers: dict[Hashable, int] = field(factory=dict)

    def number(self, key: Hashable, value: Any) -> int:
        """The number of `key`; `value` is kept for it if it is new."""
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self.values)
            self.values.append(value)
        return found


@frozen
class Moves:
    """Differences to the packed states that moves lead to, and the answers that a spec does not have."""

    differences: tuple[int, ...]
    refused: tuple[str, ...] = ()


@frozen
class Plan:
    """What may happen in a world while the hosts wait for certain things: for each host the number of its share, then
    (difference, budget) of choices that concern no node, then choices that concern several."""

    shares: tuple[int, ...]
    free: tuple[tuple[int, int | None], ...]
    wide: tuple[Choice, ...]
    by_budget: dict[int, tuple[int, ...]] = field(factory=dict)


class Tables:
    """The numbered state space of one joint system.

    Arguments:
        joint: the nodes and the world.
    """

    def __init__(self, joint: Joint) -> None:
        self.joint, n = joint, joint.n
        self.fired: set[str] = set()
        self.pool_shift, self.world_shift, self.budget_shift = BITS * n, BITS * (n + 1), BITS * (n + 2)
        self.local_shifts = tuple(BITS * host for host in range(n))
        self.locals, self.pools, self.worlds, self._views = Numbered(), Numbered(), Numbered(), Numbered()
        self._events, self._effects, self._shares, self._pendings = Numbered(), Numbered(), Numbered(), Numbered()
        self.waits: list[int] = []
        self._plans: dict[tuple[int, ...], Plan] = {}
        self._moves: list[dict[tuple[int, int, int, int], Moves]] = [{} for _ in range(n)]
        self._turns: dict[tuple[int, int, int, int, int], tuple[int, int, int, str | None]] = {}
        self._performed: dict[tuple[int, int, int], int] = {}
        self._seen: list[dict[int, int]] = [{} for _ in range(n)]
        self._alive: list[dict[int, bool]] = [{} for _ in range(n)]
        self._rebooted: list[dict[int, int]] = [{} for _ in range(n)]
        self._own: list[dict[int, tuple[tuple[int, int | None], ...]]] = [{} for _ in range(n)]

    def unaided(self, counting_on: frozenset[str]) -> Tables:
        """The same numbers, and of the moves those of a pool that is left to itself (`Joint.unaided`). Turns, effects
        and whatever else does not depend on what may happen are shared."""
        other = copy(self)
        other.joint, other._plans = self.joint.unaided(counting_on), {}
        other._moves, other._own = [{} for _ in self._moves], [{} for _ in self._own]
        return other

    def pack(self, state: JointState) -> int:
        """The number of a joint state."""
        packed = sum(self._local(local) << shift for local, shift in zip(state.locals, self.local_shifts, strict=True))
        packed += self._pool(state.pool) << self.pool_shift
        packed += self._world(state.world) << self.world_shift
        left = sum(budget << (BUDGET_BITS * i) for i, budget in enumerate(state.budgets))
        return packed + (left << self.budget_shift)

    def unpack(self, packed: int) -> JointState:
        """The joint state of a number."""
        left = packed >> self.budget_shift
        return JointState(
            tuple(self.locals.values[(packed >> shift) & MASK] for shift in self.local_shifts),
            self.pools.values[(packed >> self.pool_shift) & MASK],
            self.worlds.values[(packed >> self.world_shift) & MASK],
            tuple((left >> (BUDGET_BITS * i)) & BUDGET_MASK for i in range(len(self.joint.budgets))),
        )

    def moves(self, packed: int) -> tuple[list[int], tuple[str, ...]]:
        """The differences of all moves out of a state that change it, and the refused turns there."""
        w, p = (packed >> self.world_shift) & MASK, (packed >> self.pool_shift) & MASK
        left = self._left(packed >> self.budget_shift) if self.joint.budgets else 0
        locals_ = [(packed >> shift) & MASK for shift in self.local_shifts]
        waits = self.waits
        plan = self._plans.get(key := (w, *[waits[local] for local in locals_]))
        if plan is None:
            plan = self._plans[key] = self._plan(w, locals_)
        free = plan.by_budget.get(left)
        differences = list(self._free(plan, left) if free is None else free)
        refused: tuple[str, ...] = ()
        for host, share in enumerate(plan.shares):
            local = locals_[host]
            moves = self._moves[host].get((share, local, p, left))
            if moves is None:
                moves = self._moves[host][share, local, p, left] = self._of_share(host, share, local, p, w, left)
            differences += moves.differences
            if moves.refused:
                refused += moves.refused
        for choice in plan.wide:
            if self._enabled(choice.budget, left):
                refused += self._wide(choice, packed, differences)
        return differences, refused

    def _local(self, local: tuple[Any, ...]) -> int:
        number = self.locals.number(local, local)
        if number == len(self.waits):
            # every node has the same machines, so that what a local state waits for is the same on each
            pending = tuple(self.joint.nodes[0].pending(local))
            self.waits.append(self._pendings.number(pending, pending))
        return self._fits(number)

    def _pool(self, pool: tuple[Any, ...]) -> int:
        return self._fits(self.pools.number(pool, pool))

    def _world(self, w: Any) -> int:
        return self._fits(self.worlds.number(w, w))

    def _fits(self, number: int) -> int:
        if number > MASK:
            message = f"more than {MASK} different states of one part; use fewer hosts, or budgets for faults"
            raise SpecError(self.joint.system.at, message, "too-large")
        return number

    def _left(self, budgets: int) -> int:
        """A bit for every budget that is not used up."""
        return sum(1 << i for i in range(len(self.joint.budgets)) if (budgets >> (BUDGET_BITS * i)) & BUDGET_MASK)

    def _enabled(self, budget: int | None, left: int) -> bool:
        return budget is None or bool(left >> budget & 1)

    def _spent(self, budget: int | None) -> int:
        return 0 if budget is None else -(1 << (self.budget_shift + BUDGET_BITS * budget))

    def _plan(self, w: int, locals_: list[int]) -> Plan:
        joint, world = self.joint, self.worlds.values[w]
        pending = [self._pendings.values[self.waits[local]] for local in locals_]
        shares: list[list[Alone]] = [[] for _ in range(joint.n)]
        free: list[tuple[int, int | None]] = []
        wide: list[Choice] = []
        for action in joint.world.actions(world, pending):
            choice = joint.choice(action)
            if choice is None:
                continue
            concerned = {*action.restart, *([action.host] if action.event is not None else [])}
            if not concerned:
                difference = ((self._world(action.world) - w) << self.world_shift) + self._spent(choice.budget)
                free.append((difference, choice.budget))
            elif len(concerned) == 1:
                event = None if action.event is None else self._event(action.event)
                alone = (self._world(action.world), event, bool(action.restart), choice.budget)
                shares[next(iter(concerned)) or 0].append(alone)
            else:
                wide.append(choice)
        numbers = (self._shares.number((w, *share), tuple(share)) for share in shares)
        return Plan(tuple(numbers), tuple(free), tuple(wide))

    def _event(self, event: Event) -> int:
        return self._events.number((event.machine, event.name, items(event.payload), event.call), event)

    def _free(self, plan: Plan, left: int) -> tuple[int, ...]:
        enabled = (difference for difference, budget in plan.free if self._enabled(budget, left))
        plan.by_budget[left] = found = tuple(difference for difference in enabled if difference)
        return found

    def _of_share(self, host: int, share: int, local: int, p: int, w: int, left: int) -> Moves:
        """The moves of one host's share, its own timers and operators first."""
        alones: Iterable[Alone] = self._shares.values[share]
        if self._lives(host, w):
            own = self._own[host].get(local)
            if own is None:
                own = self._own[host][local] = self._of_local(host, local)
            alones = chain(((w, event, False, budget) for event, budget in own), alones)
        differences, refused = [], []
        for world, event, restarts, budget in alones:
            if not self._enabled(budget, left):
                continue
            after, pool = self._reboot(host, local) if restarts else local, p
            if event is not None:
                after, pool, effects, refusal = self._turn(host, after, p, world, event)
                if refusal is not None:
                    refused.append(refusal)
                    continue
                world = self._perform(world, host, effects)
            difference = (after - local) << self.local_shifts[host]
            difference += ((pool - p) << self.pool_shift) + ((world - w) << self.world_shift) + self._spent(budget)
            if difference:
                differences.append(difference)
        return Moves(tuple(differences), tuple(refused))

    def _of_local(self, host: int, local: int) -> tuple[tuple[int, int | None], ...]:
        """The events, with their budgets, that a living host's timers and operators may bring."""
        choices = self.joint.own(None, host, self.locals.values[local])
        return tuple((self._event(c.action.event), c.budget) for c in choices if c.action.event is not None)

    def _reboot(self, host: int, local: int) -> int:
        after = self._rebooted[host].get(local)
        if after is None:
            after = self._rebooted[host][local] = self._local(self.joint.reboot(host, self.locals.values[local]))
        return after

    def _lives(self, host: int, w: int) -> bool:
        lives = self._alive[host].get(w)
        if lives is None:
            lives = self._alive[host][w] = self.joint.world.alive(self.worlds.values[w], host)
        return lives

    def _turn(self, host: int, local: int, p: int, w: int, event: int) -> tuple[int, int, int, str | None]:
        """(local, pool, effects, refusal) of one turn."""
        view = self._seen[host].get(w)
        if view is None:
            seen = self.joint.world.view(self.worlds.values[w], host)
            view = self._seen[host][w] = self._views.number(seen, seen)
        key = (host, local, p, event, view)
        found = self._turns.get(key)
        if found is None:
            found = self._turns[key] = self._new_turn(*key)
        return found

    def _new_turn(self, host: int, local: int, p: int, event: int, view: int) -> tuple[int, int, int, str | None]:
        happened, sees = self._events.values[event], self._views.values[view]
        turn = self.joint.turn(host, self.locals.values[local], self.pools.values[p], happened, sees)
        if turn.refused is not None:
            return local, p, 0, turn.refused
        self.fired.update(fired.row for fired in turn.fired)
        effects = evolve(turn.effects, timers=())
        return self._local(turn.local), self._pool(turn.pool), self._effects.number(effects_key(effects), effects), None

    def _perform(self, w: int, host: int, effects: int) -> int:
        key = (w, host, effects)
        found = self._performed.get(key)
        if found is None:
            world = self.joint.world.perform(self.worlds.values[w], host, self._effects.values[effects])
            found = self._performed[key] = self._world(world)
        return found

    def _wide(self, choice: Choice, packed: int, differences: list[int]) -> tuple[str, ...]:
        """A choice that concerns several nodes, taken by the plain rules; adds its difference or gives its refusal."""
        move = self.joint.take(self.unpack(packed), choice)
        if move.turn is not None and move.turn.refused is not None:
            return (move.turn.refused,)
        if move.turn is not None:
            self.fired.update(fired.row for fired in move.turn.fired)
        if move.target is not None and (difference := self.pack(move.target) - packed):
            differences.append(difference)
        return ()


def effects_key(effects: Effects) -> Hashable:
    """What tells effects apart, hashable; timers are the explorer's own."""
    operations = tuple((o.machine, o.port, o.name, items(o.arguments), o.targets, o.joined) for o in effects.operations)
    signals = tuple((s.port, s.name, items(s.arguments)) for s in effects.signals)
    replies = tuple((r.call, r.outcome, items(r.payload)) for r in effects.replies)
    return items(effects.host), items(effects.pool), signals, replies, operations, effects.abandoned
