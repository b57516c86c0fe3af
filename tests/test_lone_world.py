"""The world of one host keeps its contracts, and both engines say the same of it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from fsm.errors import SpecError
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


def endings(w: Lone, operation: str, off: str | None = None) -> set[str]:
    """How an operation may end then."""
    system = story("dismissal")
    return {outcome for outcome, _, _ in world(system.without(off) if off else system)._endings(w, operation)}


def test_both_engines_find_the_same() -> None:
    """The same number of states, edges and steps, and every promise holds. How many is in tests/data/stories.yaml."""
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


@pytest.mark.parametrize(
    ("clause", "w", "operation", "outcome"),
    [
        ("there", Lone(True, LIVE, None), "daemon.start", "failed"),
        ("going", Lone(True, LIVE, None).left(), "daemon.start", "started"),
        ("live", Lone(True, OFF, None), "daemon.propose", "granted"),
        ("backed", Lone(True, LIVE, None, backed=True), "database.take_over", "superseded"),
    ],
)
def test_a_clause_that_is_switched_off_is_not_kept(clause: str, w: Lone, operation: str, outcome: str) -> None:
    """So taking it away asks what rests on it."""
    assert outcome in endings(w, operation, clause) - endings(w, operation)


@pytest.mark.parametrize("clause", ["marked", "whole"])
def test_a_query_shows_more_without_what_is_said_of_it(clause: str) -> None:
    """Several marks, or a mark outside of the liveset; a part of the pool without the statefile."""
    system = story("service").with_setting("settings.daemon", LIVE)
    shown = {w.seen for w in world(system).initial()}
    more = {w.seen for w in world(system.without(clause)).initial()}
    assert shown < more


def test_anybody_answers_in_the_name_of_anybody_without_what_is_said_of_it() -> None:
    """Also this host is named, and one that was not asked."""
    w = Lone(True, OFF, None, asked=frozenset({0}))
    for off, named in ((None, {0}), ("itself", {0, 1, 2})):
        system = story("waking") if off is None else story("waking").without(off)
        said = [payload for outcome, payload, _ in world(system)._endings(w, "host.ask_ha") if outcome == "on"]
        assert {payload["master"] for payload in said} == named


def test_of_the_others_it_is_another_that_fails() -> None:
    """Not the host that is explored, which no machine calls as one of the others."""
    made = world(story("coordination"))
    bad = [payload["bad"] for _, payload, _ in made._endings(Lone(True, LIVE, None), "host.join") if payload]
    assert bad == [{0}]
    assert made.me != 0


@pytest.mark.parametrize("machine", ["outlook", "handover"])
def test_an_operation_that_it_does_not_know_is_said_at_once(machine: str, tmp_path: Path) -> None:
    """Of a port that it does not have, or a question to one host that it could not answer."""
    copy = tmp_path / "specs"
    shutil.copytree(specs(), copy)
    path = copy / "systems" / "waking.yaml"
    path.write_text(re.sub(r"^machines: \[", f"machines: [{machine}, ", path.read_text(), flags=re.MULTILINE))
    with pytest.raises(SpecError, match=r"it does not say how (planner|host)"):
        load_system(path).build_world()
