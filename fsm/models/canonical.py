"""One state for all that permutations of interchangeable indices make of it, for arrays of packed states.

What a model says of the members of an index set is mostly *unary*: arrays over the set, sets of its members, an index.
Then each member has a column of its own, the bits that speak of it, and a permutation moves columns. Sorting them gives
one and the same state for all n! images, by n (n - 1) / 2 comparisons of two columns of the whole array: a network that
does the same whatever the columns hold, and no more for seven members than a few additions.

Where a slot speaks of two members at once (an array over pairs, a queue of members, an array that holds members), all
permutations are tried and the smallest image is taken: exact, but only for few.

Sets whose slots are apart are permuted apart, one after the other: the smallest of all is the smallest in each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import field, frozen

from fsm.models.interchangeable import Change, interchangeable, permutations
from fsm.models.packing import Field, Packing, raw, value_of, width
from fsm.models.terms import Grounded, Slot, Type

if TYPE_CHECKING:
    from fsm.models.model import Model
    from fsm.search.space import Packed

Step = Callable[["Packed"], "Packed"]


def canonical_form(model: Model, grounded: Grounded, packing: Packing) -> Step:
    """The function that gives for each state the one that stands for all its images.

    Errors: `SpecError` (not-symmetric) where nothing is interchangeable; (too-large) where there are too many
    permutations to try."""
    names = interchangeable(model, grounded)
    each = {variable.name: tuple(item.value for item in variable.each) for variable in model.variables}
    steps: list[Step] = []
    tried = []
    for name in names:
        columns = columns_of(name, grounded.indices[name], each, names, grounded.slots, packing)
        if columns is None:
            tried.append(name)
        else:
            steps.append(columns.sorted)
    if tried:
        images = [Image.of(p.slots, p.changes, packing) for p in permutations(model, grounded, tried)]
        steps.append(lambda states: smallest(images, states))

    def canonical(states: Packed) -> Packed:
        for step in steps:
            states = step(states)
        return states

    return canonical


@frozen
class Part:
    """Bits of a member's column: `width` of them from `shift` of the state on, from `place` of the column on."""

    shift: int
    width: int
    place: int


@frozen
class Columns:
    """For each member the parts of its column.

    Arguments:
        members: the parts of each member; the same places for all.
        pointers: (the field of an index, the place of its bit): in each column it says whether this is the member.
        others: the bits of a state that speak of no member.
    """

    members: tuple[tuple[Part, ...], ...]
    pointers: tuple[tuple[Field, int], ...]
    others: int
    kind: Any = field(repr=False)

    def sorted(self, states: Packed) -> Packed:
        """The states with their columns in order, the largest first."""
        columns = [self._column(states, member) for member in range(len(self.members))]
        for last in range(len(columns) - 1, 0, -1):
            for i in range(last):
                one, other = columns[i], columns[i + 1]
                columns[i], columns[i + 1] = np.maximum(one, other), np.minimum(one, other)
        found: Packed = states & self.kind(self.others)
        for member, column in enumerate(columns):
            self._put(found, member, column)
        return found

    def _column(self, states: Packed, member: int) -> Packed:
        kind = self.kind
        column = np.zeros(len(states), kind)
        for part in self.members[member]:
            column |= (states >> kind(part.shift) & kind((1 << part.width) - 1)) << kind(part.place)
        for pointer, place in self.pointers:
            is_it = states & kind(pointer.mask) == kind(pointer.pattern(member) or 0)
            column |= is_it.astype(kind) << kind(place)
        return column

    def _put(self, states: Packed, member: int, column: Packed) -> None:
        kind = self.kind
        for part in self.members[member]:
            states |= (column >> kind(part.place) & kind((1 << part.width) - 1)) << kind(part.shift)
        for pointer, place in self.pointers:
            states |= (column >> kind(place) & kind(1)) * kind(pointer.pattern(member) or 0)


