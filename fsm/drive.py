"""Drives a node in an asyncio program: events in, one turn at a time, and what a turn wants done gets done.

Rules.
- One queue, one turn at a time, each run to completion: its effects are under way before the next event is looked at.
- Effects are performed in the order of their record: host variables, pool variables (both durable from here on), the
  journal, timers, signals, replies, operations. So nothing can be seen of a turn that was not committed.
- An operation is a task. Its outcome comes back as an event, for as long as its machine waits for this very start; a
  state that is left abandons it: the task is cancelled, and an outcome that comes too late is dropped and counted. The
  same holds for timers.
- An adapter's exception becomes the outcome that the adapter declares for it. It is logged and never lost.
- What cannot go on fails closed: a commit or a journal that fails, an outcome that the port does not declare, one that
  the machine refuses (or a timer). The driver then stops everything, does nothing further, and says why in `failed`.
  An event from outside that is refused changes nothing and hurts nobody.

Left out: what to do about a driver that failed (an agent ends, and begins anew from what is durable), and time limits
of operations (an adapter has its own, or the machine an `after` row).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from attrs import define, field, frozen

from fsm.adapters import Adapter, HostStore, Outcome, PoolStore, Undeclared, checked_outcome
from fsm.clock import Clock
from fsm.domains import Value
from fsm.errors import BadValues
from fsm.futures import refuse, settle
from fsm.journal import Journal, Read
from fsm.node import Effects, Event, Node, Operation, Reply, Timer, Turn

_LOG = logging.getLogger(__name__)

GRACE = 1.0
"""Seconds that `stop` gives cancelled operations to end."""

Observer = Callable[[float, Event, Turn], None]


class _Fatal(Exception):
    """The turn cannot be completed, and neither can any later one."""


@define(eq=False)
class _Ticket:
    """One start of an operation or a timer: what comes back counts only while this ticket is the current one."""

    key: tuple[str, ...]
    cancel: Callable[[], object] = lambda: None


@frozen(eq=False)
class _Arrival:
    """An event in the queue. `ticket` is that of the operation or timer which it ends, None if it is from outside."""

    event: Event
    waiter: asyncio.Future[Turn] | None = None
    ticket: _Ticket | None = None


@frozen(eq=False)
class _NewPool:
    """Pool variables in the queue."""

    pool: tuple[Any, ...]
    waiter: asyncio.Future[None]


@frozen(eq=False)
class _Broken:
    """An operation in the queue that ended in a way its port does not declare."""

    reason: str
    ticket: _Ticket


_Item = _Arrival | _NewPool | _Broken


@define(eq=False)
class AsyncDriver:
    """Drives a node. Made, started and used inside one event loop; only `post_threadsafe` is for other threads.

    Arguments:
        name: of the host, for the journal.
        node: the machines.
        adapters: one for each port that has operations or signals, by its name.
        clock, journal: time, and where every turn is written.
        host_store, pool_store: where variables become durable. The host's are loaded from its store.
    Fields:
        local, pool: the state after the newest turn.
        failed: the reason for which the driver failed, once it has; open for ever when it was merely stopped.
        dropped: how many outcomes and timers came too late.
    Errors: `BadValues` for host variables outside their domains; `ValueError` for a port without adapter; what
        `host_store.load` raises.
    """

    name: str
    node: Node
    adapters: Mapping[str, Adapter]
    clock: Clock
    journal: Journal
    host_store: HostStore
    pool_store: PoolStore
    local: tuple[Any, ...] = field(init=False)
    pool: tuple[Any, ...] = field(init=False)
    failed: asyncio.Future[str] = field(init=False)
    dropped: int = field(default=0, init=False)
    _ended: str | None = field(default=None, init=False)
    _loop: asyncio.AbstractEventLoop = field(init=False)
    _runner: asyncio.Task[None] | None = field(default=None, init=False)
    _queue: asyncio.Queue[_Item | None] = field(factory=asyncio.Queue, init=False)
    _tickets: dict[tuple[str, ...], _Ticket] = field(factory=dict, init=False)
    _tasks: set[asyncio.Task[None]] = field(factory=set, init=False)
    _calls: dict[str, asyncio.Future[Reply]] = field(factory=dict, init=False)
    _observers: list[Observer] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        ports = [port for machine in self.node.machines for port in machine.ports.values()]
        missing = sorted({port.name for port in ports if port.operations or port.signals} - self.adapters.keys())
        if missing:
            raise ValueError(f"no adapter for {', '.join(missing)}")
        self._loop = asyncio.get_running_loop()
        self.failed = self._loop.create_future()
        declared = self.node.layout.host_slots
        with at(str(self.host_store)):
            # the store may keep what is no machine's besides, such as how often the program has started
            self.local = self.node.boot({k: v for k, v in self.host_store.load().items() if k in declared})
        self.pool = self.node.pool()

    def start(self) -> None:
        """Begin a life: the journal gets its header, and events are taken. Errors: `OSError` of the journal."""
        self.journal.begin(self.node, self.name, self.local, self.pool, self.clock.now())
        self._runner = self._loop.create_task(self._run(), name=f"driver of {self.name}")

    async def stop(self) -> None:
        """End: the turn under way is completed, events behind it are not taken, operations and timers are cancelled.

        Waits for at most `GRACE` seconds for operations that do not end when they are cancelled."""
        self._ended = self._ended or "the driver was stopped"
        self._queue.put_nowait(None)
        if self._runner is not None:
            await asyncio.wait({self._runner})
        self._give_up()
        tasks = self._tasks - {asyncio.current_task()}
        if tasks:
            _, running = await asyncio.wait(tasks, timeout=GRACE)
            for task in running:
                _LOG.warning("%s: %s goes on although it was cancelled", self.name, task.get_name())

    def observe(self, observer: Observer) -> None:
        """Have a callback called after every turn, refused ones too, with its time, event and turn. It must not block;
        an exception of it is logged and dropped."""
        self._observers.append(observer)

    def send(self, event: Event) -> asyncio.Future[Turn]:
        """Queue an event. Await the result for its turn, which may be a refused one, or `DriverFailed`."""
        waiter: asyncio.Future[Turn] = self._loop.create_future()
        self._put(_Arrival(event, waiter))
        return waiter

    def post(self, event: Event) -> None:
        """Queue an event and forget it."""
        self._put(_Arrival(event))

    def post_threadsafe(self, event: Event) -> None:
        """As `post`, from any thread."""
        self._loop.call_soon_threadsafe(self.post, event)

    def serve(self, event: Event) -> asyncio.Future[Reply]:
        """Queue an event that begins a served call. Await the result for its reply, however long that takes, or
        `DriverFailed`.

        A refused turn answers "failed". A call that is here already, by its number, is not begun again: it has one
        reply. Errors: `ValueError` for an event without a call number.
        """
        if event.call is None:
            raise ValueError(f"{event.machine}: {event.name} has no call number to reply to")
        reply = self._calls.get(event.call)
        if reply is None:
            reply = self._calls[event.call] = self._loop.create_future()
            self._put(_Arrival(event))
        return asyncio.shield(reply)  # a caller that gives up must not take the reply from another

    def load_pool(self, values: Mapping[str, Any]) -> asyncio.Future[None]:
        """Replace the pool variables, in the order of the queue: a new master has read the database.

        Arguments:
            values: by name, as JSON carries them; initial values for those not named.
        Errors: `BadValues`, and nothing is replaced; (awaiting) `DriverFailed`.
        """
        with at("the pool database"):
            pool = self.node.pool(values)
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._put(_NewPool(pool, waiter))
        return waiter

    def _put(self, item: _Item) -> None:
        if self._ended is None:
            self._queue.put_nowait(item)
        else:
            self._reject(item)

    async def _run(self) -> None:
        while (item := await self._queue.get()) is not None:
            if self._ended is not None:
                return self._reject(item)
            try:
                await self._take(item)
            except (_Fatal, Undeclared) as reason:
                return self._fail(item, str(reason))
            except Exception as error:
                _LOG.exception("%s: a turn broke", self.name)
                return self._fail(item, f"{type(error).__name__}: {error}; this is a bug")

    async def _take(self, item: _Item) -> None:
        if isinstance(item, _NewPool):
            with fatal("the journal cannot be written"):
                self.journal.pool(self.node, self.clock.now(), item.pool)
            self.pool = item.pool
            settle(item.waiter, None)
        elif item.ticket is not None and self._tickets.get(item.ticket.key) is not item.ticket:
            self.dropped += 1
        elif isinstance(item, _Broken):
            raise _Fatal(item.reason)
        else:
            await self._turn(item)

    async def _turn(self, item: _Arrival) -> None:
        """One event, to completion. The order is that of the module's rules."""
        if item.ticket is not None:
            del self._tickets[item.ticket.key]
        event, time, reads = item.event, self.clock.now(), list[Read]()
        turn = self.node.step(self.local, self.pool, event, partial(self._read, reads))
        if turn.refused is None:
            await self._commit(turn.effects)
        with fatal("the journal cannot be written"):
            self.journal.turn(self.node, time, event, turn, reads)
        if turn.refused is None:
            self.local, self.pool = turn.local, turn.pool
            self._do(turn.effects)
        elif item.ticket is not None:
            raise _Fatal(f"what must not be refused was: {turn.refused}")
        else:
            _LOG.warning("%s: refused: %s", self.name, turn.refused)
            if event.call is not None:
                self._answer(Reply(event.call, "failed"))
        for observer in self._observers:
            try:
                observer(time, event, turn)
            except Exception:
                _LOG.exception("%s: an observer failed", self.name)
        settle(item.waiter, turn)

    async def _commit(self, effects: Effects) -> None:
        if effects.host:
            with fatal(f"host variables could not be made durable ({', '.join(effects.host)})"):
                self.host_store.commit(self._json(effects.host))
        if effects.pool:
            with fatal(f"pool variables could not be made durable ({', '.join(effects.pool)})"):
                durable = self.pool_store.commit(self._json(effects.pool))
                if durable is not None:
                    await durable

    def _json(self, values: Mapping[str, Value]) -> dict[str, Any]:
        return {name: self.node.layout.domain(name).to_json(value) for name, value in values.items()}

    def _do(self, effects: Effects) -> None:
        for timer in effects.timers:
            self._set(timer)
        for signal in effects.signals:
            try:
                self.adapters[signal.port].signal(signal)
            except Exception:
                _LOG.exception("%s: %s.%s was not said", self.name, signal.port, signal.name)
        for reply in effects.replies:
            self._answer(reply)
        for machine in effects.abandoned:
            self._revoke(("operation", machine))
        for operation in effects.operations:
            self._start(operation)

    def _set(self, timer: Timer) -> None:
        key = ("timer", timer.machine, timer.scope)
        self._revoke(key)
        if timer.seconds is not None:
            ticket = self._tickets[key] = _Ticket(key)
            arrival = _Arrival(Event(timer.machine, timer.event), ticket=ticket)
            ticket.cancel = self.clock.call_later(timer.seconds, partial(self._put, arrival)).cancel

    def _answer(self, reply: Reply) -> None:
        settle(self._calls.pop(reply.call, None), reply)

    def _start(self, operation: Operation) -> None:
        key = ("operation", operation.machine)
        self._revoke(key)
        ticket = self._tickets[key] = _Ticket(key)
        name = f"{operation.port}.{operation.name} of {operation.machine}"
        task = self._loop.create_task(self._perform(operation, ticket), name=name)
        ticket.cancel = task.cancel
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _revoke(self, key: tuple[str, ...]) -> None:
        ticket = self._tickets.pop(key, None)
        if ticket is not None:
            ticket.cancel()

    async def _perform(self, operation: Operation, ticket: _Ticket) -> None:
        try:
            try:
                answer = await self.adapters[operation.port].perform(operation)
            except asyncio.CancelledError as error:
                if self._tickets.get(ticket.key) is not ticket:
                    raise
                answer = self._failure(operation, error)  # something inside the adapter was cancelled, not we
            except Exception as error:
                answer = self._failure(operation, error)
            outcome, payload = checked_outcome(self.node, operation, answer)
        except (_Fatal, Undeclared) as broken:
            self._put(_Broken(str(broken), ticket))
            return
        name = outcome if operation.joined else f"{operation.port}.{outcome}"
        self._put(_Arrival(Event(operation.machine, name, payload), ticket=ticket))

    def _read(self, reads: list[Read], operation: Operation) -> Outcome:
        try:
            answer = self.adapters[operation.port].read(operation)
        except Exception as error:
            answer = self._failure(operation, error)
        outcome, payload = checked_outcome(self.node, operation, answer)
        reads.append((operation, outcome, payload))
        return outcome, payload

    def _failure(self, operation: Operation, error: BaseException) -> Outcome:
        _LOG.warning("%s: %s.%s raised %r", self.name, operation.port, operation.name, error, exc_info=error)
        with fatal(f"the adapter of {operation.port} has no outcome for {error!r}"):
            return self.adapters[operation.port].failure(operation, error)

    def _fail(self, item: _Item, reason: str) -> None:
        self._ended = reason
        self._reject(item)
        _LOG.error("%s: the driver has failed: %s", self.name, reason)
        with suppress(OSError):  # there is nothing left to do about a journal that fails too
            self.journal.failed(self.clock.now(), reason)
        self._give_up()
        settle(self.failed, reason)

    def _give_up(self) -> None:
        """Cancel what is under way and disappoint everybody who waits."""
        tickets, self._tickets = self._tickets, {}
        for ticket in tickets.values():
            ticket.cancel()
        while not self._queue.empty():
            item = self._queue.get_nowait()
            if item is not None:
                self._reject(item)
        for reply in self._calls.values():
            refuse(reply, str(self._ended))
        self._calls.clear()

    def _reject(self, item: _Item) -> None:
        if isinstance(item, _Broken):
            return
        refuse(item.waiter, str(self._ended))
        if isinstance(item, _Arrival) and item.event.call is not None:
            refuse(self._calls.pop(item.event.call, None), str(self._ended))


@contextmanager
def fatal(what: str) -> Iterator[None]:
    """Turns any exception into the end of the driver, with a message that says what could not be done."""
    try:
        yield
    except Exception as error:
        raise _Fatal(f"{what}: {str(error) or type(error).__name__}") from error


@contextmanager
def at(place: str) -> Iterator[None]:
    """Gives `BadValues` the place where the values stand."""
    try:
        yield
    except BadValues as error:
        raise BadValues(f"{place}: {error}; put it right there") from None
