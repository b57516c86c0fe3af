"""Orders to one host, with real processes: down in order, out of HA, by force, and back. What was promised is judged
from the evidence on disk."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any

from hosts.agent.alerts_port import PROMISE
from hosts.demo.findings import gather, words
from hosts.demo.promises import judge
from hosts.supervisor.outer import REBOOT_STATUS
from tests.integration.agent_pool import AgentPool, Status, acting, agent_pool, master, settled


async def _running(pool: AgentPool) -> None:
    await pool.enable()
    await pool.start_vms()


async def _ordered(pool: AgentPool, index: int, method: str, *params: Any) -> None:
    answer = await pool.ask(index, method, *params)
    assert answer["accepted"], answer


async def _down(pool: AgentPool, index: int, reboot: bool) -> int:
    """Shut a host down and wait for its end; the exit status of its supervisor."""
    await _ordered(pool, index, "Host.shutdown", reboot)
    process = pool.processes.pop(index)
    async with asyncio.timeout(10):
        _, status = await asyncio.to_thread(os.waitpid, process, 0)
    return os.waitstatus_to_exitcode(status)


def _broken(pool: AgentPool) -> list[str]:
    """The promises that the evidence on disk shows to be broken."""
    found = judge(gather(pool.pool), words())
    return [f"{verdict.promise}: {verdict.evidence}" for verdict in found if verdict.word == "BROKEN"]


def _without(index: int) -> Any:
    def met(seen: Mapping[int, Status]) -> bool:
        others = {host: said for host, said in seen.items() if host != index}
        return settled(others) and index not in master(others)["live"]

    return met


def test_a_follower_and_then_the_master_are_shut_down_in_order() -> None:
    """Their VMs end in order and run elsewhere; nobody fences anybody, nothing runs twice, the follower boots again as
    its starter is told to, and is in the liveset with no order of anybody."""

    async def story() -> None:
        async with agent_pool(3, 2) as pool:
            await _running(pool)
            assert (await pool.ask(1, "Host.may_shut_down"))["accepted"]
            assert await _down(pool, 1, True) == REBOOT_STATUS
            await pool.until(_without(1), "the others run its VMs")
            pool.power_on(1)
            await pool.until(lambda s: all(h["live"] == [0, 1, 2] for h in s.values()) and settled(s), "1 is back")
            assert await _down(pool, 0, False) == 0
            seen = await pool.until(_without(0), "the others run its VMs")
            assert acting(seen) in (1, 2)
            assert not pool.overlaps()
            assert _broken(pool) == []
            assert not any(pool.pool.obituaries(index).exists() for index in range(3))
            assert all(span.stopped for vm in pool.pool.vms for span in pool.spans(vm.name)[:-1])
            assert all(pool.replayed(index) for index in range(3))

    asyncio.run(story())


def test_hosts_are_taken_out_of_ha_and_put_back() -> None:
    """Softly, a follower is out until its agent restarts. For good, a master is out: it follows whoever is master now,
    also after a restart of its agent, until somebody wants it back. VMs run elsewhere, nowhere twice."""

    async def story() -> None:
        async with agent_pool(2, 2) as pool:
            await _running(pool)
            await _ordered(pool, 1, "Host.emergency_disable", True)
            seen = await pool.until(_without(1), "host 0 runs all")
            assert (seen[1]["life"], seen[1]["armed"], seen[1]["daemon"]) == ("out", True, "gone")
            await pool.control(1).kill("agent")
            await pool.until(lambda s: all(h["live"] == [0, 1] for h in s.values()), "1 is back")
            await _ordered(pool, 0, "Host.emergency_disable", False)
            await pool.until(_without(0), "host 1 runs all")
            await pool.control(0).kill("agent")
            seen = await pool.until(lambda s: s[0]["life"] == "plain" and settled({1: s[1]}), "0 follows")
            assert (seen[0]["role"], seen[0]["armed"], seen[1]["acting"]) == (1, False, True)
            refused = await pool.ask(0, "Host.emergency_disable", False)
            assert (refused["accepted"], "HA_NOT_ENABLED" in refused["why"]) == (False, True)
            await _ordered(pool, 0, "Host.rejoin")
            await pool.until(lambda s: all(h["live"] == [0, 1] for h in s.values()) and settled(s), "0 is back")
            assert not pool.overlaps()
            assert _broken(pool) == []
            assert all(pool.replayed(index) for index in range(2))

    asyncio.run(story())


def test_a_master_serves_without_asking_only_by_force() -> None:
    """The other host is dead and the master is taken out of HA: it waits. Forced it serves, and the operator's promise
    is in the journal and among the alerts; without the promise force is refused."""

    async def story() -> None:
        async with agent_pool(2, 1) as pool:
            await _running(pool)
            await pool.power_off(1)
            await pool.until(settled, "host 0 runs all")
            await _ordered(pool, 0, "Host.emergency_disable", False)
            await pool.until(lambda s: s[0]["life"] == "emergency", "it waits")
            assert not (await pool.ask(0, "Host.force_out", "yes"))["accepted"]
            await _ordered(pool, 0, "Host.force_out", PROMISE)
            seen = await pool.until(lambda s: bool(s[0]["acting"]), "it serves")
            assert (seen[0]["life"], seen[0]["armed"]) == ("plain", False)
            assert PROMISE in (pool.pool.host_dir(0) / "alerts.log").read_text()
            assert any(row.get("row") == "withdraw.idle/force/serve" for row in pool.rows(0))

    asyncio.run(story())
