"""Mutants of machines that several systems share, judged by all of these together.

A machine stands in many systems, in one as what the story is about, in another idle or frozen beside it. A property of
any of them may notice what is wrong with it. So each subject in turn is asked about those of its mutants that none has
killed before; the order decides what it costs, not what is found.

- A mutant of a machine is the same in all systems: it is known by the machine, its rows, the operator and the change in
  words. A fault that is taken away belongs to its system.
- It is killed where one subject kills it, and identical only where it is so for every subject that was asked. Of what
  is neither, one search that did not end is enough to be called unfinished.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from attrs import define, evolve, field

from fsm.mutation.judge import IDENTICAL, KILLED, SURVIVED, UNFINISHED, Judged
from fsm.mutation.mutants import Mutant, Subject
from fsm.mutation.score import Asked, Choice, Score, judge_all

Key = tuple[str, ...]
_STRONGER = (IDENTICAL, SURVIVED, UNFINISHED, KILLED)
"""Of two fates of a mutant the later one here is what becomes of it."""


@define
class Union:
    """What has become of mutants so far.

    Arguments:
        choice: which mutants are asked about.
        jobs: processes.
    `known` are the machines, operators and rows of all mutants of the subjects that were asked, chosen or not.
    """

    choice: Choice
    jobs: int = 1
    known: list[Mutant] = field(factory=list, init=False)
    _fates: dict[Key, Judged] = field(factory=dict, init=False)
    _names: dict[str, None] = field(factory=dict, init=False)
    _unheard: dict[str, str] = field(factory=dict, init=False)

    def ask(self, asked: Asked, progress: Callable[[int, int, int], None] | None = None) -> None:
        """Asks one more subject about those mutants that are still alive; one without any is not even explored.

        Arguments:
            progress: called with (done, of how many, survivors) after each.
        Errors: `SpecError`, as of `Asked.judge` and `judge_all`.
        """
        subject = asked.subject()
        self.known += subject.mutants
        numbers = [n for n in self.choice.of(subject.mutants) if self._alive(subject, subject.mutants[n])]
        if not numbers:
            return
        judge = asked.judge()
        told = (lambda done, left: progress(done, len(numbers), left)) if progress is not None else None
        score = judge_all(asked, judge, numbers, min(self.jobs, len(numbers)), told)
        self._names[subject.name] = None
        self._unheard |= {f"{name} of {subject.name}": verdict for name, verdict in judge.unheard.items()}
        self._take(subject, score.judged)

    def score(self) -> Score:
        """What came of it; mutants are in the order in which they were met, and numbered so."""
        judged = (evolve(one, mutant=evolve(one.mutant, number=n)) for n, one in enumerate(self._fates.values()))
        return Score(", ".join(self._names), dict(self._unheard), tuple(judged))

    def _alive(self, subject: Subject, mutant: Mutant) -> bool:
        fate = self._fates.get(_key(subject, mutant))
        return fate is None or fate.fate != KILLED

    def _take(self, subject: Subject, judged: Iterable[Judged]) -> None:
        for one in judged:
            key = _key(subject, one.mutant)
            before = self._fates.get(key)
            if before is None or _STRONGER.index(before.fate) < _STRONGER.index(one.fate):
                self._fates[key] = one


def _key(subject: Subject, mutant: Mutant) -> Key:
    return mutant.machine or f"system {subject.name}", *mutant.rows, mutant.operator, mutant.what
