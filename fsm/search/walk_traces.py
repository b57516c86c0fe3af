"""Golden traces of a walk: the moves are named by the trace, what is different after each stands below it.

    walk failover --without K1
    ----
    acting: {}, deciding: {0, 1}, restarting: {}, ...

    take host 0 leaves the liveset
    ----
    lock: 0 -> none

    violates S3
    ----
    violated

Commands.
    walk NAME [--set NAME=VALUE]... [--without CLAUSE]... [--start N]    a system or model, and which of its beginnings
    take LABEL                     a move that is possible now
    again from N                   it stands again where it stood before step N, and goes round from there for ever;
                                   one more than there are steps: it stays where it is
    violates PROPERTY              the way that was taken breaks this promise
    holds PROPERTY                 it does not
    reaches PROPERTY               a state of it is what the property wants to be reached

NAME is a system or example of the folder of specs, or a file `….yaml`, as seen from the trace or from where the program
runs. What a walk proves and what it cannot is said in `fsm.search.walk`.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from attrs import define, evolve, field, frozen

from fsm.errors import Place, SpecError
from fsm.language.document import regular, suggest
from fsm.locate import explorable
from fsm.search.load import load_space
from fsm.search.space import Property, Space
from fsm.search.trace import Trace, TraceStep, show
from fsm.search.trace_table import folded
from fsm.search.walk import Walk, begin, walk_of

RULE = "----"
VERBS = ("walk", "take", "again", "violates", "holds", "reaches")
WIDTH = 110
ROW_COLUMN = 50


@frozen
class Origin:
    """Which space, in words: a name or a file, settings and clauses as `fsm verify` takes them. beside: the file is
    named as it is seen from the folder of whatever names it, not from where the program runs."""

    name: str
    settings: tuple[tuple[str, str], ...] = ()
    without: tuple[str, ...] = ()
    beside: bool = False

    def seen_from(self, folder: Path) -> Origin:
        """The same, for a file in that folder: it stays right wherever somebody stands who reads it. What is shipped
        has a name everywhere."""
        if not self.name.endswith(".yaml"):
            return self
        return evolve(self, name=os.path.relpath(Path(self.name).resolve(), folder.resolve()), beside=True)

    def words(self, start: int = 1) -> str:
        """The words after `walk`."""
        said = [self.name]
        for name, value in self.settings:
            said += ["--set", f"{name}={value}"]
        for clause in self.without:
            said += ["--without", clause]
        return shlex.join([*said, *(["--start", str(start)] if start != 1 else [])])


@define(eq=False)
class WalkPlayer:
    """Plays the commands of a trace on a space. `rows` takes the ids of the rows that fire.

    Errors of its methods: `SpecError` at the place that they are given."""

    walk: Walk[Any]
    rows: set[str] = field(factory=set)
    loop: int | None = None

    @classmethod
    def opened(cls, text: str, folders: Sequence[Path], at: Place, rows: set[str]) -> WalkPlayer:
        """The player of `walk TEXT`.

        Arguments:
            folders: the folder of specs, then those from which files are seen.
        """
        origin, start = _origin(text, at)
        space = load_space(named_file(origin.name, folders, at), origin.settings, origin.without)
        try:
            return cls(begin(space, start), rows)
        except LookupError as error:
            raise SpecError(at, str(error.args[0]), "bad-command") from None

    def beginning(self) -> list[str]:
        """What stands below `walk`: the state at the beginning."""
        named = self.walk.space.named(self.walk.states[0])
        return folded((f"{name}: {show(value)}" for name, value in named.items()), WIDTH)

    def run(self, verb: str, rest: str, at: Place) -> list[str]:
        """The output of every command but `walk`."""
        verbs: Mapping[str, Callable[[str, Place], list[str]]] = {
            "take": self._take, "again": self._again, "violates": self._violates, "holds": self._holds,
            "reaches": self._reaches,
        }  # fmt: skip
        return verbs[verb](rest, at)

    def _take(self, rest: str, at: Place) -> list[str]:
        try:
            step = self.walk.take(rest)
        except LookupError as error:
            raise SpecError(at, str(error.args[0]), "impossible") from None
        self.rows.update(self.walk.space.fired(self.walk.edges[-1]))
        return list(_lines(step))

    def _again(self, rest: str, at: Place) -> list[str]:
        number = rest.removeprefix("from ")
        if number == rest or not number.isdecimal():
            raise SpecError(at, "write 'again from N', the number of a step", "bad-command")
        if not self.walk.closes(int(number)):
            raise SpecError(at, f"it does not stand where it stood before step {number}", "impossible")
        self.loop = int(number)
        return []

    def _violates(self, rest: str, at: Place) -> list[str]:
        return ["violated" if self.walk.breaks(self.promised(rest, at), self.loop) else "NOT VIOLATED"]

    def _holds(self, rest: str, at: Place) -> list[str]:
        return ["VIOLATED" if self.walk.breaks(self.promised(rest, at), self.loop) else "holds"]

    def _reaches(self, rest: str, at: Place) -> list[str]:
        return ["reached" if self.walk.reaches(self.promised(rest, at, True)) else "NOT REACHED"]

    def promised(self, name: str, at: Place, reachable: bool = False) -> Property:
        """The property of a name; of the one kind that is reached, or of the others."""
        known = {p.name: p for p in self.walk.space.properties if (p.kind == "reachable") == reachable}
        if name not in known:
            what = "reachable property" if reachable else "property that can be violated"
            raise SpecError(at, f"there is no {what} {name!r}{suggest(name, known)}", "unknown-name")
        return known[name]


def golden(space: Space[Any], origin: Origin, trace: Trace, closing: Sequence[str] = (), title: str = "") -> str:
    """A trace as the text of a golden one.

    Arguments:
        space, origin: where it happened, and how that is written.
        closing: commands at its end, as "violates S1".
        title: the comment above it.
    Errors: `SpecError` where the trace is none of this space.
    """
    walk, at = walk_of(space, trace), Place(origin.name)
    player = WalkPlayer(begin(space, walk.start))
    blocks = [(f"walk {origin.words(walk.start)}", player.beginning())]
    last = [] if trace.loop is None else [f"again from {trace.loop}"]
    for command in (*(f"take {name}" for name in walk.names), *last, *closing):
        verb, _, rest = command.partition(" ")
        blocks.append((command, player.run(verb, rest, at) or ["ok"]))
    texts = ["\n".join([command, RULE, *output]) for command, output in blocks]
    return (f"# {title}\n" if title else "") + "\n\n".join(texts) + "\n"


def names_in(path: Path) -> tuple[int, list[str]]:
    """The number of the beginning, and the names of the moves, of a file with the golden trace of a walk.

    Errors: `SpecError` where it is none; `OSError`."""
    regular(path)
    lines = path.read_text("utf-8", errors="replace").splitlines()
    commands = [line for line, below in pairwise(lines) if below == RULE]
    opening = [line.removeprefix("walk ") for line in commands if line.startswith("walk ")]
    if not opening:
        raise SpecError(Place(str(path)), "this is no golden trace of a walk: it has no command 'walk'", "trace-shape")
    names = [line.removeprefix("take ") for line in commands if line.startswith("take ")]
    return _origin(opening[0], Place(str(path)))[1], names


def _lines(step: TraceStep) -> Iterator[str]:
    for fired in step.told.firings:
        if fired.source:
            way = fired.source if fired.source == fired.target else f"{fired.source} -> {fired.target}"
            said = "".join(f"  {name} := {show(value)}" for name, value in fired.set.items())
            yield f"{f'{fired.machine} {way}':<{ROW_COLUMN}} {fired.row}{said}"
    if step.refused is not None:
        yield f"REFUSED: {step.refused}"
    for name, (before, after) in step.changes.items():
        yield f"{name}: {show(before)} -> {show(after)}"


def _origin(text: str, at: Place) -> tuple[Origin, int]:
    """What stands behind `walk`, and the number of the beginning."""
    shape = SpecError(at, "write 'walk NAME [--set NAME=VALUE]... [--without CLAUSE]... [--start N]'", "bad-command")
    try:
        name, *words = shlex.split(text)
    except ValueError:
        raise shape from None
    settings, without, start = list[tuple[str, str]](), list[str](), 1
    while words:
        option, value, *words = words if len(words) > 1 else [words[0], ""]
        if option == "--set" and "=" in value:
            settings.append((value.partition("=")[0], value.partition("=")[2]))
        elif option == "--without" and value:
            without.append(value)
        elif option == "--start" and value.isdecimal() and int(value) > 0:
            start = int(value)
        else:
            raise shape
    return Origin(name, tuple(settings), tuple(without)), start


def named_file(name: str, folders: Sequence[Path], at: Place) -> Path:
    """The file of a name; a model's number may be left out."""
    root, *others = folders
    if name.endswith(".yaml"):
        found = [folder / name for folder in others if (folder / name).is_file()]
        return found[0] if found else Path(name)
    files = explorable(root)
    if name not in files:
        raise SpecError(at, f"there is no system or model {name!r} here{suggest(name, files)}", "no-system")
    return files[name]
