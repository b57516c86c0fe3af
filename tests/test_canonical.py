"""One packed state stands for all images of a state, however the indices are used."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from fsm.errors import SpecError
from fsm.models.canonical import columns_of
from fsm.models.model import Model
from fsm.models.model_kernel import ModelKernel
from fsm.models.model_space import ModelSpace
from fsm.models.types import values
from fsm.search.explore import FAST, REFERENCE, explore
from fsm.search.result import VIOLATED
from fsm.search.walk import walk_of
from tests.graph_space import GraphKernel, GraphSpace, promise

UNARY = """
  state: {each: p, type: [idle, busy, done]}
  ranks: {each: [p, half], type: "0..2"}
  those: {type: set of p}
  first: {type: "p?"}
  turn:  {type: p, initial: any}
  other: {type: [left, right]}
"""
PAIRS = """
  knows: {each: [p, p], type: bool}
  likes: {each: p, type: "p?"}
  queue: {type: queue of p, most: "2"}
  those: {type: set of p}
"""
APART = """
  state: {each: p, type: [idle, busy, done]}
  knows: {each: [r, r], type: bool}
  chief: {type: "r?"}
"""
BOTH = """
  holds: {each: [p, r], type: bool}
  those: {type: set of p}
  chief: {type: "r?"}
"""
MODEL = """language: 1
model: chance
essay: |
  Indices in all their uses.
indices: {{p: 3, r: 3, half: 2}}
variables:{variables}
actions:
- {{action: stay, if: "true", set: {{}}, why: "nothing happens"}}
properties:
  fine: {{always: "all(h == h for h in half) and 0 in {{h for h in half}}", why: "the halves are told apart"}}
"""


@pytest.fixture(params=[UNARY, PAIRS, APART, BOTH], ids=["unary", "pairs", "apart", "both"])
def kernel(request: pytest.FixtureRequest, tmp_path: Path) -> ModelKernel:
    """A kernel of a model with variables that speak of indices in one way or another."""
    path = tmp_path / "chance.yaml"
    path.write_text(MODEL.format(variables=request.param.rstrip()), encoding="utf-8")
    return ModelKernel(ModelSpace(Model.load(path)))


def test_all_images_have_one_representative_which_is_one_of_them(kernel: ModelKernel) -> None:
    """And what is no image has another one: representatives are equal just where one state is an image of the other."""
    random, space, orbits = Random(1), kernel.space, dict[int, frozenset[int]]()
    slots = [list(values(slot.type)) for slot in space.grounded.slots]
    for _ in range(60):
        state = tuple(random.choice(choices) for choices in slots)
        images = frozenset(kernel.pack(image) for image in space.images(state))
        found = set(kernel.canonical(np.array(sorted(images), kernel.packing.kind)).tolist())
        assert len(found) == 1
        representative = found.pop()
        assert representative in images
        assert orbits.setdefault(representative, images) == images


def test_unary_data_is_sorted_and_pairs_are_not(tmp_path: Path) -> None:
    """Sorting is what makes seven managers cheap; it would be wrong for what speaks of two members at once."""
    path, sorted_ = tmp_path / "chance.yaml", []
    for variables in (UNARY, PAIRS, APART, BOTH):
        path.write_text(MODEL.format(variables=variables.rstrip()), encoding="utf-8")
        kernel = ModelKernel(ModelSpace(Model.load(path)))
        model, grounded = kernel.space.model, kernel.space.grounded
        each = {variable.name: tuple(item.value for item in variable.each) for variable in model.variables}
        columns = columns_of("p", 3, each, ("p", "r"), grounded.slots, kernel.packing)
        sorted_.append(columns is not None)
    assert sorted_ == [True, False, True, False]


def test_what_tells_members_apart_is_named(tmp_path: Path) -> None:
    """Symmetry is checked, not assumed: the place and the words that name a member."""
    path = tmp_path / "chance.yaml"
    text = MODEL.format(variables=UNARY.rstrip()).replace('if: "true"', 'if: "turn == 0"')
    path.write_text(text.replace("r: 3, ", ""), encoding="utf-8")
    with pytest.raises(SpecError, match=r"chance\.yaml:\d+:\d+: .*turn == 0.*members of p"):
        explore(ModelSpace(Model.load(path)), symmetry=True)


@pytest.mark.parametrize("n", [3, 9, 12])
def test_a_violation_is_told_where_there_are_too_many_images_to_try(n: int, tmp_path: Path) -> None:
    """Twelve members have 479,001,600 permutations; the shortest way is two steps for each of three, as without."""
    (tmp_path / "queue.yaml").write_text(
        f"""language: 1
