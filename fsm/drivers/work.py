"""The queue of a driver without event loop: who runs a turn, who performs an operation, and what ends it all.

A turn is owned by the thread that has deleted the driver's `idle`. Whoever puts something into the queue then tries to
own the turn; the owner, having given it back, looks at the queue again. So nothing that is queued is left lying: either
the one who put it there became the owner, or the owner saw it. A driver that has ended is never given back.
"""

from __future__ import annotations

from _thread import get_ident
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NoReturn, Protocol

from attrs import define, field, frozen

from fsm.drivers.adapters import Declined, SyncAdapter
from fsm.drivers.failures import Fatal, fatal, not_durable, unwritten
from fsm.drivers.futures import DriverFailed, refuse, settle
from fsm.drivers.journal import Read
from fsm.drivers.perform import LOG, Arrival, Broken, Performer, Ticket
from fsm.engine.turn import Event, Operation, Reply, Turn

STOPPED = "the driver was stopped"


class Executor(Protocol):
    """Who performs operations; those of `concurrent.futures` are executors."""

    def submit(self, call: Callable[..., object], /, *args: Any) -> Future[Any]:
        """Have a function called, later or in another thread."""


class Instance(Protocol):
    """What the queue belongs to: a state, and whose turn it is."""

    local: tuple[Any, ...]
    pool: tuple[Any, ...]
    idle: bool
    owner: int


@frozen(eq=False)
class NewPool:
    """Pool variables in the queue."""

    pool: tuple[Any, ...]
    waiter: Future[None]
    ticket: None = None


@frozen(eq=False)
class Look:
    """A request in the queue for a snapshot: between two turns, the state is whole."""

    waiter: Future[dict[str, Any]]
    ticket: None = None


Item = Arrival | Broken | NewPool | Look


