"""How many faults it takes: which kinds may happen any number of times, and the smallest budgets that break a promise.

A vector gives each kind of fault a budget: 0, 1, 2 or any. What is tried: each kind alone any number of times, then all
kinds, then the sets of them from small to large; and budgets from small to large, a few kinds at a time. What is
violated without any fault is said once, and no fault is blamed for it. What follows from what was tried is not tried
again:

- Larger budgets allow more behaviours and forbid none, so what is violated in states or on steps stays violated, and
  what is reached stays reached. So do a refused turn and a state that is stuck, for a fault helps nobody out of it.
- So are `recoverable`, `eventually` and `leads_to`: a fair run without the goal is one under larger budgets too, for a
  fault is in no group that must be treated fairly. That is not so of a kind of fault that a promise counts on, but
  such a promise is asked only where this kind may happen any number of times: else it has nothing to count on.
- With `any` in place of 0 a space only grows, so a set of kinds above one that was not finished is not tried.

What a search that was cut short did not find is not known, and is said to be so.

Left out: budgets between 2 and any, for each host or VM; orders of the operator, whose budgets stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations, product
from typing import Any

from attrs import define, field, frozen

from fsm.search.ablation import NO_ANSWER, SpaceWith
from fsm.search.result import HOLDS, NOT_REACHED, VACUOUS, VIOLATED, Result
from fsm.search.space import Property, Space

LEVELS = ("0", "1", "2", "any")
NONE, ANY = 0, len(LEVELS) - 1
Vector = tuple[int, ...]
"""For each kind of fault an index into LEVELS."""


@frozen
class Promise:
    """What is asked of each run: a property by its name, or that no turn is refused.

    reach: it is `reachable`, so more faults can only help. counting_on: positions of kinds that may help otherwise."""

    name: str
    reach: bool
    counting_on: tuple[int, ...]

    def asked(self, vector: Vector) -> bool:
        """Whether what it counts on may happen any number of times with these budgets."""
        return all(vector[kind] == ANY for kind in self.counting_on)


@frozen
class Run:
    """One exploration. `seen` says for each promise whether it came true: violated, or reached; None is unknown, or was
    not asked.

    `steps` are those of the shortest story, where there is one; `states` were found."""

    vector: Vector
    seen: dict[str, bool | None]
    steps: dict[str, int]
    states: int
    finished: bool


@frozen
class Frontier:
    """What was found.

    Arguments:
        kinds: of fault, in the order of the file.
        faultless: the promises that are violated without any fault, with the steps to it; the rest is about others.
        alone: for each kind, given any number of times and no other, the promises that it breaks with the steps to it;
            None where that is not known.
        together: the largest sets of kinds that may all happen any number of times.
        smallest: for each promise the smallest vectors under which it is violated, or reached, with the steps. One
            with more than `at_once` kinds is an upper bound: smaller ones of as many kinds were not tried.
        reach: the promises that are to be reached.
        counted: for each promise that counts on kinds of fault these kinds.
        settled: those of which it is known for all budgets that they are neither violated nor reached.
        unknown: for each promise the vectors that were tried, and it is still not known.
        runs: all explorations.
        at_once: how many kinds at most have a budget in the vectors that were tried for `smallest`.
    """

    name: str
    kinds: tuple[str, ...]
    faultless: dict[str, int]
    alone: dict[str, dict[str, int] | None]
    together: tuple[tuple[str, ...], ...]
    smallest: dict[str, dict[Vector, int]]
    reach: frozenset[str]
    counted: dict[str, tuple[str, ...]]
    settled: frozenset[str]
    unknown: dict[str, tuple[Vector, ...]]
    runs: tuple[Run, ...] = field(repr=False)
    at_once: int


def frontier(
    space_with: SpaceWith,
    search: Callable[[Space[Any]], Result],
    kinds: Sequence[str],
    at_once: int = 2,
    progress: Callable[[str], None] = lambda line: None,
) -> Frontier:
    """Finds the frontier of a space.

    Arguments:
        space_with: makes the spaces; each kind can be set as `faults.KIND`.
        search: explores one, with whatever limits.
        kinds: the kinds of fault.
        at_once: how many of them at most have a budget above 0 in the second part.
        progress: told what is explored next.
    Errors: `SpecError` where a space cannot be explored.
    """
    tried, at_once = _Tried(space_with, search, tuple(kinds), progress), min(at_once, len(kinds))
    faultless = tried.without_any()
    alone, together = tried.any_number()
    smallest = tried.smallest(at_once)
    promises = tried.promises
    unknown = {p.name: tuple(v for v in tried.vectors(at_once) if tried.known(p, v) is None) for p in promises}
    most = (ANY,) * len(tried.kinds)
    settled = frozenset(p.name for p in promises if tried.known(p, most) is False)
    counted = {p.name: tuple(tried.kinds[at] for at in p.counting_on) for p in promises if p.counting_on}
    reach = frozenset(p.name for p in promises if p.reach)
    return Frontier(
        tried.name, tried.kinds, faultless, alone, together, smallest, reach, counted, settled,
        {name: vectors for name, vectors in unknown.items() if vectors}, tuple(tried.runs), at_once,
    )  # fmt: skip


@define(eq=False)
class _Tried:
    """The runs so far, and what follows from them."""

    space_with: SpaceWith
    search: Callable[[Space[Any]], Result]
    kinds: tuple[str, ...]
    progress: Callable[[str], None]
    name: str = field(init=False)
    promises: list[Promise] = field(init=False)
    runs: list[Run] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        space = self.space_with(self._settings((NONE,) * len(self.kinds)), [])
        self.name = space.name
        self.promises = [*(self._promise(p) for p in space.properties), Promise(NO_ANSWER, False, ())]

    def without_any(self) -> dict[str, int]:
        """The promises that are violated without any fault, with the steps to it: they are asked no more."""
        run = self.run(self._of(set()))
        broken = {p.name: run.steps[p.name] for p in self.promises if not p.reach and run.seen[p.name]}
        self.promises = [promise for promise in self.promises if promise.name not in broken]
        return broken

    def any_number(self) -> tuple[dict[str, dict[str, int] | None], tuple[tuple[str, ...], ...]]:
        """What each kind breaks alone, and the largest sets of kinds that break nothing."""
        size = range(len(self.kinds))
        alone = {kind: self._broken(self._of({at})) for at, kind in enumerate(self.kinds)}
        sets = [set(size), *(set(s) for n in size for s in combinations(size, n))]
        for kinds in sets:
            if self._worth(self._of(kinds)):
                self.run(self._of(kinds))
        safe = [kinds for kinds in sets if self._safe(kinds)]
        largest = [kinds for kinds in safe if not any(kinds < other for other in safe)]
        return alone, tuple(dict.fromkeys(tuple(self.kinds[at] for at in sorted(kinds)) for kinds in largest))

    def smallest(self, at_once: int) -> dict[str, dict[Vector, int]]:
        """For each promise the smallest vectors with which it is violated, or reached.

        The largest come first: what is not violated there, or not reached, need not be asked of any other."""
        sets = combinations(range(len(self.kinds)), at_once)
        largest = [(ANY,) * len(self.kinds), *(self._of(set(kinds)) for kinds in sets)]
        for vector in [*largest, *self.vectors(at_once)]:
            if any(self.known(promise, vector) is None for promise in self.promises):
                self.run(vector)
        found: dict[str, dict[Vector, int]] = {}
        for promise in self.promises:
            true = {run.vector: run.steps.get(promise.name, 0) for run in self.runs if run.seen[promise.name]}
            least = {v: steps for v, steps in true.items() if not any(_below(w, v) for w in true if w != v)}
            if promise.name != NO_ANSWER or least:
                found[promise.name] = least
        return found

    def vectors(self, at_once: int) -> list[Vector]:
        """All budgets of so many kinds at once, the smallest first."""
        every = product(range(len(LEVELS)), repeat=len(self.kinds))
        return sorted((v for v in every if sum(map(bool, v)) <= at_once), key=lambda v: (sum(v), v))

    def known(self, promise: Promise, vector: Vector) -> bool | None:
        """Whether it is violated, or reached, as far as that follows from what was tried; not where it is not asked."""
        if not promise.asked(vector):
            return False
        for run in self.runs:
            seen = run.seen[promise.name]
            if seen is None:
                continue
            if _below(run.vector, vector) if seen else _below(vector, run.vector):
                return seen
        return None

    def run(self, vector: Vector) -> Run:
        """Explores with these budgets, unless that was done."""
        if (done := next((run for run in self.runs if run.vector == vector), None)) is not None:
            return done
        self.progress(f"run {len(self.runs) + 1}: {said(self.kinds, vector)}")
        result = self.search(self.space_with(self._settings(vector), []))
        run = Run(vector, {}, {}, result.distinct, result.finished)
        for verdict in result.verdicts:
            true = {VIOLATED: True, NOT_REACHED: False, VACUOUS: False}.get(verdict.verdict)
            if verdict.verdict == HOLDS:
                true = verdict.property.kind == "reachable"
            run.seen[verdict.property.name] = true
            if true and verdict.trace is not None:
                run.steps[verdict.property.name] = len(verdict.trace)
        run.seen[NO_ANSWER] = True if result.refusals else False if result.finished else None
        if result.refusals:
            run.steps[NO_ANSWER] = min(len(refusal.trace) for refusal in result.refusals)
        run.seen.update({promise.name: None for promise in self.promises if not promise.asked(vector)})
        self.runs.append(run)
        return run

    def _broken(self, vector: Vector) -> dict[str, int] | None:
        """The promises that are broken with these budgets, with the steps to it; None where that is not known."""
        run = self.run(vector)
        broken = {p.name: run.steps.get(p.name, 0) for p in self.promises if not p.reach and run.seen[p.name]}
        return broken if broken or self._safe({at for at, level in enumerate(vector) if level}) else None

    def _safe(self, kinds: set[int]) -> bool:
        vector = self._of(kinds)
        return all(self.known(promise, vector) is False for promise in self.promises if not promise.reach)

    def _worth(self, vector: Vector) -> bool:
        """Whether to explore it: something is unknown of it, and nothing smaller was too large already."""
        if any(not run.finished and ANY in run.vector and _below(run.vector, vector) for run in self.runs):
            return False
        seen = [self.known(promise, vector) for promise in self.promises if not promise.reach]
        return None in seen and True not in seen

    def _of(self, kinds: set[int]) -> Vector:
        return tuple(ANY if at in kinds else NONE for at in range(len(self.kinds)))

    def _settings(self, vector: Vector) -> list[tuple[str, str]]:
        return [(f"faults.{kind}", LEVELS[level]) for kind, level in zip(self.kinds, vector, strict=True)]

    def _promise(self, property_: Property) -> Promise:
        counted = tuple(at for at, kind in enumerate(self.kinds) if kind in property_.counting_on)
        return Promise(property_.name, property_.kind == "reachable", counted)


def said(kinds: Sequence[str], vector: Vector) -> str:
    """A vector in words: `crash 1, loss any`."""
    named = [f"{kind} {LEVELS[level]}" for kind, level in zip(kinds, vector, strict=True) if level]
    return ", ".join(named) or "no fault"


def _below(one: Vector, other: Vector) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True))
