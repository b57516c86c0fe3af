"""What is proved of the shipped machines: every story of TOLD is explored whole, all of its promises hold, the counts
are those that were found when it was written down, and each clause of the world that a promise needs is shown to be
needed. The stories with all faults at once take minutes: `make verify`.

A count that changes says that the machines, or the world, do something else than before. That may be right; then the
new one is written down. One that collapses is an alarm: promises hold for nothing in a world where nothing happens.
"""

from __future__ import annotations

import pytest
from attrs import evolve

from fsm.verdicts import HOLDS, NOT_REACHED, VIOLATED
from fsm.verify import explore
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
    ("failover", ("crash",), ()): (4_709, 19_813, 33),
    ("failover", ("crash", "restart"), ()): (5_694, 30_457, 35),
    ("failover", ("crash", "restart"), MASTER_1): (5_712, 30_552, 37),
    ("enable", (), BARRED): (111, 189, 26),
    ("enable", ("crash",), ()): (1_217, 2_703, 35),
    ("enable", ("restart",), ()): (481, 1_068, 32),
    ("enable", ("statefile",), ()): (2_673, 7_235, 37),
    ("enable", ("crash", "restart"), ()): (5_362, 14_731, 44),
    ("enable", ("crash", "restart"), MASTER_1): (5_306, 14_627, 44),
    ("enable", ("crash", "loss"), ()): (2_922, 7_068, 41),
    ("enable", ("restart", "statefile"), MASTER_1): (11_413, 36_509, 48),
    ("enable", ("late", "statefile"), ()): (6_261, 17_814, 40),
    ("disable", ("crash",), ()): (2_072, 5_391, 25),
    ("disable", ("restart",), ()): (673, 1_814, 23),
    ("disable", ("statefile",), ()): (5_506, 17_400, 27),
    ("disable", ("statefile",), MASTER_1): (5_396, 17_446, 25),
    ("disable", ("crash", "restart"), ()): (8_527, 26_828, 36),
    ("disable", ("crash", "restart"), MASTER_1): (6_970, 22_058, 32),
    ("disable", ("crash", "late"), ()): (3_621, 9_774, 26),
    ("disable", ("restart", "loss"), ()): (1_443, 4_280, 23),
    ("disable", ("crash", "statefile"), SMALL): (17_456, 59_227, 34),
}
"""(system, faults, settings): (states, edges, depth)."""

NEEDED = [
    ("K1", "disable", (), "S1", 10),
    ("K1", "failover", ("crash",), "S1", 10),
    ("K1", "failover", ("crash",), "S3", 7),
    ("K2", "disable", (), "S1", 12),
    ("K3", "disable", ("crash",), "S1", 12),
    ("K4", "failover", ("crash",), "S1", 12),
]
"""(clause, system, faults, the promise that needs it, length of the shortest story)."""


def _name(value: object) -> str:
    return "+".join(map(str, value)) if isinstance(value, tuple) else str(value)


@pytest.mark.parametrize(("name", "faults", "settings"), TOLD, ids=_name)
def test_a_story_holds(name: str, faults: tuple[str, ...], settings: tuple[str, ...]) -> None:
    """Every promise, no turn without an answer, and what must be reachable is reached."""
    result = explore(story(name, faults, settings))
    assert {v.property.name: v.verdict for v in result.verdicts if v.verdict not in (HOLDS, NOT_REACHED)} == {}
    assert [refusal.message for refusal in result.refusals] == []
    assert {v.property.name for v in result.verdicts if v.verdict == NOT_REACHED} == set()
    assert (result.states, result.edges, result.depth) == TOLD[name, faults, settings]


def test_failover_of_three_hosts_holds() -> None:
    """Any number of crashes, restarts and boots; what can be recovered of it is left to `make verify`."""
    system = story("failover", ("crash", "restart"), ("hosts=3",))
    result = explore(evolve(system, properties=tuple(p for p in system.properties if p.kind != "recoverable")))
    assert {v.property.name: v.verdict for v in result.verdicts if v.verdict != HOLDS} == {}
    assert result.refusals == ()
    assert (result.states, result.edges, result.depth) == (717_362, 5_551_610, 57)


@pytest.mark.parametrize(("clause", "name", "faults", "promise", "steps"), NEEDED, ids=_name)
def test_a_clause_is_needed(clause: str, name: str, faults: tuple[str, ...], promise: str, steps: int) -> None:
    """Without it the promise breaks, in a story that holds with it."""
    system = story(name, faults).without(clause)
    only = tuple(p for p in system.properties if p.name == promise)
    result = explore(evolve(system, properties=only), stop_at_first=True)
    trace = result.verdict(promise).trace
    assert result.verdict(promise).verdict == VIOLATED
    assert trace is not None
    assert len(trace) == steps


@pytest.mark.parametrize("clause", ["K5", "K6"])
def test_no_promise_here_needs_the_rules_of_fencing_and_of_late_starts(clause: str) -> None:
    """K5 (when a host fences itself) is how the daemon keeps K1, which safety rests on. K6 (a start does not fail for
    nothing) keeps hosts from retrying out of step for ever: fairness, of which a way out that exists says nothing."""
    result = explore(story("disable", ("statefile",)).without(clause))
    assert {v.property.name: v.verdict for v in result.verdicts if v.verdict != HOLDS} == {}
    assert result.refusals == ()
