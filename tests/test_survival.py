"""K5: without the statefile a host goes on for Ws at most, or by survival rule 2. Counts and lengths are pinned."""

from __future__ import annotations

import pytest

from fsm import specs
from fsm.explore.system import System
from fsm.search.result import Result
from tests.exploring import explore

SURVIVAL = System.load(specs() / "systems" / "survival.yaml")


def survival(hosts: int, *off: str, life: int = 1, cap: int = 2, dead: int = 0) -> Result:
    """So many hosts, of which so many are dead, with these times, without some clauses."""
    system = SURVIVAL.with_setting("hosts", str(hosts))
    for name, value in {"life": life, "cap": cap, "dead": dead}.items():
        system = system.with_setting(f"settings.{name}", str(value))
    for clause in off:
        system = system.without(clause)
    return explore(system, stop_at_first=bool(off))


@pytest.mark.parametrize(
    ("hosts", "life", "cap", "exact"), [(2, 1, 2, (714, 31)), (3, 1, 2, (10_710, 44)), (2, 3, 4, (4_603, 33))]
)
def test_beyond_ws_only_while_all_are_without(hosts: int, life: int, cap: int, exact: tuple[int, int]) -> None:
    """Whoever outlives Ws was acknowledged by everybody, each without the statefile, within W + K; and some do."""
    result = survival(hosts, life=life, cap=cap)
    assert {v.verdict for v in result.verdicts} == {"holds"}
    assert (result.distinct, result.depth) == exact
    assert result.finished
    assert not result.refusals


@pytest.mark.parametrize(("life", "cap"), [(1, 2), (2, 3), (1, 3)])
def test_a_tick_less_is_outlived(life: int, cap: int) -> None:
    """Ws is exact: a host whose last write is as old as that may live on by its liveset, which has the statefile."""
    system = SURVIVAL
    for name, value in {"life": life, "cap": cap, "less": 1}.items():
        system = system.with_setting(f"settings.{name}", str(value))
    verdict = explore(system, stop_at_first=True).verdict("K5")
    assert verdict.verdict == "violated"
    assert verdict.trace is not None
    told = [step.label for step in verdict.trace.steps]
    assert told.count("a tick") == cap
    assert "host 0 is told: acked" in told


def test_a_dead_host_that_is_not_excluded_ends_all() -> None:
    """It may be starting alone, with the statefile: so it has to say that it has none, and cannot."""
    result = survival(3, dead=1)
    assert {v.property.name: v.verdict for v in result.verdicts} == {"K5": "holds", "beyond": "not reached"}


@pytest.mark.parametrize(("clause", "dead", "moves"), [("capped", 0, 7), ("said", 0, 9), ("all", 1, 10)])
def test_each_rule_is_needed(clause: str, dead: int, moves: int) -> None:
    """Acknowledgements without limit, a rule 2 in which nobody says anything, one that asks only the liveset: each lets
    a host live beyond Ws beside one that may have the statefile. The shortest ways."""
    verdict = survival(2 + dead, clause, dead=dead).verdict("K5")
    assert verdict.verdict == "violated"
    assert verdict.trace is not None
    assert len([s for s in verdict.trace.steps if not s.label.startswith("on the way")]) == moves
