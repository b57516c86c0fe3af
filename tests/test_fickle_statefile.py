"""A fickle statefile is one that is lost and found any number of times, without a word about it in the state."""

from __future__ import annotations

from typing import Any

import numpy as np

from fsm.explore.joint import JointState
from fsm.explore.pool_kernel import PoolKernel
from fsm.explore.pool_space import PoolSpace
from fsm.explore.system import System
from fsm.search.space import Widened
from tests.pool_stories import story

SETTINGS = ("faults.boot=1", "faults.crash=1", "settings.lag=true")


def reachable(system: System) -> set[Any]:
    """All states, but for who reaches the statefile and what is left of budgets."""
    kernel = PoolKernel(PoolSpace(system))
    while True:
        try:
            seen = frontier = set(kernel.initial().tolist())
            while frontier:
                batches = kernel.expand(np.array(sorted(frontier), np.uint64))
                frontier = {int(target) for batch in batches for target in batch.targets} - seen
                seen = seen | frontier
            return {unaware(kernel.unpack(number)) for number in seen}
        except Widened:
            continue


def unaware(state: JointState) -> Any:
    """A state of two hosts in which both reach the statefile."""
    w = state.world
    return state.locals, state.pool, (*w[:2], *((daemon, True) for daemon, _ in w[2:4]), *w[4:])


def test_the_same_states_are_reached() -> None:
    """With one crash and one boot, of two hosts whose livesets shrink one by one."""
    flagged = story("failover", (), (*SETTINGS, "faults.statefile=any", "faults.back=any"))
    fickle = story("failover", (), (*SETTINGS, "settings.fickle=true"))
    states = reachable(fickle)
    assert len(states) > 1000
    assert states == reachable(flagged)
