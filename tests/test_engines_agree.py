"""Both engines say the same of systems of machines made by chance."""

from __future__ import annotations

from random import Random

import pytest

from fsm.explore.pool_space import PoolSpace
from fsm.search.explore import FAST, REFERENCE, explore
from fsm.search.result import Limits, Result
from tests.chance_systems import chance_system

LARGEST = 150
"""States; the reference engine walks a system of machines at about a thousand states a second."""
SHARES = 4


def summary(result: Result) -> dict[str, object]:
    """All that both engines have to agree in."""
    return {
        "finished": result.finished,
        "distinct": result.distinct,
        "generated": result.generated,
        "edges": result.edges,
        "depth": result.depth,
        "fired": result.fired,
        "verdicts": {v.property.name: (v.verdict, None if v.trace is None else len(v.trace)) for v in result.verdicts},
        "refused": {refusal.message: len(refusal.trace) for refusal in result.refusals},
    }


@pytest.mark.parametrize("share", range(SHARES))
def test_the_engines_agree_on_systems_made_by_chance(share: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """States, generated, edges, levels, rows, verdicts and the length of every story; each other share packs what a
    state is made of into as many words as it has numbers."""
    compared = 0
    if share % 2:
        monkeypatch.setattr("fsm.explore.world_words.IN_WORD", 1)
    for seed in range(share, 240, SHARES):
        system = chance_system(Random(seed))
        plain = explore(PoolSpace(system), engine=REFERENCE, limits=Limits(states=LARGEST))
        if plain.finished:
            compared += 1
            assert summary(explore(PoolSpace(system), engine=FAST)) == summary(plain), f"seed {seed}"
    assert compared > 30
