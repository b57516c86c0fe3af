"""Grounding: what is left of a model once its parameters are known."""

from __future__ import annotations

from pathlib import Path

import pytest

from fsm.errors import SpecError
from fsm.models import scope
from fsm.models.model import Model
from fsm.models.operations import number
from fsm.models.source import Source
from fsm.models.terms import Grounded

HEAD = "language: 1\nmodel: toy\nessay: A toy.\n"
TAIL = 'properties: {p: {always: "true", why: "nothing is promised"}}\n'
RING = """\
parameters: {n: 3}
indices: {node: n}
variables:
  up: {each: node, type: bool}
  turn: {type: node?}
  hops: {type: "0..9"}
  mail: {type: "queue of 0..3", most: 2}
  who: {type: set of node}
"""


def model(folder: Path, text: str) -> Model:
    """The model of some keys."""
    (folder / "toy.yaml").write_text(HEAD + text + ("" if "properties" in text else TAIL), "utf-8")
    return Model.load(folder / "toy.yaml")


def grounded(folder: Path, *actions: str, faults: str = "", head: str = RING) -> Grounded:
    """What is left of the ring with some actions."""
    rows = "".join(f"- {{action: a{i}, {action}, why: x}}\n" for i, action in enumerate(actions))
    return model(folder, f"{head}{faults}actions:\n{rows}").grounded


GUARDS = [
    # a guard of an action with {x: node}, and what is left of it for x = 0 and x = 2
    ("up[x]", "s0", "s2"),
    ("x < n - 1 and up[x + 1]", "s1", None),
    ("not (x == n - 1 or not up[x + 1])", "s1", None),
    ("up[x] if x == 0 else up[0]", "s0", "s0"),
    ("all(up[y] for y in node if y != x)", "(s1 and s2)", "(s0 and s1)"),
    ("any(up[y] and y == x for y in node)", "s0", "s2"),
    ("all(up[y] for y in who)", "(((not (0 in s6)) or s0) and", "(((not (0 in s6)) or s0)"),
    ("count(up[y] for y in node if y != x) == 2", "(((1 if s1 else 0) + (1 if s2 else 0))", "(((1 if s0 else 0)"),
    ("x in {y for y in node if up[y]}", "s0", "s2"),
    ("up[turn]", "(s0 if (within(s3, 0, 2) == 0) else (s1 if", "(s0 if"),
    ("turn == x", "(s3 == 0)", "(s3 == 2)"),
    ("turn == none", "(s3 == None)", "(s3 == None)"),
    ("turn in [0, x]", "((s3 == 0) or (s3 == 0))", "((s3 == 0) or (s3 == 2))"),
    ("2 * n - 1 == 5 and max(1, x) < 2", "True", None),
    ("7 // 2 == 3 and -7 % 3 == 2 and hops > x", "(s4 > 0)", "(s4 > 2)"),
    ("who >= {x} and who != node", "((c0 <= s6) and (not (s6 == c1)))", "((c0 <= s6) and"),
    ("one(who) and the(who) == x", "((len(s6) == 1) and (the(s6) == 0))", "((len(s6) == 1) and (the(s6) == 2))"),
    ("mail == [] or mail[0] == x", "((s5 == c0) or (at(s5, 0) == 0))", "((s5 == c0) or (at(s5, 0) == 2))"),
]


@pytest.mark.parametrize(("guard", "first", "last"), GUARDS, ids=[guard for guard, _, _ in GUARDS])
def test_what_is_left_of_a_guard(guard: str, first: str, last: str | None, tmp_path: Path) -> None:
    """Quantifiers are written out, what is constant is computed, an action that can never happen is left out."""
    actions = {action.label: action for action in grounded(tmp_path, f'each: {{x: node}}, if: "{guard}"').actions}
    assert Source().of(actions["a0(x=0)"].guard).startswith(first)
    assert ("a0(x=2)" in actions) == (last is not None)
    if last is not None:
        assert Source().of(actions["a0(x=2)"].guard).startswith(last)


def test_an_update_with_a_subscript_that_changes(tmp_path: Path) -> None:
    """It may be any of the slots, and leaves those as they are that it is not."""
    (action,) = grounded(tmp_path, 'if: "turn != none", set: {"up[turn]": "hops > 3"}').actions
    assert [slot for slot, _ in action.updates] == [0, 1, 2]
    assert Source().of(action.updates[1][1]) == "((s4 > 3) if (within(s3, 0, 2) == 1) else s1)"


