"""Promises of the future: both engines against each other, against sets of states tried one by one, and against the
verdicts that are known of Peterson's algorithm, dining philosophers and the alternating bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import chain, combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm.errors import SpecError
from fsm.locate import specs
from fsm.search.engine import Lasso
from fsm.search.explore import FAST, REFERENCE, explore
from fsm.search.fairness import check_patterns, debt
from fsm.search.fast import FastSearch
from fsm.search.liveness import decide_fast
from fsm.search.liveness_reference import decide_reference
from fsm.search.load import load_space
from fsm.search.reference import ReferenceSearch
from fsm.search.result import HOLDS, NOT_REACHED, OPEN, VACUOUS, VIOLATED, Limits
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
        if (name, fault) not in taken and ((strong and any(possible)) or (weak and all(possible))):
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
    goal = space.sets["p"]
    if promised.kind == "recoverable":
        lasting = [m[:2] for m in space.moves if m[3] is None or m[3] in promised.counting_on]
        leads = closure(frozenset(STATES), lasting)
        bad = {s for s in STATES if not any((s, goal) in leads for goal in space.sets["p"])}
        waiting_in: frozenset[int] = frozenset(STATES)
    else:
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


@settings(max_examples=150)
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


def verdicts(path: Path, engine: str) -> dict[str, str]:
    """What one engine says of a model."""
    return {v.property.name: v.verdict for v in explore(load_space(path), engine=engine).verdicts}


def example(folder: Path, name: str, *changes: tuple[str, str]) -> Path:
    """A copy of a shipped example, changed."""
    text = (specs() / "examples" / f"{name}.yaml").read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / f"{name}.yaml"
    path.write_text(text, "utf-8")
    return path


PETERSON, ORDERED, BIT = "11-peterson", "13-philosophers-ordered", "14-alternating-bit"
STEPS = 'fair: {weak: ["hoist(*", "defer(*", "look(*", "leave(*", "lower(*"]}\n'
LOSSY = ("fault: lose, why", "why"), ("faults: {lose: any}\n", "")
"""Losses that never stop are no faults to a promise of the future: faults do."""
KNOWN = [
    (PETERSON, ((STEPS, ""),), {"served_0": VIOLATED, "served_1": VIOLATED}),
    (PETERSON, (), {"served_0": HOLDS, "served_1": HOLDS, "again": VIOLATED}),
    (ORDERED, (), {"fed": HOLDS, "fed_last": HOLDS}),
    (ORDERED, (('fair: {strong: ["*"]}', 'fair: {weak: ["*"]}'),), {"fed": VIOLATED, "fed_last": VIOLATED}),
    (BIT, LOSSY, {"received_0": HOLDS, "received_1": HOLDS}),
    (BIT, (*LOSSY, ("strong: [receive, hear]", "strong: [hear]")), {"received_0": VIOLATED, "received_1": VIOLATED}),
]


@pytest.mark.parametrize("engine", [FAST, REFERENCE])
@pytest.mark.parametrize(("name", "changes", "known"), KNOWN)
def test_verdicts_that_are_known(
    tmp_path: Path, name: str, changes: Sequence[tuple[str, str]], known: Mapping[str, str], engine: str
) -> None:
    """Of TLC, under the fairness that each row names: none, weak, strong."""
    found = verdicts(example(tmp_path, name, *changes), engine)
    assert {promised: found[promised] for promised in known} == known


def test_a_lasso_is_told_with_the_step_it_comes_back_to(tmp_path: Path) -> None:
    """Philosophers who are only weakly fair: the others eat, and philosopher 0 never does."""
    path = example(tmp_path, ORDERED, ('{strong: ["*"]}', '{weak: ["*"]}'))
    traces = [explore(load_space(path), engine=engine).verdict("fed").trace for engine in (FAST, REFERENCE)]
    for trace in traces:
        assert trace is not None
        assert trace.loop is not None
        walk = trace.steps[trace.loop - 1 :]
        assert {"take(p=1)", "put(p=1)"} <= {step.label for step in walk}
        assert "eat(p=0)" not in {step.label for step in walk}
        assert f"and again from step {trace.loop}, for ever" in trace.lines()
    assert len({trace.loop for trace in traces if trace}) == 1


STAIRS = """language: 1
model: stairs
essay: Three steps up; who slips on the second begins anew.
variables: {x: {type: "0..3", initial: "0"}}
faults: {slip: any}
actions:
- {action: up,   if: "x < 3",  set: {x: "x + 1"}, why: "a step"}
- {action: rest, if: "x == 3", set: {x: "3"},     why: "nothing is left to do"}
- {action: slip, if: "x == 2", set: {x: "0"}, fault: slip, why: "it is wet"}
fair: {weak: [up]}
properties:
  always:      {always: "x <= 3", why: "no more than three"}
  step:        {step: "next_x == x + 1 or next_x == 0", why: "one at a time"}
  reachable:   {reachable: "x == 3", why: "the top is reached"}
  recoverable: {recoverable: "x == 3", why: "the top can be reached"}
  back:        {recoverable: "x in [0, 3]", counting_on: [slip], why: "or one slips"}
  eventually:  {eventually: "x == 3", why: "the top is reached at last"}
  leads_to:    {leads_to: {from: "x == 1", to: "x == 3"}, why: "who begins comes to the end"}
  deadlock:    {deadlock: "false", why: "nothing is stuck"}
  needs:       {always: "x < 4", needs: "x == 3", why: "and that says something"}
