"""K6: the join limit that a start needs, and that a tick less makes a daemon start and give up for ever."""

from __future__ import annotations

import pytest

from fsm import specs
from fsm.explore.system import System
from tests.exploring import explore

STARTING = System.load(specs() / "systems" / "starting.yaml")


@pytest.mark.parametrize(("stranger", "cycle", "latency"), [(3, 1, 1), (5, 1, 1), (3, 1, 2), (3, 2, 1)])
@pytest.mark.parametrize("less", [0, 1])
def test_the_limit_is_long_against_silence_and_turns(stranger: int, cycle: int, latency: int, less: int) -> None:
    """limit = stranger + cycle + 3 latency is the exact bound."""
    limit = stranger + cycle + 3 * latency - less
    system = STARTING
    for name, value in {"limit": limit, "stranger": stranger, "cycle": cycle, "latency": latency}.items():
        system = system.with_setting(f"settings.{name}", str(value))
    result = explore(system)
    assert result.finished
    assert not result.refusals
    assert result.verdict("K6").verdict == ("violated" if less else "holds")


@pytest.mark.parametrize(
    ("pool", "cycle", "limit", "verdict"),
    [
        ("active", 1, 9, "holds"),
        ("active", 1, 8, "violated"),
        ("active", 2, 10, "holds"),
        ("active", 2, 9, "violated"),
        ("init", 1, 15, "violated"),
    ],
)
def test_two_that_start_out_of_step_meet(pool: str, cycle: int, limit: int, verdict: str) -> None:
    """Whenever the other host starts: with a tick less both give up before they have seen each other join. While HA is
    being enabled it takes more; that a tick more is enough then, and other ratios, are in the list of stories."""
    system = STARTING.with_setting("settings.late", "true").with_setting("settings.limit", str(limit))
    system = system.with_setting("settings.pool", pool).with_setting("settings.cycle", str(cycle))
    result = explore(system)
    assert result.finished
    assert not result.refusals
    assert result.verdict("K6").verdict == verdict
