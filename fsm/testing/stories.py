"""What may come to a node from outside, and stories: sequences of events that really were possible, one after another.

Possible in a state are: the machines' own events and served calls, events of ports that some row or ignore names, the
outcomes of operations that are waited for, the timers that run. Nothing else: an outcome that nobody waits for shows
nothing but that drivers drop it.

A story is told from a *script*: a number for each event. Its low bits pick from the node's whole vocabulary; what is
not possible now stands for the next in the circle that is. So a script stays a story whatever is cut out of it, most
of what is left keeps its meaning, and no number is drawn in vain. The bits above pick the payload and what instant
operations answer; 0 is the first value of every domain.

Left out: restarts, and pool variables that another host changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from attrs import define, field, frozen

from fsm.drivers.adapters import Outcome
from fsm.engine.node import Node
from fsm.engine.turn import Event, Operation, Read, Turn, no_read
from fsm.explore.node_traces import command, endings, opening, output
from fsm.language.domains import Domain, Value
from fsm.language.spec import Fields, Machine
from fsm.search.walk_traces import RULE

Samples = Mapping[str, Sequence[Any]]
"""For fields whose domain is opaque: by the name of the field the values that it may have."""

PLAIN = ("a", "b")
"""What opaque fields carry that no sample is given for."""


@frozen
class Kind:
    """A kind of event that may come to a machine of a node.

    Arguments:
        machine, event, fields: what comes, and its payload.
        served: it begins a call.
        outcome: it ends an operation.
        states: where it is possible; None for everywhere.
    """

    machine: str
    event: str
    fields: Fields
    served: bool
    outcome: bool
    states: frozenset[str] | None


def vocabulary(node: Node) -> tuple[Kind, ...]:
    """Every kind of event that may ever come to a node from outside: machine by machine its own, served calls, events
    of ports that come unasked, timers, outcomes."""
    found = []
    for name, (machine, _) in node.layout.instances.items():
        named = {row.event for row in machine.rows} | {e for i in machine.ignores for e in i.events}
        unasked = [f"{port.name}.{event}" for port in machine.ports.values() for event in port.events]
        anywhere = (*machine.events, *machine.serves, *(event for event in unasked if event in named))
        somewhere: dict[str, set[str]] = {}
        for state in machine.states:
            for event in _ending(machine, state):
                somewhere.setdefault(event, set()).add(state)
        states = {**dict.fromkeys(anywhere), **{event: frozenset(where) for event, where in somewhere.items()}}
        for event, where in states.items():
            fields = node.layout.payload(machine, event) or {}
            outcome = where is not None and not event.startswith("after")
            found.append(Kind(name, event, fields, event in machine.serves, outcome, where))
    return tuple(found)


def _ending(machine: Machine, state: str) -> tuple[str, ...]:
    """What is possible in some states only: timers that run, outcomes of what is waited for."""
    do = machine.pending(state)
    return (*(row.event for row in machine.timers(state)), *(endings(machine, do) if do is not None else ()))


def chosen(fields: Fields, number: int, n: int, samples: Samples) -> tuple[dict[str, Value], int]:
    """The payload that a number picks for a pool of `n`, and what is left of the number."""
    payload = {}
    for name, domain in fields.items():
        payload[name], number = _value(name, domain, number, n, samples)
    return payload, number


def _value(name: str, domain: Domain, number: int, n: int, samples: Samples) -> tuple[Value, int]:
    if domain.kind == "hosts":
        return frozenset(host for host in range(n) if number >> host & 1), number >> n
    known = samples.get(name, PLAIN) if domain.kind == "opaque" else domain.values(n)
    return known[number % len(known)], number // len(known)


@frozen
class Step:
    """One event of a story: the state it came in, the event, what came of it."""

    before: tuple[Any, ...] = field(repr=False)
    event: Event
    turn: Turn


@define(eq=False)
class Story:
    """What happened to a node, from its beginning on.

    >>> from fsm.testing.example import door
    >>> story = Story(door())
    >>> turn = story.happen(Event("door", "push", {"force": 2}))
    >>> print(story.trace())
    machine door
    ----
    ok
    <BLANKLINE>
    send door.push(force=2)
    ----
    door closed -> releasing                           door.closed/push(force=2)  door.pushed := 2
    do lock.release

    Fields:
        node, steps: the node, and each event with its turn. Only the last turn can be a refused one.
        local, pool: the state after them.
    """

    node: Node
    steps: list[Step] = field(factory=list, init=False)
    local: tuple[Any, ...] = field(init=False)
    pool: tuple[Any, ...] = field(init=False)
    title: str = field(default="golden trace, for a file of tests/traces", init=False)

    def __attrs_post_init__(self) -> None:
        self.local, self.pool = self.node.boot(), self.node.pool()

    def happen(self, event: Event, read: Read = no_read) -> Turn:
        """One more event. What `read` raises is recorded as a refused turn, and raised."""
        try:
            turn = self.node.step(self.local, self.pool, event, read)
        except Exception as error:
            self.steps.append(Step(self.local, event, Turn(self.local, self.pool, refused=str(error))))
            raise
        self.steps.append(Step(self.local, event, turn))
        self.local, self.pool = turn.local, turn.pool
        return turn

    @property
    def events(self) -> list[Event]:
        """The events alone, to be sent to a program under test."""
        return [step.event for step in self.steps]

    @property
    def refused(self) -> str | None:
        """Why the last event was refused; None if none was."""
        return self.steps[-1].turn.refused if self.steps else None

    def trace(self) -> str:
        """The story as a golden trace, which `fsm.explore.traces.play` plays."""
        blocks = [[opening(self.node), RULE, "ok"]]
        for step in self.steps:
            said = command(self.node, step.before, step.event, step.turn.reads)
            blocks.append([said, RULE, *output(self.node, step.turn)])
        return "\n\n".join("\n".join(lines) for lines in blocks)

    def __repr__(self) -> str:
        told = [command(self.node, step.before, step.event, step.turn.reads) for step in self.steps]
        return f"<{'; '.join([opening(self.node), *told])}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Hypothesis would show every field of every row."""
        printer.text(repr(self))


