"""The toy of `toy_node` behind a driver without event loop, and adapters that answer from a script."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from attrs import define, field

from fsm.drivers.adapters import Outcome
from fsm.drivers.clock import VirtualClock
from fsm.drivers.steps import Steps
from fsm.drivers.sync import Executor, SyncDriver
from fsm.engine.node import Node
from fsm.engine.turn import Operation, Signal
from tests.toy_node import Store

DONE: Outcome = ("done", {})
Said = Outcome | BaseException | Callable[[], Outcome]


@define(eq=False)
class Script:
    """An adapter that does what was said next: an outcome, an exception, or whatever a call gives."""

    log: list[str]
    said: deque[Said] = field(factory=deque)
    answer: Callable[[], Outcome] = lambda: ("free", {})
    heard: Callable[[Signal], None] = lambda signal: None
    operations: list[Operation] = field(factory=list)

    def perform(self, operation: Operation) -> Outcome:
        self.log.append(f"do {operation.port}.{operation.name}")
        self.operations.append(operation)
        said = self.said.popleft() if self.said else DONE
        if isinstance(said, BaseException):
            raise said
        return said if isinstance(said, tuple) else said()

    def read(self, operation: Operation) -> Outcome:
        return self.answer()

    def signal(self, signal: Signal) -> None:
        self.log.append(f"signal {signal.name}")
        self.heard(signal)

    def failure(self, operation: Operation, error: BaseException) -> Outcome:
        if isinstance(error, ZeroDivisionError):
            raise error
        return "broken", {"why": type(error).__name__}


@define(eq=False)
class Queue:
    """An executor that performs when the test says so."""

    waiting: deque[Callable[[], object]] = field(factory=deque)

    def submit(self, call: Callable[..., object], /, *args: Any) -> Any:
        from concurrent.futures import Future

        future = Future[Any]()

        def run() -> None:
            if future.set_running_or_notify_cancel():
                future.set_result(call(*args))

        self.waiting.append(run)
        return future

    def next(self) -> None:
        """Perform the oldest operation, unless it was cancelled."""
        self.waiting.popleft()()


@define(eq=False)
class SyncRig:
    """What stands around a driver of the toy."""

    node: Node
    log: list[str] = field(factory=list)
    clock: VirtualClock = field(factory=VirtualClock)
    steps: Steps = field(factory=Steps)
    script: Script = field(init=False)
    host: Store = field(init=False)
    pool: Store = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.script, self.host, self.pool = Script(self.log), Store("host", self.log), Store("pool", self.log)

    def driver(self, executor: Executor | None = None, **more: Any) -> SyncDriver:
        """A driver with a journal and stores."""
        adapters = {"job": self.script, "host": self.script}
        given: dict[str, Any] = {"journal": self.steps, "host_store": self.host, "pool_store": self.pool} | more
        return SyncDriver(self.node, adapters, name="h0", clock=self.clock, executor=executor, **given)


def state(driver: SyncDriver, machine: str = "worker") -> str:
    """The leaf state of a machine."""
    return driver.node.state(driver.local, machine)
