"""VM restart with real processes: starts that fail, best-effort VMs, restarts that an operator holds back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from tests.integration.agent_pool import AgentPool, acting, agent_pool, master, settled


def alerts(pool: AgentPool) -> list[Mapping[str, Any]]:
    """What operators have heard from all hosts."""
    logs = [pool.pool.host_dir(index) / "alerts.log" for index in range(len(pool.pool.hosts))]
    return [json.loads(line) for log in logs if log.exists() for line in log.read_text().splitlines()]


def starts(pool: AgentPool, index: int, vm: str) -> list[float]:
    """When a master asked for starts of a VM."""
    machine = f"restart[{vm}]"
    rows = [row for row in pool.rows(index) if row.get("machine") == machine and row.get("to") == "starting"]
    return [row["time"] for row in rows if row["from"] == "placing"]


def spoil(pool: AgentPool, vm: str) -> None:
    """Put something in the place of a VM's disk that is none, so that no start of it succeeds."""
    pool.pool.disk(vm).mkdir()


def mend(pool: AgentPool, vm: str) -> None:
    """Take it away again."""
    pool.pool.disk(vm).rmdir()


def test_starts_that_fail_are_tried_again_and_alerted_once() -> None:
    """The protected VM: once more at once, then with pauses, one alert, until it runs. The best-effort one: no alert,
    and it waits until a host comes back to the liveset."""

    async def story() -> None:
        async with agent_pool(2, 2) as pool:
            await pool.enable()
            for vm in ("vm1", "vm2"):
                spoil(pool, vm)
                assert (await pool.ask(0, "VM.start", vm))["accepted"]
            await pool.until(lambda s: s[0]["vms"]["vm1"]["restart"] == "throttled", "it has failed twice")
            first, second = starts(pool, 0, "vm1")
            assert second - first < 2.0
            mend(pool, "vm1")
            await pool.until(lambda s: s[0]["vms"]["vm1"]["restart"] == "settled", "it runs after its pause")
            seen = await pool.until(lambda s: s[0]["vms"]["vm2"]["restart"] == "resting", "vm2 has failed twice")
            assert seen[0]["vms"]["vm2"]["restart_priority"] == "best-effort"
            third = starts(pool, 0, "vm1")[2]
            assert third - second > 3.9
            mend(pool, "vm2")
            await pool.power_off(1)
            await pool.until(lambda s: s[0]["live"] == [0], "host 1 has left")
            pool.power_on(1)
            await pool.until(settled, "vm2 is tried again when its host is back")
            heard = [(alert["alert"], alert.get("vm")) for alert in alerts(pool)]
            assert heard.count(("restart_failed", "vm1")) == 1
            assert ("restart_failed", "vm2") not in heard
            assert [alert["who"] for alert in alerts(pool) if alert["alert"] == "hosts_failed"] == [["host2"]]
            assert not pool.overlaps()
            assert all(pool.replayed(index) for index in range(2))

    asyncio.run(story())


def test_restarts_are_held_back_and_let_go() -> None:
    """While an operator holds them back a host dies, and its VMs stay down, though the master knows; then they run at
    once. An order is taken with HA off, too."""

    async def story() -> None:
        async with agent_pool(3, 3) as pool:
            await pool.until(lambda seen: acting(seen) == 0, "a master")
            assert (await pool.ask(0, "pool.prevent_restarts", 60))["accepted"]
            assert (await pool.status(0))["hold"] == "held"
            assert (await pool.ask(0, "pool.prevent_restarts", 0))["accepted"]
            await pool.enable()
            seen = await pool.start_vms()
            lost = next(vm["resident"] for vm in seen[0]["vms"].values() if vm["resident"] != 0)
            assert (await pool.ask(0, "pool.prevent_restarts", 60))["accepted"]
            assert not (await pool.ask(0, "pool.prevent_restarts", -1))["accepted"]
            await pool.power_off(lost)
            down = [name for name, vm in seen[0]["vms"].items() if vm["resident"] == lost]
            await pool.until(lambda s: all(s[0]["vms"][vm]["resident"] is None for vm in down), "the loss is known")
            await asyncio.sleep(0.5)
            said = await pool.status(0)
            assert all(said["vms"][vm]["restart"] == "halted" for vm in down)
            assert (await pool.ask(0, "pool.prevent_restarts", 0))["accepted"]
            await pool.until(settled, "they run again")
            assert not pool.overlaps()
            assert master(await pool.until(settled, "settled"))["hold"] == "free"

    asyncio.run(story())
