"""How long `import fsm` takes: every command and every agent that starts pays it."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tools.benches import Row

ROOT = Path(__file__).resolve().parents[2]
BAR = 100.0  # ms

# The interpreter's own start is not ours to shorten, so the child times the import alone.
TIMED = "import time; t = time.perf_counter(); import fsm; print((time.perf_counter() - t) * 1e3)"


def rows(arguments: Sequence[str]) -> Iterable[Row]:
    """Median and maximum in ms over ten fresh interpreters; the bar is on the median."""
    argparse.ArgumentParser(prog="tools/bench import", description=__doc__).parse_args(arguments)
    command = [sys.executable, "-c", TIMED]
    times = [
        float(subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout) for _ in range(10)
    ]
    median = statistics.median(times)
    yield Row("import fsm, median", median, "ms", median / BAR, BAR, median <= BAR)
    yield Row("import fsm, maximum", max(times), "ms", max(times) / BAR)
