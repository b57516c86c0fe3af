"""Symmetry of pools: orbits are counted once, verdicts stay, and whatever tells hosts or VMs apart is found."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from attrs import evolve

from fsm.errors import SpecError
from fsm.explore.pool_space import PoolSpace
from fsm.explore.symmetry import tour
from fsm.explore.system import System
from fsm.search.explore import FAST, REFERENCE, explore
from fsm.search.reference import ReferenceSearch
from fsm.search.result import Limits, Result
from fsm.search.walk import walk_of
from tests.chance_systems import chance_system
from tests.symmetric_systems import Odd, gauges, guests

ROOT = Path(__file__).parents[1]
TOYS = Path(__file__).parent / "data" / "toys" / "systems"
LARGEST = 110
"""States of a system made by chance."""


def counts(result: Result) -> dict[str, object]:
    """All that both engines have to agree in."""
    return {
        "counts": (result.distinct, result.generated, result.edges, result.depth, result.finished),
        "verdicts": verdicts(result),
        "fired": result.fired,
        "refused": bool(result.refusals),
    }


def verdicts(result: Result) -> dict[str, tuple[str, int | None]]:
    """With the lengths of their stories."""
    return {v.property.name: (v.verdict, None if v.trace is None else len(v.trace)) for v in result.verdicts}


def orbits(space: PoolSpace, limit: int) -> int | None:
    """How many orbits the states have that are reached, counted one by one; None where there are too many states."""
    search = ReferenceSearch(PoolSpace(space.system))
    if not search.run(Limits(states=limit), None, False):
        return None
    return len({frozenset(space.images(state)) for state in search.parents})


@pytest.mark.parametrize("share", range(3))
def test_engines_verdicts_and_orbits_agree_on_systems_made_by_chance(share: int) -> None:
    """With symmetry both engines say the same, the same verdicts as without, and count orbits."""
    compared = fewer = 0
    for seed in range(share, 30, 3):
        system = evolve(chance_system(Random(seed)), n=2 + seed % 2)
        counted = orbits(PoolSpace(system), LARGEST)
        if counted is None:
            continue
        plain = explore(PoolSpace(system), engine=REFERENCE, symmetry=True)
        fast = explore(PoolSpace(system), engine=FAST, symmetry=True)
        whole = explore(PoolSpace(system))
        assert counts(fast) == counts(plain), f"seed {seed}"
        assert verdicts(fast) == verdicts(whole), f"seed {seed}"
        assert fast.distinct == counted, f"seed {seed}"
        compared, fewer = compared + 1, fewer + (counted < whole.distinct)
    assert compared >= 2
    assert fewer >= 2


@pytest.mark.parametrize(("name", "settings"), [
    ("careless", {"hosts": "3"}), ("careful", {"hosts": "4"}), ("ring", {"hosts": "2", "faults.duplicate": "1"}),
    ("asking", {"operator.asker.go": "1", "faults.late": "0", "faults.loss": "0"}),
])  # fmt: skip
def test_calls_and_counters_and_the_beginning_are_permuted(name: str, settings: dict[str, str]) -> None:
    """Of the toys too: calls under way with their numbers; a token that begins at host 0."""
    system = System.load(TOYS / f"{name}.yaml")
    for setting, value in settings.items():
        system = system.with_setting(setting, value)
    fast = explore(PoolSpace(system), symmetry=True)
    assert counts(fast) == counts(explore(PoolSpace(system), engine=REFERENCE, symmetry=True))
    assert verdicts(fast) == verdicts(explore(PoolSpace(system)))
    assert fast.distinct == orbits(PoolSpace(system), 5000)


@pytest.mark.parametrize("engine", [FAST, REFERENCE])
def test_stories_are_true(engine: str) -> None:
    """A story begins at the beginning, where host 0 has the token, and its last step breaks the promise."""
    system = System.load(TOYS / "ring.yaml").with_setting("hosts", "2").with_setting("faults.duplicate", "any")
    result = explore(PoolSpace(system), engine=engine, symmetry=True, limits=Limits(states=60))
    broken = [verdict for verdict in result.verdicts if verdict.verdict == "violated"]
    assert broken
    for verdict in broken:
        assert verdict.trace is not None
        assert verdict.trace.start["coming"] == frozenset({0})
        assert walk_of(PoolSpace(system), verdict.trace).breaks(verdict.property)


def test_hosts_that_look_at_gauges() -> None:
    """Three hosts in a world that says what permutations are: six orders, nearly six times fewer states."""
    space = PoolSpace(gauges())
    fast = explore(PoolSpace(gauges()), symmetry=True)
    assert counts(fast) == counts(explore(space, engine=REFERENCE, symmetry=True))
    assert fast.distinct == orbits(space, 5000)
    assert verdicts(fast) == verdicts(explore(PoolSpace(gauges())))


def test_a_host_that_the_world_tells_apart_stays() -> None:
    """The other two are exchanged; of two hosts there is nothing left to exchange."""
    space = PoolSpace(gauges(WORLD="tests.symmetric_systems:Pointed"))
    assert explore(PoolSpace(space.system), symmetry=True).distinct == orbits(space, 5000)
    assert all(image.locals[0] == state.locals[0] for state in space.initial() for image in space.images(state))
    refused(PoolSpace(gauges(2, WORLD="tests.symmetric_systems:Pointed")), "Pointed tells 0 apart", "gauges.yaml:5:8")


@pytest.mark.parametrize(("world", "words"), [
    ("ActsByIndex", "the action .* possible"),
    ("PerformsByIndex", "perform"),
    ("SeesByIndex", "view"),
    ("ReadsByIndex", "read"),
    ("LivesByIndex", "alive"),
    ("TellsByIndex", "state_facts"),
    ("NoPermutation", "permuted"),
    ("Mute", "it has no permuted"),
])  # fmt: skip
@pytest.mark.parametrize("engine", [FAST, REFERENCE])
def test_a_world_that_tells_hosts_apart_is_caught(world: str, words: str, engine: str) -> None:
    """Whatever answer differs is named, at the line of the world."""
    space = PoolSpace(gauges(WORLD=f"tests.symmetric_systems:{world}"))
    refused(space, f"{world}.*{words}", "gauges.yaml:5:8", engine)
    refused(space, f"{world}.*{words}", "gauges.yaml:5:8", engine)
    assert explore(space, engine=engine).finished


@pytest.mark.parametrize("hosts", [1, 2])
def test_vms_are_interchangeable(hosts: int) -> None:
    """Slots, names in payloads and facts change places; hosts and VMs are permuted independently."""
    fast = explore(PoolSpace(guests(hosts=hosts)), symmetry=True)
    assert counts(fast) == counts(explore(PoolSpace(guests(hosts=hosts)), engine=REFERENCE, symmetry=True))
    assert fast.distinct == orbits(PoolSpace(guests(hosts=hosts)), 5000)
    whole = explore(PoolSpace(guests(hosts=hosts)))
    assert verdicts(fast) == verdicts(whole)
    assert fast.distinct < whole.distinct * (0.8 if hosts == 1 else 0.4)


@pytest.mark.parametrize("formula", ["guest_left_at == none or true", "empty(some_up) or guest[right].at == none"])
def test_a_vm_that_a_formula_names_is_not_exchanged(formula: str) -> None:
    """Outside of a quantifier; with one VM named there is no second one to exchange the other with."""
    refused(PoolSpace(guests(formula=formula)), "no two hosts or instances", "guests.yaml:5:8")
    bound = guests(formula="any(guest[left].at == none for left in vm) or true")
    assert explore(PoolSpace(bound), symmetry=True).finished


def test_the_order_in_which_vms_are_told_must_not_show() -> None:
    """A bell wakes the left one first; a world that remembers which came first tells them apart."""
    space = PoolSpace(guests("tests.symmetric_systems:FirstComes"))
    refused(space, "FirstComes tells left and right apart", "guests.yaml:5:8")


def test_one_odd_answer_is_never_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one world of many, to one host: it is caught, or it makes no difference to what is reached."""
    space = PoolSpace(gauges())
    search = ReferenceSearch(PoolSpace(space.system))
    assert search.run(Limits(), None, False)
    worlds, caught = sorted({state.world for state in search.parents}, key=repr), 0
    odd = gauges(WORLD="tests.symmetric_systems:Odd", FORMULA="size(told) != 2 or told != waiting")
    for seed in range(20):
        random = Random(seed)
        answer = random.choice(("alive", "view", "perform", "actions", "state_facts"))
        monkeypatch.setattr(Odd, "odd", (answer, random.choice(worlds), random.randrange(3)))
        try:
            found = explore(PoolSpace(odd), symmetry=True)
        except SpecError as error:
            caught += error.rule == "not-symmetric"
            continue
        search = ReferenceSearch(PoolSpace(odd))
        search.run(Limits(), None, False)
        assert found.distinct == len({frozenset(space.images(state)) for state in search.parents}), Odd.odd
        assert verdicts(found) == verdicts(explore(PoolSpace(odd))), Odd.odd
    assert caught >= 15


