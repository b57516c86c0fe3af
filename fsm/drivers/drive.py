"""Drives a node in an asyncio program: events in, one turn at a time, and what a turn wants done gets done.

Its promises, and the order of effects, are those of `fsm.drivers.perform`. An operation is a task here, which is
cancelled when its state is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from attrs import define, field, frozen

from fsm.drivers.adapters import Adapter, Declined, awaited
from fsm.drivers.failures import Fatal, at, durable, fatal, not_durable
from fsm.drivers.futures import refuse, settle
from fsm.drivers.journal import Read
from fsm.drivers.perform import LOG, Arrival, Broken, Observer, Performer, Ticket
from fsm.drivers.snapshot import Resumed
from fsm.engine.turn import Event, Operation, Reply, Turn

__all__ = ["GRACE", "AsyncDriver", "Observer"]

GRACE = 1.0
"""Seconds that `stop` gives cancelled operations to end."""


@frozen(eq=False)
class _NewPool:
    """Pool variables in the queue."""

    pool: tuple[Any, ...]
    waiter: asyncio.Future[None]


@frozen(eq=False)
class _Look:
    """A request in the queue for a snapshot: between two turns, a driver's state is whole."""

    waiter: asyncio.Future[dict[str, Any]]


_Item = Arrival | Broken | _NewPool | _Look


