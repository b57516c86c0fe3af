"""Every reachable state of a space, breadth first, by one of two engines.

States are found in the order of their distance from the beginning, so that the first violation found of a property is
a shortest one. Each property is decided at its first violation; the search goes on for the others. What needs all
states (`recoverable`, `eventually`, `leads_to`) is decided once they are known. A turn that a node refuses is a
violation whatever the properties say: the spec has no answer.

A search that a limit cuts short never says `holds`: it says how far it came, and that nothing was violated so far.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from math import prod
from typing import TYPE_CHECKING, Any

from attrs import evolve

from fsm.errors import SpecError
from fsm.search.asked_again import ask_again
from fsm.search.blame import blamed
from fsm.search.engine import Lasso, Search
from fsm.search.reference import ReferenceSearch
from fsm.search.result import HOLDS, NOT_REACHED, OPEN, VACUOUS, VIOLATED, Limits, Progress, Refusal, Result, Verdict
from fsm.search.space import Property, S, Space
from fsm.search.trace import Trace, closing, trace_of, way_there

if TYPE_CHECKING:
    from fsm.search.fast import FastSearch

FAST, REFERENCE = "fast", "reference"
OF_A_STATE = ("no-value", "out-of-domain")
"""Rules whose errors come of one state."""
TRIED = 10_000
"""States that are asked, one by one, which of them it is that an error is about."""
MOST_LEFT = 1 << 12
"""Ways in which budgets can be left that a search with subsumption compares, each with each."""
AFTERWARDS = ("recoverable", "eventually", "leads_to")
"""Kinds of property that are decided once all states are known."""


def explore(
    space: Space[S],
    *,
    engine: str = FAST,
    symmetry: bool = False,
    subsume: bool = False,
    limits: Limits = Limits(),  # noqa: B008 - it is immutable
    progress: Callable[[Progress], None] | None = None,
    stop_at_first: bool = False,
) -> Result:
    """Every reachable state, or as many as the limits allow.

    Arguments:
        space: what to explore.
        engine: FAST, or REFERENCE, which is plain Python and slow.
        symmetry: count the permutations of interchangeable hosts, VMs or indices once.
        subsume: leave out states that differ only by less of what is counted (`fsm.search.subsuming`): of a system.
        limits: when to stop.
        progress: called about once a second.
        stop_at_first: stop at the first violation or refused turn, which is enough to reject a mutant.
    Errors: `SpecError` where the world breaks its own rules, or symmetry is asked for where there is none, or where
        nothing is counted that could be left.
    """
    began = time.monotonic()
    with _uncollected(), blamed(space):
        search = _search(space, engine, symmetry, subsume)
        whole = _run(space, search, symmetry, limits, progress, stop_at_first)
        ask_again(space, search)
        lassos = _afterwards(space, search, engine, _left(limits, began)) if whole else {}
        late = [p.name for p in space.properties if p.kind in AFTERWARDS and p.name not in lassos]
        verdicts = [
            _verdict(space, search, p, whole and p.name not in late, lassos, symmetry) for p in space.properties
        ]
        refusals = _refusals(space, search, symmetry)
    return Result(
        space, engine, symmetry, subsume, search.distinct, search.generated, search.edges, search.depth,
        time.monotonic() - began, whole and not late, tuple(verdicts), tuple(refusals), frozenset(search.fired),
        frozenset(search.groups if isinstance(search, ReferenceSearch) else (name for name, _ in search.kernel.groups)),
    )  # fmt: skip


def _refusals(space: Space[Any], search: Search, symmetry: bool) -> list[Refusal]:
    return [
        Refusal(message, _story(space, search, Lasso(search.path(key)), symmetry, None, message))
        for message, key in search.refused.items()
    ]


def _run(space: Space[Any], search: Search, symmetry: bool, limits: Limits, *how: Any) -> bool:
    """Runs a search. An error of a move or formula gets a note: the shortest way to the state where it has no value."""
    try:
        return search.run(limits, *how)
    except SpecError as error:
        looked = islice(search.looking, TRIED if error.rule in OF_A_STATE else 0)
        about = (key for key in looked if _complaint(space, search.state(key)) == str(error))
        for key in islice(about, 1):
            error.add_note(way_there(_story(space, search, Lasso(search.path(key)), symmetry)))
        raise


def _complaint(space: Space[S], state: S) -> str | None:
    """The error of the moves and formulas of a state, if there is one."""
    try:
        targets = [edge.target for edge in space.edges(state) if edge.target is not None]
        for promised in space.properties:
            if promised.kind in ("always", "reachable"):
                space.holds(promised, "text", state)
            elif promised.kind == "step":
                [space.holds(promised, "text", state, target) for target in targets]
    except SpecError as error:
        return str(error)
    return None


def _search(space: Space[Any], engine: str, symmetry: bool, subsume: bool) -> ReferenceSearch[Any] | FastSearch:
    if subsume and (engine == REFERENCE or symmetry):
        raise SpecError(
            space.at, "only the fast engine subsumes, and not with symmetry; leave one of them out", "usage"
        )
    if engine == REFERENCE:
        return ReferenceSearch(space, symmetry)
    from fsm.search.fast import FastSearch

    kernel = space.kernel()
    if subsume and not kernel.budgets:
        message = f"{space.name} counts no fault and no order, so no state has less left than another"
        raise SpecError(space.at, f"{message}; explore it without subsuming", "usage")
    if subsume and (ways := prod(budget.full + 1 for budget in kernel.budgets)) > MOST_LEFT:
        message = f"{space.name}: what is counted can be left in {ways} ways, at most {MOST_LEFT} are compared"
        raise SpecError(space.at, f"{message}; count less, or explore it without subsuming", "usage")
    return FastSearch(kernel, symmetry, subsume)


def _left(limits: Limits, began: float) -> Limits:
    """What the search has left of its limits."""
    if limits.seconds is None:
        return limits
    return evolve(limits, seconds=limits.seconds - (time.monotonic() - began))


def _afterwards(space: Space[Any], search: Any, engine: str, limits: Limits) -> Mapping[str, Lasso | None]:
    """The properties that want all states: None where they hold; without those that the limits left open."""
    asked = [property_ for property_ in space.properties if property_.kind in AFTERWARDS]
    if not asked:
        return {}
    if engine == REFERENCE:
        from fsm.search.liveness_reference import decide_reference

        return decide_reference(search, space, asked, limits)
    from fsm.search.liveness import decide_fast

    return decide_fast(search, asked, limits)


def _verdict(
    space: Space[Any],
    search: Search,
    property_: Property,
    finished: bool,
    lassos: Mapping[str, Lasso | None],
    symmetry: bool,
) -> Verdict:
    lasso, settled = lassos.get(property_.name), search.settled.get(property_.name)
    if settled is not None:
        step = [] if settled.target is None else [settled.target]
        lasso = Lasso([*search.path(settled.state), *step])
    trace = None
    if lasso is not None:
        end = closing(space, property_, search.state(lasso.path[-1]), len(lasso.path) - 1)
        trace = evolve(_story(space, search, lasso, symmetry, property_), end=end)
    if property_.kind == "reachable":
        return Verdict(property_, HOLDS if trace is not None else NOT_REACHED if finished else OPEN, trace)
    if trace is not None:
        return Verdict(property_, VIOLATED, trace)
    vacuous = property_.needs and property_.name not in search.needs_seen
    return Verdict(property_, OPEN if not finished else VACUOUS if vacuous else HOLDS)


def _story(
    space: Space[Any],
    search: Search,
    lasso: Lasso,
    symmetry: bool,
    property_: Property | None = None,
    refused: str | None = None,
) -> Trace:
    path = [search.state(key) for key in lasso.path]
    if symmetry and lasso.loop is None:  # what goes round for ever was found without it
        path = unfolded(space, path, property_ if property_ is not None and property_.kind == "step" else None)
    return trace_of(space, path, refused, lasso.loop, groups=lasso.groups)


def unfolded(space: Space[S], path: Sequence[S], step: Property | None = None) -> list[S]:
    """The states of a story that was found with symmetry.

    Arguments:
        path: states, each up to a permutation of its own; the first is one of the beginning so.
        step: a property that the last move violates.
    Returns: a state of the beginning, and states that each follow the one before, each a permutation of that in `path`.
    Errors: `SpecError` where no move leads on, which means that states are not as interchangeable as they were said.
    """
    images = space.images(path[0])
    found = [next(state for state in space.initial() if state in images)]
    for number, target in enumerate(path[1:], 2):
        source, images = found[-1], space.images(target)
        wrong = step if number == len(path) else None
        for edge in space.edges(source):
            after = edge.target
            if after is None or after not in images or edge.cut:
                continue
            if wrong is None or not space.holds(wrong, "text", source, after):
                found.append(after)
                break
        else:
            message = "the world gives other actions when it is asked again; it must be a function of its arguments"
            raise SpecError(space.at, message, "bad-world")
    return found


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
