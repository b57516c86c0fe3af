"""`tools/bench engine`: the contenders do the same work, and the figures are judged by the right bars."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hosts.errors import PoolError
from tools.benches import engine
from tools.benches.engine.peers import DictStep
from tools.benches.engine.ring import CYCLE, EDGES, MOVES, STATES


def test_every_contender_ends_the_cycle_with_all_actions_run() -> None:
    """One short round of all of them; each says where it stands and how many entry actions ran."""
    times = engine.race(rounds=1, cycles=1)
    assert list(times) == list(engine.CONTENDERS)
    assert all(len(taken) == 1 and taken[0] > 0 for taken in times.values())


def test_the_ring_is_the_machine_of_the_claim() -> None:
    """10 states, 30 transitions, 13 events that end where they began."""
    assert (len(STATES), len(EDGES), len(CYCLE)) == (10, 30, 13)
    assert sum(MOVES[event] for event in CYCLE) % len(STATES) == 0


class Idle(DictStep):
    """A contender that skips a cycle."""

    def drive(self, cycles: int) -> None:
        super().drive(cycles - 1)


def absent() -> DictStep:
    """A peer that is not installed."""
    raise ImportError("No module named 'sismic'")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Idle, r"lazy did not do the work: it ends with \(state, actions\) = \('s0', 0\)"),
        (absent, r"lazy: No module named 'sismic'; install what this checkout needs: pip install -e '.\[dev\]'"),
    ],
)
def test_no_figures_of_a_contender_that_did_not_run(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[], DictStep], message: str
) -> None:
    """Half of the work would be twice as fast."""
    monkeypatch.setattr(engine, "CONTENDERS", {"lazy": (make, 1)})
    with pytest.raises(PoolError, match=message):
        engine.race(rounds=1, cycles=1)


def test_ratios_are_taken_inside_a_round() -> None:
    """A round in which the whole machine was slow does not change them; the dict step and stock have their bars."""
    times = {name: [300.0, 3000.0, 300.0] for name in engine.CONTENDERS}
    times |= {engine.BASE: [100.0, 1000.0, 100.0], engine.STOCK: [4000.0, 40000.0, 4000.0]}
    judged = {row.name: (row.value, row.bar, row.ok) for row in engine.figures(times) if row.bar is not None}
    assert judged == {
        "Node.step / dict step": (3.0, 2.5, False),
        "transitions / Node.step at least": (pytest.approx(40 / 3), 15.0, False),
        "Node.step and journal / dict step": (3.0, 5.0, True),
    }


def test_an_instance_is_measured_in_bytes_and_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of a hundred numbers is over the bar of bytes, a short one is not, and both are quickly made."""
    monkeypatch.setattr(engine, "INSTANCES", 1000)
    size, moved, took = engine.instances(lambda: list(range(1000, 1100)), list[int])
    assert not size.ok
    assert 900 < size.value < 5000
    assert moved.ok
    assert 40 <= moved.value < 100
    assert took.ok


@pytest.mark.parametrize("words", [["--rounds", "0"], ["--cycles", "0"]])
def test_nothing_to_measure_is_an_error(words: list[str]) -> None:
    """Zero rounds would be a median of nothing."""
    with pytest.raises(PoolError, match="at least one of each"):
        list(engine.rows(words))
