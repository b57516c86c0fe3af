"""The faults that a demonstration injects, and on which host."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from attrs import frozen

from hosts.demo.evidence import Stop
from hosts.demo.plan import Kill, Plan
from hosts.demo.running import RunningPool
from hosts.errors import PoolError
from hosts.supervisor.kernel import now


@frozen
class Fault:
    """A fault that was injected into `host` at `time` (seconds of CLOCK_BOOTTIME). `stops`: what was seen to end."""

    host: str
    time: float
    what: str
    stops: tuple[Stop, ...] = ()


def victim(pool: RunningPool, kill: Kill) -> int:
    """The host to hit: the master, or of the others the one that runs the most VMs.

    Errors: `PoolError` when nobody acts as master.
    """
    master = pool.master()
    if master is None:
        raise PoolError("nobody acts as master, so there is nothing to demonstrate; look at the logs with --keep")
    if kill == "master":
        return master.index
    homes = [said["resident"] for said in master.vms.values()]
    return max(
        (index for index in pool.alive() if index != master.index), key=lambda index: (homes.count(index), index)
    )


async def inject(pool: RunningPool, plan: Plan, index: int) -> Fault:
    """Hit that host. Errors: `PoolError` when it could not be done."""
    name, control = pool.directory.hosts[index].name, pool.control(index)
    time = now()
    pool.forget()
    match plan.how:
        case "power":
            await control.power_off()
        case "freeze":
            await control.freeze()
        case "agent" | "daemon" as program:
            await control.kill(program)
        case "partition":
            others = [other for other in pool.alive() if other != index]
            await _cut(pool, {index: others, **{other: [index] for other in others}})
    stops = (Stop(name, now(), "the demo"),) if plan.how == "agent" else ()
    return Fault(name, time, plan.injury, stops)


async def heal(pool: RunningPool) -> None:
    """Connect everybody again who lives. Errors: `PoolError` when it could not be done."""
    await _cut(pool, {index: [] for index in pool.alive()})


async def _cut(pool: RunningPool, cuts: Mapping[int, Sequence[int]]) -> None:
    await asyncio.gather(*(pool.call(at, "test.cut", peers) for at, peers in cuts.items()))
