"""One turn that is more than one row: what is told to siblings, instant answers, served calls, deferred events."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import define, field

from fsm.engine.compiled import CompiledRow, check_payload
from fsm.engine.turn import Effects, Event, Operation, Read, Refused, Reply, Signal, Timer, Turn
from fsm.language.domains import Value
from fsm.language.expressions import NotOne

if TYPE_CHECKING:
    from fsm.engine.node import Node

LONGEST_TURN = 200
FOR_EACH = 4
"""Events in one turn: so many, and so many more for each machine of the node, which may all be told something and
answer. Still more means that machines tell each other in a circle."""


def replaced(values: tuple[Any, ...], slot: int, value: Any) -> tuple[Any, ...]:
    """A tuple with another value in one slot."""
    return (*values[:slot], value, *values[slot + 1 :])


@define(eq=False)
class Run:
    """A turn while it is under way: the only mutable thing of the engine.

    Arguments:
        node: the machines.
        local, pool: the state, which is replaced row by row.
        read: answers instant operations.
    """

    node: Node
    local: tuple[Any, ...]
    pool: tuple[Any, ...]
    read: Read
    queue: deque[Event] = field(factory=deque)
    rows: list[tuple[CompiledRow, Mapping[str, Value], tuple[Value, ...]]] = field(factory=list)
    timers: dict[tuple[str, str], Timer] = field(factory=dict)
    signals: list[Signal] = field(factory=list)
    replies: list[Reply] = field(factory=list)
    operations: dict[str, Operation | None] = field(factory=dict)
    reads: list[tuple[str, str, Mapping[str, Value]]] = field(factory=list)

    def turn(self, event: Event) -> Turn:
        """Runs an event to completion."""
        local, pool = self.local, self.pool
        try:
            self.validate(event)
            self.queue.append(event)
            while self.queue or self.recall():
                self.dispatch(self.queue.popleft())
            self.gone_on()
        except Refused as refusal:
            return Turn(local, pool, refused=str(refusal))
        return Turn(self.local, self.pool, tuple(self.rows), self.effects(local, pool), tuple(self.reads))

    def validate(self, event: Event) -> None:
        """Errors: `Refused` for an event that its machine does not know, or that carries something else."""
        instance = self.node.layout.instances.get(event.machine)
        if instance is None:
            raise Refused(f"there is no machine {event.machine!r} on this host")
        fields = self.node.layout.payload(instance[0], event.name)
        if fields is None:
            raise Refused(f"{event.machine} knows no event {event.name!r}")
        if event.call is not None and event.name not in instance[0].serves:
            raise Refused(f"{event.machine} serves no call {event.name!r}")
        check_payload(f"{event.machine}: the event {event.name}", fields, event.payload, self.node.n)

    def dispatch(self, event: Event) -> None:
        """Takes one event, of which a row fires unless it is ignored or deferred."""
        longest = LONGEST_TURN + FOR_EACH * len(self.node.tables)
        if len(self.rows) + len(self.queue) >= longest:
            raise Refused(f"more than {longest} events in one turn: machines tell each other in a circle")
        if event.call is not None and not self.begin_call(event):
            return
        machine, _ = self.node.layout.instances[event.machine]
        state = self.node.state(self.local, event.machine)
        entry = self.node.tables[event.machine].get((state, event.name))
        if entry is None:
            if machine.deferred(state, event.name):
                self.defer(event)
            elif event.call is not None or not machine.ignored(state, event.name):  # a call wants its reply
                raise Refused(f"{event.machine} in {state} has no row for {event.name}")
            return
        try:
            found = entry[0](self.local, self.pool, event.payload)
        except NotOne as error:
            raise Refused(f"{event.machine} in {state}, {event.name}: {error}") from None
        if found is None:
            raise Refused(f"{event.machine} in {state} has no row for {event.name}")
        self.local, self.pool, rows, *_ = found
        self.rows += rows
        row, _, values = rows[0]
        self.say(row, values)

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
        self.local = replaced(self.local, slot, (event.name, event.call))
        return True

    def defer(self, event: Event) -> None:
        """Keeps an event; one of its name that is kept already gets the newer payload and keeps its place."""
        self.validate(event)  # what a sibling tells has not been looked at, and must not be refused in a later turn
        slot = self.node.layout.deferred_slot[event.machine]
        kept = dict(self.local[slot]) | {event.name: tuple(sorted(event.payload.items()))}
        self.local = replaced(self.local, slot, tuple(kept.items()))

    def recall(self) -> bool:
        """Puts the oldest deferred event that its machine takes now into the queue; whether there was one."""
        for name, slot in self.node.layout.deferred_slot.items():
            machine, _ = self.node.layout.instances[name]
            state = self.node.state(self.local, name)
            for kept in self.local[slot]:
                if not machine.deferred(state, kept[0]):
                    self.local = replaced(self.local, slot, tuple(other for other in self.local[slot] if other != kept))
                    self.queue.append(Event(name, kept[0], dict(kept[1])))
                    return True
        return False

    def say(self, row: CompiledRow, values: tuple[Value, ...]) -> None:
        """What a row that has fired wants done; an instant operation is answered at once."""
        for timer in row.timers:
            self.timers[timer.machine, timer.scope] = timer
        self.signals += row.signals(values)
        self.queue.extend(row.events(values))
        slot = self.node.layout.call_slot.get(row.machine)
        if row.reply is not None and slot is not None and self.local[slot] is not None:
            reply = row.answer(self.local[slot][1], values)
            assert reply is not None
            self.replies.append(reply)
            self.local = replaced(self.local, slot, None)
        operation = row.operation(values)
        if row.do is not None and row.do.instant and operation is not None:
            if row.moves:
                self.operations[row.machine] = None
            self.ask(operation)
        elif operation is not None or row.moves:
            self.operations[row.machine] = operation

    def ask(self, operation: Operation) -> None:
        """An instant operation, whose outcome comes before anything else."""
        outcome, payload = self.read(operation)
        answer = Event(operation.machine, f"{operation.port}.{outcome}", payload)
        self.validate(answer)
        self.reads.append((operation.machine, answer.name, payload))
        self.queue.appendleft(answer)

    def gone_on(self) -> None:
        """Errors: `Refused` where a machine waits for an instant answer that it has had: nothing would end that."""
        for name, event, _ in self.reads:
            state = self.node.state(self.local, name)
            machine, _ = self.node.layout.instances[name]
            do = machine.pending(state)
            if do is not None and machine.ports[do.port].operations[do.operation].instant:
                raise Refused(f"{name} stays in {state} after {event}, where nothing can come any more")

    def effects(self, local: tuple[Any, ...], pool: tuple[Any, ...]) -> Effects:
        """Everything that the turn wants done; `local` and `pool` are the state before it."""
        layout = self.node.layout
        host = {k: self.local[s] for k, s in layout.host_slots.items() if self.local[s] != local[s]}
        shared = {k: self.pool[s] for k, s in layout.pool_slots.items() if self.pool[s] != pool[s]}
        operations = tuple(operation for operation in self.operations.values() if operation is not None)
        abandoned = tuple(machine for machine, operation in self.operations.items() if operation is None)
        timers, signals, replies = tuple(self.timers.values()), tuple(self.signals), tuple(self.replies)
        return Effects(host, shared, timers, signals, replies, operations, abandoned)
