"""Calls that dawdled in the network while their caller went on."""

from __future__ import annotations

import asyncio

from hosts.agent.calls import OVERTAKEN
from hosts.agent.host_store import JsonHostStore
from hosts.rpc import HostCalls, Refused
from hosts.rpc.wire import SESSION_INVALID
from hosts.secret import read_secret
from tests.integration.agent_pool import agent_pool, settled
from tests.rpc_host import ask, in_thread


def test_the_clean_up_of_a_former_time_of_ha_comes_too_late() -> None:
    """HA is enabled again when a release of the disable before arrives, in the term of the master that still reigns. It
    is not carried out: a host that left now would leave its VMs running, and the master would start them elsewhere."""

    async def story() -> None:
        async with agent_pool(2, 2) as pool:
            await pool.enable()
            seen = await pool.start_vms()
            life = JsonHostStore(pool.pool.host_dir(0) / "host.json").load()["lives"]
            addresses = {1: pool.pool.address(1)}
            secret = read_secret(pool.pool.secret)
            late = HostCalls(0, addresses, secret, lambda: int(seen[0]["term"]), set(), str(life))
            assert await late.call(1, "release", {"master": 0}, 5.0, "disable") == Refused(
                OVERTAKEN, (f"{life}.1.disable",)
            )
            await late.close()
            seen = await pool.until(settled, "nothing has changed")
            assert (seen[1]["daemon"], seen[1]["armed"], seen[0]["live"]) == ("live", True, [0, 1])
            assert all(len(pool.spans(vm.name)) == 1 for vm in pool.pool.vms)

    asyncio.run(story())


def test_a_request_from_before_a_host_came_into_the_liveset_comes_too_late() -> None:
    """A start of a VM that was sent when the host was out of the liveset is refused once it is in: its master may have
    started the VM elsewhere meanwhile, because the host was not alive."""

    async def story() -> None:
        async with agent_pool(2, 2) as pool:
            address, secret = pool.pool.address(1), read_secret(pool.pool.secret)
            await pool.until(lambda seen: True, "the agents answer")
            session = (await in_thread(ask, address, "session.login_with_password", "pool", secret))["result"]
            await pool.enable()
            seen = await pool.start_vms()
            vm, term = pool.pool.vms[0].name, seen[0]["term"]
            late = (session, 1, 0, f"9.1.restart[{vm}]", term, {"vm": vm, "incarnation": 10**12})
            answer = await in_thread(ask, address, "host.start_vm", *late)
            assert answer["error"]["message"] == SESSION_INVALID
            assert all(len(pool.spans(vm.name)) == 1 for vm in pool.pool.vms)

    asyncio.run(story())
