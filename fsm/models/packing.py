"""Where each slot of a model lies in a packed state, and what its bits mean.

A slot takes as many bits as its type needs, none shared: a bool 1; an enumeration, an int and an index as many as
number their values (none is 0, then come the others); a set one for each index; a queue its length and then its
elements, the first one lowest, those that are not there 0. So each state has one number, and equal values equal bits.

*raw* is a value as its bits say it. *seen* is a value as terms compute with it (`fsm.models.columns`): an int and an
index themselves, none as -1, a set with bit i for index i.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from attrs import frozen

from fsm.errors import Place, SpecError
from fsm.language.domains import Value
from fsm.models.terms import Slot, Type

if TYPE_CHECKING:
    from fsm.search.space import Packed

MOST_BITS, NARROW_BITS = 63, 31
"""No state is all ones; states of at most 31 bits are uint32, the others uint64."""


def width(type: Type) -> int:
    """The bits of a value of this type."""
    if type.kind == "set":
        return type.high - type.low + 1
    if type.kind == "queue":
        return type.most.bit_length() + type.most * element_width(type)
    return (cardinality(type) - 1).bit_length()


def element_width(type: Type) -> int:
    """The bits of an element of a queue."""
    return width(_element(type))


def cardinality(type: Type) -> int:
    """How many values a type has that is neither a set nor a queue."""
    if type.kind == "bool":
        return 2
    return len(type.members) if type.kind == "enum" else type.high - type.low + 1 + type.optional


def raw(type: Type, value: Value) -> int | None:
    """The bits of a value, None where the type does not have it."""
    if type.kind == "bool":
        return int(value) if isinstance(value, bool) else None
    if type.kind == "enum":
        return type.members.index(value) if value in type.members else None
    if type.kind == "set":
        inside = all(type.low <= member <= type.high for member in value)
        return sum(1 << (member - type.low) for member in value) if inside else None
    if type.kind == "queue":
        return _raw_queue(type, value)
    if value is None:
        return 0 if type.optional else None
    return value - type.low + type.optional if type.low <= value <= type.high else None


def _raw_queue(type: Type, value: Sequence[Value]) -> int | None:
    bits = len(value) if len(value) <= type.most else None
    for position, element in enumerate(value):
        part = raw(_element(type), element)
        if part is None or bits is None:
            return None
        bits |= part << (type.most.bit_length() + position * element_width(type))
    return bits


def value_of(type: Type, bits: int) -> Value:
    """The inverse of `raw`."""
    if type.kind == "bool":
        return bool(bits)
    if type.kind == "enum":
        return type.members[bits]
    if type.kind == "set":
        return frozenset(type.low + i for i in range(width(type)) if bits >> i & 1)
    if type.kind == "queue":
        head, each = type.most.bit_length(), element_width(type)
        element, mask = _element(type), (1 << each) - 1
        length = bits & ((1 << head) - 1)
        return tuple(value_of(element, bits >> (head + i * each) & mask) for i in range(length))
    if type.optional:
        return None if bits == 0 else type.low + bits - 1
    return type.low + bits


def _element(type: Type) -> Type:
    assert type.element is not None, "a queue says what it holds"
    return type.element


@frozen
class Field:
    """The bits of one slot: `width` of them from `shift` on."""

    type: Type
    shift: int
    width: int

    @property
    def mask(self) -> int:
        """Ones where it lies."""
        return ((1 << self.width) - 1) << self.shift

    def pattern(self, value: Value) -> int | None:
        """A value in its place, None where the type does not have it."""
        bits = raw(self.type, value)
        return None if bits is None else bits << self.shift


class Packing:
    """The fields of all slots, in their order, the first one lowest.

    Errors: `SpecError` (too-large) where they need more than 63 bits.
    """

    def __init__(self, slots: Sequence[Slot], at: Place) -> None:
        self.fields: list[Field] = []
        shift = 0
        for slot in slots:
            self.fields.append(Field(slot.type, shift, width(slot.type)))
            shift += self.fields[-1].width
        self.bits = shift
        if shift > MOST_BITS:
            widths = Counter[str]()
            for slot in slots:
                widths[slot.variable] += width(slot.type)
            widest, most = max(widths.items(), key=lambda pair: pair[1])
            said = f"a state takes {shift} bits ({widest} alone {most}), and the fast engine packs"
            raise SpecError(at, f"{said} at most {MOST_BITS}: narrower types, or --engine reference", "too-large")
        self.kind: type[np.unsignedinteger] = np.uint32 if shift <= NARROW_BITS else np.uint64

    def pack(self, state: Sequence[Value]) -> int:
        """The number of a state. Errors: `ValueError` where a value is outside of the type of its slot."""
        packed = 0
        for field, value in zip(self.fields, state, strict=True):
            pattern = field.pattern(value)
            if pattern is None:
                raise ValueError(f"{value!r} is outside of {field.type}")
            packed |= pattern
        return packed

    def unpack(self, packed: int) -> tuple[Value, ...]:
        """The inverse of `pack`."""
        return tuple(value_of(f.type, packed >> f.shift & ((1 << f.width) - 1)) for f in self.fields)

    def product(self, choices: Sequence[Sequence[Value]]) -> Packed:
        """All states that take one of these values for each slot, the last slot turning fastest."""
        states = np.zeros(1, self.kind)
        for field, values in zip(self.fields, choices, strict=True):
            patterns = np.array([field.pattern(value) for value in values], self.kind)
            states = (states[:, None] | patterns).ravel()
        return states
