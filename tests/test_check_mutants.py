"""How many mutants `fsm check` catches: the figures on the page are those of the machines as they are."""

from __future__ import annotations

import pytest

from fsm.checks.rules import data
from fsm.mutation.operators import OPERATORS, Vocabulary, mutants
from tools.benches.mutants import Judge

RECORDED = data()["mutants"]
DOOR = {
    "language": 1,
    "machine": "door",
    "variables": {"n": {"type": "bool", "store": "memory", "initial": False, "why": "x y"}},
    "states": ["shut", {"wide": ["open", "ajar"]}],
    "rows": [
        {"from": "shut", "on": ["lock.free", "all_ok"], "if": "n", "to": "open", "do": "lock.turn", "reply": "ok"},
        {"from": "shut", "on": ["lock.free", "all_ok"], "if": "else", "to": "shut", "set": {"n": True, "m": 1}},
        {"from": "wide", "after": "5s", "to": "same", "tell": ["lamp.dim", "lamp.out"]},
        {"from": "open", "on": "push", "to": "shut"},
    ],
    "ignore": [{"in": "shut", "on": ["push", "pull"], "why": "x y"}, {"in": "open", "on": "pull", "why": "x y"}],
}
WORDS = Vocabulary(("shut", "open", "ajar"), {"wide": ("open", "ajar")}, {"lock": ("lock.free", "lock.shut")})


def test_every_operator_changes_one_place() -> None:
    """So many mutants of a small door by each operator; none is the door itself, and no two are the same."""
    found = list(mutants(DOOR, WORDS))
    counted = {operator: sum(change.operator == operator for change in found) for operator in OPERATORS}
    assert counted == {
        "drop a row": 4, "negate a guard": 1, "drop a guard": 2, "retarget a row": 12, "drop a do": 1, "drop a set": 2,
        "drop a tell": 2, "drop a reply": 1, "change an outcome": 4, "change a duration": 1, "change a scope": 2,
        "swap with else": 1, "drop an ignore": 3, "change a store": 2,
    }  # fmt: skip
    texts = [repr(change.plain) for change in found]
    assert repr(DOOR) not in texts
    assert len(set(texts)) == len(texts)
    assert found == list(mutants(DOOR, WORDS))


def test_swapping_with_else_exchanges_what_the_rows_do() -> None:
    """The guards change places, and so do the labels, or both rows would have one name."""
    (change,) = [one for one in mutants(DOOR, WORDS) if one.operator == "swap with else"]
    assert (change.key, change.index) == ("rows", 0)
    assert [row.get("if") for row in change.plain["rows"]] == ["else", "n", None, None]
    assert [row["to"] for row in change.plain["rows"][:2]] == ["open", "shut"]


def test_a_shipped_machine_as_it_is_survives() -> None:
    """What is killed is killed for its change: the file as it stands is not."""
    judge = Judge.of_shipped()
    assert not judge.kills("monitor", judge.documents["machines/monitor.yaml"].plain())


@pytest.mark.parametrize("name", ["enable", "monitor"])
def test_the_recorded_figures_are_true(name: str) -> None:
    """For two machines, all mutants. To mend: tools/bench mutants, write them into rules.yaml, tools/pages."""
    counted = Judge.of_shipped().count(name)
    killed = sum(count for (_, dead), count in counted.items() if dead)
    assert [killed, sum(counted.values())] == RECORDED["machine"][name]


def test_the_recorded_figures_are_complete() -> None:
    """Every operator and every shipped machine has its figures, and both tables have the same sums."""
    assert tuple(RECORDED["operator"]) == OPERATORS
    assert sorted(RECORDED["machine"]) == sorted(Judge.of_shipped().machines)
    sums = [[sum(column) for column in zip(*table.values(), strict=True)] for table in RECORDED.values()]
    assert sums[0] == sums[1]
