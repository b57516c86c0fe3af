"""A system explored by the fast engine, for the tests that ask what it found."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from fsm.explore.joint import JointState
from fsm.explore.pool_space import PoolSpace
from fsm.explore.system import System
from fsm.search import explore as search
from fsm.search.fast import FastSearch
from fsm.search.result import Limits, Progress, Result


def explore(
    system: System,
    limit_states: int | None = None,
    limit_seconds: float | None = None,
    progress: Callable[[Progress], None] | None = None,
    stop_at_first: bool = False,
) -> Result:
    """Every reachable state, or as many as the limits allow."""
    limits = Limits(states=limit_states, seconds=limit_seconds)
    return search.explore(PoolSpace(system), limits=limits, progress=progress, stop_at_first=stop_at_first)


def told(system: System, what: Callable[[PoolSpace, JointState], Hashable]) -> set[Hashable]:
    """What is said of each of the reachable states."""
    space = PoolSpace(system)
    engine = FastSearch(space.kernel(), symmetry=False, subsume=False)
    engine.run(Limits(), None, stop_at_first=False)
    return {what(space, engine.state(int(key))) for level in engine.order for key in level}
