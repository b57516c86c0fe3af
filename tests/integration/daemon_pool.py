"""Daemons for tests: hosts with real supervisors and daemons, and the clients that their agents would use."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from uuid import uuid4

from attrs import define, field

from hosts.daemon.client import DaemonClient, Outcome, Snapshot
from hosts.daemon.obituary import publish_obituary
from hosts.daemon.process import main, specs_for
from hosts.daemon.settings import Address, Settings
from hosts.errors import PoolError
from hosts.secret import create_secret
from hosts.supervisor import HostConfig, HostControl, Obituary, SupervisorClient, start_host
from hosts.supervisor.kernel import now

PATIENCE = 20.0  # s, for what takes two at most on an idle machine


def free_addresses(n: int) -> tuple[Address, ...]:
    """Loopback addresses with UDP ports that were free a moment ago."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(n)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return tuple(each.getsockname() for each in sockets)
    finally:
        for each in sockets:
            each.close()


def bury(settings: Settings, message: bool, obituary: Obituary) -> None:
    """What a supervisor does with an obituary; without `message` it keeps it to itself."""
    if message and obituary.incarnation is not None:
        publish_obituary(settings, obituary.incarnation)


@define
class DaemonPool:
    """A pool of hosts with a daemon each."""

    directory: Path
    settings: tuple[Settings, ...]
    processes: dict[int, int] = field(factory=dict)
    clients: dict[int, DaemonClient] = field(factory=dict)
    seen: dict[int, list[tuple[float, Snapshot | None]]] = field(factory=dict)

    def power_on(self, host: int, obituaries: bool = True, fencing: bool = True) -> None:
        """Start the supervisor of a host; `obituaries` False is one that dies with its host."""
        settings = self.settings[host]
        config = HostConfig(f"h{host}", settings.directory, partial(bury, settings, obituaries), fencing)
        self.processes[host] = start_host(config, {"daemon": main})
        self.seen[host] = []
        self.clients[host] = DaemonClient(
            settings, SupervisorClient(settings.directory), lambda s: self.seen[host].append((now(), s))
        )

    async def start(self, hosts: Iterable[int]) -> list[Outcome]:
        """Start the daemons of these hosts at once; their outcomes."""
        return await asyncio.gather(*(self.clients[host].start() for host in hosts))

    def live(self, host: int) -> set[int]:
        """The liveset as the agent of a host sees it; empty when there is none."""
        newest = self.clients[host].newest
        return set(newest.live) if newest else set()

    def marked(self, host: int) -> object:
        """Who is master, as the daemon tells the agent of a host."""
        return self.clients[host].query()[1].get("marked")

    async def until(self, met: Callable[[], bool]) -> float:
        """Wait until something is so and return when; fails after a long while."""
        async with asyncio.timeout(PATIENCE):
            while not met():
                await asyncio.sleep(0.005)
        return now()

    def dead(self, host: int) -> bool:
        """The supervisor of a host has buried it."""
        found = os.waitid(os.P_PID, self.processes[host], os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return found is not None

    def control(self, host: int) -> HostControl:
        """The operator's requests to a host."""
        return HostControl(self.settings[host].directory)

    async def off(self) -> None:
        """End every host that is left."""
        for client in self.clients.values():
            await client.close()
        for host, process in self.processes.items():
            if not self.dead(host):
                with suppress(PoolError):
                    await self.control(host).shutdown()
            os.waitpid(process, 0)


@asynccontextmanager
async def daemon_pool(
    n: int, target: float = 2.0, obituaries: bool = True, fencing: bool = True
) -> AsyncIterator[DaemonPool]:
    """A pool of `n` hosts that are switched on, with a fresh statefile; no daemon runs yet."""
    directory = Path(tempfile.mkdtemp(prefix="ls"))  # short: paths of unix sockets are
    create_secret(directory / "secret")
    pool, generation, hosts, addresses = uuid4(), uuid4(), tuple(uuid4() for _ in range(n)), free_addresses(n)
    settings = tuple(
        Settings(
            me=me, pool=pool, generation=generation, hosts=hosts, addresses=addresses, target=target,
            statefile=directory / "statefile", secret=directory / "secret", directory=directory / f"h{me}",
        )
        for me in range(n)
    )  # fmt: skip
    daemons = DaemonPool(directory, settings)
    specs_for(settings[0].timing)
    try:
        for host in range(n):
            daemons.power_on(host, obituaries, fencing)
        assert (await daemons.clients[0].set_init()) == ("ok", {})
        yield daemons
    finally:
        await daemons.off()
        shutil.rmtree(directory)
