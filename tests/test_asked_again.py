"""Worlds that are no functions, or not what they say of themselves, are found out by either engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from fsm.errors import SpecError
from fsm.explore.pool_kernel import PoolKernel
from fsm.explore.pool_space import PoolSpace
from fsm.explore.system import System
from fsm.language.document import Item
from fsm.search.asked_again import sample
from fsm.search.explore import explore
from fsm.search.random_walk import random_walk
from fsm.search.result import Limits
from fsm.search.space import Batch

RING = Path(__file__).parent / "data" / "toys" / "systems" / "ring.yaml"
ENGINES = ("reference", "fast")


def ring(world: str) -> PoolSpace:
    """The ring in another world."""
    system = System.load(RING)
    return PoolSpace(evolve(system, world=Item(f"tests.wrong_worlds:{world}", system.world.at)))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("world", ["Forgetful", "Alternating", "Fickle", "Mutable", "Unequal"])
def test_a_world_that_is_no_function_is_refused(world: str, engine: str) -> None:
    """Also where it counts in step with the search, and where no counterexample is told that would find it out."""
    space = ring(world)
    limits = Limits(states=100)
    with pytest.raises(SpecError, match=r"ring\.yaml:4:8: .*must be a function of its arguments.*\[bad-world\]"):
        explore(space, engine=engine, limits=limits)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("world", "says"),
    [
        ("HostBefore", "the action 'it happens' is of host -1; hosts are 0 to 2"),
        ("HostBeyond", "is of host 3"),
        ("RestartBeyond", "is of host 3"),
        ("ForNobody", "has an event, and no host"),
        ("UnknownFault", "a fault 'duplicat', which the world does not name; did you mean 'duplicate'"),
        ("Nowhere", "there is no world at the beginning"),
    ],
)
def test_an_action_that_is_not_what_the_world_says_of_itself_is_refused(world: str, says: str, engine: str) -> None:
    """It is never left out, for then less would be explored than is said."""
    with pytest.raises(SpecError, match=rf"ring\.yaml:4:8: .*{says}.*\[bad-world\]"):
        explore(ring(world), engine=engine)


@pytest.mark.parametrize("engine", [*ENGINES, "random"])
@pytest.mark.parametrize(
    ("world", "says"), [("Raising", r"ZeroDivisionError: .*wrong_worlds\.py"), ("Listless", "TypeError")]
)
def test_what_a_world_raises_is_one_line(world: str, says: str, engine: str) -> None:
    """No traceback, and no exit code that a program would read as an answer."""
    with pytest.raises(SpecError, match=rf"ring\.yaml:4:8: .*broke off with .*{says}.*\[bad-world\]"):
        random_walk(ring(world), steps=100) if engine == "random" else explore(ring(world), engine=engine)


@pytest.mark.parametrize(
    ("world", "changes"), [("Spilling", r"\[0, 1\]"), ("SpillingLater", r"\[0, 1\]"), ("Losing", r"\[\]")]
)
def test_a_world_in_parts_that_changes_others_than_it_says_is_refused(world: str, changes: str) -> None:
    """What is remembered by some parts would be put upon the others."""
    with pytest.raises(SpecError, match=rf"ring\.yaml:4:8: .*about its parts \[0\], and changes {changes}.*bad-world"):
        explore(two_parts(world))
    assert [explore(two_parts("TwoParts"), engine=engine).distinct for engine in ENGINES] == [2, 2]


def two_parts(world: str) -> PoolSpace:
    """A world in two parts, of which nobody knows a fact."""
    system = System.load(RING)
    asked = tuple(promised for promised in system.properties if promised.kind == "always")
    return PoolSpace(evolve(system, world=Item(f"tests.wrong_worlds:{world}", system.world.at), properties=asked))


def test_a_kernel_that_forgets_a_move_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every fast search is compared with the plain rules, in a sample: what it leaves out is missing there too."""
    whole = PoolKernel._batch

    def forgetful(self: Any, found: Any, start: int) -> Batch:
        pairs, targets, kept, generated, messages = found
        return whole(self, (pairs, targets, kept[:-1], generated, messages), start)

    system = System.load(RING).with_setting("faults.duplicate", "1")
    assert explore(PoolSpace(system)).violated
    monkeypatch.setattr(PoolKernel, "_batch", forgetful)
    with pytest.raises(SpecError, match="asked again"):
        explore(PoolSpace(system))


def test_a_sample_is_spread_over_everything() -> None:
    """All of a few; of many a few of each doubling."""
    assert list(sample(8)) == list(range(8))
    assert [sum(size <= index < 2 * size for index in sample(1 << 20)) for size in (8, 1 << 10, 1 << 19)] == [4, 4, 4]
