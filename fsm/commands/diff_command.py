"""`fsm diff OLD NEW`: what is different between two versions of a spec, and what the difference does."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsm.commands.space_arguments import QUIET, Shown, add_limits, limits
from fsm.errors import Place, SpecError

if TYPE_CHECKING:
    from fsm.compare.behaviour import Behaviour
    from fsm.compare.diff import Diff

SECONDS = 60.0
"""Of each exploration and of the walk over both, where nothing else is said."""


def add(subparsers: Any) -> None:
    """Declares the command."""
    command: argparse.ArgumentParser = subparsers.add_parser(
        "diff",
        help="compare two versions of a spec: what is different, and what that does",
        description="Compare two files or folders of specs, or revisions of them: rows, states and properties that "
        "were added, removed or changed, the machine drawn with them, and for a system or model what can be reached "
        "now or no more, the verdicts that have moved, and the shortest story that tells the two apart. "
        "Exit 0: no difference; 1: there are some; 2: it could not run, or was cut short before it found one.",
        epilog="example: fsm diff HEAD~1:specs/machines/election.yaml specs/machines/election.yaml --system failover",
    )
    side = "a file or folder of specs, or one of a git revision, REV:PATH"
    command.add_argument("old", metavar="OLD", help=side)
    command.add_argument("new", metavar="NEW", help=side)
    command.add_argument("--system", metavar="NAME", help="compare behaviour on it, where OLD and NEW are none")
    command.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="explore both with this, as fsm verify does"
    )
    form = command.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="a comment for a pull request")
    form.add_argument("--json", action="store_true", help="one JSON object")
    command.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="draw the machine there: .svg, .dot, else Mermaid"
    )
    add_limits(command)


def run(args: argparse.Namespace) -> int:
    """Compares. Errors: `SpecError` for a side that is not there or does not load."""
    from fsm.compare.diff import diff
    from fsm.compare.report import markdown, report, text
    from fsm.compare.sides import sides

    for said in args.set:
        if "=" not in said:
            raise SpecError(Place("--set"), f"{said}: write NAME=VALUE, as in --set hosts=3", "bad-value")
    shown = Shown()

    def compared(old: Path, new: Path) -> Behaviour:
        return _behaviour(args, old, new, shown)

    with sides(args.old, args.new) as (old, new):
        found = diff(old, new, args.system, compared)
    shown.over()
    if args.output is not None:
        _draw(found, args.output)
    if args.json:
        print(json.dumps(report(found), indent=2))
    else:
        print(markdown(found) if args.markdown else "\n".join(text(found)), end="" if args.markdown else "\n")
    return found.exit_code


def _behaviour(args: argparse.Namespace, old: Path, new: Path, shown: Shown) -> Behaviour:
    from attrs import evolve

    from fsm.compare.behaviour import compare
    from fsm.search.load import load_space

    settings = [(name, value) for name, _, value in (said.partition("=") for said in args.set)]
    asked = limits(args)
    bounded = asked if asked.seconds is not None else evolve(asked, seconds=SECONDS)
    was, now = load_space(old, settings), load_space(new, settings)
    began = said = time.monotonic()

    def pairs(found: int) -> None:
        nonlocal said
        if time.monotonic() - began > QUIET and time.monotonic() - said > 1:
            said = time.monotonic()
            shown.say(f"{found:,} pairs of states walked together")

    return compare(was, now, bounded, shown.progress, pairs)


def _draw(found: Diff, file: Path) -> None:
    """Draws the one machine that differs. Errors: `SpecError`."""
    from fsm.commands.draw_command import ENDINGS
    from fsm.pictures.draw import FORMATS

    pictures = [one.picture for one in found.specs if one.picture is not None]
    if len(pictures) != 1:
        names = ", ".join(picture.machine for picture in pictures) or "none"
        raise SpecError(Place(str(file)), f"one machine is drawn, and those that differ are: {names}", "usage")
    file.write_text(FORMATS[ENDINGS.get(file.suffix, "mermaid")](pictures[0]), encoding="utf-8")
