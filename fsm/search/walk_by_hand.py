"""Walking through a space by hand: what can be said to it, and what it answers, as lines of text.

    3                   takes move 3 of those that are listed
    take(p=0)           takes the move of this label, or the only one that begins so
    back                takes the last move back
    jump N              goes to where the way stood after step N; also forward again, and along a file's way
    jump FILE           takes the way of a golden trace
    start N             begins at the N-th of the states at the beginning
    random [N]          takes N moves by chance, one if nothing is said
    trace               the way so far
    save FILE           the way so far as a golden trace
    state               all of the state: machines and variables of every host; of a model all variables
    help or ?, quit
    (an empty line)     shows where it stands once more

Left out: looking ahead. The shortest way to a state is a question to `fsm verify`, as a reachable property.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

from attrs import define, field

from fsm.errors import SpecError
from fsm.search.space import Edge
from fsm.search.trace import show
from fsm.search.trace_table import folded, table
from fsm.search.walk import Walk, begin, missing, stuck, walked
from fsm.search.walk_traces import Origin, golden, names_in

WIDTH = 100
MOST_BY_CHANCE = 10_000
LONGEST = 2000
"""Characters of a line; Python makes no number of more than 4,300."""
RED, BOLD, DIM = "31", "1", "2"
HELP = (__doc__ or "").split("\n\n")[1].splitlines()


@define(eq=False)
class WalkByHand:
    """One walk and what was said to it.

    Arguments:
        walk, origin: where it stands, and how its space is named.
        seed: of the moves by chance.
        columns: of the terminal, which has colours; None for plain text.
    """

    walk: Walk[Any]
    origin: Origin
    seed: int = 0
    columns: int | None = None
    over: bool = field(default=False, init=False)
    _way: list[str] = field(factory=list, init=False)
    _random: Random = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._random = Random(self.seed)

    def say(self, line: str) -> list[str]:
        """What it answers; to what it cannot do with one line that says why."""
        if len(line) > LONGEST:
            return [self._paint(f"a line of {len(line):,} characters; at most {LONGEST:,}", RED)]
        word, _, rest = line.strip().partition(" ")
        words: Mapping[str, Callable[[str], list[str]]] = {
            "": self._show, "back": self._back, "jump": self._jump, "start": self._start, "random": self._chance,
            "trace": self._trace, "save": self._save, "state": self._whole, "help": self._help, "?": self._help,
            "quit": self._quit,
        }  # fmt: skip
        try:
            return words[word](rest.strip()) if word in words else self._take(line.strip())
        except (LookupError, SpecError) as error:
            return [self._paint(str(error.args[0] if isinstance(error, LookupError) else error), RED)]
        except (OSError, ValueError) as error:  # a name with a NUL is no OSError
            said = getattr(error, "strerror", None) or error
            return [self._paint(f"{rest.strip()!r}: {said}" if "\0" in rest else f"{rest.strip()}: {said}", RED)]

    def _show(self, rest: str = "") -> list[str]:
        return [*self._here(), *self._promises(), *self._moves()]

    def _back(self, rest: str) -> list[str]:
        self.walk.back()
        return self._show()

    def _take(self, said: str) -> list[str]:
        self._follow(self._meant(said))
        return [*self._happened(), *self._show()]

    def _jump(self, rest: str) -> list[str]:
        if not rest:
            raise LookupError("say where to: the number of a step, or a file with a golden trace")
        names, start = self._way, self.walk.start
        if not rest.isdecimal():
            start, names = names_in(Path(rest))
        elif int(rest) > len(names):
            raise LookupError(f"the way has {len(names)} steps; there is no step {rest}")
        taken = names[: int(rest)] if rest.isdecimal() else names
        self.walk, self._way = walked(self.walk.space, taken, start=start), names
        return [*self._happened(), *self._show()]

    def _start(self, rest: str) -> list[str]:
        if not rest.isdecimal() or int(rest) < 1:
            raise LookupError("say which of the states at the beginning: 'start 1'")
        self.walk, self._way = begin(self.walk.space, int(rest)), []
        return self._show()

    def _chance(self, rest: str) -> list[str]:
        if rest and not (rest.isdecimal() and 0 < int(rest) <= MOST_BY_CHANCE):
            raise LookupError(f"say how many moves, at most {MOST_BY_CHANCE:,}: 'random 10'")
        lines: list[str] = []
        for _ in range(int(rest or 1)):
            moves = [name for name, edge in self.walk.moves().items() if edge.target != self.walk.state]
            if not moves:
                break
            self._follow(self._random.choice(moves))
            lines += self._happened()
        return [*lines, *self._show()]

    def _trace(self, rest: str) -> list[str]:
        return table(self.walk.trace(), self.columns).splitlines()

    def _whole(self, rest: str) -> list[str]:
        lines: list[str] = []
        for part, values in self.walk.space.whole(self.walk.state).items():
            said = folded((f"{name}: {show(value)}" for name, value in values.items()), WIDTH - 6)
            lines += [*([f"   {part}:"] if part else []), *(f"{'      ' if part else '   '}{line}" for line in said)]
        return lines

    def _save(self, rest: str) -> list[str]:
        if not rest:
            raise LookupError("say which file: 'save story.txt'")
        closing = [f"violates {promised.name}" for promised in self.walk.broken()]
        with Path(rest).open("x", encoding="utf-8") as file:
            file.write(golden(self.walk.space, self.origin.seen_from(Path(rest).parent), self.walk.trace(), closing))
        return [f"written to {rest}; `fsm replay {rest}` plays it again"]

    def _help(self, rest: str) -> list[str]:
        return HELP

    def _quit(self, rest: str) -> list[str]:
        self.over = True
        return []

    def _follow(self, name: str) -> None:
        self.walk.take(name)
        self._way = list(self.walk.names)

    def _meant(self, said: str) -> str:
        """The name of the move that somebody means. Errors: `LookupError`."""
        names = list(self._grouped())
        if said.isdecimal():
            if not 1 <= int(said) <= len(names):
                raise LookupError(f"there is no move {said}; there are {len(names)}")
            return names[int(said) - 1]
        found = [said] if said in names else [name for name in names if name.startswith(said)]
        if len(found) > 1:
            raise LookupError(f"{said!r} may be {', '.join(found[:3])}{', ...' if len(found) > 3 else ''}")
        if not found:
            raise LookupError(f"{missing(self.walk.space, said, names)}; 'help' says what can be said")
        return found[0]

    def _grouped(self) -> dict[str, Edge[Any]]:
        """The moves in the order in which they are listed: what happens by itself, orders, faults."""
        kinds = {None: 0, "operator": 1}
        return dict(sorted(self.walk.moves().items(), key=lambda move: kinds.get(move[1].fault, 2)))

    def _happened(self) -> Iterator[str]:
        """The last step."""
        if not self.walk.edges:
            return
        step = self.walk.step(len(self.walk.edges))
        yield self._paint(f"{step.number}. {step.label}", BOLD)
        for note in step.told.notes:
            yield self._paint(f"   {note}", DIM)
        for fired in step.told.firings:
            if fired.source:
                said = "".join(f", {name} := {show(value)}" for name, value in fired.set.items())
                yield f"   {fired.row} -> {fired.target}{said}"
            yield f"{'     ' if fired.source else '   '}{fired.why}"
        if step.refused is not None:
            yield self._paint(f"   REFUSED: {step.refused}", RED)
        for name, (before, after) in step.changes.items():
            yield f"   {name}: {show(before)} -> {self._paint(show(after), BOLD)}"

    def _here(self) -> Iterator[str]:
        steps = len(self.walk.edges)
        where = f"after step {steps}:" if steps else f"{self.walk.space.name}, at the beginning:"
        yield self._paint(where, BOLD)
        named = self.walk.space.named(self.walk.state)
        yield from self._indented(folded((f"{name}: {show(value)}" for name, value in named.items()), WIDTH - 3))

    def _promises(self) -> Iterator[str]:
        walk, kinds = self.walk, ("always", "step", "deadlock")
        last = Walk(walk.space, walk.start, walk.states[-2:] if not walk.refused else walk.states[-1:])
        here = Walk(walk.space, walk.start, walk.states[-1:])
        broken = [
            p for p in walk.space.properties if p.kind in kinds and (last if p.kind == "step" else here).breaks(p)
        ]
        hold = [p.name for p in walk.space.properties if p.kind in kinds and p not in broken]
        reached = [p.name for p in walk.space.properties if p.kind == "reachable" and here.reaches(p)]
        yield from (self._paint(f"   violated here: {p.name}: {p.why}", RED) for p in broken)
        for what, names in (("holds here", hold), ("reached here", reached)):
            if names:
                yield from self._indented(folded([f"{what}: {names[0]}", *names[1:]], WIDTH - 3))

    def _moves(self) -> Iterator[str]:
        moves, heading = self._grouped(), ""
        if not moves:
            yield "   nothing is possible any more; 'back' takes the last move back"
        elif stuck(self.walk.space, self.walk.state):
            yield "   stuck: only orders and faults are possible"
        for number, (name, edge) in enumerate(moves.items(), 1):
            group = {None: "", "operator": "operator"}.get(edge.fault, "faults")
            if group != heading:
                heading = group
                yield self._paint(f" {heading}:", DIM)
            remark = (
                " (refused)" if edge.refused is not None else " (changes nothing)" * (edge.target == self.walk.state)
            )
            yield f"{number:4}  {name}{remark}" + (f" [{edge.fault}]" if heading == "faults" else "")

    def _indented(self, lines: Iterable[str]) -> Iterator[str]:
        return (f"   {line}" for line in lines)

    def _paint(self, text: str, code: str) -> str:
        return text if self.columns is None else f"\x1b[{code}m{text}\x1b[0m"
