"""How a run is told: what happened, how long it took, what became of the promises, and one last line.

The same `Report` is shown to a person (`show`: colours on a terminal only, a fixed width elsewhere, so that a log is
the same everywhere) and given to a program (`as_json`). Both say the same; nothing is decided here but what is worth
a line: rows that change something in the machines that people follow, deaths, and first signs of life of VMs.

Names and sentences come from files and are shown as they are: no markup of theirs is obeyed.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TextIO

from attrs import asdict, frozen

from hosts.demo.evidence import Entry, Evidence
from hosts.demo.promises import Verdict, Words, reigns

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

WIDTH = 100
"""Columns where there is no terminal."""
FOLLOWED = frozenset({"life", "election", "restart", "enable", "join", "disable", "leave"})
"""Machines whose rows are told; the others tick too often to be read."""

_WORDS = {"held": "green", "BROKEN": "bold red", "not exercised": "dim"}
_KINDS = {"fault": "bold yellow", "death": "red", "vm": "green", "row": ""}


@frozen
class Moment:
    """A line of the timeline. `time`: CLOCK_BOOTTIME seconds. `kind`: fault, death, vm or row."""

    time: float
    host: str
    what: str
    why: str
    kind: str = "row"


@frozen
class Report:
    """All that is shown.

    title: what was done. fault: when, in seconds of CLOCK_BOOTTIME; None when there was none, and times count from
    the first moment. timeout: T of the pool, seconds. measures: step -> seconds from the fault, in the order of the
    story. notes: what else there is to be said, a sentence each.
    """

    title: str
    fault: float | None
    timeout: float
    moments: tuple[Moment, ...]
    measures: Mapping[str, float]
    verdicts: tuple[Verdict, ...]
    notes: tuple[str, ...] = ()

    @property
    def zero(self) -> float:
        """The time from which all others count."""
        return self.fault if self.fault is not None else min((m.time for m in self.moments), default=0.0)

    @property
    def broken(self) -> tuple[str, ...]:
        """The promises that did not hold, by their short names; empty: the run is good."""
        return tuple(found.promise for found in self.verdicts if found.word == "BROKEN")

    @property
    def closing(self) -> str:
        """The last line."""
        if self.broken:
            return f"BROKEN: {', '.join(self.broken)}"
        held = sum(found.word == "held" for found in self.verdicts)
        rest = len(self.verdicts) - held
        return f"All {held} promises held" + (f"; {rest} not exercised." if rest else ".")


def timeline(
    evidence: Evidence, fault: Moment | None = None, machines: Collection[str] = FOLLOWED
) -> tuple[Moment, ...]:
    """What is worth telling, in the order of time; with a fault, from the fault on.

    Arguments:
        fault: the moment of the fault, as it shall be told.
        machines: whose rows are told; "restart" stands for all its instances.
    """
    told = [_row(evidence, entry) for entry in evidence.entries if _worth_telling(entry, machines)]
    told += [Moment(death.when, death.host, "dead", death.reason, "death") for death in evidence.deaths()]
    for vm, lines in evidence.lines.items():
        seen: set[tuple[str, int]] = set()
        for line in lines:
            if (line.host, line.incarnation) not in seen:
                why = f"instance {line.incarnation} writes to its disk"
                told.append(Moment(line.time, line.host, f"{vm} runs", why, "vm"))
            seen.add((line.host, line.incarnation))
    if fault:
        told = [fault, *(moment for moment in told if moment.time >= fault.time)]
    return tuple(sorted(told, key=lambda moment: moment.time))


def measures(evidence: Evidence, words: Words) -> Mapping[str, float]:
    """Seconds from the fault to each step of the failover; a step that did not happen is absent.

    dead: the first host was. master: a host began to act as master. running: the last protected VM that started
    after the fault, and before HA was asked to be disabled, wrote its first line.
    """
    fault, limit = evidence.fault, evidence.disable.asked if evidence.disable else evidence.end()
    dead = [death.when for death in evidence.deaths()]
    master = [reign.begin for reign in reigns(evidence, words)]
    first: dict[tuple[str, str, int], float] = {}
    for line in (line for vm in evidence.protected for line in evidence.lines.get(vm, ())):
        first.setdefault((line.vm, line.host, line.incarnation), line.time)
    found = {"dead": _within(dead, fault, limit), "master": _within(master, fault, limit)}
    found["running"] = _within(first.values(), fault, limit)
    steps = {"dead": min, "master": min, "running": max}
    return {step: steps[step](times) - fault for step, times in found.items() if times}


def screen(file: TextIO | None = None) -> Console:
    """A console for `file` (standard output by default): colours and the full width only on a terminal.

    What the encoding of the file cannot say is shown as "?"; a report must not end in the middle.
    """
    from rich.console import Console

    file = file or sys.stdout
    if isinstance(file, io.TextIOWrapper):
        file.reconfigure(errors="replace")
    if file.isatty():
        return Console(file=file, highlight=False, markup=False, emoji=False)
    return Console(
        file=file, width=WIDTH, force_terminal=False, no_color=True, highlight=False, markup=False, emoji=False
    )


def show(report: Report, console: Console) -> None:
    """Tell the run to a person."""
    from rich.text import Text

    console.print(Text(report.title, style="bold"))
    if report.moments:
        console.print(_timeline_table(report))
    if report.measures:
        console.print(_measures_line(report))
    console.print(_promises_table(report))
    for note in report.notes:
        console.print(Text(f"note: {note}", style="yellow"))
    if report.notes:
        console.print()
    console.print(Text(report.closing, style="bold red" if report.broken else "bold green"))


def as_json(report: Report) -> dict[str, Any]:
    """The run for a program: times are seconds from `zero`, which is seconds of CLOCK_BOOTTIME."""
    zero = report.zero
    moments = [asdict(moment) | {"time": round(moment.time - zero, 6)} for moment in report.moments]
    return {
        "title": report.title,
        "good": not report.broken,
        "zero": zero,
        "timeout": report.timeout,
        "measures": {step: round(seconds, 6) for step, seconds in report.measures.items()},
        "timeline": moments,
        "promises": [asdict(found) | {"proof": list(found.proof)} for found in report.verdicts],
        "notes": list(report.notes),
    }


def _worth_telling(entry: Entry, machines: Collection[str]) -> bool:
    changes = entry.source != entry.target or bool(entry.set)
    return entry.machine.partition("[")[0] in machines and changes


def _row(evidence: Evidence, entry: Entry) -> Moment:
    """A row in a few words: the machine, where it went, and what it set."""
    changed = [f"{name} = {_value(evidence, name, value)}" for name, value in entry.set.items()]
    moved = [f"{entry.source} → {entry.target}"] if entry.source != entry.target else []
    return Moment(entry.time, entry.host, f"{entry.machine}: {', '.join(moved + changed)}", entry.why)


def _value(evidence: Evidence, name: str, value: object) -> str:
    """A value as people say it; the role is a host's index in the journal."""
    if name == "role" and type(value) is int and 0 <= value < len(evidence.hosts):
        return evidence.hosts[value]
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else "none" if value is None else str(value)


