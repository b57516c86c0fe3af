"""The scenarios of HA on real processes: hosts, daemons, agents and VMs of their own, the disks as the only witness.

Each is also a golden trace on the virtual clock (tests/traces, the same names). Whatever a story is about, at its end
no promise is broken by what stands on the disks, and every journal says the same when it is replayed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hosts.agent.public import TEST_VARIABLE
from tests.integration.agent_pool import acting, master, settled
from tests.integration.scenarios import Scenario, scenario


async def kill_master(it: Scenario) -> None:
    """The master's host loses power: another is master, and all VMs run on the survivors."""
    first = await it.begin()
    await it.pool.power_off(first)
    await it.healed([index for index in range(3) if index != first])


async def kill_slave(it: Scenario) -> None:
    """A follower's host loses power: its VMs run elsewhere; it boots again and is back in the liveset."""
    first = await it.begin()
    await it.pool.power_off(2)
    await it.healed([0, 1])
    it.pool.power_on(2)
    await it.healed([0, 1, 2])
    assert await it.master() == first


async def reboot_slave(it: Scenario) -> None:
    """A follower is rebooted in order: nobody fences it, and it comes back."""
    first = await it.begin()
    await it.reboot(2)
    await it.healed([0, 1, 2])
    assert await it.master() == first


async def reboot_master(it: Scenario) -> None:
    """The master is rebooted in order: another takes over, and the first one comes back as its follower."""
    first = await it.begin()
    await it.reboot(first)
    seen = await it.healed([0, 1, 2])
    assert acting(seen) != first


async def enable_undone(it: Scenario) -> None:
    """One host loses power while all are joining, and boots again: nobody is left in HA."""
    it.promised = False
    first = await it.master()
    await it.ask(first, "pool.enable_ha")
    await it.row(first, "enable.preconfiguring/all_ok")
    await it.pool.power_off(2)
    it.pool.power_on(2)
    await it.until_off()
    seen = await it.pool.until(lambda seen: not any(status["armed"] for status in seen.values()), "nobody is armed")
    assert all(status["life"] == "plain" for status in seen.values())


async def coordinator_dies_enabling(it: Scenario) -> None:
    """The coordinator loses power while the others join: whoever is master next, perhaps itself, undoes it."""
    it.promised = False
    first = await it.master()
    await it.ask(first, "pool.enable_ha")
    await it.row(first, "enable.preconfiguring/all_ok")
    await it.pool.power_off(first)
    it.pool.power_on(first)
    await it.until_off()


async def coordinator_dies_disabling(it: Scenario) -> None:
    """The coordinator loses power in the middle of a disable: it is carried through all the same."""
    first = await it.begin()
    await it.ask(first, "pool.disable_ha")
    await it.row(first, "disable.idle/disable")
    it.promised = False
    await it.pool.power_off(first)
    it.pool.power_on(first)
    await it.until_off()


async def disable(it: Scenario) -> None:
    """Through the statefile; the VMs run on."""
    first = await it.begin()
    await it.turned_off(lambda: it.ask(first, "pool.disable_ha"))


async def disable_without_statefile(it: Scenario) -> None:
    """Nobody reaches the statefile: the hosts give up their decisions one after the other, and the VMs run on."""
    first = await it.begin()
    await it.statefile_lost(0, 1, 2)
    await it.turned_off(lambda: it.ask(first, "pool.disable_ha"))
    assert any(line.get("row") == "disable.silencing/all_ok" for line in it.pool.rows(first))


async def emergency_disable(it: Scenario) -> None:
    """A follower is taken out of HA by an operator: its VMs are stopped there first, and run elsewhere."""
    await it.begin()
    await it.ask(2, "Host.emergency_disable", False)
    seen = await it.pool.until(
        lambda seen: seen[2]["daemon"] == "gone" and not seen[2]["armed"] and settled(seen), "host 2 is out"
    )
    assert master(seen)["live"] == [0, 1]
    assert seen[2]["life"] != "emergency"


async def toolstack_restarts(it: Scenario) -> None:
    """The agent of every host ends, one after the other: nothing moves."""
    first = await it.begin()
    for index in range(3):
        await it.kill_agent(index)
        await it.healed([0, 1, 2])
    assert await it.master() == first
    assert all(len(it.pool.spans(vm.name)) == 1 for vm in it.pool.pool.vms)


async def cold_boot(it: Scenario) -> None:
    """All hosts lose power at once and boot again: one master, and every VM runs."""
    await it.begin()
    await asyncio.gather(*(it.pool.power_off(index) for index in range(3)))
    for index in range(3):
        it.pool.power_on(index)
    await it.healed([0, 1, 2])


async def statefile_lost_by_one(it: Scenario) -> None:
    """A host that alone has lost the statefile is fenced, and its VMs run elsewhere."""
    first = await it.begin()
    hit = next(index for index in range(3) if index != first)
    await it.statefile_lost(hit)
    await it.dead(hit)
    await it.healed([index for index in range(3) if index != hit])


async def statefile_lost_by_all(it: Scenario) -> None:
    """Nobody is fenced and nothing moves while all have lost it; when it is back, everything is as before."""
    first = await it.begin()
    await it.statefile_lost(0, 1, 2)
    await it.calm()
    await it.statefile_back(0, 1, 2)
    seen = await it.healed([0, 1, 2])
    assert acting(seen) == first
    assert all(len(it.pool.spans(vm.name)) == 1 for vm in it.pool.pool.vms)


STORIES: tuple[Callable[[Scenario], Awaitable[Any]], ...] = (
    kill_master, kill_slave, reboot_slave, reboot_master, enable_undone, coordinator_dies_enabling,
    coordinator_dies_disabling, disable, disable_without_statefile, emergency_disable, toolstack_restarts, cold_boot,
    statefile_lost_by_one, statefile_lost_by_all,
)  # fmt: skip


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_a_scenario_keeps_every_promise(
    story: Callable[[Scenario], Awaitable[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it is about happens, and the disks show no broken promise."""
    monkeypatch.setenv(TEST_VARIABLE, "1")

    async def play() -> None:
        async with scenario(3, 3) as it:
            await story(it)

    asyncio.run(play())
