"""Pools for tests: hosts with real supervisors, daemons and agents, seen through the agents' doors and the disks."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from itertools import combinations
from pathlib import Path
from typing import Any

from attrs import define, field

from fsm import specs
from fsm.drivers.replay import replay
from hosts import host
from hosts.errors import PoolError
from hosts.pool_dir import PoolDir
from hosts.pool_file import PoolFile
from hosts.rpc import Door, Failure, Unanswered
from hosts.secret import read_secret
from hosts.supervisor import HostControl
from hosts.supervisor.kernel import now

PATIENCE = 40.0  # s: an enable is given up after 10, and the machine may be busy
Status = Mapping[str, Any]


@define
class Span:
    """One instance of a VM: where it ran and when it wrote its first and its last line."""

    host: str
    incarnation: int
    first: float
    last: float
    stopped: bool = False


@define
class AgentPool:
    """A pool of hosts that run."""

    pool: PoolDir
    fencing: bool = True
    processes: dict[int, int] = field(factory=dict)
    doors: dict[int, Door] = field(factory=dict)

    def power_on(self, index: int) -> None:
        """Start a host."""
        self.processes[index] = host.start(self.pool, index, self.fencing)

    def control(self, index: int) -> HostControl:
        """The operator's requests to a host."""
        return HostControl(self.pool.host_dir(index))

    async def power_off(self, index: int) -> float:
        """Kill everything of a host, and wait until its supervisor has buried it; when it was asked."""
        when = now()
        await self.control(index).power_off()
        await asyncio.to_thread(os.waitpid, self.processes.pop(index), 0)
        return when

    async def ask(self, index: int, method: str, *params: Any) -> Any:
        """A public call to an agent."""
        if index not in self.doors:
            self.doors[index] = Door(self.pool.address(index), read_secret(self.pool.secret))
        return await self.doors[index].request(method, *params, timeout=5.0)

    async def status(self, index: int) -> Status:
        """pool.status of a host; empty while its agent does not answer."""
        try:
            found: Status = await self.ask(index, "pool.status")
        except (Unanswered, Failure):
            return {}
        return found

    async def until(self, met: Callable[[Mapping[int, Status]], bool], what: str) -> Mapping[int, Status]:
        """Wait until the hosts that run say what is waited for; their words then."""
        seen: Mapping[int, Status] = {}
        deadline = now() + PATIENCE
        while now() < deadline:
            hosts = list(self.processes)
            seen = dict(zip(hosts, await asyncio.gather(*(self.status(index) for index in hosts)), strict=True))
            if all(seen.values()) and met(seen):
                return seen
            await asyncio.sleep(0.02)
        raise AssertionError(f"not in {PATIENCE:g} s: {what}; {seen}")

    async def enable(self) -> None:
        """Switch HA on, and wait until every host is in."""
        seen = await self.until(lambda seen: acting(seen) is not None, "a master")
        answer = await self.ask(acting(seen) or 0, "pool.enable_ha")
        assert answer["accepted"], answer
        await self.until(lambda seen: master(seen).get("ha") == "on", "HA on")

    async def start_vms(self) -> Mapping[int, Status]:
        """Have all VMs started, and wait until they run."""
        index = acting(await self.until(lambda seen: acting(seen) is not None, "a master")) or 0
        for vm in self.pool.vms:
            answer = await self.ask(index, "VM.start", vm.name)
            assert answer["accepted"], answer
        return await self.until(settled, "all VMs run")

    async def disable(self) -> None:
        """Switch HA off, and wait until every host that runs is out."""
        seen = await self.until(lambda seen: acting(seen) is not None, "a master")
        answer = await self.ask(acting(seen) or 0, "pool.disable_ha")
        assert answer["accepted"], answer
        await self.until(
            lambda seen: master(seen).get("ha") == "off" and all(s["daemon"] == "gone" for s in seen.values()), "HA off"
        )

    def spans(self, vm: str) -> list[Span]:
        """The instances of a VM in the order of their first lines on its disk."""
        found: dict[tuple[str, int], Span] = {}
        for line in self.pool.disk(vm).read_text().splitlines():
            name, place, incarnation, _, time, *end = line.split()
            assert name == vm
            span = found.setdefault((place, int(incarnation)), Span(place, int(incarnation), float(time), float(time)))
            span.last, span.stopped = float(time), end == ["stopped"]
        return sorted(found.values(), key=lambda span: span.first)

    def overlaps(self) -> list[tuple[Span, Span]]:
        """Instances of one VM that ran at once; S2 says that there are none."""
        disks = [vm.name for vm in self.pool.vms if self.pool.disk(vm.name).exists()]
        return [(a, b) for vm in disks for a, b in combinations(self.spans(vm), 2) if b.first <= a.last]

    def replayed(self, index: int) -> int:
        """How many rows of the journal of an agent come out the same when its events are replayed: all."""
        with self.pool.agent_journal(index).open() as lines:
            result = replay(lines, specs(), f"agent {index}")
        assert result.divergence is None, result.divergence
        return result.rows

    def rows(self, index: int) -> list[Mapping[str, Any]]:
        """The lines of an agent's journal that say that a row fired, or that something was refused or failed."""
        lines = [json.loads(line) for line in self.pool.agent_journal(index).read_text().splitlines()]
        return [line for line in lines if line.keys() & {"row", "refused", "failed"}]

    async def off(self) -> None:
        """End every host that runs."""
        for door in self.doors.values():
            await door.close()
        for index, process in self.processes.items():
            with suppress(PoolError):
                await self.control(index).shutdown()
            os.waitpid(process, 0)


def acting(seen: Mapping[int, Status]) -> int | None:
    """The host that acts as master; None when none or several do."""
    found = [index for index, status in seen.items() if status.get("acting")]
    return found[0] if len(found) == 1 else None


def master(seen: Mapping[int, Status]) -> Status:
    """What the acting master says; empty without one."""
    index = acting(seen)
    return {} if index is None else seen[index]


def settled(seen: Mapping[int, Status]) -> bool:
    """Whether all VMs run on hosts that answer, as the master and those hosts have it."""
    vms = master(seen).get("vms", {})
    return bool(vms) and all(
        vm["restart"] == "settled"
        and vm["resident"] in seen
        and seen[vm["resident"]]["vms"][name]["guest"] == "running"
        for name, vm in vms.items()
    )


@asynccontextmanager
async def agent_pool(hosts: int, vms: int, timeout: float = 2.0, fencing: bool = True) -> AsyncIterator[AgentPool]:
    """A pool whose hosts have been started; HA is off."""
    directory = Path(tempfile.mkdtemp(prefix="ls"))  # short: paths of unix sockets are
    pool = AgentPool(PoolDir.create(directory / "p", PoolFile.default(hosts, vms), timeout), fencing)
    try:
        for index in range(hosts):
            pool.power_on(index)
        yield pool
    finally:
        await pool.off()
        shutil.rmtree(directory)
