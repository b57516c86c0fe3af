"""K4 of three hosts: what it rests on. That it holds takes longer to see: fsm verify concession."""

from __future__ import annotations

from fsm import specs
from fsm.explore.system import System
from tests.exploring import explore

CONCESSION = System.load(specs() / "systems" / "concession.yaml")


def test_the_lock_of_three_rests_on_livesets() -> None:
    """Hosts that drop the living gather all grants that are left, and two hold the lock."""
    verdict = explore(CONCESSION.without("K1"), stop_at_first=True).verdict("K4")
    assert verdict.verdict == "violated"
    assert verdict.trace is not None
