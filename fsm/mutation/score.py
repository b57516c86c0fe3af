"""All mutants of a subject, judged by as many processes as there are cores, and what comes of it.

The score is the share of mutants that are killed. Its denominator is every operator at every place; only mutants with
an identical reachable labelled graph are left out, for nothing could tell them apart. Each process loads the subject
itself and is told numbers of mutants, so that nothing but numbers and verdicts goes between them.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from fnmatch import fnmatchcase
from functools import cache
from multiprocessing import get_context
from pathlib import Path

from attrs import field, frozen

from fsm.errors import Place, SpecError
from fsm.mutation.judge import IDENTICAL, KILLED, SURVIVED, UNFINISHED, Judge, Judged
from fsm.mutation.mutants import Mutant, Subject
from fsm.search.explore import FAST
from fsm.search.result import Limits


@frozen
class Asked:
    """What is mutated and how it is judged.

    Arguments:
        path: the file of a system or model.
        settings, without: as of `fsm.search.load.load_space`.
        limits: of the search of one mutant.
        engine: as of `fsm.search.explore.explore`.
    """

    path: Path
    settings: tuple[tuple[str, str], ...] = ()
    without: tuple[str, ...] = ()
    limits: Limits = field(factory=Limits)
    engine: str = FAST
    _from: Path = field(factory=Path.cwd, init=False)  # the path may be relative: from elsewhere it is another file

    def subject(self) -> Subject:
        """The subject, loaded once a process, for one may be asked about one machine after another.

        Errors: `SpecError`."""
        return _subject(self)

    def judge(self) -> Judge:
        """Who judges, made once a process. Errors: `SpecError`, also where the subject as it is cannot be judged by."""
        return _judge_of(self)


@cache
def _subject(asked: Asked) -> Subject:
    from fsm.models.model import is_model

    if is_model(asked.path):
        from fsm.mutation.of_models import ModelSubject

        return ModelSubject.load(asked.path, asked.settings, asked.without)
    from fsm.mutation.of_systems import SystemSubject

    return SystemSubject.load(asked.path, asked.settings, asked.without)


@cache
def _judge_of(asked: Asked) -> Judge:
    return Judge(asked.subject(), asked.limits, asked.engine)


@frozen
class Score:
    """How good the checks are.

    Arguments:
        name: what judged, or several names.
        unheard: the properties that do not hold as it is, with their verdicts; they have judged nothing.
        judged: the mutants in their order.
    """

    name: str
    unheard: Mapping[str, str]
    judged: tuple[Judged, ...] = field(repr=False)

    def of(self, fate: str) -> tuple[Judged, ...]:
        """The mutants of one fate."""
        return tuple(one for one in self.judged if one.fate == fate)

    @property
    def survivors(self) -> tuple[Judged, ...]:
        """Those that nothing killed, and that are not identical."""
        return tuple(one for one in self.judged if one.fate in (SURVIVED, UNFINISHED))

    @property
    def counted(self) -> int:
        """The denominator."""
        return len(self.judged) - len(self.of(IDENTICAL))

    @property
    def parts(self) -> Mapping[str, Score]:
        """The score of each machine, by its name; that of the faults of the world last, as "faults"."""
        names = dict.fromkeys(sorted((one.mutant.machine for one in self.judged), key=lambda name: not name))
        found = {name: tuple(one for one in self.judged if one.mutant.machine == name) for name in names}
        return {name or "faults": Score(self.name, {}, judged) for name, judged in found.items()}

    @property
    def percent(self) -> float:
        """The share that is killed, in percent; 100 of none."""
        return 100.0 * len(self.of(KILLED)) / self.counted if self.counted else 100.0

    @property
    def explored(self) -> tuple[int, int]:
        """Of the mutants that load and that no static rule finds, how many exploring has killed, and how many there
        are but for identical ones: how good the properties are."""
        early = sum(one.by in ("loader", "check") for one in self.of(KILLED))
        return len(self.of(KILLED)) - early, self.counted - early

    def killers(self) -> Counter[tuple[str, str]]:
        """How many mutants each (by, name) has killed."""
        return Counter((one.by, one.name) for one in self.of(KILLED))


@frozen
class Choice:
    """Which mutants are asked about: those of a machine, of rows that fit a pattern (fnmatch), of an operator."""

    machine: str | None = None
    row: str | None = None
    operator: str | None = None

    def of(self, mutants: Sequence[Mutant]) -> list[int]:
        """The numbers of those that are."""
        return [
            mutant.number
            for mutant in mutants
            if self.machine in (None, mutant.machine)
            if self.operator in (None, mutant.operator)
            if self.row is None or any(fnmatchcase(name, self.row) for name in mutant.rows)
        ]


def judge_all(
    asked: Asked,
    judge: Judge,
    numbers: Sequence[int],
    jobs: int,
    progress: Callable[[int, int], None] | None = None,
) -> Score:
    """Judges mutants.

    Arguments:
        asked: what `judge` was made of.
        numbers: those of the mutants.
        jobs: processes; 1 judges them here.
        progress: called with (done, survivors) after each.
    Errors: `SpecError` where a process dies.
    """
    done: list[Judged] = []
    survivors = 0
    for one in _here(judge, numbers) if jobs == 1 else _elsewhere(asked, numbers, jobs):
        done.append(one)
        survivors += one.fate in (SURVIVED, UNFINISHED)
        if progress is not None:
            progress(len(done), survivors)
    return Score(judge.subject.name, judge.unheard, tuple(sorted(done, key=lambda one: one.mutant.number)))


def _here(judge: Judge, numbers: Sequence[int]) -> Iterator[Judged]:
    yield from map(judge.judge, numbers)


def _elsewhere(asked: Asked, numbers: Sequence[int], jobs: int) -> Iterator[Judged]:
    """The mutants as they are done. Processes are spawned, which is the same on every platform."""
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _begin, (asked,))
    try:
        futures: list[Future[Judged]] = [pool.submit(_judge, number) for number in numbers]
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool:
        message = "a process that judges mutants has died, perhaps for want of memory; give fewer --jobs"
        raise SpecError(Place(str(asked.path)), message, "too-large") from None
    finally:
        pool.shutdown(cancel_futures=True)


_judges: list[Judge] = []
"""That of this process, once it has begun."""


def _begin(asked: Asked) -> None:
    """Ctrl-C is for the parent, which then gives this process nothing more to do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _judges.append(asked.judge())


def _judge(number: int) -> Judged:
    return _judges[0].judge(number)
