"""Other names for hosts and VMs, and what everything that a pool is made of is under them.

A renaming is applied by the domains that specs declare: a host and a set of hosts change, of opaque values those that
are the name of an instance (`vm: opaque`), nothing else does. Slots of instances change places: what was
`restart[v].target` is `restart[w].target`. The number of a call is that of `fsm.explore.calls.call_id`: the caller and
the machine in it are renamed.

A world is renamed by its own class, for nobody else knows what is in it (`fsm.explore.symmetry.Interchanging`); this
gives it the words for it: `to.host(h)`, `to.hosts_of(those)`, `to.machine("restart[v]")`, `to.payload(…)`.

Whether the renamed pool does the same under other names is another question: `fsm.explore.symmetry`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import define, evolve, field

from fsm.engine.layout import Layout
from fsm.engine.turn import Effects, Event, Operation
from fsm.explore.calls import Items, items
from fsm.language.domains import Domain, Value
from fsm.language.spec import Fields, Port

Slots = list[tuple[int, int, Callable[[Any], Any]]]
"""(to, from, what becomes of the value)."""


@define(eq=False)
class Renaming:
    """New names.

    Arguments:
        hosts: host h becomes hosts[h].
        names: of instances; those that are not in it stay.
        layout: of the nodes.
    """

    hosts: tuple[int, ...]
    names: Mapping[str, str]
    layout: Layout = field(repr=False)
    _machines: dict[str, str] = field(factory=dict, init=False)
    _pattern: re.Pattern[str] | None = field(default=None, init=False)
    _ports: dict[str, Port] = field(factory=dict, init=False)
    _order: dict[str, int] = field(factory=dict, init=False)
    _answers: dict[str, dict[str, Domain]] = field(factory=dict, init=False)
    _variables: dict[str, tuple[str, Domain]] = field(factory=dict, init=False)
    _local: Slots = field(factory=list, init=False)
    _pool: Slots = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        layout = self.layout
        for at, (name, (machine, key)) in enumerate(layout.instances.items()):
            self._order[name] = at
            self._ports |= machine.ports
            if key is not None and key in self.names:
                self._machines[name] = f"{machine.name}[{self.names[key]}]"
        if self._machines:
            self._pattern = re.compile("|".join(map(re.escape, sorted(self._machines, key=len, reverse=True))))
        for machine in layout.machines:
            for call in machine.serves:
                port, _, operation = call.partition(".")
                for outcome, fields in machine.ports[port].operations[operation].outcomes.items():
                    self._answers.setdefault(outcome, {}).update(fields)
        self._lay()

    def _lay(self) -> None:
        """Which slots change places."""
        layout = self.layout
        for name, (machine, _) in layout.instances.items():
            other = self.machine(name)
            self._local.append((layout.state_slot[other], layout.state_slot[name], _as_it_is))
            if name in layout.call_slot:
                self._local.append((layout.call_slot[other], layout.call_slot[name], self._served))
            if name in layout.deferred_slot:
                self._local.append((layout.deferred_slot[other], layout.deferred_slot[name], self._deferring(name)))
            for variable in machine.variables.values():
                own, its = layout.variable_name(name, variable), layout.variable_name(other, variable)
                if own in self._variables:
                    continue  # a shared one, which every machine that lists it has
                self._variables[own] = its, variable.domain
                (store, there), (_, here) = layout.variable_slot[its], layout.variable_slot[own]
                slots = self._pool if store == "pool" else self._local
                slots.append((there, here, self._becoming(variable.domain)))

    # -- words for worlds

    def host(self, host: int | None) -> int | None:
        """A host, or None."""
        known = type(host) is int and 0 <= host < len(self.hosts)
        return self.hosts[host] if known and host is not None else host

    def hosts_of(self, hosts: Iterable[int]) -> frozenset[int]:
        """A set of hosts."""
        return frozenset(self.hosts[host] for host in hosts)

    def by_host(self, values: Iterable[Any]) -> tuple[Any, ...]:
        """What there is once for each host, in their order, in the new order."""
        given = tuple(values)
        found = list(given)
        for host, value in enumerate(given):
            found[self.hosts[host]] = value
        return tuple(found)

    def name(self, name: str) -> str:
        """The name of an instance, such as a VM's."""
        return self.names.get(name, name)

    def machine(self, name: str) -> str:
        """A machine of a node: `restart[v]`."""
        return self._machines.get(name, name)

    def call(self, call: str) -> str:
        """The number of a call: `caller.machine.number`."""
        caller, dot, rest = call.partition(".")
        caller = str(self.host(int(caller))) if caller.isdecimal() else caller
        rest = self._pattern.sub(lambda found: self._machines[found[0]], rest) if self._pattern is not None else rest
        return caller + dot + rest

    def arguments(self, operation: str, arguments: Items) -> Items:
        """What `port.operation` is asked with."""
        port, _, name = operation.partition(".")
        return items(self.payload(self._ports[port].operations[name].arguments, dict(arguments)))

    def outcome(self, operation: str, outcome: str, payload: Mapping[str, Value]) -> dict[str, Value]:
        """What an outcome of `port.operation` says."""
        port, _, name = operation.partition(".")
        return self.payload(self._ports[port].operations[name].outcomes.get(outcome, {}), payload)

    def payload(self, fields: Fields, payload: Mapping[str, Value]) -> dict[str, Value]:
        """Values by name, of these domains."""
        return {name: self.value(fields[name], value) if name in fields else value for name, value in payload.items()}

    def value(self, domain: Domain, value: Value) -> Value:
        """A value of a domain; what does not lie in it stays as it is."""
        if domain.kind == "host":
            return self.host(value)
        if domain.kind == "hosts" and isinstance(value, frozenset):
            return frozenset(self.host(host) for host in value)
        return self.names.get(value, value) if domain.kind == "opaque" and isinstance(value, str) else value

    # -- the parts of a pool

    def local(self, local: tuple[Any, ...]) -> tuple[Any, ...]:
        """The local state of a node."""
        return _moved(local, self._local)

    def pool(self, pool: tuple[Any, ...]) -> tuple[Any, ...]:
        """The pool variables."""
        return _moved(pool, self._pool)

    def pending(self, pending: tuple[tuple[tuple[str, str], ...], ...]) -> tuple[tuple[tuple[str, str], ...], ...]:
        """What every host waits for, each in the order of its machines."""
        renamed = ([(self.machine(machine), operation) for machine, operation in waits] for waits in pending)
        return self.by_host(tuple(sorted(waits, key=lambda wait: self._order[wait[0]])) for waits in renamed)

    def event(self, event: Event) -> Event:
        """What a node is told."""
        machine = self.layout.instances.get(event.machine)
        fields = (self.layout.payload(machine[0], event.name) if machine is not None else None) or {}
        call = None if event.call is None else self.call(event.call)
        return Event(self.machine(event.machine), event.name, self.payload(fields, event.payload), call)

    def operation(self, o: Operation) -> Operation:
        """What a node asks for."""
        arguments = self.payload(self._ports[o.port].operations[o.name].arguments, o.arguments)
        targets = None if o.targets is None else tuple(sorted(self.hosts_of(o.targets)))
        return Operation(self.machine(o.machine), o.port, o.name, arguments, targets, o.joined)

    def effects(self, effects: Effects) -> Effects:
        """What a turn wants done, in the same order."""
        signals = (evolve(s, arguments=self.payload(self._ports[s.port].signals[s.name], s.arguments))
                   for s in effects.signals)  # fmt: skip
        replies = (
            evolve(r, call=self.call(r.call), payload=self.payload(self._answers.get(r.outcome, {}), r.payload))
            for r in effects.replies
        )
        return Effects(
            self._durable(effects.host), self._durable(effects.pool), (), tuple(signals), tuple(replies),
            tuple(map(self.operation, effects.operations)), tuple(map(self.machine, effects.abandoned)),
        )  # fmt: skip

    def _durable(self, values: Mapping[str, Value]) -> dict[str, Value]:
        return {self._variables[name][0]: self.value(self._variables[name][1], v) for name, v in values.items()}

    def _becoming(self, domain: Domain) -> Callable[[Any], Any]:
        return lambda value: self.value(domain, value)

    def _served(self, call: tuple[str, str] | None) -> tuple[str, str] | None:
        return None if call is None else (call[0], self.call(call[1]))

    def _deferring(self, name: str) -> Callable[[Any], Any]:
        machine = self.layout.instances[name][0]

        def deferred(kept: tuple[tuple[str, Items], ...]) -> tuple[tuple[str, Items], ...]:
            found = []
            for event, payload in kept:
                found.append((event, items(self.payload(self.layout.payload(machine, event) or {}, dict(payload)))))
            return tuple(found)

        return deferred


def _as_it_is(value: Any) -> Any:
    return value


def _moved(values: tuple[Any, ...], slots: Slots) -> tuple[Any, ...]:
    found = list(values)
    for there, here, become in slots:
        found[there] = become(values[here])
    return tuple(found)
