"""K4 of three hosts and more: what it rests on, and that what its world leaves out makes no difference."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import pytest
from attrs import evolve

from fsm import specs
from fsm.explore.joint import JointState
from fsm.explore.pool_space import PoolSpace
from fsm.explore.system import System
from fsm.explore.world import Action, Pending
from hosts.worlds.concession import Concession, Host, Pool, Word
from tests.exploring import explore, told

CONCESSION = System.load(specs() / "systems" / "concession.yaml")


def test_the_lock_of_three_rests_on_livesets() -> None:
    """Hosts that drop the living gather all grants that are left, and two hold the lock."""
    verdict = explore(CONCESSION.without("K1"), stop_at_first=True).verdict("K4")
    assert verdict.verdict == "violated"
    assert verdict.trace is not None


class Whole(Concession):
    """The world in which hosts are proposed at any time, rest between any two steps, and forget nothing."""

    def actions(self, w: Pool, pending: Pending) -> Iterator[Action[Pool]]:
        """Everything that may happen next; only a write goes on at once."""
        for action in super().actions(w, pending):
            yield evolve(action, world=evolve(action.world, busy=None, read=False))

    def forgotten(self, w: Pool) -> Pool:
        """The world with the requests of each host numbered without gaps, among all that anybody remembers."""
        places = [{number: place for place, number in enumerate(sorted(self.numbers(w, p)))} for p in range(self.n)]

        def moved(p: int, word: Word) -> Word:
            grant = None if word.grant is None else (word.grant[0], places[word.grant[0]][word.grant[1]])
            return Word(places[p][word.request], grant)

        def host(p: int, old: Host) -> Host:
            known = tuple(places[q][number] for q, number in enumerate(old.known))
            return Host(old.live, known, moved(p, old.mine), moved(p, old.disk))

        return evolve(w, hosts=tuple(host(p, old) for p, old in enumerate(w.hosts)))

    def numbers(self, w: Pool, p: int) -> set[int]:
        """The numbers of requests of a host that anybody remembers."""
        words = [word for host in w.hosts for word in (host.mine, host.disk)]
        own = {word.request for word in (w.hosts[p].mine, w.hosts[p].disk)}
        granted = {word.grant[1] for word in words if word.grant is not None and word.grant[0] == p}
        return {0} | own | granted | {host.known[p] for host in w.hosts}


@pytest.mark.parametrize(
    ("hosts", "faults", "off"),
    [(2, ("crash", "lost"), ()), (2, (), ("K1",)), (2, ("crash",), ("numbers",)), (3, (), ())],
)
def test_what_is_left_out_makes_no_difference(hosts: int, faults: tuple[str, ...], off: tuple[str, ...]) -> None:
    """Who holds the lock, who is alive and in whose liveset is the same whether or not everything may happen at any
    time and nothing is forgotten: of two rivals, or of one with two bystanders."""
    system = CONCESSION.with_setting("hosts", str(hosts)).with_setting("settings.rivals", str(4 - hosts))
    for fault in faults:
        system = system.with_setting(f"faults.{fault}", "any")
    for clause in off:
        system = system.without(clause)
    whole = evolve(system, world=evolve(system.world, value="tests.test_concession:Whole"))
    found = told(system, visible)
    assert found == told(whole, visible)
    assert len(found) >= 2


def visible(space: PoolSpace, state: JointState) -> Hashable:
    """Who holds the lock, who is alive, and the livesets of those."""
    named, w = space.named(state), state.world
    lives = tuple(None if p in w.dead else host.live for p, host in enumerate(w.hosts))
    return named["holding"], lives
