"""What every command that explores takes: a system or model, what to change of it, limits; and progress on stderr."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsm.errors import Place, SpecError
from fsm.language.document import suggest
from fsm.locate import explorable, specs

if TYPE_CHECKING:
    from fsm.search.result import Limits, Progress
    from fsm.search.space import Space

QUIET = 2.0
"""Seconds before a command says how far it is."""


def add_space(command: argparse.ArgumentParser) -> None:
    """Declares SYSTEM, --set and --without."""
    command.add_argument("system", metavar="SYSTEM", help="a shipped system or model by name, or a file of one")
    add_settings(command)


def add_settings(command: argparse.ArgumentParser) -> None:
    """Declares --set and --without."""
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="hosts=N, the budget of a fault or operator's event (faults.crash=1, faults.crash=any), a setting of the "
        "world (settings.NAME=VALUE), an initial variable (host.NAME=VALUE on every host, pool.NAME=VALUE); of a model "
        "a parameter (n=5)",
    )
    command.add_argument(
        "--without", action="append", default=[], metavar="CLAUSE", help="switch off a clause of the world, such as K1"
    )


def add_limits(command: argparse.ArgumentParser) -> None:
    """Declares what ends a search before its time."""
    command.add_argument("--limit-states", type=states, metavar="N", help="stop after so many states")
    command.add_argument("--limit-seconds", type=_seconds, metavar="S", help="stop after so many seconds")
    command.add_argument("--limit-memory", type=_seconds, metavar="MIB", help="stop when it occupies so many MiB")


def limits(args: argparse.Namespace) -> Limits:
    """The limits that were asked for."""
    from fsm.search.result import Limits

    return Limits(args.limit_states, args.limit_seconds, args.limit_memory)


def space(
    args: argparse.Namespace, settings: Sequence[tuple[str, str]] = (), without: Sequence[str] = ()
) -> Space[Any]:
    """The space that was asked for, with more settings and without more clauses. Errors: `SpecError`."""
    from fsm.search.load import load_space

    return load_space(shipped(args.system), [*said(args), *settings], [*args.without, *without])


def said(args: argparse.Namespace) -> list[tuple[str, str]]:
    """The (name, value) of every --set. Errors: `SpecError` for one that is no such pair."""
    pairs = []
    for setting in args.set:
        name, equals, value = setting.partition("=")
        if not equals:
            raise SpecError(Place("--set"), f"{setting}: write NAME=VALUE, as in --set hosts=3", "bad-value")
        pairs.append((name, value))
    return pairs


def shipped(said: str) -> Path:
    """The file of a system or model, by path or name; a model's number may be left out. Errors: `SpecError`."""
    if said.endswith(".yaml"):
        return Path(said)
    files = explorable(specs())
    if said not in files:
        message = f"there is no shipped system or model of this name{suggest(said, files)}"
        raise SpecError(Place(said), message, "no-system")
    return files[said]


def states(said: str) -> int:
    """A number of states or moves that somebody typed."""
    if not said.isascii() or not said.isdigit() or int(said) < 1:
        raise argparse.ArgumentTypeError(f"{said!r} is no number above 0; write one like 100000")
    return int(said)


def _seconds(said: str) -> float:
    try:
        seconds = float(said)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e9:
        raise argparse.ArgumentTypeError(f"{said!r} is no number above 0; write one like 60")
    return seconds


class Shown:
    """Progress on stderr: one line, rewritten on a terminal; nothing in the first two seconds."""

    def __init__(self) -> None:
        self.terminal, self.said = sys.stderr.isatty(), False

    def progress(self, now: Progress) -> None:
        """Says how far a search has come."""
        if now.seconds >= QUIET:
            rate = now.states / now.seconds
            self.say(
                f"{now.states:,} states, {now.frontier:,} to look into, depth {now.depth}, {rate:,.0f} states/s, "
                f"{now.memory:,.0f} MiB"
            )

    def say(self, line: str) -> None:
        """Says anything, over what was said before."""
        self.said = True
        text, end = (f"\r{line}\x1b[K", "") if self.terminal else (line, "\n")
        print(text, end=end, file=sys.stderr, flush=True)

    def over(self) -> None:
        """Takes the line away."""
        if self.said and self.terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
