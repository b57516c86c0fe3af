"""A planned change of master with real processes: with HA off, before HA is enabled, and with a host that stops in the
middle of it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from typing import Any

from hosts.agent.alerts_port import SWITCHED_OFF
from hosts.demo.findings import gather, words
from hosts.demo.promises import judge
from tests.integration.agent_pool import AgentPool, Status, acting, agent_pool, settled


def _agreed(on: int) -> Any:
    def met(seen: Mapping[int, Status]) -> bool:
        return acting(seen) == on and all(said["role"] == on for said in seen.values())

    return met


def _rows(pool: AgentPool, index: int) -> list[str]:
    return [line["row"] for line in pool.rows(index) if "row" in line]


async def _stopped(pool: AgentPool, index: int) -> int:
    """Stop the agent of a host; its process."""
    process: int = (await pool.control(index).status()).processes["agent"]
    os.kill(process, signal.SIGSTOP)
    return process


def test_the_master_changes_in_order_and_ha_goes_on_under_the_new_one() -> None:
    """All hosts follow it, the former one writes nothing; HA is enabled by it and survives it; nothing runs twice."""

    async def story() -> None:
        async with agent_pool(3, 2) as pool:
            before = await pool.until(_agreed(0), "a master")
            assert not (await pool.ask(0, "pool.hand_over"))["accepted"]  # it is the master
            assert (await pool.ask(1, "pool.hand_over"))["accepted"]
            seen = await pool.until(_agreed(1), "host 1 is master")
            assert seen[1]["term"] > before[0]["term"]
            await pool.enable()
            refused = await pool.ask(2, "pool.hand_over")
            assert (refused["accepted"], "HA is not off" in refused["why"]) == (False, True)
            await pool.start_vms()
            await pool.power_off(1)
            await pool.until(lambda s: acting(s) in (0, 2) and settled(s), "another master, and all VMs run")
            assert not pool.overlaps()
            found = judge(gather(pool.pool), words())
            assert [verdict.promise for verdict in found if verdict.word == "BROKEN"] == []
            assert all(pool.replayed(index) for index in range(3))

    asyncio.run(story())


def test_a_decision_that_comes_when_nobody_waits_for_it_is_found_by_asking() -> None:
    """The old master stops before it decides and decides when it goes on; by then the candidate has given up, and the
    third host has forgotten its promise. Both learn who is master by asking."""

    async def story() -> None:
        async with agent_pool(3, 0) as pool:
            await pool.until(_agreed(0), "a master")
            follower = await _stopped(pool, 2)
            assert (await pool.ask(1, "pool.hand_over"))["accepted"]
            await _until_row(pool, 0, "promise.free/host.propose")
            old = await _stopped(pool, 0)
            os.kill(follower, signal.SIGCONT)
            await _until_row(pool, 1, "handover.deciding/host.lost")
            os.kill(old, signal.SIGCONT)
            await pool.until(_agreed(1), "host 1 is master")
            assert "promise.deciding/terms.next" in _rows(pool, 0)
            assert "follow.weighing/terms.newer/me" in _rows(pool, 1)
            assert "follow.weighing/terms.newer/other" in _rows(pool, 2)

    asyncio.run(story())


async def _until_row(pool: AgentPool, index: int, row: str) -> None:
    async with asyncio.timeout(10):
        while not any(fired.startswith(row) for fired in _rows(pool, index)):
            await asyncio.sleep(0.01)


def test_an_operator_names_a_master_when_the_old_one_is_gone() -> None:
    """Only with the promise that it is switched off; when it comes back it follows, for the redo log knows better."""

    async def story() -> None:
        async with agent_pool(3, 0) as pool:
            await pool.until(_agreed(0), "a master")
            await pool.power_off(0)
            refused = await pool.ask(1, "pool.force_master", [0], "yes")
            assert (refused["accepted"], SWITCHED_OFF in refused["why"]) == (False, True)
            assert (await pool.ask(1, "pool.force_master", [0], SWITCHED_OFF))["accepted"]
            await pool.until(_agreed(1), "host 1 is master")
            pool.power_on(0)
            await pool.until(_agreed(1), "host 0 follows")
            assert "life.taking_over/database.superseded" in _rows(pool, 0)
            assert "named" in (pool.pool.host_dir(1) / "alerts.log").read_text()
            assert all(pool.replayed(index) for index in range(3))

    asyncio.run(story())
