"""K1 of pools that gather: from the first byte on, whoever is live is in every live host's liveset.

Counts and lengths are pinned, as in `test_lease`.
"""

from __future__ import annotations

from collections.abc import Hashable

import pytest

from fsm import specs
from fsm.explore.joint import JointState
from fsm.explore.pool_space import PoolSpace
from fsm.explore.system import System
from fsm.search.result import Result
from hosts.daemon.evidence import Evidence
from hosts.daemon.timing import Timing
from tests.evidence_books import ALL, T, beat, live, snapshot
from tests.exploring import explore, told

GATHERING = System.load(specs() / "systems" / "gathering.yaml")


def gathering(life: int, drop: int, owner: int = 0, *off: str, stop: bool = False) -> Result:
    """Two hosts with these times."""
    system = GATHERING
    times = {"life": life, "drop": drop, "cap": life + 1, "stranger": life + 2, "owner": owner}
    for name, value in times.items():
        system = system.with_setting(f"settings.{name}", str(value))
    for clause in off:
        system = system.without(clause)
    return explore(system, stop_at_first=stop or bool(off))


@pytest.mark.parametrize(("life", "owner", "exact"), [(1, 0, (6_781, 43)), (1, 1, (6_945, 43))])
def test_a_live_host_is_in_every_live_hosts_liveset(life: int, owner: int, exact: tuple[int, int]) -> None:
    """D = W + K + 1, whichever index the slow host has, and whether or not it is told to leave."""
    result = gathering(life, life + 1, owner)
    assert result.finished
    assert not result.refusals
    assert {v.verdict for v in result.verdicts} == {"holds"}
    assert (result.distinct, result.depth) == exact


@pytest.mark.parametrize(("life", "owner", "moves"), [(1, 0, 17), (1, 1, 17), (2, 1, 18)])
def test_a_tick_less_is_not_enough(life: int, owner: int, moves: int) -> None:
    """D = W + K: a listed host is dropped at the last tick of its life; this is the shortest way."""
    verdict = gathering(life, life, owner, stop=True).verdict("dropped")
    assert verdict.verdict == "violated"
    assert verdict.trace is not None
    assert len(verdict.trace.steps) == moves


@pytest.mark.parametrize("clause", ["start", "records", "armed"])
def test_each_rule_is_needed(clause: str) -> None:
    """A lease from the confirmation, a record whose change is no sign of life, a
    first write without a lease: each breaks a promise."""
    assert gathering(1, 2, 0, clause, stop=True).exit_code == 1


THREE = {"brisk": "true", "network": "true", "formed": "2"}
NEEDED = [
    ((), {"watcher": "2", "stranger": "2"}, "silent", 22),
    (("capped",), {"watcher": "2"}, "silent", 27),
]


@pytest.mark.parametrize(("off", "different", "promise", "moves"), NEEDED)
def test_three_hosts_with_heartbeats(off: tuple[str, ...], different: dict[str, str], promise: str, moves: int) -> None:
    """A joiner that waits a tick less than Ws + K + 1, or a member that lives by the others without limit: a live host
    is taken for gone by one that it does not ask."""
    system = GATHERING.with_setting("hosts", "3")
    for name, value in (THREE | different).items():
        system = system.with_setting(f"settings.{name}", value)
    for fault in ("stop", "exclude"):
        system = system.with_setting(f"faults.{fault}", "0")
    for clause in off:
        system = system.without(clause)
    verdict = explore(system, stop_at_first=True).verdict(promise)
    assert verdict.verdict == "violated"
    assert verdict.trace is not None
    assert len(verdict.trace.steps) == moves


def test_brisk_hosts_do_no_less() -> None:
    """Whoever has a lease, is live and lists the owner in the world that remembers more, is so in the other, too."""

    def visible(space: PoolSpace, state: JointState) -> Hashable:
        return tuple(sorted(space.named(state).items()))

    system = GATHERING.with_setting("settings.network", "true").with_setting("settings.formed", "1")
    system = system.with_setting("settings.owner", "1")
    for fault in ("stop", "exclude"):
        system = system.with_setting(f"faults.{fault}", "0")
    found = told(system, visible)
    assert found <= told(system.with_setting("settings.brisk", "true"), visible)
    assert len(found) > 5


def test_a_joiner_that_nobody_asks_waits_longer() -> None:
    """A member that has lost the statefile lives by the others for Ws after its last write, and K more. A joiner that
    has read this write takes it for gone no earlier; one that is live itself, and so is asked, after D."""
    written, started = 5.0, 5.0
    member = Evidence(0, 3, T, 0.0)
    member.begin(1)
    member.received(written, beat(1, 1))
    member.track(frozenset({0, 1}))
    member.wrote(written)
    member.sent(1, written + T.statefile_lease)
    member.received(written + T.statefile_lease, beat(1, 2, ack=1))
    assert member.by_network() == written + T.statefile_lease
    joiner = Evidence(2, 3, T, started)
    joiner.read_started(started)
    joiner.read_finished(started, snapshot(live(1)), frozenset(), ALL, 0)
    silent = []
    for now in (started + T.drop, started + T.statefile_lease + T.kill, started + T.stranger):
        joiner.read_started(now)
        silent.append(0 in joiner.read_finished(now, snapshot(live(1)), frozenset(), ALL, 0).silent)
    assert silent == [False, False, True]


def test_a_slow_first_read_is_no_silence() -> None:
    """A record that is seen for the first time may have been written just before the read saw it."""
    joiner = Evidence(1, 3, T, 0.0)
    late = T.stranger + 1.0
    joiner.read_started(0.0)
    joiner.read_finished(late, snapshot(live(1)), frozenset(), ALL, 0)
    joiner.read_started(late)
    assert 0 not in joiner.read_finished(late, snapshot(live(1)), frozenset(), ALL, 0).gone


def test_the_durations_keep_the_inequality() -> None:
    """Whatever T and K: a joiner outwaits who lives by network, and has time left to join."""
    for target in (1.0, 2.0, 5.0, 30.0):
        timing = Timing.derive(target)
        assert timing.stranger >= timing.statefile_lease + timing.kill + 2 * timing.skew - 1e-9
        assert timing.join >= timing.stranger + 8 * timing.cycle
