"""Chance walks of a node: whatever may come to it from outside, stepped and journalled as a driver would."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from fsm.drivers.adapters import Outcome
from fsm.drivers.journal import Journal
from fsm.engine.node import Node
from fsm.engine.turn import Event, Operation
from fsm.language.domains import Domain
from fsm.language.spec import Fields

OPAQUE: list[Any] = [
    None,
    "vm1",
    7,
    0.5,
    {"a": [1]},
    (1, (2,)),
    frozenset({2, 1}),
    frozenset({"x"}),
    b"\xff",
    float("nan"),
]


class Walk:
    """Chance steps of a node, written into a journal as a driver would."""

    def __init__(self, node: Node, random: Random) -> None:
        self.node, self.random, self.lines = node, random, list[str]()
        self.journal = Journal(lambda data: self.lines.extend(data.decode().splitlines(keepends=True)))
        self.local, self.pool, self.calls = node.boot(), node.pool(), 0
        self.fired, self.refused = 0, 0
        self.reads: list[tuple[Operation, str, Mapping[str, Any]]] = []
        self.begin()

    def begin(self) -> None:
        slots = self.node.layout.host_slots
        survived = {name: self.node.layout.domain(name).to_json(self.local[slot]) for name, slot in slots.items()}
        self.local = self.node.boot(survived)
        self.journal.begin(self.node, "h1", self.local, self.pool, self.random.random())

    def value(self, domain: Domain) -> Any:
        return self.random.choice(OPAQUE if domain.kind == "opaque" else domain.values(self.node.n))

    def payload(self, fields: Fields) -> dict[str, Any]:
        return {name: self.value(domain) for name, domain in fields.items()}

    def outcome(self, operation: Operation) -> Outcome:
        machine, _ = self.node.layout.instances[operation.machine]
        declared = machine.ports[operation.port].operations[operation.name].outcomes
        name = self.random.choice(sorted(declared))
        return name, self.payload(declared[name])

    def read(self, operation: Operation) -> Outcome:
        name, payload = self.outcome(operation)
        self.reads.append((operation, name, payload))
        return name, payload

    def event(self) -> Event:
        """What a machine waits for, a timer, an event or call of its own, or nonsense."""
        random, node = self.random, self.node
        pending, timers = node.pending(self.local), node.timers(self.local)
        kind = random.randrange(10)
        if pending and kind < 4:
            name, do = random.choice(pending)
            port, _, operation = do.partition(".")
            outcome, payload = self.outcome(Operation(name, port, operation))
            return Event(name, f"{port}.{outcome}", payload)
        if timers and kind < 6:
            return Event(*random.choice(timers))
        name = random.choice(sorted(node.layout.instances))
        machine = node.layout.instances[name][0]
        known = [*machine.events, *machine.serves, "all_ok", "some_failed", "cancel", "nonsense"]
        event = random.choice(known)
        payload = self.payload(node.layout.payload(machine, event) or {})
        if random.randrange(20) == 0:
            payload = {field: [1] for field in payload} or {"more": frozenset({1})}
        self.calls += 1
        return Event(name, event, payload, f"call-{self.calls}" if event in machine.serves else None)

    def step(self) -> None:
        chance = self.random.randrange(60)
        if chance == 0:
            return self.begin()
        if chance == 1:
            values = {n: self.value(self.node.layout.domain(n)) for n in self.node.layout.pool_slots}
            self.pool = self.node.pool(values)
            return self.journal.pool(self.node, self.random.random(), self.pool)
        return self.turn()

    def turn(self) -> None:
        """One event."""
        event = self.event()
        self.reads = []
        turn = self.node.step(self.local, self.pool, event, self.read)
        self.journal.turn(self.node, self.random.random(), event, turn, self.reads)
        self.local, self.pool = turn.local, turn.pool
        self.fired += len(turn.fired)
        self.refused += turn.refused is not None


def walked(node: Node, random: Random, steps: int) -> Walk:
    """A walk of some steps."""
    walk = Walk(node, random)
    for _ in range(steps):
        walk.step()
    return walk
