"""Agents with real processes: a pool survives the death of its master, of an agent, of a daemon."""

from __future__ import annotations

import asyncio

from tests.integration.agent_pool import AgentPool, acting, agent_pool, master, settled


async def _running(pool: AgentPool) -> None:
    await pool.enable()
    await pool.start_vms()


def test_a_pool_survives_the_death_of_its_master() -> None:
    """Power of the master's host goes: another acts, and all VMs run on survivors, nowhere twice; then HA is disabled.

    All journals replay without divergence."""

    async def story() -> None:
        async with agent_pool(3, 3) as pool:
            await _running(pool)
            fault = await pool.power_off(0)
            seen = await pool.until(lambda seen: settled(seen), "the VMs run again")
            assert master(seen)["live"] == [1, 2]
            assert master(seen)["term"] > 2
            await asyncio.sleep(0.3)
            await pool.disable()
            assert not pool.overlaps()
            for vm in pool.pool.vms:
                former, latter = pool.spans(vm.name)
                assert former.host == "host1"
                assert latter.host in ("host2", "host3")
                assert former.last < fault + 0.5 < latter.first + 2.0
                assert latter.incarnation > former.incarnation
            assert all(pool.replayed(index) > 20 for index in range(3))

    asyncio.run(story())


def test_an_agent_that_dies_finds_everything_as_it_left_it() -> None:
    """The agents of master and slave are killed, one after the other: same master, the VMs were not touched."""

    async def story() -> None:
        async with agent_pool(2, 2) as pool:
            await _running(pool)
            for index in (1, 0):
                await pool.control(index).kill("agent")
                await asyncio.sleep(0.1)
                seen = await pool.until(settled, "the agent is back and knows its VMs")
                assert acting(seen) == 0
                assert seen[0]["live"] == seen[1]["live"] == [0, 1]
            assert all(len(pool.spans(vm.name)) == 1 for vm in pool.pool.vms)
            assert all(pool.replayed(index) for index in range(2))

    asyncio.run(story())
