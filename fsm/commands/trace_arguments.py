"""How a command that finds traces is told to show them."""

from __future__ import annotations

import argparse
import errno
import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve

from fsm.commands.space_arguments import said
from fsm.errors import Place, SpecError

if TYPE_CHECKING:
    from fsm.search.renderings import Found
    from fsm.search.walk_traces import Origin

FORMATS = ("table", "sequence", "golden", "hypothesis")
"""Those of `fsm.search.renderings`, which is not loaded for a `--help`."""


def add_trace(command: argparse.ArgumentParser) -> None:
    """Declares --trace and --save."""
    command.add_argument(
        "--trace",
        type=_asked,
        metavar="FORMAT[:PROPERTY]",
        help="how counterexamples are shown: table; sequence, a Mermaid diagram; golden, a trace that `fsm replay` and "
        "tests play again; hypothesis, a test; of these two nothing else is on standard output. With a property this "
        "trace alone, also how a reachable one is reached",
    )
    command.add_argument("--save", type=Path, metavar="DIR", help="write each trace to a file of its own")


def origin(args: argparse.Namespace) -> Origin:
    """The words that name the space of a command (`add_space`)."""
    from fsm.search.walk_traces import Origin

    return Origin(args.system, tuple(said(args)), tuple(args.without))


def wanted(args: argparse.Namespace, name: str, kind: str) -> bool:
    """Whether the trace of a property is to be shown."""
    only = form_of(args)[1]
    return bool(name == only) if only else kind != "reachable"


def form_of(args: argparse.Namespace) -> tuple[str, str]:
    """The format of --trace, and its property or ""."""
    return args.trace or ("table", "")


def check(args: argparse.Namespace, names: list[str]) -> None:
    """Looks before anything is explored. Errors: `SpecError` for a property of --trace that there is not; `OSError`
    for a folder of --save that cannot be written to."""
    from fsm.language.document import suggest

    if args.save is not None:
        args.save.mkdir(parents=True, exist_ok=True)
        if not os.access(args.save, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(args.save))
    only = form_of(args)[1]
    if only and only not in names:
        raise SpecError(
            Place(args.system), f"--trace: there is no property {only!r}{suggest(only, names)}", "unknown-name"
        )


def shown(args: argparse.Namespace, found: Found) -> str:
    """A trace as it was asked for; where it is saved, the name of its file. Errors: `SpecError`, `OSError`."""
    from fsm.search.renderings import SUFFIXES, render

    form = form_of(args)[0]
    if args.save is None:
        return render(found, form, shutil.get_terminal_size().columns if sys.stdout.isatty() else None).rstrip("\n")
    found = evolve(found, origin=found.origin.seen_from(args.save))
    name = re.sub(r"\W+", "_", found.name).strip("_")
    path = args.save / (f"test_{name}.py" if form == "hypothesis" else f"{name}{SUFFIXES[form]}")
    path.write_text(render(found, form), "utf-8")
    return f"written to {path}"


def _asked(said: str) -> tuple[str, str]:
    form, _, only = said.partition(":")
    if form not in FORMATS:
        raise argparse.ArgumentTypeError(f"{form!r} is no format; there are {', '.join(FORMATS)}")
    return form, only
