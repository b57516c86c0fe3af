"""How a run is told: what happened, how long it took, what became of the promises, and one last line.

The same `Report` is shown to a person (`show`: colours on a terminal only, a fixed width elsewhere, so that a log is
the same everywhere) and given to a program (`as_json`). Both say the same; what is worth a line is decided in
`hosts.demo.timeline`.

Names and sentences come from files and are shown as they are: no markup of theirs is obeyed.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TextIO

from attrs import asdict, frozen

from hosts.demo.evidence import Evidence
from hosts.demo.promises import EVIDENCE, Verdict, Words, reigns
from hosts.demo.timeline import Moment, departures

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

WIDTH = 100
"""Columns where there is no terminal."""

_WORDS = {"held": "green", "BROKEN": "bold red", "not exercised": "dim"}
_PHASES = {"fault": "bold yellow", "fenced": "red", "detected": "yellow", "elected": "cyan", "restarted": "green"}
_STEPS = {"dead": "dead", "out": "out of the liveset", "master": "new master", "running": "VMs running"}


@frozen
class Report:
    """All that is shown.

    title: what was done. fault: when, in seconds of CLOCK_BOOTTIME; None when there was none, and times count from
    the first moment. timeout: T of the pool, seconds. measures: step -> seconds from the fault, in the order of the
    story. homeless: protected VMs for which there was no host. failures: what was waited for in vain, a sentence each.
    notes: what else there is to be said, likewise.
    """

    title: str
    fault: float | None
    timeout: float
    moments: tuple[Moment, ...]
    measures: Mapping[str, float]
    verdicts: tuple[Verdict, ...]
    homeless: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def zero(self) -> float:
        """The time from which all others count."""
        return self.fault if self.fault is not None else min((m.time for m in self.moments), default=0.0)

    @property
    def broken(self) -> tuple[str, ...]:
        """The promises that did not hold, by their short names."""
        return tuple(found.promise for found in self.verdicts if found.word == "BROKEN")

    @property
    def good(self) -> bool:
        """Every promise held, all that was waited for came, and every protected VM runs."""
        return not (self.broken or self.failures or self.homeless)

    @property
    def closing(self) -> str:
        """The last line."""
        if self.broken:
            return f"BROKEN: {', '.join(self.broken)}"
        if self.failures:
            return f"FAILED: {self.failures[0]}"
        words = [found.word for found in self.verdicts if found.promise != EVIDENCE]
        held = words.count("held")
        rest = len(words) - held
        said = f"All {held} promises held" + (f"; {rest} not exercised" if rest else "")
        return f"{said}; but no host had room for {', '.join(self.homeless)}." if self.homeless else f"{said}."


def measures(evidence: Evidence, words: Words) -> Mapping[str, float]:
    """Seconds from the fault to each step of the failover; a step that did not happen is absent.

    dead: the first host was. out: the last survivor dropped it from its liveset. master: a host began to act as master.
    running: the last protected VM that started after the fault, and before HA was asked to be disabled, wrote its first
    line.
    """
    fault, limit = evidence.fault, evidence.disable.asked if evidence.disable else evidence.end()
    dead = [death.when for death in evidence.deaths()]
    out = [left.time for left in departures(evidence)]
    master = [reign.begin for reign in reigns(evidence, words)]
    first: dict[tuple[str, str, int], float] = {}
    for line in (line for vm in evidence.protected for line in evidence.lines.get(vm, ())):
        first.setdefault((line.vm, line.host, line.incarnation), line.time)
    times = {"dead": dead, "out": out, "master": master, "running": first.values()}
    found = {step: _within(when, fault, limit) for step, when in times.items()}
    choose = {"dead": min, "out": max, "master": min, "running": max}
    return {step: choose[step](when) - fault for step, when in found.items() if when}


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
        console.print(_measures_table(report))
    console.print(_promises_table(report))
    for note in (*report.failures, *report.notes):
        console.print(Text(f"note: {note}", style="yellow"))
    if report.failures or report.notes:
        console.print()
    console.print(Text(report.closing, style="bold green" if report.good else "bold red"))


def as_json(report: Report) -> dict[str, Any]:
    """The run for a program: times are seconds from `zero`, which is seconds of CLOCK_BOOTTIME."""
    zero = report.zero
    moments = [
        {"time": round(m.time - zero, 6), "phase": m.phase, "hosts": list(m.hosts), "what": m.what, "why": m.why}
        for m in report.moments
    ]
    return {
        "title": report.title,
        "good": report.good,
        "zero": zero,
        "timeout": report.timeout,
        "measures": {step: round(seconds, 6) for step, seconds in report.measures.items()},
        "timeline": moments,
        "promises": [asdict(found) | {"proof": list(found.proof)} for found in report.verdicts],
        "homeless": list(report.homeless),
        "failures": list(report.failures),
        "notes": list(report.notes),
    }


def _within(times: Iterable[float], begin: float, end: float) -> list[float]:
    return [time for time in times if begin <= time <= end]


def columns(*named: tuple[str, Mapping[str, Any]]) -> Table:
    """A table without lines but the one below its head, for `screen`: name and options of each column."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim", expand=False)
    for name, options in named:
        table.add_column(name, **{"overflow": "fold", **options})
    return table


def _timeline_table(report: Report) -> Table:
    from rich.text import Text

    whole = {"no_wrap": True}
    rest = (("", whole), ("host", {"max_width": 20}), ("what", {"ratio": 3}), ("why", {"style": "dim", "ratio": 4}))
    table = columns(("time", {"justify": "right", **whole}), *rest)
    former = ""
    for moment in report.moments:
        style = _PHASES[moment.phase]
        phase = Text(moment.phase if moment.phase != former else "", style=style)
        quiet = style if moment.phase == "fault" else ""
        cells = (Text(moment.host, style=quiet), Text(moment.what, style=quiet), Text(moment.why))
        table.add_row(Text(f"{moment.time - report.zero:+.2f} s"), phase, *cells)
        former = moment.phase
    return table


def _measures_table(report: Report) -> Table:
    """How long each step took, in seconds and in multiples of T."""
    table = columns(("after the fault", {}), *((_STEPS[step], {"justify": "right"}) for step in report.measures))
    table.add_row("seconds", *(f"{seconds:.2f}" for seconds in report.measures.values()))
    table.add_row("in T", *(f"{seconds / report.timeout:.2f}" for seconds in report.measures.values()))
    return table


def _promises_table(report: Report) -> Table:
    from rich.text import Text

    table = columns(("", {"no_wrap": True}), ("promise", {}), ("", {"no_wrap": True}), ("evidence", {}))
    for found in report.verdicts:
        evidence = Text(found.evidence)
        for line in found.proof:
            evidence.append(f"\n  {line}", style="dim")
        style = _WORDS[found.word]
        table.add_row(Text(found.promise), Text(found.claim), Text(found.word, style=style), evidence)
    return table
