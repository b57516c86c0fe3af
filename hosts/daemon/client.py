"""What the agent of a host uses of its daemon: the operations of `specs/ports/daemon.yaml`, as (outcome, payload).

The daemon pushes a snapshot at every change, so `query` is answered at once from the newest. Whatever cannot be asked
of a daemon because none runs is written to the statefile by the agent itself: a fresh one (`set_init`), "invalid",
exclusion.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress

from attrs import define, field, frozen

from fsm.language.domains import Value
from hosts.daemon.layout import PoolState
from hosts.daemon.notices import clear_excluded, declare, exclude, watched
from hosts.daemon.settings import SOCKET, Settings
from hosts.daemon.statefile import INVALID, NO_STATEFILE, StatefileError, create_statefile, open_statefile
from hosts.errors import PoolError
from hosts.supervisor import SupervisorClient
from hosts.supervisor.config import socket_path
from hosts.supervisor.jsonlines import call

Outcome = tuple[str, Mapping[str, Value]]
GONE: Outcome = ("gone", {})
_LINE_BYTES = 65536
_POLL_SECONDS = 0.02


@frozen
class Snapshot:
    """What the daemon says of itself.

    Arguments:
        phase: starting (not live yet), live, or ending (leaving or about to fence).
        live: its liveset, empty unless it is live.
        incarnations: of each other member; a member that was reborn has another.
        marked: the host that is marked as master on the statefile, None before there was one.
        holder: the host that holds the master lock, or is marked and asks for it, as far as the last read showed.
        statefile: this host has it.
        pool: pool state: none, init, active or invalid.
    """

    phase: str
    live: frozenset[int]
    incarnations: Mapping[int, int]
    marked: int | None
    holder: int | None
    statefile: bool
    pool: str


def snapshot_of(fields: Mapping[str, object]) -> Snapshot:
    """The snapshot in a pushed line. Raises PoolError when it is none."""
    match fields:
        case {
            "phase": str(phase),
            "live": list(live),
            "incarnations": dict(incarnations),
            "marked": int() | None as marked,
            "holder": int() | None as holder,
            "statefile": bool(statefile),
            "pool": str(pool),
        }:
            numbers = {int(host): int(number) for host, number in incarnations.items()}
            return Snapshot(phase, frozenset(live), numbers, marked, holder, statefile, pool)
    raise PoolError(f"the daemon's snapshot cannot be read: {fields!r}; run agent and daemon of one version")


@define(eq=False)
class DaemonClient:
    """The daemon of one host, seen by its agent. Used inside one event loop.

    Arguments:
        settings: what the daemon is started with.
        supervisor: starts it.
        changed: called after every new snapshot, and when the daemon has gone (None).
    """

    settings: Settings
    supervisor: SupervisorClient
    changed: Callable[[Snapshot | None], None] = lambda _: None
    newest: Snapshot | None = field(default=None, init=False)
    _watcher: asyncio.Task[None] | None = field(default=None, init=False)
    _news: asyncio.Event = field(factory=asyncio.Event, init=False)
    _starting: asyncio.Lock = field(factory=asyncio.Lock, init=False)

    async def start(self) -> Outcome:
        """Start the daemon, or find it: started once its liveset has formed; invalid (with the host that is marked as
        master), no_statefile or failed once it has ended, or nobody else came.

        While HA is being enabled the first daemon is live before anybody else. Its liveset has formed when all are in
        it, or when the master is and has made the pool active: until then it says nothing of who is missing.
        """
        try:
            async with self._starting:
                await self.supervisor.start_daemon(self.settings.to_json())
            await self._watch()
            async with asyncio.timeout(2 * self.settings.timing.join):
                while self.newest is not None and not self._formed(self.newest):
                    self._news.clear()
                    await self._news.wait()
            if self.newest is not None:
                return "started", {}
            code = await self._exit_code()
        except (PoolError, TimeoutError):
            return "failed", {}
        if code == INVALID:
            return "invalid", {"master": await asyncio.to_thread(self._marked)}
        return ("no_statefile" if code == NO_STATEFILE else "failed"), {}

    async def find(self) -> None:
        """Watch the daemon if one runs: an agent that has just started does not know."""
        with suppress(PoolError):
            if (await self.supervisor.daemon_status()).state == "running":
                await self._watch()

    def query(self) -> Outcome:
        """liveset (live, marked, statefile), starting or gone; at once.

        marked is the host that is marked as master, only while it holds the lock: the mark on the statefile outlives
        the lock, and a former master that is back may be one that must not ask for it again. Whoever followed that
        host would wait for it for ever (K7).
        """
        seen = self.newest
        if seen is None or seen.phase == "ending":
            return GONE
        if seen.phase == "starting":
            return "starting", {}
        marked = frozenset() if seen.marked is None or seen.marked != seen.holder else frozenset({seen.marked})
        return "liveset", {"live": seen.live, "marked": marked, "statefile": seen.statefile}

    async def propose(self) -> Outcome:
        """granted (with the liveset), refused, or gone; it waits until somebody has the lock."""
        reader, writer = None, None
        try:
            reader, writer = await asyncio.open_unix_connection(self._socket(), limit=_LINE_BYTES)
            writer.write(b'{"do": "propose"}\n')
            reply = json.loads(await reader.readline() or b"null")
        except (OSError, ValueError):
            return GONE
        finally:
            if writer is not None:
                writer.close()
        if not isinstance(reply, dict) or not reply.get("ok"):
            return GONE
        return ("granted", {"live": frozenset(reply["live"])}) if reply["granted"] else ("refused", {})

    async def set_init(self) -> Outcome:
        """ok once a fresh statefile says init, else failed."""
        settings = self.settings
        return await self._written(lambda: create_statefile(settings.statefile, settings.identity, settings.me))

    async def set_invalid(self) -> Outcome:
        """ok once invalid stands on the statefile, by the daemon or, where none is live, without it; else failed."""
        settings = self.settings
        if self.query()[0] == "liveset":
            try:
                await self._ask("invalidate", settings.timing.statefile_lease + 1.0)
            except PoolError:
                return "failed", {}
            return "ok", {}
        return await self._written(
            lambda: declare(settings.statefile, settings.identity, settings.me, PoolState.INVALID)
        )

    async def set_excluded(self) -> Outcome:
        """ok once this host is excluded, on the disk, and its daemon has left; else failed.

        Failed of a pool that is not active and of a host without statefile, whose daemon then goes on. A daemon whose
        goodbye did not reach the disk has left all the same; then, and when none runs, the agent writes a notice.
        """
        settings = self.settings
        with suppress(PoolError):
            await self._leave("exclude")
            return "ok", {}
        if self.query()[0] != "gone":
            return "failed", {}
        try:
            await self._exit_code()
        except (PoolError, TimeoutError):
            return "failed", {}  # it may run still, and no notice is written for a host whose daemon runs
        return await self._written(lambda: exclude(settings.statefile, settings.identity, settings.me))

    async def clear_excluded(self, promise: str) -> None:
        """Take the exclusion of this host back, so that it may form a liveset alone; it takes D.

        Arguments:
            promise: `hosts.daemon.notices.ALONE`, word by word.

        Raises:
            PoolError: why not; nothing has changed.
        """
        settings = self.settings
        path, identity = settings.statefile, settings.identity
        await self._ask_that_none_runs()
        before = await asyncio.to_thread(watched, path, identity, promise)
        await asyncio.sleep(settings.timing.drop)
        async with self._starting:  # the host may have been put back into HA meanwhile, which starts a daemon
            await self._ask_that_none_runs()
            await asyncio.to_thread(clear_excluded, path, identity, settings.me, before)

    async def quit(self) -> None:
        """Stop the daemon, disarmed and with its goodbye said, and wait for its end. Nothing when none runs."""
        with suppress(PoolError):
            await self._leave("stop")

    async def cut(self, peers: frozenset[int], statefile: bool = False, deaf: frozenset[int] = frozenset()) -> None:
        """For tests: drop all datagrams to and from `peers`, those from `deaf`, and fail every I/O on the statefile."""
        path = self.settings.directory / SOCKET
        await call(path, self._patience(), "cut", peers=sorted(peers), statefile=statefile, deaf=sorted(deaf))

    async def close(self) -> None:
        """Watch the daemon no longer; it runs on."""
        if self._watcher is not None:
            self._watcher.cancel()
            with suppress(asyncio.CancelledError):
                await self._watcher

    # -- watching

    async def _watch(self) -> None:
        """Connect to the daemon and wait for its first snapshot, or for its end."""
        if self._watcher is not None and not self._watcher.done():
            return
        while True:
            with suppress(OSError):
                reader, writer = await asyncio.open_unix_connection(self._socket(), limit=_LINE_BYTES)
                break
            if (await self.supervisor.daemon_status()).state != "running":
                return
            await asyncio.sleep(_POLL_SECONDS)
        writer.write(b'{"do": "subscribe"}\n')
        self._news.clear()
        self._watcher = asyncio.get_running_loop().create_task(self._follow(reader, writer))
        await self._news.wait()

    async def _follow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                self._take(snapshot_of(json.loads(line)["snapshot"]))
        except (OSError, ValueError, KeyError, TypeError):
            pass  # torn by its death; what comes next is the same
        finally:
            writer.close()
            self._take(None)

    def _take(self, snapshot: Snapshot | None) -> None:
        self.newest = snapshot
        self._news.set()
        self.changed(snapshot)

    def _formed(self, seen: Snapshot) -> bool:
        everybody = len(self.settings.hosts) == len(seen.live)
        return seen.phase == "live" and (seen.pool == "active" or everybody)

    async def _exit_code(self) -> int | None:
        """The exit code of a daemon that is about to end or has ended; None when there was none."""
        async with asyncio.timeout(self._patience()):
            while (status := await self.supervisor.daemon_status()).state == "running":
                await asyncio.sleep(_POLL_SECONDS)
        return status.code

    # -- asking

    def _socket(self) -> str:
        return socket_path(self.settings.directory / SOCKET)

    def _patience(self) -> float:
        """Longer than the daemon's own limit for a goodbye."""
        return self.settings.timing.lease + 1.0

    async def _leave(self, name: str) -> None:
        await self._ask(name, self._patience())
        with suppress(TimeoutError):
            await self._exit_code()  # else the next start would find it running

    async def _ask_that_none_runs(self) -> None:
        """Raises PoolError when a daemon runs here: what it writes itself would overtake a notice."""
        if self.query()[0] != "gone" or (await self.supervisor.daemon_status()).state == "running":
            raise PoolError("the daemon of this host runs, and gives up when nobody lets it in: ask again then")

    async def _ask(self, name: str, timeout: float) -> None:
        await call(self.settings.directory / SOCKET, timeout, name)

    async def _written(self, write: Callable[[], None]) -> Outcome:
        try:
            await asyncio.to_thread(write)
        except StatefileError:
            return "failed", {}
        return "ok", {}

    def _marked(self) -> int | None:
        try:
            statefile = open_statefile(self.settings.statefile, self.settings.identity)
            try:
                return statefile.read().mark.host
            finally:
                statefile.close()
        except (PoolError, OSError):
            return None
