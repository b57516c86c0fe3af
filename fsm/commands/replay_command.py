"""`fsm replay`: step a journal again, and say where it and the specs part."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from fsm.drivers.replay import replay
from fsm.errors import Place
from fsm.locate import located, specs


def add(subparsers: Any) -> None:
    """Declares the command."""
    command: argparse.ArgumentParser = subparsers.add_parser(
        "replay",
        help="step a journal again and compare",
        description="Step every event of a journal again and compare each row, each assignment and each effect. "
        "Exit 0: they are the same; 1: the first divergence is shown; 2: it could not run.",
        epilog="example: fsm replay door.yaml door.journal; fsm replay pool/hosts/h1/agent.journal",
    )
    what = "the folder of specs, or the file of a machine in it; the shipped specs by default"
    command.add_argument("spec", type=Path, nargs="?", metavar="SPEC", help=what)
    command.add_argument("journal", type=Path, metavar="JOURNAL", help="the journal of a node")


def run(args: argparse.Namespace) -> int:
    """Replays the journal that was named. Errors: `SpecError`, `OSError`."""
    root, name = located(args.spec)[0] if args.spec else specs(), str(args.journal)
    with args.journal.open(encoding="utf-8", errors="replace") as lines:
        done = replay(lines, root, name)
    for line in done.torn:
        print(f"{Place(name, line)}: torn: a life ends here in the middle of a write", file=sys.stderr)
    if done.divergence is not None:
        print(f"{Place(name, done.divergence.line)}: {done.divergence}")
        return 1
    lives = f"{done.lives} {'life' if done.lives == 1 else 'lives'}"
    print(f"{name}: {lives}, {done.turns} turns, {done.rows} rows: no divergence")
    return 0
