"""Actions compiled for packed states: which of them may happen where, and what they lead to.

A guard is taken apart into *literals*, which are bits that must be one of a few patterns, and *tests*, which are all
the rest. The literals of an action that leave one pattern each are together one mask and one comparison; its tests are
only asked where all literals hold. What many actions have in common is asked once: actions lie in a tree, where a node
has one literal of all actions below it, and only the states in which it holds go further down. Of the actions of three
hosts with eight states each that leaves an eighth of the work.

Updates with constants are one mask and one pattern as well, and where the guard says what the bits were, one `xor`.
Other updates are put into their places one by one.

A literal may be asked before what stands before it in the guard, unless that has no value in some states: then whoever
reads the guard in its order meets that first, and so do we (`fsm.models.vector`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import reduce
from operator import and_, or_
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import define, field, frozen

from fsm.models.columns import Columns, Literal, Node
from fsm.models.packing import Field
from fsm.models.terms import Apply, Const, GroundAction, Read, Term
from fsm.models.vector import Vectors, either

if TYPE_CHECKING:
    from fsm.search.space import Mask, Packed, Positions

Trail = tuple["Positions", ...]
"""Which states these are: indices into indices into … the states that were asked about, the outermost first."""


@define(eq=False)
class Fired:
    """Moves of one action: the states that they lead to, and the trail of those that they come from."""

    action: int
    targets: Packed
    trail: Trail
    generated: int

    def sources(self, size: int) -> Positions:
        """Indices into all `size` states that were asked about."""
        found = np.arange(size) if not self.trail else self.trail[-1]
        for outer in reversed(self.trail[:-1]):
            found = outer[found]
        return found


@frozen(eq=False)
class Offence(Exception):
    """A state in which an action has no value."""

    state: int


@frozen(eq=False)
class Update:
    """What an action does to the bits of a state.

    Arguments:
        cleared, set: bits that become 0 before others become 1.
        writes: values in their places, which were cleared.
        fails: where a new value is none of its type, or there is none.
        changes: the state is another one afterwards, wherever the guard holds.
        flips: the bits that change, where the guard says what they were and constants what they become.
    """

    cleared: int
    set: int
    writes: tuple[Callable[[Columns], Packed], ...]
    fails: Node | None
    changes: bool
    flips: int | None


@define(eq=False)
class Guard:
    """A guard in parts: where all literals hold (by mask the patterns that are right), `test` is asked; where `fails`,
    it has no value. `never`: the literals contradict each other."""

    literals: dict[int, frozenset[int]]
    test: Node | None
    fails: Node | None
    never: bool = False


def conjuncts(term: Term, positive: bool = True) -> Iterator[Term]:
    """What must hold for a term to hold (or not to hold), in the order in which it is read."""
    if isinstance(term, Apply):
        if term.op == "not":
            yield from conjuncts(term.args[0], not positive)
            return
        if term.op == ("and" if positive else "or"):
            for arg in term.args:
                yield from conjuncts(arg, positive)
            return
    yield term if positive else Apply("not", (term,), term.type)


def take_apart(guard: Term, vectors: Vectors) -> Guard:
    """The parts of a guard."""
    found, tests = Guard({}, None, None), list[Term]()
    safe = True
    for part in conjuncts(guard):
        literal = vectors.literal(part)
        if literal is None or not literal.positive or not safe:
            tests.append(part)
            safe = safe and vectors.fails(part) is None
        else:
            before = found.literals.get(literal.mask, literal.patterns)
            found.literals[literal.mask] = before & literal.patterns
    if tests:
        whole = Apply("and", tuple(tests), guard.type) if len(tests) > 1 else tests[0]
        found.test, found.fails = vectors.compile(whole), vectors.fails(whole)
    mask, pattern = fixed(found.literals)
    found.never = not all(
        any((p ^ pattern) & m & mask == 0 for p in patterns) for m, patterns in found.literals.items()
    )
    return found


def fixed(literals: dict[int, frozenset[int]]) -> tuple[int, int]:
    """The bits that are the same in all states where some literals hold, and what they are."""
    mask = pattern = 0
    for bits, patterns in literals.items():
        if patterns:
            same = bits & ~(reduce(or_, patterns) ^ reduce(and_, patterns))
            mask, pattern = mask | same, pattern | (min(patterns) & same)
    return mask, pattern


def read_updates(action: GroundAction, guard: Guard, vectors: Vectors) -> Update:
    """What an action does to bits, in a state in which its guard holds."""
    fields = vectors.packing.fields
    cleared = set_ = written = 0
    writes, fails = [], list[Node | None]()
    for slot, term in action.updates:
        bits = constant_bits(fields[slot], slot, term)
        if bits is not None:
            cleared, set_ = cleared | bits[0], set_ | bits[1]
            continue
        fails += [vectors.fails(term), vectors.outside(term, fields[slot].type)]
        writes.append(vectors.packed(term, slot))
        written |= fields[slot].mask
    known, pattern = fixed(guard.literals)
    changes = any(m & ~cleared == 0 and set_ & m not in patterns for m, patterns in guard.literals.items())
    changes = changes or (pattern ^ set_) & cleared & known != 0
    flips = (pattern ^ set_) & cleared if not writes and cleared & ~known == 0 else None
    failing = either([part for part in fails if part is not None])
    return Update(cleared | written, set_, tuple(writes), failing, changes, flips)


def constant_bits(place: Field, slot: int, term: Term) -> tuple[int, int] | None:
    """The bits that an update clears, and those that it sets, whatever they were; None where they depend on the state.

    Besides constants these are the members that a set gains or loses."""
    if isinstance(term, Const):
        pattern = place.pattern(term.value)
        return None if pattern is None else (place.mask, pattern)
    if isinstance(term, Read) and term.slot == slot:
        return 0, 0
    if isinstance(term, Apply) and term.op in ("|", "\\"):
        kept, other = term.args
        if isinstance(kept, Const) and term.op == "|":
            kept, other = other, kept
        if isinstance(kept, Read) and kept.slot == slot and isinstance(other, Const):
            members = place.pattern(other.value)
            return None if members is None else (members, members if term.op == "|" else 0)
    return None


class CompiledAction:
    """One action, for arrays of states in which those of its literals hold that are not among `guard.literals`.

    Errors: `Offence` where the guard or an update has no value.
    """

    def __init__(self, number: int, guard: Guard, update: Update, vectors: Vectors) -> None:
        kind = vectors.packing.kind
        single = {mask: patterns for mask, patterns in guard.literals.items() if len(patterns) == 1}
        mask, pattern = fixed(single)
        filters = [Literal(mask, frozenset({pattern}))] if mask else []
        filters += [Literal(mask, patterns) for mask, patterns in guard.literals.items() if mask not in single]
        self.number = number
        self._filters = [vectors.test(literal) for literal in filters]
        self._test, self._guard_fails = guard.test, guard.fails
        self._flips = None if update.flips is None else kind(update.flips)
        self._kept = kind(~update.cleared & ((1 << kind().itemsize * 8) - 1))
        self._set = kind(update.set)
        self._writes, self._update_fails, self._changes = update.writes, update.fails, update.changes

    def fire(self, columns: Columns, trail: Trail) -> Fired | None:
        """Its moves out of some states."""
        if self._filters:
            # One mask for all of them, for it takes longer to find where a mask holds than to make it.
            held = reduce(and_, [test(columns) for test in self._filters]).nonzero()[0]
            if not len(held):
                return None
            columns, trail = Columns(columns.states[held]), (*trail, held)
        if self._test is not None:
            held = self._tested(columns, self._test)
            if not len(held):
                return None
            if len(held) < len(columns.states):
                columns, trail = Columns(columns.states[held]), (*trail, held)
        states = columns.states
        targets = states ^ self._flips if self._flips is not None else self._updated(columns)
        if self._changes:
            return Fired(self.number, targets, trail, len(states))
        changed = (targets != states).nonzero()[0]
        return Fired(self.number, targets[changed], (*trail, changed), len(states))

    def _updated(self, columns: Columns) -> Packed:
        targets: Packed = columns.states & self._kept | self._set
        if self._update_fails is not None:
            offended(columns, self._update_fails)
        for write in self._writes:
            targets |= write(columns)
        return targets

    def _tested(self, columns: Columns, test: Node) -> Positions:
        """Where the test holds."""
        if self._guard_fails is not None:
            offended(columns, self._guard_fails)
        return spread(test(columns), len(columns.states)).nonzero()[0]


def spread(test: Any, size: int) -> Mask:
    """A test as an array, where it may be one value for all states."""
    found: Mask = test if getattr(test, "shape", ()) else np.full(size, bool(test))
    return found


def offended(columns: Columns, fails: Node) -> None:
    """Errors: `Offence` for the first state that fails."""
    found = spread(fails(columns), len(columns.states)).nonzero()[0]
    if len(found):
        raise Offence(int(columns.states[found[0]]))


@define(eq=False)
class Branch:
    """Actions that have a literal in common, which holds in all states that come here."""

    actions: list[CompiledAction] = field(factory=list)
    below: list[tuple[Node, Branch]] = field(factory=list)

    def fire(self, states: Packed) -> Iterator[list[Fired]]:
        """The moves of all these actions out of some states, a few actions at a time."""
        columns = Columns(states)
        for action in self.actions:
            fired = action.fire(columns, ())
            if fired is not None:
                yield [fired]
        for test, branch in self.below:
            held = test(columns).nonzero()[0]
            if len(held):
                found: list[Fired] = []
                branch.collect(states[held], (held,), found)
                yield found

    def collect(self, states: Packed, trail: Trail, found: list[Fired]) -> None:
        """Put the moves out of some states to those that were found."""
        columns = Columns(states)
        for action in self.actions:
            fired = action.fire(columns, trail)
            if fired is not None:
                found.append(fired)
        for test, branch in self.below:
            held = test(columns).nonzero()[0]
            if len(held):
                branch.collect(states[held], (*trail, held), found)


def branches(actions: Iterable[tuple[int, Guard, Update]], vectors: Vectors) -> Branch:
    """The tree of some actions: the literal with which a branch saves most comes first."""
    found, left = Branch(), [action for action in actions if not action[1].never]
    while left:
        counts = Counter(literal for _, guard, _ in left for literal in guard.literals.items())
        shared = [(Literal(*bits), often) for bits, often in counts.items() if gain(0.0, often) > 0]
        gains = {literal: gain(vectors.share(literal), often) for literal, often in shared}
        best = max(gains, key=lambda literal: gains[literal], default=None)
        if best is None or gains[best] <= 0:
            found.actions += [CompiledAction(number, guard, update, vectors) for number, guard, update in left]
            return found
        group = [action for action in left if action[1].literals.get(best.mask) == best.patterns]
        left = [action for action in left if action[1].literals.get(best.mask) != best.patterns]
        rest = [(number, _without(guard, best.mask), update) for number, guard, update in group]
        found.below.append((vectors.test(best), branches(rest, vectors)))
    return found


def gain(share: float, actions: int) -> float:
    """What a branch of some actions saves, in about ns a state: each of them looks at the `share` of states alone, but
    that share has to be found (1.8) and copied (2.5). The weights are those with which three hosts took the least."""
    return actions * (1 - share) * 0.5 - 1.8 - share * 2.5


def _without(guard: Guard, mask: int) -> Guard:
    literals = {bits: patterns for bits, patterns in guard.literals.items() if bits != mask}
    return Guard(literals, guard.test, guard.fails)
