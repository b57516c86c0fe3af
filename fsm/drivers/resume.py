"""Going on from a snapshot; the document and its rules are those of `fsm.drivers.snapshot`."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterable, Iterator, Mapping
from math import inf
from typing import Any

from attrs import define, field

from fsm.drivers.snapshot import FORMAT, Resumed, SpecChanged, Upgrade
from fsm.engine.node import Node
from fsm.engine.turn import Operation, Timer
from fsm.errors import BadValues
from fsm.language.document import suggest
from fsm.language.domains import Value
from fsm.language.expressions import parse_duration
from fsm.language.spec import Fields, Machine

LONGEST_CHAIN = 100
"""Upgrades of one machine; more means that they lead in a circle."""


def resume(node: Node, document: Mapping[str, Any] | str | bytes, upgrades: Iterable[Upgrade] = ()) -> Resumed:
    """What a driver goes on from.

    Arguments:
        node: the machines, of the same host and pool.
        document: what `snapshot` gave, or its JSON text.
        upgrades: for specs that have changed, in any order.
    Errors: `SpecChanged`; `BadValues`, one line, for what is no snapshot of this node.
    """
    if isinstance(document, str | bytes):
        try:
            document = json.loads(document)
        except (ValueError, RecursionError) as error:
            raise BadValues(f"the snapshot is no JSON, it may have been cut off: {error}") from None
    if not isinstance(document, Mapping) or "snapshot" not in document:
        raise BadValues("this is no snapshot: it says no version of the format")
    if document["snapshot"] != FORMAT:
        raise BadValues(f"the snapshot has format {document['snapshot']!r}, not {FORMAT}; use its own version")
    try:
        return _Reading(node, document, {(upgrade.machine, upgrade.old): upgrade for upgrade in upgrades}).resumed()
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        if isinstance(error, BadValues):
            raise
        raise BadValues(f"this is no whole snapshot ({type(error).__name__}: {error})") from None


@define(eq=False)
class _Reading:
    """A document while it is read; `changes` grows where a spec is not the one that it was written with."""

    node: Node
    document: Mapping[str, Any]
    upgrades: Mapping[tuple[str, str], Upgrade]
    changes: list[str] = field(factory=list)
    changed: dict[str, list[Upgrade]] = field(factory=dict)

    def resumed(self) -> Resumed:
        node, said = self.node, self.document
        if (said["me"], said["n"]) != (node.me, node.n):
            raise BadValues(f"the snapshot is of host {said['me']} of {said['n']}, not of {node.me} of {node.n}")
        self.compare(said["specs"])
        for name in said["machines"]:
            if name not in node.layout.instances and not self.gone(name):
                known = suggest(name, node.layout.instances)
                raise BadValues(f"the snapshot has a machine {name!r}, which is not on this node{known}")
        states = {name: self.state(name, said["machines"].get(name)) for name in node.layout.instances}
        values = {name: self.variable(name) for name in node.layout.variable_slot}
        operations = tuple(self.operations(states))
        local, calls = self.local(states, values)
        if self.changes:
            raise SpecChanged(self.changes)
        pool = node.pool({name: node.layout.domain(name).to_json(values[name]) for name in node.layout.pool_slots})
        return Resumed(local, pool, operations, tuple(self.timers(states)), calls)

    def compare(self, specs: Mapping[str, Any]) -> None:
        """Finds the upgrades of each spec that has changed, or says how it has."""
        for machine in self.node.machines:
            was = specs.get(machine.name)
            if was is None:
                raise BadValues(f"the snapshot says nothing of the machine {machine.name!r}")
            steps, digest = list[Upgrade](), was["digest"]
            while digest != machine.digest and (machine.name, digest) in self.upgrades and len(steps) < LONGEST_CHAIN:
                steps.append(self.upgrades[machine.name, digest])
                digest = steps[-1].new
            if digest != machine.digest:
                self.changes.append(f"{machine.name} was {was['digest']} and is {machine.digest}")
                self.changes += [f"{machine.name}: {change}" for change in _changes(was, machine)]
            elif steps:
                self.changes += _misnamed(steps[-1], machine)
            if was["digest"] != machine.digest:
                self.changed[machine.name] = steps

    def gone(self, name: str) -> bool:
        """Whether an instance is not known because the machine's spec has changed."""
        return name.partition("[")[0] in self.changed

    def state(self, name: str, said: Mapping[str, Any] | None) -> str:
        machine, _ = self.node.layout.instances[name]
        if said is None:
            raise BadValues(f"the snapshot says nothing of the machine {name!r}")
        state = str(said["state"])
        for upgrade in self.changed.get(machine.name, ()):
            state = upgrade.states.get(state, state)
        if state not in machine.states:
            self.differ(machine, f"{name} is in {state!r}, which is no state of it{suggest(state, machine.states)}")
        return state

    def differ(self, machine: Machine, what: str) -> None:
        """Something that does not fit. Errors: `BadValues` where the spec is the same."""
        if machine.name not in self.changed:
            raise BadValues(f"the snapshot does not fit its own spec: {what}")
        self.changes.append(what)

    def variable(self, name: str) -> Value:
        layout = self.node.layout
        owner, own = self.owner(name)
        domain, values = layout.domain(name), self.document["variables"]
        given = [upgrade.variables[own] for upgrade in self.changed.get(owner.name, ()) if own in upgrade.variables]
        if not given and name not in values and owner.name in self.changed:
            return self.node.value(self.node.boot(), self.node.pool(), name)
        if not given and name not in values:
            raise BadValues(f"the snapshot has no value of {name}")
        value = domain.from_json(given[-1] if given else values[name])
        if not domain.holds(value, self.node.n):
            self.differ(owner, f"{name} = {reprlib.repr(value)} is no {domain} of {self.node.n} hosts")
        return value

    def owner(self, name: str) -> tuple[Machine, str]:
        """A machine that has the variable, one whose spec has changed before others, and its name there."""
        found = []
        for instance, (machine, _) in self.node.layout.instances.items():
            for own, variable in machine.variables.items():
                if self.node.layout.variable_name(instance, variable) == name:
                    found.append((machine, own))
        return next(((machine, own) for machine, own in found if machine.name in self.changed), found[0])

    def operations(self, states: Mapping[str, str]) -> Iterator[Operation]:
        under_way = {said["machine"]: said for said in self.document["operations"]}
        for name in under_way:
            if name not in self.node.layout.instances and not self.gone(name):
                raise BadValues(f"the snapshot has an operation of {name!r}, which is not on this node")
        for name, (machine, _) in self.node.layout.instances.items():
            said = under_way.get(name)
            do = machine.pending(states[name]) if machine.name in self.changed else None
            if machine.name in self.changed and do is None:
                continue  # whatever it waited for is abandoned
            if said is None and do is not None:
                self.changes.append(f"{name} would wait in {states[name]!r} for {do.name}, which is not under way")
            elif said is not None and do is not None and do.name != f"{said['port']}.{said['name']}":
                self.changes.append(
                    f"{name} waits for {said['port']}.{said['name']}, but in {states[name]!r} for {do.name}"
                )
            elif said is not None:
                yield from self.operation(machine, said)

    def operation(self, machine: Machine, said: Mapping[str, Any]) -> Iterator[Operation]:
        name, what = said["machine"], f"{said['port']}.{said['name']} of {said['machine']}"
        declared = machine.ports.get(said["port"])
        if declared is None or said["name"] not in declared.operations:
            return self.differ(machine, f"{what} is no operation that it has")
        fields = declared.operations[said["name"]].arguments
        arguments = self.payload(machine, what, fields, said["arguments"])
        targets = None if said["targets"] is None else tuple(said["targets"])
        if targets is not None and not all(type(host) is int and 0 <= host < self.node.n for host in targets):
            raise BadValues(f"{what} goes to {said['targets']}, which are no hosts of {self.node.n}")
        yield Operation(name, said["port"], said["name"], arguments, targets, bool(said["joined"]))

    def payload(self, machine: Machine, what: str, fields: Fields, said: Mapping[str, Any]) -> dict[str, Value]:
        values = {name: fields[name].from_json(value) if name in fields else value for name, value in said.items()}
        if values.keys() != fields.keys():
            self.differ(machine, f"{what} carries {sorted(fields) or 'nothing'}, not {sorted(values) or 'nothing'}")
            return {}
        for name, value in values.items():
            if not fields[name].holds(value, self.node.n):
                self.differ(machine, f"{what}: {name} = {reprlib.repr(value)} is no {fields[name]}")
        return values

    def timers(self, states: Mapping[str, str]) -> Iterator[tuple[Timer, float]]:
        """Those that run on, in the order in which they were started, and those of a changed spec that begin."""
        layout, left = self.node.layout, self.document["timers"]
        running = {
            (name, str(row.scope)): row
            for name, (machine, _) in layout.instances.items()
            for row in machine.timers(states[name])
        }
        for said in left:
            name, scope, seconds = said["machine"], said["scope"], float(said["left"])
            if not 0 <= seconds < inf:
                raise BadValues(f"the snapshot has a timer of {name} with {seconds} seconds left")
            if (name, scope) in running:
                yield Timer(name, scope, running.pop((name, scope)).event, seconds), seconds
            elif not self.gone(name):
                raise BadValues(f"the snapshot has a timer of {name} in {scope!r}, which does not run in that state")
        for (name, scope), row in running.items():
            if layout.instances[name][0].name in self.changed:
                seconds = parse_duration(str(row.duration), self.node.parameters, row.at)
                yield Timer(name, scope, row.event, seconds), seconds

    def local(self, states: Mapping[str, str], values: Mapping[str, Value]) -> tuple[tuple[Any, ...], tuple[str, ...]]:
        """The local state, and the numbers of the calls that are being served."""
        layout, slots, calls = self.node.layout, list(self.node.boot()), []
        for name, (machine, _) in layout.instances.items():
            said = self.document["machines"][name]
            slots[layout.state_slot[name]] = states[name]
            kept = tuple(self.deferred(name, machine, states[name], said["deferred"]))
            if name in layout.deferred_slot:
                slots[layout.deferred_slot[name]] = kept
            if said["call"] is not None:
                call, number = said["call"]
                if call not in machine.serves or not isinstance(number, str):
                    self.differ(machine, f"{name} serves {reprlib.repr(call)}, which is no call of it")
                    continue
                slots[layout.call_slot[name]] = (call, number)
                calls.append(number)
        for name, (store, slot) in layout.variable_slot.items():
            if store != "pool":
                slots[slot] = values[name]
        return tuple(slots), tuple(calls)

    def deferred(self, name: str, machine: Machine, state: str, said: Iterable[Any]) -> Iterator[tuple[str, Any]]:
        for event, payload in said:
            if not machine.deferred(state, event):
                self.differ(machine, f"{name} keeps the event {event!r}, which it does not defer in {state!r}")
                continue
            fields = self.node.layout.payload(machine, event) or {}
            values = self.payload(machine, f"{name}: {event}", fields, payload)
            yield event, tuple(sorted(values.items()))


def _misnamed(upgrade: Upgrade, machine: Machine) -> Iterator[str]:
    """What an upgrade gives that the machine it leads to does not have."""
    for what, names, known in (
        ("state", upgrade.states.values(), machine.states),
        ("variable", upgrade.variables, machine.variables),
    ):
        for name in names:
            if name not in known:
                yield f"the upgrade of {machine.name} gives {name!r}, which is no {what} of it{suggest(name, known)}"


def _changes(was: Mapping[str, Any], machine: Machine) -> Iterator[str]:
    """What a spec that has changed has no longer, has now, and has otherwise."""
    now = {name: str(variable.domain) for name, variable in machine.variables.items()}
    for what, before, after in (
        ("states", was["states"], machine.states),
        ("variables", was["variables"], now),
    ):
        for how, names in (
            ("kept", [name for name in before if name in after]),
            ("gone", [name for name in before if name not in after]),
            ("new", [name for name in after if name not in before]),
        ):
            if names:
                yield f"{what} {how}: {', '.join(names)}"
    for name, domain in was["variables"].items():
        if name in now and now[name] != domain:
            yield f"{name} was {domain} and is {now[name]}"
