"""The command `liveset`: demo, status and explain of a pool of real processes.

Exit codes of every command: 0 good, 1 the answer is no, 2 it could not run, 130 interrupted. What a user did wrong is
one line on stderr that names the place and the remedy; no traceback.

A command is a module with `add(subparsers)`, which declares it, and `run(args) -> int`. `COMMANDS` names them; only
the one that was asked for is imported, except for `liveset --help`, which lists them all.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from fsm import __version__
from fsm.errors import SpecError
from hosts.errors import PoolError

COMMANDS = {
    "demo": "hosts.demo.command",
    "status": "hosts.status_command",
    "explain": "hosts.explain_command",
}


def parser(only: str | None = None) -> argparse.ArgumentParser:
    """The parser of all commands, or of the one named."""
    top = argparse.ArgumentParser(
        prog="liveset",
        description="High availability of hypervisor pools by explicit, verified state machines.",
        epilog="example: liveset demo --kill master --how power",
    )
    top.add_argument("--version", action="version", version=f"liveset {__version__}")
    subparsers = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        if only in (None, name):
            import_module(module).add(subparsers)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and answer its exit code.

    Arguments:
        argv: the words after `liveset`; those of the process by default.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    only = words[0] if words and words[0] in COMMANDS else None
    args = parser(only).parse_args(words)
    try:
        code: int = import_module(COMMANDS[args.command]).run(args)
        sys.stdout.flush()
    except (SpecError, PoolError) as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:
        # the reader has gone (`liveset demo | head`): nothing to say, and nobody to say it to at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except OSError as error:
        print(f"liveset: {error.filename or 'system'}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"liveset {args.command}: interrupted; everything has been stopped", file=sys.stderr)
        return 130
    return code


if __name__ == "__main__":
    sys.exit(main())
