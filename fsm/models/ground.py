"""A model written out for its parameters: actions for each of their arguments, quantifiers for each member.

What is left speaks of numbered slots alone (`fsm.models.terms`). An action whose guard can never hold is left out; one
that is a fault is only there if the model says that the fault happens. A fault with a budget has a slot more, which
counts what is left of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from math import prod

from attrs import define, evolve, field

from fsm.errors import Place, SpecError
from fsm.language.document import Item, suggest
from fsm.language.domains import Value
from fsm.models.expressions import read_expression, read_target
from fsm.models.model import Action, Model, Variable
from fsm.models.operations import FALSE, TRUE, apply, arithmetic, joint, number, whole
from fsm.models.scope import Array, Reading, Scope, described, index_type, measured
from fsm.models.terms import BOOL, Const, GroundAction, Grounded, Read, Slot, Term, ToldApart, Type
from fsm.models.types import (
    MOST_MEMBERS,
    MOST_VALUES,
    contains,
    default,
    how_many,
    read_number,
    read_type,
    said,
    values,
)

MOST_SLOTS = 4_096
MOST_ACTIONS = 20_000
MOST_INITIAL = 4_000_000
"""Combinations of initial values that are tried by `where`."""


def ground(model: Model) -> Grounded:
    """The model without quantifiers.

    Errors: `SpecError` for whatever its texts have wrong: unknown names, types that do not fit, what is too large."""
    return _Grounding(model).grounded()


@define
class _Grounding:
    """What is known while a model is written out."""

    model: Model
    reading: Reading = field(factory=Reading)
    scope: Scope = field(factory=Scope)
    slots: list[Slot] = field(factory=list)
    initial: list[tuple[Value, ...]] = field(factory=list)
    members: dict[str, str] = field(factory=dict)
    labels: set[str] = field(factory=set)

    def grounded(self) -> Grounded:
        model = self.model
        self.scope = Scope(bound={name: number(value) for name, value in model.parameters.items()})
        sizes = {
            name: read_number(item, self.scope, self.reading, f"the size of {name}", 1, MOST_MEMBERS)
            for name, item in model.indices.items()
        }
        self.scope = evolve(self.scope, indices=sizes)
        arrays: dict[str, Array] = {}
        for variable in model.variables:
            arrays[variable.name] = self.array(variable)
        self.scope = evolve(self.scope, variables=arrays)
        for variable in model.variables:
            if variable.name in self.members:
                message = f"{variable.name!r} is a member of {self.members[variable.name]} too; rename one of the two"
                raise variable.type.fail(message, "bad-name")
        self.known_faults()
        actions = tuple(ground_action for action in model.actions for ground_action in self.action(action))
        formulas = dict(self.formulas())
        return Grounded(
            tuple(self.slots), actions, tuple(self.initial), self.condition(model.where, "where"),
            self.condition(model.constraint, "constraint"), formulas, sizes, self.reading.told_apart,
            frozenset(self.labels),
        )  # fmt: skip

    def array(self, variable: Variable) -> Array:
        """The slots of a variable, and what they start with."""
        for item in variable.each:
            if item.value not in self.scope.indices:
                known = suggest(item.value, self.scope.indices) if self.scope.indices else "; declare it in 'indices'"
                raise item.fail(f"there is no index set {item.value!r}{known}", "unknown-name")
        each = tuple(item.value for item in variable.each)
        sizes = tuple(self.scope.indices[name] for name in each)
        type_ = read_type(variable.type, variable.most, self.scope, self.reading)
        for member in type_.members:
            if member in self.scope.names():
                raise variable.type.fail(f"{member!r} means something else; rename the member", "bad-name")
            self.members.setdefault(member, f"the type of {variable.name}")
        if len(self.slots) + prod(sizes) > MOST_SLOTS:
            message = f"{variable.name} has {prod(sizes)} values; a model has at most {MOST_SLOTS}"
            raise variable.type.fail(message, "too-large")
        begins = self.beginning(variable, type_)
        first = len(self.slots)
        for index in product(*map(range, sizes)):
            shown = f"{variable.name}[{', '.join(map(str, index))}]" if each else variable.name
            self.slots.append(Slot(shown, type_, variable.name, index))
            self.initial.append(begins)
        if prod(map(len, self.initial)) > MOST_INITIAL:
            message = (
                f"there are over {MOST_INITIAL} combinations of initial values; let fewer variables start with any"
            )
            raise (variable.initial or variable.type).fail(message, "too-large")
        return Array(variable.name, type_, each, sizes, first)

    def beginning(self, variable: Variable, type_: Type) -> tuple[Value, ...]:
        """The values that a variable may start with."""
        item = variable.initial
        if item is None:
            value = default(type_)
            if type_.kind == "index" and value is not None:
                told = ToldApart(type_.of, f"{variable.name} starts as {value}", variable.type.at)
                self.reading.told_apart.setdefault(type_.of, told)
            return (value,)
        if item.value == "any":
            if how_many(type_) > MOST_VALUES:  # a set of twenty members is a thousand bytes
                raise item.fail(f"{variable.name} has over {MOST_VALUES} values; start with one", "too-large")
            return tuple(values(type_))
        term = read_expression(said(item, "'initial'"), self.scope, item.at, type_, self.reading)
        if not isinstance(term, Const) or not contains(type_, term.value):
            what = f"is {term.value!r}" if isinstance(term, Const) else "must not change"
            message = f"the initial value of {variable.name} {what}; it is one of {described(type_)}, or any"
            raise item.fail(message, "bad-value")
        return (term.value,)

    def condition(self, item: Item | None, what: str) -> Term | None:
        """The term of `where` or `constraint`, None where it lets everything be."""
        if item is None:
            return None
        term = read_expression(said(item, what), self.scope, item.at, BOOL, self.reading)
        return None if term == TRUE else term

    def kinds(self) -> set[str]:
        """The kinds of fault of all actions."""
        return {action.fault.value for action in self.model.actions if action.fault is not None}

    def known_faults(self) -> None:
        """Errors: `SpecError` where `faults` names a kind that no action has."""
        for kind in self.model.faults:
            if kind not in self.kinds():
                message = f"no action has the fault {kind!r}{suggest(kind, self.kinds())}"
                raise SpecError(self.model.faults_at, message, "unknown-name")

    def formulas(self) -> Iterator[tuple[tuple[str, str], Term]]:
        """What each property says, part by part."""
        for property_ in self.model.properties:
            for kind in property_.counting_on:
                if kind not in self.kinds():
                    message = f"no action has the fault {kind!r} to count on{suggest(kind, self.kinds())}"
                    raise SpecError(property_.at, message, "unknown-name")
            scope = evolve(self.scope, next=property_.kind == "step")
            # what every run comes to is found without symmetry, so it may tell apart whom it likes
            aside = Reading() if property_.kind in ("eventually", "leads_to") else self.reading
            for part, text in (("text", property_.text), ("goal", property_.goal), ("needs", property_.needs)):
                if text:
                    seen = scope if part == "text" else self.scope
                    reading = self.reading if part == "needs" else aside
                    yield (property_.name, part), read_expression(text, seen, property_.at, BOOL, reading)

    def action(self, action: Action) -> Iterator[GroundAction]:
        """An action for all of its arguments."""
        fault = None if action.fault is None else action.fault.value
        happens = fault is None or self.model.faults.get(fault, 0) != 0
        outer = self.reading
        if not happens:  # its texts are looked at, but what they tell apart does not matter
            self.reading = Reading(terms=outer.terms)
        spent = self.budget(fault) if happens and fault is not None else None
        for ground_action in self.instances(action, self.arguments(action)):
            if happens:
                yield ground_action if spent is None else limited(ground_action, spent)
        if not happens:
            outer.terms, self.reading = self.reading.terms, outer

    def budget(self, fault: str) -> Read | None:
        """The slot that counts what is left of a fault; None if it may happen any number of times."""
        budget = self.model.faults[fault]
        if budget is None:
            return None
        name = f"faults.{fault}"
        at = next((place for place, slot in enumerate(self.slots) if slot.name == name), None)
        if at is None:
            at = len(self.slots)
            self.slots.append(Slot(name, whole(0, budget), name, ()))
            self.initial.append((budget,))
        return Read(at, self.slots[at].type)

    def arguments(self, action: Action) -> Mapping[str, list[Const]]:
        """For each argument all of its values."""
        found: dict[str, list[Const]] = {}
        for name, item in action.each.items():
            if name in self.scope.names() or name in self.members:
                raise item.fail(f"the name {name!r} is taken; use another one for the argument", "bad-name")
            type_ = read_type(item, None, self.scope, self.reading)
            if type_.kind not in ("index", "int", "bool", "enum"):
                raise item.fail(f"the argument {name} is {described(type_)}; take an index set or a range", "bad-type")
            found[name] = [number(v) if type_.kind == "int" else Const(v, type_) for v in values(type_)]
        if prod(map(len, found.values())) > MOST_ACTIONS:
            message = f"{action.name} has over {MOST_ACTIONS} combinations of arguments; take fewer or smaller ones"
            raise SpecError(action.at, message, "too-large")
        return found

    def instances(self, action: Action, arguments: Mapping[str, list[Const]]) -> Iterator[GroundAction]:
        for chosen in product(*arguments.values()):
            named = dict(zip(arguments, chosen, strict=True))
            scope = evolve(self.scope, bound={**self.scope.bound, **named})
            shown = ", ".join(f"{name}={'none' if c.value is None else c.value}" for name, c in named.items())
            label = f"{action.name}({shown})" if shown else action.name
            self.labels.add(label)
            guard: Term = TRUE
            if action.guard is not None:
                text = said(action.guard, "'if'")
                guard = read_expression(text, scope, action.guard.at, BOOL, self.reading)
            if guard == FALSE:
                continue
            updates = tuple(sorted(_Updates(scope, self.reading, label).all(action.updates).items()))
            fault = None if action.fault is None else action.fault.value
            yield GroundAction(action.name, label, guard, updates, fault, action.why, action.at)


def limited(action: GroundAction, left: Read) -> GroundAction:
    """An action that happens while something is left of its budget, and takes one of it."""
    guard = apply("and", apply(">", left, number(0)), action.guard)
    return evolve(action, guard=guard, updates=(*action.updates, (left.slot, arithmetic("-", left, number(1)))))


@define
class _Updates:
    """Reads what an action sets."""

    scope: Scope
    reading: Reading
    label: str
    written: dict[int, Term] = field(factory=dict)

    def all(self, updates: Mapping[str, Item]) -> dict[int, Term]:
        """The new value of each slot that is set."""
        for target, item in updates.items():
            array, index = read_target(target, self.scope, item.at, self.reading)
            self.set(array, index, self.value(item, array), item.at)
        return self.written

    def value(self, item: Item, array: Array) -> Term:
        """The term of a new value."""
        text, wanted = said(item, f"the new {array.name}"), array.type
        term = read_expression(text, self.scope, item.at, wanted, self.reading)
        if wanted.kind == "index" and term.type.optional and not wanted.optional:
            term = apply("index", term, type=evolve(wanted, optional=False))
        if isinstance(term, Const) and not contains(wanted, term.value):
            message = f"{self.label} sets {array.name} to {term.value!r}, which is outside of {described(wanted)}"
            raise item.fail(f"{message}; change the type, or ask for it by 'if'", "bad-value")
        return term

    def set(self, array: Array, index: tuple[Term, ...], value: Term, at: Place) -> None:
        """Notes a new value for the slot of an index, or where that is not constant for each slot that it may be."""
        choices = [
            [part] if isinstance(part, Const) else [Const(v, index_type(name, size)) for v in range(size)]
            for part, name, size in zip(index, array.each, array.sizes, strict=True)
        ]
        for members in product(*choices):
            slot = array.slot(tuple(member.value for member in members))
            if slot in self.written:
                message = f"{self.label} may set {array.name} twice at one place; exclude that by 'if', or set it once"
                raise SpecError(at, message, "bad-value")
            tests = [apply("==", part, member) for part, member in zip(index, members, strict=True)]
            self.reading.spend(measured(value)[0] if tests else 0, at)
            before = Read(slot, array.type)
            type_ = joint(value.type, array.type)
            self.written[slot] = apply("if", apply("and", *tests), value, before, type=type_)
