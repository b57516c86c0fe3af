"""What happened, as records in memory: one `Step` for each row that fired, in order.

A `Step` is a log line (`str`), a metric's label (`row`), what a test compares, and a journal entry: `lines` writes the
same journal that a `fsm.drivers.journal.Journal` would have, and `fsm.drivers.replay` reads it. A turn is kept as the
driver gave it; its steps and lines are made when somebody looks, so that an event costs an entry in a list.

What is kept does not change any more: payloads are copied, for their dictionaries belong to the caller. An opaque value
inside of one is not.

For tests, tools and short lives: it grows for as long as it is used. A long life has a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from threading import Lock
from typing import Any, NamedTuple, overload

from attrs import define, evolve, field

from fsm.drivers.journal import Journal, Read, digest
from fsm.engine.node import Node
from fsm.engine.turn import NO_EFFECTS, Effects, Event, Turn
from fsm.language.domains import Value


class Step(NamedTuple):
    """A row that fired.

    n, time: its number in this life, from 1, and the seconds of the clock at which its turn began.
    machine, row: the instance, and the identity of the row. source, event, target: the state that it left, what
    happened, and the state that it entered or stayed in. why: the row's sentence. digest: of the spec.
    payload: what the event carried. set: what was assigned, by variable of the node.
    effects: what the whole turn asked of the world, in the first step of the turn; nothing in those that follow in it.
    """

    n: int
    time: float
    machine: str
    row: str
    source: str
    event: str
    target: str
    payload: Mapping[str, Value]
    set: Mapping[str, Value]
    why: str
    digest: str
    effects: Effects

    def __str__(self) -> str:
        said = ", ".join(f"{name}={value!r}" for name, value in self.payload.items())
        event = f"{self.event}({said})" if said else self.event
        assigned = "".join(f" {name}={value!r}" for name, value in self.set.items())
        return f"{self.time:.6f} {self.machine}: {self.source} --{event}--> {self.target}{assigned}: {self.why}"


@define(eq=False)
class Steps(Sequence[Step]):
    """A journal in memory; a sequence of its steps. An event that no row fired for is no step, but has its line."""

    _said: list[tuple[Any, ...]] = field(factory=list, init=False)
    _made: list[Step] = field(factory=list, init=False)
    _looked_at: int = field(default=0, init=False)
    _before: int = field(default=0, init=False)
    _looking: Lock = field(factory=Lock, init=False)

    def begin(self, node: Node, name: str, local: tuple[Any, ...], pool: tuple[Any, ...], time: float) -> None:
        """As `Journal.begin`; numbers begin anew."""
        self._said.append(("begin", node, name, local, pool, time))

    def turn(self, node: Node, time: float, event: Event, turn: Turn, reads: Sequence[Read] = ()) -> None:
        """As `Journal.turn`."""
        if event.payload:
            event = evolve(event, payload=dict(event.payload))
        if reads:
            reads = [(asked, outcome, dict(payload)) for asked, outcome, payload in reads]
        self._said.append(("turn", node, time, event, turn, reads))

    def pool(self, node: Node, time: float, pool: tuple[Any, ...]) -> None:
        """As `Journal.pool`."""
        self._said.append(("pool", node, time, pool))

    def failed(self, time: float, reason: str) -> None:
        """As `Journal.failed`."""
        self._said.append(("failed", time, reason))

    def lines(self) -> list[str]:
        """The lines of the journal, with their ends."""
        data = bytearray()
        journal = Journal(data.extend)
        for call, *arguments in self._said:
            getattr(journal, call)(*arguments)
        return data.decode().splitlines(keepends=True)

    def _steps(self) -> list[Step]:
        """All steps; those that came since somebody looked are made now."""
        with self._looking:
            for said in self._said[self._looked_at :]:
                self._looked_at += 1
                if said[0] == "begin":
                    self._before = len(self._made)
                elif said[0] == "turn":
                    _, node, time, _, turn, _ = said
                    self._made += steps_of(len(self._made) - self._before, node, time, turn)
            return self._made

    def __len__(self) -> int:
        return len(self._steps())

    def __iter__(self) -> Iterator[Step]:
        return iter(self._steps())

    @overload
    def __getitem__(self, index: int) -> Step: ...
    @overload
    def __getitem__(self, index: slice) -> list[Step]: ...
    def __getitem__(self, index: int | slice) -> Step | list[Step]:
        return self._steps()[index]


def steps_of(before: int, node: Node, time: float, turn: Turn) -> list[Step]:
    """The steps of one turn, of which there were so many before it in this life."""
    made, n, effects = list[Step](), before, turn.effects
    for compiled, payload, values in turn.rows:
        n += 1
        row, machine, of = compiled.row, compiled.machine, digest(node, compiled.machine)
        start, end, assigned = compiled.source, compiled.target, compiled.assigned(values)
        made.append(Step(n, time, machine, row.id, start, row.event, end, payload, assigned, row.why, of, effects))
        effects = NO_EFFECTS
    return made
