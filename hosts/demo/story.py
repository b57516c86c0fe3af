"""A demonstration from beginning to end: enable, start the VMs, break something, follow, disable, stop.

It asks and waits, and judges nothing: whether promises held is read from the disk when all has ended (findings.py).
Every step has a limit. Whatever happens, Ctrl-C included, nothing is left running when `play` returns or raises.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection
from contextlib import suppress

from attrs import define, field

from hosts.demo.evidence import Disable
from hosts.demo.fault import Fault, heal, inject, victim
from hosts.demo.plan import Plan
from hosts.demo.progress import Progress
from hosts.demo.promises import STILL_WRITING
from hosts.demo.running import CALL, POLL, RunningPool
from hosts.pool_dir import PoolDir
from hosts.supervisor.kernel import now

TEST = "LIVESET_TEST"
"""Set to 1: agents accept test.cut."""

CALM = STILL_WRITING + 0.5
"""Seconds: less, and a VM that writes no more could not be told from one that does."""


class Failed(Exception):
    """The pool did not do what was waited for. The message says what, in one line."""


@define(eq=False)
class Story:
    """One run and what only it knows afterwards; times are seconds of CLOCK_BOOTTIME.

    begun: when. ready: HA was on, so there is something to be judged. fault: None when none was injected. until: when
    VMs were still to be running. failures: what was waited for in vain. unplaced: VM -> why it had no host at the end.
    """

    plan: Plan
    directory: PoolDir
    progress: Progress
    begun: float = field(factory=now, init=False)
    ready: bool = field(default=False, init=False)
    fault: Fault | None = field(default=None, init=False)
    disable: Disable | None = field(default=None, init=False)
    until: float | None = field(default=None, init=False)
    failures: list[str] = field(factory=list, init=False)
    unplaced: dict[str, str] = field(factory=dict, init=False)
    pool: RunningPool = field(init=False)
    _bearable: int = field(default=0, init=False)

    async def play(self) -> None:
        """Carry out the plan. Errors: `PoolError` when the hosts could not be started or reached."""
        self.pool = RunningPool(self.directory)
        try:
            with suppress(Failed):  # it is in `failures`; what can be shown all the same is shown
                await self._begin()
                await self._enable()
                self.ready = True
                await self._start_vms()
                await self._settle()
                await self._break()
            if self.plan.fencing and self._ha() == "on":  # without fencing there is a master too many
                with suppress(Failed):
                    await self._disable()
            self.until = now()
            await self._stop()
        finally:
            await self.pool.kill()

    async def _begin(self) -> None:
        if self.plan.how == "partition":
            os.environ[TEST] = "1"  # inherited by the agents
        count = len(self.directory.hosts)
        async with self.progress.step(f"starting {_count(count, 'host')}", self._answering) as step:
            await self.pool.start(self.plan.fencing)
            await self._wait("the agents do not get ready", lambda: len(self.pool.seen) == count and self._acts())
            step.done = f"{_count(count, 'host')} up, {self._master()} is master"

    async def _enable(self) -> None:
        begun: list[str] = []  # what the operation has been seen in

        def enabled() -> bool:
            if (ha := self._ha()) and ha != "off":
                begun.append(ha)
            if begun and ha == "off":
                raise self._fail("HA was not enabled, and the attempt was undone")
            return ha == "on"

        async with self.progress.step("enabling HA", self._answering) as step:
            await self._ask("pool.enable_ha")
            await self._wait("HA was not enabled", enabled)
            step.done = "HA is on, with every host in the liveset"

    async def _start_vms(self) -> None:
        wanted = self.plan.wanted
        async with self.progress.step(f"starting {_count(len(wanted), 'VM')}", lambda: self._running(wanted)) as step:
            for vm in wanted:
                await self._ask("VM.start", vm)
            await self._wait("not every VM that fits was started", lambda: self._placed(wanted))
            step.done = f"VMs running: {self._running(wanted)}; protected: {self._running(self.plan.protected)}"

    async def _break(self) -> None:
        if self.plan.kill == "none":
            return
        index = victim(self.pool, self.plan.kill)
        self.fault = await inject(self.pool, self.plan, index)
        self.progress.say("!", f"{self.fault.host} {self.fault.what}", "bold yellow")
        self._bearable = int(self.plan.fatal)
        doing = "waiting for a master and all protected VMs"
        async with self.progress.step(doing, lambda: self._running(self.plan.protected)) as step:
            await self._wait("the pool did not recover", lambda: self._recovered(index))
            step.done = f"{self._master()} is master; protected VMs running: {self._running(self.plan.protected)}"
        await self._settle()
        if self.plan.how == "partition" and self.plan.fencing:
            await heal(self.pool)  # else every call to the dead host waits as long as for a living one

    async def _settle(self) -> None:
        """Leave the pool alone for T: nothing may happen, and the disks show that VMs run on."""
        calm = max(self.plan.timeout, CALM)
        seconds = f"{calm:g} s"
        async with self.progress.step(f"leaving the pool alone for {seconds}", length=calm) as step:
            await self._follow(lambda: False, calm)
            step.done = f"left alone for {seconds}"

    async def _disable(self) -> None:
        self.unplaced.update(self.pool.unplaced())
        self._bearable = len(self.pool.dead())
        async with self.progress.step("disabling HA", self._answering) as step:
            self.disable = Disable(now(), None)
            await self._ask("pool.disable_ha")
            await self._wait("HA was not disabled", lambda: self._ha() == "off")
            self.disable = Disable(self.disable.asked, now())
            step.done = "HA is off"

    async def _stop(self) -> None:
        async with self.progress.step("stopping VMs and hosts") as step:
            await self.pool.stop()
            step.done = "VMs and hosts stopped"

    # -- asking and waiting

    async def _ask(self, method: str, *params: str) -> None:
        """Ask the master until it accepts: a machine may be busy. Errors: `Failed` with the last refusal."""
        until = now() + CALL
        while True:
            why = "nobody acts as master"
            if master := self.pool.master():
                said = await self.pool.call(master.index, method, *params)
                if said["accepted"]:
                    return
                why = str(said["why"])
            if now() > until:
                raise self._fail(f"{' '.join((method, *params))} was refused: {why}")
            await asyncio.sleep(POLL)

    async def _wait(self, otherwise: str, done: Callable[[], bool]) -> None:
        """Wait for what must come. Errors: `Failed` when it does not."""
        if not await self._follow(done, self.plan.limit):
            raise self._fail(f"{otherwise} within {self.plan.limit:g} s: {self._lives()}")

    async def _follow(self, done: Callable[[], bool], limit: float) -> bool:
        """Look until it is so, or for `limit` seconds; whether it is so. Errors: `Failed` when a host dies that was
        not to die."""
        until = now() + limit
        while not done():
            self.pool.check()
            if len(self.pool.dead()) > self._bearable:
                names = " and ".join(self.directory.hosts[index].name for index in sorted(self.pool.dead()))
                raise self._fail(f"{names} died, and that was not to happen")
            if now() > until:
                return False
            await asyncio.sleep(POLL / 4)
        return True

    def _fail(self, why: str) -> Failed:
        self.failures.append(why)
        self.progress.say("✗", why, "bold red")
        return Failed(why)

    # -- looking

    def _acts(self) -> bool:
        return self.pool.master() is not None

    def _ha(self) -> str | None:
        master = self.pool.master()
        return master.ha if master else None

    def _placed(self, vms: Collection[str]) -> bool:
        """Each of them runs, or the master says why it cannot."""
        unplaced = self.pool.unplaced()
        return all(self.pool.runs(vm) or vm in unplaced for vm in vms)

    def _recovered(self, hit: int) -> bool:
        """A master acts, whoever is in its liveset serves, whoever is not is dead, and the protected VMs run."""
        master, seen = self.pool.master(), self.pool.seen
        if (
            master is None
            or not master.live
            or not all(index in seen and seen[index].life == "running" for index in master.live)
        ):
            return False
        if self.plan.fatal and (set(self.pool.alive()) != master.live or len(master.live) == len(self.directory.hosts)):
            return False
        if not self.plan.fencing and hit in master.live:
            return False
        return self._placed(self.plan.protected)

    def _master(self) -> str:
        master = self.pool.master()
        return self.directory.hosts[master.index].name if master else "nobody"

    def _running(self, vms: Collection[str]) -> str:
        return f"{sum(self.pool.runs(vm) for vm in vms)} of {len(vms)}"

    def _answering(self) -> str:
        return f"{len(self.pool.seen)} of {len(self.directory.hosts)} answer"

    def _lives(self) -> str:
        """Each host with what its agent says of itself."""
        seen, dead = self.pool.seen, self.pool.dead()
        told = (
            f"{host.name} {'dead' if index in dead else seen[index].life if index in seen else 'silent'}"
            for index, host in enumerate(self.directory.hosts)
        )
        return ", ".join(told)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