def _within(times: Iterable[float], begin: float, end: float) -> list[float]:
    return [time for time in times if begin <= time <= end]


def _table(*columns: tuple[str, Mapping[str, Any]]) -> Table:
    """A table without lines but the one below its head."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim", expand=False)
    for name, options in columns:
        table.add_column(name, **{"overflow": "fold", **options})
    return table


def _timeline_table(report: Report) -> Table:
    from rich.text import Text

    whole = {"no_wrap": True}
    table = _table(("time", {"justify": "right", **whole}), ("host", whole), ("what", {}), ("why", {"style": "dim"}))
    for moment in report.moments:
        style = _KINDS[moment.kind]
        cells = (f"{moment.time - report.zero:+.2f} s", moment.host, moment.what)
        table.add_row(*(Text(cell, style=style) for cell in cells), Text(moment.why))
    return table


def _measures_line(report: Report) -> Text:
    """How long each step took, in seconds and in multiples of T."""
    from rich.text import Text

    names = {"dead": "dead", "master": "new master", "running": "VMs running"}
    told = [f"{names[s]} {t:.2f} s ({t / report.timeout:.2f} T)" for s, t in report.measures.items()]
    return Text(f"after the fault: {' · '.join(told)}")


def _promises_table(report: Report) -> Table:
    from rich.text import Text

    table = _table(("", {"no_wrap": True}), ("promise", {}), ("", {"no_wrap": True}), ("evidence", {}))
    for found in report.verdicts:
        evidence = Text(found.evidence)
        for line in found.proof:
            evidence.append(f"\n  {line}", style="dim")
        style = _WORDS[found.word]
        table.add_row(Text(found.promise), Text(found.claim), Text(found.word, style=style), evidence)
    return table
