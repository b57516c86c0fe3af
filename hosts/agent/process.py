"""The agent of one host, put together: its machines, its ports, its door. A process of its own.

Every decision is a row of its machines; what is here performs what they want and tells them what came of it. An agent
that cannot go on (a variable that could not be made durable, an outcome that no port declares) ends with one line in
the log of its host, and the supervisor starts another: it knows what is on the disk, asks the supervisor what runs, and
finds the daemon where it is.

Order of a start: what runs here is known before the machines boot, and they have booted before the door opens, so a
call finds either nobody or machines that can answer it.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define, field

from fsm import Event, Node
from fsm.drivers.adapters import Adapter
from fsm.drivers.clock import LoopClock
from fsm.drivers.drive import AsyncDriver
from fsm.drivers.journal import Journal
from fsm.errors import BadValues, Place
from fsm.explore.calls import Routes
from fsm.language.domains import Value
from fsm.language.spec import Machine
from hosts.agent.alerts_port import AlertsPort
from hosts.agent.calls import NEW_TERM, HostPort, Serving
from hosts.agent.daemon_port import DaemonPort, StoragePort
from hosts.agent.database_port import DatabasePort, Reign
from hosts.agent.host_store import JsonHostStore
from hosts.agent.planner_port import PlannerPort
from hosts.agent.power_port import PowerPort
from hosts.agent.public import SERVING, Public
from hosts.agent.steps import Steps
from hosts.agent.terms_port import TermsPort
from hosts.agent.timer_port import TimerPort
from hosts.agent.toolstack_port import ToolstackPort
from hosts.database import Database
from hosts.errors import PoolError
from hosts.pool_dir import PoolDir
from hosts.rpc import Answer, HostCalls, RpcServer, TermKeeper
from hosts.secret import read_secret
from hosts.supervisor import HostControl, SupervisorClient
from hosts.supervisor.process import log

MACHINES = (
    "life", "election", "reconcile", "shutdown", "withdraw", "monitor", "restart", "guest", "hold", "muster",
    "patience", "readiness", "outlook", "sight", "enable", "join", "disable", "leave", "handover", "promise",
    "follow",
)  # fmt: skip
"""The specs of an agent's machines."""

FAILED = 1
_LIVES = "lives"


