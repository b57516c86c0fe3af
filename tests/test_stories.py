"""What is proved of the shipped systems: every story of tests/data/stories.yaml that is in test is explored whole, all
of its promises hold, and the counts are those that were found when it was written down. The stories with all faults at
once take minutes: `make verify`.

A count that changes says that the machines, or the world, do something else than before. That may be right; then the
new one is written down. One that collapses is an alarm: promises hold for nothing in a world where nothing happens.
"""

from __future__ import annotations

import pytest

from fsm.search.result import HOLDS, VIOLATED
from tests.exploring import explore
from tests.pool_stories import story
from tools.stories import Story, load


@pytest.mark.parametrize("story_", [s for s in load() if s.within == "test"], ids=lambda story_: story_.name)
def test_a_story_holds(story_: Story) -> None:
    """Every promise, no turn without an answer, what must be reachable is reached, and the counts are those that were
    found when it was written down (`tools/prove --write` writes down others)."""
    assert list(story_.wrong(story_.explore())) == []


def test_no_safety_here_needs_the_rule_of_fencing() -> None:
    """K5 (when a host fences itself) is how the daemon keeps K1, which safety rests on. A host that has lost the
    statefile for good learns by being fenced that HA is off."""
    result = explore(story("disable", ("statefile",)).without("K5"))
    assert {v.property.name for v in result.verdicts if v.verdict != HOLDS} == {"L3_lost"}
    assert result.refusals == ()


def test_only_what_fair_runs_come_to_needs_starts_that_do_not_fail_for_nothing() -> None:
    """Without K6 two hosts retry out of step for ever: fairness promises a master no more, while some way still leads
    to one, and nothing unsafe happens."""
    result = explore(story("failover", ("crash",)).without("K6"))
    assert {v.property.name for v in result.verdicts if v.verdict == VIOLATED} == {"L1_fair", "L3_fair", "answered"}
    trace = result.verdict("L1_fair").trace
    assert trace is not None
    assert trace.loop is not None
