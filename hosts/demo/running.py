"""A pool of real processes, seen and ended by the process that started it.

Each host is a child of this process and dies with it, whatever ends it (PDEATHSIG, see hosts/supervisor). All hosts are
forked before anything else runs here. What the agents say is asked for all the time, one task a host: a host that hangs
keeps nobody waiting, and an answer to a question that was asked before `forget` counts for nothing.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from attrs import define, field, frozen

from hosts import host
from hosts.agent.planner_port import EARLIER
from hosts.daemon.process import specs_for
from hosts.daemon.timing import Timing
from hosts.errors import PoolError
from hosts.pool_dir import PoolDir
from hosts.rpc import Door, Failure, Unanswered
from hosts.secret import read_secret
from hosts.supervisor import HostControl, SupervisorClient
from hosts.supervisor.kernel import now

POLL = 0.1
ANSWER = 1.0
CALL = 5.0
END = 5.0
"""Seconds: between two questions, for an answer, for a call that changes something, for a host to end."""


@frozen
class Seen:
    """What an agent said of itself last. `vms`: VM -> what its machines on that host say."""

    index: int
    life: str
    acting: bool
    term: int
    ha: str | None
    live: frozenset[int]
    vms: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Seen:
        """The answer to `pool.status`. Errors: `PoolError` for an answer of another kind."""
        try:
            return cls(
                index=int(said["index"]),
                life=str(said["life"]),
                acting=bool(said["acting"]),
                term=int(said["term"]),
                ha=said["ha"],
                live=frozenset(said["live"] or ()),
                vms=dict(said["vms"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise PoolError(f"an agent's status makes no sense ({error!r}); install one version everywhere") from None


@define(eq=False)
class RunningPool:
    """The hosts of a pool, started here. Its loop is the one that runs when `start` is called."""

    directory: PoolDir
    seen: dict[int, Seen] = field(factory=dict, init=False)
    _outers: dict[int, int] = field(factory=dict, init=False)
    _doors: dict[int, Door] = field(factory=dict, init=False)
    _asking: list[asyncio.Task[None]] = field(factory=list, init=False)
    _since: float = field(default=0.0, init=False)
    _broken: asyncio.Future[PoolError] = field(factory=asyncio.Future, init=False)

    async def start(self, fencing: bool) -> None:
        """Start every host, and ask each from now on. Errors: `PoolError` when one cannot be started."""
        await asyncio.sleep(0)  # who shows that we are at it draws a first picture
        specs_for(Timing.derive(self.directory.timeout))  # once here, not once in every daemon
        secret = read_secret(self.directory.secret)
        for index in range(len(self.directory.hosts)):
            self._outers[index] = host.start(self.directory, index, fencing)
            await asyncio.sleep(0)  # a Ctrl-C is heard here
        for index in self._outers:
            self._doors[index] = Door(self.directory.address(index), secret)
            self._asking.append(asyncio.get_running_loop().create_task(self._ask(index)))

    async def _ask(self, index: int) -> None:
        while index not in self.dead():
            began = now()
            answer: Seen | None = None
            try:
                answer = Seen.of(await self._doors[index].request("pool.status", timeout=ANSWER))
            except (Unanswered, Failure):
                pass  # it has died, or it is about to start, or it hangs
            except PoolError as error:
                if not self._broken.done():
                    self._broken.set_result(error)
            if began >= self._since:
                self.seen.pop(index, None)
                if answer:
                    self.seen[index] = answer
            await asyncio.sleep(POLL)
        self.seen.pop(index, None)

    def forget(self) -> None:
        """Believe only answers to questions from now on."""
        self._since = now()
        self.seen.clear()

    def check(self) -> None:
        """Errors: `PoolError` when an agent has said what makes no sense."""
        if self._broken.done():
            raise self._broken.result()

    def dead(self) -> frozenset[int]:
        """The hosts whose every process has ended."""
        for index, process in self._outers.items():
            if process and os.waitpid(process, os.WNOHANG)[0]:
                self._outers[index] = 0
        return frozenset(index for index, process in self._outers.items() if not process)

    def alive(self) -> tuple[int, ...]:
        """The hosts that are not dead."""
        dead = self.dead()
        return tuple(index for index in self._outers if index not in dead)

    def master(self) -> Seen | None:
        """The host that acts as master; of several, that of the highest term."""
        return max((seen for seen in self.seen.values() if seen.acting), key=lambda seen: seen.term, default=None)

    def runs(self, vm: str) -> bool:
        """Whether the master knows where that VM runs, and that host says so too."""
        master = self.master()
        if master is None or (place := master.vms[vm]["resident"]) not in (master.live or self.seen):
            return False
        return place in self.seen and self.seen[place].vms[vm]["guest"] == "running"

    def unplaced(self) -> Mapping[str, str]:
        """The VMs that the master can run nowhere -> why."""
        master = self.master()
        told = {vm: said.get("reason") for vm, said in master.vms.items()} if master else {}
        return {vm: str(why) for vm, why in told.items() if why not in (None, EARLIER) and not self.runs(vm)}

    async def call(self, index: int, method: str, *params: Any) -> Any:
        """A public call to one agent. Errors: `PoolError` when it is refused or not answered."""
        try:
            return await self._doors[index].request(method, *params, timeout=CALL)
        except (Failure, Unanswered) as error:
            name = self.directory.hosts[index].name
            raise PoolError(f"{name}: {method}: {error}; its log is {self.log(index)}") from None

    def control(self, index: int) -> HostControl:
        """What an operator can do to a host."""
        return HostControl(self.directory.host_dir(index))

    def log(self, index: int) -> str:
        """Where the processes of a host complain."""
        return str(self.directory.host_dir(index) / "supervisor.log")

    async def stop(self) -> None:
        """Stop the VMs, then the hosts. Errors: none; what does not end by itself is killed by `kill`."""
        clients = [SupervisorClient(self.directory.host_dir(index), END) for index in self.alive()]
        await asyncio.gather(*(client.stop_all() for client in clients), return_exceptions=True)
        controls = [self.control(index) for index in self.alive()]
        await asyncio.gather(*(control.shutdown() for control in controls), return_exceptions=True)
        await self._ended()

    async def kill(self) -> None:
        """End whatever is left, at once. It can be called at any time, and again."""
        for task in self._asking:
            task.cancel()
        for number in (signal.SIGTERM, signal.SIGKILL):
            for process in filter(None, self._outers.values()):
                with suppress(ProcessLookupError):
                    os.kill(process, number)
            if await self._ended():
                break
        for door in self._doors.values():
            await door.close()
        await asyncio.gather(*self._asking, return_exceptions=True)

    async def _ended(self) -> bool:
        """Wait until every host is dead; False when that takes too long."""
        return await _soon(lambda: not self.alive())


async def _soon(condition: Callable[[], bool]) -> bool:
    until = now() + END
    while not condition():
        if now() > until:
            return False
        await asyncio.sleep(0.01)
    return True
