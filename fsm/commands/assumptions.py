"""`fsm verify --ablate` and `--frontier`: what the verdicts rest on, as tables."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from fsm.commands.space_arguments import QUIET, Shown, limits, space
from fsm.errors import SpecError

if TYPE_CHECKING:
    from fsm.search.space import Space

AT_ONCE = 2
"""Kinds of fault with a budget at a time, where nothing is said: for four kinds or more all of them are too many."""


def add(command: argparse.ArgumentParser) -> None:
    """Declares the flags."""
    command.add_argument(
        "--ablate",
        action="store_true",
        help="which clauses and which faults each property uses, one taken away at a time",
    )
    command.add_argument(
        "--frontier",
        type=_kinds,
        nargs="?",
        const=AT_ONCE,
        metavar="N",
        help="which faults may happen any number of times, and the smallest budgets that break each property, "
        f"of N kinds at a time ({AT_ONCE})",
    )
    command.add_argument("--markdown", action="store_true", help="the tables of --ablate and --frontier as Markdown")


def asked(args: argparse.Namespace) -> bool:
    """Whether a table is asked for instead of a verdict."""
    return bool(args.ablate) or args.frontier is not None


def run(args: argparse.Namespace) -> int:
    """Prints the tables; limits are of each exploration. Errors: `SpecError`, as of `fsm verify`."""
    from fsm.search.ablation import ablate
    from fsm.search.explore import explore
    from fsm.search.frontier import frontier
    from fsm.search.frontier_table import as_markdown, text, to_json

    original, shown, began = space(args), Shown(), time.monotonic()
    clauses, faults = _named(original)
    space_with = partial(space, args)
    search = partial(explore, engine=args.engine, symmetry=args.symmetry, limits=limits(args), progress=shown.progress)

    def progress(line: str) -> None:
        if time.monotonic() - began > QUIET:
            shown.say(line)

    said: dict[str, Any] = {}
    lines: list[str] = []
    if args.ablate:
        kinds = [kind for kind, budget in faults.items() if budget != 0]
        kept = {clause: says for clause, says in clauses.items() if clause not in args.without}
        if not kept and not kinds:
            message = f"{original.name} has no clause and no kind of fault that may happen; write them under 'faults'"
            raise SpecError(original.at, message, "usage")
        ablation = ablate(space_with, search, kept, kinds, progress)
        said["ablation"] = ablation.to_json()
        lines += ablation.markdown() if args.markdown else ablation.text()
    if args.frontier is not None:
        if not faults:
            raise SpecError(original.at, f"{original.name} names no kind of fault; write them under 'faults'", "usage")
        found = frontier(space_with, search, list(faults), args.frontier, progress)
        said["frontier"] = to_json(found)
        lines += [*([""] if lines else []), *(as_markdown(found) if args.markdown else text(found))]
    shown.over()
    print(json.dumps(said, indent=2) if args.json else "\n".join(lines))
    return 0


def _named(original: Space[Any]) -> tuple[dict[str, str], dict[str, int | None]]:
    """The clauses of what is explored, with what they say, and its kinds of fault with their budgets; a model has no
    clauses."""
    from fsm.explore.pool_space import PoolSpace
    from fsm.models.model_space import ModelSpace

    if isinstance(original, PoolSpace):
        clauses = original.joint.world.clauses
        says = clauses if isinstance(clauses, Mapping) else dict.fromkeys(clauses, "")
        return dict(says), dict(original.system.faults)
    assert isinstance(original, ModelSpace)  # there is no third kind
    return {}, dict(original.model.faults)


def _kinds(said: str) -> int:
    if not said.isascii() or not said.isdigit() or not 1 <= int(said) <= 9:
        raise argparse.ArgumentTypeError(f"{said!r} is no number of kinds of fault; write one like {AT_ONCE}")
    return int(said)
