"""`fsm schema`: the JSON Schema of each kind of document, for editors and for programs that write specs.

A schema says how a document is put together: its keys, what is missing, domains, budgets. That names exist, that guards
exclude each other and that expressions are sound is for `fsm check`; whatever a schema refuses, the loader refuses too.
"""

from __future__ import annotations

import argparse
from importlib.resources import files
from typing import Any

KINDS = ("machine", "port", "state", "system", "model", "unreached")


def add(subparsers: Any) -> None:
    """Declares the command."""
    command: argparse.ArgumentParser = subparsers.add_parser(
        "schema",
        help="print the JSON Schema of a kind of spec",
        description="Print the JSON Schema (draft 2020-12) of a kind of spec. An editor with the YAML language server "
        "completes keys by it where the first line of a spec says '# yaml-language-server: $schema=FILE'.",
        epilog="example: fsm schema machine > machine.schema.json",
    )
    command.add_argument("kind", choices=KINDS, metavar="KIND", help=f"one of {', '.join(KINDS)}")


def run(args: argparse.Namespace) -> int:
    """Prints one schema."""
    print(schema(args.kind), end="")
    return 0


def schema(kind: str) -> str:
    """The JSON text of the schema of a kind of document: machine, port, state, system or model."""
    return (files("fsm") / "schema" / f"{kind}.json").read_text("utf-8")
