"""Benchmarks: each module here measures one thing and states the bar that it must keep.

A benchmark is a module with a docstring and `rows(arguments) -> Iterable[Row]`; `arguments` are the words
after its name, which it parses itself. `tools/bench NAME` prints the rows as a table, `--json` as a list of
objects {name, value, unit, ratio, bar, ok}. Benchmarks are not timed tests: a loaded machine fails a
benchmark, never the test suite.

Exit codes: 0 every row keeps its bar, 1 a row misses it, 2 the benchmark is unknown or could not run.
"""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Protocol

from attrs import asdict, frozen
from rich.console import Console
from rich.table import Table

from fsm.errors import SpecError
from hosts.errors import PoolError


@frozen
class Row:
    """One measured figure.

    Arguments:
        name: what was measured, unique in its benchmark.
        value: the figure, in `unit`.
        unit: "s", "ms", "states/s", ...
        ratio: the value in multiples of what the benchmark compares with (T, the bar); None without one.
        bar: the limit that `ok` was judged by, in `unit`; None for a figure that is only told.
        ok: the bar is kept.
    """

    name: str
    value: float
    unit: str
    ratio: float | None = None
    bar: float | None = None
    ok: bool = True


class Bench(Protocol):
    """What a module in this directory has."""

    def rows(self, arguments: Sequence[str]) -> Iterable[Row]:
        """Measure, and yield each figure as soon as it is known."""


def names() -> list[str]:
    """The benchmarks there are, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def benchmark(name: str) -> Bench:
    """Import the benchmark called `name`; KeyError when there is none."""
    if name not in names():
        raise KeyError(name)
    bench: Bench = import_module(f"{__name__}.{name}")
    return bench


def measure(bench: Bench, arguments: Sequence[str]) -> list[Row]:
    """Collect the rows of a benchmark; on a terminal the figures so far are shown on stderr meanwhile."""
    measured: list[Row] = []
    with Console(stderr=True).status("measuring ...") as status:
        for row in bench.rows(arguments):
            measured.append(row)
            status.update(f"measuring ... {len(measured)} rows, last: {row.name} {row.value:.4g} {row.unit}")
    return measured


def table(name: str, measured: Sequence[Row]) -> Table:
    """Lay out the rows for people."""
    result = Table(title=name)
    for heading in ("name", "value", "unit", "ratio", "bar", "ok"):
        result.add_column(heading, justify="right" if heading in ("value", "ratio", "bar") else "left")
    for row in measured:
        verdict = "" if row.bar is None else "[green]yes[/]" if row.ok else "[bold red]NO[/]"
        ratio, bar = ("" if figure is None else f"{figure:.4g}" for figure in (row.ratio, row.bar))
        result.add_row(row.name, f"{row.value:.4g}", row.unit, ratio, bar, verdict)
    return result


def _usage() -> str:
    listed = "\n".join(f"  {name:<12} {_summary(name)}" for name in names())
    return f"usage: tools/bench NAME [--json] [options of NAME]\nexample: tools/bench import --json\n\n{listed}"


def _summary(name: str) -> str:
    return (benchmark(name).__doc__ or "").partition("\n")[0]


def main(argv: Sequence[str]) -> int:
    """Run `NAME [--json] ...`, print its rows and answer with the exit code."""
    if not argv or argv[0] in ("-h", "--help"):
        print(_usage())
        return 0 if argv else 2
    name, *rest = argv
    as_json = "--json" in rest
    try:
        bench = benchmark(name)
    except KeyError:
        print(f"tools/bench: no benchmark {name!r}; there are: {', '.join(names())}", file=sys.stderr)
        return 2
    try:
        measured = measure(bench, [word for word in rest if word != "--json"])
    except (OSError, subprocess.SubprocessError, PoolError, SpecError) as error:
        print(f"tools/bench {name}: {error}", file=sys.stderr)
        return 2
    if as_json:
        print(json.dumps([asdict(row) for row in measured], indent=1))
    else:
        Console().print(table(name, measured))
    return 0 if all(row.ok for row in measured) else 1
