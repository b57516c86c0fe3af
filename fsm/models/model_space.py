"""The space of a model, for the reference engine: every action of the grounded model as a piece of Python.

A state is a tuple with one value a slot: a truth value, a number (also of an index, or None), the name of a member, a
frozenset of indices, or a tuple that is a queue. All actions are compiled into one function that takes the state apart
once, for most of an action's time would go into that.

Where an action or formula meets a value that it cannot deal with (the head of an empty queue, a number outside of the
type of its variable), exploring ends with the place of it and the values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from fsm.errors import Place, SpecError
from fsm.language.domains import Value, shown
from fsm.models.model import Model
from fsm.models.operations import NoValue
from fsm.models.scope import described
from fsm.models.source import OutOfType, Source, apart, checked, reads_next, rebuilt
from fsm.models.terms import GroundAction, Grounded, Term
from fsm.search.space import Edge, Fairness, Firing, Property, Told

if TYPE_CHECKING:
    from fsm.models.interchangeable import Permutation
    from fsm.models.model_kernel import ModelKernel
    from fsm.search.space import Kernel

State = tuple[Value, ...]
BUDGET = "faults."


@frozen(slots=False, eq=False)
class ModelSpace:
    """A model as states and moves. Errors of its methods: `SpecError` at an action or formula without a value."""

    model: Model

    @cached_property
    def grounded(self) -> Grounded:
        """The model written out."""
        return self.model.grounded

    @property
    def name(self) -> str:
        """The name of the model."""
        return self.model.name

    @property
    def at(self) -> Place:
        """Its file."""
        return self.model.at

    @property
    def properties(self) -> Sequence[Property]:
        """Its promises."""
        return self.model.properties

    @property
    def fairness(self) -> Fairness:
        """Which of its actions are fair."""
        return self.model.fairness

    @property
    def rows(self) -> Sequence[str]:
        """The names of its actions."""
        return [action.name for action in self.model.actions]

    @property
    def outside(self) -> bool:
        """No: a model is data, and the tests hold the fast engine against it."""
        return False

    def initial(self) -> Iterator[State]:
        """Every combination of initial values where `where` holds."""
        combined = product(*self.grounded.initial)
        item = self.model.where
        if self.grounded.where is None or item is None:
            return combined
        holds = predicate(self.grounded.where, len(self.grounded.slots))
        return (state for state in combined if self._asked(holds, item.at, "'where'", state))

    def edges(self, state: State) -> Sequence[Edge[State]]:
        """What each action makes of a state."""
        try:
            edges = self._edges(state)
        except (NoValue, OutOfType) as error:
            raise self._located(state, error) from None
        kept = self._kept
        if kept is None:
            return edges
        return [edge if edge.target == state or kept(edge.target) else evolve(edge, cut=True) for edge in edges]

    def fired(self, edge: Edge[State]) -> Sequence[str]:
        """The name of the action."""
        return (edge.detail.name,)

    def told(self, edge: Edge[State]) -> Told:
        """The action with its arguments, what it set, and why."""
        action: GroundAction = edge.detail
        slots, target = self.grounded.slots, edge.target
        new = {slots[slot].name: target[slot] for slot, _ in action.updates} if target is not None else {}
        arguments = action.label.removeprefix(action.name).strip("()")
        return Told(arguments, (), (Firing(self.name, "", "", new, action.name, action.why),))

    def named(self, state: State) -> Mapping[str, Value]:
        """The value of each slot by its name, but for what is left of budgets."""
        pairs = zip(self.grounded.slots, state, strict=True)
        return {slot.name: value for slot, value in pairs if not slot.name.startswith(BUDGET)}

    def whole(self, state: State) -> Mapping[str, Mapping[str, Value]]:
        """Every slot, what is left of budgets too."""
        return {"": {slot.name: value for slot, value in zip(self.grounded.slots, state, strict=True)}}

    def foreign(self, label: str) -> bool:
        """Whether it is no action with its arguments."""
        return label not in self.grounded.labels

    def kernel(self) -> Kernel[State]:
        """The model packed. Errors: `SpecError` (too-large) where a state does not fit."""
        from fsm.models.model_kernel import ModelKernel

        return ModelKernel(self)

    def images(self, state: State) -> Iterable[State]:
        """A state under all permutations of interchangeable indices. Errors of reading them: `SpecError`
        (not-symmetric, too-large)."""
        return Images(self, state)

    def alike(self, one: State, other: State) -> bool:
        """Whether one state is an image of another, by columns: for more members than whose images can be tried."""
        import numpy as np

        kernel = self._packed
        packed = np.array([kernel.pack(one), kernel.pack(other)], kernel.packing.kind)
        return len(set(kernel.canonical(packed).tolist())) == 1

    def holds(self, property_: Property, part: str, state: State, target: State | None = None) -> bool:
        """Whether a part of a property holds in a state, or on the step to `target`."""
        try:
            return self._formulas[property_.name, part](state, target)
        except NoValue as error:
            raise self._without_value(property_.at, repr(property_.name), error, state) from None

    @cached_property
    def _packed(self) -> ModelKernel:
        from fsm.models.model_kernel import ModelKernel

        return ModelKernel(self)

    @cached_property
    def permutations(self) -> Sequence[Permutation]:
        """Every way to rename members. Errors: `SpecError` (not-symmetric, too-large)."""
        from fsm.models.interchangeable import permutations

        return permutations(self.model, self.grounded)

    @cached_property
    def _formulas(self) -> Mapping[tuple[str, str], Callable[..., bool]]:
        return {key: predicate(term, len(self.grounded.slots)) for key, term in self.grounded.formulas.items()}

    @cached_property
    def _kept(self) -> Callable[[Any], bool] | None:
        term, item = self.grounded.constraint, self.model.constraint
        if term is None or item is None:
            return None
        holds = predicate(term, len(self.grounded.slots))
        return lambda state: self._asked(holds, item.at, "'constraint'", state)

    @cached_property
    def _edges(self) -> Callable[[State], list[Edge[State]]]:
        return successors(self.grounded, self.grounded.actions)

    def _asked(self, formula: Callable[..., bool], at: Place, what: str, state: State) -> bool:
        try:
            return formula(state)
        except NoValue as error:
            raise self._without_value(at, what, error, state) from None

    def _without_value(self, at: Place, what: str, error: NoValue, state: State) -> SpecError:
        return SpecError(at, f"{what} has no value: {error}; in {self._told(state)}", "no-value")

    def _located(self, state: State, error: Exception) -> SpecError:
        """The error of the action that has no value in a state, found by trying them one by one."""
        for action in self.grounded.actions:
            try:
                successors(self.grounded, (action,))(state)
            except NoValue as found:
                return self._without_value(action.at, action.label, found, state)
            except OutOfType as found:
                slot = self.grounded.slots[found.slot]
                given = shown(found.value) if type(found.value) is int else said(found.value)
                message = f"{action.label} sets {slot.name} to {given}, outside of {described(slot.type)}"
                remedy = "change the type, or ask for it by 'if'"
                return SpecError(action.at, f"{message}; {remedy}; in {self._told(state)}", "out-of-domain")
        raise error

    def _told(self, state: State) -> str:
        return ", ".join(f"{name} = {said(value)}" for name, value in self.named(state).items())


def said(value: Value) -> str:
    """A value as expressions write it."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, frozenset):
        return "{" + ", ".join(map(str, sorted(value))) + "}"
    return "[" + ", ".join(map(said, value)) + "]" if isinstance(value, tuple) else str(value)


