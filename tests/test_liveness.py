"""Promises of the future: both engines against each other, against sets of states tried one by one, and against the
verdicts that are known of Peterson's algorithm, dining philosophers and the alternating bit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import chain, combinations, pairwise

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm.errors import SpecError
from fsm.search.engine import Lasso
from fsm.search.explore import FAST, REFERENCE, explore
from fsm.search.fairness import check_patterns, debt
from fsm.search.fast import FastSearch
from fsm.search.liveness import decide_fast
from fsm.search.liveness_reference import decide_reference
from fsm.search.reference import ReferenceSearch
from fsm.search.result import Limits
from fsm.search.space import Fairness, Property
from tests.graph_space import AT, GraphSpace, promise

PROMISES = [
    promise("eventually"),
    promise("leads_to", "q", "p"),
    evolve(promise("eventually", counting_on=("f",)), name="eventually_counting"),
    evolve(promise("leads_to", "q", "p", ("f",)), name="leads_to_counting"),
    promise("recoverable"),
    evolve(promise("recoverable", counting_on=("f",)), name="recoverable_counting"),
]
STATES = range(5)


@st.composite
def spaces(draw: st.DrawFn) -> GraphSpace:
    """Five states, few moves, some of them faults and orders; any fairness."""
    state, group = st.integers(0, 4), st.sampled_from("abc")
    fault = st.sampled_from([None, None, None, "f", "operator"])
    moves = draw(st.lists(st.tuples(state, state, group, fault), max_size=12))
    sets = {name: draw(st.frozensets(state, max_size=3)) for name in "pq"}
    patterns = st.lists(st.sampled_from(["a", "b", "?", "*"]), max_size=2).map(tuple)
    beginning = draw(st.lists(state, min_size=1, max_size=2, unique=True))
    return GraphSpace(moves, sets, PROMISES, Fairness(draw(patterns), draw(patterns)), beginning)


def both(space: GraphSpace) -> list[dict[str, Lasso | None]]:
    """What the two engines answer."""
    plain: ReferenceSearch[int] = ReferenceSearch(space)
    assert plain.run(Limits(), None, False)
    fast = FastSearch(space.kernel(), False)
    assert fast.run(Limits())
    return [decide_reference(plain, space, space.properties), decide_fast(fast, space.properties)]


def closure(states: frozenset[int], moves: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
    """Which states lead to which, inside."""
    pairs = {(s, s) for s in states} | {(s, t) for s, t in moves if s in states and t in states}
    while more := {(a, d) for a, b in pairs for c, d in pairs if b == c} - pairs:
        pairs |= more
    return pairs


def stays(space: GraphSpace, promised: Property, states: frozenset[int], taken: set[tuple[str, str | None]]) -> bool:
    """Whether who comes by these states for ever, and takes moves of these groups for ever, is fair."""
    for name, fault in {(g, f) for s, t, g, f in space.moves if s != t and (f is None or f in promised.counting_on)}:
        possible = [any(m[0] == s != m[1] and m[2:] == (name, fault) for m in space.moves) for s in states]
        strong = any(fnmatchcase(name, pattern) for pattern in space.fairness.strong)
        weak = fault is not None or any(fnmatchcase(name, pattern) for pattern in space.fairness.weak)
        if (name, fault) not in taken and (strong and any(possible) or weak and all(possible)):
            return False
    return True


def fair_sets(space: GraphSpace, promised: Property, goal: frozenset[int]) -> Iterator[frozenset[int]]:
    """Every set of states without the goal that a fair run may go through for ever: all sets are tried."""
    lasting = [m for m in space.moves if m[3] is None or m[3] in promised.counting_on]
    for members in chain.from_iterable(combinations(sorted(set(STATES) - goal), size) for size in range(1, 6)):
        states = frozenset(members)
        inner = [m for m in lasting if m[0] in states and m[1] in states and m[0] != m[1]]
        connected = len(closure(states, [m[:2] for m in inner])) == len(states) ** 2
        if connected and stays(space, promised, states, {m[2:] for m in inner}):
            yield states


def nearest(space: GraphSpace, promised: Property) -> int | None:
    """The length of a shortest way to a counterexample, None where there is none: by rounds of all ways at once."""
    if promised.kind == "recoverable":
        lasting = [m[:2] for m in space.moves if m[3] is None or m[3] in promised.counting_on]
        leads = closure(frozenset(STATES), lasting)
        bad = {s for s in STATES if not any((s, goal) in leads for goal in space.sets["p"])}
        waiting_in: frozenset[int] = frozenset(STATES)
    else:
        goal = space.sets["p"]
        bad = set(chain.from_iterable(fair_sets(space, promised, goal)))
        begins = frozenset(space.beginning) if promised.kind == "eventually" else space.sets["q"]
        waiting_in = begins - goal
    idle, waits = set(space.beginning), set(space.beginning) & waiting_in
    for length in range(2 * len(STATES)):
        if waits & bad:
            return length
        if promised.kind == "recoverable":
            waits = {t for s, t, _, _ in space.moves if s in waits} | waits
            continue
        waits |= {t for s, t, _, _ in space.moves if s in waits and t not in goal}
        idle |= {t for s, t, _, _ in space.moves if s in idle}
        waits |= idle & waiting_in
    return None


def check(space: GraphSpace, promised: Property, lasso: Lasso) -> None:
    """A counterexample proves itself."""
    steps = {m[:2] for m in space.moves}
    assert lasso.path[0] in space.beginning
    assert all(pair in steps for pair in pairwise(lasso.path))
    if promised.kind == "recoverable":
        assert lasso.loop is None
        return
    assert lasso.loop is not None
    way, walk = lasso.path[: lasso.loop + 1], lasso.path[lasso.loop :]
    assert walk[0] == walk[-1]
    assert len(lasso.groups) == len(walk) - 1
    for (source, target), (group, fault) in zip(pairwise(walk), lasso.groups, strict=True):
        assert (source, target, group, fault) in space.moves
        assert fault is None or fault in promised.counting_on
    assert stays(space, promised, frozenset(walk), set(lasso.groups))
    goal, started = space.sets["p"], space.sets["q"]
    waits = [at for at, s in enumerate(way) if s not in goal and (promised.kind == "eventually" or s in started)]
    start = 0 if promised.kind == "eventually" else max(at for at in waits if not goal & set(way[at:]))
    assert not goal & {*way[start:], *walk}


@settings(max_examples=400)
@given(spaces())
def test_engines_and_all_sets_agree(space: GraphSpace) -> None:
    """On whether there is a counterexample, on the length of the way to it; and what is shown is one."""
    plain, fast = both(space)
    for promised in PROMISES:
        found = [answers[promised.name] for answers in (plain, fast)]
        length = nearest(space, promised)
        assert [lasso is None for lasso in found] == [length is None] * 2
        for lasso in found:
            if lasso is not None:
                check(space, promised, lasso)
                assert (len(lasso.path) - 1 if lasso.loop is None else lasso.loop) == length
