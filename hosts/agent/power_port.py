"""The port `power`: the end of this host, by its supervisor.

An order that is carried out takes this process with it, so an outcome always says that the host is still there: the
supervisor refused, did not answer, or said yes and nothing came of it.
"""

from __future__ import annotations

import asyncio

from attrs import define

from fsm import Operation, Signal
from fsm.drivers.adapters import Outcome
from hosts.supervisor import HostControl

_DYING = 5.0  # s, in which a host that was told to end is dead


@define(eq=False)
class PowerPort:
    """The power of one host.

    Arguments:
        control: its outer supervisor.
    """

    control: HostControl

    async def perform(self, operation: Operation) -> Outcome:
        """End this host: in order, with word for whoever started it if it is to start again; or at once."""
        if operation.name == "cut":
            await self.control.power_off()
        else:
            await self.control.shutdown(reboot=bool(operation.arguments["reboot"]))
        await asyncio.sleep(_DYING)
        return "failed", {}

    def read(self, operation: Operation) -> Outcome:
        """Nothing of it is instant."""
        raise AssertionError(f"{operation.name} is not instant")

    def signal(self, signal: Signal) -> None:
        """The port has no signals."""
        raise AssertionError(f"{signal.name} is no signal of power")

    def failure(self, operation: Operation, error: BaseException) -> Outcome:
        """The supervisor did not do it."""
        return "failed", {}
