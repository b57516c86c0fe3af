"""`tools/bench checker`: no figure of a search that did other work, and ratios are taken inside one round."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from hosts.errors import PoolError
from tools.benches import checker
from tools.benches.checker import Found, Sized, Spin

SMALL = Sized("two managers", "examples/10-two-phase-commit.yaml", {"n": "2"}, 56, 154, "two-phase-commit.pml")


def test_a_search_in_a_process_of_its_own_counts_exactly() -> None:
    """The states are those that were asked for; it took time and memory."""
    found = checker.search(SMALL)
    assert found.distinct == 56
    assert found.rate > 0
    assert found.peak > 2**20


@pytest.mark.parametrize(("distinct", "generated", "who"), [(57, 154, "56 states"), (56, 155, "154 generated")])
def test_a_wrong_count_ends_the_benchmark(distinct: int, generated: int, who: str) -> None:
    """Whoever reports fewer or more is named, with both numbers."""
    wrong = evolve(SMALL, distinct=distinct, generated=generated)
    with pytest.raises(PoolError, match=f"two managers: SPIN found {who}, and there are "):
        checker.exactly(wrong, "SPIN", 56, 154)


def test_a_ratio_is_the_median_of_rounds_and_judged_by_its_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round in which the machine was slow for both changes nothing."""
    ours = iter([Found(100, 1.0), Found(100, 10.0), Found(100, 2.0), Found(100, 4.0)])
    theirs: Iterator[Found] = iter([Found(100, 4.0), Found(100, 40.0), Found(100, 2.0)])
    monkeypatch.setattr(checker, "search", lambda *asked, **how: next(ours))
    monkeypatch.setattr(shutil, "which", lambda tool: tool)
    monkeypatch.setattr(Spin, "of", classmethod(lambda cls, what, folder: cls(what, Path(folder))))
    monkeypatch.setattr(Spin, "search", lambda self: next(theirs))
    judged = list(checker.against_spin(SMALL, 5.0, 3))[-1]
    assert (judged.value, judged.bar, judged.ok) == (4.0, 5.0, False)


def test_without_spin_the_row_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bar is missed, and the row names what to install."""
    monkeypatch.setattr(checker, "search", lambda *asked, **how: Found(100, 1.0))
    monkeypatch.setattr(shutil, "which", lambda tool: None if tool == "spin" else tool)
    missing = list(checker.against_spin(SMALL, 1.0, 1))[-1]
    assert missing.name == "two managers: fast / SPIN not measured, install spin"
    assert not missing.ok
