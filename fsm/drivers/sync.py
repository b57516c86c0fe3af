"""Drives a node without an event loop: `send` runs the turn in the thread that calls it, and returns its `Turn`.

Its promises, and the order of effects, are those of `fsm.drivers.perform`, for events from any number of threads. What
is its own:

- A turn belongs to one thread. Whoever finds it taken queues the event, and `send` waits until the thread that runs the
  turns has come to it. Nothing is said of the order of different threads; one thread's events keep theirs.
- An operation is performed outside of any turn: by the thread that ran the turn which started it, once nothing is
  queued, or by an executor where there is one. So a machine that waits can be left by another event: another thread's
  `stop`, or a timer. The operation is not interrupted then; its outcome is dropped. Without threads and executor all is
  done when `send` returns: the operation, its outcome, and what that led to.
- A signal, an instant operation, a store and an observer are called inside of a turn. There `send` could only wait for
  itself, and raises; `post` queues the event. A signal handler or a finalizer posts too: it cannot know whether it
  has interrupted a turn, for which `send` would wait for ever.
- An instance costs a few words: what it shares with others lies in one place, and a queue, tickets and waiters are made
  when they are first needed. Nor is there a lock: a slot can be deleted only once, and CPython does that in one step,
  so a thread that has deleted `idle` owns the turn. A lock would cost half a step and as much memory as the instance.
"""

from __future__ import annotations

from _thread import get_ident
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from threading import Lock
from typing import Any, NoReturn, TypeVar

from attrs import define, frozen

from fsm.drivers.adapters import HostStore, PoolStore, SyncAdapter
from fsm.drivers.clock import Clock, ThreadClock
from fsm.drivers.failures import at, unwritten
from fsm.drivers.fitting import check_adapters
from fsm.drivers.journal import Records
from fsm.drivers.perform import Arrival, Observer, asks_instantly, no_event, not_said
from fsm.drivers.snapshot import Resumed
from fsm.drivers.work import STOPPED, Executor, Item, Look, NewPool, Work
from fsm.engine.node import STEP, Node, Turns
from fsm.engine.turn import NO_EFFECTS, Event, Refused, Reply, Signal, Turn, filled
from fsm.language.expressions import NotOne

__all__ = ["Executor", "NestedSend", "SyncDriver"]

T = TypeVar("T")
_making = Lock()


class NestedSend(RuntimeError):
    """A turn was to wait for another one of its own driver."""


@frozen(eq=False)
class _Surroundings:
    """What all instances share: the machines, the world, and the state to begin in."""

    name: str
    node: Node
    adapters: Mapping[str, SyncAdapter]
    clock: Clock
    executor: Executor | None
    local: tuple[Any, ...]
    pool: tuple[Any, ...]
    step: Callable[[tuple[Any, ...], tuple[Any, ...], Event], Turn]
    turns: Mapping[str, tuple[int, Turns]]
    hears: Mapping[str, Callable[[Signal], None]]
    instant: bool


def _surroundings(
    node: Node, adapters: Mapping[str, SyncAdapter], name: str, clock: Clock | None, executor: Executor | None
) -> _Surroundings:
    check_adapters(node, adapters)
    return _Surroundings(
        name=name or node.machines[0].name,
        node=node,
        adapters=adapters,
        clock=clock or ThreadClock(),
        executor=executor,
        local=node.boot(),
        pool=node.pool(),
        step=node.step,
        turns=node.turns if Node.step is STEP else {},  # else `send` would pass by a recorder
        hears={port: adapter.signal for port, adapter in adapters.items()},
        instant=asks_instantly(node),
    )


