"""Models are read with a place for everything that is wrong in them."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from fsm.commands.schema_command import schema
from fsm.errors import Place, SpecError
from fsm.language import write
from fsm.language.document import Item, parse
from fsm.locate import specs
from fsm.models.model import LARGEST, LARGEST_BUDGET, Model, is_model
from fsm.models.model_reader import ModelReader
from fsm.models.model_space import ModelSpace
from fsm.search.load import load_space

SAID = """\
language: 1
model: mail
essay: Letters between offices.
parameters: {n: 3}
indices: {office: n, van: 2}
variables:
  mood: {each: office, type: [calm, busy]}
  met: {each: [office, van], type: bool}
  at: {type: office?}
  first: {type: office, initial: "0"}
  seen: {type: set of office}
  load: {type: "0..n-1"}
  bag: {type: "queue of 0..3", most: 2}
where: "load == 0"
constraint: "len(bag) <= 1"
faults: {lose: any}
actions:
- {action: work, each: {o: office}, if: "mood[o] == calm", set: {"mood[o]": "busy", seen: "seen | {o}"}, why: "now"}
- {action: meet, each: {o: office, v: van}, if: "not met[o, v]", set: {"met[o, v]": true}, why: "a van comes"}
- {action: send, if: "len(bag) < 2", set: {bag: "append(bag, load)", load: "(load + 1) % n"}, why: "a letter"}
- {action: lose, each: {i: "0..1"}, if: "len(bag) > i", set: {bag: "drop(bag, i)"}, fault: lose, why: "it falls out"}
fair: {weak: ["work(*"], strong: [send]}
properties:
  p: {always: "load < n", needs: "at == none", why: "a number"}
  q: {step: "load == next_load or next_bag != bag", why: "both at once"}
  r: {leads_to: {from: "load == 0", to: "empty(seen)"}, counting_on: [lose], why: "some time"}
