"""The machines of one host, put together: `step` runs an event to completion and is pure.

Rules.
- A node's state is two tuples: `local` (the state of each machine, the calls it is serving, its memory and host
  variables) and `pool` (the pool variables, one copy for the whole pool, changed by the master alone).
- One event from outside is one *turn*: the row that matches fires, what it tells its siblings is delivered in the same
  turn, first told first served, and outcomes of instant operations are consumed before anything else. There is no
  queue between turns.
- In a row, `set` is evaluated on the values before it, all at once; `do`, `tell` and `reply` see the values after it.
- A turn that cannot be completed (no row, two rows, a payload outside its domain) is refused whole: nothing changed.
- Same in, same out: `read` answers instant operations and must be a function too; what it answered is in the turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from fsm.compile import CompiledRow, Layout, compile_instance
from fsm.domains import Domain, Value
from fsm.errors import BadValues
from fsm.expressions import NotOne
from fsm.load import Library
from fsm.spec import ELSE, SAME, Machine

LONGEST_TURN = 200
"""Rows in one turn; more means that machines tell each other in a circle."""

Read = Callable[["Operation"], tuple[str, Mapping[str, Value]]]


@frozen
class Event:
    """Something that happened to a machine. `call` numbers the served call that the event begins."""

    machine: str
    name: str
    payload: Mapping[str, Value] = field(factory=dict)
    call: str | None = None


@frozen
class Fired:
    """One row that fired in a turn. `set` holds what it assigned; `why` is the row's own sentence."""

    machine: str
    row: str
    source: str
    event: str
    payload: Mapping[str, Value]
    target: str
    set: Mapping[str, Value]
    why: str


@frozen
class Operation:
    """An operation to be performed; its outcome comes back as an event of `machine`. `targets` is None for a local
    one, else the hosts it goes to; `joined` asks for the one outcome all_ok or some_failed."""

    machine: str
    port: str
    name: str
    arguments: Mapping[str, Value] = field(factory=dict)
    targets: tuple[int, ...] | None = None
    joined: bool = False


@frozen
class Signal:
    """Something to be said that cannot fail: an alert, a metric, a request that is not waited for."""

    port: str
    name: str
    arguments: Mapping[str, Value] = field(factory=dict)


@frozen
class Reply:
    """The end of a served call."""

    call: str
    outcome: str
    payload: Mapping[str, Value] = field(factory=dict)


@frozen
class Timer:
    """Start a timer (`seconds`) or cancel it (None). It comes back as an event of the machine: `after` for a state,
    `after group` for a group."""

    machine: str
    scope: str
    event: str
    seconds: float | None


@frozen
class Effects:
    """What a turn wants done, in the order in which it must be done.

    host, pool: variables to be made durable before anything else is started. Then timers, signals, replies; last
    operations, each the pending operation of its machine, replacing an earlier one. `abandoned` names the machines that
    entered another state without starting an operation: whatever they still wait for is of no interest any more."""

    host: Mapping[str, Value] = field(factory=dict)
    pool: Mapping[str, Value] = field(factory=dict)
    timers: tuple[Timer, ...] = ()
    signals: tuple[Signal, ...] = ()
    replies: tuple[Reply, ...] = ()
    operations: tuple[Operation, ...] = ()
    abandoned: tuple[str, ...] = ()


@frozen
class Turn:
    """The whole answer to one event. `refused` says why nothing happened, or is None."""

    local: tuple[Any, ...]
    pool: tuple[Any, ...]
    fired: tuple[Fired, ...] = ()
    effects: Effects = field(factory=Effects)
    reads: tuple[tuple[str, str, Mapping[str, Value]], ...] = ()
    refused: str | None = None


class Refused(Exception):
    """The turn cannot be completed; the message says why."""


def no_read(operation: Operation) -> tuple[str, Mapping[str, Value]]:
    """For nodes without instant operations. Errors: `Refused`."""
    raise Refused(f"nobody answers {operation.port}.{operation.name} here")


