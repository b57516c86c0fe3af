"""The machines of one host, put together: `step` runs an event to completion and is pure.

Rules.
- A node's state is two tuples: `local` (the state of each machine, the calls it is serving, events it has deferred, its
  memory and host variables) and `pool` (the pool variables, one copy for the whole pool, changed by the master alone).
- One event from outside is one *turn*: the row that matches fires, what it tells its siblings is delivered in the same
  turn, first told first served, and outcomes of instant operations are consumed before anything else. There is no
  queue between turns.
- A transition is: guards, exit effects from the state outwards, the row's own, entry effects inwards to the new
  state. In each block `set` is evaluated on the values so far, all at once, and what is told, replied or started sees
  the values after it. A row that stays (`same`) leaves and enters nothing. A process begins without entering.
- A deferred event is delivered in the turn in which its machine enters a state that does not defer it, after everything
  else; the oldest first. One of each name is kept, with its newest payload, so that a machine stays finite.
- A turn that cannot be completed (no row, two rows, a payload outside its domain) is refused whole: nothing changed.
- Same in, same out: `read` answers instant operations and must be a function too; what it answered is in the turn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field

from fsm.engine.compile import Choose, Compiler, Table
from fsm.engine.layout import Layout
from fsm.engine.plan import Definition
from fsm.engine.run import Run
from fsm.engine.turn import Event, Read, Refused, Turn, filled, no_read
from fsm.errors import BadValues
from fsm.language.domains import Value
from fsm.language.expressions import NotOne
from fsm.language.load import Library
from fsm.language.spec import Machine

MOST_HOSTS = 1000
"""Sets of all hosts are made beforehand, and `n` may come from a file."""

Turns = dict[str, dict[str, Choose]]
"""For each leaf state and event whose turn is one row: the function that gives it."""


@define(eq=False, repr=False)
class Node:
    """The compiled machines of host `me` of a pool of `n`.

    Arguments:
        machines: the specs, in the order in which they are shown.
        me, n: this host's index, 0 <= me < n, and the number of hosts, at most 1000.
        instances: for each instance parameter (`vm`) the names of its instances.
        parameters: seconds (or plain numbers) that durations are made of, by name.
    Errors: `fsm.errors.SpecError` where machines do not fit together; `fsm.errors.BadValues` for no such `me` or `n`,
        and for instances without names of their own.
    """

    machines: Sequence[Machine]
    me: int = 0
    n: int = 1
    instances: Mapping[str, tuple[str, ...]] = field(factory=dict)
    parameters: Mapping[str, float] = field(factory=dict)
    layout: Layout = field(init=False)
    tables: dict[str, Table] = field(init=False)
    turns: dict[str, tuple[int, Turns]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        if type(self.me) is not int or type(self.n) is not int or not 0 <= self.me < self.n:
            raise BadValues(f"me = {self.me!r} is no host of a pool of n = {self.n!r}; hosts are counted from 0 to n-1")
        if self.n > MOST_HOSTS:
            raise BadValues(f"a pool of n = {self.n} hosts; there are at most {MOST_HOSTS}")
        for parameter, keys in self.instances.items():
            if len({*keys, ""}) <= len(keys):
                raise BadValues(f"the instances of {parameter!r} are {list(keys)}; each has a name of its own")
        self.layout = Layout(self.machines, self.instances)
        definitions = {machine.name: Definition(machine) for machine in self.machines}
        self.tables = {
            name: Compiler(self.layout, name, self.me, self.n, self.parameters).table(definitions[machine.name])
            for name, (machine, _) in self.layout.instances.items()
        }
        self.turns = {name: (self.layout.state_slot[name], self._turns(name)) for name in self.layout.instances}

    def __reduce__(self) -> tuple[type[Node], tuple[Any, ...]]:
        """Pickled as what it is made of: compiled functions cannot be, and are made in no time."""
        return Node, (self.machines, self.me, self.n, self.instances, self.parameters)

    def _turns(self, name: str) -> Turns:
        """The (state, event) of an instance whose turn is one row, whichever fires."""
        machine, _ = self.layout.instances[name]
        turns: Turns = {state: {} for state in machine.states}
        for (state, event), (choose, rows) in self.tables[name].items():
            if event not in machine.serves and not machine.defers and all(row.alone for row in rows):
                turns[state][event] = choose
        return turns

    def __repr__(self) -> str:
        return f"Node({', '.join(self.layout.instances)}; me={self.me}, n={self.n})"

    @classmethod
    def load(
        cls,
        root: Path | str,
        machines: Sequence[str],
        me: int = 0,
        n: int = 1,
        instances: Mapping[str, tuple[str, ...]] | None = None,
        parameters: Mapping[str, float] | None = None,
    ) -> Node:
        """A node from the specs of a folder. Errors: `fsm.errors.SpecError`, `fsm.errors.BadValues`."""
        library = Library(Path(root), dict(parameters or {}))
        specs = [library.machine(name) for name in machines]
        return cls(specs, me, n, instances or {}, library.parameters())

    def boot(self, host: Mapping[str, Value] | None = None) -> tuple[Any, ...]:
        """The local state of a process that has just started; `host` are the variables that survived, by name, as
        values or as JSON carries them. Errors: `fsm.errors.BadValues` for an unknown name or a value of no domain."""
        return self.layout.boot(self.layout.checked("host", host or {}, self.n))

    def pool(self, values: Mapping[str, Value] | None = None) -> tuple[Any, ...]:
        """The pool variables: their initial values, or those given by name. Errors: as `boot`."""
        return self.layout.pool(self.layout.checked("pool", values or {}, self.n))

    def state(self, local: tuple[Any, ...], machine: str) -> str:
        """The leaf state of a machine."""
        return str(local[self.layout.state_slot[machine]])

    def value(self, local: tuple[Any, ...], pool: tuple[Any, ...], name: str) -> Value:
        """A variable by its name: `armed` if shared, `restart[vm1].target` if a machine's own."""
        store, slot = self.layout.variable_slot[name]
        return pool[slot] if store == "pool" else local[slot]

    def pending(self, local: tuple[Any, ...]) -> list[tuple[str, str]]:
        """(machine, `port.operation`) of every machine that waits for an operation."""
        found = []
        for name, (machine, _) in self.layout.instances.items():
            do = machine.pending(self.state(local, name))
            if do is not None:
                found.append((name, do.name))
        return found

    def timers(self, local: tuple[Any, ...]) -> list[tuple[str, str]]:
        """(machine, event) of every timer that runs."""
        return [
            (name, row.event)
            for name, (machine, _) in self.layout.instances.items()
            for row in machine.timers(self.state(local, name))
        ]

    def step(self, local: tuple[Any, ...], pool: tuple[Any, ...], event: Event, read: Read = no_read) -> Turn:
        """One turn.

        Arguments:
            local, pool: the state.
            event: what happened. An unknown machine, event or payload is refused.
            read: answers instant operations with (outcome, payload).
        """
        # A turn of one row needs no queue: look it up, call, done. All else, refusals too, goes the long way.
        try:
            slot, turns = self.turns[event.machine]
            found = turns[local[slot]][event.name](local, pool, event.payload)
            if found is not None and event.call is None:
                return filled(Turn, found)
        except (KeyError, Refused, NotOne):
            pass
        return Run(self, local, pool, read).turn(event)


STEP = Node.step
"""The step itself, also where a recorder of coverage stands in the place of `Node.step` to see every turn."""
