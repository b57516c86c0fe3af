"""`fsm mutate [SYSTEM...]`: changes systems or models in one place at a time, and says what no check notices."""

from __future__ import annotations

import argparse
import json
import os
import time
from typing import Any

from attrs import define, field

from fsm.commands.space_arguments import QUIET, Shown, add_limits, add_settings, limits, said, shipped
from fsm.errors import Place, SpecError
from fsm.language.document import suggest
from fsm.locate import specs


def add(subparsers: Any) -> None:
    """Declares the command."""
    command: argparse.ArgumentParser = subparsers.add_parser(
        "mutate",
        help="measure how good the checks of a system are",
        description="Change a system or a model in one place at a time: drop or negate a guard, retarget a row, drop "
        "an effect or a fault, write late what must be durable. Each mutant is killed by the loader, a static rule, a "
        "property or a turn without an answer, or it survives and is listed by its row. Those whose reachable labelled "
        "graph is the same are left out. Of several systems each in turn is asked about what those before it did not "
        "kill, so name the cheapest first; --set and --without are said to each of them. Limits are of the search of "
        "one mutant; by default four times the states of the original and 10,000. Exit 0: done; 1: the score is below "
        "--floor; 2: it could not run.",
        epilog="example: fsm mutate failover handover --machine election --operator 'drop a guard'",
    )
    command.add_argument(
        "systems", nargs="*", metavar="SYSTEM", help="shipped systems or models by name, or files; all shipped systems"
    )
    add_settings(command)
    command.add_argument("--machine", metavar="NAME", help="only mutants of this machine")
    command.add_argument("--row", metavar="GLOB", help="only those of rows whose name matches, as election.idle/*")
    command.add_argument("--operator", metavar="NAME", help="only those of one operator, as 'drop a row'")
    command.add_argument("--jobs", type=_jobs, metavar="N", help="processes; as many as there are cores by default")
    command.add_argument("--floor", type=_percent, metavar="PCT", help="exit 1 when the score is below this")
    command.add_argument("--json", action="store_true", help="one JSON object instead of text")
    add_limits(command)


def run(args: argparse.Namespace) -> int:
    """Judges the mutants. Errors: `SpecError` for what cannot be loaded, does not pass as it is, or is not there."""
    from fsm.mutation import report
    from fsm.mutation.score import Asked, Choice
    from fsm.mutation.union import Union

    paths = [shipped(name) for name in args.systems] or sorted((specs() / "systems").glob("*.yaml"))
    union = Union(Choice(args.machine, args.row, args.operator), args.jobs or os.cpu_count() or 1)
    for path in paths:
        shown = _Done(f" of {path.stem}" if len(paths) > 1 else "")
        union.ask(Asked(path, tuple(said(args)), tuple(args.without), limits(args)), shown.progress)
        shown.over()
    score = union.score()
    if not score.judged:
        raise _nothing(args, union.known)
    print(json.dumps(report.report(score), indent=2) if args.json else "\n".join(report.lines(score)))
    return 1 if args.floor is not None and score.percent < args.floor else 0


def _nothing(args: argparse.Namespace, mutants: Any) -> SpecError:
    """Why no mutant was chosen: the first of the options that nothing fits."""
    known = {
        "machine": {mutant.machine for mutant in mutants if mutant.machine},
        "operator": {mutant.operator for mutant in mutants},
        "row": {row for mutant in mutants for row in mutant.rows},
    }
    for option in ("machine", "operator"):
        name = getattr(args, option)
        if name is not None and name not in known[option]:
            there = suggest(name, sorted(known[option]))
            return SpecError(Place(f"--{option}"), f"there is no {option} {name!r} to mutate{there}", "unknown-name")
    message = "no mutant is asked for; --row takes a pattern of names of rows, such as"
    return SpecError(Place("--row"), f"{message} {min(known['row'], default='machine.state/*')}", "unknown-name")


def _jobs(said: str) -> int:
    if not said.isascii() or not said.isdigit() or not 1 <= int(said) <= 256:
        raise argparse.ArgumentTypeError(f"{said!r} is no number of processes; write one like 4")
    return int(said)


def _percent(said: str) -> float:
    try:
        share = float(said)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 100:
        raise argparse.ArgumentTypeError(f"{said!r} is no share in percent; write one like 90")
    return share


@define
class _Done:
    """How far it is and since when, on stderr, about once a second on a terminal and every ten elsewhere.

    When it will be over is not said: one mutant takes a hundred times as long as another."""

    whose: str
    began: float = field(factory=time.monotonic, init=False)
    last: float = field(default=0.0, init=False)
    shown: Shown = field(factory=Shown, init=False)

    def progress(self, done: int, mutants: int, survivors: int) -> None:
        now = time.monotonic()
        if now - self.began < QUIET or now - self.last < (1.0 if self.shown.terminal else 10.0):
            return
        self.last = now
        past = now - self.began
        self.shown.say(f"{done:,} of {mutants:,} mutants{self.whose} in {past:,.0f} s, {survivors:,} survive")

    def over(self) -> None:
        self.shown.over()