""".replace("x in [0, 3]", "x == 0 or x == 3")
BROKEN = [
    ('always: "x <= 3"', 'always: "x <= 2"', {"always": VIOLATED}),
    ("next_x == x + 1 or next_x == 0", "next_x == x + 1", {"step": VIOLATED}),
    ('reachable: "x == 3"', 'reachable: "x == 3 and x == 0"', {"reachable": NOT_REACHED}),
    ('recoverable: "x == 3"', 'recoverable: "x == 0"', {"recoverable": VIOLATED}),
    ("x == 0 or x == 3", "x == 0", {"back": VIOLATED}),
    ("fair: {weak: [up]}\n", "", {"eventually": VIOLATED, "leads_to": VIOLATED}),
    ('eventually: "x == 3"', 'eventually: "x == 3", counting_on: [slip]', {"eventually": VIOLATED}),
    ('to: "x == 3"}', 'to: "x == 3"}, counting_on: [slip]', {"leads_to": VIOLATED}),
    ('to: "x == 3"', 'to: "x == 0"', {"leads_to": VIOLATED}),
    ('"x == 3", set: {x: "3"}', '"x == 2", set: {x: "2"}', {"deadlock": VIOLATED}),
    ('needs: "x == 3"', 'needs: "x == 3 and x == 0"', {"needs": VACUOUS}),
]


@pytest.mark.parametrize("engine", [FAST, REFERENCE])
def test_one_mutation_breaks_each_kind(tmp_path: Path, engine: str) -> None:
    """All hold as it is; each mutation breaks what it is about, and nothing else."""
    path = tmp_path / "stairs.yaml"
    path.write_text(STAIRS, "utf-8")
    assert set(verdicts(path, engine).values()) == {HOLDS}
    for old, new, broken in BROKEN:
        assert old in STAIRS
        path.write_text(STAIRS.replace(old, new), "utf-8")
        assert {name: v for name, v in verdicts(path, engine).items() if v != HOLDS} == broken


def test_what_owes_what() -> None:
    """Faults never happen for ever and orders neither; what is counted on comes; brackets are letters."""
    fair = Fairness(weak=("a*", "r[v] *"), strong=("* forms",))
    said = {
        ("a", None): "weak", ("b", None): "free", ("0 forms", None): "strong", ("a", "crash"): "never",
        ("a", "operator"): "never", ("b", "boot"): "weak", ("0 forms", "boot"): "strong", ("r[v] of 0", None): "weak",
        ("rv of 0", None): "free",
    }  # fmt: skip
    assert {group: debt(fair, group, ("boot",)) for group in said} == said


def test_a_pattern_that_fits_nothing_is_refused() -> None:
    """It would be taken for an assumption, and is none; the message knows what was meant."""
    check_patterns(Fairness(("take*",), ("?at",), AT), ["take(p=0)", "eat"])
    with pytest.raises(SpecError, match=r"no group of moves is called 'taek\*'; did you mean 'take'") as caught:
        check_patterns(Fairness(("taek*",), (), AT), ["take", "eat"])
    assert str(caught.value).startswith("graph:1:1: fair: ")


def test_symmetry_changes_no_promise_of_the_future(tmp_path: Path) -> None:
    """Fairness tells apart what symmetry takes for one, so it is decided without."""
    path = tmp_path / "two.yaml"
    path.write_text(TWO, "utf-8")
    for engine in (FAST, REFERENCE):
        found = [explore(load_space(path), engine=engine, symmetry=symmetry) for symmetry in (False, True)]
        assert found[1].distinct < found[0].distinct
        said = [{v.property.name: v.verdict for v in result.verdicts} for result in found]
        assert said[0] == said[1] == {"each": VIOLATED, "some": HOLDS, "can": HOLDS}
        trace = found[1].verdict("each").trace
        assert trace is not None
        assert trace.loop is not None
        cut = explore(load_space(path), engine=engine, symmetry=True, limits=Limits(states=found[1].distinct))
        assert not cut.finished
        assert {v.verdict for v in cut.verdicts} == {OPEN}


TWO = """language: 1
model: two
essay: Two lamps; each may be lit, and goes out again.
indices: {lamp: 3}
variables: {lit: {each: lamp, type: bool}}
actions:
- {action: light, each: {i: lamp}, if: "not lit[i]", set: {"lit[i]": "true"},  why: "somebody comes"}
- {action: out,   each: {i: lamp}, if: "lit[i]",     set: {"lit[i]": "false"}, why: "and goes"}
fair: {weak: ["*"]}
properties:
  each: {leads_to: {from: "true", to: "all(lit[i] for i in lamp)"}, why: "wrong: never all at once, maybe"}
  some: {leads_to: {from: "true", to: "any(lit[i] for i in lamp)"}, why: "one at least"}
  can:  {recoverable: "all(lit[i] for i in lamp)", why: "they can be"}
"""


@pytest.mark.parametrize("engine", [FAST, REFERENCE])
def test_a_limit_of_seconds_is_one_of_all_of_it(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is decided after the search has the seconds that the search has left; what is late is open, and what the
    search itself has decided is not."""
    said: list[float | None] = []
    name = "decide_fast" if engine == FAST else "decide_reference"
    module = "liveness" if engine == FAST else "liveness_reference"
    decide = decide_fast if engine == FAST else decide_reference

    def late(*args: Any) -> dict[str, Lasso | None]:
        said.append(args[-1].seconds)
        return decide(*args[:-1], evolve(args[-1], seconds=0.0))  # type: ignore[call-arg]

    monkeypatch.setattr(f"fsm.search.{module}.{name}", late)
    always = evolve(promise("eventually"), name="always", kind="always", text="p", goal="")
    space = GraphSpace([(0, 1, "a", None)], {"p": frozenset({0, 1})}, [always, promise("eventually")], Fairness(), [0])
    found = explore(space, engine=engine, limits=Limits(seconds=60))
    assert said[0] is not None
    assert 0 < said[0] < 60
    assert [verdict.verdict for verdict in found.verdicts] == [HOLDS, OPEN]
    assert not found.finished
