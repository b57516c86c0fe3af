"""The port `timer`: waits whose length the caller names."""

from __future__ import annotations

import asyncio

from attrs import define

from fsm import Operation, Signal
from fsm.drivers.adapters import Outcome


@define(eq=False)
class TimerPort:
    """Waits inside one event loop."""

    async def perform(self, operation: Operation) -> Outcome:
        """Over after so many seconds."""
        await asyncio.sleep(float(operation.arguments["seconds"]))
        return "over", {}

    def read(self, operation: Operation) -> Outcome:
        """A wait is not instant."""
        raise AssertionError(f"{operation.name} is not instant")

    def signal(self, signal: Signal) -> None:
        """The port has no signals."""
        raise AssertionError(f"{signal.name} is no signal of timer")

    def failure(self, operation: Operation, error: BaseException) -> Outcome:
        """A length that is none: whoever waits should not wait for ever."""
        return "over", {}
