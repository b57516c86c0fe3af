"""Random walks as a Hypothesis strategy: possible, varied, shrunk to what matters, and followed to what they break."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from fsm.errors import SpecError
from fsm.search.space import Fairness, Space
from fsm.search.walk import begin
from fsm.testing import follow, open_space, walked, walks
from tests.graph_space import GraphSpace, promise

DATA = Path(__file__).parent / "data"
LIGHTS = str(DATA / "models" / "lights.yaml")
RING = str(DATA / "toys" / "systems" / "ring.yaml")
COUNTER = open_space("counter")


@settings(max_examples=50)
@given(walk=walks(open_space("two-phase-commit", {"n": 2}), most=30))
def test_every_move_is_possible_when_it_comes(walk: list[str]) -> None:
    """And changes something; no walk is longer than it may be."""
    taken = walked(open_space("two-phase-commit", {"n": 2}), walk)
    assert len(walk) <= 30
    assert all(a != b for a, b in pairwise(taken.states))


def failure(space: Space[Any], walk: list[str]) -> str:
    """What is said of a walk that breaks something."""
    try:
        follow(space, walk)
    except AssertionError as error:
        return str(error)
    return ""


def test_a_failing_walk_shrinks_to_the_moves_that_matter() -> None:
    """Two threads read before either writes: four moves, which is the shortest way."""
    walk = find(walks(COUNTER), lambda walk: bool(failure(COUNTER, walk)), random=Random(0))
    assert sorted(walk[:2]) == ["read(t=0)", "read(t=1)"]
    assert sorted(walk[2:]) == ["write(t=0)", "write(t=1)"]


def test_every_move_has_its_chance() -> None:
    """Each of the moves of one state is drawn by about as many characters."""
    space = GraphSpace([(0, target, "a", None) for target in range(1, 9)], {}, [], Fairness())
    drawn: Counter[str] = Counter()

    @settings(max_examples=400, derandomize=True, database=None)
    @given(walks(space, most=1))
    def draw(walk: list[str]) -> None:
        drawn.update(walk)

    draw()
    assert set(drawn) == {f"move {number}" for number in range(8)}


def test_a_walk_may_begin_anywhere() -> None:
    """At the state of a number."""
    space = GraphSpace([(0, 1, "a", None), (2, 3, "a", None)], {}, [], Fairness(), (0, 2))
    assert find(walks(space, start=2), bool) == ["move 1"]
    assert follow(space, ["move 1"], start=2).states == [2, 3]


@pytest.mark.parametrize(
    ("walk", "message"),
    [
        (["toggle(i=0)", "toggle(i=1)"], "single is violated: one lamp at a time\n0. on[0]: false"),
        (["toggle(i=0)", "blackout"], "dark is violated: no blackout while lamp 0 is on\n"),
        (["toggle(i=0)", "toggle(i=0)"], "both is violated: both are on some time\n"),
    ],
)
def test_what_a_walk_breaks_is_told_as_a_story(walk: list[str], message: str) -> None:
    """With the walk itself, to be pinned; a circle is found where it closes."""
    with pytest.raises(AssertionError) as caught:
        follow(open_space(LIGHTS), walk)
    assert message in str(caught.value)
    assert str(caught.value).endswith(f"\nwalk={walk!r}")


def test_a_refused_turn_fails() -> None:
    """The spec has no answer."""
    walk = ["token for host 0 duplicated", "token reaches host 0", "token reaches host 0"]
    with pytest.raises(AssertionError, match="the spec has no answer: station in holding has"):
        follow(open_space(RING, {"faults.duplicate": 1}), walk)


def test_a_deadlock_fails_where_the_walk_ends_in_it() -> None:
    """And not where more could happen."""
    space = GraphSpace([(0, 1, "a", None)], {"p": frozenset()}, [promise("deadlock")])
    follow(space, [])
    with pytest.raises(AssertionError, match="deadlock is violated"):
        follow(space, ["move 0"])


def test_a_way_that_is_closed_ends_the_walk() -> None:
    """So a pinned walk passes once the mistake is mended; what is left of it is said."""
    taken = follow(COUNTER, ["read(t=0)", "read(t=0)", "write(t=0)"])
    assert (taken.names, taken.left) == (["read(t=0)"], ("read(t=0)", "write(t=0)"))
    assert follow(COUNTER, ["read(t=0)"]).left == ()
    with pytest.raises(LookupError, match=r"'write\(t=0\)' is not possible here"):
        walked(COUNTER, ["write(t=0)"])


def test_a_walk_that_names_no_move_cannot_be_followed() -> None:
    """Else a test that pins it would be green for ever: a misspelt or renamed action, an argument that there is not;
    also behind a move that is not possible. Of a pool timers and orders are known."""
    for walk in (["read(t=0)", "raed(t=0)"], ["read(t=0)", "read(t=7)"], ["write(t=0)", "read"]):
        with pytest.raises(SpecError) as caught:
            follow(COUNTER, walk)
        said = f"the pinned walk cannot be followed, its step 2, {walk[1]!r}, names no move of counter"
        assert f"{said}; delete the example or find it again [unknown-name]" in str(caught.value)
    careless = open_space(str(DATA / "toys" / "systems" / "careless.yaml"))
    follow(careless, ["timer of careless at host 1", "timer of careless at host 1 #2", "it rains"])
    for label in ("timer of careless at host 2", "timer of careful at host 0", "operator: careless.go at host 0"):
        with pytest.raises(SpecError, match=r"step 1, .* names no move of careless"):
            follow(careless, [label])


@pytest.mark.parametrize(
    ("name", "walk", "message"),
    [
        ("single", ["toggle(i=0)", "blackout"], ""),
        ("dark", ["toggle(i=0)", "blackout"], "dark is violated: no blackout while lamp 0 is on\n0. on[0]"),
        ("light", ["blackout"], "light is violated: there can be light again\n0. on[0]"),
        ("light", ["blackout"], "\nno way leads from here to: on[0]\nwalk=['blackout']"),
        ("light", ["toggle(i=0)", "blackout"], ""),
        ("wired", ["blackout"], "wired is not reached: a blackout with both lamps on\n0. on[0]"),
        ("wired", ["toggle(i=0)", "toggle(i=1)", "blackout"], ""),
        ("fine", ["toggle(i=0)", "toggle(i=1)", "blackout"], ""),
        ("", ["toggle(i=0)", "toggle(i=1)", "blackout"], ""),
    ],
)
def test_one_promise_may_be_looked_at(name: str, walk: list[str], message: str) -> None:
    """And nothing else is; that another was looked at before makes no difference. Each fails with a story."""
    space, said = open_space(LIGHTS), ""
    follow(space, walk, promise="fine")
    try:
        follow(space, walk, promise=name)
    except AssertionError as error:
        said = str(error)
    assert message in said
    assert bool(said) == bool(message)


def test_a_promise_that_there_is_not_cannot_be_looked_at() -> None:
    """The test of a renamed property would be green for ever."""
    with pytest.raises(SpecError, match=r"there is no property 'drak'; did you mean 'dark'\?"):
        follow(open_space(LIGHTS), [], promise="drak")


def test_a_refused_turn_ends_a_walk_that_looks_at_a_promise() -> None:
    """It is another mistake than the one that is looked for."""
    walk = ["token for host 0 duplicated", "token reaches host 0", "token reaches host 0"]
    taken = follow(open_space(RING, {"faults.duplicate": 1}), walk, promise="turns")
    assert taken.left == ("token reaches host 0",)


def test_every_circle_that_a_walk_closes_is_looked_at() -> None:
    """A wide one may be unfair, a narrow one inside of it fair: from 1 to 2 and back 0 with its way out is not met."""
    moves = [(0, 1, "a", None), (1, 2, "a", None), (2, 1, "a", None), (1, 0, "a", None), (0, 3, "out", None)]
    space = GraphSpace(moves, {"p": frozenset({3})}, [promise("eventually")], Fairness((), ("out",)), (1,))
    with pytest.raises(AssertionError, match="eventually is violated"):
        follow(space, ["move 3", "move 0", "move 1", "move 2"])


def test_a_pool_is_walked_through_as_well() -> None:
    """Two of three hosts test before either takes: four moves. Of twelve seeds ten shrink so far, two to seven."""
    space = open_space(str(DATA / "toys" / "systems" / "careless.yaml"), {"hosts": 3})

    def both_inside(walk: list[str]) -> bool:
        return "exclusion is violated" in failure(space, walk)

    walk = find(walks(space), both_inside, random=Random(0), settings=settings(database=None))
    assert len(walk) == 4
    assert len(set(walk)) == 2


@given(st.text(max_size=8))
def test_a_space_that_there_is_not_is_refused(name: str) -> None:
    """In one line."""
    with pytest.raises(SpecError):
        open_space(f"no such {name}")


def test_settings_are_those_of_the_command() -> None:
    """Numbers may be written as such."""
    space = open_space("counter", {"n": 3})
    assert sum(name.startswith("at[") for name in space.named(begin(space).state)) == 3
