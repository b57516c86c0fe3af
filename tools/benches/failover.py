"""How long a failover takes: fault to out of the liveset, to a new acting master, to all protected VMs running."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from hosts.errors import PoolError
from tools.benches import Row

ROOT = Path(__file__).resolve().parents[2]
HOWS = ("power", "freeze", "partition")
STEPS = {"out": "out of the liveset", "master": "new master acting", "running": "all protected VMs running"}
POWER_SECONDS = 1.5  # whatever T: the supervisor sees it, nobody has to wait


def bar(how: str, step: str, timeout: float) -> float | None:
    """The limit in seconds; T + 0.5 to be out, T + 1.5 to run again where only silence tells. None: only told."""
    if how == "power":
        return POWER_SECONDS if step == "running" else None
    return {"out": timeout + 0.5, "running": timeout + 1.5}.get(step)


def rows(arguments: Sequence[str]) -> Iterable[Row]:
    """Medians and maxima in seconds and multiples of T, over whole demonstrations of the death of a master.

    The bar is on the maximum. Errors: `PoolError` when a demonstration could not run.
    """
    parser = argparse.ArgumentParser(prog="tools/bench failover", description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="demonstrations of each kind (10)")
    parser.add_argument("--how", choices=(*HOWS, "daemon"), help="one kind; power, freeze and partition by default")
    parser.add_argument("--timeout", type=float, default=2.0, help="T in seconds (2)")
    wanted = parser.parse_args(arguments)
    if wanted.runs < 1:
        raise PoolError(f"--runs {wanted.runs}: at least one")
    for how in (wanted.how,) if wanted.how else HOWS:
        reports = [demonstrate(how, wanted.timeout) for _ in range(wanted.runs)]
        yield from figures(how, wanted.timeout, reports)


def figures(how: str, timeout: float, reports: Sequence[Mapping[str, object]]) -> Iterable[Row]:
    """The rows of one kind, from the reports of its demonstrations."""
    failed = sum(not report["good"] for report in reports)
    yield Row(f"{how}: runs that were not good", failed, "runs", None, 0.0, failed == 0)
    for step, named in STEPS.items():
        times = [measures[step] for report in reports if step in (measures := _measures(report))]
        if not times:
            continue  # the master ran no protected VM, or none was lost
        limit, longest = bar(how, step, timeout), max(times)
        middle = statistics.median(times)
        yield Row(f"{how}: {named}, median", middle, "s", middle / timeout)
        yield Row(f"{how}: {named}, maximum", longest, "s", longest / timeout, limit, limit is None or longest <= limit)


def demonstrate(how: str, timeout: float) -> Mapping[str, object]:
    """The report of one demonstration. Errors: `PoolError` when it could not run."""
    command = [sys.executable, "-m", "hosts.cli", "demo", "--json", "--how", how, "--timeout", str(timeout)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if run.returncode not in (0, 1):
        raise PoolError(run.stderr.strip().rpartition("\n")[2] or f"liveset demo ended with {run.returncode}")
    report: Mapping[str, object] = json.loads(run.stdout)
    return report


def _measures(report: Mapping[str, object]) -> Mapping[str, float]:
    measures = report["measures"]
    assert isinstance(measures, dict)
    return measures
