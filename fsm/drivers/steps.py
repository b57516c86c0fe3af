"""What happened, as records in memory: one `Step` for each row that fired, in order.

A `Step` is a log line (`str`), a metric's label (`row`), what a test compares, and a journal entry: `lines` writes the
same journal that a `fsm.drivers.journal.Journal` would have, and `fsm.drivers.replay` reads it. It is written when
somebody asks, so that a step costs a record and no JSON.

For tests, tools and short lives: it grows for as long as it is used. A long life has a file.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, overload

from attrs import define, field

from fsm.drivers.journal import Journal, Read, plain_rows
from fsm.engine.compiled import CompiledRow
from fsm.engine.node import Node
from fsm.engine.turn import NO_EFFECTS, NOTHING, Effects, Event, Fired, Turn
from fsm.language.domains import Value


class About(NamedTuple):
    """What is the same in every step of a row in one state; `why` is the row's sentence, `digest` that of the spec."""

    machine: str
    row: str
    source: str
    event: str
    target: str
    why: str
    digest: str


class Step(NamedTuple):
    """A row that fired. What it holds is kept as a plain tuple, which costs a fourth, until somebody looks at it.

    n, time: its number in this life, from 1, and the seconds of the clock at which its turn began.
    about: the row, from where to where, and why; each field of it is an attribute of the step too.
    payload: what the event carried. set: what was assigned, by variable of the node.
    effects: what the whole turn asked of the world, in the first step of the turn; nothing in those that follow in it.
    """

    n: int
    time: float
    about: About
    payload: Mapping[str, Value]
    set: Mapping[str, Value]
    effects: Effects

    @property
    def machine(self) -> str:
        """The instance."""
        return self.about.machine

    @property
    def row(self) -> str:
        """The identity of the row."""
        return self.about.row

    @property
    def source(self) -> str:
        """The state that it left."""
        return self.about.source

    @property
    def event(self) -> str:
        """What happened."""
        return self.about.event

    @property
    def target(self) -> str:
        """The state that it entered, or stayed in."""
        return self.about.target

    @property
    def why(self) -> str:
        """The row's sentence."""
        return self.about.why

    @property
    def digest(self) -> str:
        """Of the spec."""
        return self.about.digest

    @property
    def fired(self) -> Fired:
        """The row, as a `Turn` tells of it."""
        return Fired(self.machine, self.row, self.source, self.event, self.payload, self.target, self.set, self.why)

    def __str__(self) -> str:
        said = ", ".join(f"{name}={value!r}" for name, value in self.payload.items())
        event = f"{self.event}({said})" if said else self.event
        assigned = "".join(f" {name}={value!r}" for name, value in self.set.items())
        return f"{self.time:.6f} {self.machine}: {self.source} --{event}--> {self.target}{assigned}: {self.why}"


_Raw = tuple[float, About, Mapping[str, Value], Mapping[str, Value], Effects]
"""A step but for its number, which is its place."""


@define(eq=False)
class Steps(Sequence[Step]):
    """A journal in memory; a sequence of its steps. An event that no row fired for is no step, but has its line."""

    _steps: list[_Raw] = field(factory=list, init=False)
    _calls: list[tuple[int, int, str, tuple[Any, ...]]] = field(factory=list, init=False)
    _lives: list[int] = field(factory=lambda: [0], init=False)

    def begin(self, node: Node, name: str, local: tuple[Any, ...], pool: tuple[Any, ...], time: float) -> None:
        """As `Journal.begin`; numbers begin anew."""
        self._lives.append(len(self._steps))
        self._note(0, "begin", node, name, local, pool, time)

    def turn(self, node: Node, time: float, event: Event, turn: Turn, reads: Sequence[Read] = ()) -> None:
        """As `Journal.turn`."""
        rows, effects = turn[2], turn[3]
        if reads or len(rows) != 1 or event.call is not None:
            self._note(len(rows), "turn", node, time, event, turn, reads)
        for row, payload, values in rows:
            about = row.about or _about(node, row)
            assigned = {name: values[index] for name, _, _, index in row.set} if row.set else NOTHING
            self._steps.append((time, about, payload, assigned, effects))
            effects = NO_EFFECTS

    def pool(self, node: Node, time: float, pool: tuple[Any, ...]) -> None:
        """As `Journal.pool`."""
        self._note(0, "pool", node, time, pool)

    def failed(self, time: float, reason: str) -> None:
        """As `Journal.failed`."""
        self._note(0, "failed", time, reason)

    def _note(self, steps: int, call: str, *arguments: Any) -> None:
        """Keeps what is not said by a step alone; it stands before the next step, and covers that many."""
        self._calls.append((len(self._steps), steps, call, arguments))

    def lines(self) -> list[str]:
        """The lines of the journal, with their ends."""
        data, at, nodes = bytearray(), 0, list[Node]()
        journal = Journal(data.extend)
        for position, steps, call, arguments in [*self._calls, (len(self._steps), 0, "", ())]:
            for step in self[at:position]:
                event = Event(step.machine, step.event, step.payload)
                journal.add(step.time, plain_rows(nodes[-1], event, [step.fired], step.effects, ()))
            at = position + steps
            if call == "begin":
                nodes.append(arguments[0])
            if call:
                getattr(journal, call)(*arguments)
        return data.decode().splitlines(keepends=True)

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[Step]:
        return (self._step(index) for index in range(len(self._steps)))

    @overload
    def __getitem__(self, index: int) -> Step: ...
    @overload
    def __getitem__(self, index: slice) -> list[Step]: ...
    def __getitem__(self, index: int | slice) -> Step | list[Step]:
        if isinstance(index, slice):
            return [self._step(at) for at in range(len(self._steps))[index]]
        return self._step(range(len(self._steps))[index])

    def _step(self, index: int) -> Step:
        life = self._lives[bisect_right(self._lives, index) - 1]
        return Step(index - life + 1, *self._steps[index])


def _about(node: Node, compiled: CompiledRow) -> About:
    row, digest = compiled.row, node.layout.instances[compiled.machine][0].digest
    about = About(compiled.machine, row.id, compiled.source, row.event, compiled.target, row.why, digest)
    compiled.about = about
    return about
