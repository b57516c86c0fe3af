"""Golden traces: plain text in which commands and what came of them alternate, so that a change of the specs shows as a
change of stories.

    # What this scenario shows.
    system demo
    ----
    ok

    operator enable.enable 0
    ----
    [ 0.010] host 0: enable idle -> initing               enable.idle/enable  ha := enabling

    run until ha == on within 10s
    ----
    [ 0.015] host 0: enable initing -> preconfiguring     enable.initing/daemon.ok
    ...
    [ 0.629] reached

A block is comment lines, one command, `----` and its output; blocks are separated by blank lines. `play` runs the
commands and gives the text as it has to be: a test compares, and a rewrite writes it down. The output holds what is
canonical (states, rows, values), no prose, so that rewording a `why` changes no trace unless it asks for them.

Commands.
    system NAME [why]                     the system of specs/systems, from its beginning; with the `why` of each row
    mute PATTERN...                       rows that are not shown (`guest.*`): what every trace would repeat
    operator MACHINE.EVENT HOST           an operator speaks to a host; MACHINE.EVENT(FIELD=VALUE) says what it carries
    fault LABEL                           a fault happens, or anything else before its time
    run until CONDITION [within TIME]     until a condition on the pool holds, in the language of properties; 60 s
    run for TIME                          let time pass
    show NAME...                          values of sets, pool variables and facts
    machine, send, outcome, timer         one node without a world instead of a system: see `fsm.explore.node_traces`
    walk, take, again, violates, holds, reaches    moves named one by one, in a system or a model, without a clock: what
                                          a counterexample of the checker is written as (`fsm.search.walk_traces`)

A moment is one move: its rows stand together under its time, then what changed of the world's facts. What comes by
itself and changes nothing is not shown. Hosts are numbered from 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from attrs import define, field, frozen

from fsm.errors import Place, SpecError
from fsm.explore.node_traces import VERBS as NODE_VERBS
from fsm.explore.node_traces import NodePlayer, row_line
from fsm.explore.simulate import Moment, Simulation
from fsm.explore.system import System
from fsm.language.document import regular, suggest
from fsm.language.expressions import parse_duration
from fsm.locate import specs
from fsm.search.trace import show
from fsm.search.walk_traces import RULE, WalkPlayer
from fsm.search.walk_traces import VERBS as WALK_VERBS

PATIENCE = 60.0
"""Seconds after which `run until` gives up, where the trace says nothing else."""
MARGIN = " " * 9
UNTIL = re.compile(r"until (?P<goal>.+?)(?: within (?P<within>\S+))?")


@frozen
class Block:
    """One command of a trace with the comments above it and the output below."""

    comments: tuple[str, ...]
    command: str
    at: Place
    output: tuple[str, ...]

    def lines(self) -> list[str]:
        """The block as it stands in the file."""
        return [*self.comments, self.command, RULE, *self.output]


@frozen
class Played:
    """A trace that was run. text: the file as it has to be; rows: the ids of the rows that fired; moves: how many were
    taken by name."""

    text: str
    rows: frozenset[str]
    moves: int


def parse(text: str, name: str) -> list[Block]:
    """The blocks of a trace; `name` stands for the file in messages. Errors: `SpecError`."""
    blocks: list[Block] = []
    comments: list[str] = []
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        if line.startswith("#"):
            comments.append(line)
        elif line.strip():
            at = Place(name, number)
            if next(lines, (0, ""))[1] != RULE:
                raise SpecError(at, f"below a command stands a line {RULE}, and below that its output", "trace-shape")
            output = list(iter(lambda: next(lines, (0, ""))[1], ""))
            blocks.append(Block(tuple(comments), line.strip(), at, tuple(output)))
            comments = []
    if comments or not blocks:
        raise SpecError(Place(name), "a trace is comments and commands, and ends with a command", "trace-shape")
    return blocks


def play(path: Path | str, root: Path | str | None = None) -> Played:
    """Runs a trace.

    Arguments:
        path: the file.
        root: the folder of specs that its system or machine is in, the shipped one by default. A walk whose `walk`
            names a file has no use for it.
    Errors: `SpecError` at the command that cannot be done, or in the specs.
    """
    player = _Player(specs() if root is None else Path(root), Path(path).parent)
    played, moves = [], 0
    regular(Path(path))
    try:
        text = Path(path).read_text("utf-8")
    except UnicodeDecodeError as error:
        raise SpecError(Place(str(path)), f"a trace is text in UTF-8: {error.reason}", "trace-shape") from None
    for block in parse(text, str(path)):
        output = player.run(block.command, block.at) or ["ok"]
        moves += block.command.startswith("take ")
        played.append("\n".join(Block(block.comments, block.command, block.at, tuple(output)).lines()))
    return Played("\n\n".join(played) + "\n", frozenset(player.rows), moves)


@define(eq=False)
class _Player:
    """Runs commands, one after the other; the commands of the file are its methods `do_…`."""

    root: Path
    folder: Path
    rows: set[str] = field(factory=set)
    muted: list[str] = field(factory=list)
    why: bool = False
    _simulation: Simulation | None = None
    _node: NodePlayer | None = None
    _walk: WalkPlayer | None = None

    def run(self, command: str, at: Place) -> list[str]:
        """The output of a command. Errors: `SpecError` at `at`."""
        verb, _, rest = command.partition(" ")
        verbs: Mapping[str, Callable[[str, Place], list[str]]] = {
            "system": self.do_system, "mute": self.do_mute, "operator": self.do_operator, "fault": self.do_fault,
            "run": self.do_run, "show": self.do_show, "machine": self.do_machine, "walk": self.do_walk,
        }  # fmt: skip
        if verb in verbs:
            return verbs[verb](rest.strip(), at)
        for known, player, first in (
            (NODE_VERBS, self._node, "machine NAME..."), (WALK_VERBS, self._walk, "walk NAME"),
        ):  # fmt: skip
            if verb in known and player is None:
                raise SpecError(at, f"nothing runs yet; begin with '{first}'", "no-system")
            if verb in known and player is not None:
                return player.run(verb, rest.strip(), at)
        near = suggest(verb, (*verbs, *NODE_VERBS, *WALK_VERBS))
        raise SpecError(at, f"there is no command {verb!r}{near}", "unknown-command")

    def simulation(self, at: Place) -> Simulation:
        """What runs. Errors: `SpecError` before the first `system`."""
        if self._simulation is None:
            raise SpecError(at, "nothing runs yet; begin with 'system NAME'", "no-system")
        return self._simulation

    def do_machine(self, rest: str, at: Place) -> list[str]:
        self._simulation, self._walk = None, None
        self._node = NodePlayer.opened(rest, self.root, at, self.rows)
        return []

    def do_walk(self, rest: str, at: Place) -> list[str]:
        self._simulation, self._node = None, None
        self._walk = WalkPlayer.opened(rest, (self.root, self.folder), at, self.rows)
        return self._walk.beginning()

    def do_system(self, rest: str, at: Place) -> list[str]:
        name, _, flag = rest.partition(" ")
        if flag not in ("", "why") or not name.isidentifier():
            raise SpecError(at, "write 'system NAME', or 'system NAME why' for the reason of each row", "bad-command")
        self.why = flag == "why"
        self._node, self._walk, self._simulation = (
            None,
            None,
            Simulation(System.load(self.root / "systems" / f"{name}.yaml")),
        )
        self._simulation.rows = self.rows
        return []

    def do_mute(self, rest: str, at: Place) -> list[str]:
        self.muted = rest.split()
        known = {row.id for machine in self.simulation(at).system.machines for row in machine.rows}
        for pattern in self.muted:
            if not any(fnmatchcase(row, pattern) for row in known):
                raise SpecError(at, f"no row is called {pattern!r}{suggest(pattern, known)}", "unknown-name")
        return []

    def do_operator(self, rest: str, at: Place) -> list[str]:
        order, _, host = rest.rpartition(" ")
        name, bracket, payload = order.partition("(")
        return self.cause(f"operator: {name or rest} at host {host if name else ''}", at, bracket + payload)

    def do_fault(self, rest: str, at: Place) -> list[str]:
        return self.cause(rest, at)

    def cause(self, label: str, at: Place, payload: str = "") -> list[str]:
        """Something happens now. Errors: `SpecError` where it cannot."""
        try:
            return list(self.lines(self.simulation(at).cause(label, payload)))
        except LookupError as error:
            raise SpecError(at, str(error.args[0]), "impossible") from None

    def do_run(self, rest: str, at: Place) -> list[str]:
        simulation, until = self.simulation(at), UNTIL.fullmatch(rest)
        word, _, duration = rest.partition(" ")
        if until is None and word != "for":
            raise SpecError(at, "write 'run until CONDITION', '... within 10s', or 'run for 10s'", "bad-command")
        goal = simulation.goal(until["goal"], at) if until else None
        duration = (until["within"] or "") if until else duration
        seconds = parse_duration(duration, simulation.system.parameters, at) if duration or not until else PATIENCE
        moments = (moment for moment in simulation.run(seconds, goal) if not moment.still)
        lines = [line for moment in moments for line in self.lines(moment)]
        end = "time is up" if goal is None else "reached" if simulation.holds(goal) else "NOT REACHED"
        return [*lines, f"{_stamp(simulation.now)}{end}"]

    def do_show(self, rest: str, at: Place) -> list[str]:
        names = self.simulation(at).names()
        for name in rest.split():
            if name not in names:
                raise SpecError(at, f"nothing is called {name!r}{suggest(name, names)}", "unknown-name")
        return [f"{name}: {show(names[name])}" for name in rest.split()]

    def lines(self, moment: Moment) -> Iterator[str]:
        """A moment as the trace shows it; nothing where all of it is muted."""
        step = moment.step
        rows = [row for row in step.fired if not any(fnmatchcase(row.row, pattern) for pattern in self.muted)]
        said: list[str] = []
        for row in rows:
            said.append(row_line(f"host {step.host}: ", row))
            said += [f"  {row.why}"] if self.why else []
        facts = self.simulation(Place("")).observer.facts
        changes = [f"{k}: {show(a)} -> {show(b)}" for k, (a, b) in step.changes.items() if k in facts]
        said += [", ".join(changes)] if changes else []
        said += [f"VIOLATED: {name}" for name in moment.violated]
        said += [f"REFUSED at host {step.host}: {step.refused}"] if step.refused is not None else []
        if step.fault is not None or (said and not rows) or not (step.fired or moment.still):
            said.insert(0, f"{step.label} [fault: {step.fault}]" if step.fault else step.label)
        for first, text in zip([_stamp(moment.seconds)] + [MARGIN] * len(said), said, strict=False):
            yield first + text


def _stamp(seconds: float) -> str:
    return f"[{seconds:6.3f}] "
