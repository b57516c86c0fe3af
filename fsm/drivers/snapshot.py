"""The whole state of a driver as plain JSON, and going on from it, also with specs that have changed since.

    {"snapshot": 1, "me": 0, "n": 3,
     "specs": {"worker": {"digest": …, "states": […], "variables": {"armed": "bool", …}}},
     "machines": {"worker": {"state": "running", "call": null, "deferred": [["stop", {}]]}},
     "variables": {"armed": true, …},
     "operations": [{"machine": …, "port": …, "name": …, "arguments": {…}, "targets": null, "joined": false}],
     "timers": [{"machine": …, "scope": …, "event": …, "left": 7.5}]}

Rules.
- With the same specs, by their digests, going on is exact: the same state, the same events deferred, timers with the
  time that was left. Operations under way are asked again, which is why they are declared idempotent.
- With another spec nothing is guessed: it is refused with the list of what changed, unless the caller brings an
  `Upgrade` from the one digest to the other, or a chain of them. States keep their names unless an upgrade renames
  them, new variables begin with their initial values unless it gives others, and variables that are gone are dropped.
  What a state waits for must be under way in the same words, or the upgrade leads to a state that waits for nothing.
- An opaque value must be what JSON can carry, unchanged; another one cannot be written.

Reading it is `fsm.drivers.resume`.

Left out: events that are queued. They have not been taken yet, and whoever sent them can be told so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import field, frozen

from fsm.engine.node import Node
from fsm.engine.turn import Operation, Timer
from fsm.errors import BadValues
from fsm.language.domains import Domain, Value, shown
from fsm.language.spec import Fields, Machine

FORMAT = 1
"""Version of the document; another one is refused."""


class SpecChanged(BadValues):
    """A snapshot of other specs, and no upgrade leads from there to here. `changes` lists what is different."""

    def __init__(self, changes: Sequence[str]) -> None:
        super().__init__(f"the snapshot is of other specs, and no Upgrade leads here: {'; '.join(changes)}")
        self.changes = tuple(changes)


@frozen
class Upgrade:
    """How the state of a machine is carried over when its spec changed.

    Arguments:
        machine: the name of the spec.
        old, new: its digests.
        states: for states that got another name or are gone, which one they become.
        variables: values, as JSON carries them, of variables that are new or have another domain.
    """

    machine: str
    old: str
    new: str
    states: Mapping[str, str] = field(factory=dict)
    variables: Mapping[str, Value] = field(factory=dict)


@frozen
class Resumed:
    """A state to go on from: that of the node, the operations to ask again, timers with the seconds left, and the
    numbers of the calls that are being served."""

    local: tuple[Any, ...]
    pool: tuple[Any, ...]
    operations: tuple[Operation, ...] = ()
    timers: tuple[tuple[Timer, float], ...] = ()
    calls: tuple[str, ...] = ()


def snapshot(
    node: Node,
    local: tuple[Any, ...],
    pool: tuple[Any, ...],
    operations: Iterable[Operation] = (),
    timers: Iterable[tuple[Timer, float]] = (),
) -> dict[str, Any]:
    """The document of a state between two turns.

    Arguments:
        node, local, pool: the machines and their state.
        operations: under way.
        timers: that run, with the seconds left.
    Errors: `BadValues` for an opaque value that JSON cannot carry.
    """
    layout = node.layout
    return {
        "snapshot": FORMAT,
        "me": node.me,
        "n": node.n,
        "specs": {machine.name: _spec(machine) for machine in node.machines},
        "machines": {name: _machine(node, local, name) for name in layout.instances},
        "variables": {
            name: _written(name, layout.domain(name), node.value(local, pool, name)) for name in layout.variable_slot
        },
        "operations": [_operation(node, operation) for operation in operations],
        "timers": [
            {"machine": timer.machine, "scope": timer.scope, "event": timer.event, "left": max(0.0, left)}
            for timer, left in timers
        ],
    }


def _spec(machine: Machine) -> dict[str, Any]:
    variables = {name: str(variable.domain) for name, variable in machine.variables.items()}
    return {"digest": machine.digest, "states": list(machine.states), "variables": variables}


def _machine(node: Node, local: tuple[Any, ...], name: str) -> dict[str, Any]:
    layout = node.layout
    call = local[layout.call_slot[name]] if name in layout.call_slot else None
    deferred = local[layout.deferred_slot[name]] if name in layout.deferred_slot else ()
    kept = []
    for event, payload in deferred:
        fields = layout.payload(layout.instances[name][0], event) or {}
        kept.append([event, _all_written(f"{name}: {event}", fields, dict(payload))])
    return {"state": node.state(local, name), "call": None if call is None else list(call), "deferred": kept}


def _operation(node: Node, operation: Operation) -> dict[str, Any]:
    fields = _declared(node, operation.machine, operation.port, operation.name)
    what = f"{operation.port}.{operation.name} of {operation.machine}"
    return {
        "machine": operation.machine,
        "port": operation.port,
        "name": operation.name,
        "arguments": _all_written(what, fields, operation.arguments),
        "targets": None if operation.targets is None else list(operation.targets),
        "joined": operation.joined,
    }


def _declared(node: Node, machine: str, port: str, name: str) -> Fields:
    return node.layout.instances[machine][0].ports[port].operations[name].arguments


def _written(what: str, domain: Domain, value: Value) -> Any:
    if domain.kind == "opaque":
        try:
            same = json.loads(json.dumps(value)) == value
        except (TypeError, ValueError, RecursionError):
            same = False
        if not same:
            raise BadValues(f"{what} = {shown(value)} cannot be written as JSON; let machines carry plain values")
    return domain.to_json(value)


def _all_written(what: str, fields: Fields, values: Mapping[str, Value]) -> dict[str, Any]:
    return {name: _written(f"{what}: {name}", fields[name], value) for name, value in values.items()}
