"""Index sets whose members nothing tells apart, and what their permutations make of a state.

Norris Ip and David Dill's discipline of scalarsets: a set is interchangeable if no expression makes a number of its
members or one of a number. Equality, membership, subscripts and quantifiers are the same whatever the members are
called; arithmetic, order, a constant and a fixed initial value are not, and grounding notes the first of each set
(`fsm.models.terms.ToldApart`). Two sets are permuted independently.

Left out: symmetries of which members are told apart, such as a ring that may be turned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import permutations as orders
from itertools import product
from math import factorial, prod
from typing import TYPE_CHECKING

from attrs import field, frozen

from fsm.errors import SpecError
from fsm.language.domains import Value
from fsm.models.terms import Grounded, Type

if TYPE_CHECKING:
    from fsm.models.model import Model

MOST = 50_000
"""Permutations of one state that are ever made."""


Change = Callable[[Value], Value]


@frozen
class Permutation:
    """New names for indices.

    Arguments:
        slots: for each slot the one whose value comes there.
        changes: for each slot what becomes of that value; None where it stays.
    """

    slots: tuple[int, ...]
    changes: tuple[Change | None, ...] = field(eq=False)

    def of(self, state: tuple[Value, ...]) -> tuple[Value, ...]:
        """A state under the new names."""
        moved = zip(self.slots, self.changes, strict=True)
        return tuple([state[place] if change is None else change(state[place]) for place, change in moved])


def interchangeable(model: Model, grounded: Grounded) -> tuple[str, ...]:
    """The index sets of two members or more that nothing tells apart.

    Errors: `SpecError` (not-symmetric) where there is none, at the first place that tells members apart."""
    sizes = {name: size for name, size in grounded.indices.items() if size > 1}
    free = tuple(name for name in sizes if name not in grounded.told_apart)
    if free:
        return free
    told = next((grounded.told_apart[name] for name in sizes), None)
    if told is None:
        message = f"{model.name} has no index set of two members or more, so there is nothing to exchange"
        raise SpecError(model.at, message, "not-symmetric")
    message = f"{told.text}, so the members of {told.of} are not interchangeable; explore without symmetry"
    raise SpecError(told.at, message, "not-symmetric")


def permutations(model: Model, grounded: Grounded, names: Sequence[str] = ()) -> tuple[Permutation, ...]:
    """Every way to rename the members of the interchangeable sets, or of these, the one that changes nothing first.

    Errors: `SpecError` (not-symmetric; too-large where there are over `MOST`)."""
    names = names or interchangeable(model, grounded)
    number = prod(factorial(grounded.indices[name]) for name in names)
    if number > MOST:
        message = f"{model.name} has {number} permutations of {', '.join(names)}; at most {MOST} are tried"
        raise SpecError(model.at, f"{message}; take smaller index sets, or explore without symmetry", "too-large")
    places = {(slot.variable, slot.index): place for place, slot in enumerate(grounded.slots)}
    each = {variable.name: tuple(item.value for item in variable.each) for variable in model.variables}
    found = []
    for chosen in product(*(orders(range(grounded.indices[name])) for name in names)):
        renamed = dict(zip(names, chosen, strict=True))
        slots = [0] * len(grounded.slots)
        for place, slot in enumerate(grounded.slots):
            of = each.get(slot.variable, ())
            index = tuple(renamed[n][i] if n in renamed else i for n, i in zip(of, slot.index, strict=True))
            slots[places[slot.variable, index]] = place
        types = tuple(slot.type for slot in grounded.slots)
        found.append(Permutation(tuple(slots), tuple(changes(types[place], renamed) for place in slots)))
    return tuple(found)


def changes(type_: Type, renamed: Mapping[str, tuple[int, ...]]) -> Change | None:
    """What renaming does to the values of a type; None where it leaves them as they are."""
    if type_.kind == "queue" and type_.element is not None:
        inner = changes(type_.element, renamed)
        return None if inner is None else lambda queue: tuple(map(inner, queue))
    names = renamed.get(type_.of)
    if names is None:
        return None
    if type_.kind == "set":
        return lambda members: frozenset([names[member] for member in members])
    return lambda index: None if index is None else names[index]
