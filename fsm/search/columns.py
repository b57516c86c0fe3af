"""Plain tables: for a terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

Cells = Sequence[Sequence[str]]


def columns(table: Cells) -> Iterator[str]:
    """The lines of a table whose first row is its head: text to the left, a column of numbers to the right."""
    wide = [max(map(len, column)) for column in zip(*table, strict=True)]
    numbers = [all(cell.replace(",", "").isdigit() for cell in column[1:]) for column in zip(*table, strict=True)]
    for row in table:
        cells = [c.rjust(w) if number else c.ljust(w) for c, w, number in zip(row, wide, numbers, strict=True)]
        yield "  ".join(cells).rstrip()


def markdown(table: Cells) -> Iterator[str]:
    """The same as Markdown."""
    for number, row in enumerate(table):
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
        if number == 0:
            yield "|" + "---|" * len(row)
