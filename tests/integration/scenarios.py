"""What every scenario on real processes must leave behind: no promise broken by the evidence on the disks, and journals
that say the same when they are replayed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from attrs import define, evolve, field

from hosts.demo.evidence import Disable, Stop
from hosts.demo.findings import gather, words
from hosts.demo.promises import STILL_WRITING, judge
from hosts.supervisor.kernel import now
from hosts.supervisor.outer import REBOOT_STATUS
from tests.integration.agent_pool import AgentPool, Status, acting, agent_pool, master, settled

CALM = STILL_WRITING + 0.5
"""Seconds: less, and a VM that writes no more could not be told from one that does."""


@define(eq=False)
class Scenario:
    """A pool in a story, with what only the story knows: which agents were ended on purpose, when HA was disabled, and
    whether its VMs are promised to run at the end (not where nobody started them, nor where a host died without HA)."""

    pool: AgentPool
    stops: list[Stop] = field(factory=list)
    disable: Disable | None = None
    promised: bool = True

    async def master(self) -> int:
        """The host that acts as master."""
        found = acting(await self.pool.until(lambda seen: acting(seen) is not None, "a master"))
        assert found is not None
        return found

    async def begin(self, vms: bool = True) -> int:
        """HA on, and the VMs run; the master."""
        await self.pool.enable()
        if vms:
            await self.pool.start_vms()
        return await self.master()

    async def ask(self, index: int, method: str, *params: Any) -> None:
        """A call that must be accepted, asked again while the host is busy."""
        deadline = now() + 10
        while not (answer := await self.pool.ask(index, method, *params))["accepted"]:
            assert now() < deadline, answer
            await asyncio.sleep(0.1)

    async def kill_agent(self, index: int) -> None:
        """End the agent of a host; its supervisor starts another."""
        await self.pool.control(index).kill("agent")
        self.stops.append(Stop(self.pool.pool.hosts[index].name, now(), "the scenario"))

    async def reboot(self, index: int) -> None:
        """Take a host down in order, and start it again once it is down."""
        await self.ask(index, "Host.shutdown", True)
        status = await asyncio.to_thread(os.waitpid, self.pool.processes.pop(index), 0)
        assert os.waitstatus_to_exitcode(status[1]) == REBOOT_STATUS
        self.stops.append(Stop(self.pool.pool.hosts[index].name, now(), "the scenario"))
        self.pool.power_on(index)

    async def dead(self, index: int) -> None:
        """Wait until nothing of a host is left."""
        await asyncio.wait_for(asyncio.to_thread(os.waitpid, self.pool.processes.pop(index), 0), 20)

    async def statefile_lost(self, *hosts: int) -> None:
        """These hosts can reach the statefile no more."""
        await asyncio.gather(*(self.pool.ask(index, "test.cut", [], True) for index in hosts))

    async def statefile_back(self, *hosts: int) -> None:
        """They can again."""
        await asyncio.gather(*(self.pool.ask(index, "test.cut", [], False) for index in hosts))

    async def row(self, index: int, row: str) -> None:
        """Wait until a row has fired on a host, as its journal says."""
        deadline = now() + 10
        while not any(line.get("row") == row for line in self.pool.rows(index)):
            assert now() < deadline, f"{row} did not fire on host {index}"
            await asyncio.sleep(0.005)

    async def turned_off(self, asked: Callable[[], Any]) -> None:
        """Have HA switched off, and wait until it is, on every host that runs."""
        begun = now()
        await asked()
        await self.until_off()
        self.disable = Disable(begun, now())

    async def until_off(self) -> Mapping[int, Status]:
        """Wait until HA is off, and no daemon is left on a host that runs."""
        return await self.pool.until(
            lambda seen: master(seen).get("ha") == "off" and all(s["daemon"] == "gone" for s in seen.values()), "HA off"
        )

    async def healed(self, live: list[int]) -> Mapping[int, Status]:
        """Wait until these hosts are the liveset, all serve, and all VMs run."""
        return await self.pool.until(
            lambda seen: (
                settled(seen)
                and master(seen)["live"] == live
                and all(seen[index]["life"] == "running" for index in live)
            ),
            f"hosts {live} serve and all VMs run",
        )

    async def calm(self) -> None:
        """Leave the pool alone long enough that a second writer of a disk would show."""
        await asyncio.sleep(CALM)

    def judged(self, until: float) -> dict[str, str]:
        """Each promise with what the disks say of it."""
        protected = tuple(vm.name for vm in self.pool.pool.vms if vm.protected and self.promised)
        evidence = evolve(
            gather(self.pool.pool), stops=tuple(self.stops), protected=protected, until=until, disable=self.disable
        )
        return {verdict.promise: f"{verdict.word}: {verdict.evidence}" for verdict in judge(evidence, words())}


@asynccontextmanager
async def scenario(hosts: int, vms: int, timeout: float = 1.0) -> AsyncIterator[Scenario]:
    """A pool that runs, with HA off; judged at the end, by the disks alone."""
    async with agent_pool(hosts, vms, timeout) as pool:
        played = Scenario(pool)
        yield played
        await played.calm()
        broken = {name: said for name, said in played.judged(now()).items() if said.startswith("BROKEN")}
        assert not broken, broken
        assert not pool.overlaps()
        assert all(pool.replayed(index) for index in range(hosts))
