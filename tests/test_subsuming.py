"""A search that leaves out states with fewer faults to come decides as one that does not, and as short stories."""

from __future__ import annotations

import re
from random import Random

import numpy as np
import pytest
from attrs import evolve

from fsm.errors import SpecError
from fsm.explore.pool_space import PoolSpace
from fsm.explore.system import System
from fsm.locate import specs
from fsm.search.explore import AFTERWARDS, explore
from fsm.search.result import VIOLATED, Limits, Result
from fsm.search.space import Budget
from fsm.search.subsuming import Subsuming
from tests.chance_systems import chance_system
from tests.pool_stories import story

CHANCES = 40


def test_of_what_differs_by_what_is_left_alone_only_the_richest_are_kept() -> None:
    """Whoever was found with more of every budget stands for what is found later; less of one and more of another is
    something else; and who was left out has the position of one that is richer."""
    found = Subsuming([Budget("crash", 8, 2), Budget("loss", 10, 1)], ())
    first = found.add(np.array([_state(7, 1, 0), _state(5, 2, 0)], np.uint64))
    later = found.add(np.array([_state(7, 0, 0), _state(7, 1, 0), _state(7, 0, 1), _state(5, 2, 1)], np.uint64))
    assert sorted(first.tolist()) == sorted([_state(7, 1, 0), _state(5, 2, 0)])
    assert sorted(later.tolist()) == sorted([_state(7, 0, 1), _state(5, 2, 1)])
    assert len(found) == 4
    found.number([first, later])
    known = np.concatenate([first, later]).tolist()
    at = found.positions(np.array([_state(7, 0, 0), *known, _state(6, 0, 0)], np.uint64)).tolist()
    assert at[1:] == [0, 1, 2, 3, -1]
    assert known[at[0]] in (_state(7, 1, 0), _state(7, 0, 1))


def test_of_one_level_the_richest_are_kept_whatever_was_found_first() -> None:
    """A state that was new when it was found is left out at the end of its level, but not later."""
    many = Subsuming([Budget("crash", 8, 9), Budget("loss", 12, 9)], ())
    poor, rich, other = (_ten(7, *left) for left in ((8, 3), (9, 3), (3, 9)))
    level = [many.add(np.array([state], np.uint64)) for state in (poor, other, rich)]
    assert [found.tolist() for found in level] == [[poor], [other], [rich]]
    assert many.level(np.concatenate(level)).tolist() == [other, rich]
    assert many.add(np.array([poor, _ten(7, 2, 9), _ten(7, 9, 3)], np.uint64)).tolist() == []
    assert many.add(np.array([_ten(7, 9, 4)], np.uint64)).tolist() == [_ten(7, 9, 4)]
    assert len(many) == 3


def test_what_is_kept_does_not_hang_on_how_many_states_are_expanded_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poor states are found before rich ones of their level, or with them."""
    system = story("enable", ("crash", "restart"))
    whole = explore(PoolSpace(system), subsume=True)
    monkeypatch.setattr("fsm.explore.pool_kernel.CHUNK", 300)
    parts = explore(PoolSpace(system), subsume=True)
    assert (parts.distinct, parts.generated, parts.edges) == (whole.distinct, whole.generated, whole.edges)


def test_what_is_counted_on_has_to_be_equal() -> None:
    """A promise that counts on boots may need the one that is left."""
    found = Subsuming([Budget("crash", 8, 1), Budget("boot", 9, 1)], ("boot",))
    found.add(np.array([_state(7, 1, 0) | 1 << 9], np.uint64))
    assert found.add(np.array([1 << 8 | 7], np.uint64)).tolist() == [1 << 8 | 7]
    assert found.add(np.array([1 << 9 | 7], np.uint64)).tolist() == []


def test_chance_systems_are_decided_alike() -> None:
    """Every verdict of chance systems with counted faults and orders is the same, also where promises of the end count
    on some of them; violations are found as early, and in all states were left out."""
    plain = fewer = 0
    for seed in range(CHANCES):
        system = _counted(chance_system(Random(seed)), Random(seed))
        if system is None:
            continue
        whole, subsumed = explore(PoolSpace(system)), explore(PoolSpace(system), subsume=True)
        _alike(whole, subsumed, f"seed {seed}")
        plain, fewer = plain + whole.distinct, fewer + subsumed.distinct
    assert fewer < 0.8 * plain


@pytest.mark.parametrize("without", ["K3", "K4"])
def test_a_shipped_system_is_decided_alike(without: str) -> None:
    """So is failover, with boots that promises count on and that are counted themselves: where all holds, and where a
    missing clause breaks promises of states and of the end."""
    system = System.load(specs() / "systems" / "failover.yaml").without(without)
    for kind in system.faults:
        system = system.with_setting(f"faults.{kind}", "1" if kind in ("crash", "restart", "boot") else "0")
    whole, subsumed = (explore(PoolSpace(system), subsume=subsume) for subsume in (False, True))
    _alike(whole, subsumed, without)
    assert subsumed.distinct < 0.8 * whole.distinct
    violated = {verdict.property.name for verdict in whole.verdicts if verdict.verdict == VIOLATED}
    assert (violated >= {"S1", "L1_fair"}) == (without == "K4")


def test_it_is_for_counted_faults_the_fast_engine_and_no_symmetry() -> None:
    """What cannot be done is refused, with what to do."""
    system = System.load(specs() / "systems" / "boot.yaml")
    for bad in ({"engine": "reference"}, {"symmetry": True}):
        with pytest.raises(SpecError, match=re.escape("only the fast engine subsumes, and not with symmetry")):
            explore(PoolSpace(system), subsume=True, **bad)
    for kind in system.faults:
        system = system.with_setting(f"faults.{kind}", "any")
    with pytest.raises(SpecError, match=re.escape("counts no fault and no order")):
        explore(PoolSpace(system), subsume=True, limits=Limits(seconds=1))
    for kind in system.faults:
        system = system.with_setting(f"faults.{kind}", "9")
    with pytest.raises(SpecError, match=re.escape("can be left in 100000000 ways, at most 4096")):
        explore(PoolSpace(system), subsume=True, limits=Limits(seconds=1))


def _state(core: int, crash: int, loss: int) -> int:
    return core | crash << 8 | loss << 10


def _ten(core: int, crash: int, loss: int) -> int:
    return core | crash << 8 | loss << 12


def _counted(system: System, random: Random) -> System | None:
    for kind in system.faults:
        system = system.with_setting(f"faults.{kind}", str(random.choice((1, 2, 3))))
    for order in system.operator:
        system = system.with_setting(f"operator.{order.machine}.{order.event}", str(random.choice((1, 2))))
    counted = [*system.faults, *(["operator"] if system.operator else [])]
    if not counted:
        return None
    on = (random.choice(counted),) if random.random() < 0.5 else ()
    promises = (evolve(p, counting_on=on) if p.kind in AFTERWARDS else p for p in system.properties)
    return evolve(system, properties=tuple(promises))


def _alike(whole: Result, subsumed: Result, where: str) -> None:
    assert (whole.finished, subsumed.finished) == (True, True), where
    assert subsumed.distinct <= whole.distinct, where
    assert subsumed.fired == whole.fired, where
    assert {r.message for r in subsumed.refusals} == {r.message for r in whole.refusals}, where
    for one, other in zip(whole.verdicts, subsumed.verdicts, strict=True):
        assert (one.property.name, one.verdict) == (other.property.name, other.verdict), where
        if one.trace is not None and other.trace is not None:
            assert len(one.trace.steps) == len(other.trace.steps), f"{where}: {one.property.name}"
