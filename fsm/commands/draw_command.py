"""`fsm draw`: the picture of a machine as Mermaid, DOT or SVG, all of it or what is asked for, or its whole page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fsm.errors import Place, SpecError
from fsm.language.document import suggest
from fsm.language.edges import FAULTS, KINDS
from fsm.language.load import Library
from fsm.language.spec import Machine
from fsm.locate import located, specs
from fsm.pictures import focus
from fsm.pictures.draw import FORMATS, draw
from fsm.pictures.page import page

ENDINGS = {".dot": "dot", ".gv": "dot", ".svg": "svg"}
HIDE = f"leave out edges of these kinds: {', '.join(KINDS)}; a fault is an outcome called {', '.join(sorted(FAULTS))}"
NOT_OURS = {".png", ".jpg", ".jpeg", ".gif", ".webp", ".pdf", ".ps", ".eps"}
"""Endings under which nobody expects the text of a Mermaid flowchart."""


def add(subparsers: Any) -> None:
    """Declares the command."""
    command: argparse.ArgumentParser = subparsers.add_parser(
        "draw",
        help="draw a machine",
        description="Draw a machine as a Mermaid flowchart (https://mermaid.live shows it), in the DOT language of"
        " Graphviz, as an SVG that Graphviz lays out, or write its Markdown page.",
        epilog="example: fsm draw election -o election.svg; fsm draw life --near emergency -o emergency.svg",
    )
    command.add_argument("machine", metavar="MACHINE", help="the name of a shipped machine, or a machine's file")
    what = command.add_mutually_exclusive_group()
    what.add_argument("--format", choices=FORMATS, help="by default what FILE's name says, else mermaid")
    what.add_argument("--page", action="store_true", help="the whole page; with -o also its picture, FILE's neighbour")
    command.add_argument("-o", "--output", metavar="FILE", type=Path, help="write there, not to standard output")
    command.add_argument("--near", metavar="STATE", help="only this state or group, its edges and their other ends")
    command.add_argument("--hide", metavar="KIND,…", help=HIDE)
    marks = command.add_mutually_exclusive_group()
    marks.add_argument("--path", metavar="ROW,…", help="highlight rows, by their ids; the rest in grey")
    marks.add_argument(
        "--journal", metavar="FILE", type=Path, help="highlight the rows that fired in a journal or trace"
    )
    marks.add_argument("--coverage", metavar="FILE", type=Path, help="green what a test run fired, red what it did not")


def run(args: argparse.Namespace) -> int:
    """Draws one machine.

    Errors: `SpecError` for one that is not there or does not load, for names that it does not have, and where Graphviz
    is needed and missing.
    """
    machine = _machine(args.machine)
    view = _focus(machine, args)
    if args.page:
        if view != focus.WHOLE:
            raise SpecError(Place("--page"), "a page shows the whole machine; draw what you want to see alone", "usage")
        _write_page(machine, args.output)
        return 0
    ending = args.output.suffix if args.output else ""
    if ending in NOT_OURS and not args.format:
        message = f"draw writes svg, dot or mermaid, not {ending[1:]}; write an .svg, or a .dot for Graphviz"
        raise SpecError(Place(str(args.output)), message, "usage")
    form = args.format or ENDINGS.get(ending, "mermaid")
    _write(draw(machine, form, view), args.output)
    return 0


def _machine(name: str) -> Machine:
    root = specs()
    if name not in Library(root).names():
        if not name.endswith(".yaml"):
            message = "neither a machine's file, NAME.yaml, nor a shipped machine"
            raise SpecError(Place(name), message + suggest(name, Library(root).names()), "no-spec")
        root, names = located(Path(name))
        name = names[0]
    return Library(root).machine(name)


def _focus(machine: Machine, args: argparse.Namespace) -> focus.Focus:
    """What is asked for. Errors: `SpecError` for names that the machine does not have."""
    path = focus.path(machine, args.path) if args.path else None
    return focus.Focus(
        near=focus.near(machine, args.near) if args.near else None,
        hidden=focus.kinds(args.hide) if args.hide else frozenset(),
        path=focus.journey(machine, args.journal) if args.journal else path,
        fired=focus.coverage(machine, args.coverage) if args.coverage else None,
    )


def _write_page(machine: Machine, file: Path | None) -> None:
    """The page, and beside a file the picture that it shows."""
    _write(page(machine), file)
    if file is not None:
        _write(draw(machine, "svg"), file.parent / f"{machine.name}.svg")


def _write(text: str, file: Path | None) -> None:
    if file is None:
        print(text, end="")
    else:
        file.write_text(text, encoding="utf-8")
