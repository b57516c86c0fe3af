"""`fsm draw`: the picture of a machine as Mermaid text, or its whole page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fsm.check_command import located
from fsm.document import suggest
from fsm.draw import draw
from fsm.errors import Place, SpecError
from fsm.load import Library
from fsm.locate import specs
from fsm.page import page


def add(subparsers: Any) -> None:
    """Declares the command."""
    command: argparse.ArgumentParser = subparsers.add_parser(
        "draw",
        help="draw a machine as a Mermaid diagram",
        description="Print a machine as a Mermaid flowchart (https://mermaid.live shows it), or as a Markdown page.",
        epilog="example: fsm draw election > election.mmd",
    )
    command.add_argument("machine", metavar="MACHINE", help="the name of a shipped machine, or a machine's file")
    command.add_argument("--page", action="store_true", help="the whole page: essay, diagram, variables and rows")


def run(args: argparse.Namespace) -> int:
    """Prints one machine. Errors: `SpecError` for one that is not there or does not load."""
    root, name = specs(), args.machine
    if name not in Library(root).names():
        if not name.endswith(".yaml"):
            message = f"no shipped machine has this name{suggest(name, Library(root).names())}"
            raise SpecError(Place(name), message, "no-spec")
        root, names = located(Path(name))
        name = names[0]
    machine = Library(root).machine(name)
    print(page(machine) if args.page else draw(machine), end="")
    return 0