@define(eq=False, repr=False)
class Node:
    """The compiled machines of host `me` of a pool of `n`.

    Arguments:
        machines: the specs, in the order in which they are shown.
        me, n: this host's index, 0 <= me < n, and the number of hosts.
        instances: for each instance parameter (`vm`) the names of its instances.
        parameters: seconds (or plain numbers) that durations are made of, by name.
    Errors: `fsm.errors.SpecError` where machines do not fit together; `fsm.errors.BadValues` for no such `me` or `n`.
    """

    machines: Sequence[Machine]
    me: int
    n: int
    instances: Mapping[str, tuple[str, ...]]
    parameters: Mapping[str, float]
    layout: Layout = field(init=False)
    _rows: dict[str, Mapping[tuple[str, str], tuple[CompiledRow, ...]]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        if type(self.me) is not int or type(self.n) is not int or not 0 <= self.me < self.n:
            raise BadValues(f"me = {self.me!r} is no host of a pool of n = {self.n!r}; hosts are counted from 0 to n-1")
        self.layout = Layout(self.machines, self.instances)
        self._rows = {
            name: compile_instance(self.layout, machine, key, self.me, self.n, self.parameters)
            for name, (machine, key) in self.layout.instances.items()
        }

    def __repr__(self) -> str:
        return f"Node({', '.join(self.layout.instances)}; me={self.me}, n={self.n})"

    @classmethod
    def load(
        cls,
        root: Path | str,
        machines: Sequence[str],
        me: int,
        n: int,
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
        run = _Run(self, list(local), list(pool), read)
        try:
            run.validate(event)
            run.queue.append(event)
            while run.queue:
                run.dispatch(run.queue.popleft())
        except Refused as refusal:
            return Turn(local, pool, refused=str(refusal))
        return run.turn(local, pool)

    def rows_for(self, machine: str, state: str, event: str) -> tuple[CompiledRow, ...]:
        """The rows that may fire, compiled."""
        return self._rows[machine].get((state, event), ())


@define(eq=False)
class _Run:
    """One turn while it is under way: the only mutable thing of the engine."""

    node: Node
    local: list[Any]
    pool: list[Any]
    read: Read
    queue: deque[Event] = field(factory=deque)
    fired: list[Fired] = field(factory=list)
    timers: dict[tuple[str, str], Timer] = field(factory=dict)
    signals: list[Signal] = field(factory=list)
    replies: list[Reply] = field(factory=list)
    operations: dict[str, Operation | None] = field(factory=dict)
    reads: list[tuple[str, str, Mapping[str, Value]]] = field(factory=list)

    def validate(self, event: Event) -> None:
        instance = self.node.layout.instances.get(event.machine)
        if instance is None:
            raise Refused(f"there is no machine {event.machine!r} on this host")
        fields = self.node.layout.payload(instance[0], event.name)
        if fields is None:
            raise Refused(f"{event.machine} knows no event {event.name!r}")
        if event.call is not None and event.name not in instance[0].serves:
            raise Refused(f"{event.machine} serves no call {event.name!r}")
        self.check(f"{event.machine}: the event {event.name}", fields, event.payload)

    def check(self, what: str, fields: Mapping[str, Domain], payload: Mapping[str, Value]) -> None:
        if payload.keys() != fields.keys():
            raise Refused(f"{what} carries {sorted(fields) or 'nothing'}, not {sorted(payload) or 'nothing'}")
        for name, domain in fields.items():
            if not domain.holds(payload[name], self.node.n):
                raise Refused(f"{what}: {name} = {payload[name]!r} is no {domain} of {self.node.n} hosts")

    def dispatch(self, event: Event) -> None:
        if len(self.fired) >= LONGEST_TURN:
            raise Refused(f"more than {LONGEST_TURN} rows in one turn: machines tell each other in a circle")
        if event.call is not None and not self.begin_call(event):
            return
        slot = self.node.layout.state_slot[event.machine]
        state = self.local[slot]
        row = self.choose(event, state)
        if row is not None:
            self.fire(event, row, state, slot)

    def begin_call(self, event: Event) -> bool:
        """Occupies the machine with a call; False where it is refused or waits behind a `cancel`."""
        slot = self.node.layout.call_slot[event.machine]
        current = self.local[slot]
        if current is not None:
            serves = self.node.layout.instances[event.machine][0].serves
            if event.name not in serves[current[0]].cancelled_by:
                self.replies.append(Reply(str(event.call), "failed"))
                return False
            self.dispatch(Event(event.machine, "cancel"))
            if self.local[slot] is not None:
                raise Refused(f"{event.machine}: the row of 'cancel' must reply to the call it ends")
        self.local[slot] = (event.name, event.call)
        return True

    def choose(self, event: Event, state: str) -> CompiledRow | None:
        rows = self.node.rows_for(event.machine, state, event.name)
        try:
            matching = [row for row in rows if row.guard is None or row.guard(self.local, self.pool, event.payload)]
        except NotOne as error:
            raise Refused(f"{event.machine} in {state}, {event.name}: {error}") from None
        rest = [row for row in matching if row.row.guard != ELSE]
        matching = rest or matching
        if len(matching) > 1:
            raise Refused(f"two rows match: {matching[0].row.id} and {matching[1].row.id}")
        if matching:
            return matching[0]
        if not rows and self.node.layout.instances[event.machine][0].ignored(state, event.name):
            return None
        raise Refused(f"{event.machine} in {state} has no row for {event.name}")

    def fire(self, event: Event, compiled: CompiledRow, state: str, slot: int) -> None:
        row, payload = compiled.row, event.payload
        try:
            values = [(name, store, place, f(self.local, self.pool, payload)) for name, store, place, f in compiled.set]
        except NotOne as error:
            raise Refused(f"{row.id}: {error}") from None
        for name, store, place, value in values:
            if not self.node.layout.domain(name).holds(value, self.node.n):
                raise Refused(f"{row.id}: {name} cannot be {value!r}")
            (self.pool if store == "pool" else self.local)[place] = value
        target = state if row.target == SAME else row.target
        assigned = {name: value for name, _, _, value in values}
        self.fired.append(Fired(event.machine, row.id, state, event.name, payload, target, assigned, row.why))
        if row.target != SAME:
            self.enter(event.machine, compiled, state, target, slot)
        self.say(event, compiled)
        if compiled.do is not None:
            self.start(event, compiled)

    def enter(self, machine: str, compiled: CompiledRow, state: str, target: str, slot: int) -> None:
        """Moves a machine; what it waited for is abandoned, and timers of the states it is in now run."""
        self.local[slot] = target
        self.operations[machine] = None
        for scope, timer in compiled.stops.items():
            self.timers[machine, scope] = timer
        for scope, timer in compiled.starts.items():
            self.timers[machine, scope] = timer

    def values(self, arguments: Sequence[tuple[str, Any]], event: Event) -> dict[str, Value]:
        return {name: f(self.local, self.pool, event.payload) for name, f in arguments}

    def say(self, event: Event, compiled: CompiledRow) -> None:
        try:
            for targets, name, arguments, signal in compiled.tell:
                payload = self.values(arguments, event)
                if signal:
                    self.signals.append(Signal(targets[0], name, payload))
                else:
                    self.queue.extend(Event(target, name, payload) for target in targets)
            call = self.node.layout.call_slot.get(event.machine)
            if compiled.reply is not None and call is not None and self.local[call] is not None:
                outcome, arguments = compiled.reply
                self.replies.append(Reply(self.local[call][1], outcome, self.values(arguments, event)))
                self.local[call] = None
        except NotOne as error:
            raise Refused(f"{compiled.row.id}: {error}") from None

    def start(self, event: Event, compiled: CompiledRow) -> None:
        do = compiled.do
        assert do is not None
        try:
            targets = None
            if do.targets is not None:
                hosts = do.targets(self.local, self.pool, event.payload)
                targets = tuple(sorted(hosts)) if do.joined else (hosts,)
            operation = Operation(event.machine, do.port, do.name, self.values(do.arguments, event), targets, do.joined)
        except NotOne as error:
            raise Refused(f"{compiled.row.id}: {error}") from None
        if targets == (None,):
            raise Refused(f"{compiled.row.id}: {do.port}.{do.name} has no host to go to")
        if not do.instant:
            self.operations[event.machine] = operation
            return
        outcome, payload = self.read(operation)
        answer = Event(event.machine, f"{do.port}.{outcome}", payload)
        self.validate(answer)
        self.reads.append((event.machine, answer.name, payload))
        self.queue.appendleft(answer)

    def turn(self, local: tuple[Any, ...], pool: tuple[Any, ...]) -> Turn:
        layout = self.node.layout
        host = {k: self.local[s] for k, s in layout.host_slots.items() if self.local[s] != local[s]}
        shared = {k: self.pool[s] for k, s in layout.pool_slots.items() if self.pool[s] != pool[s]}
        operations = tuple(operation for operation in self.operations.values() if operation is not None)
        abandoned = tuple(machine for machine, operation in self.operations.items() if operation is None)
        timers, signals, replies = tuple(self.timers.values()), tuple(self.signals), tuple(self.replies)
        effects = Effects(host, shared, timers, signals, replies, operations, abandoned)
        return Turn(tuple(self.local), tuple(self.pool), tuple(self.fired), effects, tuple(self.reads))