def test_bounds_of_numbers_are_known(tmp_path: Path) -> None:
    """By interval arithmetic, so that only what can leave its type is looked at while exploring."""
    for text, low, high in (
        ("hops + 1", 1, 10), ("3 - hops", -6, 3), ("hops % 4", 0, 3), ("hops // 4", 0, 2), ("-hops * 2", -18, 0),
        ("min(hops, 5)", 0, 5), ("max(hops, 5)", 5, 9), ("hops if up[0] else 12", 0, 12), ("len(mail)", 0, 2),
        ("size(who)", 0, 3), ("count(up[x] for x in node)", 0, 3), ("head(mail)", 0, 3), ("4 % 3 + hops % 1", 1, 1),
    ):  # fmt: skip
        (action,) = grounded(tmp_path, f'if: "({text}) > hops", set: {{hops: "{text}"}}').actions
        assert (action.updates[0][1].type.low, action.updates[0][1].type.high) == (low, high), text


def test_faults_and_budgets(tmp_path: Path) -> None:
    """A fault that is not named does not happen; `any` needs no slot; a budget has one, shared by its actions."""
    lost = 'set: {hops: "0"}, fault: lose'
    assert grounded(tmp_path, lost).actions == ()
    assert grounded(tmp_path, lost, faults="faults: {lose: 0}\n").actions == ()
    free = grounded(tmp_path, lost, faults="faults: {lose: any}\n")
    assert (len(free.slots), free.actions[0].guard.type.kind, free.actions[0].fault) == (7, "bool", "lose")
    counted = grounded(tmp_path, lost, lost, faults="faults: {lose: 2}\n")
    assert (counted.slots[7].name, counted.initial[7], len(counted.slots)) == ("faults.lose", (2,), 8)
    for action in counted.actions:
        assert Source().of(action.guard) == "(s7 > 0)"
        assert Source().of(dict(action.updates)[7]) == "(s7 - 1)"


def test_labels_say_the_arguments(tmp_path: Path) -> None:
    """Those of two actions never meet, and one without arguments has none."""
    actions = grounded(tmp_path, 'each: {x: node, k: "1..2"}', "set: {}", "each: {t: node?, b: [up_, down_]}").actions
    labels = [action.label for action in actions]
    assert labels[:2] == ["a0(x=0, k=1)", "a0(x=0, k=2)"]
    assert labels[6] == "a1"
    assert labels[7:9] == ["a2(t=none, b=up_)", "a2(t=none, b=down_)"]
    assert len(set(labels)) == 6 + 1 + 8


def test_initial_values(tmp_path: Path) -> None:
    """false, the first member, the lower end, none, nothing; or what is said; or any value."""
    said = grounded(tmp_path, "set: {}").initial
    assert said == ((False,), (False,), (False,), (None,), (0,), ((),), (frozenset(),))
    head = """\
indices: {node: 2}
variables:
  a: {type: node?, initial: any}
  b: {type: set of node, initial: any}
  c: {type: "queue of [x, y]", most: 1, initial: any}
  d: {type: set of node, initial: node}
  e: {type: "queue of 0..3", most: 2, initial: "[1, 2]"}
  f: {type: [u, v], initial: v}
  g: {type: "-2..2", initial: -1}
"""
    assert grounded(tmp_path, "set: {}", head=head).initial == (
        (None, 0, 1), (frozenset(), frozenset({0}), frozenset({1}), frozenset({0, 1})), ((), ("x",), ("y",)),
        (frozenset({0, 1}),), ((1, 2),), ("v",), (-1,),
    )  # fmt: skip


TOO_LARGE = [
    ('each: {x: node, y: node, k: "0..9999"}', "a0 has over 20000 combinations of arguments"),
    ('if: "all(hops != a * b * c for a in range(200) for b in range(200) for c in range(200))"', "over 9999 terms"),
]


@pytest.mark.parametrize(("action", "message"), TOO_LARGE)
def test_what_is_too_large_is_said_at_once(
    action: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the place, before anything is explored."""
    monkeypatch.setattr(scope, "MOST_TERMS", 9999)
    with pytest.raises(SpecError, match=message) as caught:
        grounded(tmp_path, action)
    assert caught.value.rule == "too-large"
    assert caught.value.place.line == 13


def test_too_many_slots_and_beginnings(tmp_path: Path) -> None:
    """Of one variable, or of all together."""
    for text, message in (
        ("indices: {i: 63, j: 63, k: 2}\nvariables: {x: {each: [i, j, k], type: bool}}\n", "x has 7938 values"),
        (
            'variables: {x: {type: "0..3999", initial: any}, y: {type: "0..3999", initial: any}}\n',
            "combinations of ini",
        ),
        ("indices: {i: 20}\nvariables: {x: {type: set of i, initial: any}}\n", "x has over 1000000 values"),
    ):
        with pytest.raises(SpecError, match=message):
            grounded(tmp_path, "set: {}", head=text)


def test_a_number_is_its_own_bounds() -> None:
    """Also zero, of which a type says no less than of another number."""
    assert (number(0).type.low, number(0).type.high, number(7).type.high) == (0, 0, 7)
