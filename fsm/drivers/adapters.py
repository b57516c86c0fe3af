"""What stands around a driver, as types: adapters behind ports, and the stores that make variables durable.

The driver believes nothing of it: an outcome must be one that the port declares, with its payload inside the domains,
and a value that was stored must still be one that its variable can have.
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Mapping
from typing import Any, Protocol

from fsm.engine.node import Node
from fsm.engine.turn import Operation, Signal
from fsm.language.domains import Domain, Value, shown

Outcome = tuple[str, Mapping[str, Value]]
"""The name of an outcome and its payload."""


class Answers(Protocol):
    """What an adapter does within a turn, at once and without blocking, and what it makes of an exception."""

    def read(self, operation: Operation) -> Outcome:
        """Answer an instant operation, at once and without blocking."""

    def signal(self, signal: Signal) -> None:
        """Say something that cannot fail, without blocking; an exception is logged and dropped."""

    def failure(self, operation: Operation, error: BaseException) -> Outcome:
        """The outcome that stands for an exception of `perform` or `read`."""


class Adapter(Answers, Protocol):
    """What stands behind a port. It performs and reports; it decides nothing."""

    async def perform(self, operation: Operation) -> Outcome:
        """Perform an operation and return its outcome and payload.

        A call that goes to several hosts (`operation.joined`) returns ("all_ok", {}) or ("some_failed", {"bad": …})
        with the set of the hosts that did not answer ok. It is cancelled when nobody waits for it any more.
        """


class SyncAdapter(Answers, Protocol):
    """What stands behind a port of a driver without event loop."""

    def perform(self, operation: Operation) -> Outcome:
        """As `Adapter.perform`; it may block. It is not interrupted when nobody waits for it any more: its outcome is
        then dropped."""


class HostStore(Protocol):
    """Keeps the host variables. `str()` of it names the place, for messages."""

    def load(self) -> Mapping[str, Any]:
        """All values ever committed, by name, as JSON carries them."""

    def commit(self, values: Mapping[str, Any]) -> None:
        """Make values durable, by name, as JSON carries them. It blocks, and raises when they may not be durable."""


class Declined(Exception):
    """A pool store takes nothing now. The turn is taken back, as if it had not been, and its event runs once more:
    instant operations are asked anew, and may say that there is no use in it. Declined again, the driver fails."""


class PoolStore(Protocol):
    """Keeps the pool variables, through the redo log; for the master alone."""

    def commit(self, values: Mapping[str, Any]) -> Awaitable[None] | None:
        """As `HostStore.commit`; it may block for a millisecond, or return something to wait for. Errors: `Declined`
        where nothing was made durable and the machines may find another way."""


class Undeclared(Exception):
    """An adapter answered what its port does not declare; the message says what it may answer."""


def awaited(operation: Operation, answer: Any) -> Awaitable[Outcome]:
    """What an adapter of an asyncio driver gives to be waited for. Errors: `Undeclared` for one that is of another."""
    if not isinstance(answer, Awaitable):
        what = f"{operation.port}.{operation.name} answered without being awaited"
        raise Undeclared(f"the adapter's {what}; an AsyncDriver needs an `async def`, a SyncDriver takes this one")
    waited: Awaitable[Outcome] = answer
    return waited


def checked_outcome(node: Node, operation: Operation, answer: Any) -> Outcome:
    """What an adapter answered, if the port declares it. Errors: `Undeclared`."""
    what = f"{operation.port}.{operation.name}"
    if isinstance(answer, Awaitable):
        if isinstance(answer, Coroutine):
            answer.close()  # nobody will await it
        raise Undeclared(f"the adapter's {what} must be awaited, and here nobody does; give one that is no `async def`")
    declared = node.layout.instances[operation.machine][0].ports[operation.port].operations[operation.name]
    outcomes: dict[str, Mapping[str, Domain]] = {"lost": {}} if declared.to_host else {}
    outcomes |= declared.outcomes
    if operation.joined:
        outcomes = {"all_ok": {}, "some_failed": {"bad": Domain("hosts")}}
    try:
        outcome, payload = answer
        fields = outcomes[outcome]
        good = payload.keys() == fields.keys() and all(d.holds(payload[name], node.n) for name, d in fields.items())
    except (TypeError, ValueError, KeyError, AttributeError):
        good = False
    if not good:
        known = ", ".join(f"{name}({', '.join(fields)})" if fields else name for name, fields in outcomes.items())
        raise Undeclared(f"the adapter answered {shown(answer)} to {what}, which may answer {known}")
    checked: Outcome = answer
    return checked
