"""What becomes of one mutant.

- killed: the loader or a static rule refuses it; or a search finds a property violated, not reached or vacuous, or a
  turn that a node refuses, or the world fails on it. A search stops at the first violation, so the property named is
  one that is violated after the fewest steps, not the only one.
- identical: nothing of that, and its reachable labelled graph is that of the original (`fsm.mutation.graph`).
- unfinished: a limit ended the search before it found anything. It counts as a survivor.
- survived: all properties hold, and yet it behaves otherwise.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from attrs import define, evolve, field, frozen

from fsm.errors import SpecError
from fsm.mutation.graph import Graph
from fsm.mutation.mutants import Mutant, Refused, Subject
from fsm.search.explore import FAST, explore
from fsm.search.result import HOLDS, OPEN, Limits, Result
from fsm.search.space import Space

KILLED, IDENTICAL, SURVIVED, UNFINISHED = "killed", "identical", "survived", "unfinished"
NO_ANSWER = "no answer"


@frozen
class Judged:
    """A mutant and its fate.

    Arguments:
        fate: one of the four above.
        by: what killed it: loader, check, property, no answer (a refused turn) or error (formula or world failed).
        name: the rule or the property; "" else.
        steps: the length of the counterexample, where there is one.
        subject: the system or model that judged it.
    """

    mutant: Mutant
    fate: str
    by: str = ""
    name: str = ""
    steps: int | None = None
    subject: str = ""


@define(eq=False)
class Judge:
    """Judges the mutants of one subject.

    Arguments:
        subject: what is mutated.
        limits: of the search of one mutant; None of states is four times those of the original and 10,000.
        engine: as of `fsm.search.explore.explore`.
    `unheard` are the properties that do not hold of the subject as it is, with their verdicts: they judge nothing.
    Errors: `SpecError` where none holds, a turn is refused, or the subject is too large for the limits.
    """

    subject: Subject
    limits: Limits = field(factory=Limits)
    engine: str = FAST
    unheard: dict[str, str] = field(init=False)
    counts: tuple[int, ...] = field(init=False)

    def __attrs_post_init__(self) -> None:
        space = self.subject.original()
        result = explore(space, engine=self.engine, limits=self.limits)
        name = self.subject.name
        if result.refusals:
            message = f"{name} as it is has no answer: {result.refusals[0].message}; mend that first"
            raise SpecError(space.at, message, "original-fails")
        if not result.finished:
            remedy = f"allow more than {result.distinct:,} states, or set fewer hosts or faults"
            raise SpecError(space.at, f"{name} as it is was not explored to the end; {remedy}", "too-large")
        good = [verdict.property.name for verdict in result.verdicts if verdict.verdict == HOLDS]
        if not good:
            message = f"no property of {name} holds as it is, so none can judge a mutant; mend or add one"
            raise SpecError(space.at, message, "original-fails")
        self.unheard = {v.property.name: v.verdict for v in result.verdicts if v.verdict != HOLDS}
        self.subject = self.subject.judged_by(good) if self.unheard else self.subject
        self.counts = _counts(result)
        if self.limits.states is None:
            self.limits = evolve(self.limits, states=4 * result.distinct + 10_000)

    def judge(self, number: int) -> Judged:
        """What becomes of a mutant."""
        return evolve(self._judged(number), subject=self.subject.name)

    def _judged(self, number: int) -> Judged:
        mutant = self.subject.mutants[number]
        if mutant.fault is not None and mutant.fault not in self._graph.faults:
            return Judged(mutant, IDENTICAL)
        space = self.subject.changed(number)
        if isinstance(space, Refused):
            return Judged(mutant, KILLED, space.by, space.rule)
        if self.subject.untouched(space):
            return Judged(mutant, IDENTICAL)
        try:
            result = explore(space, engine=self.engine, limits=self.limits, stop_at_first=True)
        except SpecError as error:
            return Judged(mutant, KILLED, "error", error.rule)
        except Exception as error:  # worlds are anybody's code, and were not written with mutants in mind
            return Judged(mutant, KILLED, "error", type(error).__name__)
        return self._by(mutant, space, result)

    def _by(self, mutant: Mutant, space: Space[Any], result: Result) -> Judged:
        """What a search says of a mutant."""
        if result.refusals:
            return Judged(mutant, KILLED, NO_ANSWER, "", min(len(refusal.trace) for refusal in result.refusals))
        broken = [verdict for verdict in result.verdicts if verdict.verdict not in (HOLDS, OPEN)]
        if broken:
            steps = {v.property.name: len(v.trace) for v in broken if v.trace is not None}
            first = min(steps, key=lambda name: steps[name]) if steps else broken[0].property.name
            return Judged(mutant, KILLED, "property", first, steps.get(first))
        if not result.finished:
            return Judged(mutant, UNFINISHED)
        same = _counts(result) == self.counts and self._graph.same(space)
        return Judged(mutant, IDENTICAL if same else SURVIVED)

    @cached_property
    def _graph(self) -> Graph:
        return Graph.of(self.subject.original())


def _counts(result: Result) -> tuple[int, ...]:
    """What the graphs of two spaces agree in, if they are the same."""
    return result.distinct, result.generated, result.edges, result.depth
