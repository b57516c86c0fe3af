"""Which assumptions each promise uses: named clauses switched off, and kinds of fault taken away, one at a time.

Each time the whole space is explored again. What a cell shows is what moved: a promise that held and is violated now
(after so many steps, with such faults), something that is no longer reached, a promise that says nothing any more. A
promise whose row is empty under a clause does not use it: its proof stands without.

A kind of fault that is taken away moves what can only be reached through it, and mends what it had broken. It never
breaks a promise about states or steps, for without it less happens.

Left out: two at a time. What two clauses hold up together, so that either may be missing, does not show here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from attrs import evolve, frozen

from fsm.errors import SpecError
from fsm.search.columns import columns, markdown
from fsm.search.result import HOLDS, OPEN, VIOLATED, Result
from fsm.search.space import Space
from fsm.search.trace import Trace

SpaceWith = Callable[[Sequence[tuple[str, str]], Sequence[str]], Space[Any]]
"""The space that is asked about, with more settings and without more clauses."""
NO_ANSWER = "no answer"
"""The row of turns that a node refuses."""


@frozen
class Cell:
    """A verdict with the story behind it: its steps, and the faults in it with how often each happens."""

    verdict: str
    steps: int | None = None
    faults: Mapping[str, int] = {}

    @classmethod
    def of(cls, verdict: str, trace: Trace | None) -> Cell:
        """That of a verdict; the way to what holds is no part of it."""
        if trace is None or verdict == HOLDS:
            return cls(verdict)
        kinds = Counter(step.fault for step in trace.steps if step.fault not in (None, "operator"))
        return cls(verdict, len(trace), {str(kind): count for kind, count in sorted(kinds.items(), key=str)})

    def text(self) -> str:
        """`after 5: 2 crash, loss` for a counterexample, else the verdict."""
        if self.verdict != VIOLATED:
            return self.verdict
        faults = ", ".join(kind if count == 1 else f"{count} {kind}" for kind, count in self.faults.items())
        return f"after {self.steps}: {faults}" if faults else f"after {self.steps}"


@frozen
class Column:
    """What is different without one thing.

    Arguments:
        name: the clause or the kind of fault.
        fault: whether it is a kind of fault.
        moved: the new verdicts, of properties whose verdict is another; OPEN where the search was cut short. That what
            was OPEN holds is no news: it was not known before.
        states: how many there are now, or were found.
        finished: whether that is all of them.
        failed: the message where it could not be explored; "" where it could.
        says: what a clause says, where its world tells it.
    """

    name: str
    fault: bool
    moved: Mapping[str, Cell]
    states: int = 0
    finished: bool = False
    failed: str = ""
    says: str = ""


@frozen
class Ablation:
    """What each promise uses. `before` are the verdicts on the space as it is, by property."""

    name: str
    states: int
    finished: bool
    before: Mapping[str, Cell]
    columns: tuple[Column, ...]

    def table(self) -> list[list[str]]:
        """Property × what is missing; `.` where nothing moves. What moves nothing at all has no column."""
        shown = [column for column in self.columns if column.moved or column.failed]
        heads = [f"no {column.name}" if column.fault else f"without {column.name}" for column in shown]
        rows = [["property", "verdict", *heads]]
        for name, cell in self.before.items():
            verdict = f"violated {cell.text()}" if cell.verdict == VIOLATED else cell.text()
            rows.append([name, verdict, *(self._cell(column, name) for column in shown)])
        return rows

    def text(self) -> Iterator[str]:
        """The table for a terminal, with its legend."""
        yield f"{self.name}, {self.states:,} states" + ("" if self.finished else ", not finished")
        yield from columns(self.table())
        yield from self._notes()

    def markdown(self) -> Iterator[str]:
        """The table as Markdown."""
        yield from markdown(self.table())
        yield ""
        yield from (f"{note}  " for note in self._notes())

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON can carry it."""
        return {
            "name": self.name,
            "distinct": self.states,
            "finished": self.finished,
            "verdicts": {name: _plain(cell) for name, cell in self.before.items()},
            "without": [
                {
                    "name": column.name,
                    "kind": "fault" if column.fault else "clause",
                    "distinct": column.states,
                    "finished": column.finished,
                    "failed": column.failed,
                    "says": column.says,
                    "moved": {name: _plain(cell) for name, cell in column.moved.items()},
                }
                for column in self.columns
            ],
        }

    def _cell(self, column: Column, name: str) -> str:
        if column.failed:
            return "!"
        return column.moved[name].text() if name in column.moved else "."

    def _notes(self) -> Iterator[str]:
        still = [column.name for column in self.columns if column.finished and not column.moved]
        if len(still) < len(self.columns):
            yield "a cell: '.' nothing moves; 'after 5: crash' violated after 5 steps, one of them a crash"
        if still:
            yield f"nothing moves without {', '.join(still)}"
        yield from (f"{column.name}: {column.says}" for column in self.columns if column.says)
        for column in self.columns:
            if column.failed:
                yield f"without {column.name}: {column.failed}"
            elif not column.finished:
                yield f"without {column.name}: not finished, {column.states:,} states"


def ablate(
    space_with: SpaceWith,
    search: Callable[[Space[Any]], Result],
    clauses: Mapping[str, str],
    kinds: Sequence[str],
    progress: Callable[[str], None] = lambda line: None,
) -> Ablation:
    """Explores a space as it is, and again without each of its clauses and faults.

    Arguments:
        space_with: makes the spaces.
        search: explores one.
        clauses: those that can be switched off, each with what it says, "" where that is not known.
        kinds: those of fault that may happen.
        progress: told what is explored next.
    Errors: `SpecError` where the space as it is cannot be explored.
    """
    progress("as it is")
    space = space_with([], [])
    first = search(space)
    before = _cells(first)
    found = []
    for clause, says in clauses.items():
        progress(f"without {clause}")
        column = _column(clause, False, lambda c=clause: search(space_with([], [c])), before)  # type: ignore[misc]
        found.append(evolve(column, says=says))
    for kind in kinds:
        progress(f"no {kind}")
        none = [(f"faults.{kind}", "0")]
        found.append(_column(kind, True, lambda n=none: search(space_with(n, [])), before))  # type: ignore[misc]
    if any(NO_ANSWER in column.moved for column in found):
        before.setdefault(NO_ANSWER, Cell(HOLDS))
    return Ablation(space.name, first.distinct, first.finished, before, tuple(found))


def _column(name: str, fault: bool, run: Callable[[], Result], before: Mapping[str, Cell]) -> Column:
    try:
        result = run()
    except SpecError as error:
        return Column(name, fault, {}, failed=f"{error.message} [{error.rule}]")
    after = _cells(result)
    names = [*before, *(name for name in after if name not in before)]
    old = {name: before.get(name, Cell(HOLDS)) for name in names}
    new = {name: after.get(name, Cell(HOLDS if result.finished else OPEN)) for name in names}
    known = [name for name in names if (old[name].verdict, new[name].verdict) != (OPEN, HOLDS)]
    moved = {name: new[name] for name in known if new[name].verdict != old[name].verdict}
    return Column(name, fault, moved, result.distinct, result.finished)


def _cells(result: Result) -> dict[str, Cell]:
    found = {verdict.property.name: Cell.of(verdict.verdict, verdict.trace) for verdict in result.verdicts}
    if result.refusals:
        found[NO_ANSWER] = Cell.of(VIOLATED, min((refusal.trace for refusal in result.refusals), key=len))
    return found


def _plain(cell: Cell) -> dict[str, Any]:
    return {"verdict": cell.verdict, "steps": cell.steps, "faults": dict(cell.faults)}
