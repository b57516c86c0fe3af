"""The ports by which a host is taken down in order: all its VMs end for certain, then its power does."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from attrs import define, field

from fsm import Operation
from hosts.agent import power_port
from hosts.agent.power_port import PowerPort
from hosts.agent.toolstack_port import ToolstackPort
from hosts.errors import PoolError
from hosts.pool_dir import PoolDir
from hosts.pool_file import PoolFile
from hosts.supervisor import HostControl, RunningVm, SupervisorClient


@define(slots=False)
class Vms(SupervisorClient):
    """A supervisor whose answer to a start waits for `answer`."""

    directory: Path = Path("/nowhere")
    answer: asyncio.Event = field(factory=asyncio.Event)
    ended: asyncio.Event = field(factory=asyncio.Event)
    runs: list[str] = field(factory=list)

    async def start_vm(self, vm: str, disk: Path, incarnation: int, host: str) -> None:
        await self.answer.wait()
        self.runs.append(vm)

    async def stop_all(self) -> None:
        self.runs.clear()
        self.ended.set()

    async def list_vms(self) -> tuple[RunningVm, ...]:
        return tuple(RunningVm(vm, 1) for vm in self.runs)

    async def vm_ended(self, vm: str) -> None:
        await self.ended.wait()


@define(slots=False)
class Control(HostControl):
    """An outer supervisor that says yes, and nothing comes of it."""

    directory: Path = Path("/nowhere")
    asked: list[str] = field(factory=list)

    async def power_off(self) -> None:
        self.asked.append("cut")

    async def shutdown(self, *, reboot: bool = False) -> None:
        self.asked.append("reboot" if reboot else "off")


def test_no_vm_starts_after_all_have_been_stopped(tmp_path: Path) -> None:
    """A start on its way is waited for and its VM stopped, too; one that comes meanwhile is refused."""

    async def story() -> None:
        vms, pool = Vms(), PoolDir.create(tmp_path / "p", PoolFile.default(2, 2), 2.0)
        port = ToolstackPort(pool, 0, vms, lambda _: None)
        for vm in ("vm1", "vm2"):
            port.expect(vm, 1)
        first, second = (Operation(f"guest[{vm}]", "toolstack", "start", {"vm": vm}) for vm in ("vm1", "vm2"))
        on_its_way = asyncio.ensure_future(port.perform(first))
        await asyncio.sleep(0)
        ending = asyncio.ensure_future(port.perform(Operation("shutdown", "toolstack", "stop_all", {})))
        await asyncio.sleep(0)
        with pytest.raises(PoolError, match="being stopped"):
            await port.perform(second)
        assert not ending.done()
        vms.answer.set()
        assert await on_its_way == ("started", {})
        assert await ending == ("stopped", {})
        assert (vms.runs, port.running) == ([], set())

    asyncio.run(story())


def test_a_power_that_answers_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is still there to hear an answer was not ended, whatever the supervisor said."""
    monkeypatch.setattr(power_port, "_DYING", 0.0)
    control = Control()
    port = PowerPort(control)
    off = [Operation("shutdown", "power", "off", {"reboot": reboot}) for reboot in (False, True)]
    for operation in (*off, Operation("shutdown", "power", "cut", {})):
        assert asyncio.run(port.perform(operation)) == ("failed", {})
        assert port.failure(operation, PoolError("no answer")) == ("failed", {})
    assert control.asked == ["off", "reboot", "cut"]
