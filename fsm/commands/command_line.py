"""A command with subcommands, each a module of its own: what `fsm` and `liveset` have in common.

Exit codes: 0 good, 1 the answer is no, 2 it could not run, 130 interrupted. What a user did wrong is one line on stderr
that names the place and the remedy; no traceback. Below it stand its notes: how a search came to where it is wrong.

A subcommand is a module with `add(subparsers)`, which declares it, and `run(args) -> int`; one module may declare
several. Only the one that was asked for is imported, except for `--help` of the whole, which lists them all.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module

from attrs import frozen

from fsm import __version__
from fsm.errors import SpecError


@frozen
class CommandLine:
    """A command.

    Arguments:
        prog: its name.
        description, example: what its `--help` says.
        commands: for each subcommand the module it lives in.
        errors: exceptions besides `SpecError` whose text is the one line that a user sees.
        interrupted: what is said when Ctrl-C ended it.
    """

    prog: str
    description: str
    example: str
    commands: Mapping[str, str]
    errors: tuple[type[Exception], ...] = ()
    interrupted: str = "interrupted"

    def parser(self, only: str | None = None) -> argparse.ArgumentParser:
        """The parser of all subcommands, or of the one named."""
        top = argparse.ArgumentParser(prog=self.prog, description=self.description, epilog=f"example: {self.example}")
        top.add_argument("--version", action="version", version=f"{self.prog} {__version__}")
        subparsers = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
        for module in dict.fromkeys(module for name, module in self.commands.items() if only in (None, name)):
            import_module(module).add(subparsers)
        return top

    def main(self, argv: Sequence[str] | None = None) -> int:
        """Runs one subcommand and answers its exit code.

        Arguments:
            argv: the words after the command's name; those of the process by default.
        """
        words = sys.argv[1:] if argv is None else list(argv)
        only = words[0] if words and words[0] in self.commands else None
        args = self.parser(only).parse_args(words)
        said_plainly: tuple[type[Exception], ...] = (SpecError, *self.errors)
        try:
            code: int = import_module(self.commands[args.command]).run(args)
            sys.stdout.flush()
        except said_plainly as error:
            print(error, *getattr(error, "__notes__", ()), sep="\n", file=sys.stderr)
            return 2
        except BrokenPipeError:
            # the reader has gone (`fsm draw | head`): nothing to say, and nobody to say it to at exit either
            _mute()
            return 2
        except OSError as error:
            where = error.filename or ("standard output" if _output_lost() else "system")
            print(f"{self.prog}: {where}: {error.strerror or error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print(f"{self.prog} {args.command}: {self.interrupted}", file=sys.stderr)
            return 130
        return code


def _output_lost() -> bool:
    """Whether standard output takes nothing any more, as on a full disk; nobody hears of it again at exit then."""
    try:
        sys.stdout.flush()
    except OSError:
        _mute()
        return True
    return False


def _mute() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
