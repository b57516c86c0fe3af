"""K1 and K5 of a host that lives without the statefile while another starts with it. Counts and lengths are pinned."""

from __future__ import annotations

import pytest

from fsm import specs
from fsm.explore.system import System
from fsm.search.result import Result
from tests.exploring import explore

LATECOMER = System.load(specs() / "systems" / "latecomer.yaml")


def latecomer(hosts: int, *off: str, stop: bool = False, **different: str) -> Result:
    """So many hosts, with these settings, without some clauses."""
    system = LATECOMER.with_setting("hosts", str(hosts))
    for name, value in different.items():
        system = system.with_setting(f"settings.{name}", value)
    for clause in off:
        system = system.without(clause)
    return explore(system, stop_at_first=stop)


@pytest.mark.parametrize("excluded", ["false", "true"])
def test_nobody_forms_beside_a_lone_host(excluded: str) -> None:
    """Two hosts: whoever is alone lives by the statefile, and the latecomer outwaits it, or may form nothing."""
    result = latecomer(2, excluded=excluded)
    assert result.finished
    assert not result.refusals
    assert {v.property.name: v.verdict for v in result.verdicts} == {"K1": "holds", "K5": "holds"}
    assert (result.distinct, result.edges, result.depth) == (1_412, 4_640, 44)


NEEDED = [
    ((), {"stranger": "2"}, "K1", 14),
    (("barred",), {"excluded": "true"}, "K1", 20),
    (("all",), {}, "K5", 10),
]
"""(clauses switched off, settings, the promise broken, moves of the shortest way once the liveset has formed)."""


@pytest.mark.parametrize(("off", "different", "promise", "moves"), NEEDED)
def test_each_rule_is_needed(off: tuple[str, ...], different: dict[str, str], promise: str, moves: int) -> None:
    """A joiner that waits a tick less; an excluded host that may form; a rule 2 that asks the liveset alone: each lets
    a host live beside one that has the statefile and may know no better."""
    verdict = latecomer(3, *off, stop=True, **different).verdict(promise)
    assert verdict.verdict == "violated"
    assert verdict.trace is not None
    assert len([s for s in verdict.trace.steps if not s.label.startswith("on the way")]) == moves