@define(eq=False)
class Agent:
    """One agent. Made and used inside one event loop.

    Arguments:
        pool, me: which host of which pool.
        node: its machines.
    Errors: `PoolError` where something of the host's cannot be read; nothing was changed then.
    """

    pool: PoolDir
    me: int
    node: Node
    cut: set[int] = field(factory=set, init=False)
    deaf: set[int] = field(factory=set, init=False)
    superseded: asyncio.Event = field(factory=asyncio.Event, init=False)
    terms: TermKeeper = field(init=False)
    reign: Reign = field(init=False)
    daemon: DaemonPort = field(init=False)
    toolstack: ToolstackPort = field(init=False)
    planner: PlannerPort = field(init=False)
    host: HostPort = field(init=False)
    alerts: AlertsPort = field(init=False)
    driver: AsyncDriver = field(init=False)
    server: RpcServer = field(init=False)
    steps: Steps = field(init=False)

    @steps.default
    def _no_steps(self) -> Steps:
        return Steps({machine.name: machine for machine in self.node.machines})

    def __attrs_post_init__(self) -> None:
        directory, clock = self.pool.host_dir(self.me), LoopClock()
        secret, store = read_secret(self.pool.secret), JsonHostStore(directory / "host.json")
        self.terms = TermKeeper(directory / "term.json")
        self.reign = Reign(self.terms)
        supervisor = SupervisorClient(directory)
        self.daemon = DaemonPort(self.pool, self.me, supervisor, lambda: self.server.begin_anew())
        self.toolstack = ToolstackPort(self.pool, self.me, supervisor, lambda event: self.driver.post(event))
        self.planner = PlannerPort(self._database, self.value, broken=self._log_broken)
        routes = Routes.of(self.node.machines, Place("the machines of an agent"))
        serving = Serving(self.node, routes, lambda event: self.driver.serve(event), self.toolstack.expect)
        life = self._next_life(store)
        addresses = {index: self.pool.address(index) for index in range(len(self.pool.hosts))}
        commands = HostCalls(
            self.me, addresses, secret, lambda: self.reign.term or self.terms.term, self.cut, life, self.deaf
        )
        questions = HostCalls(self.me, addresses, secret, lambda: self.terms.term, self.cut, life, self.deaf)
        self.host = HostPort(
            self.node, commands, questions, serving.handle, self.terms, self.reign.incarnation, self._deposed
        )
        names = [host.name for host in self.pool.hosts]
        self.alerts = AlertsPort(directory / "alerts.log", clock.now, self.planner.reason, names)
        adapters: dict[str, Adapter] = {
            "daemon": self.daemon,
            "host": self.host,
            "toolstack": self.toolstack,
            "planner": self.planner,
            "database": DatabasePort(self.pool, self.me, self.reign, self._tell_term, self._load, self.alerts),
            "storage": StoragePort(self.pool, self.me),
            "terms": TermsPort(),
            "power": PowerPort(HostControl(directory)),
            "alerts": self.alerts,
            "timer": TimerPort(),
        }
        name, journal = self.pool.hosts[self.me].name, Journal.open(self.pool.agent_journal(self.me))
        self.driver = AsyncDriver(name, self.node, adapters, clock, journal, store, self.reign)
        public = Public(self).methods()
        self.server = RpcServer(self.me, len(addresses), secret, self.terms, serving.handle, public, self.deaf)

    async def run(self) -> None:
        """Run until something fails. Errors: `PoolError` with the reason."""
        await self.toolstack.load()
        await self.daemon.client.find()
        self.driver.observe(self.planner.observe)
        self.driver.observe(self.steps.observe)
        self.driver.start()
        await self.driver.send(Event("life", "boot"))
        await self.server.start(self.pool.address(self.me))
        gc.collect()
        gc.freeze()  # nothing that lives now will die: a full collection then takes microseconds, not 30 ms
        ends: set[asyncio.Future[Any]] = {self.driver.failed, asyncio.create_task(self.superseded.wait())}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if self.driver.failed.done():
            raise PoolError(self.driver.failed.result())
        raise PoolError(f"term {self.reign.term} is over, there is term {self.terms.term}; starting again to learn why")

    def state(self, machine: str) -> str:
        """The state of a machine."""
        return self.node.state(self.driver.local, machine)

    def value(self, name: str) -> Value:
        """A variable of the machines."""
        return self.node.value(self.driver.local, self.driver.pool, name)

    def acting(self) -> bool:
        """Whether this host acts as master."""
        return self.state("life") in SERVING and self.value("role") == self.me

    def _deposed(self) -> None:
        """A command was refused, for somebody knows of a higher term. A host without a reign has none to end: it
        commands only when it is stranded (machine disable), and asks again."""
        if self.reign.term:
            self.superseded.set()

    def _next_life(self, store: JsonHostStore) -> str:
        """How often this host's agent has started: what it calls now is later than all that it called before."""
        life = int(store.load().get(_LIVES, 0)) + 1
        store.commit({_LIVES: life})
        return str(life)

    def _database(self) -> Database | None:
        return None if self.reign.store is None else self.reign.store.database

    def _log_broken(self) -> bool:
        return self.reign.store is None or self.reign.store.broken is not None

    async def _tell_term(self, host: int) -> bool:
        return isinstance(await self.host.call(host, NEW_TERM, {}, "database"), Answer)

    async def _load(self, variables: Mapping[str, Value]) -> None:
        """A VM that is no more has variables, too; what nobody declares is left where it is."""
        declared = self.node.layout.pool_slots
        await self.driver.load_pool({name: value for name, value in variables.items() if name in declared})


async def _run(pool: PoolDir, me: int, node: Node) -> None:
    await Agent(pool, me, node).run()


def main(pool: PoolDir, index: int, machines: Sequence[Machine], parameters: Mapping[str, float]) -> None:
    """The program "agent" of a supervisor.

    Arguments:
        pool, index: which host of which pool.
        machines: the specs of `MACHINES`.
        parameters: of the specs, in seconds, by name.
    """
    instances = {"vm": tuple(vm.name for vm in pool.vms)}
    try:
        asyncio.run(_run(pool, index, Node(machines, index, len(pool.hosts), instances, parameters)))
    except (PoolError, BadValues) as error:  # BadValues: host.json holds what no variable can be
        log(f"agent: {error}")
        sys.exit(FAILED)
