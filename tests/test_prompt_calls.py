"""Calls that are prompt: nothing but the death of an agent comes between a turn and the request that it sends, or
between the last reply and the turn of its caller."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fsm.explore.pool_kernel import PoolKernel
from fsm.explore.pool_space import PoolSpace
from fsm.search import liveness
from fsm.search.explore import FAST, REFERENCE, explore
from fsm.search.fast import FastSearch
from fsm.search.result import Limits
from tests.pool_stories import story
from tests.test_engines_agree import summary

PROMPT = "settings.prompt=true"
SMALL = [
    ("disable", ("restart", "late"), 0.0),
    ("disable", ("crash", "loss"), 0.03),
    ("enable", ("crash", "loss"), 0.06),
]


def quiet(name: str, faults: tuple[str, ...], *more: str) -> set[Any]:
    """The reachable states in which no call is on its way, without what is left of budgets."""
    search = FastSearch(PoolKernel(PoolSpace(story(name, faults, more))), False)
    search.run(Limits())
    states = (search.kernel.unpack(int(number)) for number in np.concatenate(search.order))
    return {(s.locals, s.pool, s.world) for s in states if not any(calls.live for calls in s.world[6:8])}


@pytest.mark.parametrize(("name", "faults", "share"), SMALL)
def test_nearly_all_quiet_states_are_reached_with_prompt_calls(
    name: str, faults: tuple[str, ...], share: float
) -> None:
    """Nothing is reached that is not reached with calls that take their time; and of that, where no call is on its way,
    nearly all: an old answer that is heard only after much else has happened makes the difference."""
    prompt, plain = quiet(name, faults, PROMPT), quiet(name, faults)
    assert prompt <= plain
    assert len(plain - prompt) <= share * len(plain)


@pytest.mark.parametrize("faults", [(), ("restart",)])
def test_verdicts_are_those_of_calls_that_take_their_time(faults: tuple[str, ...]) -> None:
    """Promises of the future among them, and with fewer states."""
    prompt, plain = (explore(PoolSpace(story("disable", faults, more))) for more in ((PROMPT,), ()))
    assert prompt.distinct < plain.distinct
    verdicts = [{v.property.name: v.verdict for v in result.verdicts} for result in (prompt, plain)]
    assert verdicts[0] == verdicts[1]


def test_both_engines_hold_the_same_back() -> None:
    """States, edges, rows, verdicts and the length of every story."""
    system = story("disable", ("loss",), (PROMPT,))
    assert summary(explore(PoolSpace(system), engine=FAST)) == summary(explore(PoolSpace(system), engine=REFERENCE))


def test_what_happens_at_once_excuses_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question that is asked again and again holds the rest back for a moment each time. Counted as a break, that
    would let the rest wait for ever."""
    space = PoolSpace(story("disable", (), (PROMPT,)))
    fair = {v.property.name: v.verdict for v in explore(space).verdicts}
    monkeypatch.setattr(liveness, "at_once", lambda group: False)
    starved = {v.property.name: v.verdict for v in explore(space).verdicts}
    assert (fair["L2_fair"], starved["L2_fair"]) == ("holds", "violated")
