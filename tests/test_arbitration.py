"""Verdicts: one decides, somebody stays, the largest part stays, and those who stay come to rest. Counts are pinned."""

from __future__ import annotations

from fsm import specs
from fsm.explore.system import System
from fsm.search.result import Result
from tests.exploring import explore

ARBITRATION = System.load(specs() / "systems" / "arbitration.yaml")


def arbitration(hosts: int, *off: str, crash: int = 0, brisk: str = "true") -> Result:
    """So many hosts, of which so many may die, without some clauses."""
    system = ARBITRATION.with_setting("hosts", str(hosts)).with_setting("faults.crash", str(crash))
    system = system.with_setting("settings.brisk", brisk)
    for clause in off:
        system = system.without(clause)
    return explore(system)


def verdicts(result: Result) -> dict[str, str]:
    """The verdict of each property of a search that came to its end, in which all turns had an answer."""
    assert result.finished
    assert not result.refusals
    return {verdict.property.name: verdict.verdict for verdict in result.verdicts}


def test_three_hosts_lose_any_links() -> None:
    """Whatever is lost and in whatever order it is noticed, all promises hold."""
    result = arbitration(3)
    assert set(verdicts(result).values()) == {"holds"}
    assert (result.distinct, result.depth) == (57_526, 43)


def test_two_hosts_one_of_which_may_die() -> None:
    """With writes that take time: the one that is left comes to rest."""
    for crash in (0, 1):
        found = verdicts(arbitration(2, crash=crash, brisk="false"))
        assert [found[name] for name in ("decider", "stays", "largest", "rest")] == ["holds"] * 4


def test_without_settling_a_verdict_may_end_the_larger_part() -> None:
    """A split that is judged before all have published whom they miss; that somebody stays holds all the same."""
    system = ARBITRATION.without("settle")
    result = explore(system, stop_at_first=True)
    assert result.verdict("largest").verdict == "violated"
    assert result.verdict("stays").verdict != "violated"


def test_one_decider_rests_on_livesets() -> None:
    """Hosts that drop the living decide side by side."""
    assert verdicts(arbitration(2, "K1", brisk="false"))["decider"] == "violated"
