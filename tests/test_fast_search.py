"""The fast search over kernels of the ladder: counts, limits, ways back, positions, and what it settles."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsm.errors import SpecError
from fsm.locate import specs
from fsm.models.model import Model
from fsm.models.model_space import ModelSpace
from fsm.search import fast
from fsm.search.fast import FastSearch
from fsm.search.memory import resident
from fsm.search.reference import ReferenceSearch
from fsm.search.result import Limits, Progress


def _space(name: str, **settings: int) -> ModelSpace:
    model = Model.load(specs() / "examples" / f"{name}.yaml")
    for setting, value in settings.items():
        model = model.with_setting(setting, str(value))
    return ModelSpace(model)


def _search(name: str, symmetry: bool = False, **settings: int) -> FastSearch:
    return FastSearch(_space(name, **settings).kernel(), symmetry)


def _written(folder: Path, text: str) -> FastSearch:
    path = folder / "small.yaml"
    path.write_text(f"language: 1\nmodel: small\nessay: |\n  Small.\n{text}", encoding="utf-8")
    return FastSearch(ModelSpace(Model.load(path)).kernel(), symmetry=False)


CLIMB = """
variables: {x: {type: "0..9"}, y: {type: "0..9", initial: any}}
actions:
- {action: up, if: "x < 9", set: {x: "x + 1"}, why: "it goes up"}
"""
PROMISE = 'properties:\n  low: {always: "x < 3", why: "too high"}\n'


@pytest.mark.parametrize("chunk", [1, 7, 1 << 16])
def test_the_size_of_a_chunk_changes_nothing(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """States, moves, edges and levels of two-phase commit with four managers."""
    monkeypatch.setattr(fast, "CHUNK", chunk)
    search = _search("10-two-phase-commit", n=4)
    assert search.run(Limits())
    assert (search.distinct, search.depth) == (1_568, 14)
    plain = ReferenceSearch(_space("10-two-phase-commit", n=4))
    plain.run(Limits(), None, stop_at_first=False)
    assert (search.generated, search.edges, search.fired) == (plain.generated, plain.edges, plain.fired)


@pytest.mark.parametrize("symmetry", [False, True])
def test_a_way_to_each_state_is_as_long_as_its_level(symmetry: bool) -> None:
    """Every step of it is a move, with symmetry up to names."""
    search = _search("10-two-phase-commit", symmetry)
    search.run(Limits())
    for level, states in enumerate(search.order):
        for packed in states[:3].tolist():
            path = search.path(packed)
            assert len(path) == level + 1
            assert path[-1] == packed
            for before, after in pairwise(path):
                kernel: Any = search.kernel
                targets = [kernel.pack(edge.target) for edge in kernel.space.edges(search.state(before))]
                found = np.array(targets, states.dtype)
                assert after in (kernel.canonical(found) if symmetry else found)
    with pytest.raises(KeyError):
        search.path(2**16 - 1)


def test_positions_count_the_states_in_the_order_found() -> None:
    """All levels, one after the other; -1 for what was not found."""
    search = _search("10-two-phase-commit")
    search.run(Limits())
    order = np.concatenate(search.order)
    assert search.positions(order).tolist() == list(range(288))
    assert search.positions(np.array([2**16 - 1], order.dtype)).tolist() == [-1]


@pytest.mark.parametrize(
    ("limits", "most"), [(Limits(states=500), 900), (Limits(seconds=0.0), 100), (Limits(memory=1.0), 100)]
)
def test_a_search_that_reaches_a_limit_says_so(limits: Limits, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A little later than the limit, and what it found so far is there to be shown."""
    monkeypatch.setattr(fast, "CHUNK", 64)
    search = _search("10-two-phase-commit", n=5)
    assert not search.run(limits)
    assert search.distinct == sum(map(len, search.order)) < most
    assert search.path(int(search.order[-1][0]))[-1] == search.order[-1][0]


def test_progress_is_told_about_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that runs half a second at each look, every second or third chunk; memory is that of the process."""
    now = iter(range(10_000))
    monkeypatch.setattr("fsm.search.fast.time.monotonic", lambda: next(now) / 2)
    told: list[Progress] = []
    search = _search("10-two-phase-commit")
    search.run(Limits(), told.append)
    assert 4 <= len(told) <= 22
    assert told == sorted(told, key=lambda progress: progress.seconds)
    assert all(0 < p.states <= 288 and p.memory > 10 and p.depth <= 11 and p.generated >= p.states for p in told)
    assert abs(told[-1].memory - resident()) < 200


def test_the_first_violation_of_each_property_is_settled(tmp_path: Path) -> None:
    """By level: the state that violates, the edge, the dead end, what is reached; and what the others needed."""
    search = _written(
        tmp_path,
        CLIMB
        + """properties:
  low:   {always: "x < 3", needs: "x == 9 and y == 9", why: "too high"}
  slow:  {step: "next_x < x + 1 or x < 5", why: "too fast"}
  ends:  {deadlock: "y != 4", why: "stuck"}
  high:  {reachable: "x == 4 and y == 2", why: "up"}
  never: {reachable: "x < 0", why: "down"}
""",
    )
    assert search.run(Limits())
    assert (search.distinct, search.generated, search.edges, search.depth) == (100, 100, 90, 10)
    settled = search.settled
    assert set(settled) == {"low", "slow", "ends", "high"}
    assert search.state(settled["low"].state)[0] == 3
    step = settled["slow"]
    assert (search.state(step.state)[0], search.state(step.target)[0]) == (5, 6)
    assert search.state(settled["ends"].state) == (9, 4)
    assert search.state(settled["high"].state) == (4, 2)
    assert search.needs_seen == {"low"}


def test_a_search_may_end_at_the_first_violation(tmp_path: Path) -> None:
    """That is enough to reject a mutant; the level in which it lies is the last."""
    search = _written(tmp_path, CLIMB + PROMISE)
    assert not search.run(Limits(), stop_at_first=True)
    assert search.depth == 4


def test_a_value_that_leaves_its_type_is_said_as_the_space_says_it(tmp_path: Path) -> None:
    """The action, the value, the type and the state, at the place of the action."""
    search = _written(tmp_path, CLIMB.replace('if: "x < 9", ', "") + PROMISE)
    with pytest.raises(SpecError, match=r"small\.yaml:8:3: up sets x to 10, outside of .*; in x = 9, y = \d"):
        search.run(Limits())