model: queue
essay: Who is done, is done.
indices: {{p: {n}}}
variables: {{state: {{each: p, type: [idle, busy, done]}}, turn: {{type: "p?"}}}}
actions:
- {{action: begin, each: {{x: p}}, if: "turn == none and state[x]==idle", set: {{"state[x]": busy, turn: x}}, why: i}}
- {{action: end, if: "turn != none", set: {{"state[turn]": done, turn: none}}, why: "its turn is over"}}
properties: {{few: {{always: "count(state[x] == done for x in p) < 3", why: "too many"}}}}
""",
        encoding="utf-8",
    )
    result = explore(ModelSpace(Model.load(tmp_path / "queue.yaml")), symmetry=True)
    (few,) = result.verdicts
    assert few.trace is not None
    assert (result.distinct, few.verdict, len(few.trace.steps)) == (2 * n + 1, "violated", 6)


PICK = """\
language: 1
model: pick
essay: One is picked, and then one is marked.
parameters: {n: 2}
indices: {p: n}
variables: {a: {each: p, type: bool}, b: {each: p, type: bool}}
actions:
- {action: pick, each: {i: p}, if: "not any(a[j] or b[j] for j in p)", set: {"a[i]": "true"}, why: "one is picked"}
- {action: mark, each: {i: p, k: p}, if: "a[k]", set: {"a[k]": "false", "b[i]": "true"}, why: "one is marked"}
properties:
  own: {step: "all(not next_b[i] or b[i] or a[i] for i in p)", why: "who is marked was picked"}
"""


@pytest.mark.parametrize("engine", [FAST, REFERENCE])
def test_a_counterexample_of_a_step_ends_with_the_step_that_breaks_it(tmp_path: Path, engine: str) -> None:
    """Two moves may lead to permutations of one state, of which one breaks the promise."""
    path = tmp_path / "pick.yaml"
    path.write_text(PICK, encoding="utf-8")
    space = ModelSpace(Model.load(path))
    result = explore(space, engine=engine, symmetry=True)
    (verdict,) = result.verdicts
    assert (result.distinct, verdict.verdict) == (3, VIOLATED)
    assert verdict.trace is not None
    assert walk_of(space, verdict.trace).breaks(verdict.property)


class _Mirrored(GraphSpace):
    """A graph in which 0 and 1 are images of each other, and 2 and 3."""

    def images(self, state: int) -> tuple[int, ...]:
        return state, state ^ 1

    def kernel(self) -> Any:
        return _MirroredKernel(self)


class _MirroredKernel(GraphKernel):
    """Of two images the smaller one."""

    def canonical(self, states: Any) -> Any:
        return states & ~np.uint64(1)


@pytest.mark.parametrize("engine", [FAST, REFERENCE])
def test_a_story_begins_at_the_beginning(engine: str) -> None:
    """Also where only one of two images is there."""
    moves = [(1, 3, "g", None), (0, 2, "g", None)]
    space = _Mirrored(moves, {"p": frozenset({0, 1})}, [promise("always")], beginning=(1,))
    (verdict,) = explore(space, engine=engine, symmetry=True).verdicts
    assert verdict.trace is not None
    assert walk_of(space, verdict.trace).states == [1, 3]
