"""Where a node keeps what: which slot of which tuple holds a state, a call, deferred events or a variable."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import define, field

from fsm.errors import BadValues, SpecError
from fsm.language.document import suggest
from fsm.language.domains import Domain, Value
from fsm.language.spec import Fields, Machine, Variable


@define(eq=False)
class Layout:
    """Which slot of which tuple holds what.

    Arguments:
        machines: the specs of the node.
        keys: for each instance parameter the names of its instances.
    """

    machines: Sequence[Machine]
    keys: Mapping[str, tuple[str, ...]]
    instances: dict[str, tuple[Machine, str | None]] = field(factory=dict, init=False)
    state_slot: dict[str, int] = field(factory=dict, init=False)
    call_slot: dict[str, int] = field(factory=dict, init=False)
    deferred_slot: dict[str, int] = field(factory=dict, init=False)
    variable_slot: dict[str, tuple[str, int]] = field(factory=dict, init=False)
    host_slots: dict[str, int] = field(factory=dict, init=False)
    pool_slots: dict[str, int] = field(factory=dict, init=False)
    _variables: dict[str, Variable] = field(factory=dict, init=False)
    _initial: list[Any] = field(factory=list, init=False)
    _initial_pool: list[Any] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        for machine in self.machines:
            for key in self.keys.get(machine.instance, ()) if machine.instance else (None,):
                self.instances[f"{machine.name}[{key}]" if key else machine.name] = (machine, key)
        for name, (machine, _) in self.instances.items():
            self.state_slot[name] = self._slot(machine.initial)
        for name, (machine, _) in self.instances.items():
            if machine.serves:
                self.call_slot[name] = self._slot(None)
        for name, (machine, _) in self.instances.items():
            if machine.defers:
                self.deferred_slot[name] = self._slot(())
        for name, (machine, _) in self.instances.items():
            for variable in machine.variables.values():
                self._place(self.variable_name(name, variable), variable)
            for sibling, domain in machine.siblings.items():
                if domain.kind == "enum" and not self.targets(name, sibling):
                    raise SpecError(machine.at, f"{sibling!r} is looked at, but is not on this node", "unknown-name")

    def _slot(self, initial: Any) -> int:
        self._initial.append(initial)
        return len(self._initial) - 1

    def _place(self, name: str, variable: Variable) -> None:
        if name in self.variable_slot:
            return
        self._variables[name] = variable
        if variable.store == "pool":
            self._initial_pool.append(variable.initial)
            slot = self.pool_slots[name] = len(self._initial_pool) - 1
        else:
            slot = self._slot(variable.initial)
            if variable.store == "host":
                self.host_slots[name] = slot
        self.variable_slot[name] = (variable.store, slot)

    @staticmethod
    def variable_name(instance: str, variable: Variable) -> str:
        """The name of a variable in a node: its own if shared, else behind the machine's."""
        return variable.name if variable.shared else f"{instance}.{variable.name}"

    def domain(self, name: str) -> Domain:
        """The domain of a variable by its name in the node."""
        return self._variables[name].domain

    def checked(self, store: str, values: Mapping[str, Value], n: int) -> Mapping[str, Value]:
        """Values of a store (`host`, `pool`) by name, if a pool of `n` can have them. Errors: `BadValues`."""
        slots = self.host_slots if store == "host" else self.pool_slots
        for name, value in values.items():
            shown = reprlib.repr(value)
            if name not in slots:
                raise BadValues(f"{name} = {shown}: there is no {store} variable {name!r}{suggest(name, slots)}")
            domain = self.domain(name)
            if not domain.holds(domain.from_json(value), n):
                raise BadValues(f"{name} = {shown} is no {domain} of a pool of {n}")
        return values

    def boot(self, host: Mapping[str, Value]) -> tuple[Any, ...]:
        """Initial states and variables, with the host variables that survived; nothing is checked here."""
        local = list(self._initial)
        for name, slot in self.host_slots.items():
            if name in host:
                local[slot] = self.domain(name).from_json(host[name])
        return tuple(local)

    def pool(self, values: Mapping[str, Value]) -> tuple[Any, ...]:
        """Initial pool variables, with the values given by name."""
        pool = list(self._initial_pool)
        for name, slot in self.pool_slots.items():
            if name in values:
                pool[slot] = self.domain(name).from_json(values[name])
        return tuple(pool)

    def payload(self, machine: Machine, event: str) -> Fields | None:
        """The payload that an event from outside must carry; None if the machine knows no such event."""
        if event in machine.events:
            return machine.events[event]
        if event in machine.serves:
            port, _, operation = event.partition(".")
            return machine.ports[port].operations[operation].arguments
        declared = machine.outcome_fields(event)
        if declared is not None:
            return declared
        # what no port declares: timers, `cancel`, and `lost` of a call to another host
        return {} if any(row.event == event for row in machine.rows) else None

    @property
    def size(self) -> int:
        """How many slots the local state has."""
        return len(self._initial)

    def code(self, instance: str, name: str, constant: Callable[[Any], str]) -> str | None:
        """The Python source that reads a name in an expression of a machine; None for a field of the payload.

        Arguments:
            instance: of the machine.
            name: an instance parameter, a variable or a sibling.
            constant: gives a value a name in that source.
        """
        machine, key = self.instances[instance]
        if name == machine.instance:
            return constant(key)
        if name in machine.variables:
            store, slot = self.variable_slot[self.variable_name(instance, machine.variables[name])]
            return f"{'P' if store == 'pool' else 'L'}[{constant(slot)}]"
        if name not in machine.siblings:
            return None
        read = [f"L[{constant(self.state_slot[target])}]" for target in self.targets(instance, name)]
        many = machine.siblings[name].kind == "enums"
        return f"frozenset(({''.join(r + ', ' for r in read)}))" if many else read[0]

    def targets(self, name: str, machine: str) -> list[str]:
        """The instances that a machine means by the name of another: the one with its own key, or all."""
        own = self.instances[name][1]
        found = [k for k, (m, key) in self.instances.items() if m.name == machine and key in (own, None)]
        return found or [k for k, (m, _) in self.instances.items() if m.name == machine]
