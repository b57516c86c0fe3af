"""What names mean where an expression of a model stands, and what types are to each other."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define, evolve, field, frozen

from fsm.errors import Place, SpecError
from fsm.models.operations import FALSE, TRUE, apply
from fsm.models.terms import Apply, Const, Read, Term, ToldApart, Type

MOST_TERMS = 200_000
"""Terms of a model that is written out, a hundred times those of the largest example; they take some seconds."""
DEEPEST_TERM = 150
"""How deep terms may lie in each other; Python's own parser takes 200 brackets."""
NONE = Type("none")
WORDS = {"true": TRUE, "false": FALSE, "none": Const(None, NONE)}


@frozen
class Array:
    """The slots of a variable: `sizes` of the index sets `each`, the last index running fastest from slot `first`."""

    name: str
    type: Type
    each: tuple[str, ...]
    sizes: tuple[int, ...]
    first: int

    def slot(self, index: tuple[int, ...]) -> int:
        """The number of the slot of an index."""
        place = 0
        for at, size in zip(index, self.sizes, strict=True):
            place = place * size + at
        return self.first + place


@frozen
class Scope:
    """What names mean: `bound` parameters and arguments, `indices` sizes of index sets, variables; with `next` a
    variable also as it is after the step."""

    bound: Mapping[str, Const] = field(factory=dict)
    indices: Mapping[str, int] = field(factory=dict)
    variables: Mapping[str, Array] = field(factory=dict)
    next: bool = False

    def names(self) -> list[str]:
        """Everything that may be written as a name."""
        after = [f"next_{name}" for name in self.variables] if self.next else []
        return [*self.bound, *self.indices, *self.variables, *after, *WORDS]

    def binding(self, name: str, value: Const) -> Scope:
        """The same with one more name."""
        return evolve(self, bound={**self.bound, name: value})


@define
class Reading:
    """What is kept while a model is read: how many terms it has, and what tells indices apart."""

    told_apart: dict[str, ToldApart] = field(factory=dict)
    terms: int = 0

    def spend(self, terms: int, at: Place) -> None:
        """Counts terms. Errors: `SpecError` (too-large) where there are more than anybody would wait for."""
        self.terms += terms
        if self.terms > MOST_TERMS:
            remedy = "take smaller parameters, or fewer arguments and quantifiers inside of each other"
            raise SpecError(at, f"written out, the model has over {MOST_TERMS} terms; {remedy}", "too-large")

    def weigh(self, term: Term, before: int, at: Place) -> None:
        """Counts the terms of an expression, where these are more than were spent since there were `before`.

        Errors: `SpecError` (too-large); `RecursionError` where they lie too deep in each other."""
        weight, depth = measured(term)
        if depth > DEEPEST_TERM:
            raise RecursionError
        self.spend(max(weight - (self.terms - before), 0), at)


def index_type(name: str, size: int, optional: bool = False) -> Type:
    """The type of the members of an index set."""
    return Type("index", high=size - 1, of=name, optional=optional)


def described(type_: Type) -> str:
    """A type in the words of a spec."""
    if type_.kind == "enum":
        return f"[{', '.join(type_.members)}]"
    if type_.kind == "int":
        return f"{type_.low}..{type_.high}" if type_.low < type_.high else f"the number {type_.low}"
    if type_.kind == "index":
        return type_.of + ("?" if type_.optional else "")
    if type_.kind == "set":
        return f"set of {type_.of}"
    if type_.kind == "queue" and type_.element is not None:
        return f"queue of {described(type_.element)}"
    return type_.kind


def same(given: Type, wanted: Type) -> bool:
    """Whether values of two types are of one kind; bounds, lengths and whether there may be none are not looked at,
    but for what queues hold."""
    if given.kind == "queue" and wanted.kind == "queue" and given.element is not None and wanted.element is not None:
        return given.element == wanted.element
    return (given.kind, given.members, given.of) == (wanted.kind, wanted.members, wanted.of)


def picked(array: Array, index: tuple[Term, ...], after: bool, reading: Reading, at: Place) -> Term:
    """The slot of an index: an `if` for each value of what is not constant.

    Errors: `SpecError` (too-large)."""
    position = next((place for place, part in enumerate(index) if not isinstance(part, Const)), None)
    if position is None:
        return Read(array.slot(tuple(part.value for part in index if isinstance(part, Const))), array.type, after)
    part = index[position]
    reading.spend(array.sizes[position] * measured(part)[0], at)
    chosen: Term | None = None
    for value in reversed(range(array.sizes[position])):
        member = Const(value, part.type)
        inner = picked(array, (*index[:position], member, *index[position + 1 :]), after, reading, at)
        test = apply("==", part, member)
        chosen = inner if chosen is None else apply("if", test, inner, chosen, type=array.type)
    assert chosen is not None  # an index set has a member
    return chosen


def measured(term: Term) -> tuple[int, int]:
    """How many terms a term is made of, each as often as it occurs, and how deep they lie in each other."""
    known: dict[int, tuple[int, int]] = {}

    def measure(term: Term) -> tuple[int, int]:
        if not isinstance(term, Apply):
            return 1, 1
        if id(term) not in known:  # what a quantifier goes through occurs once a member, and so on inside of it
            weights, depths = zip(*map(measure, term.args), strict=True)
            known[id(term)] = 1 + sum(weights), 1 + max(depths)
        return known[id(term)]

    return measure(term)
