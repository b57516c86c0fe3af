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

from attrs import define, field, frozen

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
        by: what killed it: loader, check, property, no answer (a refused turn) or world (it failed).
        name: the rule or the property; "" else.
        steps: the length of the counterexample, where there is one.
    """

    mutant: Mutant
    fate: str
    by: str = ""
    name: str = ""
    steps: int | None = None


@define(eq=False)
class Judge:
    """Judges the mutants of one subject.

    Arguments:
        subject: what is mutated.
        limits: of the search of one mutant; None of states is four times those of the original and 10,000.
        engine: as of `fsm.search.explore.explore`.
    Errors: `SpecError` where the subject as it is does not keep its promises, or not within the limits.
    """

    subject: Subject
    limits: Limits = field(factory=Limits)
    engine: str = FAST
    counts: tuple[int, ...] = field(init=False)

    def __attrs_post_init__(self) -> None:
        space = self.subject.original()
        result = explore(space, engine=self.engine, limits=self.limits, stop_at_first=True)
        broken = [verdict for verdict in result.verdicts if verdict.verdict not in (HOLDS, OPEN)]
        if broken or result.refusals:
            said = f"{broken[0].property.name} is {broken[0].verdict}" if broken else result.refusals[0].message
            message = (
                f"{self.subject.name} as it is does not pass: {said}; mend that first, for mutants are judged by it"
            )
            raise SpecError(broken[0].property.at if broken else space.at, message, "original-fails")
        if not result.finished:
            message = (
                f"{self.subject.name} as it is was not explored to the end; allow more than {result.distinct:,} states"
            )
            raise SpecError(space.at, f"{message}, or set fewer hosts or faults", "too-large")
        self.counts = _counts(result)
        if self.limits.states is None:
            self.limits = Limits(4 * result.distinct + 10_000, self.limits.seconds, self.limits.memory)

    def judge(self, number: int) -> Judged:
        """What becomes of a mutant."""
        mutant = self.subject.mutants[number]
        if mutant.fault is not None and mutant.fault not in self._graph.faults:
            return Judged(mutant, IDENTICAL)
        space = self.subject.changed(number)
        if isinstance(space, Refused):
            return Judged(mutant, KILLED, space.by, space.rule)
        try:
            result = explore(space, engine=self.engine, limits=self.limits, stop_at_first=True)
        except SpecError as error:
            return Judged(mutant, KILLED, "world", error.rule)
        except Exception as error:  # worlds are anybody's code, and were not written with mutants in mind
            return Judged(mutant, KILLED, "world", type(error).__name__)
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
