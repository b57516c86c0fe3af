"""The daemon of one host, put together: its machines, its ports, its socket. A process of its own.

It performs what the rows of membership and lock say and tells them what came of it. It ends with xhad's exit codes: 0
stopped, 8 no statefile, 9 or 10 a statefile of something else, 11 pool state invalid, 12 not all hosts came, 13 not let
in, 18 excluded, 4 no lease to be had; 1 when it could not go on. It gives the lease up before it ends where its rows
say so, and nowhere else: a daemon that fails takes its host with it, which is what the lease is for.

What it leaves out: who starts it (init of the supervisor), and what its agent makes of what it says.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal as signals
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any

from attrs import define, field

from fsm import Event, Library, Node, Operation, Signal, Turn, specs
from fsm.drivers.clock import LoopClock
from fsm.drivers.drive import AsyncDriver
from fsm.drivers.journal import Journal
from fsm.language.domains import Value
from fsm.language.spec import Machine
from hosts.daemon.door import Door
from hosts.daemon.evidence import Evidence
from hosts.daemon.heartbeat import Heartbeat
from hosts.daemon.incarnation import take
from hosts.daemon.layout import Phase
from hosts.daemon.network_port import NetworkPort
from hosts.daemon.requests import Requests
from hosts.daemon.settings import INCARNATION, JOURNAL, SOCKET, Settings, settings_of
from hosts.daemon.statefile import StatefileError, open_statefile
from hosts.daemon.statefile_port import Outcome, Published, StatefilePort
from hosts.daemon.timing import Timing
from hosts.daemon.view import NOBODY, Hosts
from hosts.errors import PoolError
from hosts.supervisor import Lease, started_arguments
from hosts.supervisor.process import log

JOINING = ("join_writing", "join_reading", "join_pause")
LIVE = ("live_writing", "live_reading", "live_pause")
PAUSE = "live_pause"
PAUSES = ("join_pause", PAUSE)
FAILED, NO_LEASE = 1, 4
_NICE = -10


@cache
def specs_for(timing: Timing) -> tuple[tuple[Machine, ...], Mapping[str, float]]:
    """The daemon's machines and their parameters.

    Reading them takes half a second. A process that is about to fork hosts calls this first, so that their daemons
    find them read.
    """
    times = {"T": timing.target, "lease": timing.lease, "cycle": timing.cycle, "join_limit": timing.join}
    library = Library(specs(), times)
    return tuple(library.machine(name) for name in ("membership", "lock")), library.parameters()


class NoStore:
    """Host and pool variables of machines that have none."""

    def load(self) -> Mapping[str, object]:
        """Nothing."""
        return {}

    def commit(self, values: Mapping[str, object]) -> None:
        """Never called: the daemon's machines live in memory, their durable words on the statefile."""
        raise AssertionError(f"the daemon has no durable variables, but {sorted(values)} were set")


