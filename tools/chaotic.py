"""A pool that `tools/chaos` breaks: its hosts, the faults, and the judgement of what is on the disks.

The promises are those of `hosts.demo.promises`. What only this process has seen (an agent that it killed, the death of
a host whose supervisor it killed) is added to the evidence.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from attrs import define, evolve, field

from hosts import host
from hosts.daemon.settings import SOCKET
from hosts.demo.evidence import Disable, Fence, Stop
from hosts.demo.findings import gather, words
from hosts.demo.promises import judge
from hosts.errors import PoolError
from hosts.pool_dir import PoolDir
from hosts.rpc import Door, Failure, Unanswered
from hosts.secret import read_secret
from hosts.supervisor import HostControl
from hosts.supervisor.config import LOCK_FILE
from hosts.supervisor.jsonlines import call
from hosts.supervisor.kernel import now

Status = Mapping[str, Any]
LIMIT = 60.0  # s, for what takes a few at most: a join may have to wait for its deadline and begin again
POLL = 0.05
AGENT_PAUSE = 0.25  # s after which a killed agent has been started again
LIVENESS_OF_RUN = frozenset({"L2"})  # a disable during which a host is shot is not clean, and need not be


class Broken(Exception):
    """A promise was not kept."""


@define(eq=False)
class Chaos:
    """One pool and what is done to it.

    Fields:
        outers: the outer supervisors of the hosts that were started, by index; all are children of this process.
        stops, crashes: deaths that the pool's own files do not tell of.
        disabled: when HA was last asked to be disabled.
    """

    pool: PoolDir
    chance: random.Random
    say: Callable[[str], None]
    outers: dict[int, int] = field(factory=dict)
    doors: dict[int, Door] = field(factory=dict)
    stops: list[Stop] = field(factory=list)
    crashes: list[Fence] = field(factory=list)
    disabled: float | None = None

    # -- hosts

    @property
    def hosts(self) -> range:
        """The indices of all hosts."""
        return range(len(self.pool.hosts))

    def name(self, index: int) -> str:
        """The name of a host."""
        return self.pool.hosts[index].name

    def control(self, index: int) -> HostControl:
        """The operator's requests to a host."""
        return HostControl(self.pool.host_dir(index))

    def alive(self) -> list[int]:
        """The hosts of which something runs; those that have ended are reaped."""
        for index, process in list(self.outers.items()):
            if os.waitpid(process, os.WNOHANG)[0]:
                del self.outers[index]
        return [index for index in self.hosts if index in self.outers]

    def boot(self) -> None:
        """Start every host of which nothing runs."""
        for index in set(self.hosts) - set(self.alive()):
            self.say(f"{self.name(index)} boots")
            self.outers[index] = host.start(self.pool, index)

    async def ask(self, index: int, method: str, *params: Any, timeout: float = 1.0) -> Any:
        """A public call to an agent; None when it is not answered."""
        door = self.doors.setdefault(index, Door(self.pool.address(index), read_secret(self.pool.secret)))
        with suppress(Unanswered, Failure):
            return await door.request(method, *params, timeout=timeout)

    async def seen(self) -> dict[int, Status]:
        """What the agents that answer say of themselves."""
        hosts = self.alive()
        answers = await asyncio.gather(*(self.ask(index, "pool.status") for index in hosts))
        return {index: answer for index, answer in zip(hosts, answers, strict=True) if answer}

    async def until(self, met: Callable[[Mapping[int, Status]], bool], what: str) -> Mapping[int, Status]:
        """Wait until the hosts say what is waited for, and boot those that die meanwhile. Errors: `Broken`."""
        deadline = now() + LIMIT
        while True:
            self.boot()
            seen = await self.seen()
            if met(seen):
                return seen
            if now() > deadline:
                raise Broken(f"not in {LIMIT:g} s: {what}; {_told(seen)}")
            await asyncio.sleep(POLL)

    # -- the pool up

    async def up(self) -> int:
        """Every host runs, HA is on, and every VM runs; the master then. Errors: `Broken`."""
        seen = await self.until(lambda seen: self._steady(seen), "one master, all hosts serving, and HA on or off")
        if _master(seen).get("ha") == "off":
            await self.ask(_master(seen)["index"], "pool.enable_ha")
            seen = await self.until(lambda seen: self._steady(seen, "on"), "HA on, all in the liveset")
        for vm in self.pool.vms:
            if _master(seen)["vms"][vm.name]["restart"] == "halted":
                await self.ask(_master(seen)["index"], "VM.start", vm.name)
        return int(_master(await self.until(self._settled, "HA on and all VMs running"))["index"])

    def _steady(self, seen: Mapping[int, Status], *allowed: str) -> bool:
        ha, rest = _master(seen).get("ha"), "plain" if _master(seen).get("ha") == "off" else "running"
        if len(seen) < len(self.hosts) or ha not in (allowed or ("on", "off")):
            return False
        live = [list(self.hosts)] if ha == "on" else [None]
        return all(
            s["life"] == rest and s["role"] == _master(seen)["index"] and s["live"] in live for s in seen.values()
        )

    def _settled(self, seen: Mapping[int, Status]) -> bool:
        return self._steady(seen, "on") and all(
            vm["restart"] == "settled" and seen[vm["resident"]]["vms"][name]["guest"] == "running"
            for name, vm in _master(seen)["vms"].items()
        )

    # -- faults, each of one host

    async def power_off(self, index: int) -> None:
        """Everything of the host is killed, and its supervisor says so."""
        await self.control(index).power_off()

    async def crash(self, index: int) -> None:
        """The host dies with its supervisor, so that nobody says so."""
        os.kill(self.outers[index], signal.SIGKILL)
        with open(self.pool.host_dir(index) / LOCK_FILE, "rb") as lock:
            while True:
                with suppress(BlockingIOError):  # every process of the host holds it
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                await asyncio.sleep(0.001)
        self.crashes.append(Fence(self.name(index), now(), "its supervisor was killed"))

    async def freeze(self, index: int) -> None:
        """Its programs stop, its VMs do not. Without a lease it would hang for ever, so an operator resets it."""
        await self.control(index).freeze()
        await asyncio.sleep(2 * self.pool.timeout)
        await self.power_off(index)

    async def daemon(self, index: int) -> None:
        """Its daemon dies."""
        await self.control(index).kill("daemon")

    async def agent(self, index: int) -> None:
        """Its agent dies."""
        await self.control(index).kill("agent")
        self.stops.append(Stop(self.name(index), now(), "chaos"))

    async def agents(self, index: int) -> None:
        """Its agent dies again and again, sometimes as soon as it lives."""
        for _ in range(self.chance.randint(2, 4)):
            with suppress(PoolError):
                await self.agent(index)
            await asyncio.sleep(AGENT_PAUSE + self.chance.random() * self.pool.timeout / 4)

    async def stall(self, index: int) -> None:
        """Its agent stops for up to 3 T, and goes on with what it knew."""
        process = (await self.control(index).status()).processes["agent"]
        os.kill(process, signal.SIGSTOP)
        await asyncio.sleep(self.chance.random() * 3 * self.pool.timeout)
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGCONT)

    async def cut(self, index: int) -> None:
        """It loses the links to some or all of the others."""
        others = [other for other in self.hosts if other != index]
        lost = self.chance.sample(others, self.chance.randint(1, len(others)))
        await asyncio.gather(
            self.ask(index, "test.cut", lost), *(self.ask(other, "test.cut", [index]) for other in lost)
        )

    async def blind(self, index: int) -> None:
        """Every I/O of its daemon on the statefile fails."""
        await call(self.pool.host_dir(index) / SOCKET, 1.0, "cut", peers=[], statefile=True)

    async def flap(self, index: int) -> None:
        """It loses links, and has them back soon."""
        await self.cut(index)
        await asyncio.sleep(self.chance.random() * 1.2 * self.pool.timeout)
        await self.heal()

    async def heal(self) -> None:
        """Everybody who lives hears everybody and has the statefile."""
        await asyncio.gather(*(self.ask(index, "test.cut", []) for index in self.alive()))

    # -- a round

    async def round(self) -> None:
        """Up, broken, up again, judged. Errors: `Broken`."""
        stage = self.chance.choice(("on", "on", "on", "enabling", "disabling"))
        master = await self.up()
        if stage != "on":
            await self._disable(master, wait=stage == "enabling")
        if stage == "enabling":
            await self.ask(master, "pool.enable_ha")
        await asyncio.sleep(self.chance.random() * self.pool.timeout / 2)
        faults: tuple[Callable[[int], Awaitable[None]], ...] = (
            self.power_off, self.crash, self.freeze, self.daemon, self.agent,
            self.agents, self.stall, self.cut, self.flap, self.blind,
        )  # fmt: skip
        first = master if self.chance.random() < 0.6 else self.chance.choice(self.hosts)
        victims = [first, *self.chance.choices(self.hosts, k=self.chance.choice((0, 1, 1)))]
        await asyncio.gather(*(self._break(self.chance.choice(faults), victim, stage) for victim in victims))
        await asyncio.sleep(self.chance.random() * 2 * self.pool.timeout)
        await self.heal()
        seen = await self.until(self._steady, "one master, all hosts serving, and HA on or off")
        on = _master(seen)["ha"] == "on"
        if on:
            await self.until(self._settled, "all VMs running")
        await self._judge(on)

    async def _disable(self, master: int, wait: bool) -> None:
        self.disabled = now()
        await self.ask(master, "pool.disable_ha")
        if wait:
            await self.until(lambda seen: self._steady(seen, "off"), "HA off")
            await self._judge(False)

    async def _break(self, fault: Callable[[int], Awaitable[None]], index: int, stage: str) -> None:
        await asyncio.sleep(self.chance.choice((0.0, 1.0)) * self.chance.random() * self.pool.timeout)
        self.say(f"{fault.__name__} of {self.name(index)} ({stage})")
        with suppress(PoolError, KeyError, ProcessLookupError):  # it is dead already, or its agent is
            await fault(index)

    async def _judge(self, on: bool) -> None:
        """Judge all that is on the disks, with HA on or off now. Errors: `Broken`."""
        asked, ended = self.disabled, now()
        await asyncio.sleep(self.pool.timeout)  # nothing may happen now
        until, found = now(), gather(self.pool)
        evidence = evolve(
            found,
            fences=(*found.fences, *self.crashes),
            stops=tuple(self.stops),
            protected=tuple(vm.name for vm in self.pool.vms if on),
            until=until,
            disable=None if on or asked is None else Disable(asked, ended),
        )
        for verdict in judge(evidence, words()):
            if verdict.word == "BROKEN" and verdict.promise not in LIVENESS_OF_RUN:
                raise Broken("\n    ".join((f"{verdict.promise} {verdict.claim}: {verdict.evidence}", *verdict.proof)))

    async def off(self) -> None:
        """End every host."""
        for door in self.doors.values():
            await door.close()
        for process in (self.outers[index] for index in self.alive()):
            os.kill(process, signal.SIGKILL)  # its host dies with it
            os.waitpid(process, 0)


def _master(seen: Mapping[int, Status]) -> Status:
    """What the acting master says; empty when none or several do."""
    acting = [status for status in seen.values() if status["acting"]]
    return acting[0] if len(acting) == 1 else {}


def _told(seen: Mapping[int, Status]) -> str:
    keys = ("life", "role", "acting", "ha", "armed", "live", "daemon", "term")
    return "; ".join(
        f"{s['host']} {[s[k] for k in keys]} {[v['restart'] for v in s['vms'].values()]}" for s in seen.values()
    )


async def run(chaos: Chaos, rounds: int) -> None:
    """So many rounds, and the end of every host. Errors: `Broken`."""
    try:
        for number in range(1, rounds + 1):
            chaos.say(f"round {number}")
            await chaos.round()
    finally:
        await chaos.off()
