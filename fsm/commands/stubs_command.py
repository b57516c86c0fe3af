"""`fsm stubs`: types for the programs that use a machine, as a Python module."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fsm.convert.stubs import stubs
from fsm.errors import Place, SpecError
from fsm.language.document import suggest
from fsm.language.load import Library
from fsm.language.spec import Machine
from fsm.locate import located, specs


def add(subparsers: Any) -> None:
    """Declares the command."""
    command: argparse.ArgumentParser = subparsers.add_parser(
        "stubs",
        help="write types for the programs that use a machine",
        description="Write a Python module with the types of a machine, or of all machines of a folder: states and "
        "events as Literals, payloads, a class for every outcome, Protocols of the ports and of the machine itself. "
        "Exit 0: done, or with --check up to date; 1: FILE is older than the specs; 2: it could not run.",
        epilog="example: fsm stubs door.yaml -o door_types.py",
    )
    command.add_argument(
        "source", metavar="MACHINE|FOLDER", help="a machine's file or the name of a shipped one, or a folder of specs"
    )
    command.add_argument("-o", "--output", metavar="FILE", type=Path, help="write there, not to standard output")
    command.add_argument("--check", action="store_true", help="write nothing; say whether FILE is up to date")


def run(args: argparse.Namespace) -> int:
    """Writes a module, or looks at one. Errors: `SpecError`."""
    text = stubs(machines(args.source))
    if args.check:
        if args.output is None:
            raise SpecError(Place("--check"), "name the file to look at, with -o FILE", "usage")
        stale = written(args.output) != text
        print(f"{args.output}: {'older than the specs; run fsm stubs without --check' if stale else 'up to date'}")
        return 1 if stale else 0
    if args.output is None:
        print(text, end="")
        return 0
    try:
        args.output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SpecError(Place(str(args.output)), f"cannot write it: {error.strerror}", "unwritable") from None
    return 0


def machines(source: str) -> Sequence[Machine]:
    """What the argument means: a shipped machine by its name, else a path. Errors: `SpecError`."""
    shipped = Library(specs()).names()
    if source in shipped:
        return [Library(specs()).machine(source)]
    path = Path(source)
    if not path.exists() and path.suffix != ".yaml":
        message = f"neither a path nor a shipped machine{suggest(source, shipped)}"
        raise SpecError(Place(source), message, "no-spec")
    root, names = located(path)
    library = Library(root)
    return [library.machine(name) for name in names]


def written(file: Path) -> str | None:
    """What a file holds; None where it is not there. Errors: `SpecError` for one that cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SpecError(Place(str(file)), f"cannot read it: {why}", "unreadable") from None
