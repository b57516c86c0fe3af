"""An object with a method for each operation, as an adapter."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fsm.drivers.adapters import Adapter, Outcome, SyncAdapter
from fsm.drivers.port_methods import AsyncMethods, Methods
from fsm.engine.turn import Operation, Signal


class Calls:
    """Writes down how it is called."""

    def __init__(self) -> None:
        self.calls = list[tuple[str, tuple[Any, ...], dict[str, Any]]]()

    def __getattr__(self, name: str) -> Any:
        def method(*args: Any, **keywords: Any) -> Outcome:
            self.calls.append((name, args, keywords))
            return "ok", {}

        return method


OPERATIONS = [
    (Operation("m", "host", "ask", {"tag": 1}), ("ask", (), {"tag": 1})),
    (Operation("m", "host", "ask", {"tag": 1}, (2,)), ("ask", (2,), {"tag": 1})),
    (Operation("m", "host", "ask", {}, (0, 2), joined=True), ("each_ask", ((0, 2),), {})),
    (Operation("m", "host", "ask", {}, (), joined=True), ("each_ask", ((),), {})),
    (Operation("m", "host", "import", {"from": 1, "self": 2}), ("import_", (), {"from_": 1, "self_": 2})),
]


@pytest.mark.parametrize(("operation", "call"), OPERATIONS)
def test_an_operation_calls_its_method(operation: Operation, call: tuple[str, tuple[Any, ...], dict[str, Any]]) -> None:
    """Arguments are keywords; before them stands the host, or all hosts of a fan-out; keywords of Python end in _."""
    port = Calls()
    adapter: SyncAdapter = Methods(port)
    assert adapter.perform(operation) == ("ok", {})
    assert adapter.read(operation) == ("ok", {})
    assert port.calls == [call, call]


def test_a_signal_and_a_failure_call_their_methods() -> None:
    """The exception reaches the object that knows which outcome stands for it."""
    port, operation, error = Calls(), Operation("m", "lock", "open"), OSError("it broke")
    adapter: SyncAdapter = Methods(port)
    adapter.signal(Signal("lock", "in", {"loud": True}))
    assert adapter.failure(operation, error) == ("ok", {})
    assert port.calls == [("in_", (), {"loud": True}), ("failure", (operation, error), {})]


def test_in_an_asyncio_program_operations_are_awaited_and_questions_are_not() -> None:
    """`read` is called inside a turn, which cannot wait."""

    class Lock:
        async def open(self, *, force: int) -> Outcome:
            await asyncio.sleep(0)
            return "done", {"times": force}

        def look(self) -> Outcome:
            return "free", {}

    adapter: Adapter = AsyncMethods(Lock())
    assert asyncio.run(_perform(adapter, Operation("m", "lock", "open", {"force": 2}))) == ("done", {"times": 2})
    assert adapter.read(Operation("m", "lock", "look")) == ("free", {})


async def _perform(adapter: Adapter, operation: Operation) -> Outcome:
    return await adapter.perform(operation)
