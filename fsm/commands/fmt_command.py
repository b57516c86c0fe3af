"""`fsm fmt`: specs in the canonical layout (`fsm.language.write`), rewritten in place or only looked at.

A file is replaced as a whole or not at all: the new text is written beside it, synced and renamed over it. What is no
sound YAML stays as it is, with one line that says why; the other files are formatted all the same.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from fsm.errors import Place, SpecError
from fsm.language.document import parse
from fsm.language.write import formatted
from fsm.locate import specs


def add(subparsers: Any) -> None:
    """Declares the command."""
    command: argparse.ArgumentParser = subparsers.add_parser(
        "fmt",
        help="write specs in the canonical layout",
        description="Rewrite specs in the canonical layout: one edge a line, columns under each other, keys in one "
        "order. What they say does not change, and comments stay. Exit 0: done, or nothing to do; 1: with --check, "
        "some would change; 2: some were left as they are, each with a line that says why.",
        epilog="example: fsm fmt door.yaml; fsm fmt --check",
    )
    command.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="PATH",
        help="a spec, or a folder with specs in it, at any depth; with --check the shipped specs by default",
    )
    command.add_argument("--check", action="store_true", help="write nothing; name the files that would change")


def run(args: argparse.Namespace) -> int:
    """Formats everything that was named. Errors: `SpecError` where a path is not there; nothing is written then."""
    if not args.paths and not args.check:
        print("fsm fmt: name the files or folders to rewrite; only --check has a default", file=sys.stderr)
        return 2
    seen, changed, refused = 0, 0, 0
    for path in list(found(args.paths or [specs()])):
        try:
            source = read(path)
            if "language" not in parse(source, str(path)).mapping("a spec"):
                if path in args.paths:
                    raise SpecError(Place(str(path)), "no spec: it does not say 'language: 1'", "language")
                continue
            new = formatted(source, str(path))
            seen += 1
            if new != source:
                changed += 1
                if not args.check:
                    replace(path, new)
                print(path)
        except SpecError as error:
            refused += 1
            print(error, file=sys.stderr)
    if args.check:
        print(f"{changed} of {seen} specs would change" + ("; run fsm fmt" if changed else ""))
    return 2 if refused else 1 if args.check and changed else 0


def found(paths: list[Path]) -> Iterator[Path]:
    """The files that paths mean, each once: a folder stands for its `*.yaml`, but for what is hidden in it.

    Errors: `SpecError` where there is no such file or folder."""
    once: set[Path] = set()
    for path in paths:
        if not path.is_dir() and not path.is_file():
            message = "neither a file nor a folder" if path.exists() else "no such file or folder"
            raise SpecError(Place(str(path)), message, "no-spec")
        inside = sorted(path.rglob("*.yaml")) if path.is_dir() else [path]
        for file in inside:
            hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
            if file.is_file() and not hidden and file.resolve() not in once:
                once.add(file.resolve())
                yield file


def read(path: Path) -> str:
    """The text of a file as it stands there. Errors: `SpecError`."""
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"byte {error.start} is not UTF-8; save it as UTF-8"
        raise SpecError(Place(str(path)), message, "unreadable") from None
    except OSError as error:
        raise SpecError(Place(str(path)), f"cannot read it: {error.strerror}", "unreadable") from None


def replace(path: Path, text: str) -> None:
    """Puts a text in the place of a file, whole or not at all; a link still leads to it, its permissions stay.

    Errors: `SpecError` where it cannot be written; the file is as it was then."""
    target = path.resolve()
    try:
        number, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(number, "wb") as file:
                os.fchmod(number, target.stat().st_mode & 0o7777)
                file.write(text.encode("utf-8"))
                file.flush()
                os.fsync(number)
            os.replace(name, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(name)
            raise
    except OSError as error:
        raise SpecError(Place(str(path)), f"cannot write it: {error.strerror}", "unwritable") from None
