"""The world of a pool is a function, keeps to its domains, and keeps its own clauses, on long random walks of the
shipped stories with any number of faults; and a walk notices when a clause is switched off."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from attrs import frozen

from fsm.engine.turn import Operation
from fsm.explore.joint import Joint, Move
from fsm.explore.properties import Observer
from fsm.explore.system import System
from hosts.worlds.daemon import DISARMED, LIVE, OFF, STARTING, Daemons
from hosts.worlds.pool_state import PoolState
from tests.pool_stories import story
from tools.defects import FAULTS

QUERY = Operation("monitor", "daemon", "query")
STEPS = 200
SEEDS = range(3)
NAMES = ("failover", "enable", "disable")
OTHERS = ("boot", "back", "cut", "partition", "heal")
SETTINGS = {
    "failover": (),
    "enable": ("operator.enable.enable=any",),
    "disable": ("operator.disable.disable=any",),
}


@frozen
class Walked:
    """One move of a walk: the world before it, what happened, the world after it."""

    before: PoolState
    move: Move
    after: PoolState

    @property
    def label(self) -> str:
        """What happened."""
        return self.move.choice.action.label


def wild(name: str, hosts: int = 2, off: str | None = None) -> System:
    """A shipped story in which any fault happens any number of times."""
    settings = (*SETTINGS[name], f"hosts={hosts}", *(f"faults.{fault}=any" for fault in (*FAULTS, *OTHERS)))
    system = story(name, (), settings).with_setting("settings.patient", "false")
    return system.without(off) if off else system


def walk(joint: Joint, seed: int) -> Iterator[Walked]:
    """A walk that takes a fault only now and then; it begins anew where it has come to a rest."""
    random, state = Random(seed), joint.initial()[0]
    for _ in range(STEPS):
        moves = [move for move in joint.moves(state) if move.target not in (None, state)]
        faults = [move for move in moves if move.choice.action.fault is not None]
        quiet = [move for move in moves if move.choice.action.fault is None]
        kind = faults if faults and (not quiet or random.random() < 0.1) else quiet
        move = random.choice(kind) if kind else None
        if move is None or move.target is None:
            state = joint.initial()[0]
            continue
        yield Walked(state.world, move, move.target.world)
        state = move.target


def dropped(daemons: Daemons, after: Daemons) -> set[int]:
    """The hosts that left the liveset of a daemon that is live before and after."""
    pairs = zip(daemons.daemons, after.daemons, strict=True)
    return {host for a, b in pairs if a.phase == b.phase == LIVE for host in a.live - b.live}


def broken(joint: Joint, walked: Walked) -> set[str]:
    """The clauses that a move does not keep."""
    w, d, after = walked.before, walked.before.daemons, walked.after.daemons
    found = set()
    for host in dropped(d, after):
        here = d.daemons[host].phase
        there = after.daemons[host].phase
        if host in w.up and here == LIVE and there not in (OFF, STARTING, DISARMED):
            found.add("K1")
        if d.state in ("invalid", "init") and d.those(LIVE) & d.statefile:
            found.add("K2")
    if after.state == "invalid" != d.state and d.lock is not None and walked.label.endswith(f"host {d.lock}: ok"):
        found |= {"K3"} if d.mark != d.lock else set()
    if None not in (d.lock, after.lock) and after.lock != d.lock:
        found.add("K4")
    if after.lock is not None and not any(after.lock in daemon.live for daemon in after.daemons):
        found.add("K4")
    if "daemon.start of" in walked.label and walked.label.endswith(": failed"):
        host = walked.move.choice.action.host or 0
        waits = d.daemons[host].phase == STARTING and d.state == "active"
        alone = any(d.deaf[host]) or any(host in deaf for deaf in d.deaf) or d.barred(host)
        found |= {"K6"} if waits and len(d.those(STARTING, LIVE)) == joint.n and not alone else set()
    for host in range(joint.n):
        _, answer = joint.world.read(joint.world.view(walked.after, host), host, QUERY)
        listed = frozenset().union(*(daemon.live for daemon in after.daemons))
        found |= {"K7"} if not answer.get("marked", frozenset()) <= listed | {after.lock} else set()
    return found


@pytest.mark.parametrize("hosts", [2, 3])
@pytest.mark.parametrize("name", NAMES)
def test_the_world_keeps_its_clauses_and_its_domains(name: str, hosts: int) -> None:
    """On every move of a few thousand; and what has no power runs nothing."""
    joint = Joint(wild(name, hosts))
    observer = Observer(joint.system, joint)
    for seed in SEEDS:
        for walked in walk(joint, seed):
            assert broken(joint, walked) == set(), walked.label
            w = walked.after
            observer.facts_of(w)  # raises where a fact leaves its domain
            assert w.fresh <= w.up
            assert w.daemons.those(STARTING, LIVE, DISARMED) <= w.up
            assert {host for host, guests in enumerate(w.guests) if guests.here} <= w.up
            assert {host for host, _ in w.launching} <= w.up
            assert all(host in daemon.live for host, daemon in enumerate(w.daemons.daemons) if daemon.phase == LIVE)


@pytest.mark.parametrize("name", NAMES)
def test_the_world_is_a_function(name: str) -> None:
    """Asked again, by another world made the same way, it gives the same actions in the same order."""
    first, second = Joint(wild(name)), Joint(wild(name))
    for seed in SEEDS:
        for one, other in zip(walk(first, seed), walk(second, seed), strict=True):
            assert one == other
            assert hash(one.after) == hash(other.after)


@pytest.mark.parametrize(
    ("clause", "name"),
    [(f"K{number}", "disable") for number in (1, 2, 3)] + [(f"K{number}", "failover") for number in (4, 6, 7)],
)
def test_a_walk_notices_a_clause_that_is_switched_off(clause: str, name: str) -> None:
    """Otherwise the test above would prove nothing."""
    joint = Joint(wild(name, off=clause))
    assert any(clause in broken(joint, walked) for seed in range(60) for walked in walk(joint, seed))


def fenced(joint: Joint, seed: int) -> Iterator[tuple[PoolState, set[int]]]:
    """Each world of a walk with the hosts that may fence themselves in it."""
    for walked in walk(joint, seed):
        labels = [action.label for action in joint.world.actions(walked.after, [()] * joint.n)]
        yield walked.after, {int(label.split()[1]) for label in labels if label.endswith("is fenced")}


def test_a_host_is_fenced_by_the_rule_and_never_without_it() -> None:
    """K5: it is live, has lost the statefile, and somebody has it or a host is out of sight; K8: it has the statefile,
    and does not hear a live host that does too, or is not heard."""
    some = 0
    for name in ("failover", "disable"):
        joint, lawless = Joint(wild(name)), Joint(wild(name, off="K5").without("K8"))
        for seed in SEEDS:
            for w, hosts in fenced(joint, seed):
                d = w.daemons
                seen = len(d.those(LIVE, DISARMED, STARTING)) == joint.n and not any(d.deaf)
                lost, kept = d.those(LIVE) - d.statefile, d.those(LIVE) & d.statefile
                somebody = d.those(LIVE, DISARMED, STARTING) & d.statefile
                split = kept if len(kept) == joint.n == 2 and any(d.deaf) else set()
                assert hosts == (lost if somebody or not seen else set()) | split
                some += len(hosts)
            assert all(not hosts for _, hosts in fenced(lawless, seed))
    assert some