@define(eq=False)
class Work(Performer[SyncAdapter]):
    """What an instance needs once it is more than its state.

    Arguments:
        driver: the instance.
        executor: performs operations; None for the thread that ran the turn.
    Fields:
        closed: why the driver has ended.
        queue: what has not been taken yet.
    """

    driver: Instance = field(kw_only=True)
    executor: Executor | None = field(kw_only=True)
    closed: str | None = field(default=None, init=False)
    calls: dict[str, Future[Reply]] = field(factory=dict, init=False)
    queue: deque[Item] = field(factory=deque, init=False)
    _started: deque[tuple[Operation, Ticket]] = field(factory=deque, init=False)

    def run(self, event: Event) -> Turn:
        """The turn of an event; the caller owns the turn, and ends the driver where this raises."""
        self.driver.owner = get_ident()
        return self._turn(event, None)

    def complete(self) -> None:
        """Do what a turn led to. Errors: `DriverFailed` where the driver has failed by it: the caller must not go on as
        if all were well."""
        self.advance()
        if self.closed not in (None, STOPPED):
            raise DriverFailed(self.closed)

    def put(self, item: Item) -> None:
        """Queue something, and have it taken unless another thread does that."""
        self.queue.append(item)
        self.advance()

    def advance(self) -> None:
        """Take what is queued, then perform what was started, until there is neither or another thread does it."""
        while True:
            while self.queue or self.closed:
                try:
                    del self.driver.idle
                except AttributeError:
                    if self.closed:
                        self._reject_queue()
                    return
                try:  # an interrupt ends the driver; it never leaves it without an owner
                    self._drain()
                except BaseException as error:
                    if self.closed is None:
                        self.fail(error)
                    raise
                self.driver.owner = 0
                if self.closed is None:
                    self.driver.idle = True
                else:
                    self._disappoint()
            if not self._started or not self._perform_next():
                return

    def _drain(self) -> None:
        self.driver.owner = get_ident()
        while self.queue and not self.closed:
            try:
                item = self.queue.popleft()
            except IndexError:  # it has just been closed, and the queue rejected
                break
            try:
                self._take(item)
            except BaseException as error:
                self.fail(error)
                self._reject(item)
                if not isinstance(error, Exception):
                    raise

    def _take(self, item: Item) -> None:
        if isinstance(item, NewPool):
            self.write_pool(item.pool)
            self.driver.pool = item.pool
            settle(item.waiter, None)
        elif isinstance(item, Look):
            self.show(item.waiter, self.driver.local, self.driver.pool)
        elif self.late(item.ticket):
            pass
        elif isinstance(item, Broken):
            raise Fatal(item.reason)
        else:
            turn = self._turn(item.event, item.ticket)
            if turn.refused is not None and item.waiter is None:
                LOG.warning("%s: refused: %s", self.name, turn.refused)
            settle(item.waiter, turn)

    def _turn(self, event: Event, ticket: Ticket | None) -> Turn:
        """One event, to completion."""
        driver, time = self.driver, self.clock.now()
        reads: list[Read] = []
        if ticket is None and not self.instant:
            turn = self.node.step(driver.local, driver.pool, event)
        else:
            turn = self.step(driver.local, driver.pool, event, ticket, reads)
        if turn.effects.host or turn.effects.pool:
            turn = self._committed(event, turn, reads)
        local, pool, _, effects, _, refused = turn
        if self.journal is not None:
            try:
                self.journal.turn(self.node, time, event, turn, reads)
            except Exception as error:
                raise unwritten(error) from error
        driver.local, driver.pool = local, pool  # those of before where it was refused
        if refused is not None or self.observers or effects.timers or effects.replies or effects.operations:
            self.follow(time, event, turn, ticket)
        elif self.tickets:
            self.do(effects)
        elif effects.signals:  # a turn that waits for nothing is short
            self.say(effects.signals)
        return turn

    def _committed(self, event: Event, turn: Turn, reads: list[Read]) -> Turn:
        """The turn once its variables are durable; another one where the pool store declined this."""
        try:
            waited = self.commit(turn.effects)
        except Declined as declined:
            turn = self.step_again(self.driver.local, self.driver.pool, event, reads, declined, turn)
            with fatal(f"pool {not_durable(turn.effects.pool)}"):
                waited = self.commit(turn.effects)
        if waited is not None:
            raise Fatal("the pool store answered something to wait for; that needs an AsyncDriver")
        return turn

    def arrive(self, arrival: Arrival) -> None:
        """As `Performer.arrive`."""
        self.put(arrival)

    def answer(self, reply: Reply) -> None:
        """As `Performer.answer`."""
        settle(self.calls.pop(reply.call, None), reply)

    def expect(self, call: str) -> Future[Reply]:
        """As `Performer.expect`; the future of the first who asks."""
        made = Future[Reply]()
        made.set_running_or_notify_cancel()  # a caller that gives up must not take the reply from another
        return self.calls.setdefault(call, made)

    def start_operation(self, operation: Operation, ticket: Ticket) -> None:
        """As `Performer.start_operation`."""
        self._started.append((operation, ticket))

    def _perform_next(self) -> bool:
        try:
            operation, ticket = self._started.popleft()
        except IndexError:  # another thread performs it
            return False
        if self.tickets.get(ticket.key) is not ticket:
            return True  # its state was left before it began
        if self.executor is None:
            self._perform(operation, ticket)
            return True
        try:
            ticket.cancel = self.executor.submit(self._perform_apart, operation, ticket).cancel
        except Exception as error:
            self.queue.append(self.outcome(operation, ticket, error))
        return True

    def _perform(self, operation: Operation, ticket: Ticket) -> None:
        try:
            answer = self.adapters[operation.port].perform(operation)
        except BaseException as error:
            self.queue.append(self.outcome(operation, ticket, error))  # the machine must not wait for ever
            if not isinstance(error, Exception):
                raise
        else:
            self.queue.append(self.outcome(operation, ticket, answer))

    def _perform_apart(self, operation: Operation, ticket: Ticket) -> None:
        try:
            self._perform(operation, ticket)
        finally:
            self.advance()

    def end(self, error: BaseException) -> NoReturn:
        """As `fail`, and tell the caller. Errors: `DriverFailed`; the error itself where it is no `Exception`."""
        self.fail(error)
        if isinstance(error, Exception):
            raise DriverFailed(self.closed) from error
        raise error

    def fail(self, error: BaseException) -> None:
        """End for ever; the caller owns the turn."""
        said = self.broke(error) if isinstance(error, Exception) else f"{type(error).__name__} in the middle of a turn"
        self.closed = said
        self.driver.owner = 0
        self.give_up(said)
        self._disappoint()

    def _disappoint(self) -> None:
        """Cancel what is under way and tell everybody who waits."""
        self.revoke_all()
        self._started.clear()
        self._reject_queue()
        while self.calls:
            refuse(self.calls.popitem()[1], str(self.closed))

    def _reject_queue(self) -> None:
        while self.queue:
            try:
                self._reject(self.queue.popleft())
            except IndexError:  # another thread was here too
                return

    def _reject(self, item: Item) -> None:
        if isinstance(item, Broken):
            return
        refuse(item.waiter, str(self.closed))
        if isinstance(item, Arrival) and item.event.call is not None:
            refuse(self.calls.pop(item.event.call, None), str(self.closed))