@frozen
class Images:
    """What a state becomes under every permutation of interchangeable indices, itself included."""

    space: ModelSpace
    state: State

    def __iter__(self) -> Iterator[State]:
        return (permutation.of(self.state) for permutation in self.space.permutations)

    def __contains__(self, other: object) -> bool:
        try:
            return any(image == other for image in self)
        except SpecError as error:
            if error.rule != "too-large" or not isinstance(other, tuple):
                raise
        return self.space.alike(self.state, other)


def predicate(term: Term, slots: int) -> Callable[..., bool]:
    """A formula as a function of a state and, of a step property, the one after it."""
    source = Source()
    lines = ["def holds(state, target=None):", apart(slots)]
    if reads_next(term):
        lines.append(apart(slots, "t", "target"))
    return source.function([*lines, f"    return {source.of(term)}"], "holds")


def successors(grounded: Grounded, actions: Sequence[GroundAction]) -> Callable[[State], list[Edge[State]]]:
    """A function that gives for a state an edge for each action that may happen there.

    Errors of the function: `NoValue`, `OutOfType`."""
    source, slots = Source(), len(grounded.slots)
    source.names["Edge"] = Edge
    lines = ["def edges(state):", apart(slots), "    found = []"]
    for number, action in enumerate(actions):
        source.names[f"a{number}"] = action
        lines.append(f"    if {source.of(action.guard)}:")
        for slot, term in action.updates:
            lines += [f"        {line}" for line in checked(source, slot, grounded.slots[slot].type, term)]
        new = rebuilt(slots, [slot for slot, _ in action.updates])
        said = f"{action.label!r}, {new}, {action.label!r}, {action.fault!r}, None, False, a{number}"
        lines.append(f"        found.append(Edge({said}))")
    return source.function([*lines, "    return found"], "edges")
