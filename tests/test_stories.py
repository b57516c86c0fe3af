"""What is proved of the shipped machines: every story of TOLD is explored whole, all of its promises hold, the counts
are those that were found when it was written down, and each clause of the world that a promise needs is shown to be
needed. The stories with all faults at once take minutes: `make verify`.

A count that changes says that the machines, or the world, do something else than before. That may be right; then the
new one is written down. One that collapses is an alarm: promises hold for nothing in a world where nothing happens.
"""

from __future__ import annotations

import pytest
from attrs import evolve

from fsm.search.result import HOLDS, NOT_REACHED, VIOLATED
from tests.exploring import explore
from tests.pool_stories import MASTER_1, story

Key = tuple[str, tuple[str, ...], tuple[str, ...]]
SMALL = (
    "settings.running.v=null",
    "pool.restart[v].resident=none",
    "pool.restart[v].wanted=false",
    "settings.patient=true",
)
"""No VM, and no start of a daemon that fails where it could succeed."""
BARRED = ("host.decisions=false",)
"""An earlier disable went without the statefile, and left all decisions disabled."""

TOLD: dict[Key, tuple[int, int, int]] = {
    ("failover", ("crash",), ()): (5_421, 23_806, 38),
    ("failover", ("crash", "restart"), ()): (6_455, 35_842, 38),
    ("failover", ("crash", "restart"), MASTER_1): (6_476, 35_956, 39),
    ("enable", (), BARRED): (113, 194, 27),
    ("enable", ("crash",), ()): (1_303, 2_957, 37),
    ("enable", ("restart",), ()): (520, 1_183, 33),
    ("enable", ("statefile",), ()): (2_758, 7_479, 39),
    ("enable", ("crash", "restart"), ()): (6_109, 17_378, 45),
    ("enable", ("crash", "restart"), MASTER_1): (6_053, 17_274, 45),
    ("enable", ("crash", "loss"), ()): (3_260, 8_147, 42),
    ("enable", ("restart", "statefile"), MASTER_1): (12_359, 39_747, 49),
    ("enable", ("late", "statefile"), ()): (6_652, 19_103, 41),
    ("disable", ("crash",), ()): (2_451, 6_692, 26),
    ("disable", ("restart",), ()): (876, 2_538, 24),
    ("disable", ("statefile",), ()): (5_935, 18_870, 28),
    ("disable", ("statefile",), MASTER_1): (5_778, 18_768, 26),
    ("disable", ("crash", "restart"), ()): (10_486, 34_610, 37),
    ("disable", ("crash", "restart"), MASTER_1): (8_484, 28_130, 33),
    ("disable", ("crash", "late"), ()): (4_400, 12_596, 27),
    ("disable", ("restart", "loss"), ()): (1_871, 5_824, 24),
    ("disable", ("crash", "statefile"), SMALL): (20_702, 72_459, 35),
}
"""(system, faults, settings): (states, edges, depth)."""

NEEDED = [
    ("K1", "disable", (), (), "S1", 10),
    ("K1", "failover", ("crash",), (), "S1", 10),
    ("K1", "failover", ("crash",), (), "S3", 7),
    ("K2", "disable", (), (), "S1", 12),
    ("K3", "disable", ("crash",), (), "S1", 12),
    ("K4", "failover", ("crash",), (), "S1", 12),
    ("K7", "disable", ("crash", "restart", "statefile"), SMALL, "L2", 17),
]
"""(clause, system, faults, settings, the promise that needs it, length of the shortest story)."""


def _name(value: object) -> str:
    return "+".join(map(str, value)) if isinstance(value, tuple) else str(value)


@pytest.mark.parametrize(("name", "faults", "settings"), TOLD, ids=_name)
def test_a_story_holds(name: str, faults: tuple[str, ...], settings: tuple[str, ...]) -> None:
    """Every promise, no turn without an answer, and what must be reachable is reached."""
    result = explore(story(name, faults, settings))
    assert {v.property.name: v.verdict for v in result.verdicts if v.verdict not in (HOLDS, NOT_REACHED)} == {}
    assert [refusal.message for refusal in result.refusals] == []
    assert {v.property.name for v in result.verdicts if v.verdict == NOT_REACHED} == set()
    assert (result.distinct, result.edges, result.depth) == TOLD[name, faults, settings]


def test_failover_of_three_hosts_holds() -> None:
    """Any number of crashes, restarts and boots; what can be recovered of it is left to `make verify`."""
    system = story("failover", ("crash", "restart"), ("hosts=3",))
    result = explore(evolve(system, properties=tuple(p for p in system.properties if p.kind != "recoverable")))
    assert {v.property.name: v.verdict for v in result.verdicts if v.verdict != HOLDS} == {}
    assert result.refusals == ()
    assert (result.distinct, result.edges, result.depth) == (621_229, 4_911_521, 59)


@pytest.mark.parametrize(("clause", "name", "faults", "settings", "promise", "steps"), NEEDED, ids=_name)
def test_a_clause_is_needed(
    clause: str, name: str, faults: tuple[str, ...], settings: tuple[str, ...], promise: str, steps: int
) -> None:
    """Without it the promise breaks, in a story that holds with it."""
    system = story(name, faults, settings).without(clause)
    only = tuple(p for p in system.properties if p.name == promise)
    result = explore(evolve(system, properties=only), stop_at_first=True)
    trace = result.verdict(promise).trace
    assert result.verdict(promise).verdict == VIOLATED
    assert trace is not None
    assert len(trace) == steps


def test_no_promise_here_needs_the_rule_of_fencing() -> None:
    """K5 (when a host fences itself) is how the daemon keeps K1, which safety rests on."""
    result = explore(story("disable", ("statefile",)).without("K5"))
    assert {v.property.name: v.verdict for v in result.verdicts if v.verdict != HOLDS} == {}
    assert result.refusals == ()


def test_only_what_fair_runs_come_to_needs_starts_that_do_not_fail_for_nothing() -> None:
    """Without K6 two hosts retry out of step for ever: fairness promises a master no more, while some way still leads
    to one, and nothing unsafe happens."""
    result = explore(story("failover", ("crash",)).without("K6"))
    assert {v.property.name for v in result.verdicts if v.verdict == VIOLATED} == {"L1_fair", "L3_fair", "answered"}
    trace = result.verdict("L1_fair").trace
    assert trace is not None
    assert trace.loop is not None
