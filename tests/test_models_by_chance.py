"""Chance models, read from their text: both engines say the same, with symmetry and without, and orbits by hand."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from fsm.errors import SpecError
from fsm.models.model import Model
from fsm.models.model_space import ModelSpace, State
from fsm.search.explore import FAST, REFERENCE, explore
from tests.chance_model_files import model_file

BLOCKS, MODELS, LARGEST = 4, 25, 2_000


def told(space: ModelSpace, engine: str, symmetry: bool) -> Any:
    """What an engine says of a model: its numbers and its decisions, or the rule that it breaks."""
    try:
        result = explore(space, engine=engine, symmetry=symmetry)
    except SpecError as error:
        return error.rule
    verdicts = [(v.property.name, v.verdict, None if v.trace is None else len(v.trace)) for v in result.verdicts]
    return result.distinct, result.generated, result.edges, result.depth, verdicts, sorted(result.fired)


def states(space: ModelSpace) -> set[State] | None:
    """All states of a model, found in ten lines; None where they are too many, none where something has no value."""
    found = set[State]()
    try:
        found.update(level := list(space.initial()))
        while level and len(found) <= LARGEST:
            targets = {edge.target: None for state in level for edge in space.edges(state) if not edge.cut}
            level = [target for target in targets if target is not None and target not in found]
            found.update(level)
    except SpecError:
        return set()
    return found if len(found) <= LARGEST else None


def orbits(space: ModelSpace, found: set[State]) -> int:
    """How many of some states are no images of each other."""
    left, number = set(found), 0
    while left:
        left -= set(space.images(next(iter(left))))
        number += 1
    return number


@pytest.mark.parametrize("block", range(BLOCKS))
def test_all_say_the_same_of_a_model_that_was_written_by_chance(block: int, tmp_path: Path) -> None:
    """States, edges, depths, verdicts and how long their stories are; with symmetry as many states as orbits."""
    seen = Counter[str]()
    for number in range(block * MODELS, (block + 1) * MODELS):
        (tmp_path / "r.yaml").write_text(model_file(Random(number)), "utf-8")
        space = ModelSpace(Model.load(tmp_path / "r.yaml"))
        found = states(space)
        if found is None:
            seen["large"] += 1
            continue
        plain, alike = told(space, REFERENCE, False), told(space, REFERENCE, True)
        assert told(space, FAST, False) == plain, number
        assert told(space, FAST, True) == alike, number
        if isinstance(plain, str) or isinstance(alike, str):
            assert plain == alike, number
            seen[str(plain)] += 1
            continue
        assert plain[0] == len(found), number
        assert (alike[0], alike[3:]) == (orbits(space, found), plain[3:]), number
        seen["fewer"] += alike[0] < plain[0]
    assert seen["fewer"] >= MODELS // 5, seen
    assert seen["no-value"] + seen["out-of-domain"] > 0, seen
