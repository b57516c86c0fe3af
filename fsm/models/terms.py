"""What a grounded model is made of: slots with finite types, and terms over them.

Grounding (`fsm.models.ground`) writes every action out for each of its arguments and every quantifier for each of its
members, so that what is left speaks of numbered slots alone: `state[2]` is one slot. Python (`fsm.models.model_space`)
and numpy (`fsm.models.model_kernel`) are two readings of the same terms.

Values: bool; int; a member of an enumeration is its name; an index is an int, or None where its type is optional; a set
of indices is a frozenset; a queue is a tuple.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from fsm.errors import Place
from fsm.language.domains import Value


@frozen
class Type:
    """A finite type.

    Arguments:
        kind: bool, int, enum, index, set or queue.
        members: of an enumeration.
        low, high: of an int both ends; an index lies in low..high, a set holds such indices.
        of: the index set of an index or set, for symmetry.
        optional: an index that may be None.
        element, most: of a queue, what it holds and how many at most.
    """

    kind: str
    members: tuple[str, ...] = ()
    low: int = 0
    high: int = 0
    of: str = ""
    optional: bool = False
    element: Type | None = None
    most: int = 0


BOOL, INT = Type("bool"), Type("int")
"""Where a term's bounds are not known, low == high == 0 of an int says nothing."""


@frozen
class Const:
    """A value."""

    value: Value
    type: Type


@frozen
class Read:
    """The value of a slot; `next` of the state that an edge leads to (only in a step property)."""

    slot: int
    type: Type
    next: bool = False


@frozen
class Apply:
    """An operation on terms.

    ops: and or (any number) · not · == != (values of one type, None included) · < <= > >= (ints; sets: is a subset) ·
    + - * // % min max (ints; division by a constant above 0) · if (test, then, else) · in (index, set) · & | \\ (sets) ·
    set (the set of some indices) · size (of a set) · the (the single member of a set) · len head tail (of a queue) ·
    append (queue, element) · at (queue, position) · drop (queue, position).
    """

    op: str
    args: tuple[Term, ...]
    type: Type


Term = Const | Read | Apply


@frozen
class Slot:
    """One variable of the grounded model: `state[2]`."""

    name: str
    type: Type
    variable: str
    index: tuple[int, ...]


@frozen
class GroundAction:
    """An action with its arguments: where the guard holds, all updates happen at once.

    updates: (slot, term over the state before). label: "prepare(r=2)". fault: its kind, or None."""

    name: str
    label: str
    guard: Term
    updates: tuple[tuple[int, Term], ...]
    fault: str | None
    why: str
    at: Place = field(eq=False, repr=False)


@frozen
class Grounded:
    """A model without quantifiers. `formulas` has an entry for each (property, part); `constraint` is None where every
    state is kept; `where` restricts the states at the beginning, of which `initial` gives for each slot all values."""

    slots: tuple[Slot, ...]
    actions: tuple[GroundAction, ...]
    initial: tuple[tuple[Value, ...], ...]
    where: Term | None
    constraint: Term | None
    formulas: Mapping[tuple[str, str], Term]
