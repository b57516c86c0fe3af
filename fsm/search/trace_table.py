"""A trace as a table for people: one step a line, what happened, which rows answered and why, what is different after.

On a terminal it is as wide as that and coloured; anywhere else plain text of 100 columns. A trace that goes round for
ever bears a line beside the steps that are repeated.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from fsm.search.trace import Trace, TraceStep, show

if TYPE_CHECKING:
    from rich.console import Group
    from rich.text import Text

WIDTH = 100
"""Columns of a table that is not on a terminal."""
NARROWEST = 60


def table(trace: Trace, terminal: int | None = None) -> str:
    """The table, ending in a newline.

    Arguments:
        terminal: the columns of the terminal that it is for; None for plain text.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    width = WIDTH if terminal is None else max(terminal, NARROWEST)
    console = Console(
        file=io.StringIO(), width=width, force_terminal=terminal is not None, highlight=False, emoji=False,
        color_system=None if terminal is None else "standard", legacy_windows=False,
    )  # fmt: skip
    grid = Table(box=box.HORIZONTALS, show_lines=True, width=width, padding=(0, 1), pad_edge=False, header_style="bold")
    grid.add_column("step", justify="right", no_wrap=True)
    grid.add_column("what happens", ratio=5, overflow="fold")
    grid.add_column("the answer, and why", ratio=8, overflow="fold")
    grid.add_column("what is different", ratio=5, overflow="fold")
    for step in trace.steps:
        grid.add_row(_number(step, trace), _happens(step), _answer(step), _changes(step))
    start = folded((f"{name}: {show(value)}" for name, value in trace.start.items()), width)
    console.print("at the beginning:", *start, sep="\n", style="dim", markup=False)
    if trace.steps:
        console.print(grid)
    if (end := ending(trace)) is not None:
        console.print(Text(end, style="bold"))
    written = console.file
    assert isinstance(written, io.StringIO)
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines()) + "\n"


def ending(trace: Trace) -> str | None:
    """How a trace goes on for ever, or what is to be said where it ends; None for nothing."""
    if trace.loop is None:
        return trace.end or None
    if trace.loop > len(trace):
        return "and so it stays for ever: nothing that has to happen can"
    return f"and again from step {trace.loop}, for ever"


def folded(items: Iterable[str], width: int) -> list[str]:
    """Items with commas between them in lines of at most so many columns, where each item fits in one."""
    lines: list[str] = []
    for item in items:
        if lines and len(lines[-1]) + len(item) + 3 <= width:
            lines[-1] += f", {item}"
        else:
            if lines:
                lines[-1] += ","
            lines.append(item)
    return lines


def _number(step: TraceStep, trace: Trace) -> Text:
    from rich.text import Text

    inside = trace.loop is not None and step.number >= trace.loop
    return Text(f"{step.number} |" if inside else f"{step.number}  " if trace.loop is not None else str(step.number))


def _happens(step: TraceStep) -> Text:
    from rich.text import Text

    text = Text(step.label)
    if step.fault == "operator":
        text.stylize("cyan")
    elif step.fault is not None:
        text.stylize("red")
        text.append(f"\nfault: {step.fault}", "bold red")
    return text


def _answer(step: TraceStep) -> Group:
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    parts = [*((note.removeprefix(f"{step.told.at}: "), 0, "dim") for note in step.told.notes), *_rows(step)]
    if step.refused is not None:
        parts.append((f"REFUSED: {step.refused}", 0, "bold red"))
    return Group(*(Padding(Text(part, style), (0, 0, 0, indent)) for part, indent, style in parts))


def _rows(step: TraceStep) -> Iterator[tuple[str, int, str]]:
    """Lines with their indent and style."""
    for fired in step.told.firings:
        if fired.source:
            moved = "" if fired.source == fired.target else f" -> {fired.target}"
            said = "".join(f", {name} := {show(value)}" for name, value in fired.set.items())
            yield f"{fired.row}{moved}{said}", 0, "bold"
        yield fired.why, 2 if fired.source else 0, ""


def _changes(step: TraceStep) -> Text:
    from rich.text import Text

    lines = [f"{name}: {show(before)} -> {show(after)}" for name, (before, after) in step.changes.items()]
    return Text("\n".join(lines))