def columns_of(
    name: str,
    size: int,
    each: Mapping[str, tuple[str, ...]],
    names: Sequence[str],
    slots: Sequence[Slot],
    packing: Packing,
) -> Columns | None:
    """The columns of an index set; None where a slot speaks of two members at once."""
    parts: list[list[Part]] = [[] for _ in range(size)]
    pointers, others, place = list[tuple[Field, int]](), (1 << packing.bits) - 1, 0
    starts: dict[str, int] = {}
    for slot, at in zip(slots, packing.fields, strict=True):
        spoken = [n for n in (*each.get(slot.variable, ()), *spoken_of(slot.type)) if n in names]
        if name not in spoken:
            continue
        if len(spoken) > 1 or (slot.type.kind == "queue" and spoken_of(slot.type)):
            return None
        others &= ~at.mask
        if not spoken_of(slot.type):
            where = each[slot.variable].index(name)
            rest = (*slot.index[:where], *slot.index[where + 1 :])
            start = starts.setdefault(f"{slot.variable}{rest}", place)
            parts[slot.index[where]].append(Part(at.shift, at.width, start))
            place = max(place, start + at.width)
        elif slot.type.kind == "set":
            for member in range(size):
                parts[member].append(Part(at.shift + member, 1, place))
            place += 1
        else:
            pointers.append((at, place))
            place += 1
    if place > packing.kind().itemsize * 8:
        return None
    return Columns(tuple(map(tuple, parts)), tuple(pointers), others, packing.kind)


def spoken_of(type: Type) -> list[str]:
    """The index sets whose members a value of a type names."""
    inner = spoken_of(type.element) if type.element is not None else []
    return [type.of, *inner] if type.of else inner


@frozen
class Image:
    """One permutation of packed states: fields that move by the same distance, and fields with other values."""

    moved: tuple[tuple[int, int], ...]
    changed: tuple[tuple[Field, int, Any], ...]

    @classmethod
    def of(cls, slots: Sequence[int], changes: Sequence[Change | None], packing: Packing) -> Image:
        """The permutation that brings to slot i the value of `slots[i]`, changed."""
        moved: dict[int, int] = {}
        changed = []
        for place, (source, change) in enumerate(zip(slots, changes, strict=True)):
            given, wanted = packing.fields[source], packing.fields[place]
            if change is None:
                distance = wanted.shift - given.shift
                moved[distance] = moved.get(distance, 0) | given.mask
            else:
                changed.append((given, wanted.shift, renaming(given.type, change, packing.kind)))
        return cls(tuple(moved.items()), tuple(changed))

    def __call__(self, states: Packed) -> Packed:
        """The images of some states."""
        kind = states.dtype.type
        found = np.zeros(len(states), kind)
        for distance, mask in self.moved:
            bits = states & kind(mask)
            found |= bits << kind(distance) if distance >= 0 else bits >> kind(-distance)
        for given, shift, rename in self.changed:
            found |= rename(states >> kind(given.shift) & kind((1 << given.width) - 1)) << kind(shift)
        return found


def renaming(type: Type, change: Change, kind: Any) -> Callable[[Packed], Packed]:
    """The bits of a value under new names, from a table; of a queue element by element."""
    if type.kind != "queue":
        table: Packed = np.array([renamed(type, change, bits) for bits in range(1 << width(type))], kind)
        return lambda bits: table[bits]
    assert type.element is not None
    head, each = type.most.bit_length(), width(type.element)
    inner = renaming(type.element, lambda value: change((value,))[0], kind)

    def queue(bits: Packed) -> Packed:
        length: Packed = bits & kind((1 << head) - 1)
        found = length.copy()
        for position in range(type.most):
            shift = kind(head + position * each)
            element = inner(bits >> shift & kind((1 << each) - 1))
            found |= np.where(length > position, element, kind(0)) << shift
        return found

    return queue


def renamed(type: Type, change: Change, bits: int) -> int:
    """The bits of one value under new names; bits that are no value stay."""
    try:
        return raw(type, change(value_of(type, bits))) or 0
    except IndexError:
        return bits


def smallest(images: Sequence[Image], states: Packed) -> Packed:
    """The smallest of all images of each state."""
    found = images[0](states)
    for image in images[1:]:
        np.minimum(found, image(states), out=found)
    return found