"""
KEYS = {
    "a model": ("", write.MODEL_KEYS),
    "the variable": ("slots", write.MODEL_VARIABLE_KEYS),
    "an action": ("action", write.ACTION_KEYS),
}


def model(folder: Path, text: str = SAID, name: str = "mail") -> Model:
    """The model of a text."""
    (folder / f"{name}.yaml").write_text(text, "utf-8")
    return Model.load(folder / f"{name}.yaml")


def test_a_model_is_what_its_file_says(tmp_path: Path) -> None:
    """Parameters, variables, actions, faults, fairness and properties, in the order of the file."""
    said = model(tmp_path)
    assert (said.name, said.parameters, said.faults) == ("mail", {"n": 3}, {"lose": None})
    assert [variable.name for variable in said.variables] == ["mood", "met", "at", "first", "seen", "load", "bag"]
    assert [action.name for action in said.actions] == ["work", "meet", "send", "lose"]
    assert (said.fairness.weak, said.fairness.strong) == (("work(*",), ("send",))
    assert [(p.name, p.kind, p.goal, p.needs) for p in said.properties] == [
        ("p", "always", "", "at == none"), ("q", "step", "", ""), ("r", "leads_to", "empty(seen)", ""),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["mail", "03-mail", "117-mail"])
def test_a_file_may_have_a_number(name: str, tmp_path: Path) -> None:
    """NAME.yaml and NN-NAME.yaml, and no other name."""
    assert model(tmp_path, name=name).name == "mail"
    with pytest.raises(SpecError, match="give both one name"):
        model(tmp_path, name=f"x{name}")


BAD = [
    # what is written instead, and the message that follows
    ("office: n, van: 2", "office: m, van: 2", r"5:19: unknown name 'm'; it may be one of false, n, none, true"),
    ("van: 2", "van: 0", r"the size of van is 0; it lies between 1 and 63 \[bad-value\]"),
    ("van: 2", "n: 2", r"'n' is a parameter already; take another name \[bad-name\]"),
    ("van: 2", "all: 2", r"'all' cannot name an index set; it is a word of the language"),
    ("van: 2", "next_n: 2", r"'next_n' cannot name an index set"),
    ("{n: 3}", "{n: many}", r"4:17: the parameter n is a whole number, not 'many' \[bad-value\]"),
    ("{n: 3}", "{n: 3.5}", r"the parameter n is a whole number, not 3.5"),
    ('"0..n-1"', "int", r"12:16: the type int has no bounds, so .*; write '0..9' \[bad-type\]"),
    ('"0..n-1"', '"n..0"', r"'n..0' is 3..0; a range has 1 to 1000000 values, the lower end first"),
    ('"0..n-1"', '"0..load"', r"unknown name 'load'"),
    ('"0..n-1"', "offfice", r"'offfice' is no type; did you mean 'office'\?"),
    ('"0..n-1"', '"set of 3"', r"'set of 3' is no type; it may be one of office, van"),
    ('"0..n-1"', "[]", r"an enumeration needs members"),
    ('"0..n-1"', "[raise]", r"no expression can say the member 'raise' \(a word of Python's\)"),
    ("[calm, busy]", "[calm, calm]", r"the member 'calm' stands here twice"),
    ("[calm, busy]", "[calm, van]", r"7:30: 'van' means something else; rename the member \[bad-name\]"),
    ("[calm, busy]", "[none, busy]", r"'none' means something else; rename the member"),
    ("{type: set of office}", '{type: "set of office?"}', r"may be empty, and is never none; write 'set of off"),
    ("[calm, busy]", "[calm, busy, load]", r"12:16: 'load' is a member of the type of mood too; rename one"),
    ('type: "queue of 0..3", most: 2', 'type: "queue of 0..3"', r"a queue needs 'most'"),
    ("most: 2", "most: 0", r"'most' is 0; it lies between 1 and 63"),
    ('"queue of 0..3"', '"queue of set of office"', r"a queue holds numbers, members or indices"),
    ("each: office, type", "each: ofice, type", r"there is no index set 'ofice'; did you mean 'office'\?"),
    ('{type: office, initial: "0"}', '{type: office, initial: "3"}', r"'3' is 3, but office has 0..2"),
    ('{type: office, initial: "0"}', "{type: office, initial: none}", r"'none' is none, but office is needed here"),
    ('{type: office, initial: "0"}', '{type: office, start: "0"}', r"the variable first has no key 'start'"),
    ('{type: "0..n-1"}', '{type: "0..n-1", initial: "n"}', r"initial value of load is 3; it is one of 0..2, or any"),
    ('{type: "0..n-1"}', '{initial: "n"}', r"the variable load needs a 'type' \[missing-key\]"),
    ('where: "load == 0"', 'where: "load"', r"14:8: 'load' is 0..2, but bool is needed here \[bad-type\]"),
    ("lose: any", "lose: -1", r"lose: a budget is 'any' or a number up to 1000, not -1 \[bad-value\]"),
    ("lose: any", "loose: any", r"no action has the fault 'loose'; did you mean 'lose'\? \[unknown-name\]"),
    ("mood[o] == calm", "mood[o] == calmm", r"18:41: unknown name 'calmm'; did you mean 'calm'\?"),
    ("mood[o] == calm", "mood == calm", r"mood has one value for each office; write mood\[...\]"),
    ("mood[o] == calm", "mood[o] = calm", r"is not an expression; write one such as"),
    ("mood[o] == calm", "mood[4] == calm", r"'4' is 4, but office has 0..2 \[bad-value\]"),
    ("mood[o] == calm", "mood[o, o] == calm", r"write mood\[office\]"),
    ("mood[o] == calm", "moood[o] == calm", r"unknown name 'moood'; did you mean 'mood'\?"),
    ("mood[o] == calm", "mood[o] < 3", r"cannot order \[calm, busy\] and the number 3"),
    ("mood[o] == calm", "load[o] == 3", r"'load' is 0..2; it has no subscripts"),
    ("mood[o] == calm", "o", r"'o' is office, but bool is needed here"),
    ("mood[o] == calm", "next_load == 1", r"next_load: only a step property sees what is next"),
    ("mood[o] == calm", "load // 0 == 1", r"divide by a constant above 0; this is 0"),
    ("mood[o] == calm", "load % load == 1", r"divide by a constant above 0; this changes"),
    ("mood[o] == calm", "all(load)", r"write all\(... for x in S\)"),
    ("mood[o] == calm", "all(true for o in office)", r"the name 'o' is taken"),
    ("mood[o] == calm", "all(true for x in load)", r"'load' is 0..2, not a set or range\(n\)"),
    ("mood[o] == calm", "all(true for x in range(load))", r"write range\(n\) with n a constant"),
    ("mood[o] == calm", "sum(seen) == 1", r"no such function"),
    ("mood[o] == calm", "size(bag) == 1", r"'bag' is queue of 0..3; size\(\) takes a set"),
    ("mood[o] == calm", "len(bag, bag) == 1", r"len\(\) takes 1, not 2"),
    ("mood[o] == calm", "seen == {v for v in van}", r"set of office and set of van are no values of one type"),
    ("mood[o] == calm", "mood[o] in calm", r"write the members in brackets: mood\[o\] in \[calm\]"),
    ("mood[o] == calm", "'calm' == mood[o]", r"names stand without quotes"),
    ("mood[o] == calm", "mood[o].busy", r"is not part of the expression language"),
    ("mood[o] == calm", "(lambda: 1)() == 1", r"no such function"),
    ("mood[o] == calm", "not " * 60 + "true", r"nested deeper than 40"),
    ("mood[o] == calm", "true and " * 400 + "true", r"an expression of \d+ characters; at most 2000"),
    ("{o: office}", "{load: office}", r"the name 'load' is taken; use another one for the argument"),
    ("{o: office}", "{o: set of office}", r"the argument o is set of office; take an index set or a range"),
    ('"mood[o]": "busy"', '"mood[o]": "1"', r"'1' is the number 1, but \[calm, busy\] is needed here"),
    ('"mood[o]": "busy"', 'mood: "busy"', r"'mood': write mood\[office\]"),
    ('"mood[o]": "busy"', '"mod[o]": "busy"', r"'mod\[o\]' is no variable that could be set"),
    ('"mood[o]": "busy"', 'load: "n"', r"work\(o=0\) sets load to 3, which is outside of 0..2"),
    ('"mood[o]": "busy"', 'first: "none"', r"'none' is none, but office is needed here"),
    ('"mood[o]": "busy"', '"mood[o]": "busy", "mood[0]": "calm"', r"work\(o=0\) may set mood twice at one place"),
    ("action: meet", "action: work", r"there is an action 'work' already"),
    ("action: meet, ", "", r"19:3: an action needs a name"),
    (', why: "a van comes"', "", r"the action meet needs a 'why'"),
    ("if: \"len(bag) < 2\"", "when: \"len(bag) < 2\"", r"an action has no key 'when'"),
    ("always: \"load < n\"", "always: \"lod < n\"", r"24:15: unknown name 'lod'; did you mean 'load'\?"),
    ("always: \"load < n\"", "allways: \"load < n\"", r"a property has no key 'allways'; did you mean 'always'\?"),
    ("needs: \"at == none\"", "needs: \"next_load == 1\"", r"only a step property sees what is next"),
    ("needs: \"at == none\"", "needs: \"first == none\"", r"what is of type office is never none; declare it as"),
    ("  p: {always", "  p-q: {always", r"'p-q' cannot name a property; use letters, digits and _"),
    ("counting_on: [lose]", "counting_on: [crash]", r"no action has the fault 'crash' to count on"),
    (', to: "empty(seen)"', "", r"leads_to needs both 'from' and 'to'"),
    ("parameters", "parameter", r"a model has no key 'parameter'; did you mean 'parameters'\? \[unknown-key\]"),
    ("essay: Letters between offices.\n", "", r"a model needs the key 'essay' \[missing-key\]"),
    ("language: 1", "language: 2", r"a spec starts with 'language: 1' \[language\]"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), BAD, ids=[new[:40] or old[:40] for old, new, _ in BAD])
def test_what_is_wrong_is_said_with_its_place(old: str, new: str, message: str, tmp_path: Path) -> None:
    """One line: the file, the line, what is wrong and what would be right."""
    assert old in SAID
    with pytest.raises(SpecError, match=message) as caught:
        model(tmp_path, SAID.replace(old, new, 1))
    assert str(caught.value).startswith(f"{tmp_path}/mail.yaml:")


ATOMS = ("mood[o]", "at", "first", "seen", "load", "bag", "office", "o", "n", "calm", "none", "true", "7", "{}", "[]")
FORMS = ("({} and {})", "(not {})", "({} == {})", "({} in {})", "({} < {})", "({} + {})", "({} % {})", "({} | {})",
         "({} if {} else {})", "all({} for x in {})", "{{x for x in {} if {}}}", "the({})", "{}[{}]", "append({}, {})",
         "min({}, {})", "{{{}, {}}}", "[{}]", "({} in [{}, {}])", "lowest({})", "-{}", "{}.{}", "{}({})")  # fmt: skip
EXPRESSIONS = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.sampled_from(FORMS).flatmap(
        lambda form: st.tuples(*[inner] * re.sub("{{|}}", "", form).count("{}")).map(lambda parts: form.format(*parts))
    ),
    max_leaves=8,
)


@given(guard=EXPRESSIONS, value=EXPRESSIONS)
@settings(max_examples=60, deadline=None)
def test_no_expression_ends_in_a_traceback(guard: str, value: str) -> None:
    """Whatever is written: the model is read, or there is one line that says why not; so it is with each move."""
    said = ModelReader(parse(SAID, "mail.yaml")).model()
    at = Place("mail.yaml", 18)
    action = evolve(said.actions[0], guard=Item(guard, at), updates={"seen": Item(value, at)})
    space = ModelSpace(evolve(said, actions=(action, said.actions[-1])))
    with suppress(SpecError):
        for state in space.initial():
            space.edges(state)


def test_settings(tmp_path: Path) -> None:
    """A parameter or a budget; anything else is refused with what there is."""
    said = model(tmp_path)
    assert said.with_setting("n", "5").parameters == {"n": 5}
    assert said.with_setting("faults.lose", "2").faults == {"lose": 2}
    assert said.with_setting("faults.lose", "2").with_setting("faults.lose", "any").faults == {"lose": None}
    for name, value, message in (
        ("m", "5", "mail has nothing to set called 'm'; it may be one of faults.lose, n"),
        ("n", "many", "n is a whole number up to 1000000, not 'many'"),
        ("n", "9" * 30, "n is a whole number"),
        ("faults.lose", "-1", "a budget is 'any' or a number up to 1000, not '-1'"),
        ("faults.crash", "1", "nothing to set called 'faults.crash'; did you mean 'faults.lose'"),
    ):
        with pytest.raises(SpecError, match=message):
            said.with_setting(name, value)
    with pytest.raises(SpecError, match="the size of office is 65"):
        _ = said.with_setting("n", "65").grounded


def test_a_model_is_told_by_its_key(tmp_path: Path) -> None:
    """Not by its folder; what cannot be read is none."""
    model(tmp_path)
    assert is_model(tmp_path / "mail.yaml")
    assert not is_model(specs() / "systems" / "lock.yaml")
    assert not is_model(tmp_path)
    assert not is_model(tmp_path / "nothing.yaml")
    text = (tmp_path / "mail.yaml").read_text("utf-8")
    assert re.search("^model: ", text, re.MULTILINE)
    for other in (
        "# a long story\n" * 1000 + text,
        text.replace("model: ", '"model" : '),
        text.replace("model:", "'model':"),
    ):
        (tmp_path / "mail.yaml").write_text(other, "utf-8")
        assert is_model(tmp_path / "mail.yaml")
        assert isinstance(load_space(tmp_path / "mail.yaml"), ModelSpace)


def test_schema_loader_and_writer_know_the_same_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The keys that the loader asks for while it reads a model with all of them."""
    known: dict[str, tuple[str, ...]] = {}
    original = Item.mapping

    def mapping(self: Item, what: str, keys: Any = None) -> Any:
        if keys is not None:
            known[next((word for word in KEYS if what.startswith(word)), what)] = tuple(keys)
        return original(self, what, keys)

    monkeypatch.setattr(Item, "mapping", mapping)
    model(tmp_path)
    said = json.loads(schema("model"))
    for what, (definition, written) in KEYS.items():
        found = said["$defs"][definition] if definition else said
        assert set(found["properties"]) == set(known[what]) == set(written), what
    assert said["properties"]["parameters"]["additionalProperties"]["maximum"] == LARGEST
    assert said["$defs"]["budget"]["anyOf"][1]["maximum"] == LARGEST_BUDGET


def test_what_the_schema_refuses_the_loader_refuses() -> None:
    """What is sound is valid, and the schema finds what is wrong with keys."""
    validator = Draft202012Validator(json.loads(schema("model")))
    assert [e.message for e in validator.iter_errors(parse(SAID, "mail.yaml").plain())] == []
    for old, new, message in BAD:
        if "key" in message:
            assert not validator.is_valid(parse(SAID.replace(old, new, 1), "mail.yaml").plain()), new


def test_the_writer_keeps_one_action_a_line(tmp_path: Path) -> None:
    """In straight columns, and says the same; a second time nothing changes."""
    once = write.formatted(SAID, "mail.yaml")
    assert write.formatted(once, "mail.yaml") == once
    rows = [line for line in once.splitlines() if line.startswith("- {action")]
    assert len(rows) == 4
    assert {row.index("if:") for row in rows} == {rows[0].index("if:")}
    assert "parameters: {n: 3}\nindices: {office: n, van: 2}\n" in once
    assert model(tmp_path, once).grounded.slots == model(tmp_path).grounded.slots
