"""From the document of a model to a `Model`: keys, names and shapes; the texts of expressions stay texts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from keyword import iskeyword
from pathlib import Path

from attrs import frozen

from fsm.errors import Place
from fsm.language.document import Item
from fsm.language.load import parameter_name
from fsm.language.write import ACTION_KEYS, MODEL_KEYS, MODEL_VARIABLE_KEYS
from fsm.models.functions import FUNCTIONS
from fsm.models.model import Action, Model, Variable, budget, whole_number
from fsm.models.quantifiers import QUANTIFIERS
from fsm.models.scope import WORDS
from fsm.search.property_reader import read_fairness, read_property
from fsm.search.space import Property

NEEDED = ("model", "essay", "variables", "actions", "properties")
NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)
RESERVED = {*WORDS, *FUNCTIONS, *QUANTIFIERS, "range", "me", "else", "any"}


@frozen
class ModelReader:
    """Reads one model file."""

    document: Item

    def model(self) -> Model:
        """The model. Errors: `SpecError`."""
        top = self.document.mapping("a model", MODEL_KEYS)
        for key in NEEDED:
            if key not in top:
                raise self.document.fail(f"a model needs the key {key!r}", "missing-key")
        name, stem = top["model"].text("the name"), Path(self.document.at.file).stem
        if re.fullmatch(rf"([0-9]+-)?{re.escape(name)}", stem) is None:
            raise top["model"].fail(f"the file is {stem}.yaml, the model {name!r}; give both one name", "bad-name")
        self.once(top)
        faults = top["faults"].mapping("faults") if "faults" in top else {}
        return Model(
            name=name, essay=top["essay"].text("the essay"), at=Place(self.document.at.file),
            parameters={name: parameter(name, item) for name, item in self.entries(top, "parameters")},
            indices=dict(self.entries(top, "indices")),
            variables=tuple(variable(name, item) for name, item in self.entries(top, "variables")),
            where=top.get("where"), constraint=top.get("constraint"),
            faults={kind: budget(kind, item) for kind, item in faults.items()},
            faults_at=top["faults"].at if "faults" in top else self.document.at,
            actions=tuple(self.actions(top["actions"])), fairness=read_fairness(top.get("fair")),
            properties=tuple(self.properties(top)),
        )  # fmt: skip

    def entries(self, top: Mapping[str, Item], key: str) -> Iterator[tuple[str, Item]]:
        """The entries of a mapping that is named by its key."""
        yield from (top[key].mapping(key).items() if key in top else ())

    def once(self, top: Mapping[str, Item]) -> None:
        """Every name means one thing. Errors: `SpecError`."""
        seen: dict[str, str] = {}
        for key, what in (("parameters", "a parameter"), ("indices", "an index set"), ("variables", "a variable")):
            for name, item in self.entries(top, key):
                named(name, item, what)
                if name in seen:
                    raise item.fail(f"{name!r} is {seen[name]} already; take another name", "bad-name")
                seen[name] = what

    def properties(self, top: Mapping[str, Item]) -> Iterator[Property]:
        """The promises, in the order of the file. Errors: `SpecError`."""
        for name, item in self.entries(top, "properties"):
            if not name.isidentifier():
                raise item.fail(f"{name!r} cannot name a property; use letters, digits and _", "bad-name")
            yield read_property(name, item)

    def actions(self, item: Item) -> Iterator[Action]:
        """The actions, in the order of the file. Errors: `SpecError`."""
        seen: set[str] = set()
        for child in item.sequence("actions"):
            read = action(child)
            if read.name in seen:
                raise child.fail(f"there is an action {read.name!r} already; take another name", "bad-name")
            seen.add(read.name)
            yield read
        if not seen:
            raise item.fail("a model without actions never changes; write at least one", "missing-key")


def named(name: str, item: Item, what: str) -> str:
    """`name` if it may name something in expressions. Errors: `SpecError`."""
    if name in RESERVED or iskeyword(name) or name.startswith("next_"):
        raise item.fail(f"{name!r} cannot name {what}; it is a word of the language, so take another", "bad-name")
    if not NAME.fullmatch(name):
        raise item.fail(f"{name!r} cannot name {what}; use letters, digits and _", "bad-name")
    return name


def parameter(name: str, item: Item) -> int:
    """The value of a parameter. Errors: `SpecError`."""
    number = whole_number(item.value) if not isinstance(item.value, str) else None
    if number is None:
        raise item.fail(f"the parameter {name} is a whole number, not {item.plain()!r}", "bad-value")
    return number


def variable(name: str, item: Item) -> Variable:
    """One entry of `variables`. Errors: `SpecError`."""
    entry = item.mapping(f"the variable {name}", MODEL_VARIABLE_KEYS)
    if "type" not in entry:
        raise item.fail(f"the variable {name} needs a 'type'", "missing-key")
    each = tuple(entry["each"].texts("'each'")) if "each" in entry else ()
    return Variable(name, each, entry["type"], entry.get("initial"), entry.get("most"), item.at)


def action(item: Item) -> Action:
    """One entry of `actions`. Errors: `SpecError`."""
    entry = item.mapping("an action", ACTION_KEYS)
    if "action" not in entry:
        raise item.fail("an action needs a name: {action: NAME, ...}", "missing-key")
    name = parameter_name(entry["action"].text("the name of an action"), entry["action"])
    if "why" not in entry:
        raise item.fail(f"the action {name} needs a 'why': the reason, in a sentence", "missing-why")
    each = entry["each"].mapping(f"the arguments of {name}") if "each" in entry else {}
    for argument, child in each.items():
        named(argument, child, "an argument")
    updates = entry["set"].mapping(f"the updates of {name}") if "set" in entry else {}
    if "fault" in entry:
        entry["fault"].text("a kind of fault")
    return Action(name, each, entry.get("if"), updates, entry.get("fault"), entry["why"].why(), item.at)