@define(eq=False)
class Daemon:
    """One daemon.

    Arguments:
        settings: its place in the pool.
        lease: the channel to its host's guard.

    Raises:
        PoolError: settings, statefile or secret cannot be used; nothing has been written.
    """

    settings: Settings
    lease: Lease
    clock: LoopClock = field(factory=LoopClock, init=False)
    evidence: Evidence = field(init=False)
    statefile: StatefilePort = field(init=False)
    network: NetworkPort = field(init=False)
    requests: Requests = field(init=False)
    driver: AsyncDriver = field(init=False)
    door: Door = field(init=False)
    over: asyncio.Event = field(factory=asyncio.Event, init=False)
    _tracked: Hosts = field(default=NOBODY, init=False)
    _tasks: set[asyncio.Task[None]] = field(factory=set, init=False)

    def __attrs_post_init__(self) -> None:
        settings, timing = self.settings, self.settings.timing
        me, n = settings.me, len(settings.hosts)
        file = open_statefile(settings.statefile, settings.identity)
        self.evidence = Evidence(me, n, timing, self.clock.now())
        now = self.clock.now
        self.statefile = StatefilePort(file, self.evidence, me, n, now, self._held, lambda: self.network.nudge())
        self.network = NetworkPort(
            settings,
            self.evidence,
            now,
            self._beat,
            self._members,
            lambda: self.state("membership") == PAUSE,
            self._said,
        )
        machines, parameters = specs_for(timing)
        node = Node(machines, me, n, {}, parameters)
        adapters = {name: Port(self, name) for name in ("statefile", "supervisor", "agent")}
        store = NoStore()
        journal = Journal.open(settings.directory / JOURNAL)
        self.driver = AsyncDriver(f"host {me}", node, adapters, self.clock, journal, store, store)
        self.requests = Requests(self)
        self.door = Door(settings.directory / SOCKET, self.requests.handlers(), self.requests.snapshot)

    async def run(self) -> int:
        """Run until the machines have stopped; the exit code."""
        await self.network.open()
        await self.door.open()
        self.driver.observe(lambda _, __, turn: self._turned(turn))
        self.driver.start()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signals.SIGTERM, lambda: self.post("stop"))
        beats = loop.create_task(self.network.run())
        self.post("start")
        ends: set[asyncio.Future[Any]] = {loop.create_task(self.over.wait()), self.driver.failed, beats}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        beats.cancel()
        if not self.over.is_set():
            log(f"daemon: cannot go on: {self.driver.failed.result() if self.driver.failed.done() else beats}")
            return FAILED
        self.door.close()
        await self.requests.farewell()
        await self.driver.stop()
        return int(self.value("code"))

    def post(self, event: str, **payload: object) -> None:
        """Tell membership an event."""
        self.driver.post(Event("membership", event, payload))

    def value(self, name: str) -> Value:
        """A variable of membership."""
        return self.driver.node.value(self.driver.local, self.driver.pool, f"membership.{name}")

    def state(self, machine: str) -> str:
        """The state of a machine."""
        return self.driver.node.state(self.driver.local, machine)

    def hosts(self, name: str) -> Hosts:
        """A variable of membership that is a set of hosts."""
        value = self.value(name)
        assert isinstance(value, frozenset)
        return value

    # -- what the ports ask

    def _held(self) -> Published:
        return Published(
            live=self.hosts("live"),
            heard=self.hosts("heard"),
            stay=self.hosts("stay"),
        )

    def _beat(self) -> Heartbeat | None:
        state = self.state("membership")
        if not self.evidence.incarnation or state in ("leaving", "stopped"):
            return None
        view = self.statefile.view
        return Heartbeat(
            host=self.settings.me,
            incarnation=self.evidence.incarnation,
            live=self.hosts("live"),
            stay=self.hosts("stay"),
            fresh=view.fresh if view else NOBODY,
            no_statefile=bool(self.value("no_sf")),
            joining=state in JOINING,
            fencing=state == "fencing",
        )

    def _members(self) -> Hosts:
        return self.hosts("heard") & self.hosts("live") if self.state("membership") in LIVE else NOBODY

    def _said(self, event: str, payload: Mapping[str, object]) -> None:
        self.post(f"network.{event}", **payload)

    def _turned(self, turn: Turn) -> None:
        """After every turn: the books follow the liveset, and whoever looks on is told."""
        live, state = self.hosts("live"), self.state("membership")
        if live != self._tracked:
            self.evidence.track(live)
            self._tracked = live
        self.network.tell_ended()
        self.network.tell_hurry()
        if any(fired.target in PAUSES and fired.source != fired.target for fired in turn.fired):
            task = asyncio.get_running_loop().create_task(self.statefile.show())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if state == "stopped":
            self.over.set()
        self.door.changed()

    # -- what the machines want

    def signal(self, signal: Signal) -> None:
        """Perform a signal of any of the daemon's ports."""
        match signal.port, signal.name:
            case "supervisor", "arm":
                self._arm()
            case "supervisor", "renew":
                self.lease.renew(float(signal.arguments["deadline"]), self.evidence.incarnation)
            case "supervisor", "drop":
                with suppress(PoolError):  # a guard that does not answer ends the host, which is no worse
                    self.lease.drop()
            case "supervisor", "fence":
                self.lease.fence("ruled out: not in the partition that stays")
                self.network.send()
            case "statefile", "grant":
                self.statefile.grant(signal.arguments["to"])
            case "statefile", "hurry":
                self.statefile.hurried = self.network.hurried = True
            case "statefile", name:
                {"ask": self.statefile.ask, "withdraw": self.statefile.withdraw, "mark": self.statefile.mark}[name]()
            case "agent", "kept":
                self.requests.answer_exclusions()
            case "agent", name:
                self.requests.answer_proposals(name == "granted")

    def _arm(self) -> None:
        try:
            incarnation = take(self.settings.directory / INCARNATION, self.statefile.incarnation_shown)
            self.statefile.begin(incarnation)
            self.lease.take(self.clock.now() + self.settings.timing.lease, incarnation)
        except PoolError as error:
            log(f"daemon: {error}")
            os._exit(NO_LEASE)  # not one byte may be written without a lease, or under a number taken before

    async def perform(self, operation: Operation) -> Outcome:
        """Perform an operation of the statefile."""
        given = operation.arguments
        match operation.name:
            case "read":
                return await self.statefile.read()
            case "write_joining":
                return await self.statefile.write(Phase.JOINING, given["live"], given["pool"], given["excluded"])
            case "write_live":
                return await self.statefile.write(Phase.LIVE, given["live"], given["pool"], False)
        self.network.bye()
        said = await self.statefile.write_bye(given["pool"], given["excluded"])
        self.network.bye()
        return said


@define
class Port:
    """The daemon as the adapter of one of its ports, as `fsm.drivers.drive` wants it."""

    daemon: Daemon
    name: str

    async def perform(self, operation: Operation) -> Outcome:
        """Perform an operation."""
        return await self.daemon.perform(operation)

    def read(self, operation: Operation) -> Outcome:
        """None of the daemon's operations is instant."""
        raise AssertionError(f"{operation.port}.{operation.name} is not instant")

    def signal(self, signal: Signal) -> None:
        """Perform a signal."""
        self.daemon.signal(signal)

    def failure(self, operation: Operation, error: BaseException) -> Outcome:
        """Whatever went wrong with the statefile, it failed."""
        return "failed", {}


async def _run(settings: Settings, lease: Lease) -> int:
    daemon = Daemon(settings, lease)
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICE)  # a daemon that is late costs its host; optional all the same
    gc.collect()
    gc.freeze()  # nothing that lives now will die: a full collection then takes microseconds, not 30 ms
    return await daemon.run()


def main() -> None:
    """The program "daemon" of a supervisor: run with the arguments and the lease channel that it was started with."""
    try:
        settings = settings_of(started_arguments())
        sys.exit(asyncio.run(_run(settings, Lease.inherited())))
    except StatefileError as error:
        log(f"daemon: {error}")
        sys.exit(error.code)
    except PoolError as error:
        log(f"daemon: {error}")
        sys.exit(2)
