"""A model: one file of data, of which every reachable state can be counted.

    parameters: {n: 3}
    indices:    {rm: n}
    variables:
      state: {each: rm, type: [working, prepared, committed, aborted]}
      said:  {type: set of rm}
    actions:
    - {action: prepare, each: {r: rm}, if: "state[r] == working", set: {"state[r]": "prepared"}, why: "..."}

Variables have finite types, an action may happen in every state where its `if` holds, and `set` says what the next
state is, all at once. An action with `fault` happens if `faults` names that kind: `any` number of times, or at most so
often.

Here a model is what its file says, text by text. What the texts mean depends on the parameters, and is found out when
it is grounded (`fsm.models.ground`), which `Model.load` does once, so that every message comes then.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from fsm.errors import Place, SpecError
from fsm.language.document import Item, has_key, suggest
from fsm.search.space import Fairness, Property

if TYPE_CHECKING:
    from fsm.models.terms import Grounded

LARGEST = 1_000_000
"""The largest parameter."""
LARGEST_BUDGET = 1000


@frozen
class Variable:
    """A variable: its type, for each of which index sets it has a slot, and what it starts with, as written."""

    name: str
    each: tuple[Item, ...]
    type: Item
    initial: Item | None
    most: Item | None
    at: Place


@frozen
class Action:
    """A guarded action: its arguments with their types, its guard (None: always) and updates, as written."""

    name: str
    each: Mapping[str, Item]
    guard: Item | None
    updates: Mapping[str, Item]
    fault: Item | None
    why: str
    at: Place


@frozen(slots=False)
class Model:
    """A model as its file says it.

    Arguments:
        at: the file.
        parameters: whole numbers by name, already with what was set.
        indices: the size of each index set, as written.
        where, constraint: which initial states there are, and which successors are kept; None for all.
        faults: the kinds that happen, with how often; None is any number of times.
    """

    name: str
    essay: str
    at: Place
    parameters: Mapping[str, int]
    indices: Mapping[str, Item]
    variables: tuple[Variable, ...]
    where: Item | None
    constraint: Item | None
    faults: Mapping[str, int | None]
    faults_at: Place
    actions: tuple[Action, ...]
    fairness: Fairness
    properties: tuple[Property, ...]

    @classmethod
    def load(cls, path: Path) -> Model:
        """The model in a file, grounded once, so that every message comes now. Errors: `SpecError`."""
        from fsm.language.load import Library
        from fsm.models.ground import ground
        from fsm.models.model_reader import ModelReader

        model = ModelReader(Library(path.parent).document(path.name)).model()
        ground(model)
        return model

    def with_setting(self, name: str, value: str) -> Model:
        """The same with another parameter (`n`) or another budget (`faults.lose`: a number or `any`).

        Errors: `SpecError` at the model; for what the value leads to, only once it is grounded."""
        part, _, kind = name.partition(".")
        if name in self.parameters:
            number = whole_number(value)
            if number is None:
                raise SpecError(self.at, f"{name} is a whole number up to {LARGEST}, not {value!r}", "bad-value")
            return evolve(self, parameters={**self.parameters, name: number})
        kinds = sorted({action.fault.value for action in self.actions if action.fault is not None})
        if part == "faults" and kind in kinds:
            return evolve(self, faults={**self.faults, kind: budget(kind, Item(value, self.at))})
        known = [*self.parameters, *(f"faults.{kind}" for kind in kinds)]
        message = f"{self.name} has nothing to set called {name!r}{suggest(name, known, 99)}"
        raise SpecError(self.at, message, "unknown-name")

    @cached_property
    def grounded(self) -> Grounded:
        """The model written out for its parameters. Errors: `SpecError`."""
        from fsm.models.ground import ground

        return ground(self)


def is_model(path: Path) -> bool:
    """Whether a file is a model by its keys. Errors: none; a file that cannot be read is none."""
    return has_key(path, "model")


def whole_number(value: object) -> int | None:
    """A number as a file or a command line says it; None if it is none, or too large."""
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,9}", value):
        value = int(value)
    return value if type(value) is int and abs(value) <= LARGEST else None


def budget(kind: str, item: Item) -> int | None:
    """How often a fault may happen; None is any number of times, and is not counted. Errors: `SpecError`."""
    if item.value == "any":
        return None
    number = whole_number(item.value)
    if number is None or not 0 <= number <= LARGEST_BUDGET:
        message = f"{kind}: a budget is 'any' or a number up to {LARGEST_BUDGET}, not {item.plain()!r}"
        raise item.fail(message, "bad-value")
    return number
