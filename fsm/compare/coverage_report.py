"""The coverage matrix said in words: a table for a terminal, one in Markdown, an object for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fsm.compare.coverage import Explored, Line, Matrix
from fsm.pictures.page import table

NEVER = "·"
"""Where nobody came by."""


def _columns(matrix: Matrix) -> list[str]:
    seen = matrix.seen
    others = {"tests": seen.tests, "traces": seen.traces, "journals": seen.journals}
    asked = [name for name, found in others.items() if found is not None]
    return [*(system.name for system in matrix.systems), "needs", *asked]


def _cells(matrix: Matrix, line: Line) -> list[str]:
    counts = {"tests": line.tests, "traces": len(line.traces), "journals": line.journals}
    cells = ["x" if system.reaches(line.name) else NEVER for system in matrix.systems]
    needs = " ".join(line.needs) if line.explored else "declared" if line.why else "NOT REACHED"
    asked = _columns(matrix)[len(cells) + 1 :]
    return [*cells, needs or NEVER, *(str(counts[name] or NEVER) for name in asked)]


def _run(system: Explored) -> str:
    """What one exploration was."""
    cut = "" if system.finished else "not finished: "
    unknown = _unknown(system)
    if not system.finished:
        cost = "; which faults its rows need is not known" if unknown else ""
    else:
        cost = f"; not finished without {', '.join(unknown)}" if unknown else ""
    return f"{system.name}: {cut}{system.distinct:,} states, {system.seconds:.1f} s{cost}"


def _unknown(system: Explored) -> list[str]:
    """The faults without which it was not explored to its end."""
    return [fault for fault, (_, all_of_it) in system.without.items() if not all_of_it]


def _findings(matrix: Matrix) -> Iterator[str]:
    """What is wrong, a line for each."""
    cut = [system.name for system in matrix.systems if not system.finished]
    but = f" (not finished: {', '.join(cut)})" if cut else ""
    yield from (f"neither reached nor declared: {name}{but}" for name in matrix.missing)
    yield from (f"{e.at}: {e.name} is declared unreached, and {system} reaches it" for e, system in matrix.wrong)


def _summary(matrix: Matrix) -> str:
    parts = []
    for what, lines in (("rows", matrix.rows), ("states", matrix.states)):
        reached = sum(bool(line.explored) for line in lines)
        declared = sum(line.why is not None and not line.explored for line in lines)
        parts.append(f"{reached} of {len(lines)} {what} reached, {declared} declared unreached")
    return f"{'; '.join(parts)}; {len(matrix.missing)} neither, {len(matrix.wrong)} declared in vain"


def text(matrix: Matrix) -> Iterator[str]:
    """The matrix for a terminal."""
    columns = _columns(matrix)
    lines = [(line.name, _cells(matrix, line)) for line in (*matrix.rows, *matrix.states)]
    first = max((len(name) for name, _ in lines), default=0)
    widths = [max(len(c), *(len(cells[i]) for _, cells in lines)) if lines else 0 for i, c in enumerate(columns)]
    yield _row("", columns, first, widths)
    yield from (_row(name, cells, first, widths) for name, cells in lines)
    yield from map(_run, matrix.systems)
    yield from _findings(matrix)
    yield _summary(matrix)


def _row(name: str, cells: Sequence[str], first: int, widths: Sequence[int]) -> str:
    return "  ".join([f"{name:{first}}", *(f"{c:{wide}}" for c, wide in zip(cells, widths, strict=True))]).rstrip()


def markdown(matrix: Matrix) -> str:
    """The matrix in Markdown, ending in a newline: rows, states, what is declared and why, and what is wrong."""
    lines = [f"**`fsm coverage`**: {_summary(matrix)}", "", *(f"- {_run(system)}" for system in matrix.systems), ""]
    found = list(_findings(matrix))
    lines += [*(f"- **{line}**" for line in found), *([""] if found else [])]
    for title, part in (("row", matrix.rows), ("state", matrix.states)):
        lines += table((title, *_columns(matrix)), ((f"`{line.name}`", *_cells(matrix, line)) for line in part))
    declared = [line for line in (*matrix.rows, *matrix.states) if line.why is not None]
    if declared:
        lines += table(("declared unreached", "why"), ((f"`{line.name}`", line.why or "") for line in declared))
    return "\n".join(lines).rstrip("\n") + "\n"


def report(matrix: Matrix) -> dict[str, Any]:
    """The matrix for programs."""
    return {
        "systems": {
            system.name: {
                "distinct": system.distinct,
                "seconds": round(system.seconds, 3),
                "finished": system.finished,
                "not finished without": _unknown(system),
            }
            for system in matrix.systems
        },
        "rows": {line.name: _entry(line) for line in matrix.rows},
        "states": {line.name: _entry(line) for line in matrix.states},
        "missing": list(matrix.missing),
        "wrong": [{"at": str(entry.at), "name": entry.name, "reached by": system} for entry, system in matrix.wrong],
    }


def _entry(line: Line) -> dict[str, Any]:
    return {
        "explored": list(line.explored),
        "needs": list(line.needs),
        "tests": line.tests,
        "traces": list(line.traces),
        "journals": line.journals,
        "declared": line.why,
    }
