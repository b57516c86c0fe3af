"""From the rows of a machine to one Python function for each (state, event), once, so that a step only calls it.

    choose(local, pool, payload) -> what is in the `Turn` of the one row that fires, or None where no guard holds

The source of such a function is put together from checked expressions only. It looks at the payload, evaluates the
guards, then whatever the row that fires computes, in the order of a transition: exit effects, the row's own, entry
effects; in each block `set` on the values so far, then the arguments of its `tell`, and of the row's `reply` and `do`.
What is done with the values is data in a `CompiledRow`; effects are there where the turn ends with this row, else
`fsm.engine.run` makes them. What comes back is a plain tuple, which is made and taken apart in no time: the `Turn` is
made by whoever returns it. Slots and names are constants of the function and not part of its source: instances of a
machine share compiled code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from types import CodeType
from typing import Any

from attrs import define, field

from fsm.engine.compiled import Arguments, CompiledDo, CompiledRow, CompiledTell, check_payload, outside, twice
from fsm.engine.layout import Layout
from fsm.engine.plan import Definition
from fsm.engine.turn import NO_EFFECTS, NOTHING, Effects, Timer
from fsm.language.domains import Domain, Value
from fsm.language.expressions import GLOBALS, Expr, parse_duration
from fsm.language.spec import ELSE, SAME, Hook, Machine, Row, Tell

_Fired = tuple[CompiledRow, Mapping[str, Value], tuple[Value, ...]]
Fields = tuple[tuple[Any, ...], tuple[Any, ...], tuple[_Fired, ...], Effects, tuple[Any, ...], str | None]
"""The fields of a `Turn`."""

Choose = Callable[[tuple[Any, ...], tuple[Any, ...], Mapping[str, Value]], Fields | None]

Table = dict[tuple[str, str], tuple[Choose, tuple[CompiledRow, ...]]]
"""For each (leaf state, event) that has rows: the function, and the rows that it chooses from."""

FEW = 10
"""Slots up to which a new state is written out; above, copying it as a list is faster."""


@cache
def compiled(source: str) -> CodeType:
    """The code of a module that defines `make`."""
    return compile(source, "<spec>", "exec")


@define
class _Constants:
    """Values that a function uses by a name that says nothing of them."""

    names: dict[tuple[type, Any], str] = field(factory=dict)

    def name(self, value: Any) -> str:
        """The name of a value: the same for the same value, in the order of first use."""
        key = (type(value), value if isinstance(value, int | str) else id(value))
        if key not in self.names:
            self.names[key] = f"c{len(self.names)}"
            self.values.append(value)
        return self.names[key]

    values: list[Any] = field(factory=list)


@define(eq=False)
class Compiler:
    """Compiles one instance of a machine.

    Arguments:
        layout: of the node.
        name: the instance.
        me, n: this host's index, and the number of hosts.
        parameters: what durations are made of.
    """

    layout: Layout
    name: str
    me: int
    n: int
    parameters: Mapping[str, float]
    machine: Machine = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.machine = self.layout.instances[self.name][0]

    def table(self, definition: Definition) -> Table:
        """For each (leaf state, event) that has rows: the function, and the rows it chooses from."""
        return {(state, event): self.choose(state, rows) for (state, event), rows in definition.table().items()}

    def choose(self, state: str, rows: Sequence[Row]) -> tuple[Choose, tuple[CompiledRow, ...]]:
        """The function of one (state, event)."""
        function = _Function(self)
        compiled_rows = tuple(function.row(row, state) for row in rows)
        return function.made(rows, compiled_rows), compiled_rows

    def timers(self, state: str, target: str) -> tuple[Timer, ...]:
        """Leaving a state stops its timers and those of groups that are left; entering starts; re-entering restarts
        the state's own timer, while a group's goes on as long as the machine stays inside."""
        if target == SAME:
            return ()
        before = {str(row.scope): row for row in self.machine.timers(state)}
        after = {str(row.scope): row for row in self.machine.timers(target)}
        stops = [Timer(self.name, scope, row.event, None) for scope, row in before.items() if scope not in after]
        starts = [
            Timer(self.name, scope, row.event, parse_duration(str(row.duration), self.parameters, row.at))
            for scope, row in after.items()
            if scope not in before or scope == target
        ]
        return (*stops, *starts)


@define(eq=False)
class _Function:
    """The source of one function while it grows."""

    compiler: Compiler
    constants: _Constants = field(factory=_Constants)
    bodies: list[list[str]] = field(factory=list)
    _fresh: int = 0

    def source(self, expr: Expr, changed: Mapping[str, str] = NOTHING) -> str:
        """The source of an expression; `changed` reads the names that were assigned before it."""
        return expr.source({name: changed.get(name) or self.read(name) for name in expr.names})

    def read(self, name: str) -> str:
        compiler = self.compiler
        return compiler.layout.code(compiler.name, name, self.constants.name) or f"p[{self.constants.name(name)}]"

    def row(self, row: Row, state: str) -> CompiledRow:
        """Appends the lines of a row that fires in a state."""
        compiler, machine = self.compiler, self.compiler.machine
        target = state if row.target == SAME else row.target
        made = CompiledRow(compiler.name, row, state, target, timers=compiler.timers(state, row.target))
        body = _Body(self, made)
        for name in machine.left(state, row.target):
            body.hook(machine.exit.get(name))
        body.own(row)
        for name in machine.entered(state, row.target):
            body.hook(machine.enter.get(name))
        made.set, made.tell = tuple(body.set), tuple(body.tell)
        made.settle()
        self.bodies.append(body.finished())
        return made

    def made(self, rows: Sequence[Row], done: Sequence[CompiledRow]) -> Choose:
        """The function, from the guards and the lines of all rows."""
        # first of all, for it names constants
        lines = [f"        {line}\n" for line in (self.carried(rows[0].event), *self.guarded(rows, done))]
        constants = self.constants
        given = {
            "me": self.compiler.me, "nobody": frozenset(), "everybody": frozenset(range(self.compiler.n)),
            "check": check_payload, "outside": outside, "twice": twice,
        }  # fmt: skip
        head = f"def make({', '.join([*given, *constants.names.values()])}):\n    def choose(L, P, p):\n"
        scope: dict[str, Any] = GLOBALS | {"dict": dict, "list": list, "tuple": tuple}
        exec(compiled(head + "".join(lines) + "    return choose\n"), scope)
        choose: Choose = scope["make"](*given.values(), *constants.values)
        return choose

    def carried(self, event: str) -> str:
        """The payload is looked at here, so that the turn of an event that carries nothing pays for a test only."""
        compiler, name = self.compiler, self.constants.name
        fields = compiler.layout.payload(compiler.machine, event) or {}
        known = f"{name(f'{compiler.name}: the event {event}')}, {name(fields)}, p, {name(compiler.n)}"
        return f"check({known})" if fields else f"if p: check({known})"

    def guarded(self, rows: Sequence[Row], done: Sequence[CompiledRow]) -> Iterator[str]:
        """Guards first, all of them where there are several, for two that hold are an error that fails closed."""
        own = [index for index, row in enumerate(rows) if row.guard != ELSE]
        rest = [index for index, row in enumerate(rows) if row.guard == ELSE]
        tests = {index: self.guard(rows[index]) for index in own}
        if len(own) > 1:
            for index, test in tests.items():
                yield f"g{index} = {test}"
                tests[index] = f"g{index}"
            both = self.constants.name(tuple(done[index] for index in own))
            yield f"if {' + '.join(tests.values())} > 1: twice({both}, ({', '.join(tests.values())}))"
        for index, test in tests.items():
            yield f"if {test}:"
            yield from (f"    {line}" for line in self.bodies[index])
        if len(rest) > 1:
            yield f"twice({self.constants.name(tuple(done[i] for i in rest))}, {(True,) * len(rest)})"
        for index in rest[:1]:
            yield from self.bodies[index]

    def guard(self, row: Row) -> str:
        return self.source(row.guard) if isinstance(row.guard, Expr) else "True"

    def fresh(self) -> str:
        """A name for a computed value."""
        self._fresh += 1
        return f"v{self._fresh}"


@define(eq=False)
class _Body:
    """The lines of one row. `assigned` reads the names that have been assigned at this point of the transition."""

    function: _Function
    made: CompiledRow
    assigned: dict[str, str] = field(factory=dict)
    lines: list[str] = field(factory=list)
    values: list[str] = field(factory=list)
    changes: dict[tuple[str, int], str] = field(factory=dict)
    set: list[tuple[str, str, int, int]] = field(factory=list)
    tell: list[CompiledTell] = field(factory=list)

    def hook(self, hook: Hook | None) -> None:
        """An entry or exit effect. It sees no payload."""
        if hook is not None:
            self.update(hook.set)
            self.say(hook.tell)

    def own(self, row: Row) -> None:
        """The row's own effects."""
        machine, constants = self.function.compiler.machine, self.function.constants
        self.update(row.set)
        self.say(row.tell)
        if row.reply is not None:
            self.made.reply = (row.reply[0], self.arguments(row.reply[1]))
        if row.do is not None:
            declared = machine.ports[row.do.port].operations[row.do.operation]
            targets = None if row.do.targets is None else self.value(self.source(row.do.targets))
            arguments = self.arguments(row.do.arguments)
            self.made.do = CompiledDo(
                row.do.port, row.do.operation, arguments, targets, row.do.joined, declared.instant
            )
        if row.target != SAME:
            slot = self.function.compiler.layout.state_slot[self.made.machine]
            self.changes["memory", slot] = constants.name(row.target)

    def source(self, expr: Expr) -> str:
        return self.function.source(expr, self.assigned)

    def value(self, code: str) -> int:
        """Which computed value some code is."""
        self.values.append(code)
        return len(self.values) - 1

    def arguments(self, arguments: tuple[tuple[str, Expr], ...]) -> Arguments:
        return tuple((name, self.value(self.source(expr))) for name, expr in arguments)

    def say(self, tells: Sequence[Tell]) -> None:
        compiler = self.function.compiler
        for tell in tells:
            targets = (tell.target,) if tell.signal else tuple(compiler.layout.targets(compiler.name, tell.target))
            self.tell.append(CompiledTell(targets, tell.name, self.arguments(tell.arguments), tell.signal))

    def update(self, updates: tuple[tuple[str, Expr], ...]) -> None:
        """Assignments, all evaluated on the values before them."""
        compiler, constants = self.function.compiler, self.function.constants
        assigned = {}
        for name, expr in updates:
            full = compiler.layout.variable_name(compiler.name, compiler.machine.variables[name])
            store, slot = compiler.layout.variable_slot[full]
            variable = self.function.fresh()
            self.lines.append(f"{variable} = {self.source(expr)}")
            if test := leaves(compiler.layout.domain(full), variable, compiler.n):
                known = f"{constants.name(self.made)}, {constants.name(full)}, {variable}"
                self.lines.append(f"if {test}: outside({known})")
            self.set.append((full, store, slot, self.value(variable)))
            self.changes["pool" if store == "pool" else "memory", slot] = variable
            assigned[name] = variable
        self.assigned |= assigned

    def finished(self) -> list[str]:
        """All lines, the last of which returns."""
        compiler = self.function.compiler
        local = self.changed("L", "memory", compiler.layout.size)
        pool = self.changed("P", "pool", len(compiler.layout.pool_slots))
        values = f"({''.join(f'{code}, ' for code in self.values)})"
        constants, made = self.function.constants, self.made
        effects = constants.name(NO_EFFECTS if made.effects is None else made.effects)
        if made.alone and made.effects is None:
            self.lines.append(f"V = {values}")
            values, effects = "V", f"{constants.name(made)}.perform(L, P, V)"
        if compiler.layout.payload(compiler.machine, made.row.event):
            rows = f"(({constants.name(made)}, dict(p), {values}),)"  # what was sent may change, what fired may not
        elif self.values:
            rows = f"(({constants.name(made)}, {constants.name(NOTHING)}, {values}),)"
        else:
            rows = constants.name(((made, NOTHING, ()),))
        return [*self.lines, f"return {local}, {pool}, {rows}, {effects}, (), None"]

    def changed(self, name: str, store: str, size: int) -> str:
        """The code of a tuple with its changes; the tuple itself where there are none."""
        changes = {slot: code for (where, slot), code in self.changes.items() if where == store}
        if not changes:
            return name
        if size <= FEW:
            return f"({''.join(changes.get(slot, f'{name}[{slot}]') + ', ' for slot in range(size))})"
        copy = f"new{name}"
        self.lines.append(f"{copy} = list({name})")
        constants = self.function.constants
        self.lines += [f"{copy}[{constants.name(slot)}] = {code}" for slot, code in changes.items()]
        return f"tuple({copy})"


def leaves(domain: Domain, code: str, n: int) -> str | None:
    """A test of whether a value leaves a domain. Types are checked by the loader, so only bounds can be left."""
    if domain.kind == "int":
        return f"not {domain.low} <= {code} <= {domain.high}"
    return f"{code} is None" if domain.kind == "host" and not domain.optional else None
