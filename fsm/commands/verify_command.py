"""`fsm verify SYSTEM`: every reachable state of a space, what holds there, the shortest story of what does not."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from fsm.commands import assumptions
from fsm.commands.space_arguments import Shown, add_limits, add_space, limits, space

if TYPE_CHECKING:
    from fsm.search.result import Result


def add(subparsers: Any) -> None:
    """Declares the command."""
    command: argparse.ArgumentParser = subparsers.add_parser(
        "verify",
        help="explore every reachable state of a system or model",
        description="Explore every reachable state of machines, world and faults, or of a model, and decide the "
        "properties. "
        "Exit 0: all hold; 1: a counterexample; 2: it could not run, or was cut short before it found one.",
        epilog="example: fsm verify failover --set hosts=3 --set faults.crash=1",
    )
    add_space(command)
    command.add_argument(
        "--engine", choices=["fast", "reference"], default="fast", help="reference: slow, plain Python"
    )
    command.add_argument("--symmetry", action="store_true", help="count permutations of hosts, VMs or indices once")
    command.add_argument("--first", action="store_true", help="stop at the first counterexample")
    command.add_argument("--json", action="store_true", help="one JSON object instead of text")
    assumptions.add(command)
    add_limits(command)


def run(args: argparse.Namespace) -> int:
    """Explores the space. Errors: `SpecError` for anything in it, or said of it, that cannot be used."""
    from fsm.search.explore import explore

    if assumptions.asked(args):
        return assumptions.run(args)
    explored = space(args)
    shown = Shown()
    result = explore(
        explored, engine=args.engine, symmetry=args.symmetry, limits=limits(args), progress=shown.progress,
        stop_at_first=args.first,
    )  # fmt: skip
    shown.over()
    print(json.dumps(report(result), indent=2) if args.json else "\n".join(text(result)))
    return result.exit_code


def text(result: Result) -> list[str]:
    """A result for people: counts, verdicts, stories."""
    how = f"{result.seconds:.1f} s" + (", symmetry" if result.symmetry else "")
    how += ", reference engine" if result.engine == "reference" else ""
    counts = f"{result.distinct:,} states, {result.edges:,} edges, depth {result.depth}, {how}"
    so_far = "" if result.violated else ", no violation so far"
    unfinished = "" if result.finished else "not finished: "
    lines = [f"{result.space.name}: {unfinished}{counts}" + ("" if result.finished else so_far)]
    wide = max((len(verdict.property.name) for verdict in result.verdicts), default=0)
    for verdict in result.verdicts:
        lines.append(f"{verdict.property.name:{wide}}  {verdict.verdict:11}  {verdict.property.why}")
        if verdict.trace is not None and verdict.property.kind != "reachable":
            lines += ["   " + line for line in verdict.trace.lines()]
    for refusal in result.refusals:
        lines.append(f"the spec has no answer: {refusal.message}")
        lines += ["   " + line for line in refusal.trace.lines()]
    rows, unfired = len(result.space.rows), len(result.unfired)
    lines.append(f"{rows - unfired} of {rows} rows fired" + ("; --json lists the others" if unfired else ""))
    return lines


def report(result: Result) -> dict[str, Any]:
    """A result for programs."""
    traces = {v.property.name: v.trace for v in result.verdicts if v.trace is not None and v.verdict != "holds"}
    return {
        "system": result.space.name,
        "engine": result.engine,
        "symmetry": result.symmetry,
        "distinct": result.distinct,
        "generated": result.generated,
        "edges": result.edges,
        "depth": result.depth,
        "seconds": round(result.seconds, 3),
        "finished": result.finished,
        "verdicts": {verdict.property.name: verdict.verdict for verdict in result.verdicts},
        "traces": {name: trace.to_json() for name, trace in traces.items()},
        "loops": {name: trace.loop for name, trace in traces.items() if trace.loop is not None},
        "refused": [{"message": r.message, "trace": r.trace.to_json()} for r in result.refusals],
        "rows": sorted(result.fired),
        "unfired": list(result.unfired),
    }
