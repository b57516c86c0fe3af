"""Agents with real processes: a pool survives the death of its master, of an agent, of a daemon."""

from __future__ import annotations

import asyncio
import os

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
            lives = {vm.name: pool.spans(vm.name) for vm in pool.pool.vms}
            moved = [spans for spans in lives.values() if spans[0].host == "host1"]
            assert moved
            assert all(len(spans) == (2 if spans in moved else 1) for spans in lives.values())
            for former, latter in moved:
                assert latter.host in ("host2", "host3")
                assert fault - 0.2 < former.last < fault + 0.5
                assert latter.incarnation > former.incarnation
            assert all(pool.replayed(index) > 20 for index in range(3))

    asyncio.run(story())


def test_a_host_comes_back_and_learns_what_has_happened() -> None:
    """The dead master returns and follows the new one; one that is away while HA is disabled learns that when it boots;
    then HA is enabled from a master that is not the first host, and survives that every host loses power at once."""

    async def story() -> None:
        async with agent_pool(3, 3) as pool:
            await _running(pool)
            await pool.power_off(0)
            await pool.until(settled, "the VMs run again")
            pool.power_on(0)
            seen = await pool.until(
                lambda s: all(h["live"] == [0, 1, 2] and h["life"] == "running" for h in s.values()), "0 is back"
            )
            assert seen[0]["role"] == acting(seen) != 0
            away = 3 - seen[0]["role"]
            await pool.power_off(away)
            await pool.until(settled, "the VMs run again")
            await pool.disable()
            pool.power_on(away)
            seen = await pool.until(lambda seen: seen[away]["life"] == "plain", "it knows that HA is off")
            assert (seen[away]["role"], seen[away]["armed"]) == (acting(seen), False)
            await pool.enable()
            await pool.until(settled, "the VMs run")
            for index in range(3):
                await pool.power_off(index)
            for index in range(3):
                pool.power_on(index)
            await pool.until(settled, "the VMs run after all hosts were down")
            await pool.disable()
            assert not pool.overlaps()
            assert all(pool.replayed(index) for index in range(3))

    asyncio.run(story())


def test_a_daemon_that_dies_is_gone_at_once_and_its_host_with_it() -> None:
    """The daemon of a slave is killed: the host dies with the lease, the VMs run on the others, nowhere twice."""

    async def story() -> None:
        async with agent_pool(2, 2) as pool:
            await _running(pool)
            await pool.control(1).kill("daemon")
            process = pool.processes.pop(1)
            seen = await pool.until(lambda seen: settled(seen) and seen[0]["live"] == [0], "all run on host 0")
            assert acting(seen) == 0
            os.waitpid(process, 0)
            assert "ended while it held the lease" in pool.pool.obituaries(1).read_text()
            assert not pool.overlaps()

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
