"""The port `daemon`: the liveset daemon of this host, by its client.

The statefile says for which time HA is enabled (its generation), so that is read there before anything is asked for
which it matters: the host that enables HA anew is another one most of the time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import UUID, uuid4

from attrs import define, field

from fsm import Operation, Signal
from fsm.drivers.adapters import Outcome
from hosts.daemon.client import DaemonClient, Snapshot
from hosts.daemon.statefile import NO_STATEFILE, StatefileError, open_statefile
from hosts.pool_dir import PoolDir
from hosts.supervisor import SupervisorClient

_PAUSE = 0.2  # s, before a daemon that did not leave is asked again
_NO_GENERATION = UUID(int=0)
_FAILURES = dict.fromkeys(("start", "set_init", "set_invalid", "exclude"), "failed")
_FAILURES |= dict.fromkeys(("propose", "query"), "gone")


@define(eq=False)
class DaemonPort:
    """The daemon of host `me` of `pool`, which `supervisor` starts. It is used inside one event loop.

    `in_liveset` is told that this host has come into the liveset, before its machines are: from then on it takes no
    request that was sent when it was out. Its master may have started a VM elsewhere since, for it was not alive.
    """

    pool: PoolDir
    me: int
    supervisor: SupervisorClient
    in_liveset: Callable[[], None]
    client: DaemonClient = field(init=False)
    _quitting: set[asyncio.Task[None]] = field(factory=set, init=False)

    def __attrs_post_init__(self) -> None:
        self.client = DaemonClient(self.pool.settings(self.me, _NO_GENERATION), self.supervisor)

    @property
    def newest(self) -> Snapshot | None:
        """What the daemon said last, None while none runs."""
        return self.client.newest

    def phase(self) -> str:
        """gone, starting or live."""
        outcome = self.client.query()[0]
        return "live" if outcome == "liveset" else outcome

    async def perform(self, operation: Operation) -> Outcome:
        """Start it, or ask it; whatever it was told before is done first."""
        if self._quitting:
            await asyncio.wait(self._quitting)
        match operation.name:
            case "start":
                return await self._start()
            case "propose":
                return await self.client.propose()
            case "set_init":
                self.client.settings = self.pool.settings(self.me, uuid4())
                return await self.client.set_init()
            case "set_invalid":
                return await self._set_invalid()
            case "exclude":
                return await self._exclude()
        return await self._disarm()

    def read(self, operation: Operation) -> Outcome:
        """What the daemon pushed last; gone from the moment at which its socket closed."""
        return self.client.query()

    def signal(self, signal: Signal) -> None:
        """Quit: begun now, and over before the next operation begins."""
        task = asyncio.get_running_loop().create_task(self.client.quit())
        self._quitting.add(task)
        task.add_done_callback(self._quitting.discard)

    def failure(self, operation: Operation, error: BaseException) -> Outcome:
        """Nobody there, or it failed. A disarming has no such outcome: what is not known to be disarmed is armed."""
        return _FAILURES[operation.name], {}

    async def clear_excluded(self, promise: str) -> None:
        """As the client does; the agent may have started since the host was excluded, and knows no generation then.

        Raises:
            PoolError: why not; nothing has changed.
        """
        if self.client.query()[0] == "gone":
            await self._learn_generation()
        await self.client.clear_excluded(promise)

    async def _start(self) -> Outcome:
        try:
            await self._learn_generation()
        except StatefileError as error:
            if (await self.supervisor.daemon_status()).state != "running":
                return ("no_statefile" if error.code == NO_STATEFILE else "failed"), {}
        outcome = await self.client.start()
        if outcome[0] == "started":
            self.in_liveset()
        return outcome

    async def _disarm(self) -> Outcome:
        """Until no daemon runs: one that does not answer may still hold its lease."""
        while True:
            await self.client.quit()
            if (await self.supervisor.daemon_status()).state != "running":
                return "disarmed", {}
            await asyncio.sleep(_PAUSE)

    async def _set_invalid(self) -> Outcome:
        if self.client.query()[0] != "liveset":
            await self._learn_generation()
        return await self.client.set_invalid()

    async def _exclude(self) -> Outcome:
        """Failed where the statefile cannot be read, or the daemon or the statefile says no."""
        if self.client.query()[0] == "gone":
            await self._learn_generation()
        return await self.client.set_excluded()

    async def _learn_generation(self) -> None:
        self.client.settings = await asyncio.to_thread(self.pool.settings, self.me)


@define(eq=False)
class StoragePort:
    """The port `storage`: the statefile as host `me` of `pool` reaches it. It is open only while it is looked at, so
    that nothing is left to detach; a storage that is plugged and mounted has that to do."""

    pool: PoolDir
    me: int

    async def perform(self, operation: Operation) -> Outcome:
        """attached when the statefile is this pool's and can be read and written, else failed."""
        return await asyncio.to_thread(self._attach)

    def _attach(self) -> Outcome:
        settings = self.pool.settings(self.me)
        statefile = open_statefile(settings.statefile, settings.identity)  # for writing, too
        try:
            statefile.read()
        finally:
            statefile.close()
        return "attached", {}

    def read(self, operation: Operation) -> Outcome:
        """Attaching is not instant."""
        raise AssertionError(f"{operation.name} is not instant")

    def signal(self, signal: Signal) -> None:
        """detach: it is closed already."""

    def failure(self, operation: Operation, error: BaseException) -> Outcome:
        """It cannot be used."""
        return "failed", {}
