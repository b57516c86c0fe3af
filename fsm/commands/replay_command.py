"""`fsm replay`: step a journal again, or play a golden trace, and say where it and the specs part."""

from __future__ import annotations

import argparse
import sys
from itertools import dropwhile, islice, zip_longest
from pathlib import Path
from typing import Any

from fsm.drivers.replay import replay
from fsm.errors import Place, SpecError
from fsm.language.document import regular
from fsm.locate import located, specs
from fsm.search.walk_traces import RULE


def add(subparsers: Any) -> None:
    """Declares the command."""
    command: argparse.ArgumentParser = subparsers.add_parser(
        "replay",
        help="step a journal again, or play a golden trace, and compare",
        description="Step every event of a journal again and compare each row, each assignment and each effect; or "
        "play a golden trace, such as `fsm verify --trace golden` writes, and compare every line. "
        "Exit 0: they are the same; 1: the first divergence is shown; 2: it could not run.",
        epilog="example: fsm replay door.yaml door.journal; fsm replay pool/hosts/h1/agent.journal; "
        "fsm replay tests/traces/demo.txt",
    )
    what = "the folder of specs, or the file of a machine in it; the shipped specs by default"
    command.add_argument("spec", type=Path, nargs="?", metavar="SPEC", help=what)
    command.add_argument("journal", type=Path, metavar="JOURNAL", help="the journal of a node, or a golden trace")


def run(args: argparse.Namespace) -> int:
    """Replays the journal or trace that was named. Errors: `SpecError`, `OSError`."""
    root, name = located(args.spec)[0] if args.spec else specs(), str(args.journal)
    regular(args.journal)
    if _is_trace(args.journal):
        return _play(args.journal, root)
    _check_journal(args.journal)
    with args.journal.open(encoding="utf-8", errors="replace") as lines:
        done = replay(lines, root, name)
    for line in done.torn:
        print(f"{Place(name, line)}: torn: a life ends here in the middle of a write", file=sys.stderr)
    if done.divergence is not None:
        print(f"{Place(name, done.divergence.line)}: {done.divergence}")
        return 1
    lives = f"{done.lives} {'life' if done.lives == 1 else 'lives'}"
    print(f"{name}: {lives}, {_counted(done.turns, 'turn')}, {_counted(done.rows, 'row')}: no divergence")
    return 0


def _is_trace(path: Path) -> bool:
    """Whether a file has the rule below its first command; each line of a journal is a JSON object."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        opening = dropwhile(lambda line: line.startswith("#") or not line.strip(), lines)
        return [line.rstrip() for line in islice(opening, 2)][1:] == [RULE]


def _check_journal(path: Path) -> None:
    """Errors: `SpecError` for what has no line of a journal: a trace that is not laid out as one, or anything else."""
    first, ruled = "", False
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith("{"):
                return
            first = first or line.partition("#")[0].strip()
            ruled = ruled or line.rstrip() == RULE
    message = f"this is no journal, each line of which is a JSON object, and no golden trace, which has a line {RULE} "
    message += "below each command" + ("" if first else "; it is empty")
    looks = ruled or first.partition(" ")[0] in ("system", "machine", "walk")
    raise SpecError(Place(str(path)), message, "trace-shape" if looks else "journal")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _play(path: Path, root: Path) -> int:
    """Plays a golden trace; the first line that came out otherwise is shown."""
    from fsm.explore.traces import play

    played, written = play(path, root), path.read_text("utf-8")
    if played.text == written:
        # the id of a row has a slash, the name of a model's action has none
        what = "action" if played.rows and not any("/" in row for row in played.rows) else "row"
        moves = f"{_counted(played.moves, 'move')}, " if played.moves else ""
        print(f"{path}: {moves}{_counted(len(played.rows), what)}: no divergence")
        return 0
    pairs = enumerate(zip_longest(written.splitlines(), played.text.splitlines()), 1)
    number, (old, new) = next((n, pair) for n, pair in pairs if pair[0] != pair[1])
    said, done = (ascii(line) if line is not None else "nothing" for line in (old, new))
    print(f"{Place(str(path), number)}: the trace says {said}, and what happens is {done}")
    return 1
