"""A toy machine with one of everything that a driver does, and adapters that tests hold by the hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from attrs import define, field

from fsm.drivers.adapters import Outcome
from fsm.drivers.clock import VirtualClock
from fsm.drivers.drive import AsyncDriver
from fsm.drivers.journal import Journal
from fsm.drivers.replay import replay
from fsm.engine.node import Node
from fsm.engine.turn import Event, Operation, Signal

STATE = """
language: 1
essay: the toy's variables
parameters: {T: 2}
variables:
  armed: {type: bool, store: host, initial: false, why: "a job was begun"}
  count: {type: "0..3", store: pool, initial: 0, why: "a number for everybody"}
  seen: {type: hosts, store: pool, initial: nobody, why: "a set for everybody"}
"""
JOB = """
language: 1
port: job
essay: jobs
operations:
  run: {idempotent: true, arguments: {what: opaque}, outcomes: {done: {}, broken: {why: opaque}}}
  peek: {instant: true, outcomes: {busy: {who: hosts}, free: {}}}
signals: {ring: {why: opaque}}
"""
HOST = """
language: 1
port: host
essay: calls
operations:
  work: {to: host, idempotent: true, arguments: {what: opaque}, outcomes: {ok: {}, failed: {}}}
"""
WORKER = """
language: 1
machine: worker
essay: it works
ports: [job, host]
shared: [armed, count, seen]
serves: {host.work: {busy: refuse}}
variables: {work: {type: opaque, store: memory, initial: none, why: "what was asked for"}}
events: {go: {what: opaque}, drop: {}, look: {}, fan: {}, bump: {}}
initial: idle
states: [idle, {busy: [running, resting]}, looking, asking, serving]
rows:
- {from: idle, on: go, to: running, tell: boss.noted, set: {armed: true, count: 1, work: what},
   do: "job.run(what=what)", why: "begin a job"}
- {from: running, on: go, to: running, do: "job.run(what=what)", why: "begin it anew"}
- {from: running, on: job.done, to: idle, set: {count: 2}, why: "the job is done"}
- {from: running, on: job.broken, to: resting, tell: "job.ring(why=why)", why: "the job broke"}
- {from: resting, after: "T", to: running, do: "job.run(what=work)", why: "try it again"}
- {from: busy, after: "4*T", to: idle, why: "that took too long"}
- {from: [running, resting], on: drop, to: idle, why: "nobody wants it any more"}
- {from: idle, on: look, to: looking, do: job.peek, why: "is there anything"}
- {from: looking, on: job.free, to: idle, why: "there is nothing"}
- {from: looking, on: job.busy, to: resting, set: {seen: who}, why: "there is something"}
- {from: idle, on: fan, to: asking, do: "each other host.work(what=work)", why: "everybody works"}
- {from: asking, on: all_ok, to: idle, why: "everybody did"}
- {from: asking, on: some_failed, to: idle, set: {seen: bad}, why: "somebody did not"}
- {from: idle, on: host.work, to: serving, do: "job.run(what=what)", why: "somebody wants work done"}
- {from: serving, on: job.done, to: idle, reply: ok, why: "the work is done"}
- {from: serving, on: job.broken, to: idle, reply: failed, why: "the work broke"}
- {from: idle, on: bump, if: "count == 2", to: same, set: {count: 3}, why: "only in this order"}
- {from: idle, on: bump, if: else, to: same, set: {count: 2}, why: "one step of two"}
ignore:
- {in: [running, resting], on: [look], why: "there is enough to do"}
"""
BOSS = """
language: 1
machine: boss
essay: it is told
ports: []
events: {noted: {}}
initial: calm
states: [calm, pleased]
rows:
- {from: [calm, pleased], on: noted, to: pleased, why: "work has begun"}
"""


def write_specs(root: Path) -> Path:
    """The toy's specs as files below `root`."""
    files = {"state": STATE, "ports/job": JOB, "ports/host": HOST, "machines/worker": WORKER, "machines/boss": BOSS}
    for name, text in files.items():
        path = root / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def toy_node(root: Path, n: int = 3) -> Node:
    """The toy as host 0 of n."""
    return Node.load(write_specs(root), ["worker", "boss"], 0, n)


