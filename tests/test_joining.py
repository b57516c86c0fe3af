"""K1 from a daemon's first byte on, explored over the shipped rows: D = W + K + 1 ticks is enough, one less is not."""

from __future__ import annotations

import pytest
from attrs import evolve

from fsm import specs
from fsm.explore.system import System
from fsm.search.result import Result
from tests.exploring import explore


def joining(life: int = 1, drop: int = 2, network: str = "false") -> System:
    """The system with these times."""
    system = System.load(specs() / "systems" / "joining.yaml")
    system = system.with_setting("settings.life", str(life)).with_setting("settings.drop", str(drop))
    return system.with_setting("settings.network", network)


def verdicts(result: Result) -> dict[str, str]:
    """The verdict of each property; no turn was refused."""
    assert not result.refusals
    return {verdict.property.name: verdict.verdict for verdict in result.verdicts}


@pytest.mark.parametrize(("life", "states", "depth"), [(1, 41_650, 42), (2, 83_919, 44)])
def test_a_tick_more_than_the_life_is_enough(life: int, states: int, depth: int) -> None:
    """With D = W + K + 1 no living host that has not said goodbye is ever dropped, be it member or joiner."""
    result = explore(joining(life, life + 1))
    assert verdicts(result) == {"K1": "holds", "joined": "holds", "dropped": "holds"}
    assert (result.distinct, result.depth, result.finished) == (states, depth, True)


@pytest.mark.parametrize(("life", "steps"), [(1, 17), (2, 18)])
def test_a_tick_less_drops_a_living_joiner(life: int, steps: int) -> None:
    """With D = W + K a joiner is admitted and dropped while it lives; this is the shortest way."""
    result = explore(joining(life, life), stop_at_first=True)
    assert verdicts(result)["K1"] == "violated"
    trace = result.verdict("K1").trace
    assert trace is not None
    assert len(trace.steps) == steps
    assert trace.steps[-1].told.firings[0].row == "membership.live_reading/statefile.seen/admit"


@pytest.mark.parametrize("clause", ["start_of_write", "start_of_read"])
def test_each_rule_of_the_evidence_is_needed(clause: str) -> None:
    """Evidence from the confirmation, or ages from the end of a read, drop a living host."""
    assert verdicts(explore(joining().without(clause), stop_at_first=True))["K1"] == "violated"


def test_a_joiner_is_armed_before_its_first_byte() -> None:
    """Without the lease that is taken before the first write, a joiner that freezes is dropped and goes on."""
    system = joining()
    membership = next(machine for machine in system.machines if machine.name == "membership")
    rows = tuple(
        evolve(row, tell=()) if row.id == "membership.looking/statefile.seen/else" else row for row in membership.rows
    )
    unarmed = system.with_machine(evolve(membership, rows=rows))
    assert verdicts(explore(unarmed, stop_at_first=True))["K1"] == "violated"
