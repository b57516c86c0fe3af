"""Verdicts: one decides, somebody stays, the largest part stays, and those who stay come to rest. Counts are pinned."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import pytest
from attrs import evolve

from fsm import specs
from fsm.explore.joint import JointState
from fsm.explore.pool_space import PoolSpace
from fsm.explore.system import System
from fsm.search.result import Result
from hosts.worlds.arbitration import Arbitration, Pool
from tests.exploring import explore, told

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
    assert (result.distinct, result.depth) == (1_483, 54)


class OneCut(Arbitration):
    """A world in which the links of the highest host are lost."""

    def initial(self) -> Iterator[Pool]:
        """The beginning with these links lost."""
        highest = self.n - 1
        yield from (w for w in super().initial() if w.cut == frozenset((p, highest) for p in range(highest)))


@pytest.mark.parametrize(("hosts", "crash"), [(2, "any"), (3, "0")])
def test_what_is_left_out_makes_no_difference(hosts: int, crash: str) -> None:
    """Who lives, with which livesets, is the same whether hosts are brisk or everything may happen in any order."""
    found = []
    for brisk in ("true", "false"):
        system = ARBITRATION.with_setting("hosts", str(hosts)).with_setting("faults.crash", crash)
        system = system.with_setting("settings.brisk", brisk)
        if hosts > 2:
            system = evolve(system, world=evolve(system.world, value="tests.test_arbitration:OneCut"))
        found.append(told(system, visible))
    assert found[0] == found[1]
    assert len(found[0]) >= 5


def visible(space: PoolSpace, state: JointState) -> Hashable:
    """Which links are lost, who lives, with which liveset."""
    w = state.world
    return w.cut, tuple(None if p in w.dead else host.live for p, host in enumerate(w.hosts))


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