@define(eq=False)
class AsyncDriver(Performer[Adapter]):
    """Drives a node. Made, started and used inside one event loop; only `post_threadsafe` is for other threads.

    Arguments:
        name: of the host, for the journal.
        node: the machines.
        adapters: one for each port that has operations or signals, by its name.
        clock, journal: time, and where every turn is written; None for nowhere.
        host_store, pool_store: where variables become durable; None for nowhere. The host's are loaded from its store.
    Fields:
        local, pool: the state after the newest turn.
        failed: the reason for which the driver failed, once it has; open for ever when it was merely stopped.
        dropped: how many outcomes and timers came too late.
    Errors: `BadValues` for host variables outside their domains; `ValueError` for a port without adapter; what
        `host_store.load` raises.
    """

    local: tuple[Any, ...] = field(init=False)
    pool: tuple[Any, ...] = field(init=False)
    failed: asyncio.Future[str] = field(init=False)
    _ended: str | None = field(default=None, init=False)
    _loop: asyncio.AbstractEventLoop = field(init=False)
    _runner: asyncio.Task[None] | None = field(default=None, init=False)
    _queue: asyncio.Queue[_Item | None] = field(factory=asyncio.Queue, init=False)
    _tasks: set[asyncio.Task[None]] = field(factory=set, init=False)
    _busy: bool = field(default=False, init=False)
    _calls: dict[str, asyncio.Future[Reply]] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        Performer.__attrs_post_init__(self)
        self._loop = asyncio.get_running_loop()
        self.failed = self._loop.create_future()
        self.local, self.pool = self.boot(), self.node.pool()

    def start(self, resumed: Resumed | None = None) -> None:
        """Begin a life: the journal gets its header, and events are taken.

        Arguments:
            resumed: what `fsm.drivers.resume.resume` made of a snapshot, to go on from there: its operations are asked
                again, its timers run on.
        Errors: `OSError` of the journal; what the host store raises; `RuntimeError` for a second life."""
        if self._runner is not None or self._ended is not None:
            raise RuntimeError(f"{self.name}: a driver has one life; make another one")
        if resumed is not None:
            self.local, self.pool = self.resume(resumed)
        if self.journal is not None:
            self.journal.begin(self.node, self.name, self.local, self.pool, self.clock.now())
        self._runner = self._loop.create_task(self._run(), name=f"driver of {self.name}")
        if resumed is not None:
            self.go_on(resumed)

    async def stop(self) -> None:
        """End: the turn under way is completed, events behind it are not taken, operations and timers are cancelled.

        Waits for at most `GRACE` seconds for operations that do not end when they are cancelled."""
        self._ended = self._ended or "the driver was stopped"
        self._queue.put_nowait(None)
        if self._runner is asyncio.current_task():
            return  # a store stops it in the middle of a turn, which is completed; then the task does the rest
        if self._runner is not None:
            await asyncio.wait({self._runner})
        self._disappoint()
        tasks = self._tasks - {asyncio.current_task()}
        if tasks:
            _, running = await asyncio.wait(tasks, timeout=GRACE)
            for task in running:
                LOG.warning("%s: %s goes on although it was cancelled", self.name, task.get_name())

    async def settled(self) -> None:
        """Wait until no event is queued, no turn runs and no operation is under way, or the driver has ended: after
        `advance` of a virtual clock, say. Not from within an operation of this driver, which would wait for itself."""
        while self._ended is None and (self._busy or self._tasks or not self._queue.empty()):
            if self._busy or not self._queue.empty():
                await asyncio.sleep(0)
            else:
                await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    def send(self, event: Event) -> asyncio.Future[Turn]:
        """Queue an event. Await the result for its turn, which may be a refused one, or `DriverFailed`."""
        waiter: asyncio.Future[Turn] = self._loop.create_future()
        self._put(Arrival(event, waiter))
        return waiter

    def post(self, event: Event) -> None:
        """Queue an event and forget it."""
        self._put(Arrival(event))

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
            reply = self.expect(event.call)
            self._put(Arrival(event))
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

    def snapshot(self) -> asyncio.Future[dict[str, Any]]:
        """Queue a look at the whole state. Await the result for its snapshot, or `DriverFailed`."""
        waiter: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self._put(_Look(waiter))
        return waiter

    def _put(self, item: _Item) -> None:
        if self._ended is None:
            self._queue.put_nowait(item)
        else:
            self._reject(item)

    async def _run(self) -> None:
        try:
            while (item := await self._queue.get()) is not None:
                if self._ended is not None:
                    return self._reject(item)
                try:
                    self._busy = True
                    await self._take(item)
                    self._busy = False
                except asyncio.CancelledError:
                    self._fail(item, "it was cancelled in the middle of a turn")
                    raise
                except Exception as error:
                    return self._fail(item, self.broke(error))
        finally:  # also where a program cancels every task that it finds
            self._ended = self._ended or "the task of the driver was cancelled"
            self._disappoint()

    async def _take(self, item: _Item) -> None:
        if isinstance(item, _NewPool):
            self.write_pool(item.pool)
            self.pool = item.pool
            settle(item.waiter, None)
        elif isinstance(item, _Look):
            self.show(item.waiter, self.local, self.pool)
        elif self.late(item.ticket):
            pass
        elif isinstance(item, Broken):
            raise Fatal(item.reason)
        else:
            await self._turn(item)

    async def _turn(self, item: Arrival) -> None:
        """One event, to completion."""
        event, time, reads = item.event, self.clock.now(), list[Read]()
        turn = self.step(self.local, self.pool, event, item.ticket, reads)
        try:
            await self._commit(turn)
        except Declined as declined:
            turn = self.step_again(self.local, self.pool, event, reads, declined, turn)
            with fatal(f"pool {not_durable(turn.effects.pool)}"):
                await self._commit(turn)
        self.write(time, event, turn, reads)
        if turn.refused is None:
            self.local, self.pool = turn.local, turn.pool
        elif item.ticket is None:
            LOG.warning("%s: refused: %s", self.name, turn.refused)
        self.follow(time, event, turn, item.ticket)
        settle(item.waiter, turn)

    async def _commit(self, turn: Turn) -> None:
        if turn.refused is None and (waited := self.commit(turn.effects)) is not None:
            with durable(turn.effects):
                await waited

    def arrive(self, arrival: Arrival) -> None:
        """As `Performer.arrive`."""
        self._put(arrival)

    def answer(self, reply: Reply) -> None:
        """As `Performer.answer`."""
        settle(self._calls.pop(reply.call, None), reply)

    def expect(self, call: str) -> asyncio.Future[Reply]:
        """As `Performer.expect`."""
        return self._calls.setdefault(call, self._loop.create_future())

    def start_operation(self, operation: Operation, ticket: Ticket) -> None:
        """As `Performer.start_operation`."""
        name = f"{operation.port}.{operation.name} of {operation.machine}"
        task = self._loop.create_task(self._perform(operation, ticket), name=name)
        ticket.cancel = task.cancel
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _perform(self, operation: Operation, ticket: Ticket) -> None:
        try:
            answer = await awaited(operation, self.adapters[operation.port].perform(operation))
        except asyncio.CancelledError as error:
            if self.tickets.get(ticket.key) is not ticket:
                raise
            self._put(self.outcome(operation, ticket, error))  # something inside the adapter was cancelled, not we
        except BaseException as error:
            self._put(self.outcome(operation, ticket, error))  # the machine must not wait for ever
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise  # the loop ends by it; of any other a task would only complain at its end
        else:
            self._put(self.outcome(operation, ticket, answer))

    def _fail(self, item: _Item, why: str) -> None:
        self._ended = why
        self._reject(item)
        self.give_up(why)
        self._disappoint()
        settle(self.failed, why)

    def _disappoint(self) -> None:
        """Cancel what is under way and disappoint everybody who waits."""
        self.revoke_all()
        while not self._queue.empty():
            item = self._queue.get_nowait()
            if item is not None:
                self._reject(item)
        for reply in self._calls.values():
            refuse(reply, str(self._ended))
        self._calls.clear()

    def _reject(self, item: _Item) -> None:
        if isinstance(item, Broken):
            return
        refuse(item.waiter, str(self._ended))
        if isinstance(item, Arrival) and item.event.call is not None:
            refuse(self._calls.pop(item.event.call, None), str(self._ended))
