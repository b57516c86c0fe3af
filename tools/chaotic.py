"""A pool that `tools/chaos` breaks: its hosts, the faults, and the judgement of what is on the disks.

The promises are those of `hosts.demo.promises`. What only this process has seen (an agent that it killed, the death of
a host whose supervisor it killed) is added to the evidence.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from attrs import define, evolve, field

from fsm import specs
from fsm.drivers.replay import replay
from hosts import host
from hosts.demo.evidence import Disable, Fence, Stop
from hosts.demo.findings import gather, words
from hosts.demo.promises import judge
from hosts.errors import PoolError
from hosts.pool_dir import PoolDir
from hosts.rpc import Door, Failure, Unanswered
from hosts.secret import read_secret
from hosts.supervisor import HostControl
from hosts.supervisor.kernel import now
from tools.injuries import FAULTS, ORDERS, Injury, hand_over, name_master, rejoin

Status = Mapping[str, Any]
LIMIT = 60.0  # s, for what takes a few at most: a join may have to wait for its deadline and begin again
POLL = 0.05
ERROR = re.compile(r"^\S+ (agent|daemon): |Traceback|^\S+ process \d+ failed", re.M)
EXPECTED = re.compile(r"term \d+ is over")
LIVENESS_OF_RUN = frozenset({"L2"})  # a disable during which a host is shot is not clean, and need not be


class Broken(Exception):
    """A promise was not kept."""


@define(eq=False)
class Chaos:
    """One pool and what is done to it.

    Fields:
        outers: the outer supervisors of the hosts that were started, by index; all are children of this process.
        stops, crashes: deaths that the pool's own files do not tell of.
    """

    pool: PoolDir
    chance: random.Random
    say: Callable[[str], None]
    outers: dict[int, int] = field(factory=dict)
    doors: dict[int, Door] = field(factory=dict)
    stops: list[Stop] = field(factory=list)
    crashes: list[Fence] = field(factory=list)

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
            await self._rejoined(seen)
            await asyncio.sleep(POLL)

    async def _rejoined(self, seen: Mapping[int, Status]) -> None:
        """Put back into HA what an operator took out: a host that waits for it, or that HA goes on without."""
        on = any(status["ha"] == "on" for status in seen.values())
        outside = [s["index"] for s in seen.values() if s["life"] == "out" or (not s["armed"] and _lost(s, on))]
        await asyncio.gather(*(rejoin(self, index) for index in outside))

    async def master(self, otherwise: int) -> int:
        """The host that acts as master, if there is one that says so."""
        return int(_master(await self.seen()).get("index", otherwise))

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

    # -- a round

    async def heal(self) -> None:
        """Everybody who lives hears everybody and has the statefile."""
        await asyncio.gather(*(self.ask(index, "test.cut", []) for index in self.alive()))

    async def round(self) -> None:
        """Up, broken, perhaps again before all is well, up again, judged. Errors: `Broken`."""
        stage = self.chance.choice(("on", "on", "on", "on", "enabling", "disabling", "off"))
        master = await self.up()
        if stage != "on":
            await self._disable(master, wait=stage != "disabling")
        if stage == "enabling":
            await self.ask(master, "pool.enable_ha")
        await asyncio.sleep(self.chance.random() * self.pool.timeout / 2)
        for _ in range(self.chance.choice((1, 1, 2, 4))):
            first = master if self.chance.random() < 0.6 else self.chance.choice(self.hosts)
            victims = [first, *self.chance.choices(self.hosts, k=self.chance.choice((0, 1, 1, 2)))]
            await asyncio.gather(*(self._break(self._injury(stage), victim, stage) for victim in victims))
            await asyncio.sleep(self.chance.random() * 2 * self.pool.timeout)
            if self.chance.random() < 0.6:
                self.boot()
        await self.heal()
        seen = await self.until(self._steady, "one master, all hosts serving, and HA on or off")
        on = _master(seen)["ha"] == "on"
        if on:
            await self.until(self._settled, "all VMs running")
        await self._judge(on)

    def _injury(self, stage: str) -> Injury:
        """A fault, or an order; a change of master is ordered where it is not refused."""
        if stage == "off" and self.chance.random() < 0.4:
            return self.chance.choice((hand_over, hand_over, name_master))
        return self.chance.choice(FAULTS if self.chance.random() < 0.6 else ORDERS)

    async def _disable(self, master: int, wait: bool) -> None:
        await self.ask(master, "pool.disable_ha")
        if wait:
            await self.until(lambda seen: self._steady(seen, "off"), "HA off")
            await self._judge(False)

    async def _break(self, fault: Injury, index: int, stage: str) -> None:
        await asyncio.sleep(self.chance.choice((0.0, 1.0)) * self.chance.random() * self.pool.timeout)
        self.say(f"{fault.__name__} of {self.name(index)} ({stage})")
        with suppress(PoolError, KeyError, ProcessLookupError):  # it is dead already, or its agent is
            await fault(self, index)

    async def _judge(self, on: bool) -> None:
        """Judge all that is on the disks, with HA on or off now. Errors: `Broken`."""
        ended = now()
        await asyncio.sleep(self.pool.timeout)  # nothing may happen now
        until, found = now(), gather(self.pool)
        evidence = evolve(
            found,
            fences=(*found.fences, *self.crashes),
            stops=tuple(self.stops),
            protected=tuple(vm.name for vm in self.pool.vms if on),
            until=until,
            disable=None if on else Disable(ended, ended),
        )
        for verdict in judge(evidence, words()):
            if verdict.word == "BROKEN" and verdict.promise not in LIVENESS_OF_RUN:
                raise Broken("\n    ".join((f"{verdict.promise} {verdict.claim}: {verdict.evidence}", *verdict.proof)))
        for index in self.hosts:
            log = (self.pool.host_dir(index) / "supervisor.log").read_text()
            complaints = [line for line in log.splitlines() if ERROR.search(line) and not EXPECTED.search(line)]
            if complaints:
                raise Broken(f"{self.name(index)} complains: {complaints[0]}")

    def replayed(self) -> int:
        """How many rows of all journals come out the same when their events are replayed: all. Errors: `Broken`."""
        rows = 0
        for journal in (
            of(index) for of in (self.pool.agent_journal, self.pool.daemon_journal) for index in self.hosts
        ):
            with journal.open() as lines:
                result = replay(lines, specs(), str(journal))
            if result.divergence is not None:
                raise Broken(f"{journal} does not replay: {result.divergence}")
            rows += result.rows
        return rows

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


def _lost(status: Status, on: bool) -> bool:
    """Whether a host that is not armed needs somebody to arm it."""
    return status["life"] == "plain" if on else status["life"] in ("asking", "emergency")


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
    chaos.say(f"{chaos.replayed()} rows of all journals replayed")
