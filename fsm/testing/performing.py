"""Performs what a node wants done through a user's adapters, and looks at each answer: what all adapters must keep.

- An answer is an outcome that the port declares, with its payload inside the domains.
- An exception that was to be expected becomes an outcome by the adapter's `failure`; that is also tried with errors
  that did not happen. A driver asks `failure` about any exception, so that a slip in an adapter loses no event; here
  any other is a fault, or an adapter that never gets as far as its device would pass.
- `read` changes nothing: asked twice, it says the same.
- An operation that is declared idempotent can be asked again: the outcome is the same. What failed, with an outcome
  that also stands for an exception, may succeed the second time; what succeeded may not fail then.
- An operation that nobody waits for any more is cancelled, and then ends, soon and without an error of its own.
- An operation answers within some time, and `signal` does not raise.

Operations begin with the turn that starts them, as in a driver, and go on until their answer is asked for, so that
turns come between. `perform` may be a coroutine function or a plain one, which is over at once.

Left out: threads, and adapters that send events unasked.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from attrs import define, field, frozen

from fsm.drivers.adapters import Adapter, Outcome, Undeclared, checked_outcome
from fsm.engine.node import Node
from fsm.engine.turn import Effects, Event, Operation

ERRORS: tuple[type[Exception], ...] = (OSError, TimeoutError)
"""What every adapter has to expect."""
PATIENCE = 1.0
"""Seconds within which an operation answers, or ends once it is cancelled."""
TICKS = 5
"""How often the event loop goes round after an operation has begun, so that it is under way and not only queued."""

Adapters = Adapter | Mapping[str, Adapter]
"""The adapters of a node by the names of its ports, or one for all."""


class AdapterFault(AssertionError):
    """An adapter has not kept what adapters must keep; the message says what, in one line."""


@frozen(eq=False)
class Underway:
    """An operation that has begun."""

    operation: Operation
    task: asyncio.Task[Outcome]

    def __str__(self) -> str:
        return f"{self.operation.port}.{self.operation.name}"


@define(eq=False)
class Performer:
    """Performs the operations of a node.

    Arguments:
        node: whose operations they are.
        make: makes the adapters, inside the event loop; what it returns is entered if it is a context manager.
        errors: exceptions that an adapter may raise, which `failure` is asked about.
        patience: seconds within which operations answer, or end once they are cancelled.
        again: whether operations that are idempotent are asked again.
    Errors: `ValueError` for a port without adapter; whatever `make` raises.
    """

    node: Node
    make: Callable[[], Any]
    errors: tuple[type[Exception], ...] = ERRORS
    patience: float = PATIENCE
    again: bool = True
    underway: dict[str, Underway] = field(factory=dict, init=False)
    adapters: Adapters = field(init=False)
    _loop: asyncio.AbstractEventLoop = field(factory=asyncio.new_event_loop, init=False)
    _stack: ExitStack = field(factory=ExitStack, init=False)

    def __attrs_post_init__(self) -> None:
        async def make() -> Any:
            made = self.make()
            return self._stack.enter_context(made) if isinstance(made, AbstractContextManager) else made

        try:
            self.adapters = self._loop.run_until_complete(make())
            ports = [port for machine in self.node.machines for port in machine.ports.values()]
            given = self.adapters if isinstance(self.adapters, Mapping) else {port.name for port in ports}
            missing = sorted({port.name for port in ports if port.operations or port.signals} - set(given))
            if missing:
                known = ", ".join(given) or "nothing"
                raise ValueError(f"no adapter for {', '.join(missing)}; there are those for {known}")
        except BaseException:
            self.close()
            raise

    def adapter(self, port: str) -> Adapter:
        """The adapter of a port."""
        return self.adapters[port] if isinstance(self.adapters, Mapping) else self.adapters

    def take(self, effects: Effects) -> None:
        """Has the effects of a turn done, in their order. Errors: `AdapterFault`."""
        for signal in effects.signals:
            try:
                self.adapter(signal.port).signal(signal)
            except Exception as error:
                raise AdapterFault(
                    f"the signal {signal.port}.{signal.name} raised {error!r}; it cannot fail"
                ) from error
        for machine in effects.abandoned:
            self.cancel(machine)
        for operation in effects.operations:
            self.cancel(operation.machine)
            self.underway[operation.machine] = self.begin(operation)

    def begin(self, operation: Operation) -> Underway:
        """Begins an operation, once `failure` has shown what it makes of errors."""
        for kind in self.errors:
            self.failure(operation, kind("tried by a test"))

        async def perform() -> Outcome:
            answer: Any = self.adapter(operation.port).perform(operation)
            outcome: Outcome = await answer if inspect.isawaitable(answer) else answer
            return outcome

        begun = Underway(operation, self._loop.create_task(perform()))
        self._loop.run_until_complete(_ticks())
        return begun

    def answer(self, machine: str) -> Event:
        """The event that ends what a machine waits for. Errors: `AdapterFault`."""
        begun = self.underway.pop(machine)
        operation, (outcome, payload) = begun.operation, self.outcome(begun)
        declared = self.node.layout.instances[machine][0].ports[operation.port].operations[operation.name]
        if self.again and declared.idempotent:
            second, _ = self.outcome(self.begin(operation))
            if second != outcome and outcome not in self.failures(operation):
                message = f"{begun} is declared idempotent; it answered {outcome!r}, and asked again {second!r}"
                raise AdapterFault(message)
        return Event(machine, outcome if operation.joined else f"{operation.port}.{outcome}", payload)

    def outcome(self, begun: Underway) -> Outcome:
        """Waits for the outcome of an operation. Errors: `AdapterFault`."""
        self.wait(begun)
        if not begun.task.done():
            begun.task.cancel()
            self.wait(begun)
            raise AdapterFault(f"{begun} has not answered for {self.patience:g} s")
        try:
            answer = begun.task.result()
        except (Exception, asyncio.CancelledError) as error:
            return self.raised(begun.operation, error)
        return self.declared(begun.operation, answer)

    def raised(self, operation: Operation, error: BaseException) -> Outcome:
        """What stands for an exception of an operation. Errors: `AdapterFault`, also where it was not expected."""
        if isinstance(error, (*self.errors, asyncio.CancelledError)):
            return self.failure(operation, error)
        name, known = f"{operation.port}.{operation.name}", ", ".join(kind.__name__ for kind in self.errors)
        raise AdapterFault(f"{name} raised {error!r}, none of {known}; name in `errors` what it may raise") from error

    def failure(self, operation: Operation, error: BaseException) -> Outcome:
        """What the adapter makes of an error. Errors: `AdapterFault`."""
        try:
            answer = self.adapter(operation.port).failure(operation, error)
        except Exception as raised:
            message = f"failure has no outcome for {error!r} of {operation.port}.{operation.name}: it raised {raised!r}"
            raise AdapterFault(message) from error
        return self.declared(operation, answer)

    def failures(self, operation: Operation) -> set[str]:
        """The outcomes that stand for the exceptions which may be expected. Errors: `AdapterFault`."""
        return {self.failure(operation, error())[0] for error in self.errors}

    def declared(self, operation: Operation, answer: Outcome) -> Outcome:
        """The answer, if the port declares it. Errors: `AdapterFault`."""
        try:
            return checked_outcome(self.node, operation, answer)
        except Undeclared as undeclared:
            raise AdapterFault(str(undeclared)) from None

    def read(self, operation: Operation) -> Outcome:
        """The answer of an instant operation, asked twice. Errors: `AdapterFault`."""
        first, second = self.read_once(operation), self.read_once(operation)
        if first != second:
            name = f"{operation.port}.{operation.name}"
            raise AdapterFault(f"the read {name} answered {first!r} and at once {second!r}; it must change nothing")
        return first

    def read_once(self, operation: Operation) -> Outcome:
        """The answer of an instant operation. Errors: `AdapterFault`."""
        try:
            answer = self.adapter(operation.port).read(operation)
        except Exception as error:
            return self.raised(operation, error)
        return self.declared(operation, answer)

    def cancel(self, machine: str) -> None:
        """Nobody waits any more for what a machine asked. Errors: `AdapterFault`."""
        begun = self.underway.pop(machine, None)
        if begun is None:
            return
        if begun.task.done():  # nobody wants the answer, but it must be one
            self.outcome(begun)
            return
        begun.task.cancel()
        self.wait(begun)
        if not begun.task.done():
            raise AdapterFault(f"{begun} goes on {self.patience:g} s after it was cancelled")
        error = None if begun.task.cancelled() else begun.task.exception()
        if error is not None:
            raise AdapterFault(f"{begun} was cancelled and raised {error!r}") from error

    def abandon(self) -> None:
        """Cancels everything that is under way. Errors: `AdapterFault`."""
        for machine in list(self.underway):
            self.cancel(machine)

    def wait(self, begun: Underway) -> None:
        """Waits until an operation is over, as long as patience lasts."""
        self._loop.run_until_complete(asyncio.wait({begun.task}, timeout=self.patience))

    def close(self) -> None:
        """Cancels what is under way, and ends the adapters. Errors: `AdapterFault`, once everything is closed."""
        try:
            self.abandon()
        finally:
            self._stack.close()
            # it would complain of operations that do not end, which has been said already
            self._loop.set_exception_handler(lambda loop, context: None)
            self._loop.close()


async def _ticks() -> None:
    for _ in range(TICKS):
        await asyncio.sleep(0)
