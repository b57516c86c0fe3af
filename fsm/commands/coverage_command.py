"""`fsm coverage`: for each row and state of the machines of a folder, who has seen it, and what nobody has."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsm.commands.space_arguments import Shown, add_limits, limits
from fsm.errors import Place, SpecError
from fsm.language.document import suggest
from fsm.language.load import Library
from fsm.locate import specs

if TYPE_CHECKING:
    from fsm.compare.coverage import Explored

SECONDS = 60.0
"""Of each exploration, where nothing else is said."""


def add(subparsers: Any) -> None:
    """Declares the command."""
    command: argparse.ArgumentParser = subparsers.add_parser(
        "coverage",
        help="say who has seen each row: systems, faults, tests, traces, journals",
        description="One matrix of rows and states of the machines of a folder: which systems reach each, which fault "
        "it needs, how often random tests, golden traces and journals of real runs came by. What no system reaches is "
        "declared in unreached.yaml, with a reason each. Exit 0: so it is; 1: something is neither reached nor "
        "declared, or declared in vain; 2: it could not run.",
        epilog="example: fsm coverage --systems failover,lease --traces tests/traces",
    )
    command.add_argument(
        "specs", nargs="?", type=Path, metavar="SPECS", help="a folder of specs; the shipped by default"
    )
    command.add_argument("--systems", metavar="NAME,…", help="explore these; all of SPECS/systems by default")
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SYSTEM.NAME=VALUE",
        help="explore a system with this, as in enable.faults.crash=0",
    )
    command.add_argument("--traces", type=Path, metavar="FOLDER", help="golden traces to play, *.txt")
    command.add_argument("--tests", type=Path, metavar="FILE", help="what pytest --fsm-cover-json has written")
    command.add_argument("--journals", type=Path, nargs="+", metavar="FILE", help="journals of nodes that ran")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="tables for a page or a pull request")
    form.add_argument("--json", action="store_true", help="one JSON object")
    add_limits(command)


def run(args: argparse.Namespace) -> int:
    """Explores, plays and counts. Errors: `OSError`; `SpecError` for anything that cannot be used."""
    from fsm.compare.coverage import Seen, journaled, matrix, played, tested
    from fsm.compare.coverage_report import markdown, report, text
    from fsm.compare.unreached import unreached

    root = args.specs or specs()
    library = Library(root)
    if not library.names():
        raise SpecError(Place(str(root)), "no machines in it; name a folder of specs", "no-spec")
    machines = [library.machine(name) for name in library.names()]
    seen = Seen(
        tested(args.tests, machines) if args.tests else None,
        played(args.traces, root) if args.traces else None,
        journaled(args.journals, machines) if args.journals else None,
        unreached(root, machines),
    )
    found = matrix(machines, _explored(args, root), seen)
    if args.json:
        print(json.dumps(report(found), indent=2))
    else:
        print(markdown(found) if args.markdown else "\n".join(text(found)), end="" if args.markdown else "\n")
    return 1 if found.missing or found.wrong else 0


def _explored(args: argparse.Namespace, root: Path) -> Sequence[Explored]:
    """The systems that were asked for, explored. Errors: `SpecError`."""
    from attrs import evolve

    from fsm.compare.coverage import explored

    folder = root / "systems"
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    names = args.systems.split(",") if args.systems else known
    for name in names:
        if name not in known:
            raise SpecError(Place("--systems"), f"{folder} has no system {name!r}{suggest(name, known)}", "no-system")
    settings: dict[str, list[tuple[str, str]]] = {name: [] for name in names}
    for said in args.set:
        whole, equals, value = said.partition("=")
        system, dot, name = whole.partition(".")
        if not equals or not dot or system not in settings:
            message = f"{said}: write SYSTEM.NAME=VALUE, of a system that is explored, as in enable.faults.crash=0"
            raise SpecError(Place("--set"), message, "bad-value")
        settings[system].append((name, value))
    asked, shown = limits(args), Shown()
    bounded = asked if asked.seconds is not None else evolve(asked, seconds=SECONDS)
    found = []
    for name in names:
        shown.say(f"{name} …")
        found.append(explored(folder / f"{name}.yaml", settings[name], bounded, shown.progress))
    shown.over()
    return found
