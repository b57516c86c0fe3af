"""How long a spec takes: loading and checking the largest machine, and refusing what is no spec at all."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from fsm.language.document import LARGEST, LARGEST_ODD
from tools.benches import Row

ROOT = Path(__file__).resolve().parents[2]
BAR = 150.0  # ms, to load and check a machine
REFUSED = 1000.0  # ms
LARGEST_MACHINE = "membership"
MANY_SIBLINGS = "disable"

# `import fsm` has a bar of its own, so the clock starts behind the imports, but nothing is warm: each time is the
# first of an interpreter, as it is for a command.
CHECKED = """
import sys, time
from fsm.checks.check import check
from fsm.language.load import Library
from fsm.locate import specs
start = time.perf_counter()
library = Library(specs())
found = check(library.machine(sys.argv[1]), library)
print((time.perf_counter() - start) * 1e3)
"""
READ = """
import sys, time
from pathlib import Path
from fsm.language.document import read
from fsm.errors import SpecError
start = time.perf_counter()
try:
    read(Path(sys.argv[1]))
except SpecError:
    print((time.perf_counter() - start) * 1e3)
"""


def hostile() -> Mapping[str, str]:
    """Documents that are no specs, by what they are. The small ones go to the YAML library, which is slow at them."""
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    wide = "".join(f"k{n}: 1\n" for n in range(LARGEST))
    return {
        "10 MB of rows": "- {from: idle, on: start, to: busy, why: it begins}\n" * 200_000,
        "10 MB of brackets": "[" * 10_000_000,
        "10 MB in one scalar": "a: " + "x" * 10_000_000,
        "10 MB in a quoted string without an end": 'a: "' + "x\n " * 3_333_333,
        "a million keys": "".join(f"k{n}: 1\n" for n in range(1_000_000)),
        "a bomb of aliases": bomb,
        "a key twice, at the end": wide[: wide.rindex("\n", 0, LARGEST // 4)] + "\nk0: 2\n",
        "as many brackets as fit": "[" * (LARGEST - 1),
        "as many keys as fit": wide[: wide.rindex("\n", 0, LARGEST) + 1],
        "as many values as fit": "[" + "a," * (LARGEST // 2 - 2),
        "blocks nested deep": "".join(" " * n + "a:\n" for n in range(500)),
        "small, as many brackets as fit, behind a tab": "a: ['\\t'\t," + "[" * (LARGEST_ODD - 20),
        "small, as many values as fit, behind a tab": "a: ['\\t'\t," + "a, " * (LARGEST_ODD // 3 - 9),
        "small, as many values as fit, quoted": "a: ['\\t', " + '"\\t",' * (LARGEST_ODD // 6 - 9) + "]\n",
        "small, a quoted string without an end": 'a: "' + "x\n " * (LARGEST_ODD // 3 - 2),
        "small, a block of text, then a fault": "a: |\n" + " x\n" * (LARGEST_ODD // 3 - 9) + "b: }\n",
        "small, an endless tag": "!" + "a" * (LARGEST_ODD - 2),
    }


def rows(arguments: Sequence[str]) -> Iterable[Row]:
    """Medians in ms: of ten fresh interpreters for a machine, of three for a hostile document."""
    argparse.ArgumentParser(prog="tools/bench load", description=__doc__).parse_args(arguments)
    yield from machines()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hostile.yaml"
        for what, text in hostile().items():
            path.write_text(text, "utf-8")
            median = statistics.median(timed(READ, str(path)) for _ in range(3))
            yield Row(f"refuse {what}", median, "ms", median / REFUSED, REFUSED, median <= REFUSED)


def machines() -> Iterable[Row]:
    """The rows of the machines."""
    for name in (LARGEST_MACHINE, MANY_SIBLINGS):
        times = [timed(CHECKED, name) for _ in range(10)]
        median = statistics.median(times)
        yield Row(f"load and check {name}, median", median, "ms", median / BAR, BAR, median <= BAR)
        yield Row(f"load and check {name}, maximum", max(times), "ms", max(times) / BAR)


def timed(program: str, argument: str) -> float:
    """Milliseconds that a program prints. Errors: `subprocess.SubprocessError`, also when it takes a minute."""
    command = [sys.executable, "-c", program, argument]
    run = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, timeout=60)
    return float(run.stdout)
