"""How much of the machines the golden traces show: nobody has read a row in action that no story plays."""

from __future__ import annotations

from collections import Counter

from tools import ha_pages

WANTED = 0.95
"""The share of all rows of the shipped machines that fire in golden traces, at least."""


def test_golden_traces_play_nearly_every_row() -> None:
    """Of each machine is printed what it has, and how much of it is played."""
    rows = [row for machine in ha_pages.machines().values() for row in machine.rows]
    played = [row for row in rows if row.id in ha_pages.fired()]
    some = Counter(row.id.partition(".")[0] for row in played)
    for name, machine in ha_pages.machines().items():
        print(f"{name}: {some[name]} of {len(machine.rows)} rows")
    print(f"together {len(played)} of {len(rows)}: {len(played) / len(rows):.1%}")
    assert len(played) >= WANTED * len(rows)


def test_every_other_row_is_listed_with_a_reason() -> None:
    """And none that is played, or that there is not."""
    rows = {row.id for machine in ha_pages.machines().values() for row in machine.rows}
    assert set(ha_pages.unplayed()) == rows - set(ha_pages.fired())
    assert all(why.strip() and not why.endswith(".") for why in ha_pages.unplayed().values())
