"""The world of one host keeps its contracts, and both engines say the same of it."""

from __future__ import annotations

from fsm.explore.pool_space import PoolSpace
from fsm.explore.system import System
from fsm.locate import specs
from fsm.search.explore import FAST, REFERENCE, explore
from fsm.search.load import load_system
from fsm.search.result import HOLDS
from hosts.worlds.lone import DISARMED, LIVE, OFF, Lone, LoneWorld


def story(name: str) -> System:
    """A shipped system in this world."""
    return load_system(specs() / "systems" / f"{name}.yaml")


def world(system: System) -> LoneWorld:
    """The world of a system."""
    made = PoolSpace(system).joint.world
    assert isinstance(made, LoneWorld)
    return made


def endings(w: Lone, operation: str) -> set[str]:
    """How an operation may end then."""
    return {outcome for outcome, _, _ in world(story("dismissal"))._endings(w, operation)}


def test_both_engines_find_the_same() -> None:
    """So many states, edges and steps, and every promise holds."""
    system = story("waking")
    found = [explore(PoolSpace(system), engine=engine) for engine in (FAST, REFERENCE)]
    assert len({(one.distinct, one.edges, one.depth) for one in found}) == 1
    assert all(verdict.verdict == HOLDS for one in found for verdict in one.verdicts)


def test_a_start_ends_as_the_daemon_is() -> None:
    """One that is there counts as started, unless it was disarmed; one that was told to go meanwhile does not start."""
    assert endings(Lone(True, LIVE, None), "daemon.start") == {"started"}
    assert endings(Lone(True, DISARMED, None), "daemon.start") == {"disarmed"}
    assert endings(Lone(True, OFF, None), "daemon.start") == {"started", "invalid", "no_statefile", "failed"}
    assert endings(Lone(True, LIVE, None).left(), "daemon.start") == {"failed"}


def test_only_a_live_daemon_is_granted_the_lock() -> None:
    """Any other is refused it, and none at all says so."""
    assert endings(Lone(True, LIVE, None), "daemon.propose") == {"granted", "refused"}
    assert endings(Lone(True, DISARMED, None), "daemon.propose") == {"refused"}
    assert endings(Lone(True, OFF, None), "daemon.propose") == {"gone"}


def test_nobody_is_superseded_who_has_a_liveset() -> None:
    """Only with HA off may another host have reigned meanwhile."""
    assert "superseded" in endings(Lone(True, OFF, None), "database.take_over")
    assert "superseded" not in endings(Lone(True, LIVE, None, backed=True), "database.take_over")