@define(eq=False, init=False, weakref_slot=False)
class SyncDriver:
    """Drives a node in a program with threads or without.

    Arguments:
        node: the machines.
        adapters: one for each port that has operations or signals, by its name.
        name: for the journal and the log; that of the first machine by default.
        clock: time; a `ThreadClock` by default.
        executor: performs operations; by default the thread whose event started them does.
        journal: where every turn is written; nowhere by default.
        host_store, pool_store: where variables become durable; nowhere by default. The host's are loaded.
        resumed: what `fsm.drivers.resume.resume` made of a snapshot, to go on from there.
    Errors: `BadValues` for host variables outside their domains; `ValueError` for a port without adapter; what the
        store and the journal raise.
    Fields:
        local, pool: the state after the newest turn.
        journal: where every turn is written.
        idle, owner: whose turn it is, for `fsm.drivers.work`.
    """

    local: tuple[Any, ...]
    pool: tuple[Any, ...]
    journal: Records | None
    idle: bool
    owner: int
    _surroundings: _Surroundings
    _work: Work | None

    def __init__(
        self,
        node: Node,
        adapters: Mapping[str, SyncAdapter] | None = None,
        *,
        name: str = "",
        clock: Clock | None = None,
        executor: Executor | None = None,
        journal: Records | None = None,
        host_store: HostStore | None = None,
        pool_store: PoolStore | None = None,
        resumed: Resumed | None = None,
    ) -> None:
        """Begin a life: the journal gets its header. Arguments and errors are those of the class."""
        self._begin(_surroundings(node, adapters or {}, name, clock, executor), journal)
        if self._surroundings.instant or host_store is not None or pool_store is not None:
            self.local = self._made(host_store, pool_store).boot()
        if resumed is not None:
            self.local, self.pool = self._made().resume(resumed)
        if journal is not None:
            journal.begin(node, self._surroundings.name, self.local, self.pool, self._surroundings.clock.now())
        if resumed is not None:
            self._made().go_on(resumed)
            self._made().advance()

    def _begin(self, shared: _Surroundings, journal: Records | None) -> None:
        self._surroundings, self.local, self.pool = shared, shared.local, shared.pool
        self.journal, self.owner, self._work, self.idle = journal, 0, None, True

    def another(self) -> SyncDriver:
        """One more instance of the same machines with the same adapters, clock and executor, in the initial state. It
        has no journal and no store: these are one instance's."""
        twin = SyncDriver.__new__(SyncDriver)
        twin._begin(self._surroundings, None)
        if self._surroundings.instant:
            twin._made()
        return twin

    @property
    def node(self) -> Node:
        """The machines."""
        return self._surroundings.node

    @property
    def failed(self) -> str | None:
        """The reason for which the driver failed; None while it has not, also when it was merely stopped."""
        return None if self._work is None or self._work.closed == STOPPED else self._work.closed

    @property
    def dropped(self) -> int:
        """How many outcomes and timers came too late."""
        return 0 if self._work is None else self._work.dropped

    def send(self, event: Event) -> Turn:
        """Run the turn of an event, which may be a refused one, and what it leads to. Errors: `DriverFailed`, also
        where the driver failed by what the event led to; `NestedSend` inside of a turn of this very driver."""
        try:
            del self.idle
        except AttributeError:
            return self._wait(event)
        work, shared = self._work, self._surroundings
        if work is not None and (work.queue or work.closed):
            self.idle = True
            return self._wait(event)
        try:  # an interrupt from here on ends the driver; it never leaves it without an owner
            if work is not None:
                turn, effects = work.run(event), NO_EFFECTS
            else:
                local, found = self.local, None
                try:  # what `Node.step` does first; its call would cost a fifth of a dict step
                    slot, turns = shared.turns[event.machine]
                    found = turns[local[slot]][event.name](local, self.pool, event.payload)
                except (KeyError, Refused, NotOne):
                    pass
                if found is None or event.call is not None:
                    found = shared.step(local, self.pool, event)
                turn = filled(Turn, found)
                if self.journal is not None:
                    self._write(self.journal, event, turn)
                self.local, self.pool, _, effects, _, _ = found  # those of before, no effects, where it was refused
            if effects.timers or effects.replies or effects.operations:
                self.owner = get_ident()
                self._made().do(effects)
            elif effects.signals:
                self._say(effects.signals)
        except BaseException as error:
            self._broke(event, error)
        self.owner, self.idle = 0, True
        if self._work is not None:
            self._work.complete()
        return turn

    def _broke(self, event: Event, error: BaseException) -> NoReturn:
        """What came of no event is no fault of the driver; any other error ends it. Errors: that one."""
        if type(event) is not Event:
            self.owner, self.idle = 0, True
            raise no_event(event) from None
        self._made().end(error)

    def _say(self, signals: tuple[Signal, ...]) -> None:
        """Says what cannot fail."""
        self.owner, shared = get_ident(), self._surroundings
        for signal in signals:
            try:
                shared.hears[signal.port](signal)
            except Exception:
                not_said(shared.name, signal)

    def _write(self, journal: Records, event: Event, turn: Turn) -> None:
        """Puts a turn into the journal. Errors: `Fatal`."""
        self.owner, shared = get_ident(), self._surroundings
        try:
            journal.turn(shared.node, shared.clock.now(), event, turn)
        except Exception as error:
            raise unwritten(error) from error

    def _wait(self, event: Event) -> Turn:
        """For a turn that another thread will run."""
        return self._queue(Arrival(event, waiter := Future[Turn]()), waiter)

    def _queue(self, item: Item, waiter: Future[T]) -> T:
        if self.owner == get_ident():
            raise NestedSend("this is called from within a turn, which cannot wait for another one; post the event")
        self._made().put(item)
        return waiter.result()

    def post(self, event: Event) -> None:
        """As `send`, but where a turn is under way, in this or another thread, the event is queued and not waited for.
        A refusal is logged."""
        self._made().put(Arrival(event))

    def serve(self, event: Event) -> Future[Reply]:
        """Take an event that begins a served call. Its reply is the result of the future, however long that takes, or
        `DriverFailed`.

        A refused turn answers "failed". A call that is here already, by its number, is not begun again: it has one
        reply. Errors: `ValueError` for an event without a call number.
        """
        if event.call is None:
            raise ValueError(f"{event.machine}: {event.name} has no call number to reply to")
        work, made = self._made(), Future[Reply]()
        made.set_running_or_notify_cancel()  # a caller that gives up must not take the reply from another
        reply = work.calls.setdefault(event.call, made)
        if reply is made:
            work.put(Arrival(event))
        return reply

    def load_pool(self, values: Mapping[str, Any]) -> None:
        """Replace the pool variables, in the order of the queue.

        Arguments:
            values: by name, as JSON carries them; initial values for those not named.
        Errors: `BadValues`, and nothing is replaced; as `send`.
        """
        with at("the pool database"):
            pool = self.node.pool(values)
        waiter = Future[None]()
        self._queue(NewPool(pool, waiter), waiter)

    def snapshot(self) -> dict[str, Any]:
        """The whole state, as `fsm.drivers.snapshot` says it. Errors: as `send`."""
        waiter = Future[dict[str, Any]]()
        return self._queue(Look(waiter), waiter)

    def observe(self, observer: Observer) -> None:
        """Have a callback called after every turn, refused ones too, with its time, event and turn; an exception of it
        is logged and dropped."""
        self._made().observe(observer)

    def stop(self) -> None:
        """End: the turn under way is completed, events behind it are not taken, timers are cancelled, and outcomes of
        operations are for nobody any more."""
        work = self._made()
        work.closed = work.closed or STOPPED
        work.advance()

    def _made(self, host_store: HostStore | None = None, pool_store: PoolStore | None = None) -> Work:
        """What an instance needs once it is more than its state."""
        if self._work is None:
            with _making:
                if self._work is None:
                    it = self._surroundings
                    self._work = Work(
                        it.name,
                        it.node,
                        it.adapters,
                        it.clock,
                        self.journal,
                        host_store,
                        pool_store,
                        driver=self,
                        executor=it.executor,
                    )
        return self._work
