"""Every reachable state of a space, breadth first, by one of two engines.

States are found in the order of their distance from the beginning, so that the first violation found of a property is
a shortest one. Each property is decided at its first violation; the search goes on for the others. What needs all states
(`recoverable`, `eventually`, `leads_to`) is decided once they are known. A turn that a node refuses is a violation
whatever the properties say: the spec has no answer.

A search that a limit cuts short never says `holds`: it says how far it came, and that nothing was violated so far.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from attrs import frozen

from fsm.search.reference import ReferenceSearch
from fsm.search.result import (
    HOLDS,
    NOT_REACHED,
    OPEN,
    VACUOUS,
    VIOLATED,
    Limits,
    Progress,
    Refusal,
    Result,
    Verdict,
)
from fsm.search.space import Property, S, Space
from fsm.search.trace import Trace, trace_of

FAST, REFERENCE = "fast", "reference"
AFTERWARDS = ("recoverable", "eventually", "leads_to")
"""Kinds of property that are decided once all states are known."""


@frozen
class Counterexample:
    """States that a property does not hold for: a path, and the index in it to which its last state comes back."""

    path: Sequence[Any]
    loop: int | None = None


def explore(
    space: Space[S],
    *,
    engine: str = FAST,
    symmetry: bool = False,
    limits: Limits = Limits(),  # noqa: B008 - it is immutable
    progress: Callable[[Progress], None] | None = None,
    stop_at_first: bool = False,
) -> Result:
    """Every reachable state, or as many as the limits allow.

    Arguments:
        space: what to explore.
        engine: FAST, or REFERENCE, which is plain Python and slow.
        symmetry: count the permutations of interchangeable hosts, VMs or indices once.
        limits: when to stop.
        progress: called about once a second.
        stop_at_first: stop at the first violation or refused turn, which is enough to reject a mutant.
    Errors: `SpecError` where the world breaks its own rules, or symmetry is asked for where there is none.
    """
    began = time.monotonic()
    with _uncollected():
        if engine == REFERENCE:
            search = ReferenceSearch(space, symmetry)
        else:
            from fsm.search.fast import FastSearch

            search = FastSearch(space.kernel(), symmetry)
        finished = search.run(limits, progress, stop_at_first)
        later = _afterwards(search, engine) if finished else {}
        verdicts = tuple(_verdict(search, property_, finished, later) for property_ in space.properties)
        refusals = tuple(
            Refusal(message, _story(search, search.path(state), refused=message))
            for message, state in search.refused.items()
        )
    return Result(
        space, engine, symmetry, search.distinct, search.generated, search.edges, search.depth,
        time.monotonic() - began, finished, verdicts, refusals, frozenset(search.fired),
    )  # fmt: skip


@contextmanager
def _uncollected() -> Iterator[None]:
    """No cyclic garbage is looked for meanwhile: a search makes none, and its millions of values, all of them in use,
    would be walked through again and again (a third of the time)."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
