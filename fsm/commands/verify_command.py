"""`fsm verify SYSTEM`: every reachable state of a system, what holds there, and the shortest story of what does not."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from fsm.errors import Place, SpecError
from fsm.explore.system import System
from fsm.explore.verdicts import HOLDS
from fsm.explore.verify import Progress, Result, explore
from fsm.language.document import suggest
from fsm.locate import specs


def add(subparsers: Any) -> None:
    """Declares the command."""
    command: argparse.ArgumentParser = subparsers.add_parser(
        "verify",
        help="explore every reachable state of a system",
        description="Explore every reachable state of machines, world and faults, and decide the system's properties. "
        "Exit 0: all hold; 1: a counterexample; 2: it could not run, or was cut short before it found one.",
        epilog="example: fsm verify failover --set hosts=3 --set faults.crash=1",
    )
    command.add_argument("system", metavar="SYSTEM", help="the name of a shipped system, or a file systems/NAME.yaml")
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="hosts=N, the budget of a fault or operator's event (faults.crash=1, faults.crash=any), a setting of the "
        "world (settings.NAME=VALUE), an initial variable (host.NAME=VALUE on every host, pool.NAME=VALUE)",
    )
    command.add_argument(
        "--without", action="append", default=[], metavar="CLAUSE", help="switch off a clause of the world, such as K1"
    )
    command.add_argument("--first", action="store_true", help="stop at the first counterexample")
    command.add_argument("--json", action="store_true", help="one JSON object instead of text")
    command.add_argument("--limit-states", type=_states, metavar="N", help="stop after so many states")
    command.add_argument("--limit-seconds", type=_seconds, metavar="S", help="stop after so many seconds")


def run(args: argparse.Namespace) -> int:
    """Explores the system. Errors: `SpecError` for anything in it, or said of it, that cannot be used."""
    system = System.load(_path(args.system))
    for setting in args.set:
        name, equals, value = setting.partition("=")
        if not equals:
            raise SpecError(system.at, f"--set {setting}: write NAME=VALUE, as in --set hosts=3", "bad-value")
        system = system.with_setting(name, value)
    for clause in args.without:
        system = system.without(clause)
    shown = _Shown()
    result = explore(system, args.limit_states, args.limit_seconds, shown.progress, args.first)
    shown.over()
    print(json.dumps(report(result), indent=2) if args.json else "\n".join(text(result)))
    return result.exit_code


def text(result: Result) -> list[str]:
    """A result for people: counts, verdicts, stories."""
    seconds = f"{result.seconds:.1f} s"
    counts = f"{result.states:,} states, {result.edges:,} edges, depth {result.depth}, {seconds}"
    lines = [f"{result.system.name}, {_count(result.system.n, 'host')}: {counts}"]
    if not result.finished:
        so_far = "" if result.violated else ", no violation so far"
        lines = [f"{result.system.name}: not finished: {counts}{so_far}"]
    wide = max((len(verdict.property.name) for verdict in result.verdicts), default=0)
    for verdict in result.verdicts:
        lines.append(f"{verdict.property.name:{wide}}  {verdict.verdict:11}  {verdict.property.why}")
        if verdict.trace is not None and verdict.property.kind != "reachable":
            lines += ["   " + line for line in verdict.trace.lines()]
    for refusal in result.refusals:
        lines.append(f"the spec has no answer: {refusal.message}")
        lines += ["   " + line for line in refusal.trace.lines()]
    unfired = len(result.unfired)
    rows = sum(len(machine.rows) for machine in result.system.machines)
    lines.append(f"{rows - unfired} of {rows} rows fired" + ("; --json lists the others" if unfired else ""))
    return lines


def report(result: Result) -> dict[str, Any]:
    """A result for programs."""
    return {
        "system": result.system.name,
        "hosts": result.system.n,
        "distinct": result.states,
        "edges": result.edges,
        "depth": result.depth,
        "seconds": round(result.seconds, 3),
        "finished": result.finished,
        "verdicts": {verdict.property.name: verdict.verdict for verdict in result.verdicts},
        "traces": {
            verdict.property.name: verdict.trace.to_json()
            for verdict in result.verdicts
            if verdict.trace is not None and verdict.verdict != HOLDS
        },
        "refused": [{"message": r.message, "trace": r.trace.to_json()} for r in result.refusals],
        "rows": sorted(result.rows),
        "unfired": list(result.unfired),
    }


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _states(said: str) -> int:
    if not said.isascii() or not said.isdigit() or int(said) < 1:
        raise argparse.ArgumentTypeError(f"{said!r} is no number of states; write one like 100000")
    return int(said)


def _seconds(said: str) -> float:
    try:
        seconds = float(said)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e9:
        raise argparse.ArgumentTypeError(f"{said!r} is no number of seconds; write one like 60")
    return seconds


def _path(said: str) -> Path:
    """The file of a system, by name or path. Errors: `SpecError`."""
    if said.endswith(".yaml"):
        return Path(said)
    folder = specs() / "systems"
    names = sorted(path.stem for path in folder.glob("*.yaml"))
    if said not in names:
        raise SpecError(Place(said), f"there is no shipped system of this name{suggest(said, names)}", "no-system")
    return folder / f"{said}.yaml"


class _Shown:
    """Progress on stderr: one line, rewritten on a terminal; nothing in the first two seconds."""

    def __init__(self) -> None:
        self.terminal, self.said = sys.stderr.isatty(), False

    def progress(self, now: Progress) -> None:
        if now.seconds < 2.0:
            return
        self.said = True
        rate = now.states / now.seconds
        line = f"{now.states:,} states, {now.frontier:,} to look into, depth {now.depth}, {rate:,.0f} states/s"
        print(
            f"\r{line}\x1b[K" if self.terminal else line, end="" if self.terminal else "\n", file=sys.stderr, flush=True
        )

    def over(self) -> None:
        if self.said and self.terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