def refused(space: PoolSpace, words: str, place: str, engine: str = FAST) -> None:
    """Symmetry is refused with these words at this place."""
    with pytest.raises(SpecError, match=words) as error:
        explore(space, engine=engine, symmetry=True)
    assert error.value.rule == "not-symmetric"
    assert place in str(error.value)


def test_what_orders_hosts_is_refused_where_it_stands() -> None:
    """`lowest` in a row, in a set and in a property; in a row only where its set has two members to choose from."""
    chosen = gauges(HOLDER='"lowest(everybody - {me})"')
    refused(PoolSpace(chosen), r"asker\.idle/go.*lowest\(\) tells host \d and host \d apart", "asker.yaml:13:10")
    assert explore(PoolSpace(chosen.with_setting("hosts", "2")), symmetry=True).finished
    refused(PoolSpace(gauges(FORMULA="empty(waiting) or lowest(waiting) == holder")), "lowest", "gauges.yaml:11:18")
    refused(PoolSpace(gauges(WAITING="asker == waiting and me == lowest(everybody)")), "lowest", "gauges.yaml:9:17")


def test_an_initial_value_that_is_a_host_is_refused_where_it_stands() -> None:
    """It comes back with every restart."""
    space = PoolSpace(gauges(WORLD="any", INITIAL="1", RESTARTS="restart: any"))
    refused(space, r"seen is 1 after each restart, which tells host \d and host \d apart", "asker.yaml:8:9")


@pytest.mark.parametrize("size", range(1, 7))
def test_a_tour_leads_through_all_permutations(size: int) -> None:
    """Each once, of one order and of two."""
    for sizes in ([size], [size, 3], [2, size]):
        things = [list(range(count)) for count in sizes]
        seen = [tuple(map(tuple, things))]
        for index in tour(sizes):
            which = int(index >= sizes[0] - 1)
            at = index - which * (sizes[0] - 1)
            things[which][at], things[which][at + 1] = things[which][at + 1], things[which][at]
            seen.append(tuple(map(tuple, things)))
        expected = 1
        for count in sizes:
            for factor in range(1, count + 1):
                expected *= factor
        assert len(seen) == len(set(seen)) == expected