GO = Event("worker", "go", {"what": "x"})
LOOK, DROP, FAN, BUMP = (Event("worker", name) for name in ("look", "drop", "fan", "bump"))


@define(eq=False)
class Hand:
    """An adapter whose operations end when the test says so. `log` is shared with the stores."""

    log: list[str]
    started: list[tuple[Operation, asyncio.Future[Outcome]]] = field(factory=list)
    answer: Callable[[], Outcome] = lambda: ("free", {})
    cancelled: int = 0
    stubborn: bool = False

    async def perform(self, operation: Operation) -> Outcome:
        self.log.append(f"do {operation.port}.{operation.name}")
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.started.append((operation, future))
        try:
            return await (asyncio.shield(future) if self.stubborn else future)
        except asyncio.CancelledError:
            self.cancelled += 1
            if self.stubborn:
                return await future
            raise

    def read(self, operation: Operation) -> Outcome:
        return self.answer()

    def signal(self, signal: Signal) -> None:
        self.log.append(f"signal {signal.name}")
        if signal.arguments["why"] == "mute":
            raise OSError("no bell")

    def failure(self, operation: Operation, error: BaseException) -> Outcome:
        if isinstance(error, ZeroDivisionError):
            raise error
        return "broken", {"why": type(error).__name__}

    def finish(self, outcome: str, /, **payload: Any) -> None:
        """Ends the newest operation."""
        self.started[-1][1].set_result((outcome, payload))

    def fail(self, error: BaseException) -> None:
        """Ends the newest operation by an exception."""
        self.started[-1][1].set_exception(error)


@define(eq=False)
class Store:
    """A store of host or pool variables in memory. `gate` makes its commits wait; `broken` makes them fail."""

    name: str
    log: list[str]
    values: dict[str, Any] = field(factory=dict)
    broken: Exception | None = None

    def __str__(self) -> str:
        return self.name

    def load(self) -> Mapping[str, Any]:
        return self.values

    def commit(self, values: Mapping[str, Any]) -> None:
        self.log.append(f"{self.name} {dict(values)}")
        if self.broken is not None:
            raise self.broken
        self.values |= values


@define(eq=False)
class SlowStore:
    """A pool store that is waited for."""

    log: list[str]
    gate: asyncio.Event = field(factory=asyncio.Event)

    async def commit(self, values: Mapping[str, Any]) -> None:
        await self.gate.wait()
        self.log.append(f"pool {dict(values)}")


@define(eq=False)
class Rig:
    """A driver of the toy with everything around it."""

    node: Node
    log: list[str] = field(factory=list)
    lines: list[str] = field(factory=list)
    clock: VirtualClock = field(factory=VirtualClock)
    hand: Hand = field(init=False)
    host: Store = field(init=False)
    pool: Store = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.hand, self.host, self.pool = Hand(self.log), Store("host", self.log), Store("pool", self.log)

    def keep(self, data: bytes) -> None:
        self.log.append("journal")
        self.lines += data.decode().splitlines(keepends=True)

    def driver(self, pool: Any = None) -> AsyncDriver:
        """A driver that has not started."""
        ports = {"job": self.hand, "host": self.hand}
        return AsyncDriver(
            "h0", self.node, ports, self.clock, Journal(self.keep), self.host, self.pool if pool is None else pool
        )


Scenario = Callable[[Rig, AsyncDriver], Coroutine[Any, Any, None]]


async def rest() -> None:
    """Lets everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


def run(rig: Rig, scenario: Scenario, pool: Any = None) -> AsyncDriver:
    """Runs a scenario on a started driver, stops it, and asks that its journal replays."""

    async def main() -> AsyncDriver:
        driver = rig.driver(pool)
        driver.start()
        await asyncio.wait_for(scenario(rig, driver), 5)
        await driver.stop()
        assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        return driver

    driver = asyncio.run(main())
    root = Path(rig.node.machines[0].at.file).parent.parent
    assert replay(rig.lines, root).divergence is None
    return driver


def state(driver: AsyncDriver) -> str:
    """The leaf state of the worker."""
    return driver.node.state(driver.local, "worker")
