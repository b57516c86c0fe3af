"""`fsm import-transitions`: a machine of the library `transitions` as a spec.

The module is imported, so its code runs: import what you trust. The spec goes to standard output or into a folder, the
account of what it does not carry to standard error.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import sys
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any

from attrs import asdict

from fsm.convert.import_transitions import Imported, NotCarried, convert


class NoMachine(Exception):
    """What was named cannot be had, or is no machine; the message is one line."""


def add(subparsers: Any) -> None:
    """Declares the command."""
    command: argparse.ArgumentParser = subparsers.add_parser(
        "import-transitions",
        help="turn a machine of the library transitions into a spec",
        description="Turn a machine of the library `transitions` into a spec, and name on standard error each callback "
        "that it does not carry. OBJECT is a Machine, a model that has one, or a class of either without arguments. "
        "Exit 1: the machine says something that a spec cannot say; 2: there is no such machine.",
        epilog="example: fsm import-transitions shop.orders:Order -o specs",
    )
    command.add_argument(
        "object", metavar="MODULE:OBJECT", help="where the machine is, as an import statement would say"
    )
    command.add_argument(
        "-o", metavar="DIR", type=Path, dest="folder", help="write machines/ and ports/ in this folder"
    )
    command.add_argument("--json", action="store_true", help="the documents and the account as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Imports one machine."""
    try:
        machine, name = found(args.object)
        imported = convert(machine, name, args.object)
        texts = imported.specs.texts()
        if args.folder is not None:
            write(args.folder, texts)
    except NotCarried as refusal:
        print(f"fsm import-transitions: {args.object}: {refusal}", file=sys.stderr)
        return 1
    except NoMachine as error:
        print(f"fsm import-transitions: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps(_report(imported, texts), indent=2))
        return 0
    if args.folder is None:
        print("\n".join(f"# {path}\n{text}" for path, text in texts.items()), end="")
    for line in (*imported.callbacks, *imported.notes):
        print(line, file=sys.stderr)
    written = ", ".join(str(args.folder / path) for path in texts) if args.folder else "-o DIR writes files"
    print(f"{len(imported.states)} states, {len(imported.events)} events; {written}", file=sys.stderr)
    return 0


def found(named: str) -> tuple[Any, str]:
    """The `transitions` machine that `MODULE:OBJECT` names, and a name for it. Errors: `NoMachine`."""
    module_name, _, path = named.partition(":")
    if not module_name or not path:
        raise NoMachine(f"{named!r} is not MODULE:OBJECT, such as shop.orders:Order")
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    thing = _run(lambda: import_module(module_name), f"importing {module_name}")
    for name in path.split("."):
        if not hasattr(thing, name):
            raise NoMachine(f"{named}: {_called(thing)} has no attribute {name!r}")
        thing = getattr(thing, name)
    if isinstance(thing, type):
        _without_arguments(thing, named)
        thing = _run(thing, f"{named}()")
    names = [name for name in path.split(".") if name != "machine"]
    return _machine(thing, named), names[-1] if names else module_name.rpartition(".")[2]


def write(folder: Path, texts: dict[str, str]) -> None:
    """Writes documents into a folder of specs. Errors: `NoMachine` where one is there already; then none is written."""
    taken = [str(folder / path) for path in texts if (folder / path).exists()]
    if taken:
        raise NoMachine(f"{', '.join(taken)}: there already; remove it, or name another folder")
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")


def _run(call: Any, what: str) -> Any:
    """What foreign code answers; what it prints goes to standard error, for the spec or JSON stands on the other.

    Errors: `NoMachine` for whatever it raises, also where it wants to end the process."""
    try:
        with redirect_stdout(sys.stderr):
            return call()
    except (Exception, SystemExit) as error:
        said = " ".join(str(error).split())
        raise NoMachine(f"{what} raised {type(error).__name__}{f': {said}' if said else ''}") from None


def _without_arguments(kind: type, named: str) -> None:
    """Errors: `NoMachine` for a class that cannot be called without."""
    try:
        signature = inspect.signature(kind)
    except (TypeError, ValueError):
        return  # only the call will tell
    try:
        signature.bind()
    except TypeError as error:
        own = kind.__name__.lower()
        remedy = f"make an object in a module, {own} = {kind.__name__}(…), and name that, MODULE:{own}"
        raise NoMachine(f"{named}() is {error}; {remedy}") from None


def _machine(thing: Any, named: str) -> Any:
    """A machine, or the one that an object has."""
    from transitions import Machine

    if isinstance(thing, Machine):
        return thing
    held = [value for value in getattr(thing, "__dict__", {}).values() if isinstance(value, Machine)]
    machines = list({id(machine): machine for machine in held}.values())
    if len(machines) != 1:
        which = f"has {len(machines)} of them; name one" if machines else "has none; name the object that is one"
        raise NoMachine(f"{named}: {_called(thing)} is no transitions.Machine and {which}")
    return machines[0]


def _called(thing: Any) -> str:
    return getattr(thing, "__name__", None) or f"a {type(thing).__name__}"


def _report(imported: Imported, texts: dict[str, str]) -> dict[str, Any]:
    return {
        "documents": texts,
        "states": dict(imported.states),
        "events": dict(imported.events),
        "callbacks": [asdict(callback) for callback in imported.callbacks],
        "notes": list(imported.notes),
    }
