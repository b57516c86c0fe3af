"""The port `toolstack`: the VMs of this host, children of its supervisor.

What runs is asked once, before the machines boot; from then on this agent alone starts VMs here (what an agent before
it asked for is carried out before it is born, or never), and waits for the end of each.

A supervisor that does not answer is asked again, for as long as it takes: a start that was sent may still be carried
out, and "it did not start" would let the master start the VM elsewhere.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from attrs import define, field

from fsm import Event, Operation, Signal
from fsm.drivers.adapters import Outcome
from hosts.errors import PoolError
from hosts.pool_dir import PoolDir
from hosts.supervisor import SupervisorClient
from hosts.supervisor.jsonlines import Unanswered

_LOOK = 1.0  # s, between two looks at the storage, and the time after which one that hangs counts as no
_PAUSE = 0.2  # s, before a supervisor that did not answer is asked again


@define(eq=False)
class ToolstackPort:
    """The VMs of host `me` of `pool`. Used inside one event loop.

    Arguments:
        supervisor: whose children they are.
        post: tells the machines that a VM has ended.
    """

    pool: PoolDir
    me: int
    supervisor: SupervisorClient
    post: Callable[[Event], None]
    running: set[str] = field(factory=set, init=False)
    plugged: bool = field(default=False, init=False)
    _incarnations: dict[str, int] = field(factory=dict, init=False)
    _waiting: dict[str, asyncio.Task[None]] = field(factory=dict, init=False)
    _in_flight: int = field(default=0, init=False)
    _ending: bool = field(default=False, init=False)
    _looking: asyncio.Task[None] | None = field(default=None, init=False)

    async def load(self) -> None:
        """Learn what runs here. Errors: `PoolError` when the supervisor does not say."""
        for vm in await self.supervisor.list_vms():
            self._runs(vm.vm)
        self._looking = asyncio.get_running_loop().create_task(self._look())

    def expect(self, vm: str, incarnation: int) -> None:
        """The master wants `vm` to start as this incarnation."""
        self._incarnations[vm] = max(incarnation, self._incarnations.get(vm, 0))

    async def perform(self, operation: Operation) -> Outcome:
        """Start a VM that does not run here, or end all that do."""
        if operation.name == "stop_all":
            return await self._stop_all()
        vm = str(operation.arguments["vm"])
        while vm not in self.running:
            if self._ending:
                raise PoolError(f"{vm}: not started, for every VM of this host is being stopped")
            try:
                await self._start(vm)
            except Unanswered:
                await asyncio.sleep(_PAUSE)
            except PoolError:
                await self.supervisor.vm_ended(vm)  # it was killed, perhaps; until it is dead it may still write
                raise
            else:
                self._runs(vm)
        return "started", {}

    async def _start(self, vm: str) -> None:
        self._in_flight += 1
        try:
            disk, host = self.pool.disk(vm), self.pool.hosts[self.me].name
            await self.supervisor.start_vm(vm, disk, self._incarnations[vm], host)
        finally:
            self._in_flight -= 1

    async def _stop_all(self) -> Outcome:
        """No start is asked for meanwhile, and those on their way are waited for: one might be carried out after it."""
        self._ending = True
        try:
            while self._in_flight:
                await asyncio.sleep(_PAUSE)
            await self.supervisor.stop_all()
            await asyncio.gather(*(self._waiting[vm] for vm in self.running))
            return ("failed" if await self.supervisor.list_vms() else "stopped"), {}
        finally:
            self._ending = False

    def read(self, operation: Operation) -> Outcome:
        """Whether a VM runs here; whether VMs can, as the last look at their storage found. The network that they need
        is the one by which this agent is asked."""
        if operation.name == "look":
            return ("plugged" if self.plugged else "unplugged"), {}
        return ("here" if operation.arguments["vm"] in self.running else "absent"), {}

    def signal(self, signal: Signal) -> None:
        """The port has no signals."""
        raise AssertionError(f"{signal.name} is no signal of toolstack")

    def failure(self, operation: Operation, error: BaseException) -> Outcome:
        """The supervisor says no, or does not say whether all have ended. Errors: `TypeError` for anything else, which
        is no answer."""
        if not isinstance(error, PoolError):
            raise TypeError(f"{operation.name} of the VMs here broke: {error!r}")
        return "failed", {}

    def _runs(self, vm: str) -> None:
        self.running.add(vm)
        self._waiting[vm] = asyncio.get_running_loop().create_task(self._await_end(vm))

    async def _look(self) -> None:
        """Storage that hangs keeps a thread waiting, and nobody else."""
        disks = self.pool.disk("any").parent
        while True:
            look = asyncio.create_task(asyncio.to_thread(os.access, disks, os.R_OK | os.W_OK | os.X_OK))
            await asyncio.wait({look}, timeout=_LOOK)
            self.plugged = look.done() and look.result()
            self.plugged = await look
            await asyncio.sleep(_LOOK)

    async def _await_end(self, vm: str) -> None:
        while True:
            try:
                await self.supervisor.vm_ended(vm)
                break
            except PoolError:
                await asyncio.sleep(_PAUSE)
        self.running.discard(vm)
        self.post(Event(f"guest[{vm}]", "toolstack.exited"))
