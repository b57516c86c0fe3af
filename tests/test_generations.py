"""What is in force on the statefile, explored over the shipped rows: K2, K3, K7, and that no word goes back."""

from __future__ import annotations

import pytest
from attrs import evolve

from fsm import specs
from fsm.explore.system import System
from fsm.search.result import Result
from tests.exploring import explore


def system(name: str, **faults: int) -> System:
    """A shipped system with these budgets; what is not named is 0."""
    loaded = System.load(specs() / "systems" / f"{name}.yaml")
    for kind in ("boot", "crash", "stop", "ask", "invalidate", "enable", "exclude", "clear", "late"):
        loaded = loaded.with_setting(f"faults.{kind}", str(faults.get(kind, 0)))
    return loaded


def verdicts(result: Result) -> dict[str, str]:
    """The verdict of each property; no turn was refused."""
    assert not result.refusals
    return {verdict.property.name: verdict.verdict for verdict in result.verdicts}


MASTER_DIES = {"boot": 2, "ask": 2, "invalidate": 1, "crash": 1}
ANEW = {"boot": 3, "ask": 1, "invalidate": 1, "enable": 1}
SWITCHED_OFF = {"boot": 2, "ask": 1, "invalidate": 1}
OUT = {"boot": 2, "exclude": 1, "late": 1}

TOLD = [
    ("generation", MASTER_DIES, (17_688, 50_644, 51)),
    ("exclusion", OUT, (5_829, 16_776, 26)),
]
"""(system, budgets, (states, edges, depth))."""

NEEDED = [
    ("words", "generation", ANEW, "back", 40),
    ("ends", "generation", SWITCHED_OFF, "K2", 47),
    ("numbers", "generation", MASTER_DIES, "K3", 43),
    ("sectors", "generation", {"boot": 3, "crash": 1}, "back", 22),
    ("sectors", "exclusion", {"boot": 3, "exclude": 1, "crash": 1}, "kept", 10),
]
"""(clause, system, budgets, the promise that needs it, length of the shortest story)."""


def told(name: str, faults: dict[str, int], without: str | None = None) -> Result:
    """What is found with these budgets, a clause switched off."""
    explored = system(name, **faults)
    return explore(explored if without is None else explored.without(without), stop_at_first=without is not None)


@pytest.mark.parametrize(("name", "faults", "counts"), TOLD)
def test_no_word_goes_back(name: str, faults: dict[str, int], counts: tuple[int, int, int]) -> None:
    """Every promise holds in every state, and what must be reachable is reached."""
    result = told(name, faults)
    assert set(verdicts(result).values()) == {"holds"}
    assert (result.distinct, result.edges, result.depth) == counts


@pytest.mark.parametrize(("clause", "name", "faults", "promise", "steps"), NEEDED)
def test_each_rule_of_the_layout_is_needed(
    clause: str, name: str, faults: dict[str, int], promise: str, steps: int
) -> None:
    """One section that all write, marks numbered apart from requests, one sector, or hasty goodbyes: a word is lost."""
    result = told(name, faults, clause)
    assert verdicts(result)[promise] == "violated"
    trace = result.verdict(promise).trace
    assert trace is not None
    assert len(trace.steps) == steps


def test_a_master_that_is_told_before_its_mark_is_written_loses_it() -> None:
    """Answered once every member grants, the last mark may be that of a former master, whose 'invalid' is late."""
    explored = system("generation", **MASTER_DIES)
    lock = next(machine for machine in explored.machines if machine.name == "lock")
    answer = next(row.tell for row in lock.rows if row.id == "lock.marking/wrote")
    rows = tuple(
        evolve(row, target="holding", tell=(*row.tell, *answer)) if row.id == "lock.asking/seen/granted" else row
        for row in lock.rows
    )
    hasty = explored.with_machine(evolve(lock, rows=rows))
    assert verdicts(explore(hasty, stop_at_first=True))["K3"] == "violated"
