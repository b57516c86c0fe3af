"""What `tools/chaos` does to a host of a pool: faults that happen to it, and orders that an operator gives.

Each is a coroutine function of the pool and the index of a host, and does what it can: a host that is dead already, or
an order that is refused, is no error. Whoever calls them judges the pool afterwards.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from hosts.agent.alerts_port import PROMISE, SWITCHED_OFF
from hosts.daemon.settings import SOCKET
from hosts.demo.evidence import Fence, Stop
from hosts.errors import PoolError
from hosts.supervisor import SupervisorClient
from hosts.supervisor.config import LOCK_FILE
from hosts.supervisor.jsonlines import call
from hosts.supervisor.kernel import now

if TYPE_CHECKING:
    from tools.chaotic import Chaos

Injury = Callable[["Chaos", int], Awaitable[None]]
AGENT_PAUSE = 0.25  # s after which a killed agent has been started again
OFF_LIMIT = 5.0  # s for a host to end that was switched off
STEP = 0.002  # s between two looks at a journal, to hit a host in the middle of something


async def power_off(chaos: Chaos, index: int) -> None:
    """Everything of the host is killed, and its supervisor says so."""
    await chaos.control(index).power_off()


async def crash(chaos: Chaos, index: int) -> None:
    """The host dies with its supervisor, so that nobody says so."""
    os.kill(chaos.outers[index], signal.SIGKILL)
    with open(chaos.pool.host_dir(index) / LOCK_FILE, "rb") as lock:
        while True:
            with suppress(BlockingIOError):  # every process of the host holds it
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            await asyncio.sleep(0.001)
    chaos.crashes.append(Fence(chaos.name(index), now(), "its supervisor was killed"))


async def freeze(chaos: Chaos, index: int) -> None:
    """Its programs stop, its VMs do not. Without a lease it would hang for ever, so an operator resets it."""
    await chaos.control(index).freeze()
    await asyncio.sleep(2 * chaos.pool.timeout)
    await power_off(chaos, index)


async def thaw(chaos: Chaos, index: int) -> None:
    """Its programs stop, and go on with what they knew when their time may be over."""
    stopped = await chaos.control(index).freeze()
    await asyncio.sleep(chaos.chance.random() * 2 * chaos.pool.timeout)
    processes = (await chaos.control(index).status()).processes
    for name in sorted(stopped):
        with suppress(KeyError, ProcessLookupError):
            os.kill(processes[name], signal.SIGCONT)


async def daemon(chaos: Chaos, index: int) -> None:
    """Its daemon dies."""
    await chaos.control(index).kill("daemon")


async def agent(chaos: Chaos, index: int) -> None:
    """Its agent dies."""
    await chaos.control(index).kill("agent")
    chaos.stops.append(Stop(chaos.name(index), now(), "chaos"))


async def agents(chaos: Chaos, index: int) -> None:
    """Its agent dies again and again, sometimes as soon as it lives."""
    for _ in range(chaos.chance.randint(2, 4)):
        with suppress(PoolError):
            await agent(chaos, index)
        await asyncio.sleep(AGENT_PAUSE + chaos.chance.random() * chaos.pool.timeout / 4)


async def stall(chaos: Chaos, index: int) -> None:
    """Its agent or its daemon stops for up to 3 T, and goes on with what it knew."""
    process = (await chaos.control(index).status()).processes[chaos.chance.choice(("agent", "daemon"))]
    os.kill(process, signal.SIGSTOP)
    await asyncio.sleep(chaos.chance.random() * 3 * chaos.pool.timeout)
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGCONT)


async def cut(chaos: Chaos, index: int) -> None:
    """It loses the links to some or all of the others."""
    lost = _some_others(chaos, index)
    await asyncio.gather(chaos.ask(index, "test.cut", lost), *(chaos.ask(other, "test.cut", [index]) for other in lost))


async def deaf(chaos: Chaos, index: int) -> None:
    """It hears some or all of the others no more, and they hear it."""
    await chaos.ask(index, "test.cut", [], False, _some_others(chaos, index))


async def mute(chaos: Chaos, index: int) -> None:
    """Some or all of the others hear it no more, and it hears them."""
    others = _some_others(chaos, index)
    await asyncio.gather(*(chaos.ask(other, "test.cut", [], False, [index]) for other in others))


async def flap(chaos: Chaos, index: int) -> None:
    """It loses links, and has them back soon."""
    await chaos.chance.choice((cut, deaf, mute))(chaos, index)
    await asyncio.sleep(chaos.chance.random() * 1.2 * chaos.pool.timeout)
    await chaos.heal()


async def blind(chaos: Chaos, index: int) -> None:
    """Every I/O of its daemon on the statefile fails."""
    await call(chaos.pool.host_dir(index) / SOCKET, 1.0, "cut", peers=[], statefile=True)


async def dark(chaos: Chaos, index: int) -> None:
    """It and some or all others lose the statefile at once; sometimes it comes back."""
    hit = [index, *_some_others(chaos, index)]
    if chaos.chance.random() < 0.5:
        hit = list(chaos.hosts)
    await asyncio.gather(*(blind(chaos, at) for at in hit), return_exceptions=True)
    if chaos.chance.random() < 0.7:
        await asyncio.sleep(chaos.chance.random() * 2 * chaos.pool.timeout)
        await chaos.heal()


async def vm(chaos: Chaos, index: int) -> None:
    """One of its VMs ends by itself."""
    client = SupervisorClient(chaos.pool.host_dir(index))
    running = [found.vm for found in await client.list_vms()]
    if running and await client.stop_vm(ended := chaos.chance.choice(running)):
        chaos.stops.append(Stop(chaos.name(index), now(), "chaos", ended))


async def everywhere(chaos: Chaos, index: int) -> None:
    """The same happens to all hosts at once, or almost."""
    what = chaos.chance.choice((power_off, crash, agent, daemon, shut_down, take_out, blind))
    await asyncio.gather(*(_soon(chaos, what, at) for at in chaos.hosts))


async def _soon(chaos: Chaos, what: Injury, index: int) -> None:
    await asyncio.sleep(chaos.chance.choice((0.0, 0.0, 0.1)) * chaos.chance.random() * chaos.pool.timeout)
    with suppress(PoolError, KeyError, ProcessLookupError):
        await what(chaos, index)


async def halfway(chaos: Chaos, index: int) -> None:
    """HA is switched on or off by its master, which dies or whose agent dies after some rows of it."""
    index = await chaos.master(index)
    before = _orders(chaos, index)
    await chaos.ask(index, "pool.disable_ha")
    await chaos.ask(index, "pool.enable_ha")  # one of the two is refused
    rows, limit = chaos.chance.randint(1, 6), now() + chaos.pool.timeout
    while _orders(chaos, index) < before + rows and now() < limit:
        await asyncio.sleep(STEP)
    await chaos.chance.choice((power_off, crash, agent))(chaos, index)


async def switch(chaos: Chaos, index: int) -> None:
    """An operator switches HA on or off, or both at once."""
    orders = ["pool.enable_ha", "pool.disable_ha"]
    chaos.chance.shuffle(orders)
    index = await chaos.master(index)
    for order in orders[: chaos.chance.randint(1, 2)]:
        await chaos.ask(index, order)
        await asyncio.sleep(chaos.chance.random() * chaos.pool.timeout)


async def shut_down(chaos: Chaos, index: int) -> None:
    """An operator takes it down in order; it is booted again by whoever waits for the pool."""
    await chaos.ask(index, "Host.shutdown", chaos.chance.random() < 0.5)


async def take_out(chaos: Chaos, index: int) -> None:
    """An operator takes it out of HA, softly or for good; perhaps it is put back, or its agent dies meanwhile."""
    await chaos.ask(index, "Host.emergency_disable", chaos.chance.random() < 0.5)
    await asyncio.sleep(chaos.chance.random() * chaos.pool.timeout)
    await chaos.chance.choice((agent, rejoin, _nothing))(chaos, index)


async def rejoin(chaos: Chaos, index: int) -> None:
    """An operator puts it back into HA; nothing if it is."""
    await chaos.ask(index, "Host.rejoin")


async def force_out(chaos: Chaos, index: int) -> None:
    """An operator takes it out of HA by force, and keeps the promise: its VMs run nowhere else, and no other host is
    master, for all others have been switched off, and nobody boots one before this host is off, too."""
    if await _switched_off(chaos, [other for other in chaos.hosts if other != index]):
        await chaos.ask(index, "Host.force_out", PROMISE)
        await asyncio.sleep(chaos.chance.random() * 2 * chaos.pool.timeout)
        await _switched_off(chaos, [index])


async def hold(chaos: Chaos, index: int) -> None:
    """An operator prevents restarts on the master for a while, or lets them go on."""
    seconds = chaos.chance.choice((0, 1 + chaos.chance.random() * 2 * chaos.pool.timeout))
    await chaos.ask(await chaos.master(index), "pool.prevent_restarts", seconds)


async def hand_over(chaos: Chaos, index: int) -> None:
    """An operator names it master; refused unless HA is off. Another one may be named at the same time."""
    hosts = {index, chaos.chance.choice(chaos.hosts)}
    await asyncio.gather(*(chaos.ask(at, "pool.hand_over") for at in sorted(hosts)))


async def name_master(chaos: Chaos, index: int) -> None:
    """An operator names it master by force, and keeps the promise: the hosts that need not answer have been switched
    off, and nobody boots one before it is over; the master is among them, if it is another."""
    down = {await chaos.master(index), *chaos.hosts[: chaos.chance.randint(0, 1)]} - {index}
    if await _switched_off(chaos, sorted(down)):
        await chaos.ask(index, "pool.force_master", sorted(down), SWITCHED_OFF)
        while "handover" in (await chaos.ask(index, "Host.progress", 0) or {"busy": []})["busy"]:
            await asyncio.sleep(AGENT_PAUSE)


async def _switched_off(chaos: Chaos, hosts: Sequence[int]) -> bool:
    """Switch hosts off, whatever they do; whether nothing of them runs any more."""
    for index in hosts:
        with suppress(PoolError):
            await power_off(chaos, index)
    limit = now() + OFF_LIMIT
    while set(hosts) & set(chaos.alive()):
        if now() > limit:
            return False
        await asyncio.sleep(AGENT_PAUSE)
    return True


async def _nothing(chaos: Chaos, index: int) -> None:
    """Nothing more happens to it."""


def _some_others(chaos: Chaos, index: int) -> list[int]:
    others = [other for other in chaos.hosts if other != index]
    return chaos.chance.sample(others, chaos.chance.randint(1, len(others)))


def _orders(chaos: Chaos, index: int) -> int:
    """How many rows of enable and disable the journal of a host holds."""
    text = chaos.pool.agent_journal(index).read_bytes()
    return text.count(b'"row":"enable.') + text.count(b'"row":"disable.')


FAULTS: tuple[Injury, ...] = (
    power_off, crash, freeze, thaw, daemon, agent, agents, stall, cut, deaf, mute, flap, blind, dark, vm, everywhere,
)  # fmt: skip
"""What happens to a host."""

ORDERS: tuple[Injury, ...] = (halfway, switch, shut_down, take_out, force_out, hold, hand_over)
"""What an operator does; `name_master` besides, with HA off."""
