"""Random walks: the same for the same seed, honest about what they cannot know, and right in what they find."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm.cli import main
from fsm.search.explore import REFERENCE, explore
from fsm.search.load import load_space
from fsm.search.random_walk import random_walk, shortened
from fsm.search.result import Limits, Progress
from fsm.search.space import Fairness
from fsm.search.walk import walk_of
from tests.graph_space import GraphSpace, promise

DATA = Path(__file__).parent / "data"
LIGHTS = DATA / "models" / "lights.yaml"
TOYS = DATA / "toys" / "systems"


def test_the_same_seed_finds_the_same() -> None:
    """Counts, verdicts and traces; another seed takes other walks."""
    space = load_space(LIGHTS)
    one, again, other = (random_walk(space, seed, steps=60, length=12) for seed in (5, 5, 6))
    assert (one.distinct, one.verdicts, one.fired) == (again.distinct, again.verdicts, again.fired)
    assert one.verdicts != other.verdicts


def test_what_is_found_is_what_the_checker_finds() -> None:
    """In a space so small that walks see all of it: the same verdicts, but for what needs all states."""
    space = load_space(LIGHTS)
    exact, found = explore(space, engine=REFERENCE), random_walk(space, steps=3000, length=20)
    assert found.distinct == exact.distinct
    assert found.fired == exact.fired
    verdicts = {verdict.property.name: verdict.verdict for verdict in found.verdicts}
    assert verdicts == {
        "single": "violated", "dark": "violated", "both": "open", "back": "open", "light": "open", "wired": "holds",
        "fine": "open",
    }  # fmt: skip
    for verdict in found.verdicts:
        if verdict.trace is not None:
            shortest = exact.verdict(verdict.property.name).trace
            assert shortest is not None
            assert len(verdict.trace) >= len(shortest)
    assert (found.finished, found.exit_code) == (False, 1)


def test_nothing_found_is_no_proof() -> None:
    """Exit code 2, and everything is open."""
    result = random_walk(load_space(TOYS / "careful.yaml"), steps=500)
    assert {v.verdict for v in result.verdicts if v.property.kind == "always"} == {"open"}
    assert result.exit_code == 2
    assert (result.generated, result.edges) == (500, 500)


def test_a_refused_turn_is_found() -> None:
    """With the way to it."""
    space = load_space(TOYS / "ring.yaml", [("faults.duplicate", "1")])
    result = random_walk(space, steps=2000, length=30)
    assert [refusal.message for refusal in result.refusals] == ["station in holding has no row for link.token"]
    assert result.refusals[0].trace.steps[-1].refused is not None


GRAPH = ("always", "step", "deadlock", "reachable")


@st.composite
def graphs(draw: st.DrawFn) -> GraphSpace:
    """Six states, any moves between them, some of them faults."""
    state = st.integers(0, 5)
    fault = st.sampled_from([None, None, "f", "operator"])
    moves = draw(st.lists(st.tuples(state, state, st.just("a"), fault), max_size=14))
    sets = {"p": draw(st.frozensets(state)), "": frozenset[int]()}
    return GraphSpace(moves, sets, [promise(kind) for kind in GRAPH], Fairness())


@settings(max_examples=150)
@given(graphs(), st.integers(0, 9))
def test_every_finding_is_true(space: GraphSpace, seed: int) -> None:
    """Each trace is a walk that breaks, or reaches, what it is said to; and nothing is claimed beyond that."""
    exact = explore(space, engine=REFERENCE)
    for verdict in random_walk(space, seed, steps=40, length=8).verdicts:
        if verdict.trace is None:
            assert verdict.verdict == "open"
            continue
        walk = walk_of(space, verdict.trace)
        broken = walk.reaches if verdict.property.kind == "reachable" else walk.breaks
        assert broken(verdict.property)
        assert exact.verdict(verdict.property.name).verdict == verdict.verdict


@given(graphs(), st.lists(st.integers(0, 20), min_size=1, max_size=30))
def test_a_way_is_made_shorter_and_stays_a_way(space: GraphSpace, choices: list[int]) -> None:
    """From a beginning to the same end, move by move, no state twice, over states of the way alone."""
    path = [0]
    for choice in choices:
        targets = [edge.target for edge in space.edges(path[-1]) if edge.target is not None]
        if targets:
            path.append(targets[choice % len(targets)])
    short = shortened(space, path)
    assert (short[0], short[-1]) == (0, path[-1])
    assert len(set(short)) == len(short) <= len(path)
    assert set(short) <= set(path)
    for a, b in pairwise(short):
        assert b in [edge.target for edge in space.edges(a)]


def test_walks_end_where_they_are_told_to() -> None:
    """After so many moves, states or seconds, or at the first violation; a walk that leads nowhere counts as well."""
    space = load_space(TOYS / "careful.yaml")
    assert random_walk(space, limits=Limits(states=1)).generated <= 200
    assert random_walk(space, limits=Limits(memory=1.0)).generated == 0
    assert random_walk(space, limits=Limits(seconds=-1.0)).generated == 0
    assert random_walk(GraphSpace([], {}, []), steps=30).generated == 30
    first = random_walk(load_space(LIGHTS), stop_at_first=True)
    assert [verdict.verdict for verdict in first.verdicts].count("violated") == 1
    assert first.generated < 100


def test_progress_is_told_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """States seen, moves taken; nothing waits to be looked into."""
    ticks = iter(range(10_000))
    monkeypatch.setattr("fsm.search.random_walk.time.monotonic", lambda: float(next(ticks)))
    told: list[Progress] = []
    random_walk(load_space(TOYS / "careful.yaml"), steps=1000, length=100, progress=told.append)
    assert [progress.generated for progress in told] == list(range(0, 1000, 100))
    assert told[-1].states == 3


def test_the_command_walks_by_chance(capsys: pytest.CaptureFixture[str]) -> None:
    """It says how far it went; symmetry is nothing to it."""
    assert main(["verify", str(LIGHTS), "--random", "60", "--seed", "3", "--trace", "golden"]) == 1
    said = capsys.readouterr()
    assert said.err.startswith("lights: walks by chance: ")
    assert " states seen in 60 moves, " in said.err
    assert "violates single\n----\nviolated\n" in said.out
    assert main(["verify", str(TOYS / "careful.yaml"), "--random"]) == 2
    assert "100,000 moves, 200 in the longest walk" in (out := capsys.readouterr().out)
    assert "no violation so far" in out
    with pytest.raises(SystemExit):
        main(["verify", str(LIGHTS), "--random", "--symmetry"])
