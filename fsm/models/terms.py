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


BOOL = Type("bool")
"""A term of kind int has its bounds in its type, by interval arithmetic: they are always known."""


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

    ops: and or (any number) · not · == (values of one type, None included) · < <= > >= (ints; of sets only <=: is a
    subset) ·
    + - * // % min max (ints, two each; division by a constant above 0) · number (the int of an index that is never
    None) · index (an int or an optional index as a value of the type of the term, an index or an int; what is outside
    of that type is an error) · if (test, then, else) ·
    in (index, set) · & | \\ (two sets) · set (the set of some indices) · such (of as many tests as the index set has
    members: the set of those whose test holds) · size (of a set) · the (the single member of a set, else an error) ·
    len head tail (of a queue) · append (queue, element) · at (queue, position) · drop (queue, position).

    Errors are head and tail of an empty queue, at and drop where there is no such position, `the`, `index`, and a queue
    that becomes longer than its type lets it. `and`, `or` and `if` look at no more of their arguments than Python does.
    An update that leaves the type of its slot is one too.
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
class ToldApart:
    """Where a model tells the members of an index set apart, and by what words."""

    of: str
    text: str
    at: Place


@frozen
class Grounded:
    """A model without quantifiers. `formulas` has an entry for each (property, part); `constraint` is None where every
    state is kept; `where` restricts the states at the beginning, of which `initial` gives for each slot all values.

    A fault with a budget has a slot of its own, which no formula names: how often it may still happen.
    `indices` are the sizes of the index sets, `told_apart` the first place that tells members of each apart,
    `labels` those of all actions with arguments, also of those that are possible nowhere."""

    slots: tuple[Slot, ...]
    actions: tuple[GroundAction, ...]
    initial: tuple[tuple[Value, ...], ...]
    where: Term | None
    constraint: Term | None
    formulas: Mapping[tuple[str, str], Term]
    indices: Mapping[str, int] = field(factory=dict)
    told_apart: Mapping[str, ToldApart] = field(factory=dict)
    labels: frozenset[str] = frozenset()
