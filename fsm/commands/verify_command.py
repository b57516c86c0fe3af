"""`fsm verify SYSTEM`: every reachable state of a space, what holds there, the shortest story of what does not."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from fsm.commands import assumptions
from fsm.commands.space_arguments import Shown, add_limits, add_space, limits, space, states
from fsm.commands.trace_arguments import add_trace, check, form_of, origin, shown, wanted
from fsm.errors import Place, SpecError

if TYPE_CHECKING:
    from fsm.search.result import Result
    from fsm.search.space import Property
    from fsm.search.trace import Trace

STEPS = 100_000
"""Moves of `--random` where no number is given."""


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
    how = command.add_mutually_exclusive_group()
    how.add_argument("--symmetry", action="store_true", help="count permutations of hosts, VMs or indices once")
    how.add_argument(
        "--subsume", action="store_true", help="leave out states that differ only by fewer faults and orders to come"
    )
    how.add_argument(
        "--random",
        type=states,
        nargs="?",
        const=STEPS,
        metavar="MOVES",
        help=f"walk by chance instead, so many moves ({STEPS:,}): for what is too large",
    )
    command.add_argument("--seed", type=int, default=0, metavar="N", help="of --random: the same seed, the same walks")
    command.add_argument("--first", action="store_true", help="stop at the first counterexample")
    command.add_argument("--json", action="store_true", help="one JSON object instead of text")
    add_trace(command)
    assumptions.add(command)
    add_limits(command)


def run(args: argparse.Namespace) -> int:
    """Explores the space. Errors: `SpecError` for anything in it, or said of it, that cannot be used."""
    from fsm.search.explore import explore
    from fsm.search.fairness import check_patterns
    from fsm.search.random_walk import random_walk

    _refuse(args)
    if assumptions.asked(args):
        return assumptions.run(args)
    explored = space(args)
    check(args, [promised.name for promised in explored.properties])
    on_the_way = Shown()
    if args.random is not None:
        result = random_walk(
            explored, args.seed, steps=args.random, limits=limits(args), progress=on_the_way.progress,
            stop_at_first=args.first,
        )  # fmt: skip
    else:
        result = explore(
            explored, engine=args.engine, symmetry=args.symmetry, subsume=args.subsume, limits=limits(args),
            progress=on_the_way.progress, stop_at_first=args.first,
        )  # fmt: skip
        # with less of it, less happens; with symmetry it happens to some hosts only
        if result.finished and not args.set and not args.without and not args.symmetry:
            check_patterns(explored.fairness, result.groups)
    on_the_way.over()
    lines = list(text(result, args)) if args.save or not args.json else []
    if args.json:
        print(json.dumps(report(result), indent=2))
    else:
        _print(lines, args)
    return result.exit_code


def _refuse(args: argparse.Namespace) -> None:
    """Errors: `SpecError` for options that say nothing together."""
    tables = assumptions.asked(args)
    alone = {"--trace": args.trace, "--save": args.save, "--random": args.random, "--first": args.first}
    alone |= {"--subsume": args.subsume}
    said = [option for option, given in alone.items() if given]
    message = ""
    if args.markdown and (args.json or not tables):
        message = "--markdown is how the tables of --ablate and --frontier are printed, without --json"
    elif tables and said:
        message = f"{said[0]} has no meaning for the tables of --ablate and --frontier; leave one of them out"
    elif args.json and args.trace and not args.save:
        message = "--json has the steps of every trace; leave out --trace, or say with --save where its texts go"
    if message:
        raise SpecError(Place(args.system), message, "usage")


def _print(lines: Iterable[tuple[str, bool]], args: argparse.Namespace) -> None:
    """Traces that other programs read stand alone on standard output, the rest beside it."""
    if args.save is not None or form_of(args)[0] not in ("golden", "hypothesis"):
        print("\n".join(line for line, _ in lines))
        return
    traces = [line for line, trace in lines if trace]
    print("\n".join(line for line, trace in lines if not trace), file=sys.stderr)
    if traces:
        print("\n\n".join(traces))


def text(result: Result, args: argparse.Namespace) -> Iterator[tuple[str, bool]]:
    """A result for people: counts, verdicts, and traces as `args` want them; of each part whether it is a trace."""
    yield _counts(result), False
    wide = max((len(verdict.property.name) for verdict in result.verdicts), default=0)
    for verdict in result.verdicts:
        name, kind = verdict.property.name, verdict.property.kind
        yield f"{name:{wide}}  {verdict.verdict:11}  {verdict.property.why}", False
        if verdict.trace is not None and wanted(args, name, kind):
            yield _told(args, result, verdict.trace, verdict.property), True
        elif name == form_of(args)[1]:
            yield f"no {'way to' if kind == 'reachable' else 'counterexample of'} {name} was found", False
    for refusal in result.refusals:
        yield f"the spec has no answer: {refusal.message}", False
        if wanted(args, "", "refused"):
            yield _told(args, result, refusal.trace, None), True
    from fsm.models.model_space import ModelSpace

    rows, unfired = len(result.space.rows), len(result.unfired)
    what = "actions taken" if isinstance(result.space, ModelSpace) else "rows fired"
    yield f"{rows - unfired} of {rows} {what}" + ("; --json lists the others" if unfired else ""), False


def _told(args: argparse.Namespace, result: Result, trace: Trace, promised: Property | None) -> str:
    from fsm.search.renderings import Found

    return shown(args, Found(result.space, origin(args), trace, promised))


def _counts(result: Result) -> str:
    so_far = "" if result.violated else ", no violation so far"
    if result.engine == "random":
        seen = (
            f"{result.distinct:,} states seen in {result.generated:,} moves, {result.depth - 1:,} in the longest walk"
        )
        return f"{result.space.name}: walks by chance: {seen}, {result.seconds:.1f} s{so_far}"
    how = (
        f"{result.seconds:.1f} s" + (", symmetry" if result.symmetry else "") + (", subsumed" if result.subsume else "")
    )
    how += ", reference engine" if result.engine == "reference" else ""
    counts = f"{result.distinct:,} states, {result.edges:,} edges, depth {result.depth}, {how}"
    unfinished = "" if result.finished else "not finished: "
    return f"{result.space.name}: {unfinished}{counts}" + ("" if result.finished else so_far)


def report(result: Result) -> dict[str, Any]:
    """A result for programs."""
    traces = {v.property.name: v.trace for v in result.verdicts if v.trace is not None and v.verdict != "holds"}
    return {
        "system": result.space.name,
        "engine": result.engine,
        "symmetry": result.symmetry,
        "subsume": result.subsume,
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
