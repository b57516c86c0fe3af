"""`fsm walk SYSTEM`: step through the states of a system or model by hand."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from typing import Any

from fsm.commands.space_arguments import add_space, space
from fsm.commands.trace_arguments import origin


def add(subparsers: Any) -> None:
    """Declares the command."""
    command: argparse.ArgumentParser = subparsers.add_parser(
        "walk",
        help="step through the states of a system or model by hand",
        description="Show a state, what holds in it and what is possible, and take the move that is chosen: by its "
        "number or the beginning of its label. back, jump, random, trace, state, save and quit are words for the rest; "
        "help lists them. Commands may also come from a pipe.",
        epilog="example: fsm walk die-hard; printf 'fill_big\\nrandom 3\\ntrace\\n' | fsm walk die-hard",
    )
    add_space(command)
    command.add_argument("--seed", type=int, default=0, metavar="N", help="of the word random; 0 by default")


def run(args: argparse.Namespace) -> int:
    """Walks until the commands end. Errors: `SpecError` for a space that cannot be walked through."""
    from fsm.search.blame import blamed
    from fsm.search.walk import begin
    from fsm.search.walk_by_hand import WalkByHand

    terminal = sys.stdout.isatty()
    explored, columns = space(args), shutil.get_terminal_size().columns if terminal else None
    with blamed(explored):
        by_hand = WalkByHand(begin(explored), origin(args), args.seed, columns)
        answer = by_hand.say("")
    print("\n".join(answer), flush=True)
    for line in _lines():
        with blamed(explored):
            answer = by_hand.say(line)
        if answer:
            print("\n".join(answer), flush=True)
        if by_hand.over:
            break
    return 0


def _lines() -> Iterator[str]:
    """What is typed; what comes from a pipe is shown, so that the answers can be told apart."""
    if not sys.stdin.isatty():
        for line in sys.stdin:
            print(f"> {line.rstrip()}")
            yield line
        return
    import readline  # noqa: F401 - gives `input` a history and keys to edit with

    while True:
        try:
            yield input("> ")
        except EOFError:
            print()
            return