@define(eq=False)
class Teller:
    """Tells stories of a node from scripts.

    Arguments:
        node: whom they are about.
        samples: values of opaque fields.
        kinds: what may come; everything, if not given.
    """

    node: Node
    samples: Samples
    kinds: tuple[Kind, ...] = field()

    @kinds.default
    def _everything(self) -> tuple[Kind, ...]:
        return vocabulary(self.node)

    def comes(self, kind: Kind, local: tuple[Any, ...]) -> bool:
        """Whether a kind of event is possible in a state."""
        return kind.states is None or self.node.state(local, kind.machine) in kind.states

    def possible(self, local: tuple[Any, ...], first: int) -> Kind | None:
        """The first kind that is possible in a state, from that of index `first` on and around; None if none is."""
        around = (*self.kinds[first:], *self.kinds[:first])
        return next((kind for kind in around if self.comes(kind, local)), None)

    def event(self, story: Story, number: int) -> tuple[Event, int] | None:
        """The event that a number picks to happen next, and what is left of the number; None if nothing is possible."""
        bits = len(self.kinds).bit_length()
        kind = self.possible(story.local, number % 2**bits % len(self.kinds))
        if kind is None:
            return None
        payload, rest = chosen(kind.fields, number >> bits, self.node.n, self.samples)
        return Event(kind.machine, kind.event, payload, f"call-{len(story.steps) + 1}" if kind.served else None), rest

    def reader(self, number: int) -> Read:
        """Answers instant operations as a number says; what is asked twice in a turn gets the same answer."""
        answers: dict[tuple[str, str], Outcome] = {}

        def read(operation: Operation) -> Outcome:
            nonlocal number
            asked = operation.port, operation.name
            if asked not in answers:
                outcomes = (
                    self.node.layout.instances[operation.machine][0].ports[asked[0]].operations[asked[1]].outcomes
                )
                name = list(outcomes)[number % len(outcomes)]
                payload, number = chosen(outcomes[name], number // len(outcomes), self.node.n, self.samples)
                answers[asked] = name, payload
            return answers[asked]

        return read

    def tell(self, script: Iterable[int]) -> Story:
        """The story of a script. It ends early where a turn is refused or nothing is possible."""
        story = Story(self.node)
        for number in script:
            event = self.event(story, number)
            if event is None or story.happen(event[0], self.reader(event[1])).refused is not None:
                break
        LAST[:] = [story]
        return story


class Told(Protocol):
    """What can be shown below a test that failed."""

    title: str

    def trace(self) -> str:
        """The text."""


LAST: list[Told] = []
"""The story that was told last: after a test failed, the shortest that Hypothesis found."""
