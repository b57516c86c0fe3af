"""An adapter made of an object that has one method for each operation and signal of its port.

    class Lock:                                            # `fsm stubs` writes the Protocol of it, `LockPort`
        def open(self, *, who: int) -> LockDone | LockJammed: ...           # an operation; `async def` for asyncio
        def click(self) -> None: ...                                        # a signal
        def failure(self, operation, error) -> LockJammed: ...              # what stands for an exception

    SyncDriver(node, {"lock": Methods(Lock())})

The arguments of an operation are keywords. An operation that goes to another host is also given that host's index, a
fan-out (`each host.join`) calls `each_join` with the tuple of indices; both stand first and have no keyword. A name
that Python keeps for itself gets an underscore at its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from keyword import iskeyword
from typing import Any

from attrs import frozen

from fsm.drivers.adapters import Outcome, awaited
from fsm.engine.turn import Operation, Signal
from fsm.language.domains import Value


def python_name(name: str) -> str:
    """What a name of a spec is called where Python keeps that name for itself."""
    return f"{name}_" if iskeyword(name) or name in ("self", "cls") else name


def method_name(operation: str, joined: bool) -> str:
    """The method that performs an operation."""
    return f"each_{operation}" if joined else python_name(operation)


def keywords(arguments: Mapping[str, Value]) -> dict[str, Value]:
    """Arguments of an operation or signal as keywords of a method."""
    return {python_name(name): value for name, value in arguments.items()}


@frozen
class _Methods:
    """What both adapters do at once.

    Arguments:
        port: the object. A method that it lacks is missed when it is called; a type checker misses it before.
    """

    port: Any

    def read(self, operation: Operation) -> Outcome:
        """Calls the method of the instant operation."""
        outcome: Outcome = self._call(operation)
        return outcome

    def signal(self, signal: Signal) -> None:
        """Calls the method of the signal."""
        getattr(self.port, python_name(signal.name))(**keywords(signal.arguments))

    def failure(self, operation: Operation, error: BaseException) -> Outcome:
        """Asks the object which outcome stands for an exception."""
        outcome: Outcome = self.port.failure(operation, error)
        return outcome

    def _call(self, operation: Operation) -> Any:
        method = getattr(self.port, method_name(operation.name, operation.joined))
        targets: tuple[Any, ...] = operation.targets or ()
        if operation.joined:
            targets = (targets,)
        return method(*targets, **keywords(operation.arguments))


@frozen
class Methods(_Methods):
    """The adapter of a driver without event loop."""

    def perform(self, operation: Operation) -> Outcome:
        """Calls the method of the operation."""
        outcome: Outcome = self._call(operation)
        return outcome


@frozen
class AsyncMethods(_Methods):
    """The adapter of an asyncio driver: the methods of operations are awaited; those of instant ones are not."""

    async def perform(self, operation: Operation) -> Outcome:
        """Awaits the method of the operation."""
        outcome: Outcome = await awaited(operation, self._call(operation))
        return outcome
