"""The world of which nothing is known: `world: any`, for machines that nobody has written a world for.

    language: 1
    system: door
    essay: "A door, whatever the lock does."
    world: any
    hosts: 1
    machines: [door]
    operator: {door.push: any}
    properties:
      opens: {reachable: "open == everybody", why: "somebody comes in"}

Every operation ends in any of its declared outcomes, with any payload, at any time or never; an instant one answers
anything, and another thing later; unasked events of ports come whenever they like; a call that a machine serves is made
again and again, once it has been answered. A call to other hosts ends in any way that a call can end, and arrives
nowhere: what arrives comes from nowhere. What holds here holds in every world.

Faults: restart (a host loses its memory).

Left out: any tie between an operation and what it does. Where a promise needs one (a lock that is granted to one host
at a time), write a world that has it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from math import prod
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from fsm.engine.turn import Effects, Event, Operation
from fsm.explore.calls import Items, Routes, items
from fsm.explore.world import Action, Pending
from fsm.language.domains import Domain, Value
from fsm.language.spec import OperationDecl
from fsm.search.trace import show

if TYPE_CHECKING:
    from fsm.explore.renaming import Renaming

Answer = tuple[str, Items]
HOSTS = Domain("hosts")
MOST = 2000
"""Ways in which an operation may answer, and all instant ones together: so many worlds stand at the beginning."""
CALL = "outside"
"""The number of a call that comes from nowhere."""


@frozen(cache_hash=True)
class Unknown:
    """One world: what each instant operation of each host would answer now, and (host, machine, call) under way."""

    answers: tuple[Answer, ...] = ()
    calls: frozenset[tuple[int, str, str]] = frozenset()


@define(eq=False)
class AnyWorld:
    """The world of `n` hosts of which nothing is known."""

    n: int
    off: frozenset[str]
    may: frozenset[str] = field(alias="faults")
    routes: Routes
    _asked: Mapping[str, OperationDecl] = field(init=False)
    _instant: Sequence[str] = field(init=False)
    _joined: set[str] = field(init=False)
    facts: Mapping[str, Domain] = field(factory=dict, init=False)
    clauses = ()
    faults = ("restart",)

    def __attrs_post_init__(self) -> None:
        ports = {port.name: port for machine in self.routes.machines for port in machine.ports.values()}
        self._asked = {f"{p.name}.{name}": d for p in ports.values() for name, d in p.operations.items()}
        rows = [row for machine in self.routes.machines for row in machine.rows]
        self._joined = {f"{row.do.port}.{row.do.operation}" for row in rows if row.do is not None and row.do.joined}
        self._instant = [name for name, declared in self._asked.items() if declared.instant]
        many = {name: ways for name in self._asked if (ways := self.ways(name)) > MOST}
        many |= {"all instant operations together": prod(self.ways(name) for name in self._instant) ** self.n}
        name, ways = max(many.items(), key=itemgetter(1))
        if ways > MOST:
            raise ValueError(f"{name} could answer in {ways:,} ways; at most {MOST:,}, so write a world that says less")

    def initial(self) -> Iterable[Unknown]:
        """Instant operations may answer anything from the beginning on."""
        choices = [self.answers(name) for _ in range(self.n) for name in self._instant]
        for answers in product(*choices):
            yield Unknown(answers)

    def alive(self, w: Unknown, host: int) -> bool:
        """Every host is."""
        return True

    def view(self, w: Unknown, host: int) -> Hashable:
        """What the host's instant operations would answer."""
        return self.answered(w, host)

    def answered(self, w: Unknown, host: int) -> tuple[Answer, ...]:
        """The same, in the order of the operations."""
        size = len(self._instant)
        return w.answers[host * size : (host + 1) * size]

    def read(self, view: Any, host: int, operation: Operation) -> tuple[str, Mapping[str, Value]]:
        """The answer of an instant operation."""
        outcome, payload = view[self._instant.index(f"{operation.port}.{operation.name}")]
        return outcome, dict(payload)

    def perform(self, w: Unknown, host: int, effects: Effects) -> Unknown:
        """A reply ends a call; nothing else leaves a mark."""
        if not effects.replies:
            return w
        replied = {reply.call for reply in effects.replies}
        over = {call for call in w.calls if call[0] == host and self.number(call) in replied}
        return Unknown(w.answers, w.calls - over)

    def number(self, call: tuple[int, str, str]) -> str:
        """The number of a call from nowhere."""
        return f"{CALL}.{call[1]}.{call[2]}"

    def actions(self, w: Unknown, pending: Pending) -> Iterator[Action[Unknown]]:
        """Outcomes of what is pending, events and calls from nowhere, other answers, restarts."""
        for host in range(self.n):
            for machine, operation in pending[host]:
                for event in self.outcomes(machine, operation):
                    said = _payload(event)
                    yield Action(f"{operation} of host {host}: {event.name}{said}", w, host=host, event=event)
            yield from self.unasked(w, host)
            if "restart" in self.may:
                gone = Unknown(w.answers, frozenset(call for call in w.calls if call[0] != host))
                yield Action(f"host {host} restarts", gone, "restart", restart=(host,))
        for index, answer in enumerate(w.answers):
            host, name = divmod(index, len(self._instant))
            for other in self.answers(self._instant[name]):
                if other != answer:
                    changed = (*w.answers[:index], other, *w.answers[index + 1 :])
                    shown = "".join(f" {k}={show(v)}" for k, v in other[1])
                    said = f"{self._instant[name]} of host {host} would answer {other[0]}{shown}"
                    yield Action(said, Unknown(changed, w.calls))

    def permuted(self, w: Unknown, to: Renaming) -> Unknown:
        """Every host is like any other."""
        answers = [
            tuple(
                (outcome, items(to.outcome(name, outcome, dict(payload))))
                for name, (outcome, payload) in zip(self._instant, self.answered(w, host), strict=True)
            )
            for host in range(self.n)
        ]
        calls = frozenset((to.hosts[host], to.machine(machine), call) for host, machine, call in w.calls)
        return Unknown(tuple(answer for of_host in to.by_host(answers) for answer in of_host), calls)

    def outcomes(self, machine: str, operation: str) -> Iterator[Event]:
        """Every way in which a pending operation may end."""
        port, declared = operation.partition(".")[0], self._asked[operation]
        if operation in self._joined:
            yield Event(machine, "all_ok")
            yield from (Event(machine, "some_failed", {"bad": bad}) for bad in HOSTS.values(self.n) if bad)
            return
        if declared.to_host:
            yield Event(machine, f"{port}.lost")
        for outcome, payload in self.answers(operation):
            yield Event(machine, f"{port}.{outcome}", dict(payload))

    def unasked(self, w: Unknown, host: int) -> Iterator[Action[Unknown]]:
        """Events of ports, and calls that machines serve."""
        for machine in self.routes.machines:
            for instance in self.routes.instances.get(machine.instance or "", ("",)):
                name = f"{machine.name}[{instance}]" if machine.instance else machine.name
                for port in machine.ports.values():
                    for event, fields in port.events.items():
                        for payload in self.payloads(fields):
                            heard = Event(name, f"{port.name}.{event}", payload)
                            yield Action(f"{heard.name}{_payload(heard)} at host {host}", w, host=host, event=heard)
                for call in machine.serves:
                    key = (host, name, call)
                    if key in w.calls:
                        continue
                    for payload in self.payloads(self._asked[call].arguments):
                        if machine.instance and payload.get(machine.instance, instance) != instance:
                            continue
                        heard = Event(name, call, payload, self.number(key))
                        called = Unknown(w.answers, w.calls | {key})
                        yield Action(f"{call}{_payload(heard)} to host {host}", called, host=host, event=heard)

    def answers(self, operation: str) -> list[Answer]:
        """Every outcome of an operation with every payload."""
        outcomes = self._asked[operation].outcomes
        return [(name, items(payload)) for name, fields in outcomes.items() for payload in self.payloads(fields)]

    def ways(self, operation: str) -> int:
        """How many `answers` there are."""
        outcomes = self._asked[operation].outcomes.values()
        return sum(prod(len(domain.values(self.n)) for domain in fields.values()) for fields in outcomes)

    def payloads(self, fields: Mapping[str, Domain]) -> Iterator[dict[str, Value]]:
        """Every payload."""
        for values in product(*(domain.values(self.n) for domain in fields.values())):
            yield dict(zip(fields, values, strict=True))

    def state_facts(self, w: Unknown) -> Mapping[str, Value]:
        """Nothing is known."""
        return {}


def _payload(event: Event) -> str:
    return "(" + ", ".join(f"{k}={show(v)}" for k, v in event.payload.items()) + ")" if event.payload else ""
