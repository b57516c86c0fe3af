"""How many mutants of the shipped machines the shipped systems notice; tests/data/mutation.yaml says who judges.

An entry of `judges` is a system with settings that make it small: most of what is wrong with a machine shows in the
first few thousand states. They are asked in the order of the file, about what is still alive. tools/mutants writes what
it finds into tests/data/mutants_alive.yaml: for each machine the score and the survivors. `explained` says of every
survivor why that is no harm; a test fails where one is not explained, and where an explanation is of none.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from attrs import field, frozen

from fsm.language.document import read
from fsm.language.load import Library
from fsm.locate import specs
from fsm.mutation.judge import IDENTICAL, KILLED, UNFINISHED
from fsm.mutation.mutants import Mutant
from fsm.mutation.score import Asked, Choice, Score
from fsm.mutation.union import Union

DATA = Path(__file__).resolve().parent.parent / "tests" / "data"
FILE = DATA / "mutation.yaml"
FOUND = DATA / "mutants_alive.yaml"
FAULTS = "faults"
"""What the mutants that take a fault away are listed under, as if it were a machine."""


@frozen
class Alive:
    """A survivor: the first of its rows, and what was done."""

    row: str
    operator: str
    what: str
    unfinished: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """What an explanation names it by."""
        return self.row, self.operator, self.what


@frozen
class Machine:
    """What was found of one machine.

    Arguments:
        mutants, identical, killed: how many.
        seconds: of CPU.
        by: who killed how many: "checks", or a system.
        alive: the survivors.
    """

    name: str
    mutants: int
    identical: int
    killed: int
    seconds: float
    by: Mapping[str, int] = field(hash=False)
    alive: tuple[Alive, ...]

    @property
    def counted(self) -> int:
        """The denominator."""
        return self.mutants - self.identical

    def lines(self) -> Iterator[str]:
        """It as it stands in the file."""
        by = ", ".join(f"{name}: {count}" for name, count in self.by.items())
        numbers = f"mutants: {self.mutants}, identical: {self.identical}, killed: {self.killed}"
        yield f"- {{machine: {self.name}, {numbers}, seconds: {self.seconds:g}, by: {{{by}}}, alive: ["
        for one in self.alive:
            said = [f"{key}: {json.dumps(getattr(one, key))}" for key in ("row", "operator", "what")]
            yield f"   {{{', '.join([*said, *(['unfinished: true'] if one.unfinished else [])])}}},"
        yield "  ]}"


@cache
def _data() -> dict[str, Any]:
    plain: dict[str, Any] = read(FILE, str(FILE)).plain()
    return plain


@cache
def judges() -> Sequence[tuple[Asked, frozenset[str]]]:
    """The judges, each with the machines that it is asked about.

    Errors: `SpecError`; `ValueError` where its system has no such machine."""
    library = Library(specs())
    found = []
    for entry in _data()["judges"]:
        path = specs() / "systems" / f"{entry['system']}.yaml"
        settings = tuple((name, _text(value)) for name, value in entry.get("set", {}).items())
        machines = library.document(f"systems/{path.name}").plain()["machines"]
        of = frozenset(entry.get("of", machines))
        if strangers := sorted(of - set(machines)):
            raise ValueError(f"{FILE}: {path.stem} has no machine {', '.join(strangers)}")
        found.append((Asked(path, settings), of))
    return found


def judge(name: str) -> Machine:
    """What becomes of the mutants of a machine, or of the faults of all systems. Errors: `SpecError`."""
    began = sum(os.times()[:4])
    union = Union(Choice("" if name == FAULTS else name))
    for asked, machines in judges():
        if name == FAULTS or name in machines:
            union.ask(asked)
            score = union.score()
            spent = sum(os.times()[:4]) - began
            print(f"{name} by {asked.path.stem}: {len(score.survivors)} alive after {spent:.0f} s", file=sys.stderr)
    return found(name, union.score(), sum(os.times()[:4]) - began)


def found(name: str, score: Score, seconds: float) -> Machine:
    """What a score says. Arguments: seconds: of CPU."""
    killers = Counter("checks" if one.by in ("loader", "check") else one.subject for one in score.of(KILLED))
    alive = tuple(
        Alive(place(one.mutant, one.subject), one.mutant.operator, one.mutant.what, one.fate == UNFINISHED)
        for one in score.survivors
    )
    identical, killed = len(score.of(IDENTICAL)), len(score.of(KILLED))
    return Machine(name, len(score.judged), identical, killed, round(seconds, 1), dict(killers.most_common()), alive)


def place(mutant: Mutant, system: str) -> str:
    """Where a mutant is changed: the first of its rows; for a fault, that of a system."""
    return mutant.rows[0] if mutant.machine else f"{mutant.rows[0]} of {system}"


def load(path: Path = FOUND) -> Sequence[Machine]:
    """What was found last, by machine."""
    return [
        Machine(
            one["machine"], one["mutants"], one["identical"], one["killed"], float(one["seconds"]), one["by"],
            tuple(Alive(a["row"], a["operator"], a["what"], a.get("unfinished", False)) for a in one["alive"]),
        )
        for one in read(path, str(path)).plain()["machines"] or []
    ]  # fmt: skip


def save(machines: Sequence[Machine], path: Path = FOUND) -> None:
    """Write them, by name, below the essay of the file."""
    head = path.read_text("utf-8").partition("machines:\n")[0]
    lines = [line for one in sorted(machines, key=lambda one: (one.name == FAULTS, one.name)) for line in one.lines()]
    path.write_text("\n".join([head + "machines:", *lines]) + "\n", "utf-8")


def explained() -> Mapping[tuple[str, str, str], str]:
    """Why a survivor is no harm, by its row, operator and change. Errors: `ValueError` where one stands there twice."""
    why: dict[tuple[str, str, str], str] = {}
    for entry in _data()["explained"]:
        for one in entry["mutants"]:
            key = (one["row"], one["operator"], one["what"])
            if key in why:
                raise ValueError(f"{FILE}: {key} is explained twice")
            why[key] = entry["why"]
    return why


def _text(value: object) -> str:
    """A setting as a command line has it."""
    return str(value) if value is not None and not isinstance(value, bool) else json.dumps(value)


def page() -> str:
    """specs/mutants.md."""
    judged, names = load(), [*Library(specs()).names(), FAULTS]
    lines = [
        "<!-- generated by tools/pages -->", "", "# What the stories notice", "",
        "Each machine is changed in one place at a time: a guard is dropped or negated, a row is turned, an effect is",
        "dropped, a durable write comes late (`fsm mutate --help`). A mutant is killed where the loader, a static rule",
        "or any of the systems below finds something. It is identical, and left out, where its reachable labelled",
        "graph is the same in every system that was asked. A search that did not end counts as a survivor. `make",
        "mutants` does it again; seconds are of CPU.", "",
        "| machine | mutants | identical | killed | survive | score | killed by | s |",
        "|---|--:|--:|--:|--:|--:|---|--:|",
    ]  # fmt: skip
    lines += [_row(one.name, [one], _killers(one)) for one in judged]
    lines.append(_row("**together**", judged, ""))
    if missing := [name for name in names if name not in {one.name for one in judged}]:
        lines += ["", f"Not judged yet: {', '.join(missing)}."]
    lines += [
        "", "## Who judges", "",
        "Some promises of coordination, writer, turns and asking restate rows of the machine that they judge: which",
        "answer belongs to which event, in a world where anything may come. They notice that such a row has changed,",
        "and not that it was wrong from the beginning; what rests on it is promised by systems of more than one party.",
        "", "| system | settings | asked about |", "|---|---|---|",
    ]  # fmt: skip
    for entry in _data()["judges"]:
        settings = ", ".join(f"{name}={_text(value)}" for name, value in entry.get("set", {}).items())
        lines.append(f"| {entry['system']} | {settings} | {', '.join(entry.get('of', ['all that it has']))} |")
    return "\n".join([*lines, *_survivors(judged)]) + "\n"


def _row(name: str, those: Sequence[Machine], by: str) -> str:
    mutants, identical = sum(one.mutants for one in those), sum(one.identical for one in those)
    killed, counted = sum(one.killed for one in those), sum(one.counted for one in those)
    cells = [name, f"{mutants:,}", f"{identical:,}", f"{killed:,}", f"{counted - killed:,}"]
    cells += [f"{100 * killed / max(counted, 1):.1f} %", by, f"{sum(one.seconds for one in those):,.0f}"]
    return f"| {' | '.join(cells)} |"


def _killers(one: Machine) -> str:
    return ", ".join(f"{name} {count}" for name, count in one.by.items())


def _survivors(judged: Sequence[Machine]) -> Iterator[str]:
    """Each with its explanation, those of one reason together."""
    why = explained()
    yield from ("", "## Survivors")
    for machine in judged:
        reasons: dict[str, list[Alive]] = {}
        for one in machine.alive:
            reasons.setdefault(why.get(one.key, "Not explained yet."), []).append(one)
        if reasons:
            yield from ("", f"### {machine.name}")
        for reason, those in reasons.items():
            yield from ("", f"{reason[0].upper()}{reason[1:]}", "")
            for one in those:
                yield f"- `{one.row}`, {one.operator}: {one.what}{', not explored to the end' * one.unfinished}"
