"""Packed states as columns of values, and what values of each type look like in an array.

An int and an index are int64 (none is -1), bools are bool, a member of an enumeration is its number, a set has bit i
for index i, a queue is a pair (length, elements with the first one lowest).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import define, field, frozen

from fsm.language.domains import Value
from fsm.models.packing import element_width, raw, width
from fsm.models.terms import Type

if TYPE_CHECKING:
    from fsm.search.space import Packed

Seen = Any
"""An array, a scalar that stands for an array of equal values, or a pair of these."""


@define(eq=False)
class Columns:
    """Packed states, for a step property also those that their edges lead to, and what was computed of them."""

    states: Packed
    next: Packed | None = None
    known: dict[Node, Seen] = field(factory=dict)

    def of(self, next: bool) -> Packed:
        """The states, or those that their edges lead to."""
        found = self.next if next else self.states
        assert found is not None, "only a step property reads the next state"
        return found


@define(eq=False)
class Node:
    """The value of a term, by columns. What is asked for in several places is kept."""

    compute: Callable[[Columns], Seen]
    shared: bool = False

    def __call__(self, columns: Columns) -> Seen:
        """The value for these states."""
        if not self.shared:
            return self.compute(columns)
        if self not in columns.known:
            columns.known[self] = self.compute(columns)
        return columns.known[self]


@frozen
class Literal:
    """Whether some bits are one of some patterns. `next`: in the state that an edge leads to.

    Negated, it says so itself where the patterns that are left are few (`Vectors.negated`), else `positive` is False.
    """

    mask: int
    patterns: frozenset[int]
    positive: bool = True
    next: bool = False


def constant(type: Type, value: Value) -> Seen:
    """A value as an array of one type would have it."""
    if type.kind in ("int", "index"):
        return np.int64(-1 if value is None else value)
    found = raw(type, value)
    assert found is not None, "a constant has its own type"
    return seen(type, np.int64(found))


def seen(type: Type, bits: Seen) -> Seen:
    """What bits mean to terms.

    Arguments:
        bits: int64, as `fsm.models.packing` lays a value of the type out.
    """
    if type.kind == "bool":
        return bits != 0
    if type.kind == "queue":
        head = type.most.bit_length()
        return bits & ((1 << head) - 1), bits >> head
    if type.kind in ("int", "index") and type.low - type.optional:
        return bits + (type.low - type.optional)
    return bits


def bits(type: Type, value: Seen) -> Seen:
    """The inverse of `seen`."""
    if type.kind == "queue":
        length, elements = value
        return length | elements << type.most.bit_length()
    if type.kind in ("int", "index") and type.low - type.optional:
        return value - (type.low - type.optional)
    return value


def conversion(given: Type, wanted: Type) -> Callable[[Seen], Seen] | None:
    """From values of one type to those of another of its kind; None where they look the same."""
    if given.kind == "enum" and given.members != wanted.members:
        table = np.array([wanted.members.index(m) if m in wanted.members else -1 for m in given.members], np.int64)
        return lambda value: table[value]
    if given.kind == "queue" and given.element != wanted.element:
        return lambda value: (value[0], _relaid(value[1], given, wanted))
    return None


def _relaid(elements: Seen, given: Type, wanted: Type) -> Seen:
    """The elements of a queue where another type has them. Both see equal elements in the same way."""
    out: Seen = np.int64(0)
    each = element_width(wanted)
    for position in range(min(given.most, wanted.most)):
        out = out | stored(wanted, element(given, elements, np.int64(position))) << np.int64(position * each)
    return out


def element(type: Type, elements: Seen, position: Seen) -> Seen:
    """One element of a queue of this type."""
    assert type.element is not None
    each = element_width(type)
    return seen(type.element, elements >> position * each & ((1 << each) - 1))


def stored(type: Type, value: Seen) -> Seen:
    """An element as a queue of this type keeps it, in the lowest bits."""
    assert type.element is not None
    return np.asarray(bits(type.element, value)).astype(np.int64) & ((1 << element_width(type)) - 1)


def misfit(given: Type, wanted: Type) -> Callable[[Seen], Seen] | None:
    """Where a value of one type is none of another of its kind; None where each is.

    An int whose type says 0..0 may be any."""
    if given.kind in ("int", "index"):
        low, high = wanted.low - wanted.optional, wanted.high
        known = given.kind == "index" or given.low != 0 or given.high != 0
        if known and low <= given.low - given.optional and given.high <= high:
            return None
        return lambda value: (value < low) | (value > high)
    if given.kind == "enum" and not set(given.members) <= set(wanted.members):
        table = np.array([member not in wanted.members for member in given.members])
        return lambda value: table[value]
    if given.kind == "set" and width(given) > width(wanted):
        return lambda value: value >> width(wanted) != 0
    if given.kind == "queue" and given.most > wanted.most:
        return lambda value: value[0] > wanted.most
    return None
