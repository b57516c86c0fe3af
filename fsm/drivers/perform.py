"""What every driver does with a turn, whatever it runs on.

Rules.
- One queue, one turn at a time, each run to completion: its effects are under way before the next event is looked at.
- Effects are performed in the order of their record: host variables, pool variables (both durable from here on), the
  journal, timers, signals, replies, operations. So nothing can be seen of a turn that was not committed.
- What an operation or a timer brings back is an event, and counts for as long as its machine waits for this very start
  (its *ticket*). A state that is left abandons it: it is cancelled, and what comes too late is dropped and counted.
- An adapter's exception becomes the outcome that the adapter declares for it. It is logged and never lost.
- A pool store may decline a commit: the turn is taken back, and its event runs once more.
- What cannot go on fails closed: a commit or a journal that fails, a second decline, an outcome that the port does not
  declare, one that the machine refuses (or a timer). The driver then stops everything, does nothing further, and says
  why. An event from outside that is refused changes nothing and hurts nobody.

A driver adds the queue, who runs a turn, and what an operation is: a task, a thread, a call.

Left out: what to do about a driver that failed (a program ends, and begins anew from what is durable), and time limits
of operations (an adapter has its own, or the machine an `after` row).
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Generic, TypeVar

from attrs import define, field, frozen

from fsm.drivers.adapters import Answers, Declined, HostStore, Outcome, PoolStore, Undeclared, checked_outcome
from fsm.drivers.clock import Clock
from fsm.drivers.failures import Fatal, at, durable, fatal, not_durable, unwritten
from fsm.drivers.fitting import check_adapters
from fsm.drivers.futures import Waiter, settle
from fsm.drivers.journal import Read, Records
from fsm.drivers.snapshot import Resumed, snapshot
from fsm.engine.node import Node
from fsm.engine.turn import Effects, Event, Operation, Reply, Signal, Timer, Turn
from fsm.errors import BadValues
from fsm.language.domains import Value, shown

LOG = logging.getLogger(__name__)

Observer = Callable[[float, Event, Turn], None]
A = TypeVar("A", bound=Answers)
Key = tuple[str, ...]
"""What a machine waits for: ("operation", machine) or ("timer", machine, scope)."""


@define(eq=False)
class Ticket:
    """One start of an operation or a timer: what comes back counts only while this ticket is the current one.

    `what` was started; a timer is `due` at that time of the clock."""

    key: Key
    what: Operation | Timer
    due: float = 0.0
    cancel: Callable[[], object] = lambda: None


@define(eq=False)
class Arrival:
    """An event in the queue. `ticket` is that of the operation or timer which it ends, None if it is from outside."""

    event: Event
    waiter: Waiter[Turn] | None = None
    ticket: Ticket | None = None

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.event, Event):
            raise no_event(self.event)


@frozen(eq=False)
class Broken:
    """An operation in the queue that ended in a way its port does not declare."""

    reason: str
    ticket: Ticket


@define(eq=False)
class Performer(Generic[A]):
    """The part of a driver that is the same everywhere.

    Arguments:
        name: of the host, for the journal and the log.
        node: the machines.
        adapters: one for each port that has operations or signals, by its name.
        clock, journal: time, and where every turn is written; None for nowhere.
        host_store, pool_store: where variables become durable; None for nowhere.
    Fields:
        dropped: how many outcomes and timers came too late.
        tickets: what is under way.
        observers: what `observe` was given.
        instant: whether a turn may ask an adapter something.
    Errors: `ValueError` for a port without adapter.
    """

    name: str
    node: Node
    adapters: Mapping[str, A]
    clock: Clock
    journal: Records | None = None
    host_store: HostStore | None = None
    pool_store: PoolStore | None = None
    dropped: int = field(default=0, init=False)
    tickets: dict[Key, Ticket] = field(factory=dict, init=False)
    observers: list[Observer] = field(factory=list, init=False)
    instant: bool = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.instant = asks_instantly(self.node)
        check_adapters(self.node, self.adapters)

    @abstractmethod
    def arrive(self, arrival: Arrival) -> None:
        """Queue what came back of an operation or a timer; from any thread that the clock or an adapter uses."""

    @abstractmethod
    def start_operation(self, operation: Operation, ticket: Ticket) -> None:
        """Have an operation performed, not from within this call."""

    @abstractmethod
    def answer(self, reply: Reply) -> None:
        """Give a reply to whoever waits for it."""

    @abstractmethod
    def expect(self, call: str) -> object:
        """Note a served call that is under way, so that it is not begun again when it comes again."""

    def observe(self, observer: Observer) -> None:
        """Have a callback called after every turn, refused ones too, with its time, event and turn. It must not block;
        an exception of it is logged and dropped."""
        self.observers.append(observer)

    def boot(self) -> tuple[Any, ...]:
        """The local state to begin with: initial, with what the store has kept. Errors: `BadValues`; the store's."""
        if self.host_store is None:
            return self.node.boot()
        declared = self.node.layout.host_slots
        with at(str(self.host_store)):
            # the store may keep what is no machine's besides, such as how often the program has started
            return self.node.boot({k: v for k, v in self.host_store.load().items() if k in declared})

    def resume(self, resumed: Resumed) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """The state to go on from. What was durable then is so again; the pool has a database of its own and is not
        written. Errors: what the host store raises."""
        if self.host_store is not None:
            slots = self.node.layout.host_slots
            kept, values = self.boot(), {name: resumed.local[slot] for name, slot in slots.items()}
            changed = {name: value for name, value in values.items() if kept[slots[name]] != value}
            if changed:
                self.host_store.commit(self._json(changed))
        return resumed.local, resumed.pool

    def go_on(self, resumed: Resumed) -> None:
        """Ask again what was under way, and let timers run on."""
        for timer, left in resumed.timers:
            self.run_timer(timer, left)
        for operation in resumed.operations:
            self.ask(operation)
        for call in resumed.calls:
            self.expect(call)

    def look(self, local: tuple[Any, ...], pool: tuple[Any, ...]) -> dict[str, Any]:
        """A snapshot; for between two turns."""
        now, under_way = self.clock.now(), self.tickets.values()
        operations = [ticket.what for ticket in under_way if isinstance(ticket.what, Operation)]
        timers = [(ticket.what, ticket.due - now) for ticket in under_way if isinstance(ticket.what, Timer)]
        return snapshot(self.node, local, pool, operations, timers)

    def show(self, waiter: Waiter[dict[str, Any]], local: tuple[Any, ...], pool: tuple[Any, ...]) -> None:
        """Give a snapshot to whoever waits for it, or the reason why there is none."""
        try:
            settle(waiter, self.look(local, pool))
        except BadValues as error:
            if not waiter.done():
                waiter.set_exception(error)

    def write_pool(self, pool: tuple[Any, ...]) -> None:
        """Put pool variables that came in from outside into the journal. Errors: `Fatal`."""
        if self.journal is not None:
            with fatal("the journal cannot be written"):
                self.journal.pool(self.node, self.clock.now(), pool)

    def late(self, ticket: Ticket | None) -> bool:
        """Whether what came back is for nobody any more; it is counted."""
        if ticket is None or self.tickets.get(ticket.key) is ticket:
            return False
        self.dropped += 1
        return True

    def step(
        self, local: tuple[Any, ...], pool: tuple[Any, ...], event: Event, ticket: Ticket | None, reads: list[Read]
    ) -> Turn:
        """The turn of an event; `reads` is filled with what instant operations answered."""
        if ticket is not None:
            del self.tickets[ticket.key]
        if not self.instant:
            return self.node.step(local, pool, event)
        return self.node.step(local, pool, event, partial(self._read, reads))

    def commit(self, effects: Effects) -> Awaitable[None] | None:
        """Make variables durable; what is returned must be waited for."""
        if effects.host and self.host_store is not None:
            with fatal(f"host {not_durable(effects.host)}"):
                commit: Callable[[Mapping[str, Any]], object] = self.host_store.commit
                if isinstance(commit(self._json(effects.host)), Awaitable):
                    raise TypeError("the store answered something to wait for; it must block")
        if effects.pool and self.pool_store is not None:
            with durable(effects):
                return self.pool_store.commit(self._json(effects.pool))
        return None

    def step_again(
        self,
        local: tuple[Any, ...],
        pool: tuple[Any, ...],
        event: Event,
        reads: list[Read],
        declined: Declined,
        of: Turn,
    ) -> Turn:
        """The turn of an event whose turn `of` was declined by the pool store. Errors: `Fatal` where host variables of
        it are durable already, so that it cannot be taken back."""
        if of.effects.host:
            raise Fatal(f"pool {not_durable(of.effects.pool)}: {declined}")
        LOG.warning("%s: a turn of %s is taken back: %s", self.name, event.machine, declined)
        reads.clear()
        return self.step(local, pool, event, None, reads)

    def _json(self, values: Mapping[str, Value]) -> dict[str, Any]:
        return {name: self.node.layout.domain(name).to_json(value) for name, value in values.items()}

    def write(self, time: float, event: Event, turn: Turn, reads: list[Read]) -> None:
        """Put the turn into the journal."""
        if self.journal is not None:
            try:
                self.journal.turn(self.node, time, event, turn, reads)
            except Exception as error:
                raise unwritten(error) from error

    def follow(self, time: float, event: Event, turn: Turn, ticket: Ticket | None) -> None:
        """The rest of a turn, once its state is the driver's: effects, or the consequence of a refusal; observers."""
        if turn.refused is None:
            self.do(turn.effects)
        elif ticket is not None:
            raise Fatal(f"what must not be refused was: {turn.refused}")
        elif event.call is not None:
            self.answer(Reply(event.call, "failed"))
        for observer in self.observers:
            try:
                observer(time, event, turn)
            except Exception:
                LOG.exception("%s: an observer failed", self.name)

    def do(self, effects: Effects) -> None:
        """Timers, signals, replies, operations."""
        for timer in effects.timers:
            self._revoke(("timer", timer.machine, timer.scope))
            if timer.seconds is not None:
                self.run_timer(timer, timer.seconds)
        if effects.signals:
            self.say(effects.signals)
        for reply in effects.replies:
            self.answer(reply)
        if self.tickets:
            for machine in effects.abandoned:
                self._revoke(("operation", machine))
        for operation in effects.operations:
            self.ask(operation)

    def say(self, signals: tuple[Signal, ...]) -> None:
        """Say what cannot fail."""
        for signal in signals:
            try:
                self.adapters[signal.port].signal(signal)
            except Exception:
                not_said(self.name, signal)

    def run_timer(self, timer: Timer, seconds: float) -> None:
        """Have the event of a timer arrive that many seconds from now."""
        key = ("timer", timer.machine, timer.scope)
        ticket = self.tickets[key] = Ticket(key, timer, self.clock.now() + seconds)
        arrival = Arrival(Event(timer.machine, timer.event), ticket=ticket)
        ticket.cancel = self.clock.call_later(seconds, partial(self.arrive, arrival)).cancel

    def ask(self, operation: Operation) -> None:
        """Start an operation, in place of the one that its machine may wait for."""
        key = ("operation", operation.machine)
        self._revoke(key)
        ticket = self.tickets[key] = Ticket(key, operation)
        self.start_operation(operation, ticket)

    def _revoke(self, key: Key) -> None:
        ticket = self.tickets.pop(key, None)
        if ticket is not None:
            ticket.cancel()

    def revoke_all(self) -> None:
        """Cancel everything that is under way."""
        tickets, self.tickets = self.tickets, {}
        for ticket in tickets.values():
            ticket.cancel()

    def broke(self, error: Exception) -> str:
        """Why the driver ends when a turn raises."""
        if isinstance(error, Fatal | Undeclared):
            return str(error)
        LOG.error("%s: a turn broke", self.name, exc_info=error)
        return f"{type(error).__name__}: {error}; this is a bug"

    def give_up(self, why: str) -> None:
        """Say why the driver has failed, where it can be said."""
        LOG.error("%s: the driver has failed: %s", self.name, why)
        if self.journal is not None:
            with suppress(OSError):  # there is nothing left to do about a journal that fails too
                self.journal.failed(self.clock.now(), why)

    def outcome(self, operation: Operation, ticket: Ticket, answer: Outcome | BaseException) -> Arrival | Broken:
        """What is queued for an operation that ended so."""
        try:
            if isinstance(answer, Undeclared):
                raise answer
            if isinstance(answer, BaseException):
                answer = self._failure(operation, answer)
            outcome, payload = checked_outcome(self.node, operation, answer)
        except (Fatal, Undeclared) as broken:
            return Broken(str(broken), ticket)
        name = outcome if operation.joined else f"{operation.port}.{outcome}"
        return Arrival(Event(operation.machine, name, payload), ticket=ticket)

    def _read(self, reads: list[Read], operation: Operation) -> Outcome:
        try:
            answer = self.adapters[operation.port].read(operation)
        except Exception as error:
            answer = self._failure(operation, error)
        outcome, payload = checked_outcome(self.node, operation, answer)
        reads.append((operation, outcome, payload))
        return outcome, payload

    def _failure(self, operation: Operation, error: BaseException) -> Outcome:
        LOG.warning("%s: %s.%s raised %r", self.name, operation.port, operation.name, error, exc_info=error)
        with fatal(f"the adapter of {operation.port} has no outcome for {error!r}"):
            return self.adapters[operation.port].failure(operation, error)


def asks_instantly(node: Node) -> bool:
    """Whether a turn of the node may ask an adapter something."""
    ports = [port for machine in node.machines for port in machine.ports.values()]
    return any(operation.instant for port in ports for operation in port.operations.values())


def no_event(given: object) -> TypeError:
    """What a driver says to somebody who sends something else."""
    return TypeError(f"{shown(given)} is no Event; a machine that takes events by their names is a Bound")


def not_said(name: str, signal: Signal) -> None:
    """Log the exception of a signal; it changes nothing. `name` is the driver's."""
    LOG.exception("%s: %s.%s was not said", name, signal.port, signal.name)
