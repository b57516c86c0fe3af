"""The VMs of one host, as their parent sees them: what runs is what has been started and not been reaped.

Starting is idempotent: the same VM of the same incarnation that runs here, or is about to, is one start with several
callers. Another incarnation is refused while the old one lives. A start is acknowledged when the first line of the VM
is on its disk, a stop when its process is reaped, so an answer is evidence.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

from attrs import define, field

from hosts.errors import PoolError
from hosts.supervisor.children import Child, Children
from hosts.supervisor.vm import VmStart, run

STOP_SECONDS = 2.0  # between SIGTERM and SIGKILL
START_SECONDS = 10.0  # for the first line; a disk that hangs longer fails the start
_REASON_BYTES = 4096


@define
class Vm:
    """A VM that runs here. started: becomes None when its first line is on the disk, else the reason why not."""

    start: VmStart
    child: Child
    started: asyncio.Future[str | None]
    stopping: bool = False


def check_name(kind: str, name: str) -> None:
    """PoolError unless `name` can be one word of a line on a disk."""
    if not name or not name.isprintable() or any(c.isspace() for c in name):
        raise PoolError(f"the name of a {kind} must be one word, not {name!r}; it is written to disks")


@define
class Vms:
    """The table of this host's VMs by their name."""

    children: Children
    running: dict[str, Vm] = field(factory=dict)

    async def start(self, start: VmStart) -> None:
        """Start a VM and return when its first line is on its disk. PoolError with the reason when it does not."""
        check_name("VM", start.vm)
        check_name("host", start.host)
        vm = self.running.get(start.vm)
        if vm is None:
            vm = self._launch(start)
        elif vm.start.incarnation != start.incarnation:
            raise PoolError(f"{start.vm} runs here as incarnation {vm.start.incarnation}; stop that one first")
        elif vm.stopping:
            raise PoolError(f"{start.vm} is being stopped here; ask again when it has stopped")
        if reason := await asyncio.shield(vm.started):
            raise PoolError(reason)

    async def stop(self, name: str) -> bool:
        """Stop a VM and return when its process is reaped; False when it did not run here."""
        vm = self.running.get(name)
        if vm is None:
            return False
        vm.stopping = True
        await vm.child.stop(STOP_SECONDS)
        return True

    async def ended(self, name: str) -> None:
        """Return when no process of that VM lives here: at once, or when it is reaped."""
        if vm := self.running.get(name):
            await asyncio.shield(vm.child.ended)

    async def stop_all(self) -> None:
        """Stop every VM at once."""
        await asyncio.gather(*(self.stop(name) for name in list(self.running)))

    def _launch(self, start: VmStart) -> Vm:
        loop = asyncio.get_running_loop()
        ready, told = os.pipe()
        try:
            child = self.children.start(lambda: run(start, told), keep=(told,))
        except OSError as error:
            os.close(ready)
            raise PoolError(f"{start.vm} cannot be started: {error.strerror}; free memory or processes") from None
        finally:
            os.close(told)
        vm = Vm(start, child, loop.create_future())
        self.running[start.vm] = vm
        child.ended.add_done_callback(lambda _: self.running.pop(start.vm))
        _when_told(loop, ready, lambda answer: _settle(vm, answer))
        loop.call_later(START_SECONDS, _give_up, vm)
        return vm


def _when_told(loop: asyncio.AbstractEventLoop, ready: int, tell: Callable[[bytes], None]) -> None:
    def readable() -> None:
        answer = os.read(ready, _REASON_BYTES)
        loop.remove_reader(ready)
        os.close(ready)
        tell(answer)

    loop.add_reader(ready, readable)


def _settle(vm: Vm, answer: bytes) -> None:
    if not vm.started.done():
        name = vm.start.vm
        vm.started.set_result(None if answer == b"ok" else answer.decode() or f"{name} died before its first line")


def _give_up(vm: Vm) -> None:
    if not vm.started.done():
        vm.child.signal(signal.SIGKILL)
        vm.started.set_result(f"{vm.start.disk}: no line on the disk of {vm.start.vm} in {START_SECONDS:g} s")
