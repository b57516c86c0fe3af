"""The kernel of a model: its states packed, its actions and formulas as a few operations on arrays each.

    packing         where each slot lies in a state
    columns         values in arrays
    vector          terms over columns of packed states
    operators       what each operation computes, and where it has no value
    moves           actions: masks, patterns, and the tree of what guards have in common
    canonical       one state for all its images

Whatever has no value (the head of an empty queue, a number outside of the type) is found here, but said by the space:
it is asked for that one state, and raises what the reference engine would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fsm.errors import SpecError
from fsm.models.columns import Columns, Node
from fsm.models.moves import Branch, Fired, Offence, branches, offended, read_updates, spread, take_apart
from fsm.models.packing import Packing
from fsm.models.terms import Grounded, Term
from fsm.models.vector import Vectors
from fsm.search.space import Batch, Property

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fsm.models.model_space import ModelSpace, State
    from fsm.search.space import Mask, Packed, Positions

BATCH = 1 << 15
"""Moves that are handed out together, about."""


class ModelKernel:
    """`fsm.search.space.Kernel` of a model.

    Errors: `SpecError` (too-large) where a state does not fit; of `expand`, `initial` and `holds` those of the space.
    """

    def __init__(self, space: ModelSpace) -> None:
        self._space = space
        self._grounded: Grounded = space.grounded
        self.packing = Packing(self._grounded.slots, space.at)
        self._vectors = Vectors(self.packing, space.at)
        self.groups: Sequence[tuple[str, str | None]] = [(a.label, a.fault) for a in self._grounded.actions]
        self._fired: set[int] = set()

    @property
    def space(self) -> ModelSpace:
        """What it packs."""
        return self._space

    @property
    def bits(self) -> int:
        """The bits of all slots together."""
        return self.packing.bits

    @property
    def budgets(self) -> tuple[()]:
        """None: what a model counts are slots like all others, and formulas may speak of them."""
        return ()

    def pack(self, state: State) -> int:
        """The number of a state."""
        return self.packing.pack(state)

    def unpack(self, packed: int) -> State:
        """The state of a number."""
        return self.packing.unpack(packed)

    def initial(self) -> Packed:
        """Every combination of initial values in which `where` holds."""
        states = self.packing.product(self._grounded.initial)
        if self._grounded.where is None:
            return states
        held = self._asked(self._grounded.where, Columns(states), lambda state: list(self._space.initial()))
        return states[held]

    @cached_property
    def _tree(self) -> Branch:
        found = []
        for number, action in enumerate(self._grounded.actions):
            guard = take_apart(action.guard, self._vectors)
            found.append((number, guard, read_updates(action, guard, self._vectors)))
        return branches(found, self._vectors)

    def expand(self, states: Packed) -> Iterator[Batch]:
        """All moves out of some states, those of many actions in one batch."""
        try:
            yield from self._batches(states)
        except Offence as offence:
            raise self._offender(offence.state, lambda state: list(self._space.edges(state))) from None

    def _batches(self, states: Packed) -> Iterator[Batch]:
        collected, size = list[Fired](), 0
        for found in self._tree.fire(states):
            collected += found
            size += sum(len(fired.targets) for fired in found)
            if size >= BATCH:
                yield self._batch(states, collected)
                collected, size = [], 0
        if collected:
            yield self._batch(states, collected)

    def _batch(self, states: Packed, collected: Sequence[Fired]) -> Batch:
        targets = collected[0].targets if len(collected) == 1 else np.concatenate([f.targets for f in collected])
        generated = sum(fired.generated for fired in collected)
        self._fired.update(fired.action for fired in collected)

        def sources() -> Positions:
            return np.concatenate([fired.sources(len(states)) for fired in collected])

        def group() -> NDArray[np.int32]:
            numbers = np.array([fired.action for fired in collected], np.int32)
            return np.repeat(numbers, [len(fired.targets) for fired in collected])

        if self._grounded.constraint is None:
            return Batch(sources, targets, generated, group)
        columns = Columns(targets)
        fails = self._vectors.fails(self._grounded.constraint)
        if fails is not None:
            failing = spread(fails(columns), len(targets)).nonzero()[0]
            if len(failing):
                raise Offence(int(states[sources()[failing[0]]]))
        kept = spread(self._vectors.compile(self._grounded.constraint)(columns), len(targets)).nonzero()[0]
        return Batch(lambda: sources()[kept], targets[kept], generated, lambda: group()[kept])

    def canonical(self, states: Packed) -> Packed:
        """For each state one and the same of all its images. Errors: `SpecError` (not-symmetric, too-large)."""
        return self._canonical(states)

    @cached_property
    def _canonical(self) -> Callable[[Packed], Packed]:
        from fsm.models.canonical import canonical_form

        return canonical_form(self._space.model, self._grounded, self.packing)

    @cached_property
    def _guards(self) -> Sequence[Node]:
        """The guards of what happens by itself."""
        return [self._vectors.compile(action.guard) for action in self._grounded.actions if action.fault is None]

    def stuck(self, states: Packed) -> Mask:
        """Where no action may happen but faults."""
        stuck, left = np.ones(len(states), np.bool_), np.arange(len(states))
        for guard in self._guards:
            possible = spread(guard(Columns(states[left])), len(left))
            stuck[left[possible]] = False
            left = left[~possible]
            if not len(left):
                break
        return stuck

    def see(self, states: Packed) -> Packed:
        """The states themselves."""
        return states

    def holds(self, property_: Property, part: str, seen: Packed, target: Packed | None = None) -> Mask:
        """Where a part of a property holds."""
        formula = self._grounded.formulas[property_.name, part]

        def say(state: State, after: State | None) -> object:
            return self._space.holds(property_, part, state, after)

        columns = Columns(seen, target)
        fails = self._vectors.fails(formula)
        if fails is not None:
            failing = spread(fails(columns), len(seen)).nonzero()[0]
            if len(failing):
                after = None if target is None else self.unpack(int(target[failing[0]]))
                raise self._offender(int(seen[failing[0]]), lambda state: say(state, after))
        return spread(self._vectors.compile(formula)(columns), len(seen))

    def fired(self) -> Iterator[str]:
        """The names of actions that happened."""
        actions = self._grounded.actions
        yield from sorted({actions[number].name for number in self._fired})

    def _asked(self, term: Term, columns: Columns, say: Callable[[State], object]) -> Mask:
        fails = self._vectors.fails(term)
        if fails is not None:
            try:
                offended(columns, fails)
            except Offence as offence:
                raise self._offender(offence.state, say) from None
        return spread(self._vectors.compile(term)(columns), len(columns.states))

    def _offender(self, packed: int, say: Callable[[State], object]) -> Exception:
        """What the space says of a state in which something has no value."""
        state = self.unpack(packed)
        try:
            say(state)
        except SpecError as error:
            return error
        return AssertionError(f"{state} has no value in arrays, but one in the space")
