"""From the rows of a machine to functions on the tuples of a node, once, so that a step only looks up and calls."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from fsm.document import suggest
from fsm.domains import Domain, Value
from fsm.errors import BadValues, SpecError
from fsm.expressions import Expr, parse_duration
from fsm.plan import Definition
from fsm.spec import ELSE, SAME, Do, Fields, Machine, Row, Variable

if TYPE_CHECKING:
    from fsm.node import Timer

Function = Callable[[Any, Any, Any], Value]
Arguments = tuple[tuple[str, Function], ...]


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
            for variable in machine.variables.values():
                self._place(self.variable_name(name, variable), variable)

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
        if event == "after" or event.startswith("after ") or event == "cancel" or event.endswith(".lost"):
            return {} if any(row.event == event for row in machine.rows) else None
        return machine.outcome_fields(event)

    def codes(self, name: str) -> dict[str, str]:
        """For each name that expressions of a machine use outside payloads, the Python source that reads it."""
        machine, key = self.instances[name]
        codes = {machine.instance: repr(key)} if machine.instance else {}
        for variable in machine.variables.values():
            store, slot = self.variable_slot[self.variable_name(name, variable)]
            codes[variable.name] = f"{'P' if store == 'pool' else 'L'}[{slot}]"
        for sibling in machine.siblings:
            slots = [self.state_slot[target] for target in self.targets(name, sibling)]
            if not slots and machine.siblings[sibling].kind == "enum":
                raise SpecError(machine.at, f"{sibling!r} is looked at, but is not on this node", "unknown-name")
            many = machine.siblings[sibling].kind == "enums"
            read = [f"L[{slot}]" for slot in slots]
            codes[sibling] = f"frozenset(({''.join(r + ', ' for r in read)}))" if many else read[0]
        return codes

    def targets(self, name: str, machine: str) -> list[str]:
        """The instances that a machine means by the name of another: the one with its own key, or all."""
        own = self.instances[name][1]
        found = [k for k, (m, key) in self.instances.items() if m.name == machine and key in (own, None)]
        return found or [k for k, (m, _) in self.instances.items() if m.name == machine]


@frozen
class CompiledDo:
    """An operation with its expressions compiled."""

    port: str
    name: str
    arguments: Arguments
    targets: Function | None
    joined: bool
    instant: bool


@frozen
class CompiledRow:
    """A row with its expressions compiled, and the timers that its transition stops and starts."""

    row: Row
    guard: Function | None
    set: tuple[tuple[str, str, int, Function], ...]
    tell: tuple[tuple[tuple[str, ...], str, Arguments, bool], ...]
    reply: tuple[str, Arguments] | None
    do: CompiledDo | None
    stops: Mapping[str, Timer]
    starts: Mapping[str, Timer]


def compile_instance(
    layout: Layout, machine: Machine, key: str | None, me: int, n: int, parameters: Mapping[str, float]
) -> Mapping[tuple[str, str], tuple[CompiledRow, ...]]:
    """The plan of one machine of a node: for each (leaf state, event) its compiled rows."""
    name = f"{machine.name}[{key}]" if key else machine.name
    compiler = _Compiler(layout, name, machine, layout.codes(name), me, n, parameters)
    return {
        (state, event): tuple(compiler.row(row, state) for row in rows)
        for (state, event), rows in Definition(machine).table().items()
    }


@frozen
class _Compiler:
    layout: Layout
    name: str
    machine: Machine
    codes: Mapping[str, str]
    me: int
    n: int
    parameters: Mapping[str, float]

    def function(self, expr: Expr) -> Function:
        payload = {name: f"p[{name!r}]" for name in expr.names if name not in self.codes}
        return expr.function({**payload, **self.codes}, self.me, self.n)

    def arguments(self, arguments: tuple[tuple[str, Expr], ...]) -> Arguments:
        return tuple((name, self.function(expr)) for name, expr in arguments)

    def row(self, row: Row, state: str) -> CompiledRow:
        updates = []
        for name, expr in row.set:
            full = self.layout.variable_name(self.name, self.machine.variables[name])
            updates.append((full, *self.layout.variable_slot[full], self.function(expr)))
        stops, starts = self.timers(state, row.target)
        return CompiledRow(
            row=row,
            guard=None if row.guard is None or row.guard == ELSE else self.function(row.guard),  # type: ignore[arg-type]
            set=tuple(updates),
            tell=tuple(
                (
                    (tell.target,) if tell.signal else tuple(self.layout.targets(self.name, tell.target)),
                    tell.name,
                    self.arguments(tell.arguments),
                    tell.signal,
                )
                for tell in row.tell
            ),
            reply=None if row.reply is None else (row.reply[0], self.arguments(row.reply[1])),
            do=self.do(row.do) if row.do else None,
            stops=stops,
            starts=starts,
        )

    def do(self, do: Do) -> CompiledDo:
        declared = self.machine.ports[do.port].operations[do.operation]
        targets = None if do.targets is None else self.function(do.targets)
        return CompiledDo(do.port, do.operation, self.arguments(do.arguments), targets, do.joined, declared.instant)

    def timers(self, state: str, target: str) -> tuple[dict[str, Timer], dict[str, Timer]]:
        """Leaving a state stops its timers and those of groups that are left; entering starts; re-entering restarts
        the state's own timer, while a group's goes on as long as the machine stays inside."""
        from fsm.node import Timer

        if target == SAME:
            return {}, {}
        before = {row.scope: row for row in self.machine.timers(state)}
        after = {row.scope: row for row in self.machine.timers(target)}
        stops = {s: Timer(self.name, str(s), r.event, None) for s, r in before.items() if s not in after}
        starts = {
            str(scope): Timer(
                self.name, str(scope), row.event, parse_duration(str(row.duration), self.parameters, row.at)
            )
            for scope, row in after.items()
            if scope not in before or scope == target
        }
        return {str(scope): timer for scope, timer in stops.items()}, starts
