"""The mutants of a model: one place of one of its actions changed, or one kind of fault taken away.

What a guard demands is often several things at once, so each conjunct is dropped and negated by itself, besides the
whole guard. Left out: the sides of an `or`, and what stands in an update.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from attrs import define, evolve

from fsm.errors import SpecError
from fsm.language.document import Item
from fsm.models.model import Action, Model
from fsm.models.model_space import ModelSpace
from fsm.mutation.mutants import Mutant, Refused
from fsm.search.load import load_model
from fsm.search.space import Space

Change = tuple[str, str, Action | None]
"""The operator, the change in words, the action after it."""


@define(eq=False)
class ModelSubject:
    """A model and its mutants."""

    model: Model

    @classmethod
    def load(cls, path: Path, settings: Sequence[tuple[str, str]] = (), without: Sequence[str] = ()) -> ModelSubject:
        """The model in a file; arguments and errors are those of `fsm.search.load.load_space`."""
        return cls(load_model(path, settings, without))

    @property
    def name(self) -> str:
        """The name of the model."""
        return self.model.name

    def judged_by(self, names: Sequence[str]) -> ModelSubject:
        """The same with these of its properties alone."""
        kept = tuple(property_ for property_ in self.model.properties if property_.name in names)
        return ModelSubject(evolve(self.model, properties=kept))

    def original(self) -> Space[Any]:
        """The model's space."""
        return ModelSpace(self.model)

    @cached_property
    def mutants(self) -> Sequence[Mutant]:
        """Those of the actions, in their order, and those of the faults."""
        found = [
            Mutant(number, "", (self.model.actions[index].name,), operator, what)
            for number, (index, (operator, what, _)) in enumerate(self._changes)
        ]
        for kind in self._faults:
            found.append(Mutant(len(found), "", (f"fault {kind}",), "drop a fault", f"{kind} never happens", kind))
        return found

    def changed(self, number: int) -> Space[Any] | Refused:
        """The space of a mutant, or what refuses it."""
        fault = self.mutants[number].fault
        if fault is not None:
            kept = {kind: budget for kind, budget in self.model.faults.items() if kind != fault}
            return ModelSpace(evolve(self.model, faults=kept))
        index, (_, _, action) = self._changes[number]
        actions = self.model.actions
        kept_actions = (*actions[:index], *([action] if action is not None else []), *actions[index + 1 :])
        space = ModelSpace(evolve(self.model, actions=kept_actions))
        try:
            space.grounded  # noqa: B018 - written out now, so that its errors are the loader's and not the search's
        except SpecError as error:
            return Refused("loader", error.rule)
        return space

    def untouched(self, space: Space[Any]) -> bool:
        """Nothing is known so: models are explored faster than thought about."""
        return False

    @cached_property
    def _faults(self) -> Sequence[str]:
        return [kind for kind, budget in self.model.faults.items() if budget != 0]

    @cached_property
    def _changes(self) -> Sequence[tuple[int, Change]]:
        return [(index, change) for index, action in enumerate(self.model.actions) for change in _changes(action)]


def _changes(action: Action) -> Iterator[Change]:
    """Every mutant of an action."""
    yield "drop an action", "no such action", None
    if action.guard is not None:
        text, at = str(action.guard.plain()), action.guard.at
        yield "drop a guard", f"without if {text}", evolve(action, guard=None)
        yield "negate a guard", f"if not ({text})", evolve(action, guard=Item(f"not ({text})", at))
        for which, conjunct in enumerate(parts := conjuncts(text)):
            others = parts[:which] + parts[which + 1 :]
            rest = evolve(action, guard=Item(" and ".join(others), at))
            negated = " and ".join([*parts[:which], f"not ({conjunct})", *parts[which + 1 :]])
            yield "drop a conjunct", f"without {conjunct}", rest
            yield "negate a conjunct", f"not ({conjunct})", evolve(action, guard=Item(negated, at))
    for name in action.updates:
        kept = {other: said for other, said in action.updates.items() if other != name}
        yield "drop an update", f"without set {name}", evolve(action, updates=kept)


def conjuncts(text: str) -> list[str]:
    """The parts of a guard that is a conjunction, each in brackets where it needs them; none of any other guard."""
    tree = ast.parse(text.strip(), mode="eval").body
    if not isinstance(tree, ast.BoolOp) or not isinstance(tree.op, ast.And):
        return []
    return [
        f"({ast.unparse(part)})" if isinstance(part, ast.BoolOp | ast.IfExp) else ast.unparse(part)
        for part in tree.values
    ]
