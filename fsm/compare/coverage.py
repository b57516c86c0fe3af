"""Who has seen what of a table: for each row and state which systems reach it, which faults that needs, and how often
random tests, golden traces and journals of real runs came by.

What is claimed.
- *explored*: some state that the system reaches lets the row fire. It holds of a system whose exploration was cut
  short too, for what was reached is reached; that a row was not reached says nothing then. Such a system is explored
  again without any faults, which may lead further.
- *needs F*: in no system that was explored to its end and reaches the row it is reached once the fault F may not
  happen, all else left as it is. Each such system was explored again without F. `F?` where one of these searches was
  cut short, so that it is not known; `?` alone where only systems that were cut short reach the row. A row that is
  reached through either of two faults needs neither of them; where it is reached only with one of several, `some` is
  said: it is not reached where no fault happens at all.
- *tests*: how often it fired while pytest measured (`--fsm-cover-json`). *traces*: the golden traces in which it fires,
  played anew. *journals*: how often it fired in real runs, counted where the journal's machine had the same digest.

A state is reached where its machine begins in it, or a row that leads to it fires. It needs what all rows that lead to
it need, and the rest of the columns count the rows that lead to it too.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import field, frozen

from fsm.compare.behaviour import reached_states
from fsm.compare.unreached import Unreached
from fsm.errors import Place, SpecError
from fsm.explore.traces import play
from fsm.language.spec import Machine
from fsm.search.explore import explore
from fsm.search.load import load_space
from fsm.search.result import Limits, Progress, Result

SOME = "some"
"""Stands for all faults together."""


@frozen
class Explored:
    """One system.

    Arguments:
        distinct, seconds, finished: of its exploration.
        rows, states: what it reaches.
        without: for each fault, and for `SOME` without any, what it was seen to reach still, and whether that is all.
            Empty where no fault can happen.
    """

    name: str
    distinct: int
    seconds: float
    finished: bool
    rows: frozenset[str] = field(repr=False)
    states: frozenset[str] = field(repr=False)
    without: Mapping[str, tuple[frozenset[str], bool]] = field(repr=False)

    def reaches(self, name: str) -> bool:
        """Whether it reaches a row or state."""
        return name in self.rows or name in self.states


@frozen
class Line:
    """One row or state with all that is known of it. needs: faults, with ? where it is not known."""

    name: str
    explored: tuple[str, ...]
    needs: tuple[str, ...]
    tests: int
    traces: tuple[str, ...]
    journals: int
    why: str | None

    @property
    def missing(self) -> bool:
        """Whether it is neither reached nor declared."""
        return not self.explored and self.why is None


@frozen
class Seen:
    """What others than the explorer saw of rows, and what is declared; None where nobody was asked."""

    tests: Mapping[str, int] | None
    traces: Mapping[str, frozenset[str]] | None
    journals: Mapping[str, int] | None
    declared: Mapping[str, Unreached]


@frozen
class Matrix:
    """All rows and all states, in the order of the files."""

    systems: tuple[Explored, ...]
    rows: tuple[Line, ...]
    states: tuple[Line, ...]
    seen: Seen

    @property
    def missing(self) -> tuple[str, ...]:
        """Rows and states that no system reaches and nobody has declared."""
        return tuple(line.name for line in (*self.rows, *self.states) if line.missing)

    @property
    def wrong(self) -> tuple[tuple[Unreached, str], ...]:
        """Entries that are reached after all, with a system that does."""
        lines = {line.name: line for line in (*self.rows, *self.states)}
        return tuple((e, lines[name].explored[0]) for name, e in self.seen.declared.items() if lines[name].explored)


def explored(
    path: Path, settings: Sequence[tuple[str, str]], limits: Limits, progress: Callable[[Progress], None]
) -> Explored:
    """Explores a system with all its faults, and where that comes to its end, without each of them.

    Arguments:
        settings: what to change of it.
        limits: of each search.
        progress: told how far a search is.
    Errors: `SpecError`.
    """

    def searched(more: Sequence[tuple[str, str]]) -> Result:
        return explore(load_space(path, [*settings, *more]), limits=limits, progress=progress)

    whole = searched(())
    system: Any = whole.space
    machines: Sequence[Machine] = system.system.machines
    off = {fault: [(f"faults.{fault}", "0")] for fault, budget in system.system.faults.items() if budget != 0}
    off |= {SOME: [pair for pairs in off.values() for pair in pairs]} if off else {}
    runs = {name: searched(more) for name, more in off.items() if whole.finished or name == SOME}
    quiet = _reached(machines, runs[SOME].fired) if SOME in runs else frozenset[str]()
    without = {
        name: (_reached(machines, runs[name].fired) | quiet, runs[name].finished) if name in runs else (quiet, False)
        for name in off
    }
    fired = whole.fired.union(*(result.fired for result in runs.values()))
    both = _reached(machines, fired)
    return Explored(path.stem, whole.distinct, whole.seconds, whole.finished, fired, both - fired, without)


def _reached(machines: Sequence[Machine], fired: frozenset[str]) -> frozenset[str]:
    """Rows and states."""
    return fired | frozenset(reached_states(machines, fired))


def matrix(machines: Sequence[Machine], systems: Sequence[Explored], seen: Seen) -> Matrix:
    """Puts together what is known."""
    rows = [_line(row.id, [row.id], systems, seen) for machine in machines for row in machine.rows]
    states = []
    for machine in machines:
        for state in machine.states:
            leading = [row.id for row in machine.rows if row.target == state]
            states.append(_line(f"{machine.name}.{state}", leading, systems, seen))
    return Matrix(tuple(systems), tuple(rows), tuple(states), seen)


def _line(name: str, rows: Sequence[str], systems: Sequence[Explored], seen: Seen) -> Line:
    traces = (seen.traces or {}).items()
    entry = seen.declared.get(name)
    return Line(
        name,
        tuple(system.name for system in systems if system.reaches(name)),
        tuple(_needs(name, [system for system in systems if system.reaches(name)])),
        sum((seen.tests or {}).get(row, 0) for row in rows),
        tuple(trace for trace, fired in traces if not fired.isdisjoint(rows)),
        sum((seen.journals or {}).get(row, 0) for row in rows),
        None if entry is None else entry.why,
    )


def _needs(name: str, systems: Sequence[Explored]) -> Iterator[str]:
    """The faults that a row or state needs, given the systems that reach it."""
    whole = [system for system in systems if system.finished]
    asked = whole or systems
    faults = dict.fromkeys(fault for system in asked for fault in system.without)
    needed = [fault for fault in faults if all(name not in s.without.get(fault, ({name}, True))[0] for s in asked)]
    sure = [fault for fault in needed if all(system.without[fault][1] for system in asked)]
    if needed and not whole:
        yield "?"
        return
    one = [fault for fault in sure if fault != SOME]
    yield from (fault if fault in sure else f"{fault}?" for fault in needed if fault != SOME or not one)


def played(folder: Path, root: Path) -> dict[str, frozenset[str]]:
    """The rows that fire in each golden trace of a folder, by the name of its file.

    Arguments:
        root: the folder of specs that they are of.
    Errors: `SpecError` where there is none, or at the command that cannot be done.
    """
    files = sorted(folder.glob("*.txt"))
    if not files:
        raise SpecError(Place(str(folder)), "no golden traces (*.txt) in this folder", "no-rows")
    return {file.stem: play(file, root).rows for file in files}


def tested(file: Path, machines: Iterable[Machine]) -> dict[str, int]:
    """How often each row fired in tests, as pytest writes it with `--fsm-cover-json`.

    Errors: `OSError`; `SpecError` for a file that is something else, or speaks of rows that there are not."""
    from fsm.pictures.focus import coverage

    found: dict[str, int] = {}
    said = _measured(file)
    for machine in machines:
        if machine.name in said:
            found |= coverage(machine, file)
    if not found:
        raise SpecError(Place(str(file)), "says nothing of any machine here", "coverage-shape")
    return found


def _measured(file: Path) -> Iterable[str]:
    """The machines that a file of coverage speaks of."""
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise SpecError(
            Place(str(file)), "is no JSON; it is what pytest --fsm-cover-json writes", "coverage-shape"
        ) from None
    machines = said.get("machines") if isinstance(said, dict) else None
    return machines if isinstance(machines, dict) else ()


def journaled(files: Iterable[Path], machines: Iterable[Machine]) -> dict[str, int]:
    """How often each row fired in journals, where its machine was the one that we have.

    Errors: `OSError`; `SpecError` for a file in which no row of a machine as it is here fired."""
    digests = {machine.name: machine.digest for machine in machines}
    total: Counter[str] = Counter()
    for file in files:
        found = Counter(row for row, digest in _rows(file) if digests.get(row.partition(".")[0]) == digest)
        if not found:
            message = "no row of these machines, as they are now, fires in it; is it a journal, of the same specs?"
            raise SpecError(Place(str(file)), message, "no-rows")
        total += found
    return dict(total)


def _rows(file: Path) -> Iterator[tuple[str, str]]:
    """(row, digest) of each row that fired; a line that is torn says nothing."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                said = json.loads(line)
            except (ValueError, RecursionError):
                continue
            row, digest = (said.get("row"), said.get("digest")) if isinstance(said, dict) else (None, None)
            if isinstance(row, str) and isinstance(digest, str):
                yield row, digest
