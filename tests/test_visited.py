"""The visited set is a dict from states to the order in which they were found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fsm.search import visited as module
from fsm.search.visited import Direct, Hashed, Visited, visited

BITS = {"direct": 10, "direct uint64": 10, "hashed": 60, "hashed uint32": 31}


def _set(kind: str) -> tuple[Visited, Any]:
    return (Direct(10) if kind.startswith("direct") else Hashed()), (np.uint32 if kind.endswith("32") else np.uint64)


@pytest.mark.parametrize("kind", BITS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_it_is_a_dict(kind: str, data: st.DataObject) -> None:
    """Arrays with duplicates, of few different numbers: what comes back is new, each once; positions count from 0."""
    found, dtype = _set(kind)
    span = 2 ** BITS[kind] - 1
    some = data.draw(st.lists(st.integers(0, span), min_size=1, max_size=12))
    arrays = data.draw(st.lists(st.lists(st.sampled_from(some), max_size=40), max_size=6))
    model: dict[int, int] = {}
    order = []
    for array in arrays:
        new = found.add(np.array(array, dtype))
        assert sorted(new.tolist()) == sorted(set(array) - set(model))
        model |= {state: len(model) + i for i, state in enumerate(new.tolist())}
        order.append(new)
        assert len(found) == len(model)
    found.number(order)
    if model:
        asked = np.array(some, dtype)
        assert found.positions(asked).tolist() == [model.get(state, -1) for state in some]


def _many(dtype: Any, seed: int, size: int) -> NDArray[Any]:
    """Numbers with many duplicates, near each other in places, as packed states are."""
    rng = np.random.default_rng(seed)
    near = rng.integers(0, 1 << 9, size)
    return (near | (rng.integers(0, 1 << 8, size) << 20)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint32, np.uint64])
def test_a_table_that_grows_forgets_nothing(dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """From 16 cells on, through both factors of growth."""
    monkeypatch.setattr(module, "SMALLEST", 16)
    monkeypatch.setattr(module, "LARGE", 1 << 12)
    monkeypatch.setattr(module, "CHUNK", 700)
    found, arrays = Hashed(), [_many(dtype, seed, 5000) for seed in range(12)]
    order = [found.add(array) for array in arrays]
    new = np.concatenate(order)
    assert sorted(new.tolist()) == sorted(set(np.concatenate(arrays).tolist()))
    assert len(found) == len(new)
    found.number(order)
    assert found.positions(new).tolist() == list(range(len(new)))
    assert found.positions(new[:5] + dtype(1 << 30)).tolist() == [-1] * 5


def test_states_that_share_every_cell_are_told_apart() -> None:
    """Multiples of a power of two near the width of a state: the hash has to carry upper bits down, or all collide."""
    found = Hashed()
    states = np.arange(1 << 12, dtype=np.uint64) << np.uint64(50)
    assert len(found.add(states)) == 1 << 12
    assert len(found.add(states[::-1])) == 0


def test_few_bits_get_a_table_and_many_are_hashed() -> None:
    """A byte for every possible state pays up to 2**26 of them."""
    assert isinstance(visited(20), Direct)
    assert isinstance(visited(36), Hashed)
